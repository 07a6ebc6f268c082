//! Centred RMSprop.

use super::Epsilon;
use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Centred RMSprop**: s = γs + (1-γ)g², ḡ = γḡ + (1-γ)g, Δw = -αg/√(max(s - ḡ², 0) + ε).
///
/// When to use it: as RMSprop, where gradients have a mean far from 0: divided by their standard
/// deviation rather than their root mean square, steady directions get long steps. That is its
/// weakness, too: where a gradient hardly varies, ε alone bounds the step. Two values a parameter;
/// typical rates are 1e-4 to 1e-3.
///
#[doc = include_str!("../../docs/paths/centered-rmsprop.svg")]
///
/// The variance s - ḡ² is negative by rounding where a gradient is nearly constant; it is clamped
/// at 0, where other libraries answer NaN.
///
/// | hyperparameter | default | [`torch`](Self::torch) | [`keras`](Self::keras) | [`optax`](Self::optax) | range |
/// |---|---|---|---|---|---|
/// | `rho` γ | 0.9 | 0.99 | 0.9 | 0.9 | [0, 1) |
/// | `epsilon` ε | 1e-6 | 1e-8, √· + ε | 1e-7 | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
///
/// Source: Graves, "Generating sequences with recurrent neural networks", 2013.
///
/// ```
/// use ndarray::array;
/// use thalweg::{CenteredRmsProp, Optimizer};
/// let mut w = array![0.0];
/// CenteredRmsProp::new(0.1).rho(0.5).step(&mut w, &array![-8.0])?; // s - ḡ² = 32 - 16
/// assert!((w[0] - 0.2_f64).abs() < 1e-7);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, CenteredRmsProp>;

hyperparameters! {
    /// The rule of [`CenteredRmsProp`](crate::CenteredRmsProp).
    CenteredRmsProp {
        /// γ, the share of both averages that is kept.
        rho = 0.9 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-6 in PLACED;
    }
    conventions {
        place: Epsilon = Epsilon::Inside,
    }
}

impl<F: Scalar> Elementwise<F, CenteredRmsProp> {
    /// Centred RMSprop with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(CenteredRmsProp::default(), learning_rate)
    }

    /// PyTorch's convention: g/(√(s - ḡ²) + ε), γ = 0.99, ε = 1e-8.
    pub fn torch(learning_rate: impl Into<Schedule>) -> Self {
        let rule = CenteredRmsProp { rho: 0.99, epsilon: 1e-8, place: Epsilon::Outside };
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

compiled!(CenteredRmsProp);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    alpha: F,
    rho: F,
    one_minus_rho: F,
    inside: F,
    outside: F,
}

impl<F: Scalar> Rule<F> for CenteredRmsProp {
    const NAME: &'static str = "CenteredRmsProp";
    const SLOTS: &'static [&'static str] = &["s", "mean"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::Exact, SlotKind::Exact];
    type State = [F; 2];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
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
    fn update(k: &Step<F>, w: F, g: F, [s, mean]: [F; 2]) -> (F, [F; 2]) {
        let s = k.rho * s + g.share_of_square(k.one_minus_rho);
        let mean = k.rho * mean + k.one_minus_rho * g;
        let variance = s - mean.share_of_square(F::one());
        let variance = if variance < F::zero() { F::zero() } else { variance };
        (w - k.alpha * g / ((variance + k.inside).sqrt() + k.outside), [s, mean])
    }
}
