//! Polyak's step.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, Totals};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Polyak's step**, SPSₘₐₓ: gradient descent at the rate min(α, (f - f*)/(c‖g‖²)), which the loss f and
/// its least value f* tell.
///
/// When to use it: where the loss of the model comes close to a number that is known, most often 0: models
/// with more parameters than data, least squares without noise. There one rate serves all problems
/// (Loizou, Vaswani, Laradji & Lacoste-Julien 2021). Where f* is not reached the steps stay too long, and do
/// not settle: let α fall. No state, and one more pass over the gradients.
///
#[doc = include_str!("../../docs/paths/polyak-step.svg")]
///
/// The loss comes in by [`step_with_loss`](crate::Optimizer::step_with_loss): that whose gradient is g, a
/// batch's with a batch's. Plain `step` is an error.
///
/// | hyperparameter | default | [`optax`](Self::optax) | range |
/// |---|---|---|---|
/// | `lower_bound` f* | 0 | 0 | (-∞, ∞) |
/// | `scale` c | 1 | 1 | (0, ∞) |
/// | `epsilon`, beside c‖g‖² | 0 | 0 | [0, ∞) |
///
/// ‖g‖ is over all leaves that are trained. A loss below f* moves nothing. An optimizer that maximizes has
/// -f, and a bound of it. A penalty, or clipping, is in g and not in f: the rate is then another.
///
/// Sources: Polyak, "Introduction to optimization", 1987; Loizou, Vaswani, Laradji & Lacoste-Julien,
/// "Stochastic Polyak step-size for SGD", 2021.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, PolyakStep};
/// let mut w = array![3.0, -4e3];
/// let mut polyak = PolyakStep::new(1e6);
/// for _ in 0..200 {
///     let loss = w[0] * w[0] + 1e-2 * w[1] * w[1];
///     let gradient = array![2.0 * w[0], 2e-2 * w[1]];
///     polyak.step_with_loss(&mut w, &gradient, loss)?;
/// }
/// assert!(f64::abs(w[0]) < 1e-3);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, PolyakStep>;

hyperparameters! {
    /// The rule of [`PolyakStep`](crate::PolyakStep).
    PolyakStep {
        /// f*, the least that the loss can be.
        lower_bound = 0.0 in FINITE;
        /// c, what the square of the norm is multiplied by.
        scale = 1.0 in POSITIVE;
        /// ε beside the square of the norm.
        epsilon = 0.0 in NON_NEGATIVE;
    }
    conventions {
        largest: Option<f64> = None,
    }
}

impl<F: Scalar> Elementwise<F, PolyakStep> {
    /// Polyak's step, at most the learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(PolyakStep::default(), learning_rate)
    }

    /// Optax's convention, of its variant `sps+`: α·min((f - f*)/(cα²‖g‖² + ε), `largest`), `largest` ≥ 0.
    /// α is its `scaling`, which is applied before the norm is taken.
    pub fn optax(learning_rate: impl Into<Schedule>, largest: f64) -> Self {
        let rule = PolyakStep { largest: Some(largest), ..PolyakStep::default() };
        Self::of_compiled(rule, learning_rate)
    }
}

compiled!(PolyakStep);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    learning_rate: f64,
    rate: F,
}

impl<F: Scalar> Rule<F> for PolyakStep {
    const NAME: &'static str = "PolyakStep";
    const LEARNING_RATE: f64 = 1.0;
    const SLOTS: &'static [&'static str] = &[];
    type State = [F; 0];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        if let Some(largest) = self.largest {
            crate::rule::Interval::NON_NEGATIVE.check::<F>("PolyakStep", "largest", largest)?;
        }
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> Step<F> {
        Step { learning_rate, rate: F::from_f64(learning_rate) }
    }

    const LOSS: bool = true;
    const SUMS: &'static [&'static str] = &["‖g‖²"];

    #[inline(always)]
    fn sums(_k: &Step<F>, _w: F, g: F, []: [F; 0]) -> [f64; 4] {
        let g = g.into_f64();
        [g * g, 0.0, 0.0, 0.0]
    }

    fn of_tree(&self, k: &mut Step<F>, totals: &Totals) {
        let [square, ..] = totals.sums();
        let gap = totals.loss() - self.lower_bound;
        let gap = if gap < 0.0 { 0.0 } else { gap };
        let scaling = if self.largest.is_some() { k.learning_rate * k.learning_rate } else { 1.0 };
        let divisor = self.scale * scaling * square + self.epsilon;
        // A gradient of 0 moves nothing at any rate.
        let polyak = if divisor == 0.0 { 0.0 } else { gap / divisor };
        let rate = match self.largest {
            None if polyak > k.learning_rate => k.learning_rate,
            None => polyak,
            Some(largest) if polyak > largest => k.learning_rate * largest,
            Some(_) => k.learning_rate * polyak,
        };
        k.rate = F::from_f64(rate);
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, []: [F; 0]) -> (F, [F; 0]) {
        (w - k.rate * g, [])
    }
}
