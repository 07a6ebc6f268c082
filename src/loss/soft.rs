//! Losses whose targets are probabilities.

use ndarray::{Array2, ArrayRef2};

use super::softmax::Softmax;
use super::{check_shape, check_weights};
use crate::error::{Error, ErrorKind};
use crate::reduce::Sum;
use crate::scalar::Scalar;

/// The mean over the rows of Σⱼ tⱼ (ln Σₖ exp sₖ - sⱼ), the cross-entropy of softmax(s) and the
/// probabilities t, and its gradient.
///
/// For targets that are not certain: those of a larger model, or of mixed images. Each row of
/// `targets` has numbers in [0, 1] that sum to 1 within 1e-3.
///
/// # Errors
/// [`ErrorKind::Target`], [`ErrorKind::Shape`] and
/// [`ErrorKind::EmptyBatch`].
///
/// Source: Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network", 2015.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::soft_cross_entropy;
/// let (value, gradient) = soft_cross_entropy(&array![[0.0, 0.0]], &array![[0.25, 0.75]])?;
/// assert_eq!((value, gradient), (2.0_f64.ln(), array![[0.25, -0.25]]));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn soft_cross_entropy<F: Scalar>(
    scores: &ArrayRef2<F>,
    targets: &ArrayRef2<F>,
) -> Result<(f64, Array2<F>), Error> {
    let mut gradient = Array2::zeros(scores.raw_dim());
    Ok((soft_cross_entropy_into(scores, targets, &mut gradient)?, gradient))
}

/// As [`soft_cross_entropy`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`soft_cross_entropy`]; the array is then as it was.
pub fn soft_cross_entropy_into<F: Scalar>(
    scores: &ArrayRef2<F>,
    targets: &ArrayRef2<F>,
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    soft_into("soft_cross_entropy", scores, targets, |_| 0.0, None, gradient)
}

/// [`soft_cross_entropy`] with a weight for each example, Σᵢ wᵢlᵢ/Σᵢ wᵢ: what is in a row of weight 0 does not count, in
/// the scores and in the targets.
///
/// # Errors
/// As [`soft_cross_entropy`]; [`ErrorKind::Target`] where a weight is negative or not finite;
/// [`ErrorKind::EmptyBatch`] where all are 0.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::weighted_soft_cross_entropy;
/// let (scores, targets) = (array![[0.0, 0.0], [f64::NAN, 0.0]], array![[0.25, 0.75], [2.0, 0.0]]);
/// let (value, gradient) = weighted_soft_cross_entropy(&scores, &targets, &[3.0, 0.0])?;
/// assert_eq!((value, gradient), (2.0_f64.ln(), array![[0.25, -0.25], [0.0, 0.0]]));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn weighted_soft_cross_entropy<F: Scalar>(
    scores: &ArrayRef2<F>,
    targets: &ArrayRef2<F>,
    weights: &[f64],
) -> Result<(f64, Array2<F>), Error> {
    let mut gradient = Array2::zeros(scores.raw_dim());
    Ok((weighted_soft_cross_entropy_into(scores, targets, weights, &mut gradient)?, gradient))
}

/// As [`weighted_soft_cross_entropy`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`weighted_soft_cross_entropy`]; the array is then as it was.
pub fn weighted_soft_cross_entropy_into<F: Scalar>(
    scores: &ArrayRef2<F>,
    targets: &ArrayRef2<F>,
    weights: &[f64],
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    const OWNER: &str = "weighted_soft_cross_entropy";
    check_weights(OWNER, scores.nrows(), weights)?;
    soft_into(OWNER, scores, targets, |_| 0.0, Some(weights), gradient)
}

/// The mean over the rows of Σⱼ tⱼ (ln tⱼ + ln Σₖ exp sₖ - sⱼ), the Kullback-Leibler divergence of the
/// probabilities t from softmax(s), and its gradient.
///
/// It is [`soft_cross_entropy`] less the entropy of t, so that its minimum is 0; the gradient is the same. As
/// PyTorch's `KLDivLoss` of the logarithms of a softmax, with `reduction="batchmean"`.
///
/// # Errors
/// As [`soft_cross_entropy`].
///
/// Source: Kullback & Leibler, "On information and sufficiency", 1951.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::kl_divergence;
/// let (value, gradient) = kl_divergence(&array![[0.0, 0.0]], &array![[1.0, 0.0]])?;
/// assert_eq!((value, gradient), (2.0_f64.ln(), array![[-0.5, 0.5]]));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn kl_divergence<F: Scalar>(
    scores: &ArrayRef2<F>,
    targets: &ArrayRef2<F>,
) -> Result<(f64, Array2<F>), Error> {
    let mut gradient = Array2::zeros(scores.raw_dim());
    Ok((kl_divergence_into(scores, targets, &mut gradient)?, gradient))
}

/// As [`kl_divergence`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`kl_divergence`]; the array is then as it was.
pub fn kl_divergence_into<F: Scalar>(
    scores: &ArrayRef2<F>,
    targets: &ArrayRef2<F>,
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    soft_into("kl_divergence", scores, targets, f64::ln, None, gradient)
}

/// [`kl_divergence`] with a weight for each example, Σᵢ wᵢlᵢ/Σᵢ wᵢ: what is in a row of weight 0 does not count, in
/// the scores and in the targets.
///
/// # Errors
/// As [`kl_divergence`]; [`ErrorKind::Target`] where a weight is negative or not finite;
/// [`ErrorKind::EmptyBatch`] where all are 0.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::weighted_kl_divergence;
/// let (scores, targets) = (array![[0.0, 0.0], [0.0, 0.0]], array![[1.0, 0.0], [0.5, 0.5]]);
/// let (value, gradient) = weighted_kl_divergence(&scores, &targets, &[3.0, 1.0])?;
/// assert_eq!(value, 0.75 * 2.0_f64.ln());
/// assert_eq!(gradient, array![[-0.375, 0.375], [0.0, 0.0]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn weighted_kl_divergence<F: Scalar>(
    scores: &ArrayRef2<F>,
    targets: &ArrayRef2<F>,
    weights: &[f64],
) -> Result<(f64, Array2<F>), Error> {
    let mut gradient = Array2::zeros(scores.raw_dim());
    Ok((weighted_kl_divergence_into(scores, targets, weights, &mut gradient)?, gradient))
}

/// As [`weighted_kl_divergence`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`weighted_kl_divergence`]; the array is then as it was.
pub fn weighted_kl_divergence_into<F: Scalar>(
    scores: &ArrayRef2<F>,
    targets: &ArrayRef2<F>,
    weights: &[f64],
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    const OWNER: &str = "weighted_kl_divergence";
    check_weights(OWNER, scores.nrows(), weights)?;
    soft_into(OWNER, scores, targets, f64::ln, Some(weights), gradient)
}

/// The mean of Σⱼ tⱼ (`of_target`(tⱼ) + ln Σₖ exp sₖ - sⱼ).
fn soft_into<F: Scalar>(
    owner: &'static str,
    scores: &ArrayRef2<F>,
    targets: &ArrayRef2<F>,
    of_target: fn(f64) -> f64,
    weights: Option<&[f64]>,
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    check_shape(owner, "array of targets", scores.shape(), targets)?;
    check_shape(owner, "gradient", scores.shape(), gradient)?;
    if scores.is_empty() {
        return Err(ErrorKind::EmptyBatch { owner }.into());
    }
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    let whole = weights.map_or(scores.nrows() as f64, |weights| weights.iter().sum());
    if whole == 0.0 {
        return Err(ErrorKind::EmptyBatch { owner }.into());
    }
    let is_probability = |t: &F| *t >= F::zero() && *t <= F::one();
    for (row, target) in targets.rows().into_iter().enumerate() {
        if weight(row) == 0.0 {
            continue;
        }
        if let Some(at) = target.iter().position(|t| !is_probability(t)) {
            let (index, value) = (vec![row, at], target[at].into_f64());
            return Err(
                ErrorKind::Target { owner, index, value, allowed: "a number in [0, 1]" }.into()
            );
        }
        let value = target.iter().map(|t| t.into_f64()).sum::<f64>();
        if (value - 1.0).abs() > 1e-3 {
            let (index, allowed) = (vec![row], "a row of probabilities, which sum to 1");
            return Err(ErrorKind::Target { owner, index, value, allowed }.into());
        }
    }

    let mut total = Sum::default();
    let rows = scores.rows().into_iter().zip(targets.rows());
    for (row, ((scores, targets), mut by_score)) in rows.zip(gradient.rows_mut()).enumerate() {
        let of_row = weight(row);
        if of_row == 0.0 {
            by_score.fill(F::zero());
            continue;
        }
        let share = of_row * (1.0 / whole);
        let soft = Softmax::of(scores.iter(), &mut by_score);
        let mut mass = 0.0;
        for (&s, &t) in scores.iter().zip(&targets) {
            let t = t.into_f64();
            mass += t;
            // A class that cannot be may have the score -∞.
            if t != 0.0 {
                let behind = soft.log_sum() - (s.into_f64() - soft.largest);
                total = total.add(Sum::of(of_row * (t * (of_target(t) + behind))));
            }
        }
        for (g, &t) in by_score.iter_mut().zip(&targets) {
            let p = g.into_f64() / soft.sum();
            *g = F::from_f64((mass * p - t.into_f64()) * share);
        }
    }
    Ok(total.value() / whole)
}
