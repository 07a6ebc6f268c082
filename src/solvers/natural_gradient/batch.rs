//! Statistics of a batch: gradients of single samples, whole or as the factors that a dense layer
//! makes them of.

use std::marker::PhantomData;
use std::ops::Range;

use ndarray::{Array1, Array2, Array3, ArrayView1, Axis, concatenate};

use super::fisher::FisherKind;
#[cfg(feature = "linalg")]
use super::metric::{invalid, load_arrays, load_places, save_arrays, save_places};
use crate::curvature::LinearOperator;
use crate::error::{Error, ErrorKind};
use crate::params::Flatten;
use crate::scalar::Scalar;
#[cfg(feature = "linalg")]
use crate::state::Record;

/// A dense layer of a batch: its inputs a (n×in) and the gradients δ by its pre-activations (n×out).
///
/// A sample's gradient is aδᵀ by the weight (in×out, as in x·W), δ by the bias. δ is that of single
/// samples: not divided by n.
///
/// ```
/// use ndarray::{Array2, array};
/// use thalweg::solvers::natural_gradient::DenseLayer;
/// let a = array![[1.0, 2.0], [3.0, 4.0]];
/// let layer = DenseLayer::new("weight", a, array![[1.0], [10.0]]).bias("bias");
/// assert_eq!(layer.gradients(), array![[1.0, 2.0, 1.0], [30.0, 40.0, 10.0]]);
/// let (a, g) = layer.kronecker_factors();
/// assert_eq!(a, array![[5.0, 7.0, 2.0], [7.0, 10.0, 3.0], [2.0, 3.0, 1.0]]);
/// assert_eq!(g, array![[50.5]]);
/// ```
#[derive(Debug, Clone)]
pub struct DenseLayer<F> {
    weight: String,
    bias: Option<String>,
    outputs_first: bool,
    inputs: Array2<F>,
    deltas: Array2<F>,
}

impl<F: Scalar> DenseLayer<F> {
    /// A layer without bias, whose weight is the leaf of that name, in×out.
    pub fn new(weight: impl Into<String>, inputs: Array2<F>, deltas: Array2<F>) -> Self {
        let inputs = inputs.as_standard_layout().into_owned();
        let deltas = deltas.as_standard_layout().into_owned();
        Self { weight: weight.into(), bias: None, outputs_first: false, inputs, deltas }
    }

    /// Gives it a bias, the leaf of that name.
    #[must_use]
    pub fn bias(mut self, leaf: impl Into<String>) -> Self {
        self.bias = Some(leaf.into());
        self
    }

    /// Says that the weight is out×in, as in W·x.
    #[must_use]
    pub fn outputs_first(mut self) -> Self {
        self.outputs_first = true;
        self
    }

    /// The inputs, with a last column of ones where there is a bias: n×(in + 1).
    pub fn extended_inputs(&self) -> Array2<F> {
        if self.bias.is_none() {
            return self.inputs.clone();
        }
        let (rows, columns) = self.inputs.dim();
        let mut extended = Array2::ones((rows, columns + 1));
        extended.slice_axis_mut(Axis(1), (..columns).into()).assign(&self.inputs);
        extended
    }

    /// The gradients of single samples, n×((in + 1)·out): of each input the outputs, the bias last.
    pub fn gradients(&self) -> Array2<F> {
        let a = self.extended_inputs();
        let (inputs, outputs) = (a.ncols(), self.deltas.ncols());
        Array2::from_shape_fn((a.nrows(), inputs * outputs), |(sample, at)| {
            a[[sample, at / outputs]] * self.deltas[[sample, at % outputs]]
        })
    }

    /// The blocks of F that belong to a unit and its incoming weights, (1/n) Σ δⱼ²aaᵀ:
    /// out×(in + 1)×(in + 1).
    pub fn unit_blocks(&self) -> Array3<F> {
        let blocks = unit_blocks(self, self.inputs.nrows());
        Array3::from_shape_fn((blocks.len(), self.width(), self.width()), |(unit, i, j)| {
            blocks[unit][[i, j]]
        })
    }

    /// The factors A = (1/n) Σ aaᵀ and G = (1/n) Σ δδᵀ, with F ≈ A⊗G.
    pub fn kronecker_factors(&self) -> (Array2<F>, Array2<F>) {
        let a = self.extended_inputs();
        let share = F::from_f64(1.0 / a.nrows() as f64);
        let g = self.deltas.t().dot(&self.deltas);
        (a.t().dot(&a).mapv_into(|a| a * share), g.mapv_into(|g| g * share))
    }

    /// Inputs, and one more where there is a bias.
    pub(super) fn width(&self) -> usize {
        self.inputs.ncols() + usize::from(self.bias.is_some())
    }

    pub(super) fn inputs(&self) -> &Array2<F> {
        &self.inputs
    }

    pub(super) fn deltas(&self) -> &Array2<F> {
        &self.deltas
    }

    /// The rows of one pass under those of another.
    pub(super) fn stack(above: Vec<Self>, below: Vec<Self>) -> Result<Vec<Self>, Error> {
        let owner = "DenseLayer";
        if above.len() != below.len() {
            let (expected, found) = (vec![above.len()], vec![below.len()]);
            let what = "list of layers of a backward pass";
            return Err(ErrorKind::Shape { owner, what, expected, found }.into());
        }
        let join = |what, a: &Array2<F>, b: &Array2<F>| {
            if a.ncols() != b.ncols() {
                let (expected, found) = (vec![b.nrows(), a.ncols()], b.shape().to_vec());
                return Err(Error::from(ErrorKind::Shape { owner, what, expected, found }));
            }
            Ok(concatenate(Axis(0), &[a.view(), b.view()]).unwrap_or_default())
        };
        let both = above.into_iter().zip(below);
        both.map(|(above, below)| {
            let inputs = join("matrix of inputs", &above.inputs, &below.inputs)?;
            let deltas = join("matrix of deltas", &above.deltas, &below.deltas)?;
            Ok(Self { inputs, deltas, ..above })
        })
        .collect()
    }

    fn check(&self) -> Result<(), Error> {
        let rows = self.inputs.nrows();
        if self.deltas.nrows() != rows {
            let (expected, found) = (vec![rows, self.deltas.ncols()], self.deltas.shape().to_vec());
            let (owner, what) = ("DenseLayer", "matrix of deltas");
            return Err(ErrorKind::Shape { owner, what, expected, found }.into());
        }
        check_finite("an input of a layer", self.inputs.iter())?;
        check_finite("a delta of a layer", self.deltas.iter())
    }

    /// Where its parameters lie in the flat vector.
    pub(super) fn place(&self, layout: &Flatten) -> Result<Place, Error> {
        let (inputs, outputs) = (self.inputs.ncols(), self.deltas.ncols());
        let shape = if self.outputs_first { [outputs, inputs] } else { [inputs, outputs] };
        let weight = find(layout, &self.weight, &shape)?;
        let bias = match &self.bias {
            Some(bias) => Some(find(layout, bias, &[outputs])?.start),
            None => None,
        };
        Ok(Place { weight: weight.start, bias, inputs, outputs, outputs_first: self.outputs_first })
    }
}

/// Σ δⱼ²aaᵀ over the rows, divided by the samples.
pub(super) fn unit_blocks<F: Scalar>(layer: &DenseLayer<F>, samples: usize) -> Vec<Array2<F>> {
    let a = layer.extended_inputs();
    let share = F::from_f64(1.0 / samples as f64).sqrt();
    let block = |deltas: ArrayView1<'_, F>| {
        let scaled = &a * &deltas.mapv(|d| d * share).insert_axis(Axis(1));
        scaled.t().dot(&scaled)
    };
    layer.deltas.columns().into_iter().map(block).collect()
}

fn find(layout: &Flatten, leaf: &str, expected: &[usize]) -> Result<Range<usize>, Error> {
    let Some((_, found, range)) = layout.leaves().find(|(name, ..)| *name == leaf) else {
        let known = layout.leaves().map(|(name, ..)| name.to_owned()).collect();
        return Err(ErrorKind::UnknownLeaf { leaf: leaf.to_owned(), known }.into());
    };
    if found != expected {
        // The bias of a model may be a row.
        let (owner, what) = ("DenseLayer", "parameter of a layer");
        let (expected, found) = (expected.to_vec(), found.to_vec());
        return Err(ErrorKind::Shape { owner, what, expected, found }.into());
    }
    Ok(range)
}

/// Where the parameters of a layer lie in a flat vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) weight: usize,
    pub(super) bias: Option<usize>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) outputs_first: bool,
}

impl Place {
    pub(super) fn width(&self) -> usize {
        self.inputs + usize::from(self.bias.is_some())
    }

    /// The place of the element of that input and output; the input after the last is the bias.
    #[inline]
    pub(super) fn at(&self, input: usize, output: usize) -> usize {
        match self.bias {
            Some(bias) if input == self.inputs => bias + output,
            _ if self.outputs_first => self.weight + output * self.inputs + input,
            _ => self.weight + input * self.outputs + output,
        }
    }

    /// The layer's part of a flat vector, (in + 1)×out.
    pub(super) fn gather<F: Scalar>(&self, flat: &[F]) -> Array2<f64> {
        Array2::from_shape_fn((self.width(), self.outputs), |(i, j)| flat[self.at(i, j)].into_f64())
    }

    pub(super) fn scatter<F: Scalar>(&self, part: &Array2<f64>, flat: &mut [F]) {
        for ((i, j), &value) in part.indexed_iter() {
            flat[self.at(i, j)] = F::from_f64(value);
        }
    }
}

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
        let gradients = if gradients.is_standard_layout() {
            gradients
        } else {
            gradients.as_standard_layout().into_owned()
        };
        check_finite("a sample's gradient", gradients.iter())?;
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
    pub(super) fn stacked(samples: usize, layers: Vec<DenseLayer<F>>) -> Result<Self, Error> {
        let rows = layers.first().map_or(0, |layer| layer.inputs.nrows());
        if samples == 0 || rows == 0 {
            return Err(ErrorKind::EmptyBatch { owner: "Batch" }.into());
        }
        for layer in &layers {
            layer.check()?;
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
        record.count("metric.dim", self.dim as u64);
        record.count("metric.samples", self.samples as u64);
        let wide = |array: &Array2<F>| array.mapv(F::into_f64);
        let arrays: Vec<Array2<f64>> = match &self.rows {
            Rows::Gradients(gradients) => vec![wide(gradients)],
            Rows::Layers(layers) => {
                layers.iter().flat_map(|layer| [wide(&layer.inputs), wide(&layer.deltas)]).collect()
            }
        };
        save_places(record, &self.places);
        save_arrays(record, "metric.rows", &arrays);
    }

    #[cfg(feature = "linalg")]
    pub(super) fn load(record: &Record) -> Result<Self, Error> {
        let places = load_places(record)?;
        let arrays: Vec<Array2<F>> = load_arrays(record, "metric.rows")?
            .into_iter()
            .map(|array| array.mapv(F::from_f64))
            .collect();
        let rows = match (&places[..], &arrays[..]) {
            ([], [gradients]) => Rows::Gradients(gradients.clone()),
            (places, arrays) if 2 * places.len() == arrays.len() => {
                let layer = |(place, pair): (&Place, &[Array2<F>])| DenseLayer {
                    weight: String::new(),
                    bias: place.bias.map(|_| String::new()),
                    outputs_first: place.outputs_first,
                    inputs: pair[0].clone(),
                    deltas: pair[1].clone(),
                };
                Rows::Layers(places.iter().zip(arrays.chunks(2)).map(layer).collect())
            }
            _ => return Err(invalid("metric.rows")),
        };
        let dim = record.get_count("metric.dim")? as usize;
        let samples = record.get_count("metric.samples")? as usize;
        Ok(Self { dim, samples, rows, places })
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
            Rows::Gradients(gradients) => gradients.dot(&gradients.t()),
            Rows::Layers(layers) => {
                let mut gram = Array2::zeros((self.rows(), self.rows()));
                for layer in layers {
                    let one = if layer.bias.is_some() { F::one() } else { F::zero() };
                    let aa = layer.inputs.dot(&layer.inputs.t());
                    let dd = layer.deltas.dot(&layer.deltas.t());
                    gram.zip_mut_with(&(aa.mapv_into(|a| a + one) * dd), |sum, &part| {
                        *sum = *sum + part
                    });
                }
                gram
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
                let product = gradients.t().dot(&z.mapv(|z| z * share));
                y.iter_mut().zip(&product).for_each(|(y, &product)| *y = product);
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
        let z = self.times(x);
        self.transposed_times(&z, F::from_f64(1.0 / self.samples as f64), y);
        Ok(())
    }
}

/// An error that names the first statistic that is NaN or infinite.
pub(super) fn check_finite<'a, F: Scalar>(
    what: &'static str,
    mut values: impl Iterator<Item = &'a F>,
) -> Result<(), Error> {
    let mut index = 0;
    match values.find(|value| {
        index += 1;
        !value.is_finite()
    }) {
        None => Ok(()),
        Some(value) => {
            let value = value.into_f64();
            Err(ErrorKind::NonFiniteStatistic { what, index: index - 1, value }.into())
        }
    }
}
