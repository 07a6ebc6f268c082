//! Optimistic Adam.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Optimistic Adam**: Δw = -α(r + ο(r - r₋)), where r = m̂/(√v̂ + ε) is the direction of Adam.
///
/// When to use it: generative adversarial networks and other games whose players Adam would be chosen
/// for: it damps the circling that Adam shares with gradient descent
/// ([`OptimisticGradient`](crate::OptimisticGradient)). Three values a parameter; rates are Adam's or half
/// of them, with β₁ = 0.5 in games.
///
#[doc = include_str!("../../docs/paths/optimistic-adam.svg")]
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `optimism` ο | 1 | [0, ∞) |
/// | `beta1` β₁ | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | [`nesterov`](Self::nesterov) | no; [`optax`](Self::optax) yes | |
///
/// The first step takes r₋ = r, as Optax; with r₋ = 0, as in the paper and in Optimisers.jl, it would be twice as
/// long as any other. Optax's `alpha` multiplies the rate, and its `beta` is `alpha` times ο.
///
/// Source: Daskalakis, Ilyas, Syrgkanis & Zeng, "Training GANs with optimism", 2018.
///
/// ```
/// use ndarray::array;
/// use thalweg::{OptimisticAdam, Optimizer};
/// let mut w = array![1.0];
/// let mut optimizer = OptimisticAdam::new(0.1).beta1(0.0);
/// optimizer.step(&mut w, &array![3.0])?; // r = 1
/// optimizer.step(&mut w, &array![0.0])?; // r = 0, and so is r + (r - 1) = -1
/// assert!((w[0] - 1.0_f64).abs() < 1e-8);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, OptimisticAdam>;

hyperparameters! {
    /// The rule of [`OptimisticAdam`](crate::OptimisticAdam).
    OptimisticAdam {
        /// ο, how much of the direction's change is expected once more.
        optimism = 1.0 in NON_NEGATIVE;
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
    }
    conventions {
        nesterov: bool = false,
    }
}

impl<F: Scalar> Elementwise<F, OptimisticAdam> {
    /// Optimistic Adam with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(OptimisticAdam::default(), learning_rate)
    }

    /// Optax's convention, that of `optimistic_adam_v2`: r is the direction of
    /// [`NAdam::optax`](crate::NAdam::optax).
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).nesterov(true)
    }

    /// Whether r looks ahead: (β₁m/(1-β₁ᵗ⁺¹) + (1-β₁)g/(1-β₁ᵗ))/(√v̂ + ε).
    #[must_use]
    pub fn nesterov(self, nesterov: bool) -> Self {
        self.with(|rule| rule.nesterov = nesterov)
    }
}

compiled!(OptimisticAdam);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    alpha: F,
    /// 0 at the first step, which knows no last direction.
    optimism: F,
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    m_share: F,
    g_share: F,
    v_correction: F,
    epsilon: F,
}

impl<F: Scalar> Rule<F> for OptimisticAdam {
    const NAME: &'static str = "OptimisticAdam";
    const SLOTS: &'static [&'static str] = &["m", "v", "last_direction"];
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
        let [now, next] = clock.corrections(0, self.beta1);
        let [m_share, g_share] = if self.nesterov {
            [self.beta1 / next, (1.0 - self.beta1) / now]
        } else {
            [now.recip(), 0.0]
        };
        let optimism = if clock.step() > 1 { self.optimism } else { 0.0 };
        Step {
            alpha: F::from_f64(learning_rate),
            optimism: F::from_f64(optimism),
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            m_share: F::from_f64(m_share),
            g_share: F::from_f64(g_share),
            v_correction: F::from_f64(clock.correction(1, self.beta2).recip()),
            epsilon: F::from_f64(self.epsilon),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, v, last]: [F; 3]) -> (F, [F; 3]) {
        let m = k.beta1 * m + k.one_minus_beta1 * g;
        let v = k.beta2 * v + g.share_of_square(k.one_minus_beta2);
        let root = (v * k.v_correction).sqrt() + k.epsilon;
        let direction = (k.m_share * m + k.g_share * g) / root;
        (w - k.alpha * (direction + k.optimism * (direction - last)), [m, v, direction])
    }
}
