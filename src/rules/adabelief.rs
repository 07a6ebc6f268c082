//! AdaBelief.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **AdaBelief**: m = β₁m + (1-β₁)g, s = β₂s + (1-β₂)(g-m)² + ε, Δw = -αm̂/(√ŝ + ε), with
/// m̂ = m/(1-β₁ᵗ) and ŝ = s/(1-β₂ᵗ).
///
/// When to use it: as Adam, where gradients are steady for a while: a step is long where g is near
/// its average, and short where it scatters, whatever its size. s is often far smaller than Adam's v,
/// so that ε counts for more, and 1e-8 is another optimizer than 1e-16. Two values a parameter;
/// typical rates are 1e-4 to 1e-3.
///
#[doc = include_str!("../../docs/paths/adabelief.svg")]
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `beta1` β₁ | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-16 | (0, ∞), [not too small](crate::rule::Interval::EPSILON_INSIDE) |
///
/// Optax's convention is the same.
///
/// Source: Zhuang et al., "AdaBelief optimizer: adapting stepsizes by the belief in observed
/// gradients", 2020.
///
/// ```
/// use ndarray::array;
/// use thalweg::{AdaBelief, Optimizer};
/// let mut w = array![0.0];
/// let mut adabelief = AdaBelief::new(0.5).beta1(0.5).beta2(0.0);
/// adabelief.step(&mut w, &array![-2.0])?; // m̂ = -2, √ŝ = |-2 + 1|
/// assert!((w[0] - 1.0_f64).abs() < 1e-12);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, AdaBelief>;

hyperparameters! {
    /// The rule of [`AdaBelief`](crate::AdaBelief).
    AdaBelief {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squared surprises that is kept.
        beta2 = 0.999 in FRACTION;
        /// ε, added to s at every step and to its root.
        epsilon = 1e-16 in EPSILON_INSIDE;
    }
}

impl<F: Scalar> Elementwise<F, AdaBelief> {
    /// AdaBelief with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(AdaBelief::default(), learning_rate)
    }
}

compiled!(AdaBelief);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    alpha: F,
    s_correction: F,
    epsilon: F,
}

impl<F: Scalar> Rule<F> for AdaBelief {
    const NAME: &'static str = "AdaBelief";
    const SLOTS: &'static [&'static str] = &["m", "s"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::SignedMean, SlotKind::NonNegativeMean];
    type State = [F; 2];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn largest_gradient(&self) -> f64 {
        // A surprise is up to twice as large.
        0.5 * F::LARGEST_SQUARABLE
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        Step {
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            alpha: F::from_f64(learning_rate / clock.correction(0, self.beta1)),
            s_correction: F::from_f64(clock.correction(1, self.beta2).recip()),
            epsilon: F::from_f64(self.epsilon),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, s]: [F; 2]) -> (F, [F; 2]) {
        let m = k.beta1 * m + k.one_minus_beta1 * g;
        let surprise = g - m;
        let s = k.beta2 * s + surprise.share_of_square(k.one_minus_beta2) + k.epsilon;
        (w - k.alpha * m / ((s * k.s_correction).sqrt() + k.epsilon), [m, s])
    }
}
