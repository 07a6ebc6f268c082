//! Losses of single numbers, with a weight for each.

use ndarray::{Array, ArrayRef, Dimension};

use super::check_shape;
use super::elementwise::{check, of_binary_cross_entropy, of_hinge, of_huber, of_squared_error};
use super::likelihoods::{check_focal, of_focal, of_log_cosh, of_poisson, of_quantile};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::reduce::Sum;
use crate::scalar::Scalar;

const OWNER: &str = "weighted";

/// A loss of single numbers, to [weigh](weighted).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ElementLoss {
    /// [`binary_cross_entropy`](super::binary_cross_entropy).
    BinaryCrossEntropy,
    /// [`mean_squared_error`](super::mean_squared_error).
    SquaredError,
    /// [`huber`](super::huber).
    Huber {
        /// δ in (0, ∞).
        delta: f64,
    },
    /// [`hinge`](super::hinge).
    Hinge,
    /// [`log_cosh`](super::log_cosh).
    LogCosh,
    /// [`quantile`](super::quantile()).
    Quantile {
        /// q in (0, 1).
        quantile: f64,
    },
    /// [`poisson`](super::poisson).
    Poisson,
    /// [`focal`](super::focal).
    Focal {
        /// γ in [0, ∞).
        gamma: f64,
        /// α in [0, 1].
        alpha: Option<f64>,
    },
}

impl ElementLoss {
    fn check<F: Scalar>(self) -> Result<(), Error> {
        match self {
            Self::Huber { delta } => Interval::POSITIVE.check::<F>(OWNER, "delta", delta),
            Self::Quantile { quantile } => {
                Interval::INNER_FRACTION.check::<F>(OWNER, "quantile", quantile)
            }
            Self::Focal { gamma, alpha } => check_focal::<F>(OWNER, gamma, alpha),
            _ => Ok(()),
        }
    }

    /// Whether a target is allowed, and those that are.
    fn allows(self, t: f64) -> (bool, &'static str) {
        match self {
            Self::BinaryCrossEntropy => ((0.0..=1.0).contains(&t), "a number in [0, 1]"),
            Self::Hinge => (t.abs() == 1.0, "1 and -1"),
            Self::Poisson => (t >= 0.0 && t.is_finite(), "a number >= 0"),
            Self::Focal { .. } => (t == 0.0 || t == 1.0, "0 and 1"),
            _ => (true, ""),
        }
    }

    /// Value and slope at a prediction and a target.
    fn of(self, s: f64, t: f64) -> (f64, f64) {
        match self {
            Self::BinaryCrossEntropy => of_binary_cross_entropy(s, t),
            Self::SquaredError => of_squared_error(s, t),
            Self::Huber { delta } => of_huber(s, t, delta),
            Self::Hinge => of_hinge(s, t),
            Self::LogCosh => of_log_cosh(s, t),
            Self::Quantile { quantile } => of_quantile(s, t, quantile),
            Self::Poisson => of_poisson(s, t),
            Self::Focal { gamma, alpha } => of_focal(s, t, gamma, alpha),
        }
    }
}

/// The mean of a loss with a weight for each element, Σᵢ wᵢ·l(sᵢ, tᵢ)/Σᵢ wᵢ, and its gradient.
///
/// Weights are those of samples, of classes, or both multiplied; each is finite and ≥ 0, in an array of the
/// predictions' shape, a broadcast view say. What has the weight 0 is not looked at, be it NaN: so a target that
/// is not there is ignored. Equal weights give the plain mean but for rounding.
///
/// # Errors
/// As the loss; [`ErrorKind::Target`] where a weight is negative or not finite;
/// [`ErrorKind::EmptyBatch`] where all are 0.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::{ElementLoss, weighted};
/// let (scores, targets) = (array![[3.0, 1.0], [f64::NAN, 0.0]], array![[1.0, 1.0], [0.0, 4.0]]);
/// let weights = array![[1.0, 1.0], [0.0, 2.0]];
/// let (value, gradient) = weighted(ElementLoss::SquaredError, &scores, &targets, &weights)?;
/// assert_eq!((value, gradient), (9.0, array![[1.0, 0.0], [0.0, -4.0]]));
/// // A row has the weight of its sample.
/// let samples = array![[2.0], [0.0]];
/// let weights = samples.broadcast((2, 2)).unwrap();
/// assert_eq!(weighted(ElementLoss::SquaredError, &scores, &targets, &weights)?.0, 2.0);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn weighted<F: Scalar, D: Dimension>(
    loss: ElementLoss,
    predictions: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    weights: &ArrayRef<F, D>,
) -> Result<(f64, Array<F, D>), Error> {
    let mut gradient = Array::zeros(predictions.raw_dim());
    Ok((weighted_into(loss, predictions, targets, weights, &mut gradient)?, gradient))
}

/// As [`weighted`], with the gradient written into an array of the predictions' shape.
///
/// # Errors
/// As [`weighted`]; the array is then as it was.
pub fn weighted_into<F: Scalar, D: Dimension>(
    loss: ElementLoss,
    predictions: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    weights: &ArrayRef<F, D>,
    gradient: &mut ArrayRef<F, D>,
) -> Result<f64, Error> {
    loss.check::<F>()?;
    check(OWNER, predictions, targets, gradient)?;
    check_shape(OWNER, "array of weights", predictions.shape(), weights)?;
    let view = targets.view().into_dyn();
    let mut whole = Sum::default();
    for ((index, &t), &w) in view.indexed_iter().zip(weights) {
        let (t, w) = (t.into_f64(), w.into_f64());
        let (is_allowed, allowed) = loss.allows(t);
        let bad = match () {
            _ if !(0.0..=f64::MAX).contains(&w) => Some((w, "a finite weight >= 0")),
            _ if w != 0.0 && !is_allowed => Some((t, allowed)),
            _ => None,
        };
        if let Some((value, allowed)) = bad {
            let index = Dimension::slice(&index).to_vec();
            return Err(ErrorKind::Target { owner: OWNER, index, value, allowed }.into());
        }
        whole = whole.add(Sum::of(w));
    }
    let whole = whole.value();
    if whole == 0.0 {
        return Err(ErrorKind::EmptyBatch { owner: OWNER }.into());
    }
    let mut total = Sum::default();
    for (((&s, &t), &w), g) in predictions.iter().zip(targets).zip(weights).zip(gradient) {
        let w = w.into_f64();
        *g = F::zero();
        if w != 0.0 {
            let (value, slope) = loss.of(s.into_f64(), t.into_f64());
            total = total.add(Sum::of(w * value));
            *g = F::from_f64(slope * (w / whole));
        }
    }
    Ok(total.value() / whole)
}
