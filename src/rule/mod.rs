//! A rule: what an elementwise optimizer does to one element.

mod clock;
mod slots;
mod totals;

use std::fmt::Debug;

pub use clock::{Clock, bias_correction};
pub(crate) use slots::{MOST, Slices};
pub use slots::{SlotKind, Slots};
pub(crate) use totals::SUMS;
pub use totals::Totals;

use crate::error::Error;
pub use crate::interval::Interval;
use crate::scalar::Scalar;

/// The update of one element: the whole of an elementwise optimizer.
///
/// A rule is a pure function; [`Elementwise`](crate::Elementwise) does the rest (traversal, state,
/// learning rate, clipping, penalties, the non-finite guard, SIMD, threads). The constants of a step
/// are computed once, in `f64`, by [`begin`](Rule::begin).
///
/// ```
/// use ndarray::array;
/// use thalweg::rule::{Clock, Interval};
/// use thalweg::{Elementwise, Error, Optimizer, Rule, Scalar};
///
/// /// signSGD with momentum: m = γm + (1-γ)g, w -= α sign(m).
/// #[derive(Debug, Clone)]
/// struct SignMomentum { momentum: f64 }
///
/// impl<F: Scalar> Rule<F> for SignMomentum {
///     const NAME: &'static str = "SignMomentum";
///     const SLOTS: &'static [&'static str] = &["m"];
///     type State = [F; 1];
///     type Step = [F; 3];
///
///     fn validate(&self) -> Result<(), Error> {
///         Interval::FRACTION.check::<F>("SignMomentum", "momentum", self.momentum)
///     }
///     fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> [F; 3] {
///         [learning_rate, self.momentum, 1.0 - self.momentum].map(F::from_f64)
///     }
///     #[inline(always)]
///     fn update(&[alpha, gamma, rest]: &[F; 3], w: F, g: F, [m]: [F; 1]) -> (F, [F; 1]) {
///         let m = gamma * m + rest * g;
///         (w - alpha * m.sign(), [m])
///     }
/// }
///
/// let mut w = array![1.0, -1.0, 0.0];
/// let mut optimizer = Elementwise::with_rule(SignMomentum { momentum: 0.9 }, 0.25);
/// optimizer.step(&mut w, &array![0.3, -7.0, 0.0])?;
/// assert_eq!(w, array![0.75, -0.75, 0.0]);
/// # Ok::<(), Error>(())
/// ```
///
/// `update` must be `#[inline(always)]`: a function that is called, and not inlined, is compiled
/// for the baseline instruction set and runs several times slower.
pub trait Rule<F: Scalar>: Clone + Debug + Send + Sync + 'static {
    /// The optimizer's name, as messages and checkpoints write it.
    const NAME: &'static str;

    /// The learning rate of a default-constructed optimizer.
    const LEARNING_RATE: f64 = 1e-3;

    /// The state's names, one for each value of [`State`](Rule::State).
    const SLOTS: &'static [&'static str];

    /// What each slot holds, so that it can be kept in fewer bits
    /// ([`Settings::state_precision`](crate::Settings)); a slot that is not told of stays full.
    const SLOT_KINDS: &'static [SlotKind] = &[];

    /// The state of one element: `[F; 0]` to `[F; 4]`.
    type State: Slots<F>;

    /// The constants of one step, cast to `F`.
    type Step: Copy + Send + Sync + 'static;

    /// Checks every hyperparameter's range; NaN is out of range.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`](crate::ErrorKind::Hyperparameter); [`Interval::check`] makes it.
    fn validate(&self) -> Result<(), Error>;

    /// The state of an element before its first step; zero unless the rule says otherwise.
    fn initial(&self) -> Self::State {
        Self::State::zeros()
    }

    /// The constants of a step at that learning rate, computed in `f64`.
    ///
    /// `clock` tells the step, and keeps what is carried from step to step: see [`Clock`].
    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Self::Step;

    /// The largest |g| of which the state can be kept: beyond it a square overflows, and an element may
    /// never move again. ∞ where nothing is squared.
    ///
    /// A larger gradient is treated as one that is not finite ([`NonFinite`](crate::NonFinite)).
    fn largest_gradient(&self) -> f64 {
        f64::INFINITY
    }

    /// Whether [`update`](Rule::update) leaves an element whose gradient is 0 as it is, and its state too, at
    /// any step: steps that do not touch it can then be left out
    /// ([`Untouched::Exact`](crate::Untouched::Exact)).
    fn rests(&self) -> bool {
        false
    }

    /// Calls `visit` with the name and the number of each hyperparameter; what it writes is taken.
    ///
    /// It is what schedules of hyperparameters and checkpoints go by. A rule that names none cannot
    /// have them scheduled, and is compared with the one saved as a whole.
    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        let _ = visit;
    }

    /// Whether the rule wants [`norms`](Rule::norms) of each leaf before it is updated; they cost a
    /// pass over it.
    const NORMS: bool = false;

    /// Two quantities of an element whose ‖·‖₂ over its leaf the rule wants; `w` and `g` are those
    /// that [`update`](Rule::update) gets.
    #[inline(always)]
    fn norms(_k: &Self::Step, _w: F, _g: F, _state: Self::State) -> [F; 2] {
        [F::zero(); 2]
    }

    /// Whether each leaf has a clock of its own, so that [`of_leaf`](Rule::of_leaf) may carry what is
    /// true of this leaf alone.
    const LEAF_CLOCKS: bool = false;

    /// Completes the constants of a step for a leaf of these norms, which may be 0, ∞ or NaN.
    ///
    /// `clock` is that of [`begin`](Rule::begin). Leaves that began together share it, unless the rule
    /// has [`LEAF_CLOCKS`](Rule::LEAF_CLOCKS).
    fn of_leaf(&self, k: &mut Self::Step, norms: [f64; 2], clock: &mut Clock) {
        let _ = (k, norms, clock);
    }

    /// What the rule wants summed over the elements of all leaves before they are updated, by name; at
    /// most four. It costs a pass over everything.
    const SUMS: &'static [&'static str] = &[];

    /// The terms of an element in [`SUMS`](Rule::SUMS), in their order; `w` and `g` are those that
    /// [`update`](Rule::update) gets.
    ///
    /// The constants are not complete yet: [`of_tree`](Rule::of_tree) does that. A sum that is not finite is
    /// an error of the step ([`ErrorKind::NonFiniteSum`](crate::ErrorKind::NonFiniteSum)); where
    /// [`NonFinite::Propagate`](crate::NonFinite::Propagate) lets it through, it counts as 0.
    #[inline(always)]
    fn sums(_k: &Self::Step, _w: F, _g: F, _state: Self::State) -> [f64; 4] {
        [0.0; 4]
    }

    /// Whether the rule wants the loss: plain [`step`](crate::Optimizer::step) is then an error, and
    /// [`step_with_loss`](crate::Optimizer::step_with_loss) to be called.
    const LOSS: bool = false;

    /// Takes the sums of a step, and its loss, into what is carried. It is asked once a step of the rule
    /// of the optimizer itself, or where all leaves are of groups, of that of the first leaf.
    ///
    /// What is carried is in [`Clock::of_tree`] at the next [`begin`](Rule::begin).
    fn total(&self, totals: &mut Totals) {
        let _ = totals;
    }

    /// Completes the constants of a step by what is true of the whole tree, after
    /// [`total`](Rule::total).
    fn of_tree(&self, k: &mut Self::Step, totals: &Totals) {
        let _ = (k, totals);
    }

    /// The fraction of the parameter that [`update`](Rule::update) takes off beside its direction:
    /// what cautious updates leave alone.
    #[inline(always)]
    fn decay(_k: &Self::Step) -> F {
        F::zero()
    }

    /// The new parameter and state of an element from its old ones and its gradient.
    fn update(k: &Self::Step, w: F, g: F, state: Self::State) -> (F, Self::State);
}
