//! Losses of single numbers.

use ndarray::{Array, ArrayRef, Dimension};

use super::{check_shape, check_targets};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::reduce::{BLOCK, How, Itself, Sum, sum_slice};
use crate::scalar::Scalar;

/// The mean over all elements of ln(1 + exp s) - t·s, the cross-entropy of the probability
/// 1/(1 + exp -s) and the target t, and its gradient (1/(1 + exp -s) - t)/n.
///
/// The scores s are logits, arrays of any rank; a target is a number in [0, 1]. Neither value nor
/// gradient overflows or loses its digits, whatever the score. With targets 0 and 1, and divided by
/// ln 2, it bounds [`binary_zero_one`](super::binary_zero_one).
///
/// # Errors
/// [`ErrorKind::Target`], [`ErrorKind::Shape`] and
/// [`ErrorKind::EmptyBatch`].
///
/// Source: Cox, "The regression analysis of binary sequences", 1958.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::binary_cross_entropy;
/// let (value, gradient) = binary_cross_entropy(&array![0.0, 1e4], &array![1.0, 0.0])?;
/// assert_eq!(value, (2.0_f64.ln() + 1e4) / 2.0);
/// assert_eq!(gradient, array![-0.25, 0.5]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn binary_cross_entropy<F: Scalar, D: Dimension>(
    scores: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
) -> Result<(f64, Array<F, D>), Error> {
    let mut gradient = Array::zeros(scores.raw_dim());
    Ok((binary_cross_entropy_into(scores, targets, &mut gradient)?, gradient))
}

/// As [`binary_cross_entropy`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`binary_cross_entropy`]; the array is then as it was.
pub fn binary_cross_entropy_into<F: Scalar, D: Dimension>(
    scores: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    gradient: &mut ArrayRef<F, D>,
) -> Result<f64, Error> {
    const OWNER: &str = "binary_cross_entropy";
    let is_probability = |t: F| t >= F::zero() && t <= F::one();
    check(OWNER, scores, targets, gradient)?;
    check_targets(OWNER, targets, is_probability, "a number in [0, 1]")?;
    Ok(mean(scores, targets, gradient, of_binary_cross_entropy))
}

pub(super) fn of_binary_cross_entropy(s: f64, t: f64) -> (f64, f64) {
    // In terms of exp(-|s|), which neither overflows nor is far from what counts. A certain
    // target of a certain score costs nothing, though 0·∞ is NaN.
    let weighted = |weight: f64| if weight == 0.0 && !s.is_nan() { 0.0 } else { weight * s };
    if s > 0.0 {
        let exp = (-s).exp();
        (weighted(1.0 - t) + exp.ln_1p(), (1.0 - t) - exp / (1.0 + exp))
    } else {
        let exp = s.exp();
        (exp.ln_1p() - weighted(t), exp / (1.0 + exp) - t)
    }
}

/// The mean over all elements of (s - t)², and its gradient 2(s - t)/n.
///
/// There is no factor ½.
///
/// # Errors
/// [`ErrorKind::Shape`] and
/// [`ErrorKind::EmptyBatch`].
///
/// Source: Gauss, "Theoria combinationis observationum erroribus minimis obnoxiae", 1823.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::mean_squared_error;
/// let (value, gradient) = mean_squared_error(&array![[1.0, 4.0]], &array![[1.0, 1.0]])?;
/// assert_eq!((value, gradient), (4.5, array![[0.0, 3.0]]));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn mean_squared_error<F: Scalar, D: Dimension>(
    predictions: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
) -> Result<(f64, Array<F, D>), Error> {
    let mut gradient = Array::zeros(predictions.raw_dim());
    Ok((mean_squared_error_into(predictions, targets, &mut gradient)?, gradient))
}

/// As [`mean_squared_error`], with the gradient written into an array of the predictions' shape.
///
/// # Errors
/// As [`mean_squared_error`]; the array is then as it was.
pub fn mean_squared_error_into<F: Scalar, D: Dimension>(
    predictions: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    gradient: &mut ArrayRef<F, D>,
) -> Result<f64, Error> {
    check("mean_squared_error", predictions, targets, gradient)?;
    Ok(mean(predictions, targets, gradient, of_squared_error))
}

pub(super) fn of_squared_error(s: f64, t: f64) -> (f64, f64) {
    ((s - t) * (s - t), 2.0 * (s - t))
}

/// The mean over all elements of ½r² where |r| ≤ δ and δ(|r| - ½δ) beyond, with r = s - t, and its
/// gradient.
///
/// A quadratic loss that outliers pull at with no more than δ; `delta` is in (0, ∞).
///
/// # Errors
/// [`ErrorKind::Hyperparameter`],
/// [`ErrorKind::Shape`] and
/// [`ErrorKind::EmptyBatch`].
///
/// Source: Huber, "Robust estimation of a location parameter", 1964.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::huber;
/// let (value, gradient) = huber(&array![0.5, -8.0], &array![0.0, 0.0], 1.0)?;
/// assert_eq!((value, gradient), ((0.125 + 7.5) / 2.0, array![0.25, -0.5]));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn huber<F: Scalar, D: Dimension>(
    predictions: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    delta: f64,
) -> Result<(f64, Array<F, D>), Error> {
    let mut gradient = Array::zeros(predictions.raw_dim());
    Ok((huber_into(predictions, targets, delta, &mut gradient)?, gradient))
}

/// As [`huber`], with the gradient written into an array of the predictions' shape.
///
/// # Errors
/// As [`huber`]; the array is then as it was.
pub fn huber_into<F: Scalar, D: Dimension>(
    predictions: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    delta: f64,
    gradient: &mut ArrayRef<F, D>,
) -> Result<f64, Error> {
    Interval::POSITIVE.check::<F>("huber", "delta", delta)?;
    check("huber", predictions, targets, gradient)?;
    Ok(mean(predictions, targets, gradient, |s, t| of_huber(s, t, delta)))
}

pub(super) fn of_huber(s: f64, t: f64, delta: f64) -> (f64, f64) {
    let r = s - t;
    if r.abs() <= delta {
        (0.5 * r * r, r)
    } else {
        (delta * (r.abs() - 0.5 * delta), delta * r.sign())
    }
}

/// The mean over all elements of max(0, 1 - t·s), and a subgradient: -t/n where that is above 0.
///
/// Each target t is 1 or -1. It bounds [`binary_zero_one`](super::binary_zero_one); for more classes
/// see [`multiclass_hinge`](super::multiclass_hinge).
///
/// # Errors
/// [`ErrorKind::Target`], [`ErrorKind::Shape`] and
/// [`ErrorKind::EmptyBatch`].
///
/// Source: Cortes & Vapnik, "Support-vector networks", 1995.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::hinge;
/// let (value, gradient) = hinge(&array![0.5, -3.0], &array![1.0, -1.0])?;
/// assert_eq!((value, gradient), (0.25, array![-0.5, 0.0]));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn hinge<F: Scalar, D: Dimension>(
    scores: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
) -> Result<(f64, Array<F, D>), Error> {
    let mut gradient = Array::zeros(scores.raw_dim());
    Ok((hinge_into(scores, targets, &mut gradient)?, gradient))
}

/// As [`hinge`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`hinge`]; the array is then as it was.
pub fn hinge_into<F: Scalar, D: Dimension>(
    scores: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    gradient: &mut ArrayRef<F, D>,
) -> Result<f64, Error> {
    check("hinge", scores, targets, gradient)?;
    check_targets("hinge", targets, |t| t.abs() == F::one(), "1 and -1")?;
    Ok(mean(scores, targets, gradient, of_hinge))
}

pub(super) fn of_hinge(s: f64, t: f64) -> (f64, f64) {
    let slack = 1.0 - t * s;
    if slack <= 0.0 {
        (0.0, 0.0)
    } else if slack.is_nan() {
        (f64::NAN, f64::NAN)
    } else {
        (slack, -t)
    }
}

pub(super) fn check<F: Scalar, D: Dimension>(
    owner: &'static str,
    predictions: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    gradient: &ArrayRef<F, D>,
) -> Result<(), Error> {
    check_shape(owner, "array of targets", predictions.shape(), targets)?;
    check_shape(owner, "gradient", predictions.shape(), gradient)?;
    if predictions.is_empty() { Err(ErrorKind::EmptyBatch { owner }.into()) } else { Ok(()) }
}

/// The mean of a loss whose value and slope at a prediction and a target `of` gives; in logical
/// order, so that the layout does not show in the sum.
pub(super) fn mean<F: Scalar, D: Dimension>(
    predictions: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    gradient: &mut ArrayRef<F, D>,
    of: impl Fn(f64, f64) -> (f64, f64),
) -> f64 {
    let n = predictions.len() as f64;
    let of = |s: F, t: F, g: &mut F, value: &mut f64| {
        let (v, slope) = of(s.into_f64(), t.into_f64());
        *value = v;
        *g = F::from_f64(slope / n);
    };
    let mut values = [0.0; BLOCK];
    let mut total = Sum::default();
    let mut add = |values: &[f64]| total = total.add(sum_slice(values, Itself, How::default()));
    let slices = (predictions.as_slice(), targets.as_slice(), gradient.as_slice_mut());
    if let (Some(predictions), Some(targets), Some(gradient)) = slices {
        let blocks = predictions.chunks(BLOCK).zip(targets.chunks(BLOCK));
        for ((s, t), g) in blocks.zip(gradient.chunks_mut(BLOCK)) {
            let elements = s.iter().zip(t).zip(g).zip(&mut values);
            elements.for_each(|(((&s, &t), g), value)| of(s, t, g, value));
            add(&values[..s.len()]);
        }
    } else {
        let mut filled = 0;
        for ((&s, &t), g) in predictions.iter().zip(targets).zip(gradient) {
            of(s, t, g, &mut values[filled]);
            filled += 1;
            if filled == BLOCK {
                add(&values);
                filled = 0;
            }
        }
        if filled > 0 {
            add(&values[..filled]);
        }
    }
    total.value() / n
}
