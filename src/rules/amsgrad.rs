//! AMSGrad.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **AMSGrad**: Adam whose second moment never shrinks; m and v as Adam, x = max(x, v),
/// Δw = -αm̂/(√x̂ + ε), with x̂ = x/(1-β₂ᵗ).
///
/// When to use it: an Adam that does not settle because v forgets rare, large gradients; it converges
/// on the examples on which Adam does not. x never falls, so that one large gradient keeps its
/// element slow ever after. Three values a parameter, the most of all; rates as Adam's.
///
#[doc = include_str!("../../docs/paths/amsgrad.svg")]
///
/// | hyperparameter | default | [`keras`](Self::keras) | range |
/// |---|---|---|---|
/// | `beta1` β₁ | 0.9 | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-8 | 1e-7, on the uncorrected √x | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
///
/// The default is also PyTorch's. [`optax`](Self::optax) takes the maximum over v̂,
/// [`paper`](Self::paper) corrects nothing.
///
/// Source: Reddi, Kale & Kumar, "On the convergence of Adam and beyond", 2018.
///
/// ```
/// use ndarray::array;
/// use thalweg::{AmsGrad, Optimizer};
/// let mut w = array![0.0];
/// let mut amsgrad = AmsGrad::paper(1.0).beta1(0.0).beta2(0.0);
/// amsgrad.step(&mut w, &array![-4.0])?; // x = 16
/// amsgrad.step(&mut w, &array![-1.0])?; // x = 16 still
/// assert!((w[0] - 1.25_f64).abs() < 1e-7);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, AmsGrad>;

/// What is corrected for the averages' beginning at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Correction {
    /// m and the maximum.
    Maximum,
    /// m, and v before the maximum.
    BeforeMaximum,
    /// The whole quotient, ε not included.
    Quotient,
    Nothing,
}

hyperparameters! {
    /// The rule of [`AmsGrad`](crate::AmsGrad).
    AmsGrad {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
    }
    conventions {
        correction: Correction = Correction::Maximum,
    }
}

impl<F: Scalar> Elementwise<F, AmsGrad> {
    /// AMSGrad with that learning rate α ≥ 0, a number or a schedule; also PyTorch's convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(AmsGrad::default(), learning_rate)
    }

    /// Optax's convention: x = max(x, v̂), Δw = -αm̂/(√x + ε).
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).with(|rule| rule.correction = Correction::BeforeMaximum)
    }

    /// Keras's convention: Δw = -α·√(1-β₂ᵗ)/(1-β₁ᵗ)·m/(√x + ε), ε = 1e-7.
    pub fn keras(learning_rate: impl Into<Schedule>) -> Self {
        let rule =
            AmsGrad { epsilon: 1e-7, correction: Correction::Quotient, ..AmsGrad::default() };
        Self::of_compiled(rule, learning_rate)
    }

    /// The paper's convention: Δw = -αm/(√x + ε), nothing corrected.
    pub fn paper(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).with(|rule| rule.correction = Correction::Nothing)
    }
}

compiled!(AmsGrad);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    alpha: F,
    v_correction: F,
    x_correction: F,
    epsilon: F,
}

impl<F: Scalar> Rule<F> for AmsGrad {
    const NAME: &'static str = "AmsGrad";
    const SLOTS: &'static [&'static str] = &["m", "v", "max"];
    const SLOT_KINDS: &'static [SlotKind] =
        &[SlotKind::SignedMean, SlotKind::NonNegativeMean, SlotKind::Exact];
    type State = [F; 3];
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
        let (alpha, v_correction, x_correction) = match self.correction {
            Correction::Maximum => (m_scale, 1.0, v_scale.recip()),
            Correction::BeforeMaximum => (m_scale, v_scale.recip(), 1.0),
            Correction::Quotient => (m_scale * v_scale.sqrt(), 1.0, 1.0),
            Correction::Nothing => (learning_rate, 1.0, 1.0),
        };
        Step {
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            alpha: F::from_f64(alpha),
            v_correction: F::from_f64(v_correction),
            x_correction: F::from_f64(x_correction),
            epsilon: F::from_f64(self.epsilon),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, v, x]: [F; 3]) -> (F, [F; 3]) {
        let m = k.beta1 * m + k.one_minus_beta1 * g;
        let v = k.beta2 * v + g.share_of_square(k.one_minus_beta2);
        let corrected = v * k.v_correction;
        // Written so that a NaN in v wins.
        let x = if x >= corrected { x } else { corrected };
        (w - k.alpha * m / ((x * k.x_correction).sqrt() + k.epsilon), [m, v, x])
    }
}
