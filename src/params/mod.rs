//! Parameters as a tree of named arrays: what a step reads and writes.
//!
//! Any `ndarray` array or view is a tree of one leaf. References, tuples, arrays, slices, `Vec`,
//! `Option`, `Box`, `BTreeMap<String, _>` and a struct after [`params!`](crate::params!) join trees
//! into larger ones; their keys join by dots into the leaf's name. The parameters and the gradients
//! of a step must have the same names and shapes; they may differ in type and in memory layout. The gradient of
//! a table of which few rows are touched is [`Rows`].

mod bounds;
mod containers;
mod flatten;
mod leaf;
mod macros;
mod order;
mod path;
mod pattern;
mod roster;
mod rows;
mod snapshot;

pub(crate) use bounds::Walls;
pub use bounds::{Bounds, Side};
pub use flatten::Flatten;
pub use leaf::{Leaf, LeafMut};
pub(crate) use order::{Fit, Order};
pub use path::Path;
pub use pattern::Pattern;
pub(crate) use roster::{Entry, Roster};
pub(crate) use rows::summed;
pub use rows::{HasRowNumbers, RowNumber, RowNumbers, Rows};
pub use snapshot::Snapshot;
pub(crate) use snapshot::{copy_of, pairs, pairs_mut};

use crate::scalar::Scalar;

/// A tree of named arrays to read, such as the gradients of a model.
///
/// Implement it by [`params!`](crate::params!), or by hand for a container of your own:
///
/// ```
/// use ndarray::Array1;
/// use thalweg::params::{Leaf, Params, Path};
///
/// struct Shared(std::rc::Rc<Array1<f32>>);
/// impl Params<f32> for Shared {
///     fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<f32>)) {
///         self.0.visit(path, visit);
///     }
/// }
///
/// let mut names = Vec::new();
/// let tree = (Shared(Array1::zeros(3).into()), Array1::zeros(2));
/// tree.visit(Path::ROOT, &mut |path, leaf| names.push((path.to_string(), leaf.shape().to_vec())));
/// assert_eq!(names, [("0".to_string(), vec![3]), ("1".to_string(), vec![2])]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tree of arrays of `{F}`",
    note = "arrays and views of `ndarray` are; references, tuples, arrays and `Vec`s of such; structs after `thalweg::params!`",
    note = "numbers in a slice are one as `ndarray::ArrayView1::from(slice)`"
)]
pub trait Params<F: Scalar> {
    /// Calls `visit` once for each leaf, in an order that does not change from call to call.
    ///
    /// `path` is this tree's own path: a container extends it by the key of each child.
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>));
}

/// A tree of named arrays to write: the parameters of a model.
///
/// [`visit_mut`](ParamsMut::visit_mut) must visit the same leaves as [`Params::visit`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tree of arrays of `{F}` to write to",
    note = "owned arrays and mutable views of `ndarray` are; tuples, arrays and `Vec`s of such; structs after `thalweg::params!`",
    note = "numbers in a slice are one as `ndarray::ArrayViewMut1::from(slice)`"
)]
pub trait ParamsMut<F: Scalar>: Params<F> {
    /// Calls `visit` once for each leaf, in the order of [`Params::visit`].
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    );
}
