//! The diagonal, and each weight's product with its unit's bias.

use std::marker::PhantomData;

use ndarray::{Array1, Array2};

use super::batch::{Batch, DenseLayer};
use super::fisher::FisherKind;
use super::metric::{Average, Metric, check_decay, nothing_observed, singular};
use crate::error::Error;
use crate::params::{Flatten, Params};
use crate::scalar::Scalar;
use crate::state::{Record, compare};

const NAME: &str = "QuasiDiagonal";

/// **Quasi-diagonal**: of each unit's block the diagonal Fᵢᵢ and the row F₀ᵢ of its bias.
///
/// With mᵢ = F₀ᵢ/(F₀₀ + λ), dᵢ = (gᵢ - mᵢg₀)/(Fᵢᵢ + λ - mᵢF₀ᵢ) and d₀ = g₀/(F₀₀ + λ) - Σ mᵢdᵢ: the inverse of
/// each pair of a weight and its bias, which undoes a shift or a scaling of any input. The
/// denominators are kept as E(δ²(aᵢ - μᵢ)²), a sum of squares around the weighted mean, and so
/// cannot become negative. A unit without a bias has the plain diagonal. Costs twice the parameters.
///
/// Source: Ollivier, "Riemannian metrics for neural networks I: feedforward networks", 2015.
///
/// ```
/// use ndarray::{Array2, array};
/// use thalweg::Optimizer;
/// use thalweg::solvers::natural_gradient::{DenseLayer, Exact, NaturalGradient, QuasiDiagonal};
/// // One input and a bias: the pair is the whole matrix, and one step is enough.
/// let (x, y) = (array![[1.0], [2.0], [4.0]], array![[3.0], [5.0], [9.0]]);
/// let mut model = (Array2::<f64>::zeros((1, 1)), array![0.0]);
/// let residual = x.dot(&model.0) + &model.1 - &y;
/// let batch = Exact::gaussian(&residual, 1.0)?
///     .backward(|delta| vec![DenseLayer::new("0", x.clone(), delta.clone()).bias("1")])?;
/// let mut optimizer = NaturalGradient::new(1.0, QuasiDiagonal::new(0.0));
/// optimizer.observe(&model, batch)?;
/// let gradient = (x.t().dot(&residual) / 3.0, residual.sum_axis(ndarray::Axis(0)) / 3.0);
/// optimizer.step(&mut model, &gradient)?;
/// assert!((model.0[[0, 0]] - 2.0).abs() < 1e-12 && (model.1[0] - 1.0).abs() < 1e-12);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct QuasiDiagonal<F, K> {
    damping: f64,
    /// Of each layer the weights' spread, their weighted means, and a row of F₀₀.
    average: Average,
    kind: PhantomData<(F, K)>,
}

impl<F: Scalar, K: FisherKind> QuasiDiagonal<F, K> {
    /// With a damping λ ≥ 0.
    pub fn new(damping: f64) -> Self {
        Self { damping, average: Average::default(), kind: PhantomData }
    }

    /// Averages F over batches: F = ρF + (1-ρ)F_batch, ρ = min(1 - 1/k, `decay`) at the k-th; in [0, 1),
    /// 0 without.
    #[must_use]
    pub fn decay(mut self, decay: f64) -> Self {
        self.average.decay = decay;
        self
    }
}

/// E(δ²(a - μ)²) (in×out), μ = E(δ²a)/E(δ²) (in×out) and E(δ²) (1×out); without bias around 0.
fn moments<F: Scalar>(layer: &DenseLayer<F>, samples: usize, bias: bool) -> [Array2<f64>; 3] {
    let (a, deltas) = (layer.inputs(), layer.deltas());
    let share = F::from_f64(1.0 / samples as f64);
    let squares = deltas.mapv(|d| d * d * share);
    let (inputs, outputs) = (a.ncols(), deltas.ncols());
    let totals = squares.sum_axis(ndarray::Axis(0));
    let mut means = Array2::zeros((outputs, inputs));
    if bias {
        means = squares.t().dot(a);
        for (mut row, &total) in means.rows_mut().into_iter().zip(&totals) {
            // Not by 1/total: of a subnormal number that is ∞.
            row.mapv_inplace(|sum| if total > F::zero() { sum / total } else { F::zero() });
        }
    }
    let mut spreads = Array2::zeros((outputs, inputs));
    let squares = squares.t().as_standard_layout().into_owned();
    for (unit, mut spread) in spreads.rows_mut().into_iter().enumerate() {
        let spread = spread.as_slice_mut().unwrap_or_default();
        let mean = means.row(unit);
        let mean = mean.as_slice().unwrap_or_default();
        for (row, &weight) in a.rows().into_iter().zip(squares.row(unit)) {
            if weight == F::zero() {
                continue;
            }
            let row = row.to_slice().unwrap_or_default();
            for ((spread, &a), &mean) in spread.iter_mut().zip(row).zip(mean) {
                let away = a - mean;
                *spread = *spread + weight * away * away;
            }
        }
    }
    let wide = |array: Array2<F>| array.t().mapv(F::into_f64).as_standard_layout().into_owned();
    let totals = totals.insert_axis(ndarray::Axis(0)).mapv(F::into_f64);
    [wide(spreads), wide(means), totals]
}

/// Spread, mean and total of the union of two weighted sets.
fn merge(old: &[Array2<f64>], new: &mut [Array2<f64>], kept: f64) {
    let [spread, mean, total] = new else { return };
    let (inputs, outputs) = spread.dim();
    for j in 0..outputs {
        let (a, b) = (kept * old[2][[0, j]], (1.0 - kept) * total[[0, j]]);
        for i in 0..inputs {
            let apart = mean[[i, j]] - old[1][[i, j]];
            let between = if a + b > 0.0 { a * b / (a + b) * apart * apart } else { 0.0 };
            spread[[i, j]] = kept * old[0][[i, j]] + (1.0 - kept) * spread[[i, j]] + between;
            let share = if a + b > 0.0 { b / (a + b) } else { 0.0 };
            mean[[i, j]] = old[1][[i, j]] + share * apart;
        }
        total[[0, j]] = a + b;
    }
}

impl<F: Scalar, K: FisherKind> Metric<F> for QuasiDiagonal<F, K> {
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
        check_decay(NAME, self.average.decay)?;
        let layers = batch.layers()?;
        let places = batch.places(layout)?;
        let all = layers.iter().zip(&places);
        let mut arrays: Vec<Array2<f64>> = all
            .flat_map(|(layer, place)| moments(layer, batch.samples(), place.bias.is_some()))
            .collect();
        self.average.check(&places, &arrays)?;
        let kept = self.average.kept();
        if kept > 0.0 {
            for (old, new) in self.average.arrays.chunks(3).zip(arrays.chunks_mut(3)) {
                merge(old, new, kept);
            }
        }
        self.average.arrays = arrays;
        self.average.places = places;
        self.average.count += 1;
        Ok(())
    }

    fn apply(&mut self, _: &Flatten, x: &[F], y: &mut [F]) -> Result<(), Error> {
        if self.average.count == 0 {
            return Err(nothing_observed());
        }
        for (place, arrays) in self.average.places.iter().zip(self.average.arrays.chunks(3)) {
            let [spread, mean, total] = arrays else { continue };
            let part = place.gather(x);
            let mut product = part.clone();
            for j in 0..place.outputs {
                let total = total[[0, j]];
                let bias = if place.bias.is_some() { part[[place.inputs, j]] } else { 0.0 };
                let mut by_bias = total * bias;
                for i in 0..place.inputs {
                    let (spread, mean) = (spread[[i, j]], mean[[i, j]]);
                    let cross = total * mean;
                    product[[i, j]] = (spread + cross * mean) * part[[i, j]] + cross * bias;
                    by_bias += cross * part[[i, j]];
                }
                if place.bias.is_some() {
                    product[[place.inputs, j]] = by_bias;
                }
            }
            place.scatter(&product, y);
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
        let damping = self.damping;
        let mut parts = Vec::new();
        for (place, arrays) in self.average.places.iter().zip(self.average.arrays.chunks(3)) {
            let [spread, mean, total] = arrays else { continue };
            let mut part = place.gather(gradient);
            let biased = place.bias.is_some();
            // F₀₀ and F₀₀ + λ; where there is no bias the means are 0.
            let totals = total.row(0);
            let damped = totals.mapv(|total| total + damping);
            if biased && damped.iter().any(|&total| total <= 0.0) {
                return Err(singular("the bias of a unit in the Fisher matrix"));
            }
            let by_bias: Array1<f64> = match biased {
                true => part.row(place.inputs).to_owned(),
                false => Array1::zeros(place.outputs),
            };
            let mut correction = Array1::<f64>::zeros(place.outputs);
            for i in 0..place.inputs {
                for j in 0..place.outputs {
                    let (total, mean) = (totals[j], mean[[i, j]]);
                    let ratio = if biased { total * mean / damped[j] } else { 0.0 };
                    // Fᵢᵢ + λ - F₀ᵢ²/(F₀₀ + λ), each term of it ≥ 0.
                    let rest = damping + spread[[i, j]] + ratio * mean * damping;
                    if rest <= 0.0 {
                        return Err(singular("a weight of a unit in the Fisher matrix"));
                    }
                    let d = (part[[i, j]] - ratio * by_bias[j]) / rest;
                    part[[i, j]] = d;
                    correction[j] += ratio * d;
                }
            }
            if biased {
                let bias = &by_bias / &damped - correction;
                part.row_mut(place.inputs).assign(&bias);
            }
            parts.push(part);
        }
        for (place, part) in self.average.places.iter().zip(&parts) {
            place.scatter(part, direction);
        }
        Ok(())
    }

    fn damping(&self) -> f64 {
        self.damping
    }

    fn set_damping(&mut self, damping: f64) {
        self.damping = damping;
    }

    fn forget(&mut self) {
        self.average.forget();
    }

    fn save(&self, record: &mut Record) {
        record.text("metric.fisher", K::NAME);
        self.average.save(record);
    }

    fn load(&mut self, record: &Record) -> Result<(), Error> {
        compare("the Fisher matrix", record.get_text("metric.fisher")?, K::NAME)?;
        self.average = self.average.load(record)?;
        Ok(())
    }
}
