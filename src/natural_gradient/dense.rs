//! The whole Fisher matrix.

use ndarray::{Array2, ArrayView1};

use super::average::{Averaged, averaged, nothing_observed};
use super::batch::Batch;
use super::kind::FisherKind;
use super::layer::check_finite;
use super::metric::Metric;
use crate::error::{Error, ErrorKind};
use crate::linalg::cholesky::Cholesky;
use crate::params::{Flatten, Params};
use crate::scalar::Scalar;
use crate::state::Record;

const NAME: &str = "Dense";

/// What [`Dense`] is fed: a batch, or the matrix itself where it is known.
#[derive(Debug, Clone)]
pub enum DenseStatistics<F, K> {
    /// Gradients of samples.
    Batch(Batch<F, K>),
    /// F, p×p.
    Matrix(Array2<F>),
}

impl<F, K> From<Batch<F, K>> for DenseStatistics<F, K> {
    fn from(batch: Batch<F, K>) -> Self {
        Self::Batch(batch)
    }
}

impl<F, K> From<Array2<F>> for DenseStatistics<F, K> {
    fn from(matrix: Array2<F>) -> Self {
        Self::Matrix(matrix)
    }
}

/// **Dense**: all p² entries of F = (1/n) Σ gᵢgᵢᵀ, inverted by Cholesky's factorization of F + λI.
///
/// For small models, and to hold the others against. Costs p² numbers and p³/3 operations a step.
///
/// ```
/// use ndarray::array;
/// use thalweg::Optimizer;
/// use thalweg::natural_gradient::{Dense, Exact, NaturalGradient};
/// // The mean of a normal distribution of that covariance: F is its inverse, and one step is enough.
/// let mut mean = array![5.0, -3.0];
/// let f = array![[2.0, 1.0], [1.0, 1.0]];
/// let mut optimizer = NaturalGradient::new(1.0, Dense::<f64, Exact>::new(0.0));
/// optimizer.observe(&mean, f.clone().into())?;
/// let gradient = f.dot(&(&mean - &array![1.0, 2.0]));
/// optimizer.step(&mut mean, &gradient)?;
/// assert!((mean - array![1.0, 2.0]).iter().all(|d: &f64| d.abs() < 1e-14));
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Source: Amari, "Natural gradient works efficiently in learning", 1998.
#[derive(Debug, Clone)]
pub struct Dense<F, K> {
    averaged: Averaged<F, K, Cholesky>,
}

impl<F: Scalar, K: FisherKind> Dense<F, K> {
    /// With a damping λ ≥ 0.
    pub fn new(damping: f64) -> Self {
        Self { averaged: Averaged::new(damping) }
    }

    /// Averages F over batches: F = ρF + (1-ρ)F_batch, ρ = min(1 - 1/k, `decay`) at the k-th; in [0, 1),
    /// 0 without.
    #[must_use]
    pub fn decay(mut self, decay: f64) -> Self {
        self.averaged.average.decay = decay;
        self
    }

    /// F, without the damping; `None` before the first batch.
    pub fn matrix(&self) -> Option<&Array2<f64>> {
        self.averaged.average.arrays.first()
    }
}

impl<F: Scalar, K: FisherKind> Metric<F> for Dense<F, K> {
    type Statistics = DenseStatistics<F, K>;

    fn observe(
        &mut self,
        layout: &Flatten,
        _: &dyn Params<F>,
        statistics: DenseStatistics<F, K>,
    ) -> Result<(), Error> {
        let matrix = match statistics {
            DenseStatistics::Batch(batch) => {
                let operator = batch.bind(layout)?;
                let share = 1.0 / operator.samples() as f64;
                let gradients = operator.gradients();
                gradients.t().dot(&gradients).mapv(|entry| entry.into_f64() * share)
            }
            DenseStatistics::Matrix(matrix) => {
                if matrix.dim() != (layout.len(), layout.len()) {
                    let (expected, found) = (vec![layout.len(); 2], matrix.shape().to_vec());
                    let (owner, what) = (NAME, "Fisher matrix");
                    return Err(ErrorKind::Shape { owner, what, expected, found }.into());
                }
                check_finite("an entry of the Fisher matrix", &matrix)?;
                matrix.mapv(F::into_f64)
            }
        };
        self.averaged.add(NAME, Vec::new(), vec![matrix])
    }

    fn apply(&mut self, _: &Flatten, x: &[F], y: &mut [F]) -> Result<(), Error> {
        let matrix = self.matrix().ok_or_else(nothing_observed)?;
        let product = matrix.dot(&ArrayView1::from(x).mapv(F::into_f64));
        y.iter_mut().zip(&product).for_each(|(y, &product)| *y = F::from_f64(product));
        Ok(())
    }

    fn apply_inverse(
        &mut self,
        _: &Flatten,
        gradient: &[F],
        direction: &mut [F],
    ) -> Result<(), Error> {
        let (_, factor) = self.averaged.derived(|average, damping| {
            Cholesky::factor(&average.arrays[0], damping, "the Fisher matrix")
        })?;
        let mut d = Array2::from_shape_fn((gradient.len(), 1), |(i, _)| gradient[i].into_f64());
        factor.solve(&mut d);
        direction.iter_mut().zip(&d).for_each(|(to, &d)| *to = F::from_f64(d));
        Ok(())
    }

    averaged!(NAME, |_, dim| vec![[dim, dim]]);
}
