//! ADOPT.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **ADOPT**: Adam whose v knows nothing of the gradient that it divides, and whose momentum comes after
/// the division: ĝ = g/max(√v, ε) within ±(t-1)^¼, m = β₁m + (1-β₁)ĝ, Δw = -αm, and then
/// v = β₂v + (1-β₂)g².
///
/// When to use it: where Adam does not converge because a few large gradients matter, whatever β₂: it
/// converges at the best rate with any β₂, without AMSGrad's maximum (Taniguchi et al. 2024). What is tuned
/// for Adam is a good start. Two values a parameter.
///
#[doc = include_str!("../../docs/paths/adopt.svg")]
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `beta1` β₁ | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.9999 | [0, 1) |
/// | `epsilon` ε | 1e-6 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
///
/// The first step sets v = g² and moves nothing. The bound (t-1)^¼ is that of the authors' second version
/// and of Optax. There is no bias correction.
///
/// Source: Taniguchi et al., "ADOPT: modified Adam can converge with any β₂ with the optimal rate", 2024.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Adopt, Optimizer};
/// let mut w = array![1.0];
/// let mut adopt = Adopt::new(0.1);
/// adopt.step(&mut w, &array![2.0])?; // v = 4
/// assert_eq!(w, array![1.0]);
/// adopt.step(&mut w, &array![-1.0])?; // by 0.1·(1 - 0.9)·½
/// assert!((w[0] - 1.005_f64).abs() < 1e-15);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Adopt>;

hyperparameters! {
    /// The rule of [`Adopt`](crate::Adopt).
    Adopt {
        /// β₁, the share of the average of directions that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.9999 in FRACTION;
        /// ε, the least that a gradient is divided by.
        epsilon = 1e-6 in EPSILON;
    }
}

impl<F: Scalar> Elementwise<F, Adopt> {
    /// ADOPT with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Adopt::default(), learning_rate)
    }
}

compiled!(Adopt);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    alpha: F,
    beta1: F,
    one_minus_beta1: F,
    /// 0 and 1 at the first step.
    beta2: F,
    one_minus_beta2: F,
    epsilon: F,
    bound: F,
}

impl<F: Scalar> Rule<F> for Adopt {
    const NAME: &'static str = "Adopt";
    const SLOTS: &'static [&'static str] = &["m", "v"];
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
        // No step has gone by at the first: its bound is 0, which is why it moves nothing.
        let before = clock.step().saturating_sub(1);
        let beta2 = if before == 0 { 0.0 } else { self.beta2 };
        Step {
            alpha: F::from_f64(learning_rate),
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(beta2),
            one_minus_beta2: F::from_f64(1.0 - beta2),
            epsilon: F::from_f64(self.epsilon),
            bound: F::from_f64((before as f64).sqrt().sqrt()),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, v]: [F; 2]) -> (F, [F; 2]) {
        let root = v.sqrt();
        let quotient = g / if root > k.epsilon { root } else { k.epsilon };
        // Comparisons that are false of NaN keep it, as `clamp` would not.
        let below = if quotient > k.bound { k.bound } else { quotient };
        let direction = if below < -k.bound { -k.bound } else { below };
        let m = k.beta1 * m + k.one_minus_beta1 * direction;
        (w - k.alpha * m, [m, k.beta2 * v + g.share_of_square(k.one_minus_beta2)])
    }
}
