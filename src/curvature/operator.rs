//! Linear operators: matrices that are known by their products alone.

use std::fmt;

use ndarray::{ArrayBase, Data, Ix2};

use crate::error::{Error, ErrorKind};
use crate::scalar::Scalar;
use crate::vector::dot;

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
    /// What the operator itself says; `y` then holds nothing of use. All operators of this crate
    /// refuse vectors of another length by [`ErrorKind::Size`].
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

/// Every square matrix of `ndarray` is an operator, owned or view.
impl<F: Scalar, S: Data<Elem = F>> LinearOperator<F> for ArrayBase<S, Ix2> {
    fn dim(&self) -> usize {
        self.nrows()
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        check_square(self)?;
        check_lengths(self.nrows(), x, y)?;
        for (row, y) in self.rows().into_iter().zip(y) {
            *y = F::from_f64(match row.as_slice() {
                Some(row) => dot(row, x),
                None => row.iter().zip(x).map(|(a, x)| a.into_f64() * x.into_f64()).sum(),
            });
        }
        Ok(())
    }
}

pub(super) fn check_square<F, S: Data<Elem = F>>(matrix: &ArrayBase<S, Ix2>) -> Result<(), Error> {
    check_size("each row of a square matrix", matrix.ncols(), matrix.nrows())
}

/// An operator made of a closure, such as a Hessian-vector product; see [`operator_fn`].
#[derive(Clone)]
pub struct OperatorFn<P> {
    dim: usize,
    product: P,
}

/// The operator whose product is `product(x, y)`: a Hessian-vector product that an automatic
/// differentiation gives, or any matrix that is not stored.
///
/// ```
/// use thalweg::curvature::{LinearOperator, operator_fn};
///
/// // The Hessian of Σ wᵢ⁴ at w.
/// let w = [1.0, 2.0];
/// let mut hessian = operator_fn(2, move |v: &[f64], hv: &mut [f64]| {
///     for i in 0..2 {
///         hv[i] = 12.0 * w[i] * w[i] * v[i];
///     }
///     Ok(())
/// });
/// let mut hv = [0.0; 2];
/// hessian.apply(&[1.0, 1.0], &mut hv)?;
/// assert_eq!(hv, [12.0, 48.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// An exact product by hyper-dual numbers, of the crate `num-dual`: with wᵢ + vᵢε₁ + (eⱼ)ᵢε₂, the part
/// of f at ε₁ε₂ is (Hv)ⱼ.
///
/// ```
/// use num_dual::{DualNum, HyperDual64};
/// use thalweg::curvature::{Dense, operator_fn};
///
/// fn f(w: &[HyperDual64]) -> HyperDual64 {
///     (w[0] * w[1]).sin() + w[1].exp()
/// }
/// let w = [0.5, 0.0];
/// let hessian = operator_fn(2, |v: &[f64], hv: &mut [f64]| {
///     for j in 0..2 {
///         let unit = |i| if i == j { 1.0 } else { 0.0 };
///         let dual = [0, 1].map(|i| HyperDual64::new(w[i], v[i], unit(i), 0.0));
///         hv[j] = f(&dual).eps1eps2;
///     }
///     Ok(())
/// });
/// assert_eq!(Dense::of(hessian)?.matrix(), ndarray::array![[0.0, 1.0], [1.0, 1.0]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn operator_fn<F, P>(dim: usize, product: P) -> OperatorFn<P>
where
    F: Scalar,
    P: FnMut(&[F], &mut [F]) -> Result<(), Error>,
{
    OperatorFn { dim, product }
}

impl<F: Scalar, P: FnMut(&[F], &mut [F]) -> Result<(), Error>> LinearOperator<F> for OperatorFn<P> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        check_lengths(self.dim, x, y)?;
        (self.product)(x, y)
    }
}

impl<P> fmt::Debug for OperatorFn<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorFn").field("dim", &self.dim).finish_non_exhaustive()
    }
}

/// An error unless `found` is `expected`.
pub(super) fn check_size(what: &'static str, found: usize, expected: usize) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(ErrorKind::Size { what, found, expected }.into()) }
}

/// An error unless both vectors of a product have as many elements as the operator has rows.
pub(super) fn check_lengths<F>(rows: usize, x: &[F], y: &[F]) -> Result<(), Error> {
    check_size("the vector", x.len(), rows)?;
    check_size("the product", y.len(), rows)
}

/// An error that names the first element that is NaN or infinite.
pub(super) fn check_finite<F: Scalar>(what: &'static str, y: &[F]) -> Result<(), Error> {
    match y.iter().position(|y| !y.is_finite()) {
        None => Ok(()),
        Some(index) => {
            Err(ErrorKind::NonFiniteProduct { what, index, value: y[index].into_f64() }.into())
        }
    }
}

/// y = A·x, finite.
pub(super) fn product<F: Scalar>(
    operator: &mut (impl LinearOperator<F> + ?Sized),
    x: &[F],
    y: &mut [F],
) -> Result<(), Error> {
    operator.apply(x, y)?;
    check_finite("the operator's product", y)
}

/// An error unless the operator has a row.
pub(super) fn check_dim<F: Scalar>(
    operator: &(impl LinearOperator<F> + ?Sized),
) -> Result<usize, Error> {
    match operator.dim() {
        0 => Err(Error::hyperparameter(
            "LinearOperator",
            "dim",
            0.0,
            "a number of rows that is not 0",
        )),
        n => Ok(n),
    }
}
