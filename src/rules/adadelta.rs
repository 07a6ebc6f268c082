//! AdaDelta.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **AdaDelta**: s = ρs + (1-ρ)g², Δ = g·√((x + ε)/(s + ε)), w -= αΔ, x = ρx + (1-ρ)Δ².
///
/// When to use it: where no rate is to be tuned: a step has the units of the parameter. It begins
/// slowly, with steps of about √ε, and ε decides how slowly. Two values a parameter; α is 1, or less
/// to be careful.
///
#[doc = include_str!("../../docs/paths/adadelta.svg")]
///
/// It has no learning rate of its own (α = 1); the libraries multiply by one after, and x
/// accumulates the unscaled Δ.
///
/// | hyperparameter | default | [`torch`](Self::torch) | [`keras`](Self::keras) | [`optax`](Self::optax) | range |
/// |---|---|---|---|---|---|
/// | `rho` ρ | 0.95 | 0.9 | 0.95 | 0.9 | [0, 1) |
/// | `epsilon` ε | 1e-6 | 1e-6 | 1e-7 | 1e-6 | (0, ∞) |
///
/// Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012.
///
/// ```
/// use ndarray::array;
/// use thalweg::{AdaDelta, Optimizer};
/// let mut w = array![0.0];
/// AdaDelta::new().rho(0.75).step(&mut w, &array![-2.0])?; // Δ = -2·√(1e-6/(1 + 1e-6))
/// assert!((w[0] - 2e-3_f64).abs() < 1e-8);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, AdaDelta>;

hyperparameters! {
    /// The rule of [`AdaDelta`](crate::AdaDelta).
    AdaDelta {
        /// ρ, the share of both averages of squares that is kept.
        rho = 0.95 in FRACTION;
        /// ε, which starts the motion and keeps the quotient finite.
        epsilon = 1e-6 in POSITIVE;
    }
}

impl<F: Scalar> Elementwise<F, AdaDelta> {
    /// AdaDelta as published, without a learning rate.
    pub fn new() -> Self {
        Self::default()
    }

    /// PyTorch's convention: Δw = -αΔ, ρ = 0.9, ε = 1e-6.
    pub fn torch(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(AdaDelta { rho: 0.9, epsilon: 1e-6 }, learning_rate)
    }

    /// Keras's convention: Δw = -αΔ, ρ = 0.95, ε = 1e-7.
    pub fn keras(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(AdaDelta { rho: 0.95, epsilon: 1e-7 }, learning_rate)
    }

    /// Optax's convention, which is PyTorch's.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::torch(learning_rate)
    }
}

compiled!(AdaDelta);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    alpha: F,
    rho: F,
    one_minus_rho: F,
    epsilon: F,
}

impl<F: Scalar> Rule<F> for AdaDelta {
    const NAME: &'static str = "AdaDelta";
    const LEARNING_RATE: f64 = 1.0;
    const SLOTS: &'static [&'static str] = &["s", "x"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::NonNegativeMean, SlotKind::NonNegativeMean];
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
        Step {
            alpha: F::from_f64(learning_rate),
            rho: F::from_f64(self.rho),
            one_minus_rho: F::from_f64(1.0 - self.rho),
            epsilon: F::from_f64(self.epsilon),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [s, x]: [F; 2]) -> (F, [F; 2]) {
        let s = k.rho * s + g.share_of_square(k.one_minus_rho);
        let delta = g * ((x + k.epsilon) / (s + k.epsilon)).sqrt();
        let x = k.rho * x + delta.share_of_square(k.one_minus_rho);
        (w - k.alpha * delta, [s, x])
    }
}
