//! What closures may answer: what is asked for, or a `Result` of it.

use ndarray::Array2;

use super::flat::FlatMut;
use crate::error::Error;
use crate::params::Params;
use crate::scalar::Scalar;

/// What a closure says of a function at a point: value and gradient, or a `Result` of them, whose error
/// ends the minimization and is the [`source`](std::error::Error::source) of the one that it returns.
///
/// ```
/// use std::error::Error as _;
/// use std::fmt;
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{Lbfgs, Stop, minimize};
///
/// #[derive(Debug, PartialEq)]
/// struct Lost;
/// impl fmt::Display for Lost {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("the simulation is lost")
///     }
/// }
/// impl std::error::Error for Lost {}
///
/// let mut objective =
///     |w: &Array1<f64>| if w[0] < 0.5 { Err(Lost) } else { Ok((w.dot(w), 2.0 * w)) };
/// let mut w = array![1.0, 2.0];
/// let error = minimize(&mut Lbfgs::new(), &mut w, &mut objective, Stop::default()).unwrap_err();
/// assert_eq!(error.source().and_then(|source| source.downcast_ref()), Some(&Lost));
/// assert_eq!(w, array![1.0, 2.0]);
/// ```
#[diagnostic::on_unimplemented(
    message = "an objective says value and gradient, `(value, gradient)`, and this one says `{Self}`",
    note = "a function of which only the value is known is one as `thalweg::solvers::CentralDifferences::new(function)`",
    note = "a closure that may fail says `Result<(value, gradient), E>`"
)]
pub trait Evaluation<F: Scalar> {
    /// The value; the gradient is written into `gradient`.
    ///
    /// # Errors
    /// The closure's own, and a gradient of other leaves than the parameters.
    fn write_to(self, gradient: &mut FlatMut<'_, F>) -> Result<f64, Error>;
}

impl<F: Scalar, V: Into<f64>, G: Params<F>> Evaluation<F> for (V, G) {
    fn write_to(self, gradient: &mut FlatMut<'_, F>) -> Result<f64, Error> {
        gradient.set(&self.1)?;
        Ok(self.0.into())
    }
}

impl<F, V, G, E> Evaluation<F> for Result<(V, G), E>
where
    F: Scalar,
    V: Into<f64>,
    G: Params<F>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn write_to(self, gradient: &mut FlatMut<'_, F>) -> Result<f64, Error> {
        self.map_err(Error::other)?.write_to(gradient)
    }
}

/// What a closure says that gives a value alone: a number, or a `Result` of one.
pub trait Value {
    /// The value.
    ///
    /// # Errors
    /// The closure's own.
    fn value(self) -> Result<f64, Error>;
}

impl Value for f64 {
    fn value(self) -> Result<f64, Error> {
        Ok(self)
    }
}

impl Value for f32 {
    fn value(self) -> Result<f64, Error> {
        Ok(self.into())
    }
}

impl<V, E> Value for Result<V, E>
where
    V: Into<f64>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn value(self) -> Result<f64, Error> {
        self.map(Into::into).map_err(Error::other)
    }
}

/// What a closure says that gives a tree: the tree, or a `Result` of it. `K` tells them apart, and is
/// found by the compiler.
pub trait Product<F: Scalar, K> {
    /// Writes the tree.
    ///
    /// # Errors
    /// The closure's own, and a tree of other leaves than the parameters.
    fn write_to(self, product: &mut FlatMut<'_, F>) -> Result<(), Error>;
}

/// A tree.
#[derive(Debug, Clone, Copy)]
pub enum Plain {}

/// A `Result` of a tree.
#[derive(Debug, Clone, Copy)]
pub enum Fallible {}

impl<F: Scalar, G: Params<F>> Product<F, Plain> for G {
    fn write_to(self, product: &mut FlatMut<'_, F>) -> Result<(), Error> {
        product.set(&self)
    }
}

impl<F, G, E> Product<F, Fallible> for Result<G, E>
where
    F: Scalar,
    G: Params<F>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn write_to(self, product: &mut FlatMut<'_, F>) -> Result<(), Error> {
        product.set(&self.map_err(Error::other)?)
    }
}

/// What a closure says that gives a matrix: the matrix, or a `Result` of it.
pub trait Matrix<F> {
    /// The matrix.
    ///
    /// # Errors
    /// The closure's own.
    fn matrix(self) -> Result<Array2<F>, Error>;
}

impl<F> Matrix<F> for Array2<F> {
    fn matrix(self) -> Result<Array2<F>, Error> {
        Ok(self)
    }
}

impl<F, E> Matrix<F> for Result<Array2<F>, E>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn matrix(self) -> Result<Array2<F>, Error> {
        self.map_err(Error::other)
    }
}
