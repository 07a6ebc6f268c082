//! Parameters as a tree of named arrays: what a step reads and writes.
//!
//! Any `ndarray` array or view is a tree of one leaf; so is a number, without axes, and a row of numbers in a
//! `Vec`, an array or a slice, of one axis. References, tuples, arrays, slices, `Vec`,
//! `Option`, `Box`, `BTreeMap<String, _>` and a struct with `#[derive(Params)]` or after
//! [`params!`](crate::params!) join trees into larger ones; their keys join by dots into the leaf's name. The parameters and the gradients
//! of a step must have the same names and shapes; they may differ in type and in memory layout. With the feature `half`,
//! arrays of `half::bf16` and `half::f16` stand in trees of `f32`. The gradient of a table of which few rows are
//! touched is [`Rows`].

mod bounds;
mod containers;
mod flatten;
mod gradients;
mod leaf;
mod macros;
mod order;
mod path;
mod pattern;
mod roster;
mod rows;
#[cfg(feature = "half")]
mod sixteen;
mod slices;
mod snapshot;
mod summed;

pub(crate) use bounds::Walls;
pub use bounds::{Bounds, Side};
pub use flatten::Flatten;
pub(crate) use gradients::{Gradients, Taken};
pub use leaf::{Leaf, LeafMut};
#[doc(hidden)]
pub use macros::{Field, FieldOfAnotherType, TheNumberOfTheList, key};
pub(crate) use order::{Fit, Order};
pub use path::Path;
pub use pattern::Pattern;
pub(crate) use roster::{Entry, Roster, matches_nothing};
pub(crate) use rows::summed;
pub use rows::{HasRowNumbers, RowNumber, RowNumbers, Rows};
#[doc(hidden)]
pub use slices::{Items, ItemsMut};
pub use snapshot::Snapshot;
pub(crate) use snapshot::{by_copy, copy_of, pairs, pairs_mut};
pub(crate) use summed::{Room, Summed};

/// Makes a struct or an enum of arrays a tree of parameters: implements
/// [`Params`](trait@Params) and [`ParamsMut`].
///
/// Each field is trained, and must be a tree itself: an array of any rank, a view, a `Vec` of layers, an
/// `Option`, another such struct. Whether it is of `f32` or `f64` follows from the types.
///
/// ```
/// use ndarray::{Array1, Array2};
/// use thalweg::{AdamW, Optimizer, Params};
///
/// #[derive(Params)]
/// struct Layer {
///     weight: Array2<f64>,
///     bias: Array1<f64>,
/// }
///
/// #[derive(Params)]
/// struct Mlp {
///     layers: Vec<Layer>,
///     #[params(skip)]
///     name: String,
/// }
///
/// let layer = || Layer { weight: Array2::ones((3, 2)), bias: Array1::ones(2) };
/// let mut model = Mlp { layers: vec![layer(), layer()], name: "small".into() };
/// let gradient = Mlp { layers: vec![layer(), layer()], name: String::new() };
/// AdamW::new(1e-2).group("*.bias", |g| g.weight_decay(0.0)).step(&mut model, &gradient)?;
/// assert!(model.layers[1].weight[[2, 1]] < 1.0);
/// # let _ = model.name;
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Names
/// A leaf's name is made of the keys on the way to it, as `serde` would write them: `layers.1.weight`.
///
/// | | key |
/// |---|---|
/// | a named field | its name |
/// | a field of a tuple struct | its number, or none if it is the only one |
/// | a field of a variant | the variant's name, then the field's |
/// | a variant or a field with `#[params(rename = "kernel")]` | `kernel` |
///
/// An optimizer keeps its state by these names. An enum that has become another variant has other leaves,
/// and the next step is an error that names both.
///
/// ```
/// use ndarray::{Array1, ArrayView1};
/// use thalweg::Params;
/// use thalweg::params::Flatten;
///
/// #[derive(Params)]
/// enum Activation<F> {
///     Relu,
///     PRelu { slope: Array1<F> },
///     Spline(#[params(rename = "knots")] Array1<F>),
/// }
///
/// #[derive(Params)]
/// struct Views<'a>(ArrayView1<'a, f32>, ArrayView1<'a, f32>);
///
/// let names = |tree: &dyn Params<f32>| -> Result<Vec<String>, thalweg::Error> {
///     Ok(Flatten::of(tree)?.leaves().map(|(name, ..)| name.to_string()).collect())
/// };
/// assert_eq!(names(&Activation::PRelu { slope: Array1::<f32>::zeros(3) })?, ["PRelu.slope"]);
/// assert_eq!(names(&Activation::Spline(Array1::<f32>::zeros(3)))?, ["Spline.knots"]);
/// assert!(names(&Activation::<f32>::Relu).is_err()); // without a leaf
/// assert_eq!(names(&Views((&[1.0]).into(), (&[2.0]).into()))?, ["0", "1"]);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// A field that is no tree is an error at the field:
///
/// ```compile_fail
/// #[derive(thalweg::Params)]
/// struct Layer {
///     weight: ndarray::Array2<f64>,
///     name: String, // `String` is no tree of arrays of `f64`; `#[params(skip)]` leaves it out
/// }
/// ```
///
/// A type that holds itself (`children: Vec<Node>`) works too. A crate that has thalweg under another name says
/// so by `#[params(crate = "::name")]` at the type.
#[cfg(feature = "derive")]
pub use thalweg_derive::Params;

use crate::scalar::Scalar;

/// A tree of named arrays to read, such as the gradients of a model.
///
/// Implement it by `#[derive(Params)]`, by [`params!`](crate::params!), or by hand for a container of your own:
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
/// let tree = (Shared(Array1::zeros(3).into()), Array1::<f32>::zeros(2));
/// tree.visit(Path::ROOT, &mut |path, leaf| names.push((path.to_string(), leaf.shape().to_vec())));
/// assert_eq!(names, [("0".to_string(), vec![3]), ("1".to_string(), vec![2])]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tree of arrays of `{F}`",
    note = "arrays and views of `ndarray` are; references, tuples, arrays and `Vec`s of such; structs with `#[derive(thalweg::Params)]`",
    note = "parameters and gradients have one precision: all of them are `f32`, or all of them `f64`",
    note = "a field that is not trained is left out by `#[params(skip)]`",
    note = "so are numbers, and rows of numbers: `f64`, `Vec<f64>`, `[f64; 3]`, `&[f64]`",
    note = "a `BTreeMap<String, _>` is a tree of what it has; a `HashMap` has no order",
    note = "a vector or matrix of another crate, or of another `ndarray` than 0.17, is one as a slice: `w.as_slice()`",
    note = "with the feature `half`, arrays of `half::bf16` and `half::f16` are trees of `f32`"
)]
#[cfg_attr(
    not(feature = "derive"),
    diagnostic::on_unimplemented(
        note = "`#[derive(Params)]` takes thalweg's feature `derive`, which is off; without it write `thalweg::params!(Name {{ field, .. }})`"
    )
)]
pub trait Params<F: Scalar> {
    /// Calls `visit` once for each leaf, in an order that does not change from call to call.
    ///
    /// `path` is this tree's own path: a container extends it by the key of each child.
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>));

    /// Visits each of a row of such trees: numbers are one leaf together.
    #[doc(hidden)]
    fn visit_items<'a, C: Items<Self>>(
        items: &'a C,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>),
    ) where
        Self: Sized + 'a,
    {
        for (i, item) in items.items().iter().enumerate() {
            item.visit(path.index(i), visit);
        }
    }
}

/// A tree of named arrays to write: the parameters of a model.
///
/// [`visit_mut`](ParamsMut::visit_mut) must visit the same leaves as [`Params::visit`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tree of arrays of `{F}` to write to",
    note = "owned arrays and mutable views of `ndarray` are; tuples, arrays and `Vec`s of such; structs with `#[derive(thalweg::Params)]`",
    note = "so are numbers, and rows of numbers: `f64`, `Vec<f64>`, `[f64; 3]`, `&mut [f64]`",
    note = "a `BTreeMap<String, _>` is a tree of what it has; a `HashMap` has no order",
    note = "a vector or matrix of another crate, or of another `ndarray` than 0.17, is one as a slice: `w.as_mut_slice()`"
)]
#[cfg_attr(
    not(feature = "derive"),
    diagnostic::on_unimplemented(
        note = "`#[derive(Params)]` takes thalweg's feature `derive`, which is off; without it write `thalweg::params!(Name {{ field, .. }})`"
    )
)]
pub trait ParamsMut<F: Scalar>: Params<F> {
    /// Calls `visit` once for each leaf, in the order of [`Params::visit`].
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    );

    /// As [`Params::visit_items`], to write.
    #[doc(hidden)]
    fn visit_items_mut<'a, C: ItemsMut<Self>>(
        items: &'a mut C,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    ) where
        Self: Sized + 'a,
    {
        for (i, item) in items.items_mut().iter_mut().enumerate() {
            item.visit_mut(path.index(i), visit);
        }
    }
}
