//! Adan.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Adan**, adaptive Nesterov momentum: Adam with the change of the gradient, d = g - g₋, beside it:
/// m = β₁m + (1-β₁)g, v = β₂v + (1-β₂)d, n = β₃n + (1-β₃)(g + β₂d)², u = (m̂ + β₂v̂)/(√n̂ + ε),
/// w = (w - αu)/(1 + αλ).
///
/// When to use it: vision models, at rates up to ten times AdamW's, where its authors report fewer
/// epochs to the same accuracy (Xie et al. 2022). Four values a parameter, twice Adam's. Its memories are
/// long: the change of the gradient must be that of the loss and not that between batches, so it
/// wants batches that are not small.
///
#[doc = include_str!("../../docs/paths/adan.svg")]
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `beta1` β₁ | 0.98 | [0, 1) |
/// | `beta2` β₂ | 0.92 | [0, 1) |
/// | `beta3` β₃ | 0.99 | [0, 1) |
/// | `epsilon` ε | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `weight_decay` λ | 0 | [0, ∞) |
/// | [`proximal`](Self::proximal) | yes | |
///
/// The β are those of the authors' code: shares that are kept, one less those of the paper. The first d is
/// 0. Optax 0.2.8 has 1-β₂ where the paper and the authors have the other share, β₂, beside v̂ and d, so
/// its steps are others.
///
/// Source: Xie, Zhou, Li, Lin & Yan, "Adan: adaptive Nesterov momentum algorithm for faster optimizing
/// deep models", 2022.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Adan, Optimizer};
/// let mut w = array![1.0, -1.0];
/// Adan::new(0.1).step(&mut w, &array![1e-3, -50.0])?; // at first α, as Adam
/// assert!((&w - &array![0.9, -0.9]).iter().all(|d: &f64| d.abs() < 1e-5));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Adan>;

hyperparameters! {
    /// The rule of [`Adan`](crate::Adan).
    Adan {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.98 in FRACTION;
        /// β₂, the share of the average of their changes that is kept.
        beta2 = 0.92 in FRACTION;
        /// β₃, the share of the average of squares that is kept.
        beta3 = 0.99 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
        /// λ of the decay.
        weight_decay = 0.0 in NON_NEGATIVE;
    }
    conventions {
        proximal: bool = true,
    }
}

impl<F: Scalar> Elementwise<F, Adan> {
    /// Adan with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Adan::default(), learning_rate)
    }

    /// Whether the decay is proximal, w = (w - αu)/(1 + αλ), or AdamW's, w = (1 - αλ)w - αu: the authors'
    /// `no_prox`.
    #[must_use]
    pub fn proximal(self, proximal: bool) -> Self {
        self.with(|rule| rule.proximal = proximal)
    }
}

compiled!(Adan);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    beta3: F,
    one_minus_beta3: F,
    /// 1, and 0 at the first step, which knows no last gradient.
    knows_last: F,
    m_rate: F,
    v_rate: F,
    n_correction: F,
    epsilon: F,
    decay: F,
}

impl<F: Scalar> Rule<F> for Adan {
    const NAME: &'static str = "Adan";
    const SLOTS: &'static [&'static str] = &["m", "v", "n", "last_gradient"];
    type State = [F; 4];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn largest_gradient(&self) -> f64 {
        // What is squared is up to 1 + 2β₂ times as large; half of the largest root is room enough for shares.
        F::LARGEST_SQUARABLE * (1.8 / (1.0 + 2.0 * self.beta2)).min(1.0)
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let decay = learning_rate * self.weight_decay;
        let (rate, decay) = if self.proximal {
            (learning_rate / (1.0 + decay), decay / (1.0 + decay))
        } else {
            (learning_rate, decay)
        };
        Step {
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            beta3: F::from_f64(self.beta3),
            one_minus_beta3: F::from_f64(1.0 - self.beta3),
            knows_last: if clock.step() > 1 { F::one() } else { F::zero() },
            m_rate: F::from_f64(rate / clock.correction(0, self.beta1)),
            v_rate: F::from_f64(rate * self.beta2 / clock.correction(1, self.beta2)),
            n_correction: F::from_f64(clock.correction(2, self.beta3).recip()),
            epsilon: F::from_f64(self.epsilon),
            decay: F::from_f64(decay),
        }
    }

    #[inline(always)]
    fn decay(k: &Step<F>) -> F {
        k.decay
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, v, n, last]: [F; 4]) -> (F, [F; 4]) {
        let change = k.knows_last * (g - last);
        let m = k.beta1 * m + k.one_minus_beta1 * g;
        let v = k.beta2 * v + k.one_minus_beta2 * change;
        let n = k.beta3 * n + (g + k.beta2 * change).share_of_square(k.one_minus_beta3);
        let root = (n * k.n_correction).sqrt() + k.epsilon;
        let kept = w - k.decay * w.flushed();
        (kept - (k.m_rate * m + k.v_rate * v) / root, [m, v, n, g])
    }
}
