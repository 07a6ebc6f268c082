//! A Cholesky factorization that tells a singular matrix.

use faer::linalg::solvers::{DenseSolveCore, Llt, Solve};
use faer::{MatMut, MatRef, Side};
use ndarray::Array2;

use crate::error::{Error, ErrorKind};

/// L with A = LLᵀ.
#[derive(Debug, Clone)]
pub(crate) struct Cholesky(Llt<f64>);

impl Cholesky {
    /// The factor of A + λI.
    ///
    /// # Errors
    /// If the sum is not positive definite, or cannot be told from a singular matrix.
    pub(crate) fn factor(a: &Array2<f64>, damping: f64, what: &'static str) -> Result<Self, Error> {
        let n = a.nrows();
        let mut damped = a.as_standard_layout().into_owned();
        damped.diag_mut().iter_mut().for_each(|entry| *entry += damping);
        let matrix = MatRef::from_row_major_slice(damped.as_slice().unwrap_or_default(), n, n);
        let factor = matrix.llt(Side::Lower).map_err(|_| singular(what))?;
        let largest = damped.diag().fold(0.0, |max: f64, &entry| max.max(entry));
        let lower = factor.L();
        let least = (0..n).map(|i| lower[(i, i)]).fold(f64::INFINITY, f64::min).powi(2);
        // What elimination leaves of an exact 0 is about that.
        if least > n as f64 * f64::EPSILON * largest {
            Ok(Self(factor))
        } else {
            Err(singular(what))
        }
    }

    /// The factor of A, if elimination finds it positive definite, however near to a singular one.
    pub(crate) fn factor_any(a: &Array2<f64>) -> Option<Self> {
        let n = a.nrows();
        let a = a.as_standard_layout();
        let matrix = MatRef::from_row_major_slice(a.as_slice().unwrap_or_default(), n, n);
        matrix.llt(Side::Lower).ok().map(Self)
    }

    /// A⁻¹, symmetric to the last bit.
    pub(crate) fn inverse(&self) -> Array2<f64> {
        let found = self.0.inverse();
        Array2::from_shape_fn(found.shape(), |(i, j)| found[(i.max(j), i.min(j))])
    }

    /// b = A⁻¹b
    pub(crate) fn solve(&self, b: &mut Array2<f64>) {
        let (rows, columns) = b.dim();
        if !b.is_standard_layout() {
            *b = b.as_standard_layout().into_owned();
        }
        let b = b.as_slice_mut().unwrap_or_default();
        self.0.solve_in_place(MatMut::from_row_major_slice_mut(b, rows, columns));
    }
}

fn singular(what: &'static str) -> Error {
    ErrorKind::NotPositiveDefinite { what }.into()
}
