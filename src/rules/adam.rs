//! Adam.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Adam**: m = β₁m + (1-β₁)g, v = β₂v + (1-β₂)g², Δw = -αm̂/(√v̂ + ε), with
/// m̂ = m/(1-β₁ᵗ) and v̂ = v/(1-β₂ᵗ).
///
/// When to use it: networks whose layers have gradients of very different sizes: attention,
/// embeddings (their gradients are of [few rows](crate::guide::sparse)), recurrence. The size of the gradients does not matter: an element moves by about α a
/// step, by α(1-β₁)/√(1-β₂) at most. Noise keeps it moving, so bring α down; an L2 penalty would be
/// divided by √v̂ too, so for weight decay take [`AdamW`](crate::AdamW). Two values a parameter;
/// typical rates are 1e-4 to 3e-3, with a β₂ of 0.95 to 0.99 where the gradients' size changes fast.
///
#[doc = include_str!("../../docs/paths/adam.svg")]
///
/// | hyperparameter | default | [`keras`](Self::keras) | range |
/// |---|---|---|---|
/// | `beta1` β₁ | 0.9 | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-8 | 1e-7, on the uncorrected √v | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `epsilon_root` | 0 | 0 | [0, ∞) |
///
/// The default is also PyTorch's and Optax's; `epsilon_root` is Optax's `eps_root`, added to v̂
/// under the root.
///
/// Source: Kingma & Ba, "Adam: a method for stochastic optimization", 2015.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Adam, Optimizer};
/// let mut w = array![1.0, 1.0];
/// let mut adam = Adam::new(0.1).beta2(0.99);
/// adam.step(&mut w, &array![1e3, -1e-3])?; // the first step is α against the sign
/// assert!((&w - &array![0.9, 1.1]).iter().all(|d: &f64| d.abs() < 1e-5));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Adam>;

hyperparameters! {
    /// The rule of [`Adam`](crate::Adam).
    Adam {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
        /// what is added to v̂ under the root.
        epsilon_root = 0.0 in NON_NEGATIVE;
    }
    conventions {
        epsilon_on_corrected: bool = true,
    }
}

impl<F: Scalar> Elementwise<F, Adam> {
    /// Adam with that learning rate α ≥ 0, a number or a schedule; also PyTorch's and Optax's
    /// convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Adam::default(), learning_rate)
    }

    /// Keras's convention: Δw = -α·√(1-β₂ᵗ)/(1-β₁ᵗ)·m/(√v + ε), ε = 1e-7.
    pub fn keras(learning_rate: impl Into<Schedule>) -> Self {
        let rule = Adam { epsilon: 1e-7, epsilon_on_corrected: false, ..Adam::default() };
        Self::of_compiled(rule, learning_rate)
    }
}

compiled!(Adam);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    /// α with the correction of m, and of v where ε is on the uncorrected root.
    alpha: F,
    v_correction: F,
    epsilon_root: F,
    epsilon: F,
}

impl<F: Scalar> Rule<F> for Adam {
    const NAME: &'static str = "Adam";
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
            epsilon_root: F::from_f64(self.epsilon_root),
            epsilon: F::from_f64(self.epsilon),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, v]: [F; 2]) -> (F, [F; 2]) {
        let m = k.beta1 * m + k.one_minus_beta1 * g;
        let v = k.beta2 * v + g.share_of_square(k.one_minus_beta2);
        (w - k.alpha * m / ((v * k.v_correction + k.epsilon_root).sqrt() + k.epsilon), [m, v])
    }
}
