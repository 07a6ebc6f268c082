//! Statistics of a batch: gradients of single samples, whole or by layers, and their products.

use std::marker::PhantomData;

use ndarray::{Array1, Array2, ArrayView1, Axis};

#[cfg(feature = "linalg")]
use super::average::{check_shapes, invalid, load_arrays, load_places, save_arrays, save_places};
use super::kind::FisherKind;
use super::layer::{DenseLayer, Place, check_finite, drop_tiny, row_major};
use super::products::combine_rows;
#[cfg(feature = "linalg")]
use super::products::gram;
use crate::curvature::LinearOperator;
use crate::error::{Error, ErrorKind};
use crate::params::Flatten;
use crate::scalar::Scalar;
#[cfg(feature = "linalg")]
use crate::state::Record;

/// What a metric is fed: gradients of single samples, n×p, or the layers that they are made of.
///
/// The kind K says which Fisher matrix F = (1/n) Σ gᵢgᵢᵀ they make; see
/// [`Outputs::backward`](super::Outputs::backward) for batches of each kind.
#[derive(Debug, Clone)]
pub struct Batch<F, K> {
    samples: usize,
    rows: Rows<F>,
    kind: PhantomData<K>,
}

#[derive(Debug, Clone)]
enum Rows<F> {
    Gradients(Array2<F>),
    Layers(Vec<DenseLayer<F>>),
}

impl<F: Scalar, K: FisherKind> Batch<F, K> {
    /// The gradients of single samples, a row each, in the order of
    /// [`Flatten`]: leaf after leaf, row-major.
    ///
    /// # Errors
    /// If there is no sample, or a gradient is NaN or infinite.
    pub fn of_gradients(gradients: Array2<F>) -> Result<Self, Error> {
        let samples = gradients.nrows();
        if samples == 0 {
            return Err(ErrorKind::EmptyBatch { owner: "Batch" }.into());
        }
        let gradients = row_major(gradients);
        check_finite("a sample's gradient", &gradients)?;
        Ok(Self { samples, rows: Rows::Gradients(gradients), kind: PhantomData })
    }

    /// The layers of a dense network, of one backward pass with a row a sample.
    ///
    /// # Errors
    /// If there is no sample or no layer, the numbers of rows differ, or a statistic is NaN or
    /// infinite.
    pub fn of_layers(layers: Vec<DenseLayer<F>>) -> Result<Self, Error> {
        let samples = layers.first().map_or(0, |layer| layer.inputs.nrows());
        Self::stacked(samples, layers)
    }

    /// As [`of_layers`](Batch::of_layers), of several passes, one under another.
    pub(super) fn stacked(samples: usize, mut layers: Vec<DenseLayer<F>>) -> Result<Self, Error> {
        let rows = layers.first().map_or(0, |layer| layer.inputs.nrows());
        if samples == 0 || rows == 0 {
            return Err(ErrorKind::EmptyBatch { owner: "Batch" }.into());
        }
        for layer in &mut layers {
            layer.check()?;
            drop_tiny(&mut layer.deltas);
            if layer.inputs.nrows() != rows || !rows.is_multiple_of(samples) {
                let (expected, found) = (vec![rows, layer.inputs.ncols()], layer.inputs.shape());
                let (owner, what) = ("Batch", "matrix of a layer's inputs");
                let found = found.to_vec();
                return Err(ErrorKind::Shape { owner, what, expected, found }.into());
            }
        }
        Ok(Self { samples, rows: Rows::Layers(layers), kind: PhantomData })
    }

    /// The number of samples n that a sum over the rows is divided by.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The layers.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfTurn`] for a batch of whole gradients.
    pub(super) fn layers(&self) -> Result<&[DenseLayer<F>], Error> {
        match &self.rows {
            Rows::Layers(layers) => Ok(layers),
            Rows::Gradients(_) => {
                let what = "this metric is made of layers: make the batch by `of_layers` or `Outputs::backward`";
                Err(ErrorKind::OutOfTurn { what }.into())
            }
        }
    }

    /// Binds it to the leaves of a model.
    ///
    /// # Errors
    /// If a layer has a leaf that the model has not, or of another shape, or the model has a leaf that
    /// no layer has.
    pub fn bind(self, layout: &Flatten) -> Result<FisherOperator<F>, Error> {
        let places = self.places(layout)?;
        Ok(FisherOperator { dim: layout.len(), samples: self.samples, rows: self.rows, places })
    }

    /// Where the layers lie, each leaf of the model in one of them.
    pub(super) fn places(&self, layout: &Flatten) -> Result<Vec<Place>, Error> {
        let layers = match &self.rows {
            Rows::Layers(layers) => layers,
            Rows::Gradients(gradients) => {
                if gradients.ncols() != layout.len() {
                    let expected = vec![gradients.nrows(), layout.len()];
                    let (owner, what) = ("Batch", "matrix of gradients");
                    let found = gradients.shape().to_vec();
                    return Err(ErrorKind::Shape { owner, what, expected, found }.into());
                }
                return Ok(Vec::new());
            }
        };
        for (name, ..) in layout.leaves() {
            let named = |layer: &&DenseLayer<F>| {
                layer.weight == name || layer.bias.as_deref() == Some(name)
            };
            match layers.iter().filter(named).count() {
                0 => return Err(ErrorKind::NotObserved { leaf: name.to_owned() }.into()),
                1 => {}
                _ => {
                    let (tree, leaf) = (crate::error::Tree::Parameters, name.to_owned());
                    return Err(ErrorKind::DuplicateLeaf { tree, leaf }.into());
                }
            }
        }
        layers.iter().map(|layer| layer.place(layout)).collect()
    }
}

/// The Fisher matrix F = GᵀG/n of a [`Batch`], known by its products with vectors: two passes over the
/// statistics each, without G where the batch is of layers.
#[derive(Debug, Clone)]
pub struct FisherOperator<F> {
    dim: usize,
    samples: usize,
    rows: Rows<F>,
    places: Vec<Place>,
}

// The metrics of `linalg` save it.
#[cfg_attr(not(feature = "linalg"), allow(dead_code))]
impl<F: Scalar> FisherOperator<F> {
    /// The number of samples n.
    pub fn samples(&self) -> usize {
        self.samples
    }

    #[cfg(feature = "linalg")]
    pub(super) fn save(&self, record: &mut Record) {
        record.count("samples", self.samples as u64);
        save_places(record, &self.places);
        match &self.rows {
            Rows::Gradients(gradients) => save_arrays(record, "gradients", &[gradients.view()]),
            Rows::Layers(layers) => {
                let inputs: Vec<_> = layers.iter().map(|layer| layer.inputs.view()).collect();
                let deltas: Vec<_> = layers.iter().map(|layer| layer.deltas.view()).collect();
                save_arrays(record, "inputs", &inputs);
                save_arrays(record, "deltas", &deltas);
            }
        }
    }

    /// What was saved of a model with `dim` parameters.
    #[cfg(feature = "linalg")]
    pub(super) fn load(dim: usize, record: &Record) -> Result<Self, Error> {
        let samples = record.get_counter("samples")? as usize;
        let places = load_places(record, dim)?;
        let mut gradients = load_arrays::<F>(record, "gradients")?;
        let (inputs, deltas) = (load_arrays(record, "inputs")?, load_arrays(record, "deltas")?);
        let all = if places.is_empty() { &gradients } else { &inputs };
        let rows = all.first().map_or(0, Array2::nrows);
        if samples == 0 || rows == 0 || !rows.is_multiple_of(samples) {
            return Err(invalid("samples", "does not fit the matrices"));
        }
        let widths = |width: fn(&Place) -> usize| -> Vec<[usize; 2]> {
            places.iter().map(|place| [rows, width(place)]).collect()
        };
        check_shapes("inputs", &inputs, &widths(|place| place.inputs))?;
        check_shapes("deltas", &deltas, &widths(|place| place.outputs))?;
        let whole = if places.is_empty() { vec![[rows, dim]] } else { Vec::new() };
        check_shapes("gradients", &gradients, &whole)?;
        if let Some(gradients) = gradients.pop() {
            let rows = Rows::Gradients(gradients);
            return Ok(Self { dim, samples, rows, places });
        }
        let layer = |(place, (inputs, deltas)): (&Place, (Array2<F>, Array2<F>))| DenseLayer {
            weight: String::new(),
            bias: place.bias.map(|_| String::new()),
            outputs_first: place.outputs_first,
            inputs,
            deltas,
        };
        let layers = places.iter().zip(inputs.into_iter().zip(deltas)).map(layer).collect();
        Ok(Self { dim, samples, rows: Rows::Layers(layers), places })
    }

    /// The rows of G: samples, times the backward passes of a sample.
    pub fn rows(&self) -> usize {
        match &self.rows {
            Rows::Gradients(gradients) => gradients.nrows(),
            Rows::Layers(layers) => layers.first().map_or(0, |layer| layer.inputs.nrows()),
        }
    }

    /// G, entry by entry.
    pub fn gradients(&self) -> Array2<F> {
        let layers = match &self.rows {
            Rows::Gradients(gradients) => return gradients.clone(),
            Rows::Layers(layers) => layers,
        };
        let mut all = Array2::zeros((self.rows(), self.dim));
        for (layer, place) in layers.iter().zip(&self.places) {
            let a = layer.extended_inputs();
            for ((sample, i), &a) in a.indexed_iter() {
                for (j, &delta) in layer.deltas.row(sample).iter().enumerate() {
                    all[[sample, place.at(i, j)]] = a * delta;
                }
            }
        }
        all
    }

    /// Σ gᵢ², a row of p.
    pub(super) fn sums_of_squares(&self) -> Array2<f64> {
        let mut sums = Array2::zeros((1, self.dim));
        match &self.rows {
            Rows::Gradients(gradients) => {
                for row in gradients.rows() {
                    sums.row_mut(0).zip_mut_with(&row, |sum, g| *sum += g.into_f64().powi(2));
                }
            }
            Rows::Layers(layers) => {
                for (layer, place) in layers.iter().zip(&self.places) {
                    let square = |x: &F| x.into_f64().powi(2);
                    let (a, d) = (layer.extended_inputs().map(square), layer.deltas.map(square));
                    place.scatter(&a.t().dot(&d), sums.as_slice_mut().unwrap_or_default());
                }
            }
        }
        sums
    }

    /// GGᵀ, of layers as Σ (AAᵀ)∘(ΔΔᵀ).
    #[cfg(feature = "linalg")]
    pub(super) fn gram(&self) -> Array2<F> {
        match &self.rows {
            Rows::Gradients(gradients) => gram(gradients),
            Rows::Layers(layers) => {
                let mut sum = Array2::zeros((self.rows(), self.rows()));
                for layer in layers {
                    let one = if layer.bias.is_some() { F::one() } else { F::zero() };
                    let (aa, dd) = (gram(&layer.inputs), gram(&layer.deltas));
                    sum.zip_mut_with(&(aa.mapv_into(|a| a + one) * dd), |sum, &part| {
                        *sum = *sum + part
                    });
                }
                sum
            }
        }
    }

    /// G·x
    pub(super) fn times(&self, x: &[F]) -> Array1<F> {
        match &self.rows {
            Rows::Gradients(gradients) => gradients.dot(&ArrayView1::from(x)),
            Rows::Layers(layers) => {
                let mut y = Array1::zeros(self.rows());
                for (layer, place) in layers.iter().zip(&self.places) {
                    let part = Array2::from_shape_fn((place.width(), place.outputs), |(i, j)| {
                        x[place.at(i, j)]
                    });
                    let mut by_unit =
                        layer.inputs.dot(&part.slice_axis(Axis(0), (..place.inputs).into()));
                    if place.bias.is_some() {
                        by_unit = by_unit + part.row(place.inputs);
                    }
                    let sums = (by_unit * &layer.deltas).sum_axis(Axis(1));
                    y.zip_mut_with(&sums, |y, &sum| *y = *y + sum);
                }
                y
            }
        }
    }

    /// y = Gᵀ·z·share
    pub(super) fn transposed_times(&self, z: &Array1<F>, share: F, y: &mut [F]) {
        match &self.rows {
            Rows::Gradients(gradients) => {
                let z = z.mapv(|z| z * share).to_vec();
                combine_rows(gradients.as_slice().unwrap_or_default(), &z, y);
            }
            Rows::Layers(layers) => {
                for (layer, place) in layers.iter().zip(&self.places) {
                    let scaled = &layer.deltas * &z.mapv(|z| z * share).insert_axis(Axis(1));
                    let product = layer.inputs.t().dot(&scaled);
                    for ((i, j), &value) in product.indexed_iter() {
                        y[place.at(i, j)] = value;
                    }
                    if let Some(bias) = place.bias {
                        for (j, &value) in scaled.sum_axis(Axis(0)).iter().enumerate() {
                            y[bias + j] = value;
                        }
                    }
                }
            }
        }
    }
}

impl<F: Scalar> LinearOperator<F> for FisherOperator<F> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        let expected = self.dim;
        for (what, found) in [("the vector", x.len()), ("the product", y.len())] {
            if found != expected {
                return Err(ErrorKind::Size { what, found, expected }.into());
            }
        }
        let z = self.times(x);
        self.transposed_times(&z, F::from_f64(1.0 / self.samples as f64), y);
        Ok(())
    }
}
