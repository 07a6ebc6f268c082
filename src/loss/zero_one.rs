//! The loss that the surrogates stand in for.

use ndarray::{ArrayRef, ArrayRef2, Dimension};

use super::{check_classes, check_shape, check_targets};
use crate::error::{Error, ErrorKind};
use crate::scalar::Scalar;

/// The 0-1 loss: the share of rows whose class does not have the one largest score.
///
/// A class that shares the largest score with another counts as wrong, whatever their order, and so
/// does a row where it or a rival is NaN.
///
/// # Errors
/// [`ErrorKind::Class`], [`ErrorKind::Shape`] and
/// [`ErrorKind::EmptyBatch`].
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::zero_one;
/// let scores = array![[2.0, 1.0], [2.0, 1.0], [1.0, 1.0], [0.0, 9.0]];
/// assert_eq!(zero_one(&scores, &[0, 1, 0, 1])?, 0.5);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn zero_one<F: Scalar>(scores: &ArrayRef2<F>, classes: &[usize]) -> Result<f64, Error> {
    Ok(wrong("zero_one", scores, classes)? as f64 / classes.len() as f64)
}

/// The share of rows whose class has the one largest score: 1 - [`zero_one`], not rounded twice.
///
/// # Errors
/// As [`zero_one`].
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::accuracy;
/// assert_eq!(accuracy(&array![[2.0, 1.0], [2.0, 1.0]], &[0, 1])?, 0.5);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn accuracy<F: Scalar>(scores: &ArrayRef2<F>, classes: &[usize]) -> Result<f64, Error> {
    let wrong = wrong("accuracy", scores, classes)?;
    Ok((classes.len() - wrong) as f64 / classes.len() as f64)
}

fn wrong<F: Scalar>(
    owner: &'static str,
    scores: &ArrayRef2<F>,
    classes: &[usize],
) -> Result<usize, Error> {
    check_classes(owner, scores, classes, |_| true)?;
    let rows = scores.rows().into_iter().zip(classes);
    let is_wrong = rows.filter(|(row, class)| {
        let own = row[**class];
        own.is_nan() || !row.iter().enumerate().all(|(j, &s)| j == **class || s < own)
    });
    Ok(is_wrong.count())
}

/// The 0-1 loss of two classes: the share of scores that have not the sign of their target.
///
/// A target is 1 or -1, as [`hinge`](super::hinge) takes it, or 1 or 0, as
/// [`binary_cross_entropy`](super::binary_cross_entropy) does. The scores 0 and NaN are wrong for
/// both classes.
///
/// # Errors
/// [`ErrorKind::Target`], [`ErrorKind::Shape`] and
/// [`ErrorKind::EmptyBatch`].
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::binary_zero_one;
/// assert_eq!(binary_zero_one(&array![3.0, -0.1, 0.2, -5.0], &array![1.0, 1.0, 1.0, -1.0])?, 0.25);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn binary_zero_one<F: Scalar, D: Dimension>(
    scores: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
) -> Result<f64, Error> {
    const OWNER: &str = "binary_zero_one";
    check_shape(OWNER, "array of targets", scores.shape(), targets)?;
    if scores.is_empty() {
        return Err(ErrorKind::EmptyBatch { owner: OWNER }.into());
    }
    let is_class = |t: F| t.abs() == F::one() || t == F::zero();
    check_targets(OWNER, targets, is_class, "1 and either -1 or 0")?;
    let is_right = |(s, t): &(&F, &F)| {
        if **t == F::one() { **s > F::zero() } else { **s < F::zero() }
    };
    let wrong = scores.len() - scores.iter().zip(targets).filter(is_right).count();
    Ok(wrong as f64 / scores.len() as f64)
}
