//! Dense algebra: a file for each factorization.

#[cfg(feature = "linalg")]
pub(crate) mod cholesky;
pub(crate) mod newton_schulz;
pub(crate) mod tridiagonal;
