//! AdamW.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::regularize::Decay;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **AdamW**: Adam with decoupled weight decay, Δw = -αm̂/(√v̂ + ε) - αλw.
///
/// When to use it: the first choice for a network of which nothing else is known, and for attention
/// models. As [`Adam`](crate::Adam), and decays all weights alike, which an L2 penalty under Adam
/// does not. Two values a parameter; typical rates are 1e-4 to 3e-3 after a warm-up, with λ from 0.01
/// to 0.1. What decays the weights is the product αλ: change one, and look at the other.
///
#[doc = include_str!("../../docs/paths/adamw.svg")]
///
/// | hyperparameter | default | [`optax`](Self::optax) | [`keras`](Self::keras) | range |
/// |---|---|---|---|---|
/// | `weight_decay` λ | 1e-2 | 1e-4 | 4e-3 | [0, ∞) |
/// | `beta1` β₁ | 0.9 | 0.9 | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | 0.999 | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-8 | 1e-8 | 1e-7, on the uncorrected √v | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
///
/// The default is also PyTorch's. What λ multiplies is [`Decay`]'s to say: in
/// [`paper`](Self::paper) it follows the schedule but not the base rate.
///
/// Source: Loshchilov & Hutter, "Decoupled weight decay regularization", 2019.
///
/// ```
/// use ndarray::array;
/// use thalweg::{AdamW, Optimizer};
/// let mut w = array![1.0, 1.0];
/// AdamW::new(0.1).weight_decay(0.5).step(&mut w, &array![1.0, 0.0])?;
/// assert!((&w - &array![0.85, 0.95]).iter().all(|d: &f64| d.abs() < 1e-8));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, AdamW>;

hyperparameters! {
    /// The rule of [`AdamW`](crate::AdamW).
    AdamW {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
    }
    conventions {
        decay: Decay = Decay::Relative(1e-2),
        epsilon_on_corrected: bool = true,
    }
}

impl<F: Scalar> Elementwise<F, AdamW> {
    /// AdamW with that learning rate α ≥ 0, a number or a schedule; also PyTorch's convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(AdamW::default(), learning_rate)
    }

    /// Optax's convention: λ = 1e-4.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).weight_decay(1e-4)
    }

    /// Keras's convention: ε = 1e-7 on the uncorrected √v, λ = 4e-3.
    pub fn keras(learning_rate: impl Into<Schedule>) -> Self {
        let decay = Decay::Relative(4e-3);
        let rule = AdamW { epsilon: 1e-7, decay, epsilon_on_corrected: false, ..AdamW::default() };
        Self::of_compiled(rule, learning_rate)
    }

    /// The paper's convention: Δw = -η(t)·(α₀m̂/(√v̂ + ε) + λw), where the schedule gives
    /// α(t) = η(t)·α₀ and `base` is α₀ > 0.
    pub fn paper(learning_rate: impl Into<Schedule>, base: f64) -> Self {
        Self::new(learning_rate).decay(Decay::Scheduled { weight_decay: 1e-2, base })
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

compiled!(AdamW);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    alpha: F,
    v_correction: F,
    epsilon: F,
    decay: F,
}

impl<F: Scalar> Rule<F> for AdamW {
    const NAME: &'static str = "AdamW";
    const SLOTS: &'static [&'static str] = &["m", "v"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::SignedMean, SlotKind::NonNegativeMean];
    type State = [F; 2];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()?;
        self.decay.check::<F>("AdamW")
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
        visit("weight_decay", self.decay.number());
    }

    fn largest_gradient(&self) -> f64 {
        F::LARGEST_SQUARABLE
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let m_scale = learning_rate / clock.correction(0, self.beta1);
        let v_scale = clock.correction(1, self.beta2);
        let (alpha, v_correction) = if self.epsilon_on_corrected {
            (m_scale, v_scale.recip())
        } else {
            (m_scale * v_scale.sqrt(), 1.0)
        };
        Step {
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            alpha: F::from_f64(alpha),
            v_correction: F::from_f64(v_correction),
            epsilon: F::from_f64(self.epsilon),
            decay: F::from_f64(self.decay.fraction(learning_rate)),
        }
    }

    #[inline(always)]
    fn decay(k: &Step<F>) -> F {
        k.decay
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, v]: [F; 2]) -> (F, [F; 2]) {
        let m = k.beta1 * m + k.one_minus_beta1 * g;
        let v = k.beta2 * v + g.share_of_square(k.one_minus_beta2);
        let kept = w - k.decay * w.flushed();
        (kept - k.alpha * m / ((v * k.v_correction).sqrt() + k.epsilon), [m, v])
    }
}
