//! Blocks of units with white Gaussian inputs, in closed form.

use ndarray::{Array1, Array2, ArrayView1, Axis, concatenate};

use super::average::{Averaged, averaged, nothing_observed, singular};
use super::batch::Batch;
use super::kind::FisherKind;
use super::layer::{DenseLayer, Place};
use super::metric::Metric;
use super::pairs::{Pair, merge, moments, own_share};
use crate::error::Error;
use crate::params::{Flatten, Params};
use crate::scalar::Scalar;
use crate::state::Record;

const NAME: &str = "WhiteUnitWise";

/// **Unit-wise, for white Gaussian inputs**: the block of each unit in closed form, by three numbers.
///
/// It takes for granted that the inputs x of every layer are distributed as N(0, I), and that E(δ²|x)
/// depends on x by the unit's pre-activation u = w·x + b alone (as where δ = φ'(u)ρ with a
/// back-propagated factor ρ that is independent of x). With ŵ = w/‖w‖, s = ŵ·x and
/// A₀ = E(δ²), A₁ = E(δ²s), A₂ = E(δ²s²), the block of (w, b) is
///
/// ```text
/// F = | A₀I + (A₂ - A₀)ŵŵᵀ   A₁ŵ |
///     | A₁ŵᵀ                 A₀  |
/// ```
///
/// and (F + λI)⁻¹ is 1/(A₀ + λ) across ŵ, and that of a 2×2 matrix in the plane of ŵ and the bias. A₀, A₁
/// and A₂ are means over the batch, whatever the activation; [`WhiteBlock::of_activation`] has them by
/// integrals. Costs n·in·out operations a layer, as much as the layer itself, where
/// `UnitWise` costs in times that and factorizations.
///
/// How far from white the inputs are is how wrong it is: with second moments M = E(x̃x̃ᵀ) of x̃ = (x, 1) a
/// block is off by about ‖M - I‖/‖M‖ of itself (Frobenius norms): a fifth for six inputs that correlate
/// by 0.1, half for 0.3, 0.85 for inputs of mean 1. Whiten the inputs first; hidden units are not
/// white by themselves. Averages over batches take ŵ from the last one.
///
/// Source: Amari, Karakida & Oizumi, "Fisher information and natural gradient learning in random
/// deep networks", 2019.
///
/// ```
/// use ndarray::{Array2, array};
/// use thalweg::Optimizer;
/// use thalweg::natural_gradient::{DenseLayer, Exact, NaturalGradient, WhiteUnitWise};
/// // Inputs of mean 0 and covariance I, and outputs of a normal distribution: one step is enough.
/// let x = array![[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]];
/// let mut model = (array![[0.5], [0.25]], array![0.0]);
/// let y = x.dot(&array![[2.0], [-1.0]]) + 3.0;
/// let residual = x.dot(&model.0) + &model.1 - &y;
/// let batch = Exact::gaussian(&residual, 1.0)?
///     .backward(|delta| vec![DenseLayer::new("0", x.clone(), delta.clone()).bias("1")])?;
/// let mut optimizer = NaturalGradient::new(1.0, WhiteUnitWise::new(0.0));
/// optimizer.observe(&model, batch)?;
/// let gradient = (x.t().dot(&residual) / 4.0, residual.sum_axis(ndarray::Axis(0)) / 4.0);
/// optimizer.step(&mut model, &gradient)?;
/// assert!((model.0 - array![[2.0], [-1.0]]).iter().all(|d: &f64| d.abs() < 1e-12));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WhiteUnitWise<F, K> {
    /// Of each layer the spread of s, its weighted mean and A₀ (rows of a number for each unit), and ŵ.
    averaged: Averaged<F, K, Vec<Vec<Pair>>>,
}

impl<F: Scalar, K: FisherKind> WhiteUnitWise<F, K> {
    /// With a damping λ ≥ 0.
    pub fn new(damping: f64) -> Self {
        Self { averaged: Averaged::new(damping) }
    }

    /// Averages the moments over batches: A = ρA + (1-ρ)A_batch, ρ = min(1 - 1/k, `decay`) at the k-th; in
    /// [0, 1), 0 without.
    #[must_use]
    pub fn decay(mut self, decay: f64) -> Self {
        self.averaged.average.decay = decay;
        self
    }

    /// The blocks of a layer's units, in the order of the batch; none before the first.
    pub fn blocks(&self, layer: usize) -> Vec<WhiteBlock> {
        let Some(arrays) = self.averaged.average.arrays.chunks_exact(4).nth(layer) else {
            return Vec::new();
        };
        let block = |unit: usize| {
            let [spread, mean, total] = [0, 1, 2].map(|i| arrays[i][[0, unit]]);
            WhiteBlock { spread, mean, total }
        };
        (0..arrays[0].ncols()).map(block).collect()
    }
}

/// The directions ŵ of a layer's units (in×out), 0 for weights of 0.
fn directions(mut weights: Array2<f64>) -> Array2<f64> {
    for mut column in weights.columns_mut() {
        let largest = column.fold(0.0, |max: f64, w| max.max(w.abs()));
        if largest > 0.0 {
            column.mapv_inplace(|w| w / largest);
            let norm = column.dot(&column).sqrt();
            column.mapv_inplace(|w| w / norm);
        }
    }
    weights
}

/// Spread, mean and total of s with the weights δ², and ŵ.
fn statistics<F: Scalar>(
    layer: &DenseLayer<F>,
    samples: usize,
    directions: Array2<f64>,
) -> [Array2<f64>; 4] {
    let s = layer.inputs.dot(&directions.mapv(F::from_f64));
    let units = (0..directions.ncols()).map(|unit| {
        let s = s.column(unit).to_owned().insert_axis(Axis(1));
        let deltas = layer.deltas.column(unit).to_owned().insert_axis(Axis(1));
        let [mut spread, mean, total] = moments(&s, &deltas, samples, layer.bias.is_some());
        // Where w = 0 no direction differs from the others.
        if directions.column(unit).iter().all(|w| *w == 0.0) {
            spread.assign(&total);
        }
        [spread, mean, total]
    });
    let units: Vec<_> = units.collect();
    let row = |i: usize| {
        let columns: Vec<_> = units.iter().map(|unit| unit[i].view()).collect();
        if columns.is_empty() {
            return Array2::zeros((1, 0));
        }
        concatenate(Axis(1), &columns).unwrap_or_default()
    };
    [row(0), row(1), row(2), directions]
}

fn merge_moments(old: &[Array2<f64>], new: &mut [Array2<f64>], kept: f64) {
    for (old, new) in old.chunks_exact(4).zip(new.chunks_exact_mut(4)) {
        merge(&old[..3], &mut new[..3], kept);
    }
}

impl<F: Scalar, K: FisherKind> Metric<F> for WhiteUnitWise<F, K> {
    type Statistics = Batch<F, K>;

    fn observe(
        &mut self,
        layout: &Flatten,
        params: &dyn Params<F>,
        batch: Batch<F, K>,
    ) -> Result<(), Error> {
        let layers = batch.layers()?;
        let places = batch.places(layout)?;
        let mut flat = vec![F::zero(); layout.len()];
        layout.gather(params, &mut flat)?;
        let arrays = layers.iter().zip(&places).flat_map(|(layer, place)| {
            let weights = place.weights(&flat).map(|w| w.mapv(F::into_f64)).unwrap_or_default();
            statistics(layer, batch.samples(), directions(weights))
        });
        let arrays = arrays.collect();
        self.averaged.add_by(NAME, places, arrays, merge_moments)
    }

    fn apply(&mut self, _: &Flatten, x: &[F], y: &mut [F]) -> Result<(), Error> {
        let average = self.averaged.observed()?;
        for (place, arrays) in average.places.iter().zip(average.arrays.chunks_exact(4)) {
            let [spread, mean, total, directions] = arrays else { continue };
            let mut part = place.gather(x);
            for (unit, mut column) in part.columns_mut().into_iter().enumerate() {
                let (total, mean) = (total[[0, unit]], mean[[0, unit]]);
                let second = spread[[0, unit]] + total * mean * mean;
                let direction = directions.column(unit);
                let along = direction.dot(&column.slice_axis(Axis(0), (..place.inputs).into()));
                let bias = if place.bias.is_some() { column[place.inputs] } else { 0.0 };
                let share = (second - total) * along + total * mean * bias;
                column.mapv_inplace(|x| total * x);
                column
                    .slice_axis_mut(Axis(0), (..place.inputs).into())
                    .scaled_add(share, &direction);
                if place.bias.is_some() {
                    column[place.inputs] += total * mean * along;
                }
            }
            place.scatter(&part, y);
        }
        Ok(())
    }

    fn apply_inverse(
        &mut self,
        _: &Flatten,
        gradient: &[F],
        direction: &mut [F],
    ) -> Result<(), Error> {
        let damping = self.averaged.damping;
        let (average, pairs) = self.averaged.derived(|average, damping| {
            average.arrays.chunks_exact(4).map(|arrays| pairs(arrays, damping)).collect()
        })?;
        let layers = average.places.iter().zip(average.arrays.chunks_exact(4)).zip(pairs);
        for ((place, arrays), pairs) in layers {
            let (totals, directions) = (&arrays[2], &arrays[3]);
            let mut part = place.gather(gradient);
            for (unit, mut column) in part.columns_mut().into_iter().enumerate() {
                let Pair { ratio, rest } = pairs[unit];
                let damped = totals[[0, unit]] + damping;
                let towards = directions.column(unit);
                let along = towards.dot(&column.slice_axis(Axis(0), (..place.inputs).into()));
                let bias = if place.bias.is_some() { column[place.inputs] } else { 0.0 };
                let solved = (along - ratio * bias) / rest;
                column.mapv_inplace(|g| g / damped);
                column
                    .slice_axis_mut(Axis(0), (..place.inputs).into())
                    .scaled_add(solved - along / damped, &towards);
                if place.bias.is_some() {
                    column[place.inputs] -= ratio * solved;
                }
            }
            place.scatter(&part, direction);
        }
        Ok(())
    }

    averaged!(NAME, |places, _| {
        let of_layer = |place: &Place| {
            let row = [1, place.outputs];
            [row, row, row, [place.inputs, place.outputs]]
        };
        places.iter().flat_map(of_layer).collect()
    });
}

/// The inverse of each unit's block in the plane of ŵ and the bias.
fn pairs(arrays: &[Array2<f64>], damping: f64) -> Result<Vec<Pair>, Error> {
    let [spread, mean, total, _] = arrays else { return Err(nothing_observed()) };
    let pair = |unit: usize| {
        let total = total[[0, unit]];
        let share = own_share(total, damping);
        let pair = Pair::of(spread[[0, unit]], mean[[0, unit]], share, damping);
        if total + damping > 0.0 && pair.rest > 0.0 {
            Ok(pair)
        } else {
            Err(singular("the block of a unit"))
        }
    };
    (0..total.ncols()).map(pair).collect()
}

/// The block of one unit with white Gaussian inputs: see [`WhiteUnitWise`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WhiteBlock {
    /// E(δ²(s - μ)²), μ = A₁/A₀, and A₀.
    spread: f64,
    mean: f64,
    total: f64,
}

impl WhiteBlock {
    /// That of δ = φ'(u), u ~ N(bias, norm²), from the activation's derivative φ'; times E(ρ²) it is that
    /// of δ = φ'(u)ρ.
    ///
    /// The integrals are by a double exponential rule on both sides of u = 0, where φ' may jump, to
    /// some 1e-12 for a φ' that is smooth elsewhere.
    ///
    /// ```
    /// use thalweg::natural_gradient::WhiteBlock;
    /// let relu = WhiteBlock::of_activation(|u| f64::from(u8::from(u > 0.0)), 0.0, 1.0);
    /// let density = 1.0 / std::f64::consts::TAU.sqrt();
    /// for (moment, expected) in relu.moments().into_iter().zip([0.5, density, 0.5]) {
    ///     assert!((moment - expected).abs() < 1e-12);
    /// }
    /// ```
    ///
    /// Source: Takahasi & Mori, "Double exponential formulas for numerical integration", 1974.
    pub fn of_activation(derivative: impl Fn(f64) -> f64, bias: f64, norm: f64) -> Self {
        let mut nodes = Vec::new();
        let mut node = |s: f64, weight: f64| {
            let weight = weight * (-0.5 * s * s).exp() / std::f64::consts::TAU.sqrt();
            if weight > 0.0 {
                nodes.push((s, weight * derivative(bias + norm * s).powi(2)));
            }
        };
        // Beyond ±8 there is nothing; a kink out there is none.
        let kink = if norm > 0.0 { (-bias / norm).clamp(-8.0, 8.0) } else { 0.0 };
        const STEP: f64 = 1.0 / 128.0;
        for i in -512..=384 {
            let t = f64::from(i) * STEP;
            // From the kink outwards, with nodes that crowd near it.
            let away = (t - (-t).exp()).exp();
            let weight = STEP * (1.0 + (-t).exp()) * away;
            node(kink + away, weight);
            node(kink - away, weight);
        }
        let total: f64 = nodes.iter().map(|(_, weight)| weight).sum();
        let first: f64 = nodes.iter().map(|(s, weight)| weight * s).sum();
        let mean = if total > 0.0 { first / total } else { 0.0 };
        let spread = nodes.iter().map(|(s, weight)| weight * (s - mean).powi(2)).sum();
        Self { spread, mean, total }
    }

    /// A₀, A₁ and A₂.
    pub fn moments(&self) -> [f64; 3] {
        let first = self.total * self.mean;
        [self.total, first, self.spread + first * self.mean]
    }

    /// The block of (w, b), (in + 1)×(in + 1), for weights w of any length but 0.
    pub fn matrix(&self, weights: ArrayView1<'_, f64>) -> Array2<f64> {
        let inputs = weights.len();
        let towards = directions(weights.to_owned().insert_axis(Axis(1))).remove_axis(Axis(1));
        let [zeroth, first, second] = self.moments();
        let mut extended = Array1::zeros(inputs + 1);
        extended.slice_axis_mut(Axis(0), (..inputs).into()).assign(&towards);
        Array2::from_shape_fn((inputs + 1, inputs + 1), |(i, j)| {
            let unit = f64::from(u8::from(i == j));
            match (i == inputs, j == inputs) {
                (false, false) => zeroth * unit + (second - zeroth) * extended[i] * extended[j],
                (true, true) => zeroth,
                _ => first * (extended[i] + extended[j]),
            }
        })
    }
}
