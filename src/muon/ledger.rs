//! What is kept of the leaves.

use ndarray::ArrayD;

use crate::params::Roster;
use crate::scalar::Scalar;

/// The leaves of the first step, in its order.
#[derive(Clone)]
pub(super) struct Ledger<F: Scalar> {
    pub(super) roster: Roster,
    /// m of each matrix, row-major; `None` for a leaf that is AdamW's.
    pub(super) momenta: Vec<Option<ArrayD<F>>>,
    /// Steps of each matrix.
    pub(super) taken: Vec<u64>,
    /// How each matrix is treated.
    pub(super) own: Vec<Own>,
}

/// How a matrix is treated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub(super) frozen: bool,
    pub(super) factor: f64,
}
