//! Cross-entropy of scores that a softmax makes probabilities.

use ndarray::{Array2, ArrayRef2, ArrayViewMut1};

use super::{check_classes, check_shape, check_weights};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::reduce::Sum;
use crate::scalar::Scalar;

/// The mean over the rows of ln Σⱼ exp sⱼ - s_y, the cross-entropy of softmax(s) and the class y, and
/// its gradient (softmax(s) - 1_y)/n.
///
/// `scores` has a row for each example and a column for each class. No exponential overflows,
/// whatever the scores, and a probability near 0 or 1 keeps its digits in the gradient. Divided by
/// ln 2 it bounds [`zero_one`](super::zero_one).
///
/// # Errors
/// [`ErrorKind::Class`], [`ErrorKind::Shape`] and
/// [`ErrorKind::EmptyBatch`].
///
/// Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::softmax_cross_entropy;
/// let (value, gradient) = softmax_cross_entropy(&array![[0.0, 0.0], [1e4, 0.0]], &[1, 0])?;
/// assert_eq!(value, 2.0_f64.ln() / 2.0);
/// assert_eq!(gradient, array![[0.25, -0.25], [0.0, 0.0]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn softmax_cross_entropy<F: Scalar>(
    scores: &ArrayRef2<F>,
    classes: &[usize],
) -> Result<(f64, Array2<F>), Error> {
    let mut gradient = Array2::zeros(scores.raw_dim());
    Ok((softmax_cross_entropy_into(scores, classes, &mut gradient)?, gradient))
}

/// As [`softmax_cross_entropy`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`softmax_cross_entropy`]; the array is then as it was.
///
/// ```
/// use ndarray::{Array2, array};
/// use thalweg::loss::softmax_cross_entropy_into;
/// let mut gradient = Array2::zeros((1, 2));
/// let value = softmax_cross_entropy_into(&array![[0.0_f32, 0.0]], &[0], &mut gradient)?;
/// assert_eq!((value, gradient), (2.0_f64.ln(), array![[-0.5, 0.5]]));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn softmax_cross_entropy_into<F: Scalar>(
    scores: &ArrayRef2<F>,
    classes: &[usize],
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    classes_into("softmax_cross_entropy", scores, classes, 0.0, None, gradient)
}

/// The cross-entropy of softmax(s) and the class y, Σᵢ wᵢ(ln Σⱼ exp sᵢⱼ - sᵢ_y)/Σᵢ wᵢ over the rows i, and its
/// gradient: [`softmax_cross_entropy`] with a weight for each example.
///
/// The mean is over the weights, as PyTorch's. Weights by class are those of each example's class. A row of weight 0
/// is not looked at, whatever is in it and in its place of `classes`: so an index to ignore has weight 0.
///
/// # Errors
/// As [`softmax_cross_entropy`]; [`ErrorKind::Target`] where a weight is negative or not finite;
/// [`ErrorKind::EmptyBatch`] where all are 0.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::weighted_cross_entropy;
/// const IGNORED: usize = usize::MAX;
/// let by_class = [1.0, 3.0];
/// let classes = [0, 1, IGNORED];
/// let weights = classes.map(|class| by_class.get(class).copied().unwrap_or(0.0));
/// let scores = array![[0.0, 0.0], [0.0, 0.0], [f64::NAN, 5.0]];
/// let (value, gradient) = weighted_cross_entropy(&scores, &classes, &weights)?;
/// assert_eq!(value, 2.0_f64.ln());
/// assert_eq!(gradient, array![[-0.125, 0.125], [0.375, -0.375], [0.0, 0.0]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn weighted_cross_entropy<F: Scalar>(
    scores: &ArrayRef2<F>,
    classes: &[usize],
    weights: &[f64],
) -> Result<(f64, Array2<F>), Error> {
    let mut gradient = Array2::zeros(scores.raw_dim());
    Ok((weighted_cross_entropy_into(scores, classes, weights, &mut gradient)?, gradient))
}

/// As [`weighted_cross_entropy`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`weighted_cross_entropy`]; the array is then as it was.
pub fn weighted_cross_entropy_into<F: Scalar>(
    scores: &ArrayRef2<F>,
    classes: &[usize],
    weights: &[f64],
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    const OWNER: &str = "weighted_cross_entropy";
    check_weights(OWNER, classes.len(), weights)?;
    classes_into(OWNER, scores, classes, 0.0, Some(weights), gradient)
}

/// The cross-entropy of softmax(s) and the target (1 - ε)·1_y + ε/K, with K classes: label smoothing.
///
/// The value is the mean over the rows of ln Σⱼ exp sⱼ - (1 - ε) s_y - ε/K Σⱼ sⱼ; the smoothing ε is in
/// [0, 1]. With ε = 0 it is [`softmax_cross_entropy`], bit for bit.
///
/// # Errors
/// As [`softmax_cross_entropy`], and [`ErrorKind::Hyperparameter`].
///
/// Source: Szegedy, Vanhoucke, Ioffe, Shlens & Wojna, "Rethinking the Inception architecture for
/// computer vision", 2016.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::{smoothed_cross_entropy, soft_cross_entropy};
/// let scores = array![[1.0, -1.0]];
/// let (smoothed, _) = smoothed_cross_entropy(&scores, &[0], 0.1)?;
/// let (soft, _) = soft_cross_entropy(&scores, &array![[0.95, 0.05]])?;
/// assert!((smoothed - soft).abs() < 1e-15);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn smoothed_cross_entropy<F: Scalar>(
    scores: &ArrayRef2<F>,
    classes: &[usize],
    smoothing: f64,
) -> Result<(f64, Array2<F>), Error> {
    let mut gradient = Array2::zeros(scores.raw_dim());
    Ok((smoothed_cross_entropy_into(scores, classes, smoothing, &mut gradient)?, gradient))
}

/// As [`smoothed_cross_entropy`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`smoothed_cross_entropy`]; the array is then as it was.
pub fn smoothed_cross_entropy_into<F: Scalar>(
    scores: &ArrayRef2<F>,
    classes: &[usize],
    smoothing: f64,
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    const OWNER: &str = "smoothed_cross_entropy";
    UNIT.check::<f64>(OWNER, "smoothing", smoothing)?;
    classes_into(OWNER, scores, classes, smoothing, None, gradient)
}

const UNIT: Interval = Interval::closed(0.0, 1.0, "a number in [0, 1]");

/// [`smoothed_cross_entropy`] with a weight for each example, as [`weighted_cross_entropy`] has it.
///
/// A weight is the whole row's. PyTorch weighs the smoothed part of the target by the class that it is of, which
/// differs where classes have weights.
///
/// # Errors
/// As [`weighted_cross_entropy`], and [`ErrorKind::Hyperparameter`].
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::{smoothed_cross_entropy, weighted_smoothed_cross_entropy};
/// let scores = array![[1.0, -1.0], [0.5, f64::NAN]];
/// let (value, _) = weighted_smoothed_cross_entropy(&scores, &[0, 1], 0.1, &[3.0, 0.0])?;
/// assert_eq!(value, smoothed_cross_entropy(&array![[1.0, -1.0]], &[0], 0.1)?.0);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn weighted_smoothed_cross_entropy<F: Scalar>(
    scores: &ArrayRef2<F>,
    classes: &[usize],
    smoothing: f64,
    weights: &[f64],
) -> Result<(f64, Array2<F>), Error> {
    let mut gradient = Array2::zeros(scores.raw_dim());
    let value =
        weighted_smoothed_cross_entropy_into(scores, classes, smoothing, weights, &mut gradient)?;
    Ok((value, gradient))
}

/// As [`weighted_smoothed_cross_entropy`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`weighted_smoothed_cross_entropy`]; the array is then as it was.
pub fn weighted_smoothed_cross_entropy_into<F: Scalar>(
    scores: &ArrayRef2<F>,
    classes: &[usize],
    smoothing: f64,
    weights: &[f64],
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    const OWNER: &str = "weighted_smoothed_cross_entropy";
    UNIT.check::<f64>(OWNER, "smoothing", smoothing)?;
    check_weights(OWNER, classes.len(), weights)?;
    classes_into(OWNER, scores, classes, smoothing, Some(weights), gradient)
}

fn classes_into<F: Scalar>(
    owner: &'static str,
    scores: &ArrayRef2<F>,
    classes: &[usize],
    smoothing: f64,
    weights: Option<&[f64]>,
    gradient: &mut ArrayRef2<F>,
) -> Result<f64, Error> {
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    check_classes(owner, scores, classes, |row| weight(row) != 0.0)?;
    check_shape(owner, "gradient", scores.shape(), gradient)?;
    let weigh = |weights: &[f64]| weights.iter().sum();
    let whole = weights.map_or(scores.nrows() as f64, weigh);
    if whole == 0.0 {
        return Err(ErrorKind::EmptyBatch { owner }.into());
    }
    let each = smoothing / scores.ncols() as f64;
    let mut total = Sum::default();
    let rows = scores.rows().into_iter().zip(classes);
    for (row, ((scores, &class), mut by_score)) in rows.zip(gradient.rows_mut()).enumerate() {
        let weight = weight(row);
        if weight == 0.0 {
            by_score.fill(F::zero());
            continue;
        }
        let share = weight * (1.0 / whole);
        let soft = Softmax::of(scores.iter(), &mut by_score);
        let log_sum = soft.log_sum();
        let behind = |s: F| soft.largest - s.into_f64();
        let mut value = (1.0 - smoothing) * (log_sum + behind(scores[class]));
        if smoothing != 0.0 {
            value += each * scores.iter().map(|&s| log_sum + behind(s)).sum::<f64>();
        }
        total = total.add(Sum::of(weight * value));

        // 1 - p of the class is the sum of the others, which keeps the digits of a p near 1.
        let sum = soft.sum();
        let others: f64 = by_score
            .iter()
            .enumerate()
            .filter(|&(j, _)| j != class)
            .fold(0.0, |others, (_, exp)| others + exp.into_f64());
        let by_class = smoothing - others / sum - each;
        by_score.mapv_inplace(|exp| F::from_f64((exp.into_f64() / sum - each) * share));
        by_score[class] = F::from_f64(by_class * share);
    }
    Ok(total.value() / whole)
}

/// What the softmax of a row needs to know of it.
pub(super) struct Softmax {
    pub(super) largest: f64,
    /// Σ exp(sⱼ - largest), without the 1 of the largest itself.
    rest: f64,
}

impl Softmax {
    /// Of these scores, whose exp(sⱼ - largest) are written down.
    pub(super) fn of<'a, F: Scalar>(
        scores: impl Iterator<Item = &'a F> + Clone,
        exps: &mut ArrayViewMut1<'_, F>,
    ) -> Self {
        let (mut at, mut largest) = (0, f64::NEG_INFINITY);
        for (j, s) in scores.clone().enumerate() {
            // A NaN is passed over here and comes back by its exponential.
            if s.into_f64() > largest {
                (at, largest) = (j, s.into_f64());
            }
        }
        let mut rest = 0.0;
        for (j, (s, to)) in scores.zip(exps).enumerate() {
            let exp = (s.into_f64() - largest).exp();
            if j != at || exp.is_nan() {
                rest += exp;
            }
            *to = F::from_f64(exp);
        }
        Self { largest, rest }
    }

    /// Σ exp(sⱼ - largest)
    pub(super) fn sum(&self) -> f64 {
        1.0 + self.rest
    }

    /// ln Σ exp(sⱼ - largest), which keeps its digits when one score is far above the others.
    pub(super) fn log_sum(&self) -> f64 {
        self.rest.ln_1p()
    }
}
