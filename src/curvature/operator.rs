//! Linear operators: matrices that are known by their products alone.

use crate::error::Error;
use crate::scalar::Scalar;

/// A square matrix A that is known by its products with vectors.
///
/// A Hessian of n parameters has n² entries and is rarely stored, but a product with it costs no
/// more than a few gradients.
///
/// ```
/// use thalweg::{Error, curvature::LinearOperator};
///
/// /// The second difference of neighbours, n×n.
/// struct Laplace(usize);
/// impl LinearOperator<f64> for Laplace {
///     fn dim(&self) -> usize {
///         self.0
///     }
///     fn apply(&mut self, x: &[f64], y: &mut [f64]) -> Result<(), Error> {
///         for i in 0..self.0 {
///             let left = if i > 0 { x[i - 1] } else { 0.0 };
///             let right = x.get(i + 1).copied().unwrap_or(0.0);
///             y[i] = 2.0 * x[i] - left - right;
///         }
///         Ok(())
///     }
/// }
///
/// let mut y = [0.0; 3];
/// Laplace(3).apply(&[1.0, 2.0, 4.0], &mut y)?;
/// assert_eq!(y, [0.0, -1.0, 6.0]);
/// # Ok::<(), Error>(())
/// ```
pub trait LinearOperator<F: Scalar> {
    /// The number of rows, and of columns.
    fn dim(&self) -> usize;

    /// y = A·x; both have `dim` elements.
    ///
    /// # Errors
    /// What the operator itself says; `y` then holds nothing of use.
    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error>;
}

impl<F: Scalar, A: LinearOperator<F> + ?Sized> LinearOperator<F> for &mut A {
    fn dim(&self) -> usize {
        (**self).dim()
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        (**self).apply(x, y)
    }
}

impl<F: Scalar, A: LinearOperator<F> + ?Sized> LinearOperator<F> for Box<A> {
    fn dim(&self) -> usize {
        (**self).dim()
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        (**self).apply(x, y)
    }
}
