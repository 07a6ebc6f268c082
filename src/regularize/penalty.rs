//! L1 and L2 penalties.

use crate::error::Error;
use crate::interval::Interval;
use crate::params::Params;
use crate::reduce::{Absolute, Square, sum_tree};
use crate::scalar::Scalar;

/// A penalty on the size of the parameters: C(w) = ε₁ Σ|w| + (ε₂/2) ‖w‖².
///
/// Its gradient, ε₁ sign(w) + ε₂ w with sign(0) = 0, is added inside the sweep of a step; the caller's
/// gradients are not touched.
///
/// Sources: Hoerl & Kennard 1970 (L2); Tibshirani 1996 (L1); Zou & Hastie 2005 (both).
///
/// ```
/// use ndarray::array;
/// use thalweg::{regularize::Penalty, Optimizer, Sgd};
///
/// let mut w = array![2.0, -1.0, 0.0];
/// let penalty = Penalty::elastic_net(0.5, 0.1);
/// assert!((penalty.value(&w) - (0.5 * 3.0 + 0.05 * 5.0)).abs() < 1e-15);
///
/// Sgd::new(1.0).penalty(penalty).step(&mut w, &array![0.0, 0.0, 0.0])?;
/// assert!((&w - &array![2.0 - 0.7, -1.0 + 0.6, 0.0]).iter().all(|d: &f64| d.abs() < 1e-15));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Penalty {
    pub(crate) l1: f64,
    pub(crate) l2: f64,
}

impl Penalty {
    /// No penalty; it costs nothing.
    pub const NONE: Self = Self { l1: 0.0, l2: 0.0 };

    /// ε Σ|w|, with ε in [0, ∞).
    pub const fn l1(strength: f64) -> Self {
        Self { l1: strength, l2: 0.0 }
    }

    /// (ε/2) ‖w‖², with ε in [0, ∞).
    pub const fn l2(strength: f64) -> Self {
        Self { l1: 0.0, l2: strength }
    }

    /// ε₁ Σ|w| + (ε₂/2) ‖w‖², both in [0, ∞).
    pub const fn elastic_net(l1: f64, l2: f64) -> Self {
        Self { l1, l2 }
    }

    /// C(w), to report beside the loss; summed in `f64`.
    pub fn value<F: Scalar>(self, params: &dyn Params<F>) -> f64 {
        let mut value = 0.0;
        if self.l1 != 0.0 {
            value += self.l1 * sum_tree(params, Absolute);
        }
        if self.l2 != 0.0 {
            value += self.l2 / 2.0 * sum_tree(params, Square);
        }
        value
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`](crate::ErrorKind::Hyperparameter).
    pub fn check<F: Scalar>(self) -> Result<(), Error> {
        Interval::NON_NEGATIVE.check::<F>("penalty", "l1", self.l1)?;
        Interval::NON_NEGATIVE.check::<F>("penalty", "l2", self.l2)
    }
}
