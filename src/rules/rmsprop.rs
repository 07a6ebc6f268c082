//! RMSprop.

use super::Epsilon;
use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **RMSprop**: s = γs + (1-γ)g², Δw = -αg/√(s + ε).
///
/// When to use it: recurrent networks, and objectives that move, as in reinforcement learning: it
/// looks back 1/(1-γ) steps and no further. s is not corrected for its beginning, so that the first
/// steps are up to α/√(1-γ) long, and at a constant α it does not settle. One value a parameter;
/// typical rates are 1e-4 to 1e-2.
///
#[doc = include_str!("../../docs/paths/rmsprop.svg")]
///
/// | hyperparameter | default | [`torch`](Self::torch) | [`keras`](Self::keras) | [`optax`](Self::optax) | range |
/// |---|---|---|---|---|---|
/// | `rho` γ | 0.9 | 0.99 | 0.9 | 0.9 | [0, 1) |
/// | `epsilon` ε | 1e-6 | 1e-8, √s + ε | 1e-7 | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `initial_accumulator` s₀ | 0 | 0 | 0 | 0 | [0, ∞) |
///
/// With a momentum it is [`RmsPropMomentum`](crate::RmsPropMomentum), with the mean taken off
/// [`CenteredRmsProp`](crate::CenteredRmsProp).
///
/// Source: Tieleman & Hinton, "Lecture 6.5: RMSprop", 2012.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, RmsProp};
/// let mut w = array![0.0];
/// RmsProp::new(0.1).rho(0.75).step(&mut w, &array![-8.0])?; // √s = 4
/// assert!((w[0] - 0.2_f64).abs() < 1e-7);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, RmsProp>;

hyperparameters! {
    /// The rule of [`RmsProp`](crate::RmsProp).
    RmsProp {
        /// γ, the share of the average of squares that is kept.
        rho = 0.9 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-6 in PLACED;
        /// s₀, what the average of squares begins with.
        initial_accumulator = 0.0 in NON_NEGATIVE;
    }
    conventions {
        place: Epsilon = Epsilon::Inside,
    }
}

impl<F: Scalar> Elementwise<F, RmsProp> {
    /// RMSprop with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(RmsProp::default(), learning_rate)
    }

    /// PyTorch's convention: g/(√s + ε), γ = 0.99, ε = 1e-8.
    pub fn torch(learning_rate: impl Into<Schedule>) -> Self {
        let rule =
            RmsProp { rho: 0.99, epsilon: 1e-8, place: Epsilon::Outside, ..RmsProp::default() };
        Self::of_compiled(rule, learning_rate)
    }

    /// Keras's convention: ε = 1e-7.
    pub fn keras(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).epsilon(1e-7)
    }

    /// Optax's convention: ε = 1e-8.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).epsilon(1e-8)
    }
}

compiled!(RmsProp);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    alpha: F,
    rho: F,
    one_minus_rho: F,
    inside: F,
    outside: F,
}

impl<F: Scalar> Rule<F> for RmsProp {
    const NAME: &'static str = "RmsProp";
    const SLOTS: &'static [&'static str] = &["s"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::NonNegativeMean];
    type State = [F; 1];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn initial(&self) -> [F; 1] {
        [F::from_f64(self.initial_accumulator)]
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn largest_gradient(&self) -> f64 {
        F::LARGEST_SQUARABLE
    }

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let (inside, outside) = self.place.split(self.epsilon);
        Step {
            alpha: F::from_f64(learning_rate),
            rho: F::from_f64(self.rho),
            one_minus_rho: F::from_f64(1.0 - self.rho),
            inside: F::from_f64(inside),
            outside: F::from_f64(outside),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [s]: [F; 1]) -> (F, [F; 1]) {
        let s = k.rho * s + g.share_of_square(k.one_minus_rho);
        (w - k.alpha * g / ((s + k.inside).sqrt() + k.outside), [s])
    }
}
