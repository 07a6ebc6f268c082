//! AdEMAMix.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::regularize::Decay;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **AdEMAMix**: Adam with a second, far longer average of gradients beside the first:
/// m = β₁m + (1-β₁)g, l = β₃l + (1-β₃)g, v = β₂v + (1-β₂)g², Δw = -α((m̂ + κl)/(√v̂ + ε) + λw).
///
/// When to use it: long trainings, of tens of thousands of steps and more, of language models above all: its
/// authors need about half the steps of AdamW (Pagliardini et al. 2024), and it is among the best in
/// independent comparisons (Semenov et al., "Benchmarking optimizers for LLM pretraining", 2025). Three
/// values a parameter. In short trainings l never fills: lower β₃ to remember a tenth of the
/// steps, and warm up both ([`warmup`](Self::warmup)) over all of them.
///
#[doc = include_str!("../../docs/paths/ademamix.svg")]
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `beta1` β₁ | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | [0, 1) |
/// | `beta3` β₃ | 0.9999 | [0, 1) |
/// | `mixture` κ | 5 | [0, ∞) |
/// | `epsilon` ε | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `weight_decay` λ | 0 | [0, ∞) |
/// | [`warmup`](Self::warmup) | 0 | |
///
/// l is not corrected for its beginning at 0. The default is also Optax's; the authors' code has κ = 2 where
/// their paper has 5 to 10.
///
/// Source: Pagliardini, Ablin & Grangier, "The AdEMAMix optimizer: better, faster, older", 2024.
///
/// ```
/// use ndarray::array;
/// use thalweg::{AdEmaMix, Optimizer};
/// let mut w = array![1.0];
/// let mut optimizer = AdEmaMix::new(0.1).beta3(0.99).mixture(5.0);
/// optimizer.step(&mut w, &array![-40.0])?; // m̂ and √v̂ are 40, κl is 5·0.01·40
/// assert!((w[0] - 1.105_f64).abs() < 1e-9);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, AdEmaMix>;

hyperparameters! {
    /// The rule of [`AdEmaMix`](crate::AdEmaMix).
    AdEmaMix {
        /// β₁, the share of the short average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.999 in FRACTION;
        /// β₃, the share of the long average of gradients that is kept.
        beta3 = 0.9999 in FRACTION;
        /// κ, the weight of the long average.
        mixture = 5.0 in NON_NEGATIVE;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
    }
    conventions {
        decay: Decay = Decay::Relative(0.0),
        warmup: u64 = 0,
    }
}

impl<F: Scalar> Elementwise<F, AdEmaMix> {
    /// AdEMAMix with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(AdEmaMix::default(), learning_rate)
    }

    /// Brings κ up from 0, and the half-life of the long average up from that of the short one, over that
    /// many steps, as the authors' schedulers do: κ in a line, and so the half-life.
    #[must_use]
    pub fn warmup(self, steps: u64) -> Self {
        self.with(|rule| rule.warmup = steps)
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

impl AdEmaMix {
    /// κ and β₃ at a step.
    fn mixed(&self, step: u64) -> [f64; 2] {
        if step >= self.warmup {
            return [self.mixture, self.beta3];
        }
        let share = step as f64 / self.warmup as f64;
        // In how many steps half is forgotten.
        let half_life = |beta: f64| 0.5_f64.ln() / beta.ln();
        let now = (1.0 - share) * half_life(self.beta1) + share * half_life(self.beta3);
        [share * self.mixture, (0.5_f64.ln() / now).exp().min(self.beta3)]
    }
}

compiled!(AdEmaMix);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    beta3: F,
    one_minus_beta3: F,
    short_rate: F,
    long_rate: F,
    v_correction: F,
    epsilon: F,
    decay: F,
}

impl<F: Scalar> Rule<F> for AdEmaMix {
    const NAME: &'static str = "AdEmaMix";
    const SLOTS: &'static [&'static str] = &["short", "long", "v"];
    type State = [F; 3];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()?;
        self.decay.check::<F>("AdEmaMix")
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
        visit("weight_decay", self.decay.number());
    }

    fn largest_gradient(&self) -> f64 {
        F::LARGEST_SQUARABLE
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let [mixture, beta3] = self.mixed(clock.optimizer_step());
        Step {
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            beta3: F::from_f64(beta3),
            one_minus_beta3: F::from_f64(1.0 - beta3),
            short_rate: F::from_f64(learning_rate / clock.correction(0, self.beta1)),
            long_rate: F::from_f64(learning_rate * mixture),
            v_correction: F::from_f64(clock.correction(1, self.beta2).recip()),
            epsilon: F::from_f64(self.epsilon),
            decay: F::from_f64(self.decay.fraction(learning_rate)),
        }
    }

    #[inline(always)]
    fn decay(k: &Step<F>) -> F {
        k.decay
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [short, long, v]: [F; 3]) -> (F, [F; 3]) {
        let short = k.beta1 * short + k.one_minus_beta1 * g;
        let long = k.beta3 * long + k.one_minus_beta3 * g;
        let v = k.beta2 * v + g.share_of_square(k.one_minus_beta2);
        let root = (v * k.v_correction).sqrt() + k.epsilon;
        let kept = w - k.decay * w.flushed();
        (kept - (k.short_rate * short + k.long_rate * long) / root, [short, long, v])
    }
}
