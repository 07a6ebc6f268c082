//! NAdam.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **NAdam**: Adam with Nesterov's look-ahead;
/// Δw = -α(μₜ₊₁m/(1-∏ᵗ⁺¹μ) + (1-μₜ)g/(1-∏ᵗμ))/(√v̂ + ε), with m and v as Adam and
/// μₜ = β₁(1 - ½·0.96^(ψt)).
///
/// When to use it: in the place of Adam, at the same cost: a step takes the gradient at hand with
/// full weight, and so turns one step sooner. What is tuned for Adam is a good start. Two values a
/// parameter; typical rates are 1e-3 to 2e-3.
///
#[doc = include_str!("../../docs/paths/nadam.svg")]
///
/// | hyperparameter | default | [`keras`](Self::keras) | range |
/// |---|---|---|---|
/// | `beta1` β₁ | 0.9 | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-8 | 1e-7 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `momentum_decay` ψ | 4e-3 | 1 | [0, ∞) |
///
/// The default is also PyTorch's. [`optax`](Self::optax) has no such schedule: μ = β₁, and 1-β₁
/// beside g.
///
/// Source: Dozat, "Incorporating Nesterov momentum into Adam", 2016.
///
/// ```
/// use ndarray::array;
/// use thalweg::{NAdam, Optimizer};
/// let mut w = array![1.0, -1.0];
/// let mut nadam = NAdam::optax(0.1);
/// nadam.step(&mut w, &array![1.0, 0.0])?; // 0.1·(0.9·0.1/0.19 + 1) from 1
/// assert!((w[0] - (1.0 - 0.1 * (0.09 / 0.19 + 1.0)) as f64).abs() < 1e-7);
/// assert_eq!(w[1], -1.0);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, NAdam>;

hyperparameters! {
    /// The rule of [`NAdam`](crate::NAdam).
    NAdam {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
        /// ψ, how fast μ rises from β₁/2 to β₁.
        momentum_decay = 4e-3 in NON_NEGATIVE;
    }
    conventions {
        scheduled: bool = true,
    }
}

impl<F: Scalar> Elementwise<F, NAdam> {
    /// NAdam with that learning rate α ≥ 0, a number or a schedule; also PyTorch's convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(NAdam::default(), learning_rate)
    }

    /// Keras's convention: μₜ = β₁(1 - ½·0.96ᵗ), ε = 1e-7.
    pub fn keras(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).momentum_decay(1.0).epsilon(1e-7)
    }

    /// Optax's convention: Δw = -α(β₁m/(1-β₁ᵗ⁺¹) + (1-β₁)g/(1-β₁ᵗ))/(√v̂ + ε).
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).with(|rule| rule.scheduled = false)
    }
}

impl NAdam {
    /// By what m and g enter the update, each with its correction.
    fn shares(&self, clock: &mut Clock) -> [f64; 2] {
        if !self.scheduled {
            let [now, next] = clock.corrections(0, self.beta1);
            return [self.beta1 / next, (1.0 - self.beta1) / now];
        }
        let step = clock.step();
        let mu = |i: u64| self.beta1 * (1.0 - 0.5 * 0.96_f64.powf(self.momentum_decay * i as f64));
        let product = self.product(step, clock.carried());
        let next = mu(step + 1);
        [next / (1.0 - product * next), (1.0 - mu(step)) / (1.0 - product)]
    }

    /// ∏ μᵢ for i up to `step`, carried from step to step beside 0.96^(ψ·step).
    fn product(&self, step: u64, carried: &mut [f64; 2]) -> f64 {
        let shrink = 0.96_f64.powf(self.momentum_decay);
        let [mut product, mut power] = *carried;
        // What was not carried, at the first step or in a state of an earlier version, is multiplied
        // anew; past a few thousand terms nothing of it can be told from 0 beside 1.
        let mut from = step;
        if *carried == [0.0; 2] {
            (product, power) = (1.0, 1.0);
            from = if step > 100_000 { return 0.0 } else { 1 };
        }
        for _ in from..=step {
            power *= shrink;
            product *= self.beta1 * (1.0 - 0.5 * power);
            if product < 1e-20 {
                product = 0.0;
            }
        }
        *carried = [product, power];
        product
    }
}

compiled!(NAdam);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    /// α and the share of m.
    m_rate: F,
    /// α and the share of g.
    g_rate: F,
    v_correction: F,
    epsilon: F,
}

impl<F: Scalar> Rule<F> for NAdam {
    const NAME: &'static str = "NAdam";
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
        let [m_share, g_share] = self.shares(clock);
        Step {
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            m_rate: F::from_f64(learning_rate * m_share),
            g_rate: F::from_f64(learning_rate * g_share),
            v_correction: F::from_f64(clock.correction(1, self.beta2).recip()),
            epsilon: F::from_f64(self.epsilon),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, v]: [F; 2]) -> (F, [F; 2]) {
        let m = k.beta1 * m + k.one_minus_beta1 * g;
        let v = k.beta2 * v + g.share_of_square(k.one_minus_beta2);
        let root = (v * k.v_correction).sqrt() + k.epsilon;
        (w - (k.m_rate * m + k.g_rate * g) / root, [m, v])
    }
}
