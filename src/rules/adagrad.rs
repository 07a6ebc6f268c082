//! AdaGrad.

use super::Epsilon;
use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **AdaGrad**: s += g², Δw = -αg/(√s + ε).
///
/// When to use it: sparse features ([few rows](crate::guide::sparse) of a table) and convex problems, online: an element whose gradient is rare
/// keeps a large rate, and there is a regret bound. s never falls, so each rate only shrinks, about
/// as 1/√t, and a long training of a network comes to rest too early. One value a parameter; typical
/// rates are 0.01 to 0.1. A sum that would pass the largest number of the precision stays there.
///
#[doc = include_str!("../../docs/paths/adagrad.svg")]
///
/// | hyperparameter | default | [`keras`](Self::keras), [`optax`](Self::optax) | range |
/// |---|---|---|---|
/// | `epsilon` ε | 1e-10 | 1e-7, inside the root | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `initial_accumulator` s₀ | 0 | 0.1 | [0, ∞) |
///
/// The default is also PyTorch's; its `lr_decay` is a schedule.
///
/// Source: Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and stochastic
/// optimization", 2011.
///
/// ```
/// use ndarray::array;
/// use thalweg::{AdaGrad, Optimizer};
/// let mut w = array![0.0];
/// let mut adagrad = AdaGrad::new(1.0);
/// adagrad.step(&mut w, &array![-3.0])?; // √s = 3
/// adagrad.step(&mut w, &array![-4.0])?; // √s = 5
/// assert!((w[0] - 1.8_f64).abs() < 1e-9);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, AdaGrad>;

hyperparameters! {
    /// The rule of [`AdaGrad`](crate::AdaGrad).
    AdaGrad {
        /// ε, which keeps the quotient finite.
        epsilon = 1e-10 in PLACED;
        /// s₀, what the sum of squares begins with.
        initial_accumulator = 0.0 in NON_NEGATIVE;
    }
    conventions {
        place: Epsilon = Epsilon::Outside,
    }
}

impl<F: Scalar> Elementwise<F, AdaGrad> {
    /// AdaGrad with that learning rate α ≥ 0, a number or a schedule; also PyTorch's convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(AdaGrad::default(), learning_rate)
    }

    /// Keras's convention: g/√(s + ε), s₀ = 0.1, ε = 1e-7.
    pub fn keras(learning_rate: impl Into<Schedule>) -> Self {
        let rule = AdaGrad { epsilon: 1e-7, initial_accumulator: 0.1, place: Epsilon::Inside };
        Self::of_compiled(rule, learning_rate)
    }

    /// Optax's convention, which is Keras's.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::keras(learning_rate)
    }
}

compiled!(AdaGrad);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    alpha: F,
    inside: F,
    outside: F,
}

impl<F: Scalar> Rule<F> for AdaGrad {
    const NAME: &'static str = "AdaGrad";
    const LEARNING_RATE: f64 = 1e-2;
    const SLOTS: &'static [&'static str] = &["s"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::Sum];
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

    fn rests(&self) -> bool {
        true
    }

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let (inside, outside) = self.place.split(self.epsilon);
        Step {
            alpha: F::from_f64(learning_rate),
            inside: F::from_f64(inside),
            outside: F::from_f64(outside),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [s]: [F; 1]) -> (F, [F; 1]) {
        let s = s + g.share_of_square(F::one());
        // An infinite sum would divide every step to come by ∞.
        let s = if s > F::max_value() { F::max_value() } else { s };
        (w - k.alpha * g / ((s + k.inside).sqrt() + k.outside), [s])
    }
}
