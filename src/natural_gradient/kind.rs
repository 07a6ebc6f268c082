//! Which Fisher matrix it is.

use std::fmt::Debug;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Exact {}
    impl Sealed for super::Sampled {}
    impl Sealed for super::Empirical {}
}

/// Which expectation a Fisher matrix takes: [`Exact`], [`Sampled`] or [`Empirical`].
pub trait FisherKind: sealed::Sealed + Debug + Clone + Copy + Send + Sync + 'static {
    /// Its name, such as `"exact"`.
    const NAME: &'static str;
}

/// F = E over the model's own distribution of the outputs, summed exactly: a row for each sample and
/// each outcome.
///
/// For categorical outputs that are K backward passes, and F is the generalized Gauss-Newton matrix.
///
/// Source: Amari, "Natural gradient works efficiently in learning", 1998.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact;

/// F with outcomes drawn from the model's own distribution: an unbiased estimate of [`Exact`] from
/// one backward pass.
///
/// Source: Martens & Grosse, "Optimizing neural networks with Kronecker-factored approximate
/// curvature", 2015.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampled;

/// (1/n) Σ gᵢgᵢᵀ with the data's own labels.
///
/// It is not the Fisher matrix, but near it where the model fits the data; far from there it can
/// point elsewhere.
///
/// Source: Kunstner, Balles & Hennig, "Limitations of the empirical Fisher approximation", 2019.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Empirical;

impl FisherKind for Exact {
    const NAME: &'static str = "exact";
}
impl FisherKind for Sampled {
    const NAME: &'static str = "sampled";
}
impl FisherKind for Empirical {
    const NAME: &'static str = "empirical";
}
