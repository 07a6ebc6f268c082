//! MADGRAD.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **MADGRAD**, dual averaging with momentum: weighted sums of all gradients and squares,
/// s += λ(t)g, ν += λ(t)g² with λ(t) = (α + ε)√t, z = w₀ - s/(ν^⅓ + ε), w += (1-γ)(z - w), where w₀ is
/// where the parameter began.
///
/// When to use it: where SGD generalizes best but Adam trains better: its authors find it as good as the
/// better of the two on vision, recurrent and sparse problems (Defazio & Jelassi 2021). Decay must be
/// much smaller than elsewhere, often 0, for the pull towards w₀ regularizes by itself. Three values a
/// parameter; rates are tried anew: 1e-4 to 0.1.
///
#[doc = include_str!("../../docs/paths/madgrad.svg")]
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `momentum` γ | 0.9 | [0, 1) |
/// | `epsilon` ε | 1e-6 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
///
/// As the authors' package and Optax, but that α = 0 makes λ(t) = 0. Decay is coupled:
/// [`penalty`](Self::penalty). s and ν grow for ever; in `f32` small gradients are lost in them
/// after millions of steps. What is kept is w - w₀, so a projection or a decay in between
/// counts as a step of the origin, too.
///
/// Source: Defazio & Jelassi, "Adaptivity without compromise: a momentumized, adaptive, dual averaged
/// gradient method for stochastic optimization", 2021.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Madgrad, Optimizer};
/// let mut w = array![1.0];
/// Madgrad::new(1e-3).momentum(0.0).step(&mut w, &array![2.0])?;
/// // λ·2/(λ·4)^⅓ with λ = 1e-3 + 1e-6.
/// assert!((w[0] - (1.0 - 2.002e-3 / (4.004e-3_f64.cbrt() + 1e-6))).abs() < 1e-15);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Madgrad>;

hyperparameters! {
    /// The rule of [`Madgrad`](crate::Madgrad).
    Madgrad {
        /// γ, the share of w that a step keeps.
        momentum = 0.9 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-6 in EPSILON;
    }
}

impl<F: Scalar> Elementwise<F, Madgrad> {
    /// MADGRAD with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Madgrad::default(), learning_rate)
    }
}

compiled!(Madgrad);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    weight: F,
    epsilon: F,
    one_minus_momentum: F,
}

impl<F: Scalar> Rule<F> for Madgrad {
    const NAME: &'static str = "Madgrad";
    const LEARNING_RATE: f64 = 1e-2;
    const SLOTS: &'static [&'static str] = &["sum", "sum_of_squares", "moved"];
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
        let rate = if learning_rate > 0.0 { learning_rate + self.epsilon } else { 0.0 };
        Step {
            weight: F::from_f64(rate * (clock.step() as f64).sqrt()),
            epsilon: F::from_f64(self.epsilon),
            one_minus_momentum: F::from_f64(1.0 - self.momentum),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [sum, squares, moved]: [F; 3]) -> (F, [F; 3]) {
        let sum = sum + k.weight * g;
        let squares = squares + g.share_of_square(k.weight);
        // An infinite sum would hold every step to come at the origin.
        let squares = if squares > F::max_value() { F::max_value() } else { squares };
        let change = k.one_minus_momentum * (moved + sum / (squares.cbrt() + k.epsilon));
        (w - change, [sum, squares, moved - change])
    }
}
