//! The gradient of a matrix of which a step touches few rows.

use std::collections::BTreeMap;

use ndarray::{
    Array, ArrayBase, ArrayD, ArrayView1, ArrayView5, ArrayView6, ArrayViewD, ArrayViewMut5,
    ArrayViewMut6, ArrayViewMutD, Axis, Data, DataMut, Dimension, Ix1, RemoveAxis,
};

use super::{Leaf, LeafMut, Params, ParamsMut, Path};
use crate::error::{Error, ErrorKind};
use crate::scalar::Scalar;

/// What contradicts the view of a leaf of rows where a whole array is asked for.
pub(crate) const HOLDS_ROWS: &str = "it holds rows of an array, and not the array";

/// The gradient of a table by the rows that it touches: an embedding, a lookup table, a factor of a
/// matrix, or a vector of weights of which an example has few.
///
/// It stands in the tree of gradients where the array would: as one leaf beside others, which may be
/// arrays. For a parameter of shape n × …, `rows` are k numbers below n, and `values` has the shape k × …:
/// its i-th row is added to the gradient of row `rows[i]`. A row may come several times; its values are
/// summed in the order in which they come. All other rows have no gradient: neither they nor their
/// state are read, and a step takes the time of the rows that it touches. What becomes of the others says
/// [`Untouched`](crate::Untouched).
///
/// The numbers may be `usize` or `u32`, in a `Vec`, a slice or an array; the values an array or a view.
/// [`Elementwise`](crate::Elementwise), all rules of the crate that is, takes it, and so do wrappers
/// that hand gradients on. What needs whole arrays says so by an error
/// ([`ErrorKind::WholeArrays`]): [`to_array`](Rows::to_array) makes one. The page
/// [`guide::sparse`](crate::guide::sparse) has the details.
///
/// ```
/// use ndarray::{Array2, array};
/// use thalweg::params::Rows;
/// use thalweg::{Adam, Optimizer};
///
/// let mut table = Array2::<f32>::zeros((1000, 2));
/// let gradient = Rows { rows: vec![7_usize, 3, 7], values: array![[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]] };
/// Adam::new(0.1).step(&mut table, &gradient)?;
/// assert!((table[[7, 0]] + 0.1).abs() < 1e-6 && (table[[3, 1]] + 0.1).abs() < 1e-6);
/// assert_eq!(table.iter().filter(|&&w| w != 0.0).count(), 2);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<R, V> {
    /// The number of each row, from 0.
    pub rows: R,
    /// The gradient of each, in the same order.
    pub values: V,
}

/// The numbers of rows, as a leaf lends them.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum RowNumbers<'a> {
    /// As `usize`.
    Usize(ArrayView1<'a, usize>),
    /// As `u32`.
    U32(ArrayView1<'a, u32>),
}

impl RowNumbers<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            RowNumbers::Usize(numbers) => numbers.len(),
            RowNumbers::U32(numbers) => numbers.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one at that place.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn at(&self, place: usize) -> usize {
        match self {
            RowNumbers::Usize(numbers) => numbers[place],
            RowNumbers::U32(numbers) => numbers[place] as usize,
        }
    }

    /// Appends all of them.
    pub(crate) fn append_to(&self, rows: &mut Vec<usize>) {
        match self {
            RowNumbers::Usize(numbers) => match numbers.as_slice() {
                Some(numbers) => rows.extend_from_slice(numbers),
                None => rows.extend(numbers),
            },
            RowNumbers::U32(numbers) => match numbers.as_slice() {
                Some(numbers) => rows.extend(numbers.iter().map(|&number| number as usize)),
                None => rows.extend(numbers.iter().map(|&number| number as usize)),
            },
        }
    }

    /// Calls `each` with one after the other.
    pub(crate) fn for_each(&self, mut each: impl FnMut(usize)) {
        match self {
            RowNumbers::Usize(numbers) => numbers.iter().for_each(|&number| each(number)),
            RowNumbers::U32(numbers) => numbers.iter().for_each(|&number| each(number as usize)),
        }
    }
}

/// What can hold the numbers of rows: slices, arrays, `Vec`s and one-dimensional arrays of `ndarray`, of `usize`
/// or `u32`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` holds no numbers of rows",
    note = "a `Vec`, a slice or a one-dimensional array of `usize` or `u32` does"
)]
pub trait HasRowNumbers {
    /// Lends them.
    fn row_numbers(&self) -> RowNumbers<'_>;
}

/// What a number of a row may be: `usize` or `u32`.
pub trait RowNumber: sealed::Sealed + Sized {
    #[doc(hidden)]
    fn lend(numbers: ArrayView1<'_, Self>) -> RowNumbers<'_>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for usize {}
    impl Sealed for u32 {}
}

impl RowNumber for usize {
    fn lend(numbers: ArrayView1<'_, Self>) -> RowNumbers<'_> {
        RowNumbers::Usize(numbers)
    }
}

impl RowNumber for u32 {
    fn lend(numbers: ArrayView1<'_, Self>) -> RowNumbers<'_> {
        RowNumbers::U32(numbers)
    }
}

impl<I: RowNumber> HasRowNumbers for [I] {
    fn row_numbers(&self) -> RowNumbers<'_> {
        I::lend(ArrayView1::from(self))
    }
}

impl<I: RowNumber> HasRowNumbers for Vec<I> {
    fn row_numbers(&self) -> RowNumbers<'_> {
        self.as_slice().row_numbers()
    }
}

impl<I: RowNumber, const N: usize> HasRowNumbers for [I; N] {
    fn row_numbers(&self) -> RowNumbers<'_> {
        self.as_slice().row_numbers()
    }
}

impl<I: RowNumber, S: Data<Elem = I>> HasRowNumbers for ArrayBase<S, Ix1> {
    fn row_numbers(&self) -> RowNumbers<'_> {
        I::lend(self.view())
    }
}

impl<T: HasRowNumbers + ?Sized> HasRowNumbers for &T {
    fn row_numbers(&self) -> RowNumbers<'_> {
        (**self).row_numbers()
    }
}

impl<F, R, S, D> Rows<R, ArrayBase<S, D>>
where
    F: Scalar,
    R: HasRowNumbers,
    S: Data<Elem = F>,
    D: Dimension + RemoveAxis,
{
    /// The gradient as a whole array of so many rows: 0 where there is none.
    ///
    /// # Errors
    /// [`ErrorKind::RowsShape`] unless there is a row of values for each number, and
    /// [`ErrorKind::RowOutOfRange`].
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::params::Rows;
    /// let rows = Rows { rows: [2_u32, 0, 2], values: array![[1.0], [2.0], [3.0]] };
    /// assert_eq!(rows.to_array(4)?, array![[2.0], [0.0], [4.0], [0.0]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn to_array(&self, len: usize) -> Result<Array<F, D>, Error> {
        let numbers = self.rows.row_numbers();
        let mut shape = self.values.raw_dim();
        if self.values.ndim() > 0 {
            shape[0] = len;
        }
        if !fits(&numbers, self.values.shape(), shape.slice()) {
            return Err(misfit(String::new(), &numbers, self.values.shape(), shape.slice()));
        }
        let mut array = Array::from_elem(shape, F::zero());
        for (place, values) in self.values.outer_iter().enumerate() {
            let row = numbers.at(place);
            if row >= len {
                let leaf = String::new();
                return Err(ErrorKind::RowOutOfRange { leaf, row, rows: len }.into());
            }
            array.index_axis_mut(Axis(0), row).zip_mut_with(&values, |to, &from| *to = *to + from);
        }
        Ok(array)
    }
}

/// The rows of a leaf, each once, and the sum of its gradients; slow.
pub(crate) fn summed<F: Scalar>(
    leaf: &dyn Leaf<F>,
    numbers: &RowNumbers<'_>,
) -> BTreeMap<usize, ArrayD<F>> {
    let mut sums: BTreeMap<usize, ArrayD<F>> = BTreeMap::new();
    for (place, values) in leaf.view().outer_iter().enumerate().take(numbers.len()) {
        let sum = sums.entry(numbers.at(place));
        sum.and_modify(|sum| sum.zip_mut_with(&values, |sum, &value| *sum = *sum + value))
            .or_insert_with(|| values.to_owned());
    }
    sums
}

/// Whether so many rows of values of that shape are rows of a parameter.
pub(crate) fn fits(numbers: &RowNumbers<'_>, values: &[usize], parameter: &[usize]) -> bool {
    !parameter.is_empty() && values.first() == Some(&numbers.len()) && values[1..] == parameter[1..]
}

/// The error of those that are not.
pub(crate) fn misfit(
    leaf: String,
    numbers: &RowNumbers<'_>,
    values: &[usize],
    parameter: &[usize],
) -> Error {
    let (parameter, rows, values) = (parameter.to_vec(), numbers.len(), values.to_vec());
    ErrorKind::RowsShape { leaf, parameter, rows, values }.into()
}

/// Shape and view are those of the values, and it is no array of the parameter's: whoever does not ask for
/// [`rows`](Leaf::rows) refuses it.
impl<F, R, S, D> Leaf<F> for Rows<R, ArrayBase<S, D>>
where
    F: Scalar,
    R: HasRowNumbers,
    S: Data<Elem = F>,
    D: Dimension,
{
    fn shape(&self) -> &[usize] {
        self.values.shape()
    }

    /// None: rows that are strewn over an array have no stride.
    fn strides(&self) -> &[isize] {
        &[]
    }

    fn as_slice(&self) -> Option<&[F]> {
        Leaf::as_slice(&self.values)
    }

    fn view(&self) -> ArrayViewD<'_, F> {
        Leaf::view(&self.values)
    }

    fn rows(&self) -> Option<RowNumbers<'_>> {
        Some(self.rows.row_numbers())
    }

    fn fixed_rank(&self) -> Option<usize> {
        self.values.fixed_rank()
    }

    fn five(&self) -> Option<ArrayView5<'_, F>> {
        self.values.five()
    }

    fn six(&self) -> Option<ArrayView6<'_, F>> {
        self.values.six()
    }

    fn contradiction(&self) -> Option<&'static str> {
        Some(HOLDS_ROWS)
    }
}

impl<F, R, S, D> LeafMut<F> for Rows<R, ArrayBase<S, D>>
where
    F: Scalar,
    R: HasRowNumbers,
    S: DataMut<Elem = F>,
    D: Dimension,
{
    fn as_slice_mut(&mut self) -> Option<&mut [F]> {
        LeafMut::as_slice_mut(&mut self.values)
    }

    fn view_mut(&mut self) -> ArrayViewMutD<'_, F> {
        LeafMut::view_mut(&mut self.values)
    }

    fn five_mut(&mut self) -> Option<ArrayViewMut5<'_, F>> {
        self.values.five_mut()
    }

    fn six_mut(&mut self) -> Option<ArrayViewMut6<'_, F>> {
        self.values.six_mut()
    }

    fn contradiction_mut(&mut self) -> Option<&'static str> {
        Some(HOLDS_ROWS)
    }
}

impl<F, R, S, D> Params<F> for Rows<R, ArrayBase<S, D>>
where
    F: Scalar,
    R: HasRowNumbers,
    S: Data<Elem = F>,
    D: Dimension,
{
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        visit(path, self);
    }
}

/// Only so that a struct of gradients can be listed by [`params!`](crate::params!): no optimizer takes rows
/// for its parameters.
impl<F, R, S, D> ParamsMut<F> for Rows<R, ArrayBase<S, D>>
where
    F: Scalar,
    R: HasRowNumbers,
    S: DataMut<Elem = F>,
    D: Dimension,
{
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    ) {
        visit(path, self);
    }
}
