//! AdaMax.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **AdaMax**: Adam in the infinity norm; m = β₁m + (1-β₁)g, u = max(β₂u, |g| + ε),
/// Δw = -αm̂/u, with m̂ = m/(1-β₁ᵗ).
///
/// When to use it: as Adam, where gradients are sparse or have rare, large values: u is their largest
/// of late, falls slowly, and bounds a step by about α. There is no root. Two values a parameter;
/// typical rates are 1e-3 to 2e-3.
///
#[doc = include_str!("../../docs/paths/adamax.svg")]
///
/// | hyperparameter | default | [`keras`](Self::keras) | range |
/// |---|---|---|---|
/// | `beta1` β₁ | 0.9 | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-8 | 1e-7, u + ε | (0, ∞) |
///
/// The default is also PyTorch's and Optax's.
///
/// Source: Kingma & Ba, "Adam: a method for stochastic optimization", 2015, section 7.1.
///
/// ```
/// use ndarray::array;
/// use thalweg::{AdaMax, Optimizer};
/// let mut w = array![0.0];
/// let mut adamax = AdaMax::new(1.0).beta1(0.0).beta2(0.5);
/// adamax.step(&mut w, &array![-4.0])?; // u = 4
/// adamax.step(&mut w, &array![-1.0])?; // u = 2
/// assert!((w[0] - 1.5_f64).abs() < 1e-7);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, AdaMax>;

hyperparameters! {
    /// The rule of [`AdaMax`](crate::AdaMax).
    AdaMax {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, by what the maximum shrinks from step to step.
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in POSITIVE;
    }
    conventions {
        epsilon_in_maximum: bool = true,
    }
}

impl<F: Scalar> Elementwise<F, AdaMax> {
    /// AdaMax with that learning rate α ≥ 0, a number or a schedule; also PyTorch's and Optax's
    /// convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(AdaMax::default(), learning_rate)
    }

    /// Keras's convention: u = max(β₂u, |g|), Δw = -αm̂/(u + ε), ε = 1e-7.
    pub fn keras(learning_rate: impl Into<Schedule>) -> Self {
        let rule = AdaMax { epsilon: 1e-7, epsilon_in_maximum: false, ..AdaMax::default() };
        Self::of_compiled(rule, learning_rate)
    }
}

compiled!(AdaMax);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    alpha: F,
    inside: F,
    outside: F,
}

impl<F: Scalar> Rule<F> for AdaMax {
    const NAME: &'static str = "AdaMax";
    const LEARNING_RATE: f64 = 2e-3;
    const SLOTS: &'static [&'static str] = &["m", "u"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::SignedMean, SlotKind::NonNegativeMean];
    type State = [F; 2];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let (inside, outside) =
            if self.epsilon_in_maximum { (self.epsilon, 0.0) } else { (0.0, self.epsilon) };
        Step {
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            alpha: F::from_f64(learning_rate / clock.correction(0, self.beta1)),
            inside: F::from_f64(inside),
            outside: F::from_f64(outside),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, u]: [F; 2]) -> (F, [F; 2]) {
        let m = k.beta1 * m + k.one_minus_beta1 * g;
        let (shrunk, size) = (k.beta2 * u, g.abs() + k.inside);
        // Written so that a NaN in the gradient wins.
        let u = if shrunk >= size { shrunk } else { size };
        (w - k.alpha * m / (u + k.outside), [m, u])
    }
}
