//! Optimistic gradient descent.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Optimistic gradient descent**: Δw = -α(g + ο(g - g₋)), the gradient as it will be if it goes on
/// changing as it did.
///
/// When to use it: games and saddle-point problems: two networks with opposite aims, Lagrange
/// multipliers. There gradient descent circles around the solution, and this one spirals into it, with one
/// gradient a step. On a minimum it is momentum with a negative sign, and loses to the positive one. One value a
/// parameter.
///
#[doc = include_str!("../../docs/paths/optimistic-gradient.svg")]
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `optimism` ο | 1 | [0, ∞) |
///
/// The first step takes g₋ = g. The same in Optax, whose α multiplies the rate and whose β is α times ο.
///
/// Source: Popov, "A modification of the Arrow-Hurwicz method for search of saddle points", 1980; Daskalakis,
/// Ilyas, Syrgkanis & Zeng, "Training GANs with optimism", 2018.
///
/// ```
/// use ndarray::array;
/// use thalweg::{OptimisticGradient, Optimizer};
/// // x·y, which x descends and y ascends.
/// let mut w = array![1.0, 1.0];
/// let mut optimizer = OptimisticGradient::new(0.3);
/// for _ in 0..300 {
///     let g = array![w[1], -w[0]];
///     optimizer.step(&mut w, &g)?;
/// }
/// assert!(w.iter().all(|w: &f64| w.abs() < 1e-4));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, OptimisticGradient>;

hyperparameters! {
    /// The rule of [`OptimisticGradient`](crate::OptimisticGradient).
    OptimisticGradient {
        /// ο, how much of the gradient's change is expected once more.
        optimism = 1.0 in NON_NEGATIVE;
    }
}

impl<F: Scalar> Elementwise<F, OptimisticGradient> {
    /// Optimistic gradient descent with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(OptimisticGradient::default(), learning_rate)
    }
}

compiled!(OptimisticGradient);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    alpha: F,
    /// 0 at the first step, which knows no last gradient.
    optimism: F,
}

impl<F: Scalar> Rule<F> for OptimisticGradient {
    const NAME: &'static str = "OptimisticGradient";
    const LEARNING_RATE: f64 = 1e-2;
    const SLOTS: &'static [&'static str] = &["last_gradient"];
    type State = [F; 1];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let optimism = if clock.step() > 1 { self.optimism } else { 0.0 };
        Step { alpha: F::from_f64(learning_rate), optimism: F::from_f64(optimism) }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [last]: [F; 1]) -> (F, [F; 1]) {
        (w - k.alpha * (g + k.optimism * (g - last)), [g])
    }
}
