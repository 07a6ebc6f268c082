//! Dense algebra: a file for each factorization, with the same verbs: `factor` makes it of a matrix,
//! `solve` applies its inverse.

#[cfg(feature = "linalg")]
pub(crate) mod cholesky;
pub(crate) mod eigenbasis;
pub(crate) mod newton_schulz;
pub(crate) mod product;
pub(crate) mod qr;
pub(crate) mod svd;
#[cfg(feature = "linalg")]
pub(crate) mod symmetric;
pub(crate) mod tridiagonal;
