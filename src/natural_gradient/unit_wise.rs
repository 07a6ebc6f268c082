//! Blocks of units.

use ndarray::{Array2, Axis};

use super::average::{Averaged, averaged};
use super::batch::Batch;
use super::kind::FisherKind;
use super::layer::{Place, unit_blocks};
use super::metric::Metric;
use crate::error::Error;
use crate::linalg::cholesky::Cholesky;
use crate::params::{Flatten, Params};
use crate::scalar::Scalar;
use crate::state::Record;

const NAME: &str = "UnitWise";

/// **Unit-wise**: the block of each unit's incoming weights and bias, F_j = (1/n) Σ δⱼ²aaᵀ, as if
/// different units did not interact.
///
/// Invariant under linear maps of a layer's inputs. Costs out·(in + 1)² numbers and out·(in + 1)³/3
/// operations a layer.
///
/// Source: Amari, Karakida & Oizumi, "Fisher information and natural gradient learning in random
/// deep networks", 2019.
///
/// ```
/// use ndarray::{Array2, array};
/// use thalweg::Optimizer;
/// use thalweg::natural_gradient::{DenseLayer, Exact, NaturalGradient, UnitWise};
/// // Linear regression with unit variance: F is the Hessian, and one step is enough.
/// let (x, y) = (array![[1.0], [2.0], [4.0]], array![[3.0], [5.0], [9.0]]);
/// let mut model = (Array2::<f64>::zeros((1, 1)), array![0.0]);
/// let residual = x.dot(&model.0) + &model.1 - &y;
/// let batch = Exact::gaussian(&residual, 1.0)?
///     .backward(|delta| vec![DenseLayer::new("0", x.clone(), delta.clone()).bias("1")])?;
/// let mut optimizer = NaturalGradient::new(1.0, UnitWise::new(0.0));
/// optimizer.observe(&model, batch)?;
/// let gradient = (x.t().dot(&residual) / 3.0, residual.sum_axis(ndarray::Axis(0)) / 3.0);
/// optimizer.step(&mut model, &gradient)?;
/// assert!((model.0[[0, 0]] - 2.0).abs() < 1e-12 && (model.1[0] - 1.0).abs() < 1e-12);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct UnitWise<F, K> {
    averaged: Averaged<F, K, Vec<Cholesky>>,
}

impl<F: Scalar, K: FisherKind> UnitWise<F, K> {
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
}

/// Calls `each` with the part of every unit and the index of its block.
fn map<F: Scalar>(
    places: &[Place],
    from: &[F],
    to: &mut [F],
    mut each: impl FnMut(usize, &mut Array2<f64>),
) {
    let mut block = 0;
    for place in places {
        let mut part = place.gather(from);
        for unit in 0..place.outputs {
            let mut column = part.column(unit).to_owned().insert_axis(Axis(1));
            each(block, &mut column);
            part.column_mut(unit).assign(&column.column(0));
            block += 1;
        }
        place.scatter(&part, to);
    }
}

impl<F: Scalar, K: FisherKind> Metric<F> for UnitWise<F, K> {
    type Statistics = Batch<F, K>;

    fn observe(
        &mut self,
        layout: &Flatten,
        _: &dyn Params<F>,
        batch: Batch<F, K>,
    ) -> Result<(), Error> {
        let layers = batch.layers()?;
        let places = batch.places(layout)?;
        let blocks = layers.iter().flat_map(|layer| unit_blocks(layer, batch.samples()));
        let blocks = blocks.map(|block| block.mapv(F::into_f64)).collect();
        self.averaged.add(NAME, places, blocks)
    }

    fn apply(&mut self, _: &Flatten, x: &[F], y: &mut [F]) -> Result<(), Error> {
        let average = self.averaged.observed()?;
        map(&average.places, x, y, |block, part| *part = average.arrays[block].dot(part));
        Ok(())
    }

    fn apply_inverse(
        &mut self,
        _: &Flatten,
        gradient: &[F],
        direction: &mut [F],
    ) -> Result<(), Error> {
        let (average, factors) = self.averaged.derived(|average, damping| {
            let factor =
                |block: &Array2<f64>| Cholesky::factor(block, damping, "the block of a unit");
            average.arrays.iter().map(factor).collect()
        })?;
        map(&average.places, gradient, direction, |block, part| factors[block].solve(part));
        Ok(())
    }

    averaged!(NAME, |places, _| {
        let blocks = |place: &Place| vec![[place.width(); 2]; place.outputs];
        places.iter().flat_map(blocks).collect()
    });
}
