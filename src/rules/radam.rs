//! RAdam.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **RAdam**: Adam whose step is rectified while the variance of v̂ is large, and ignores v at first;
/// Δw = -α·r·m̂·√(1-β₂ᵗ)/(√v + ε) where ρₜ > 5, else -αm̂, with ρ∞ = 2/(1-β₂) - 1,
/// ρₜ = ρ∞ - 2tβ₂ᵗ/(1-β₂ᵗ), r² = (ρₜ-4)(ρₜ-2)ρ∞/((ρ∞-4)(ρ∞-2)ρₜ), and m, v, m̂ as Adam.
///
/// When to use it: as Adam without a warm-up to tune. It begins as momentum, whose steps have the
/// size of the gradients: scale the loss, or clip, where those are large. A linear warm-up over
/// 2/(1-β₂) steps of Adam does as much (Ma & Yarats, "On the adequacy of untuned warmup for adaptive
/// optimization", 2021). Two values a parameter; rates as Adam's.
///
#[doc = include_str!("../../docs/paths/radam.svg")]
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `beta1` β₁ | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
///
/// The default is also PyTorch's. [`optax`](Self::optax) rectifies where ρₜ ≥ 5, with √v̂ + ε.
///
/// Source: Liu et al., "On the variance of the adaptive learning rate and beyond", 2020.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, RAdam};
/// let mut w = array![0.0];
/// let mut radam = RAdam::new(0.1);
/// radam.step(&mut w, &array![-30.0])?; // the first five steps are momentum: Δw = -αm̂
/// assert!((w[0] - 3.0_f64).abs() < 1e-12);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, RAdam>;

hyperparameters! {
    /// The rule of [`RAdam`](crate::RAdam).
    RAdam {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
    }
    conventions {
        torch: bool = true,
    }
}

impl<F: Scalar> Elementwise<F, RAdam> {
    /// RAdam with that learning rate α ≥ 0, a number or a schedule; also PyTorch's convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(RAdam::default(), learning_rate)
    }

    /// Optax's convention: rectified where ρₜ ≥ 5, ε on the corrected √v̂.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).with(|rule| rule.torch = false)
    }
}

impl RAdam {
    /// r at this step, or `None` while v is ignored.
    fn rectification(&self, clock: &Clock, v_scale: f64) -> Option<f64> {
        let limit = 2.0 / (1.0 - self.beta2) - 1.0;
        let t = clock.step() as f64;
        let rho = limit - 2.0 * t * clock.product(1) / v_scale;
        let rectified = if self.torch { rho > 5.0 } else { rho >= 5.0 };
        rectified.then(|| {
            ((rho - 4.0) * (rho - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * rho)).sqrt()
        })
    }
}

compiled!(RAdam);

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
}

impl<F: Scalar> Rule<F> for RAdam {
    const NAME: &'static str = "RAdam";
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
        let m_scale = learning_rate / clock.correction(0, self.beta1);
        let v_scale = clock.correction(1, self.beta2);
        // Where v is ignored, its factor 0 and ε = 1 make the denominator 1.
        let (alpha, v_correction, epsilon) = match self.rectification(clock, v_scale) {
            None => (m_scale, 0.0, 1.0),
            Some(r) if self.torch => (m_scale * r * v_scale.sqrt(), 1.0, self.epsilon),
            Some(r) => (m_scale * r, v_scale.recip(), self.epsilon),
        };
        Step {
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            alpha: F::from_f64(alpha),
            v_correction: F::from_f64(v_correction),
            epsilon: F::from_f64(epsilon),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, v]: [F; 2]) -> (F, [F; 2]) {
        let m = k.beta1 * m + k.one_minus_beta1 * g;
        let v = k.beta2 * v + g.share_of_square(k.one_minus_beta2);
        (w - k.alpha * m / ((v * k.v_correction).sqrt() + k.epsilon), [m, v])
    }
}
