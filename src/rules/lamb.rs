//! LAMB.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **LAMB**: Adam's direction with weight decay, scaled for each leaf to the length of its
/// parameters: u = m̂/(√v̂ + ε) + λw, Δw = -α·(‖w‖/‖u‖)·u.
///
/// When to use it: attention models in batches of many thousands: a leaf moves by a share α of its
/// length, in Adam's direction. AdamW with as much tuning does as well (Nado et al., "A large batch
/// optimizer reality check", 2021), and in small batches there is little to gain. Two values a
/// parameter, and a pass for the norms; typical rates are 1e-3 to 1e-2 after a warm-up.
///
#[doc = include_str!("../../docs/paths/lamb.svg")]
///
/// | hyperparameter | default | [`timm`](Self::timm) | [`pytorch_optimizer`](Self::pytorch_optimizer) | range |
/// |---|---|---|---|---|
/// | `weight_decay` λ | 0 | 1e-2 | 0 | [0, ∞) |
/// | `beta1` β₁ | 0.9 | 0.9 | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | 0.999 | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-6 | 1e-6 | 1e-6 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `epsilon_root`, added to v̂ | 0 | 0 | 0 | [0, ∞) |
/// | [`trust_clip`](Self::trust_clip) | no | no | no | |
/// | [`bias_correction`](Self::bias_correction), [`averaged`](Self::averaged) | yes | yes | yes | |
///
/// The default is also Optax's. The ratio is 1 where ‖w‖ or ‖u‖ is 0 or not finite. Decoupled decay,
/// before the step and outside u, is [`decoupled_decay`](Self::decoupled_decay), with λ = 0. Biases
/// and gains are usually left out: `.group("*bias", |b| b.weight_decay(0.0).adapted(false))`. The
/// norms cost one read of everything.
///
/// Source: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes",
/// 2020.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Lamb, Optimizer};
/// let mut w = array![3.0, 4.0];
/// Lamb::new(0.1).step(&mut w, &array![1e3, -1e-3])?; // u = (1, -1) but for ε, ‖w‖ = 5
/// let length = 0.5 / 2.0_f64.sqrt();
/// assert!((&w - &array![3.0 - length, 4.0 + length]).iter().all(|d: &f64| d.abs() < 1e-3));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Lamb>;

hyperparameters! {
    /// The rule of [`Lamb`](crate::Lamb).
    Lamb {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-6 in EPSILON;
        /// what is added to v̂ inside the root.
        epsilon_root = 0.0 in NON_NEGATIVE;
        /// λ of the decay that is part of the direction.
        weight_decay = 0.0 in NON_NEGATIVE;
    }
    conventions {
        bias_correction: bool = true,
        averaged: bool = true,
        trust_clip: bool = false,
        adapted: bool = true,
        convention: Convention = Convention::Paper,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Convention {
    Paper,
    PytorchOptimizer,
}

/// The largest ‖w‖ that pytorch-optimizer's ratio sees.
const LARGEST_NORM: f64 = 10.0;

impl<F: Scalar> Elementwise<F, Lamb> {
    /// LAMB with that learning rate α ≥ 0, a number or a schedule; also Optax's convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Lamb::default(), learning_rate)
    }

    /// Timm's convention: λ = 1e-2, and gradients are clipped to a norm of 1 over all leaves.
    ///
    /// Timm adapts nothing where λ = 0, unless told to; here that is [`adapted`](Self::adapted).
    pub fn timm(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).weight_decay(1e-2).clip_norm(1.0)
    }

    /// The convention of pytorch-optimizer: u = m/(√v + ε) + λw is not corrected, the ratio is
    /// min(‖w‖, 10)/(‖u‖ + ε), and α is divided by 1 - β₁ᵗ.
    ///
    /// Its decay is decoupled unless told otherwise; see [`decoupled_decay`](Self::decoupled_decay).
    pub fn pytorch_optimizer(learning_rate: impl Into<Schedule>) -> Self {
        let rule = Lamb { convention: Convention::PytorchOptimizer, ..Lamb::default() };
        Self::of_compiled(rule, learning_rate)
    }

    /// Whether anything is corrected for averages that began at 0.
    #[must_use]
    pub fn bias_correction(self, correct: bool) -> Self {
        self.with(|rule| rule.bias_correction = correct)
    }

    /// Whether m is the average β₁m + (1-β₁)g; if not, it is β₁m + g.
    #[must_use]
    pub fn averaged(self, averaged: bool) -> Self {
        self.with(|rule| rule.averaged = averaged)
    }

    /// Bounds the ratio by 1.
    #[must_use]
    pub fn trust_clip(self, clip: bool) -> Self {
        self.with(|rule| rule.trust_clip = clip)
    }

    /// Whether norms scale the steps; if not, the ratio is 1. For [`group`](Self::group).
    #[must_use]
    pub fn adapted(self, adapted: bool) -> Self {
        self.with(|rule| rule.adapted = adapted)
    }
}

compiled!(Lamb);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    taken: F,
    beta2: F,
    one_minus_beta2: F,
    m_correction: F,
    v_correction: F,
    epsilon: F,
    epsilon_root: F,
    decay: F,
    /// α, and α times the ratio.
    alpha: f64,
    rate: F,
}

/// u and the new state.
#[inline(always)]
fn direction<F: Scalar>(k: &Step<F>, w: F, g: F, [m, v]: [F; 2]) -> (F, [F; 2]) {
    let m = k.beta1 * m + k.taken * g;
    let v = k.beta2 * v + g.share_of_square(k.one_minus_beta2);
    let root = (v * k.v_correction + k.epsilon_root).sqrt();
    (k.m_correction * m / (root + k.epsilon) + k.decay * w.flushed(), [m, v])
}

impl<F: Scalar> Rule<F> for Lamb {
    const NAME: &'static str = "Lamb";
    const LEARNING_RATE: f64 = 2e-3;
    const SLOTS: &'static [&'static str] = &["m", "v"];
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
        F::LARGEST_SQUARABLE
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let (mut alpha, mut m_correction, mut v_correction) = (learning_rate, 1.0, 1.0);
        if self.bias_correction {
            let of_m = clock.correction(0, self.beta1).recip();
            match self.convention {
                Convention::Paper => {
                    m_correction = of_m;
                    v_correction = clock.correction(1, self.beta2).recip();
                }
                Convention::PytorchOptimizer => alpha *= of_m,
            }
        }
        Step {
            beta1: F::from_f64(self.beta1),
            taken: F::from_f64(if self.averaged { 1.0 - self.beta1 } else { 1.0 }),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            m_correction: F::from_f64(m_correction),
            v_correction: F::from_f64(v_correction),
            epsilon: F::from_f64(self.epsilon),
            epsilon_root: F::from_f64(self.epsilon_root),
            decay: F::from_f64(self.weight_decay),
            alpha,
            rate: F::from_f64(alpha),
        }
    }

    const NORMS: bool = true;

    #[inline(always)]
    fn norms(k: &Step<F>, w: F, g: F, state: [F; 2]) -> [F; 2] {
        [w, direction(k, w, g, state).0]
    }

    fn of_leaf(&self, k: &mut Step<F>, [w, u]: [f64; 2], _clock: &mut Clock) {
        let defined = w > 0.0 && w.is_finite() && u > 0.0 && u.is_finite();
        if !self.adapted || !defined {
            return;
        }
        let mut ratio = match self.convention {
            Convention::Paper => w / u,
            Convention::PytorchOptimizer => w.min(LARGEST_NORM) / (u + self.epsilon),
        };
        if self.trust_clip {
            ratio = ratio.min(1.0);
        }
        let rate = F::from_f64(k.alpha * ratio);
        if rate.is_finite() {
            k.rate = rate;
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, state: [F; 2]) -> (F, [F; 2]) {
        let (u, state) = direction(k, w, g, state);
        (w - k.rate * u, state)
    }
}
