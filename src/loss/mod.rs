//! Losses to descend along, and the 0-1 loss that they stand in for.
//!
//! What one wants to be small, the share of wrong answers, has no gradient to follow. A surrogate
//! has one, and bounds that share from above.
//!
//! | loss | of an example | targets |
//! |---|---|---|
//! | [`softmax_cross_entropy`] | ln Σⱼ exp sⱼ - s_y | a class y for each row |
//! | [`smoothed_cross_entropy`] | the same, with ε of the target spread over all classes | a class y for each row |
//! | [`weighted_cross_entropy`] | the same, with a weight for each example; 0 ignores it | a class y for each row |
//! | [`weighted_smoothed_cross_entropy`], [`weighted_multiclass_hinge`] | with a weight for each example | a class y for each row |
//! | [`kl_divergence`] | Σⱼ tⱼ (ln tⱼ + ln Σₖ exp sₖ - sⱼ) | probabilities t in each row |
//! | [`soft_cross_entropy`] | Σⱼ tⱼ (ln Σₖ exp sₖ - sⱼ) | probabilities t in each row |
//! | [`weighted_soft_cross_entropy`], [`weighted_kl_divergence`] | with a weight for each example | probabilities t in each row |
//! | [`binary_cross_entropy`] | ln(1 + exp s) - t·s | t in [0, 1] |
//! | [`mean_squared_error`] | (s - t)², without a ½ | any t |
//! | [`huber`] | ½r² where \|r\| ≤ δ, else δ(\|r\| - ½δ); r = s - t | any t |
//! | [`log_cosh`] | ln cosh(s - t) | any t |
//! | [`quantile`](quantile()) | q(t - s) below t, (1-q)(s - t) above it | any t |
//! | [`gaussian`] | ½(l + (t - s)²e⁻ˡ), with another gradient by l | any t |
//! | [`poisson`] | eˢ - t·s | counts t ≥ 0 |
//! | [`focal`] | α(t)·(1-p)^γ·(-ln p), p the probability of t | t = 0 and 1 |
//! | [`weighted`] | any of these seven and [`hinge`], with a weight for each element; 0 ignores it | as the loss |
//! | [`hinge`] | max(0, 1 - t·s) | t = ±1 |
//! | [`multiclass_hinge`] | max(0, 1 + max_{j≠y} sⱼ - s_y), of Crammer & Singer | a class y for each row |
//! | [`zero_one`], [`accuracy`] | whether s_y is not the one largest score | a class y for each row |
//! | [`binary_zero_one`] | whether s has the wrong sign | t = ±1, or 0 and 1 |
//!
//! Scores of classes are the rows of a matrix, one row an example; the losses of single numbers take
//! arrays of any rank. Each value is the mean over the rows, or over all elements where there are no
//! rows, computed and summed in `f64`, and each gradient is that of the mean: a step may take it as it
//! is. The functions that end in `_into` write it into an array of the caller and allocate nothing.
//!
//! Any memory layout gives the same bits. A NaN score makes the value NaN. Targets out of range,
//! shapes that differ and empty batches are errors, found before anything is written.
//!
//! ```
//! use ndarray::{Array2, array};
//! use thalweg::{loss, Adam, Optimizer};
//!
//! // Logistic regression: scores x·W for each row x.
//! let x = array![[1.0, 0.2], [0.9, -0.1], [-1.0, 0.1], [-0.8, 0.3]];
//! let classes = [0, 0, 1, 1];
//! let mut w = Array2::<f64>::zeros((2, 2));
//! let mut adam = Adam::new(0.1);
//! for _ in 0..50 {
//!     let (_, by_scores) = loss::softmax_cross_entropy(&x.dot(&w), &classes)?;
//!     adam.step(&mut w, &x.t().dot(&by_scores))?;
//! }
//! assert_eq!(loss::accuracy(&x.dot(&w), &classes)?, 1.0);
//! # Ok::<(), thalweg::Error>(())
//! ```

mod elementwise;
mod likelihoods;
mod multiclass_hinge;
mod soft;
mod softmax;
mod weighted;
mod zero_one;

pub use elementwise::{
    binary_cross_entropy, binary_cross_entropy_into, hinge, hinge_into, huber, huber_into,
    mean_squared_error, mean_squared_error_into,
};
pub use likelihoods::{
    focal, focal_into, gaussian, gaussian_into, log_cosh, log_cosh_into, poisson, poisson_into,
    quantile, quantile_into,
};
pub use multiclass_hinge::{
    multiclass_hinge, multiclass_hinge_into, weighted_multiclass_hinge,
    weighted_multiclass_hinge_into,
};
pub use soft::{
    kl_divergence, kl_divergence_into, soft_cross_entropy, soft_cross_entropy_into,
    weighted_kl_divergence, weighted_kl_divergence_into, weighted_soft_cross_entropy,
    weighted_soft_cross_entropy_into,
};
pub use softmax::{
    smoothed_cross_entropy, smoothed_cross_entropy_into, softmax_cross_entropy,
    softmax_cross_entropy_into, weighted_cross_entropy, weighted_cross_entropy_into,
    weighted_smoothed_cross_entropy, weighted_smoothed_cross_entropy_into,
};
pub use weighted::{ElementLoss, weighted, weighted_into};
pub use zero_one::{accuracy, binary_zero_one, zero_one};

use ndarray::{ArrayRef, ArrayRef2, Dimension};

use crate::error::{Error, ErrorKind};

/// Whether an array has the shape of what it belongs to.
fn check_shape<F, D: Dimension>(
    owner: &'static str,
    what: &'static str,
    expected: &[usize],
    found: &ArrayRef<F, D>,
) -> Result<(), Error> {
    if expected == found.shape() {
        return Ok(());
    }
    let (expected, found) = (expected.to_vec(), found.shape().to_vec());
    Err(ErrorKind::Shape { owner, what, expected, found }.into())
}

/// Whether there are rows, and each that counts has a class that it has a score for.
fn check_classes<F>(
    owner: &'static str,
    scores: &ArrayRef2<F>,
    targets: &[usize],
    counts: impl Fn(usize) -> bool,
) -> Result<(), Error> {
    let (rows, classes) = scores.dim();
    if rows != targets.len() {
        let (expected, found) = (vec![rows], vec![targets.len()]);
        return Err(ErrorKind::Shape { owner, what: "list of classes", expected, found }.into());
    }
    if rows == 0 {
        return Err(ErrorKind::EmptyBatch { owner }.into());
    }
    match (0..rows).position(|row| targets[row] >= classes && counts(row)) {
        Some(index) => {
            Err(ErrorKind::Class { owner, index, class: targets[index], classes }.into())
        }
        None => Ok(()),
    }
}

/// Whether there is a weight for each row, finite and not negative.
fn check_weights(owner: &'static str, rows: usize, weights: &[f64]) -> Result<(), Error> {
    if weights.len() != rows {
        let (expected, found) = (vec![rows], vec![weights.len()]);
        return Err(ErrorKind::Shape { owner, what: "list of weights", expected, found }.into());
    }
    match weights.iter().position(|w| !(0.0..=f64::MAX).contains(w)) {
        Some(row) => {
            let (index, value, allowed) = (vec![row], weights[row], "a finite weight >= 0");
            Err(ErrorKind::Target { owner, index, value, allowed }.into())
        }
        None => Ok(()),
    }
}

/// The first target that is not allowed, as an error.
fn check_targets<F: crate::Scalar, D: Dimension>(
    owner: &'static str,
    targets: &ArrayRef<F, D>,
    is_allowed: impl Fn(F) -> bool,
    allowed: &'static str,
) -> Result<(), Error> {
    if targets.iter().all(|&target| is_allowed(target)) {
        return Ok(());
    }
    let view = targets.view().into_dyn();
    let Some((index, value)) = view.indexed_iter().find(|&(_, &target)| !is_allowed(target)) else {
        return Ok(());
    };
    let index = Dimension::slice(&index).to_vec();
    Err(ErrorKind::Target { owner, index, value: value.into_f64(), allowed }.into())
}
