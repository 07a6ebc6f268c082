//! Signum.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Signum**, signSGD with momentum: m = γm + (1-γ)g, Δw = -α sign(m).
///
/// When to use it: as [`Lion`](crate::Lion), which differs in that its step takes the gradient at hand
/// with more weight than its memory does: large batches, and half of Adam's memory. Every element moves
/// by α, so α must fall to settle. One value a parameter; rates are 1e-4 to 1e-3, with decay
/// ([`decoupled_decay`](Self::decoupled_decay)) larger in proportion than AdamW's.
///
#[doc = include_str!("../../docs/paths/signum.svg")]
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `momentum` γ | 0.9 | [0, 1) |
///
/// sign(0) = 0; a bias correction would not change a sign. The same in Optax.
///
/// Source: Bernstein, Wang, Azizzadenesheli & Anandkumar, "signSGD: compressed optimisation for
/// non-convex problems", 2018.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Signum};
/// let mut w = array![1.0];
/// let mut signum = Signum::new(0.25).momentum(0.75);
/// signum.step(&mut w, &array![2.0])?; // m = 0.5
/// signum.step(&mut w, &array![-1.0])?; // m = 0.125: the memory outweighs the gradient
/// assert_eq!(w, array![0.5]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Signum>;

hyperparameters! {
    /// The rule of [`Signum`](crate::Signum).
    Signum {
        /// γ, the share of the average that is kept.
        momentum = 0.9 in FRACTION;
    }
}

impl<F: Scalar> Elementwise<F, Signum> {
    /// Signum with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Signum::default(), learning_rate)
    }
}

compiled!(Signum);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    alpha: F,
    momentum: F,
    one_minus_momentum: F,
}

impl<F: Scalar> Rule<F> for Signum {
    const NAME: &'static str = "Signum";
    const SLOTS: &'static [&'static str] = &["m"];
    type State = [F; 1];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> Step<F> {
        Step {
            alpha: F::from_f64(learning_rate),
            momentum: F::from_f64(self.momentum),
            one_minus_momentum: F::from_f64(1.0 - self.momentum),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m]: [F; 1]) -> (F, [F; 1]) {
        let m = k.momentum * m + k.one_minus_momentum * g;
        (w - k.alpha * m.sign(), [m])
    }
}
