//! Lion.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::regularize::Decay;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Lion**: Δw = -α(sign(β₁m + (1-β₁)g) + λw), and then m = β₂m + (1-β₂)g.
///
/// When to use it: large networks in large batches, with half of Adam's memory: one value a
/// parameter. Every element moves by α whatever its gradient, so the noise of small batches does not
/// average out, and α must fall to settle. Rates are 3 to 10 times smaller than AdamW's, and λ as
/// much larger (Chen et al. 2023).
///
#[doc = include_str!("../../docs/paths/lion.svg")]
///
/// sign(0) = 0.
///
/// | hyperparameter | default | [`optax`](Self::optax) | range |
/// |---|---|---|---|
/// | `beta1` β₁ | 0.9 | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.99 | 0.99 | [0, 1) |
/// | `weight_decay` λ | 0 | 1e-3 | [0, ∞) |
///
/// Source: Chen et al., "Symbolic discovery of optimization algorithms", 2023.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Lion, Optimizer};
/// let mut w = array![1.0, 1.0, 1.0];
/// Lion::new(0.25).step(&mut w, &array![1e-6, 0.0, -1e6])?;
/// assert_eq!(w, array![0.75, 1.0, 1.25]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Lion>;

hyperparameters! {
    /// The rule of [`Lion`](crate::Lion).
    Lion {
        /// β₁, the share of the average in the direction of a step.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average that is kept.
        beta2 = 0.99 in FRACTION;
    }
    conventions {
        decay: Decay = Decay::Relative(0.0),
    }
}

impl<F: Scalar> Elementwise<F, Lion> {
    /// Lion with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Lion::default(), learning_rate)
    }

    /// Optax's convention: λ = 1e-3.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).weight_decay(1e-3)
    }

    /// Sets λ of the decay αλw; in [0, ∞).
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        self.decay(Decay::Relative(weight_decay))
    }

    /// Sets what is taken off each parameter beside the update.
    #[must_use]
    pub fn decay(self, decay: Decay) -> Self {
        self.with(|rule| rule.decay = decay)
    }
}

compiled!(Lion);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    alpha: F,
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    decay: F,
}

impl<F: Scalar> Rule<F> for Lion {
    const NAME: &'static str = "Lion";
    const LEARNING_RATE: f64 = 1e-4;
    const SLOTS: &'static [&'static str] = &["m"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::SignedMean];
    type State = [F; 1];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()?;
        self.decay.check::<F>("Lion")
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
        visit("weight_decay", self.decay.number());
    }

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> Step<F> {
        Step {
            alpha: F::from_f64(learning_rate),
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            decay: F::from_f64(self.decay.fraction(learning_rate)),
        }
    }

    #[inline(always)]
    fn decay(k: &Step<F>) -> F {
        k.decay
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m]: [F; 1]) -> (F, [F; 1]) {
        let direction = (k.beta1 * m + k.one_minus_beta1 * g).sign();
        let kept = w - k.decay * w.flushed();
        (kept - k.alpha * direction, [k.beta2 * m + k.one_minus_beta2 * g])
    }
}
