//! Momentum.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Momentum** (the heavy ball): Δw(t) = γΔw(t-1) - αg, then w += Δw.
///
/// When to use it: the first thing to add to SGD, for one value a parameter. On a quadratic of
/// condition number κ it takes some √κ steps where SGD takes κ;
/// [`Condition::momentum`](crate::curvature::Condition::momentum) gives the best γ and α. It
/// overshoots, and its steps are up to 1/(1-γ) times as long as SGD's, so that α is as much smaller:
/// 0.01 to 0.1 with γ = 0.9.
///
#[doc = include_str!("../../docs/paths/momentum.svg")]
///
/// α stands inside the average, as in Keras. [`torch`](Self::torch) keeps it outside:
/// b = γb + (1-τ)g with b = g at first, then w -= αb. The two differ once α changes.
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `momentum` γ | 0.9 | (-1, 1) |
/// | `dampening` τ (`torch` alone) | 0 | [0, 1) |
///
/// Sources: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964;
/// Rumelhart, Hinton & Williams 1986.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Momentum, Optimizer};
/// let mut w = array![0.0];
/// let mut momentum = Momentum::new(1.0).momentum(0.5);
/// momentum.step(&mut w, &array![-1.0])?; // Δw = 1
/// momentum.step(&mut w, &array![-1.0])?; // Δw = 1.5
/// assert_eq!(w[0], 2.5);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Momentum>;

hyperparameters! {
    /// The rule of [`Momentum`](crate::Momentum).
    Momentum {
        /// γ, the share of the last update that is kept.
        momentum = 0.9 in SYMMETRIC;
        /// τ: all gradients but the first enter by a factor of 1-τ.
        dampening = 0.0 in FRACTION;
    }
    conventions {
        rate_inside: bool = true,
    }
}

impl<F: Scalar> Elementwise<F, Momentum> {
    /// Momentum with that learning rate α ≥ 0, a number or a schedule; also Keras's convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Momentum::default(), learning_rate)
    }

    /// PyTorch's and Optax's convention: b = γb + (1-τ)g, w -= αb.
    pub fn torch(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Momentum { rate_inside: false, ..Momentum::default() }, learning_rate)
    }
}

compiled!(Momentum);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    gamma: F,
    /// By what the gradient enters the average.
    gain: F,
    /// By what the average enters the parameter.
    rate: F,
}

impl<F: Scalar> Rule<F> for Momentum {
    const NAME: &'static str = "Momentum";
    const LEARNING_RATE: f64 = 1e-2;
    const SLOTS: &'static [&'static str] = &["velocity"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::SignedMean];
    type State = [F; 1];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let undampened = if clock.step() == 1 { 1.0 } else { 1.0 - self.dampening };
        let (gain, rate) = if self.rate_inside {
            (-learning_rate * undampened, 1.0)
        } else {
            (undampened, -learning_rate)
        };
        Step { gamma: F::from_f64(self.momentum), gain: F::from_f64(gain), rate: F::from_f64(rate) }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [velocity]: [F; 1]) -> (F, [F; 1]) {
        let velocity = k.gamma * velocity + k.gain * g;
        (w + k.rate * velocity, [velocity])
    }
}
