//! Kronecker factors.

use std::marker::PhantomData;

use ndarray::Array2;

use super::average::{Average, check_shapes, linear, load_arrays, nothing_observed, save_arrays};
use super::batch::Batch;
use super::kind::FisherKind;
use super::layer::Place;
use super::metric::Metric;
use crate::error::Error;
use crate::linalg::cholesky::Cholesky;
use crate::params::{Flatten, Params};
use crate::scalar::Scalar;
use crate::state::{Record, compare};

const NAME: &str = "Kfac";

/// **K-FAC**: of each dense layer the block A⊗G, with A = E(aaᵀ) of its inputs (a last one for the
/// bias) and G = E(δδᵀ) of its pre-activations' gradients.
///
/// D = (A + π√λ I)⁻¹ V (G + √λ/π I)⁻¹ for the gradient V, (in + 1)×out, with π = √(tr A/dim A ÷ tr G/dim G).
/// Both factors are averages over batches with ρ = min(1 - 1/k, `decay`). Factored damping is not λI:
/// [`apply`](Metric::apply) is A⊗G, and (A⊗G + λI)⁻¹ is met only as λ → 0.
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `damping` λ | to be given | ≥ 0 |
/// | `decay` | 0.95 | [0, 1) |
/// | `inverse_every` k | 1 | ≥ 1 |
///
/// Source: Martens & Grosse, "Optimizing neural networks with Kronecker-factored approximate
/// curvature", 2015.
///
/// ```
/// use ndarray::{Array2, array};
/// use thalweg::Optimizer;
/// use thalweg::natural_gradient::{DenseLayer, Exact, Kfac, NaturalGradient};
/// // Linear regression of two outputs: F = A⊗I is the Hessian, and one step is enough.
/// let (x, y) = (array![[1.0], [2.0], [4.0]], array![[3.0, 1.0], [5.0, 0.0], [9.0, -2.0]]);
/// let mut model = (Array2::<f64>::zeros((1, 2)), array![0.0, 0.0]);
/// let residual = x.dot(&model.0) + &model.1 - &y;
/// let batch = Exact::gaussian(&residual, 1.0)?
///     .backward(|delta| vec![DenseLayer::new("0", x.clone(), delta.clone()).bias("1")])?;
/// let mut optimizer = NaturalGradient::new(1.0, Kfac::new(0.0));
/// optimizer.observe(&model, batch)?;
/// let gradient = (x.t().dot(&residual) / 3.0, residual.sum_axis(ndarray::Axis(0)) / 3.0);
/// optimizer.step(&mut model, &gradient)?;
/// assert!((model.0 - array![[2.0, -1.0]]).iter().all(|d| d.abs() < 1e-12));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Kfac<F, K> {
    damping: f64,
    inverse_every: u64,
    /// A and G of each layer.
    average: Average,
    /// The damped factors that the inverses are of, and the inverses.
    used: Vec<Array2<f64>>,
    /// Whether the last inverse was the first that used them.
    is_fresh: bool,
    factors: Vec<Cholesky>,
    kind: PhantomData<(F, K)>,
}

impl<F: Scalar, K: FisherKind> Kfac<F, K> {
    /// With a damping λ ≥ 0.
    pub fn new(damping: f64) -> Self {
        let average = Average { decay: 0.95, ..Average::default() };
        let (used, factors) = (Vec::new(), Vec::new());
        let (inverse_every, is_fresh) = (1, false);
        Self { damping, inverse_every, average, used, is_fresh, factors, kind: PhantomData }
    }

    /// Sets the decay of the factors' averages, in [0, 1).
    #[must_use]
    pub fn decay(mut self, decay: f64) -> Self {
        self.average.decay = decay;
        self
    }

    /// Computes the inverses anew after every k batches only; a change of the damping waits until
    /// then.
    #[must_use]
    pub fn inverse_every(mut self, batches: u64) -> Self {
        self.inverse_every = batches;
        self
    }

    /// A and G of each layer, in the order of the batch; none before the first.
    pub fn factors(&self) -> impl ExactSizeIterator<Item = (&Array2<f64>, &Array2<f64>)> {
        self.average.arrays.chunks_exact(2).map(|pair| (&pair[0], &pair[1]))
    }

    /// A + π√λ I and G + √λ/π I of each layer.
    fn damped(&self) -> Vec<Array2<f64>> {
        let mean = |factor: &Array2<f64>| factor.diag().sum() / factor.nrows() as f64;
        let mut all = Vec::new();
        for (a, g) in self.factors() {
            let ratio = (mean(a) / mean(g)).sqrt();
            // A factor of zeros has no scale of its own.
            let pi = if ratio.is_finite() && ratio > 0.0 { ratio } else { 1.0 };
            for (factor, share) in [(a, pi), (g, 1.0 / pi)] {
                let mut damped = factor.clone();
                let damping = share * self.damping.sqrt();
                damped.diag_mut().iter_mut().for_each(|entry| *entry += damping);
                all.push(damped);
            }
        }
        all
    }

    fn factorize(used: &[Array2<f64>]) -> Result<Vec<Cholesky>, Error> {
        used.iter().map(|factor| Cholesky::factor(factor, 0.0, "a Kronecker factor")).collect()
    }
}

impl<F: Scalar, K: FisherKind> Metric<F> for Kfac<F, K> {
    type Statistics = Batch<F, K>;

    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(
        &mut self,
        layout: &Flatten,
        _: &dyn Params<F>,
        batch: Batch<F, K>,
    ) -> Result<(), Error> {
        if self.inverse_every == 0 {
            let allowed = "a whole number >= 1";
            return Err(Error::hyperparameter(NAME, "inverse_every", 0.0, allowed));
        }
        let layers = batch.layers()?;
        let places = batch.places(layout)?;
        let mut arrays = Vec::new();
        for layer in layers {
            let (a, g) = layer.kronecker_factors();
            // A is a mean over all rows; of G the passes of one sample are summed.
            let passes = layer.deltas.nrows() as f64 / batch.samples() as f64;
            arrays.push(a.mapv(F::into_f64));
            arrays.push(g.mapv(|entry| entry.into_f64() * passes));
        }
        self.average.add_by(NAME, places, arrays, linear)?;
        if (self.average.count - 1).is_multiple_of(self.inverse_every) {
            self.used.clear();
            self.factors.clear();
        }
        Ok(())
    }

    fn apply(&mut self, _: &Flatten, x: &[F], y: &mut [F]) -> Result<(), Error> {
        if self.average.count == 0 {
            return Err(nothing_observed());
        }
        for (place, (a, g)) in self.average.places.iter().zip(self.factors()) {
            place.scatter(&a.dot(&place.gather(x)).dot(g), y);
        }
        Ok(())
    }

    fn apply_inverse(
        &mut self,
        _: &Flatten,
        gradient: &[F],
        direction: &mut [F],
    ) -> Result<(), Error> {
        if self.average.count == 0 {
            return Err(nothing_observed());
        }
        if self.factors.is_empty() {
            let is_fresh = self.used.is_empty();
            let used = if is_fresh { self.damped() } else { self.used.clone() };
            self.factors = Self::factorize(&used)?;
            (self.used, self.is_fresh) = (used, is_fresh);
        } else {
            self.is_fresh = false;
        }
        for (place, factors) in self.average.places.iter().zip(self.factors.chunks_exact(2)) {
            let mut part = place.gather(gradient);
            factors[0].solve(&mut part);
            let mut turned = part.t().as_standard_layout().into_owned();
            factors[1].solve(&mut turned);
            place.scatter(&turned.t().to_owned(), direction);
        }
        Ok(())
    }

    fn revert(&mut self) {
        if self.is_fresh {
            self.used.clear();
            self.factors.clear();
        }
    }

    fn damping(&self) -> f64 {
        self.damping
    }

    fn set_damping(&mut self, damping: f64) {
        if damping != self.damping && self.inverse_every == 1 {
            self.used.clear();
            self.factors.clear();
        }
        self.damping = damping;
    }

    fn forget(&mut self) {
        self.average.forget();
        self.used.clear();
        self.factors.clear();
    }

    fn save(&self, record: &mut Record) {
        record.text("fisher", K::NAME);
        record.count("inverse_every", self.inverse_every);
        self.average.save(record);
        let used: Vec<_> = self.used.iter().map(|array| array.view()).collect();
        save_arrays(record, "used", &used);
    }

    fn load(&mut self, layout: Option<&Flatten>, record: &Record) -> Result<(), Error> {
        compare("the Fisher matrix", record.get_text("fisher")?, K::NAME)?;
        record.compare_count("inverse_every", self.inverse_every)?;
        let average = self.average.load(layout, record, shapes)?;
        let used = load_arrays(record, "used")?;
        let expected = if used.is_empty() { Vec::new() } else { shapes(&average.places, 0) };
        check_shapes("used", &used, &expected)?;
        (self.average, self.used) = (average, used);
        self.factors.clear();
        Ok(())
    }
}

/// Those of A and G of each layer.
fn shapes(places: &[Place], _: usize) -> Vec<[usize; 2]> {
    places.iter().flat_map(|place| [[place.width(); 2], [place.outputs; 2]]).collect()
}
