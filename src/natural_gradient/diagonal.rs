//! The diagonal of the Fisher matrix.

use ndarray::Array2;

use super::average::{Averaged, averaged, nothing_observed, singular};
use super::batch::Batch;
use super::kind::FisherKind;
use super::metric::Metric;
use crate::error::Error;
use crate::params::{Flatten, Params};
use crate::scalar::Scalar;
use crate::state::Record;

const NAME: &str = "Diagonal";

/// **Diagonal**: dᵢ = gᵢ/(Fᵢᵢ + λ), with Fᵢᵢ the mean square of the gradients of single samples.
///
/// Of dense layers one product of squares a layer.
///
/// ```
/// use ndarray::array;
/// use thalweg::Optimizer;
/// use thalweg::natural_gradient::{Batch, Diagonal, Empirical, NaturalGradient};
/// let mut w = array![0.0, 0.0];
/// let mut optimizer = NaturalGradient::new(1.0, Diagonal::<f64, Empirical>::new(0.5));
/// optimizer.observe(&w, Batch::of_gradients(array![[1.0, 2.0], [0.0, 1.0]])?)?;
/// optimizer.step(&mut w, &array![0.5, 1.5])?;
/// assert_eq!(w, array![-0.5, -0.5]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Diagonal<F, K> {
    averaged: Averaged<F, K, ()>,
}

impl<F: Scalar, K: FisherKind> Diagonal<F, K> {
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

    fn diagonal(&self) -> Result<&Array2<f64>, Error> {
        self.averaged.observed()?.arrays.first().ok_or_else(nothing_observed)
    }
}

impl<F: Scalar, K: FisherKind> Metric<F> for Diagonal<F, K> {
    type Statistics = Batch<F, K>;

    fn observe(
        &mut self,
        layout: &Flatten,
        _: &dyn Params<F>,
        batch: Batch<F, K>,
    ) -> Result<(), Error> {
        let operator = batch.bind(layout)?;
        let share = 1.0 / operator.samples() as f64;
        let diagonal = operator.sums_of_squares().mapv(|sum| sum * share);
        self.averaged.add(NAME, Vec::new(), vec![diagonal])
    }

    fn apply(&mut self, _: &Flatten, x: &[F], y: &mut [F]) -> Result<(), Error> {
        for ((y, &x), &f) in y.iter_mut().zip(x).zip(self.diagonal()?) {
            *y = F::from_f64(f * x.into_f64());
        }
        Ok(())
    }

    fn apply_inverse(
        &mut self,
        _: &Flatten,
        gradient: &[F],
        direction: &mut [F],
    ) -> Result<(), Error> {
        let (diagonal, damping) = (self.diagonal()?, self.averaged.damping);
        if diagonal.iter().any(|&f| f + damping <= 0.0) {
            return Err(singular("the diagonal of the Fisher matrix"));
        }
        for ((d, &g), &f) in direction.iter_mut().zip(gradient).zip(diagonal) {
            *d = F::from_f64(g.into_f64() / (f + damping));
        }
        Ok(())
    }

    averaged!(NAME, |_, dim| vec![[1, dim]]);
}
