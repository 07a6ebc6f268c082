//! A dense layer of a batch, and where its parameters lie.

use std::ops::Range;

use ndarray::{
    Array2, Array3, ArrayRef2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, ShapeBuilder,
    concatenate,
};

use crate::error::{Error, ErrorKind};
use crate::params::Flatten;
use crate::scalar::Scalar;

/// A dense layer of a batch: its inputs a (n×in) and the gradients δ by its pre-activations (n×out).
///
/// A sample's gradient is aδᵀ by the weight (in×out, as in x·W), δ by the bias. δ is that of single
/// samples: not divided by n.
///
/// ```
/// use ndarray::{Array2, array};
/// use thalweg::natural_gradient::DenseLayer;
/// let a = array![[1.0, 2.0], [3.0, 4.0]];
/// let layer = DenseLayer::new("weight", a, array![[1.0], [10.0]]).bias("bias");
/// assert_eq!(layer.gradients(), array![[1.0, 2.0, 1.0], [30.0, 40.0, 10.0]]);
/// let (a, g) = layer.kronecker_factors();
/// assert_eq!(a, array![[5.0, 7.0, 2.0], [7.0, 10.0, 3.0], [2.0, 3.0, 1.0]]);
/// assert_eq!(g, array![[50.5]]);
/// ```
#[derive(Debug, Clone)]
pub struct DenseLayer<F> {
    pub(super) weight: String,
    pub(super) bias: Option<String>,
    pub(super) outputs_first: bool,
    pub(super) inputs: Array2<F>,
    pub(super) deltas: Array2<F>,
}

impl<F: Scalar> DenseLayer<F> {
    /// A layer without bias, whose weight is the leaf of that name, in×out.
    pub fn new(weight: impl Into<String>, inputs: Array2<F>, deltas: Array2<F>) -> Self {
        let (inputs, deltas) = (row_major(inputs), row_major(deltas));
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

    pub(super) fn check(&self) -> Result<(), Error> {
        let rows = self.inputs.nrows();
        if self.deltas.nrows() != rows {
            let (expected, found) = (vec![rows, self.deltas.ncols()], self.deltas.shape().to_vec());
            let (owner, what) = ("DenseLayer", "matrix of deltas");
            return Err(ErrorKind::Shape { owner, what, expected, found }.into());
        }
        check_finite("an input of a layer", &self.inputs)?;
        check_finite("a delta of a layer", &self.deltas)
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

    /// Whether all its elements are there in a vector of `dim`.
    pub(super) fn lies_within(&self, dim: usize) -> bool {
        let ends = |start: usize, len: usize| start.checked_add(len).is_some_and(|end| end <= dim);
        let weights = self.inputs.checked_mul(self.outputs);
        weights.is_some_and(|weights| ends(self.weight, weights))
            && self.bias.is_none_or(|bias| ends(bias, self.outputs))
    }

    /// The weights in a flat vector that it lies within, in×out.
    pub(super) fn weights<'a, F>(&self, flat: &'a [F]) -> Option<ArrayView2<'a, F>> {
        let part = flat.get(self.weight..self.weight + self.inputs * self.outputs)?;
        ArrayView2::from_shape((self.inputs, self.outputs).set_f(self.outputs_first), part).ok()
    }

    pub(super) fn weights_mut<'a, F>(&self, flat: &'a mut [F]) -> Option<ArrayViewMut2<'a, F>> {
        let part = flat.get_mut(self.weight..self.weight + self.inputs * self.outputs)?;
        ArrayViewMut2::from_shape((self.inputs, self.outputs).set_f(self.outputs_first), part).ok()
    }

    /// The biases in a flat vector.
    pub(super) fn biases<'a, F>(&self, flat: &'a [F]) -> Option<&'a [F]> {
        flat.get(self.bias?..)?.get(..self.outputs)
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

/// Copied only where it must be.
pub(super) fn row_major<F: Scalar>(array: Array2<F>) -> Array2<F> {
    if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() }
}

/// Makes 0 of what has a square without digits: products of subnormal numbers are slow.
pub(super) fn drop_tiny<F: Scalar>(values: &mut Array2<F>) {
    let least = (F::min_positive_value() / F::epsilon()).sqrt();
    values.mapv_inplace(|value| if value.abs() < least { F::zero() } else { value });
}

/// An error that names the first statistic that is NaN or infinite.
pub(super) fn check_finite<F: Scalar>(
    what: &'static str,
    values: &ArrayRef2<F>,
) -> Result<(), Error> {
    // Without a way out the loop is vectorized.
    let all = |values: &[F]| values.iter().fold(true, |all, value| all & value.is_finite());
    if values.as_slice_memory_order().is_some_and(all) {
        return Ok(());
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => {
            let value = values.iter().nth(index).map_or(f64::NAN, |value| value.into_f64());
            Err(ErrorKind::NonFiniteStatistic { what, index, value }.into())
        }
    }
}
