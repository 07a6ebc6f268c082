//! The hinge loss of several classes.

use ndarray::{Array2, ArrayRef2};

use super::{check_classes, check_shape, check_weights};
use crate::error::{Error, ErrorKind};
use crate::reduce::Sum;
use crate::scalar::Scalar;

/// The mean over the rows of max(0, 1 + max_{j≠y} sⱼ - s_y), the multi-class hinge loss of Crammer and
/// Singer, and a subgradient.
///
/// `scores` has a row for each example and a column for each class. Where it is above 0 the class y
/// has the slope -1/n and its strongest rival, the first of equals, 1/n. It bounds
/// [`zero_one`](super::zero_one).
///
/// # Errors
/// [`ErrorKind::Class`](crate::ErrorKind::Class), [`ErrorKind::Shape`](crate::ErrorKind::Shape) and
/// [`ErrorKind::EmptyBatch`](crate::ErrorKind::EmptyBatch).
///
/// Source: Crammer & Singer, "On the algorithmic implementation of multiclass kernel-based vector
/// machines", 2001.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::multiclass_hinge;
/// let scores = array![[2.0, 1.5, 0.0], [3.0, 0.0, 0.0]];
/// let (value, gradient) = multiclass_hinge(&scores, &[0, 0])?;
/// assert_eq!(value, 0.25);
/// assert_eq!(gradient, array![[-0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn multiclass_hinge<F: Scalar>(
    scores: &ArrayRef2<F>,
    classes: &[usize],
) -> Result<(f64, Array2<F>), Error> {
    let mut gradient = Array2::zeros(scores.raw_dim());
    Ok((multiclass_hinge_into(scores, classes, &mut gradient)?, gradient))
}

/// As [`multiclass_hinge`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`multiclass_hinge`]; the array is then as it was.
pub fn multiclass_hinge_into<F: Scalar>(
    scores: &ArrayRef2<F>,
    classes: &[usize],
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    hinge_into("multiclass_hinge", scores, classes, None, gradient)
}

/// [`multiclass_hinge`] with a weight for each example, Σᵢ wᵢlᵢ/Σᵢ wᵢ: those of its class, or 0 where it is to be
/// ignored, whatever is in it and in its place of `classes`.
///
/// # Errors
/// As [`multiclass_hinge`]; [`ErrorKind::Target`] where a weight is negative or not finite;
/// [`ErrorKind::EmptyBatch`] where all are 0.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::weighted_multiclass_hinge;
/// let scores = array![[2.0, 1.5, 0.0], [3.0, 0.0, 0.0], [f64::NAN, 0.0, 0.0]];
/// let (value, gradient) = weighted_multiclass_hinge(&scores, &[0, 0, 7], &[3.0, 1.0, 0.0])?;
/// assert_eq!(value, 0.375);
/// assert_eq!(gradient.row(0), array![-0.75, 0.75, 0.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn weighted_multiclass_hinge<F: Scalar>(
    scores: &ArrayRef2<F>,
    classes: &[usize],
    weights: &[f64],
) -> Result<(f64, Array2<F>), Error> {
    let mut gradient = Array2::zeros(scores.raw_dim());
    Ok((weighted_multiclass_hinge_into(scores, classes, weights, &mut gradient)?, gradient))
}

/// As [`weighted_multiclass_hinge`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`weighted_multiclass_hinge`]; the array is then as it was.
pub fn weighted_multiclass_hinge_into<F: Scalar>(
    scores: &ArrayRef2<F>,
    classes: &[usize],
    weights: &[f64],
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    const OWNER: &str = "weighted_multiclass_hinge";
    check_weights(OWNER, classes.len(), weights)?;
    hinge_into(OWNER, scores, classes, Some(weights), gradient)
}

fn hinge_into<F: Scalar>(
    owner: &'static str,
    scores: &ArrayRef2<F>,
    classes: &[usize],
    weights: Option<&[f64]>,
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    check_classes(owner, scores, classes, |row| weight(row) != 0.0)?;
    check_shape(owner, "gradient", scores.shape(), gradient)?;
    let whole = weights.map_or(scores.nrows() as f64, |weights| weights.iter().sum());
    if whole == 0.0 {
        return Err(ErrorKind::EmptyBatch { owner }.into());
    }
    let mut total = Sum::default();
    let rows = scores.rows().into_iter().zip(classes).enumerate();
    for ((row, (scores, &class)), mut by_score) in rows.zip(gradient.rows_mut()) {
        let weight = weight(row);
        if weight == 0.0 {
            by_score.fill(F::zero());
            continue;
        }
        let step = F::from_f64(weight * (1.0 / whole));
        let (mut rival, mut highest, mut is_nan) = (class, f64::NEG_INFINITY, false);
        for (j, s) in scores.iter().enumerate() {
            let s = s.into_f64();
            is_nan |= s.is_nan();
            if j != class && s > highest {
                (rival, highest) = (j, s);
            }
        }
        let slack = 1.0 + (highest - scores[class].into_f64());
        if is_nan || slack.is_nan() {
            total = total.add(Sum::of(f64::NAN));
            by_score.fill(F::nan());
            continue;
        }
        by_score.fill(F::zero());
        if slack > 0.0 {
            total = total.add(Sum::of(weight * slack));
            by_score[class] = -step;
            by_score[rival] = step;
        }
    }
    Ok(total.value() / whole)
}
