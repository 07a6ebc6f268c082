//! Decoupled weight decay.

use crate::error::Error;
use crate::interval::Interval;
use crate::scalar::Scalar;

/// Weight decay that bypasses the gradient: w -= d·w beside the update, and what d is.
///
/// | variant | d | where it is used |
/// |---|---|---|
/// | `Relative(λ)` | α(t)·λ | PyTorch, Optax, Keras |
/// | `Scheduled { weight_decay, base }` | α(t)/α₀·λ | the paper: λ follows the schedule, not the base rate |
/// | `Absolute(λ)` | λ | neither |
///
/// Source: Loshchilov & Hutter, "Decoupled weight decay regularization", 2019.
///
/// ```
/// use ndarray::array;
/// use thalweg::{regularize::Decay, AdamW, Optimizer};
/// let mut w = array![1.0];
/// let mut adamw = AdamW::new(1e-3).decay(Decay::Absolute(0.25));
/// adamw.step(&mut w, &array![0.0])?;
/// assert_eq!(w[0], 0.75);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Decay {
    /// d = α(t)·λ: tied to the learning rate.
    Relative(f64),
    /// d = α(t)/α₀·λ: tied to the schedule alone.
    Scheduled {
        /// λ, in [0, ∞).
        weight_decay: f64,
        /// α₀, the rate that the schedule multiplies; in (0, ∞).
        base: f64,
    },
    /// d = λ: tied to nothing.
    Absolute(f64),
}

impl Decay {
    /// The fraction d of each parameter that a step at this learning rate takes away.
    pub fn fraction(self, learning_rate: f64) -> f64 {
        match self {
            Decay::Relative(weight_decay) => learning_rate * weight_decay,
            Decay::Scheduled { weight_decay, base } => learning_rate / base * weight_decay,
            Decay::Absolute(weight_decay) => weight_decay,
        }
    }

    /// λ, to read or to change.
    pub(crate) fn number(&mut self) -> &mut f64 {
        match self {
            Decay::Relative(weight_decay)
            | Decay::Absolute(weight_decay)
            | Decay::Scheduled { weight_decay, .. } => weight_decay,
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`](crate::ErrorKind::Hyperparameter).
    pub fn check<F: Scalar>(self, owner: &'static str) -> Result<(), Error> {
        let weight_decay = match self {
            Decay::Relative(weight_decay) | Decay::Absolute(weight_decay) => weight_decay,
            Decay::Scheduled { weight_decay, base } => {
                Interval::POSITIVE.check::<f64>(owner, "base", base)?;
                weight_decay
            }
        };
        Interval::NON_NEGATIVE.check::<F>(owner, "weight_decay", weight_decay)
    }
}
