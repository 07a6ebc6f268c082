//! MARS.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::regularize::Decay;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **MARS**, variance reduction before AdamW: c = g + ηβ₁/(1-β₁)·(g - g₋), brought within ‖c‖ ≤ 1 for
/// each leaf, and then AdamW with c for g.
///
/// When to use it: language models, where its authors and independent comparisons (Semenov et al.,
/// "Benchmarking optimizers for LLM pretraining", 2025) find it ahead of AdamW, the more so the longer the
/// training. Three values a parameter, and a pass for the norms. Biases and gains are usually left to plain AdamW: `.group(Pattern::rank_at_most(1), |b|
/// b.variance_reduction(0.0).clipped(false).beta1(0.9).beta2(0.95))`.
///
#[doc = include_str!("../../docs/paths/mars.svg")]
///
/// | hyperparameter | default | [`pytorch_optimizer`](Self::pytorch_optimizer) | range |
/// |---|---|---|---|
/// | `beta1` β₁ | 0.95 | 0.95 | [0, 1) |
/// | `beta2` β₂ | 0.99 | 0.99 | [0, 1) |
/// | `variance_reduction` η | 0.025 | 0.025 | [0, ∞) |
/// | `epsilon` ε | 1e-8 | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `weight_decay` λ | 0 | 0 | [0, ∞) |
/// | [`clipped`](Self::clipped) | yes | yes | |
///
/// This is the approximate variant, with the last batch's gradient for g₋ and 0 before the first. The
/// package pytorch-optimizer has √(v + 1e-15) + ε below, uncorrected. A norm that is not finite scales
/// nothing.
///
/// Source: Yuan et al., "MARS: unleashing the power of variance reduction for training large models", 2024.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Mars, Optimizer};
/// let mut w = array![1.0, -1.0];
/// Mars::new(0.1).step(&mut w, &array![3.0, -4.0])?; // at first α, as Adam
/// assert!((&w - &array![0.9, -0.9]).iter().all(|d: &f64| d.abs() < 1e-8));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Mars>;

hyperparameters! {
    /// The rule of [`Mars`](crate::Mars).
    Mars {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.95 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.99 in FRACTION;
        /// η, how much of the gradient's change is added to it.
        variance_reduction = 0.025 in NON_NEGATIVE;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
    }
    conventions {
        decay: Decay = Decay::Relative(0.0),
        clipped: bool = true,
        /// What is added under the root, beside which ε is then uncorrected.
        inside: Option<f64> = None,
    }
}

impl<F: Scalar> Elementwise<F, Mars> {
    /// MARS with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Mars::default(), learning_rate)
    }

    /// The convention of pytorch-optimizer: √(v + 1e-15) + ε, and both averages corrected outside.
    pub fn pytorch_optimizer(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Mars { inside: Some(1e-15), ..Mars::default() }, learning_rate)
    }

    /// Whether c is brought within ‖c‖ ≤ 1. For [`group`](Self::group).
    #[must_use]
    pub fn clipped(self, clipped: bool) -> Self {
        self.with(|rule| rule.clipped = clipped)
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

impl Mars {
    /// ηβ₁/(1-β₁)
    fn share_of_change(&self) -> f64 {
        self.variance_reduction * self.beta1 / (1.0 - self.beta1)
    }
}

compiled!(Mars);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    of_change: F,
    /// What brings c within a norm of 1.
    scale: F,
    alpha: F,
    v_correction: F,
    inside: F,
    epsilon: F,
    decay: F,
}

impl<F: Scalar> Step<F> {
    #[inline(always)]
    fn corrected(&self, g: F, last: F) -> F {
        g + self.of_change * (g - last)
    }
}

impl<F: Scalar> Rule<F> for Mars {
    const NAME: &'static str = "Mars";
    const LEARNING_RATE: f64 = 3e-3;
    const SLOTS: &'static [&'static str] = &["m", "v", "last_gradient"];
    type State = [F; 3];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()?;
        self.decay.check::<F>("Mars")
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
        visit("weight_decay", self.decay.number());
    }

    fn largest_gradient(&self) -> f64 {
        // What is squared is at most 1 + 2ηβ₁/(1-β₁) times as large.
        F::LARGEST_SQUARABLE * (1.8 / (1.0 + 2.0 * self.share_of_change())).min(1.0)
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let m_scale = learning_rate / clock.correction(0, self.beta1);
        let v_scale = clock.correction(1, self.beta2);
        let (alpha, v_correction) = match self.inside {
            None => (m_scale, v_scale.recip()),
            Some(_) => (m_scale * v_scale.sqrt(), 1.0),
        };
        Step {
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            of_change: F::from_f64(self.share_of_change()),
            scale: F::one(),
            alpha: F::from_f64(alpha),
            v_correction: F::from_f64(v_correction),
            inside: F::from_f64(self.inside.unwrap_or(0.0)),
            epsilon: F::from_f64(self.epsilon),
            decay: F::from_f64(self.decay.fraction(learning_rate)),
        }
    }

    const NORMS: bool = true;

    #[inline(always)]
    fn norms(k: &Step<F>, _w: F, g: F, [_, _, last]: [F; 3]) -> [F; 2] {
        [k.corrected(g, last), F::zero()]
    }

    fn of_leaf(&self, k: &mut Step<F>, [norm, _]: [f64; 2], _clock: &mut Clock) {
        if self.clipped && norm > 1.0 && norm.is_finite() {
            k.scale = F::from_f64(norm.recip());
        }
    }

    #[inline(always)]
    fn decay(k: &Step<F>) -> F {
        k.decay
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, v, last]: [F; 3]) -> (F, [F; 3]) {
        let c = k.corrected(g, last) * k.scale;
        let m = k.beta1 * m + k.one_minus_beta1 * c;
        let v = k.beta2 * v + c.share_of_square(k.one_minus_beta2);
        let kept = w - k.decay * w.flushed();
        (kept - k.alpha * m / ((v * k.v_correction + k.inside).sqrt() + k.epsilon), [m, v, g])
    }
}
