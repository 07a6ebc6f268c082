//! The diagonal, and each weight's product with its unit's bias.

use ndarray::Array2;

use super::average::{Averaged, averaged, nothing_observed, singular};
use super::batch::Batch;
use super::kind::FisherKind;
use super::layer::Place;
use super::metric::Metric;
use super::pairs::{Pair, merge, moments, own_share};
use crate::error::Error;
use crate::params::{Flatten, Params};
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};
use crate::state::Record;

const NAME: &str = "QuasiDiagonal";

/// **Quasi-diagonal**: of each unit's block the diagonal Fᵢᵢ and the row F₀ᵢ of its bias.
///
/// With mᵢ = F₀ᵢ/(F₀₀ + λ), dᵢ = (gᵢ - mᵢg₀)/(Fᵢᵢ + λ - mᵢF₀ᵢ) and d₀ = g₀/(F₀₀ + λ) - Σ mᵢdᵢ: the inverse of
/// each pair of a weight and its bias, which undoes a shift or a scaling of any input. The
/// denominators are kept as E(δ²(aᵢ - μᵢ)²), a sum of squares around the weighted mean, and so
/// cannot become negative. A unit without a bias has the plain diagonal. Costs twice the parameters;
/// with a part of each batch as statistics, or one batch of many
/// ([`observe_every`](super::NaturalGradient::observe_every)), it takes less time.
///
/// Source: Ollivier, "Riemannian metrics for neural networks I: feedforward networks", 2015.
///
/// ```
/// use ndarray::{Array2, array};
/// use thalweg::Optimizer;
/// use thalweg::natural_gradient::{DenseLayer, Exact, NaturalGradient, QuasiDiagonal};
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
    /// Of each layer the weights' spread, their weighted means, and a row of F₀₀.
    averaged: Averaged<F, K, Vec<Inverse>>,
}

impl<F: Scalar, K: FisherKind> QuasiDiagonal<F, K> {
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

/// The inverses of a layer's pairs.
#[derive(Debug, Clone)]
struct Inverse {
    /// Of each weight, as a [`Pair`] has them, in×out row-major.
    ratios: Vec<f64>,
    rests: Vec<f64>,
    /// F₀₀ + λ of each unit; none where there is no bias.
    totals: Option<Vec<f64>>,
}

impl Inverse {
    fn of(place: &Place, arrays: &[Array2<f64>], damping: f64) -> Result<Self, Error> {
        let [spreads, means, totals] = arrays else { return Err(nothing_observed()) };
        let (mut ratios, mut rests): (Vec<f64>, Vec<f64>) =
            (means.iter().copied().collect(), spreads.iter().copied().collect());
        let shares: Vec<f64> = totals.iter().map(|&total| own_share(total, damping)).collect();
        Simd::default().run(Invert {
            ratios: &mut ratios,
            rests: &mut rests,
            shares: &shares,
            damping,
        });
        let damped = totals.iter().map(|&total| total + damping).collect::<Vec<f64>>();
        if place.bias.is_some() && damped.iter().any(|&total| total <= 0.0) {
            return Err(singular("the bias of a unit in the Fisher matrix"));
        }
        if rests.iter().fold(false, |any, &rest| any | (rest <= 0.0)) {
            return Err(singular("a weight of a unit in the Fisher matrix"));
        }
        Ok(Self { ratios, rests, totals: place.bias.map(|_| damped) })
    }

    fn solve<F: Scalar>(&self, place: &Place, gradient: &[F], direction: &mut [F]) {
        let Some(from) = place.weights(gradient) else { return };
        let from = from.as_standard_layout();
        let of_bias = match place.biases(gradient) {
            Some(biases) => biases.iter().map(|g| g.into_f64()).collect(),
            None => vec![0.0; place.outputs],
        };
        let mut correction = vec![0.0; place.outputs];
        let mut solved = Array2::zeros(from.raw_dim());
        if let (Some(from), Some(to)) = (from.as_slice(), solved.as_slice_mut()) {
            let (of_bias, correction) = (&of_bias[..], &mut correction[..]);
            Simd::default().run(Eliminate { inverse: self, from, to, of_bias, correction });
        }
        if let Some(mut to) = place.weights_mut(direction) {
            to.assign(&solved);
        }
        if let (Some(bias), Some(totals)) = (place.bias, &self.totals) {
            for j in 0..place.outputs {
                direction[bias + j] = F::from_f64(of_bias[j] / totals[j] - correction[j]);
            }
        }
    }
}

/// Means become ratios, and spreads rests.
struct Invert<'a> {
    ratios: &'a mut [f64],
    rests: &'a mut [f64],
    shares: &'a [f64],
    damping: f64,
}

impl Work for Invert<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { ratios, rests, shares, damping } = self;
        let n = shares.len().max(1);
        for (ratios, rests) in ratios.chunks_exact_mut(n).zip(rests.chunks_exact_mut(n)) {
            for j in 0..n {
                let Pair { ratio, rest } = Pair::of(rests[j], ratios[j], shares[j], damping);
                (ratios[j], rests[j]) = (ratio, rest);
            }
        }
    }
}

/// d = (g - ratio·g₀)/rest, and the sums of ratio·d.
struct Eliminate<'a, F> {
    inverse: &'a Inverse,
    from: &'a [F],
    to: &'a mut [F],
    of_bias: &'a [f64],
    correction: &'a mut [f64],
}

impl<F: Scalar> Work for Eliminate<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { inverse, from, to, of_bias, correction } = self;
        let n = of_bias.len().max(1);
        let inverse = inverse.ratios.chunks_exact(n).zip(inverse.rests.chunks_exact(n));
        let rows = from.chunks_exact(n).zip(to.chunks_exact_mut(n));
        for ((from, to), (ratios, rests)) in rows.zip(inverse) {
            let (of_bias, correction) = (&of_bias[..n], &mut correction[..n]);
            for j in 0..n {
                let d = (from[j].into_f64() - ratios[j] * of_bias[j]) / rests[j];
                to[j] = F::from_f64(d);
                correction[j] += ratios[j] * d;
            }
        }
    }
}

impl<F: Scalar, K: FisherKind> Metric<F> for QuasiDiagonal<F, K> {
    type Statistics = Batch<F, K>;

    fn observe(
        &mut self,
        layout: &Flatten,
        _: &dyn Params<F>,
        batch: Batch<F, K>,
    ) -> Result<(), Error> {
        let layers = batch.layers()?;
        let places = batch.places(layout)?;
        let arrays = layers.iter().flat_map(|layer| {
            moments(&layer.inputs, &layer.deltas, batch.samples(), layer.bias.is_some())
        });
        self.averaged.add_by(NAME, places, arrays.collect(), merge)
    }

    fn apply(&mut self, _: &Flatten, x: &[F], y: &mut [F]) -> Result<(), Error> {
        let average = self.averaged.observed()?;
        for (place, arrays) in average.places.iter().zip(average.arrays.chunks(3)) {
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
        let (average, inverses) = self.averaged.derived(|average, damping| {
            let layers = average.places.iter().zip(average.arrays.chunks(3));
            layers.map(|(place, arrays)| Inverse::of(place, arrays, damping)).collect()
        })?;
        for (place, inverse) in average.places.iter().zip(inverses) {
            inverse.solve(place, gradient, direction);
        }
        Ok(())
    }

    averaged!(NAME, |places, _| {
        let of_layer = |place: &Place| {
            let all = [place.inputs, place.outputs];
            [all, all, [1, place.outputs]]
        };
        places.iter().flat_map(of_layer).collect()
    });
}
