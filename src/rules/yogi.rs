//! Yogi.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Yogi**: Adam whose second moment moves by at most (1-β₂)g²; m = β₁m + (1-β₁)g,
/// s += (1-β₂)·sign(g² - s)·g², Δw = -αm̂/(√ŝ + ε), with m̂ = m/(1-β₁ᵗ) and ŝ = s/(1-β₂ᵗ).
///
/// When to use it: as Adam, where gradients are sparse or their size changes abruptly: s moves by
/// (1-β₂)g² at most, so that it cannot forget faster than it learns, and rates do not leap after a
/// quiet stretch. It is as slow to forget a beginning with large gradients. Two values a parameter;
/// typical rates are 1e-3 to 1e-2, with the large ε.
///
#[doc = include_str!("../../docs/paths/yogi.svg")]
///
/// | hyperparameter | default | [`optax`](Self::optax) | [`paper`](Self::paper) | range |
/// |---|---|---|---|---|
/// | `beta1` β₁ | 0.9 | 0.9 | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | 0.999 | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-3 | 1e-3 | 1e-3 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `initial_accumulator` m₀ = s₀ | 0 | 1e-6 | 0; s₁ = g₁² | [0, ∞) |
///
/// Source: Zaheer, Reddi, Sachan, Kale & Kumar, "Adaptive methods for nonconvex optimization",
/// 2018.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Yogi};
/// let mut w = array![0.0];
/// let mut yogi = Yogi::new(1.0).beta2(0.75).epsilon(1.0);
/// yogi.step(&mut w, &array![-4.0])?; // s = 4, ŝ = 16, m̂ = -4
/// assert!((w[0] - 0.8_f64).abs() < 1e-12);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Yogi>;

hyperparameters! {
    /// The rule of [`Yogi`](crate::Yogi).
    Yogi {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂: s moves by (1-β₂)g².
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-3 in EPSILON;
        /// m₀ = s₀ (m₀ alone in [`paper`](Self::paper)).
        initial_accumulator = 0.0 in NON_NEGATIVE;
    }
    conventions {
        paper: bool = false,
    }
}

impl<F: Scalar> Elementwise<F, Yogi> {
    /// Yogi with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Yogi::default(), learning_rate)
    }

    /// Optax's convention: m₀ = s₀ = 1e-6.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).initial_accumulator(1e-6)
    }

    /// The paper's convention: s begins with the first gradient's square, and nothing is corrected.
    pub fn paper(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).with(|rule| rule.paper = true)
    }
}

compiled!(Yogi);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    one_minus_beta1: F,
    /// By what share of g² the second moment moves.
    pace: F,
    alpha: F,
    s_correction: F,
    epsilon: F,
}

impl<F: Scalar> Rule<F> for Yogi {
    const NAME: &'static str = "Yogi";
    const LEARNING_RATE: f64 = 1e-2;
    const SLOTS: &'static [&'static str] = &["m", "s"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::SignedMean, SlotKind::NonNegativeMean];
    type State = [F; 2];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn initial(&self) -> [F; 2] {
        // The paper's s begins with the first gradient's square, whatever stood there.
        let initial = F::from_f64(self.initial_accumulator);
        [initial, if self.paper { F::zero() } else { initial }]
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn largest_gradient(&self) -> f64 {
        // s may pass the square that it moves towards.
        0.5 * F::LARGEST_SQUARABLE
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let (m_scale, s_scale) = if self.paper {
            (1.0, 1.0)
        } else {
            (clock.correction(0, self.beta1), clock.correction(1, self.beta2))
        };
        // From s = 0 a pace of 1 gives s = g².
        let pace = if self.paper && clock.step() == 1 { 1.0 } else { 1.0 - self.beta2 };
        Step {
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            pace: F::from_f64(pace),
            alpha: F::from_f64(learning_rate / m_scale),
            s_correction: F::from_f64(s_scale.recip()),
            epsilon: F::from_f64(self.epsilon),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, s]: [F; 2]) -> (F, [F; 2]) {
        let m = k.beta1 * m + k.one_minus_beta1 * g;
        let square = g.share_of_square(F::one());
        // Rather than the sign of the difference: fewer instructions.
        let pace = if square > s {
            k.pace
        } else if square < s {
            -k.pace
        } else {
            F::zero()
        };
        let s = s + pace * square;
        (w - k.alpha / ((s * k.s_correction).sqrt() + k.epsilon) * m, [m, s])
    }
}
