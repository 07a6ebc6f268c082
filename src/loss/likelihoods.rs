//! Losses of regression and counts, and the focal loss.

use std::f64::consts::LN_2;

use ndarray::{Array, ArrayRef, Dimension};

use super::elementwise::{check, mean};
use super::{check_shape, check_targets};
use crate::error::Error;
use crate::interval::Interval;
use crate::reduce::{BLOCK, How, Itself, Sum, sum_slice};
use crate::scalar::Scalar;

/// The mean over all elements of ln cosh r, r = s - t, and its gradient tanh(r)/n.
///
/// Near 0 it is ½r², and far away |r| - ln 2: a smooth [`huber`](super::huber) with δ = 1.
///
/// # Errors
/// [`ErrorKind::Shape`](crate::ErrorKind::Shape) and
/// [`ErrorKind::EmptyBatch`](crate::ErrorKind::EmptyBatch).
///
/// Source: Green, "Bayesian reconstructions from emission tomography data using a modified EM algorithm", 1990.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::log_cosh;
/// let (value, gradient) = log_cosh(&array![1e-9, 800.0], &array![0.0, 0.0])?;
/// assert_eq!(value, (800.0 - std::f64::consts::LN_2) / 2.0);
/// assert_eq!(gradient, array![5e-10, 0.5]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn log_cosh<F: Scalar, D: Dimension>(
    predictions: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
) -> Result<(f64, Array<F, D>), Error> {
    let mut gradient = Array::zeros(predictions.raw_dim());
    Ok((log_cosh_into(predictions, targets, &mut gradient)?, gradient))
}

/// As [`log_cosh`], with the gradient written into an array of the predictions' shape.
///
/// # Errors
/// As [`log_cosh`]; the array is then as it was.
pub fn log_cosh_into<F: Scalar, D: Dimension>(
    predictions: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    gradient: &mut ArrayRef<F, D>,
) -> Result<f64, Error> {
    check("log_cosh", predictions, targets, gradient)?;
    Ok(mean(predictions, targets, gradient, of_log_cosh))
}

pub(super) fn of_log_cosh(s: f64, t: f64) -> (f64, f64) {
    let r = s - t;
    // Where cosh r is near 1, its logarithm is that of √(1 + sinh² r), which keeps the digits.
    let value = if r.abs() < 1.0 {
        0.5 * (r.sinh() * r.sinh()).ln_1p()
    } else {
        r.abs() + (-2.0 * r.abs()).exp().ln_1p() - LN_2
    };
    (value, r.tanh())
}

/// The mean over all elements of q·max(t - s, 0) + (1-q)·max(s - t, 0), and a subgradient: -q/n below the
/// target, (1-q)/n above it, 0 on it.
///
/// Its minimum is the `quantile` q of the targets; for q = ½ it is half the absolute error. q is in (0, 1).
///
/// # Errors
/// [`ErrorKind::Hyperparameter`](crate::ErrorKind::Hyperparameter),
/// [`ErrorKind::Shape`](crate::ErrorKind::Shape) and
/// [`ErrorKind::EmptyBatch`](crate::ErrorKind::EmptyBatch).
///
/// Source: Koenker & Bassett, "Regression quantiles", 1978.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::quantile;
/// let (value, gradient) = quantile(&array![0.0, 0.0], &array![4.0, -4.0], 0.75)?;
/// assert_eq!((value, gradient), (2.0, array![-0.375, 0.125]));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn quantile<F: Scalar, D: Dimension>(
    predictions: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    quantile: f64,
) -> Result<(f64, Array<F, D>), Error> {
    let mut gradient = Array::zeros(predictions.raw_dim());
    Ok((quantile_into(predictions, targets, quantile, &mut gradient)?, gradient))
}

/// As [`quantile`](quantile()), with the gradient written into an array of the predictions' shape.
///
/// # Errors
/// As [`quantile`](quantile()); the array is then as it was.
pub fn quantile_into<F: Scalar, D: Dimension>(
    predictions: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    quantile: f64,
    gradient: &mut ArrayRef<F, D>,
) -> Result<f64, Error> {
    Interval::INNER_FRACTION.check::<F>("quantile", "quantile", quantile)?;
    check("quantile", predictions, targets, gradient)?;
    Ok(mean(predictions, targets, gradient, |s, t| of_quantile(s, t, quantile)))
}

pub(super) fn of_quantile(s: f64, t: f64, quantile: f64) -> (f64, f64) {
    let r = s - t;
    if r < 0.0 {
        (-quantile * r, -quantile)
    } else if r > 0.0 {
        ((1.0 - quantile) * r, 1.0 - quantile)
    } else {
        (r, r)
    }
}

/// The mean over all elements of eˢ - t·s, the negative log-likelihood of counts t of a Poisson
/// distribution with mean eˢ but for ln t!, and its gradient (eˢ - t)/n.
///
/// Each target is a number ≥ 0. As PyTorch's `PoissonNLLLoss` and Optax's `poisson_nll_loss` by default.
///
/// # Errors
/// [`ErrorKind::Target`](crate::ErrorKind::Target), [`ErrorKind::Shape`](crate::ErrorKind::Shape) and
/// [`ErrorKind::EmptyBatch`](crate::ErrorKind::EmptyBatch).
///
/// Source: Nelder & Wedderburn, "Generalized linear models", 1972.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::poisson;
/// let (value, gradient) = poisson(&array![0.0, 0.0], &array![3.0, 1.0])?;
/// assert_eq!((value, gradient), (1.0, array![-1.0, 0.0]));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn poisson<F: Scalar, D: Dimension>(
    log_means: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
) -> Result<(f64, Array<F, D>), Error> {
    let mut gradient = Array::zeros(log_means.raw_dim());
    Ok((poisson_into(log_means, targets, &mut gradient)?, gradient))
}

/// As [`poisson`], with the gradient written into an array of the predictions' shape.
///
/// # Errors
/// As [`poisson`]; the array is then as it was.
pub fn poisson_into<F: Scalar, D: Dimension>(
    log_means: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    gradient: &mut ArrayRef<F, D>,
) -> Result<f64, Error> {
    check("poisson", log_means, targets, gradient)?;
    check_targets("poisson", targets, |t| t >= F::zero() && t.is_finite(), "a number >= 0")?;
    Ok(mean(log_means, targets, gradient, of_poisson))
}

pub(super) fn of_poisson(s: f64, t: f64) -> (f64, f64) {
    let rate = s.exp();
    // Without a count the logarithm does not matter, not even -∞.
    (rate - if t == 0.0 { 0.0 } else { t * s }, rate - t)
}

/// The mean over all elements of α(t)·(1-p)^γ·(-ln p), where p is the probability that the score s gives to
/// the target: 1/(1 + e^(-s)) to 1, 1/(1 + eˢ) to 0; and its gradient.
///
/// What is classified well already, p near 1, counts the less the larger `gamma` γ in [0, ∞): for
/// detectors, where nearly all examples are easy. γ = 0 is
/// [`binary_cross_entropy`](super::binary_cross_entropy); 2 is usual. Each target is 0 or 1. `alpha` α in [0, 1]
/// is the weight of those that are 1, and 1 - α that of the others; without it both are 1. As Optax's
/// `sigmoid_focal_loss` and torchvision's, whose α is 0.25; the mean is over the elements, whatever their weights.
///
/// # Errors
/// [`ErrorKind::Hyperparameter`](crate::ErrorKind::Hyperparameter), [`ErrorKind::Target`](crate::ErrorKind::Target),
/// [`ErrorKind::Shape`](crate::ErrorKind::Shape) and [`ErrorKind::EmptyBatch`](crate::ErrorKind::EmptyBatch).
///
/// Source: Lin, Goyal, Girshick, He & Dollár, "Focal loss for dense object detection", 2017.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::focal;
/// let (value, gradient) = focal(&array![0.0], &array![1.0], 2.0, None)?;
/// let ln2 = std::f64::consts::LN_2;
/// assert!((value - 0.25 * ln2).abs() < 1e-15);
/// assert!((gradient[0] + 0.125 + 0.25 * ln2).abs() < 1e-15);
/// let (fourth, _) = focal(&array![0.0], &array![1.0], 2.0, Some(0.25))?;
/// assert!((fourth - 0.25 * value).abs() < 1e-15);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn focal<F: Scalar, D: Dimension>(
    scores: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    gamma: f64,
    alpha: Option<f64>,
) -> Result<(f64, Array<F, D>), Error> {
    let mut gradient = Array::zeros(scores.raw_dim());
    Ok((focal_into(scores, targets, gamma, alpha, &mut gradient)?, gradient))
}

/// As [`focal`], with the gradient written into an array of the scores' shape.
///
/// # Errors
/// As [`focal`]; the array is then as it was.
pub fn focal_into<F: Scalar, D: Dimension>(
    scores: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    gamma: f64,
    alpha: Option<f64>,
    gradient: &mut ArrayRef<F, D>,
) -> Result<f64, Error> {
    check_focal::<F>("focal", gamma, alpha)?;
    check("focal", scores, targets, gradient)?;
    check_targets("focal", targets, |t| t == F::zero() || t == F::one(), "0 and 1")?;
    Ok(mean(scores, targets, gradient, |s, t| of_focal(s, t, gamma, alpha)))
}

pub(super) fn check_focal<F: Scalar>(
    owner: &'static str,
    gamma: f64,
    alpha: Option<f64>,
) -> Result<(), Error> {
    const UNIT: Interval = Interval::closed(0.0, 1.0, "a number in [0, 1]");
    Interval::NON_NEGATIVE.check::<F>(owner, "gamma", gamma)?;
    alpha.map_or(Ok(()), |alpha| UNIT.check::<F>(owner, "alpha", alpha))
}

pub(super) fn of_focal(s: f64, t: f64, gamma: f64, alpha: Option<f64>) -> (f64, f64) {
    let side = 2.0 * t - 1.0;
    let z = side * s;
    // -ln p, and p and 1 - p, each without a difference of numbers near 1.
    let exp = (-z.abs()).exp();
    let surprise = exp.ln_1p() + f64::max(-z, 0.0);
    let (large, small) = (1.0 / (1.0 + exp), exp / (1.0 + exp));
    let (p, miss) = if z > 0.0 { (large, small) } else { (small, large) };
    let of_class = alpha.map_or(1.0, |alpha| if t == 1.0 { alpha } else { 1.0 - alpha });
    let weight = of_class * miss.powf(gamma);
    // p·(-ln p) is 0 where p is, even if the other factor is ∞.
    let share = if p == 0.0 { 0.0 } else { p * surprise };
    (weight * surprise, -side * weight * (gamma * share + miss))
}

/// The mean over all elements of ½(l + (t - s)²·e⁻ˡ), the negative log-likelihood of targets t of normal
/// distributions with means s and variances eˡ but for ½ ln 2π, and its gradients by s and by l.
///
/// For a network that says how sure it is: one output is the mean, another the logarithm of the variance,
/// which is any number. As PyTorch's `GaussianNLLLoss` of the variances eˡ.
///
/// # Errors
/// [`ErrorKind::Shape`](crate::ErrorKind::Shape) and [`ErrorKind::EmptyBatch`](crate::ErrorKind::EmptyBatch).
///
/// Source: Nix & Weigend, "Estimating the mean and variance of the target probability distribution", 1994.
///
/// ```
/// use ndarray::array;
/// use thalweg::loss::gaussian;
/// let (value, [by_mean, by_log_variance]) = gaussian(&array![3.0], &array![0.0], &array![1.0])?;
/// assert_eq!((value, by_mean, by_log_variance), (2.0, array![2.0], array![-1.5]));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn gaussian<F: Scalar, D: Dimension>(
    means: &ArrayRef<F, D>,
    log_variances: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
) -> Result<(f64, [Array<F, D>; 2]), Error> {
    let zeros = || Array::zeros(means.raw_dim());
    let (mut by_mean, mut by_log_variance) = (zeros(), zeros());
    let value = gaussian_into(means, log_variances, targets, &mut by_mean, &mut by_log_variance)?;
    Ok((value, [by_mean, by_log_variance]))
}

/// As [`gaussian`], with the gradients written into arrays of the means' shape.
///
/// # Errors
/// As [`gaussian`]; the arrays are then as they were.
pub fn gaussian_into<F: Scalar, D: Dimension>(
    means: &ArrayRef<F, D>,
    log_variances: &ArrayRef<F, D>,
    targets: &ArrayRef<F, D>,
    by_mean: &mut ArrayRef<F, D>,
    by_log_variance: &mut ArrayRef<F, D>,
) -> Result<f64, Error> {
    const OWNER: &str = "gaussian";
    check(OWNER, means, targets, by_mean)?;
    check_shape(OWNER, "array of log-variances", means.shape(), log_variances)?;
    check_shape(OWNER, "gradient by the log-variances", means.shape(), by_log_variance)?;
    let n = means.len() as f64;
    let (mut values, mut filled, mut total) = ([0.0; BLOCK], 0, Sum::default());
    let inputs = means.iter().zip(log_variances).zip(targets);
    for (((&s, &l), &t), (g, h)) in inputs.zip(by_mean.iter_mut().zip(by_log_variance)) {
        let (s, l, t) = (s.into_f64(), l.into_f64(), t.into_f64());
        let (r, precision) = (s - t, (-l).exp());
        values[filled] = 0.5 * (l + r * r * precision);
        *g = F::from_f64(r * precision / n);
        *h = F::from_f64(0.5 * (1.0 - r * r * precision) / n);
        filled += 1;
        if filled == BLOCK {
            total = total.add(sum_slice(&values, Itself, How::default()));
            filled = 0;
        }
    }
    if filled > 0 {
        total = total.add(sum_slice(&values[..filled], Itself, How::default()));
    }
    Ok(total.value() / n)
}
