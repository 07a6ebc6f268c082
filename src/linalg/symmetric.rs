//! The eigenpairs of a symmetric matrix: A = UΛUᵀ.

use faer::{MatRef, Side};
use ndarray::{Array1, Array2};

use crate::error::{Error, ErrorKind};

/// Λ, ascending, and U, whose columns are the eigenvectors.
#[derive(Debug, Clone)]
pub(crate) struct SymmetricEigen {
    pub(crate) values: Array1<f64>,
    pub(crate) vectors: Array2<f64>,
}

impl SymmetricEigen {
    /// The eigenpairs of A, of which the lower half is read.
    ///
    /// # Errors
    /// If the iteration did not converge, which no finite matrix has been seen to do.
    pub(crate) fn factor(a: &Array2<f64>, what: &'static str) -> Result<Self, Error> {
        let n = a.nrows();
        let a = a.as_standard_layout();
        let matrix = MatRef::from_row_major_slice(a.as_slice().unwrap_or_default(), n, n);
        let eigen = matrix.self_adjoint_eigen(Side::Lower);
        let eigen = eigen.map_err(|_| Error::from(ErrorKind::NotPositiveDefinite { what }))?;
        let vectors = eigen.U();
        let values = eigen.S().column_vector().iter().copied().collect();
        Ok(Self { values, vectors: Array2::from_shape_fn((n, n), |(i, j)| vectors[(i, j)]) })
    }

    /// Λ alone, ascending, for less.
    ///
    /// # Errors
    /// As [`factor`](Self::factor).
    pub(crate) fn values_of(a: &Array2<f64>, what: &'static str) -> Result<Vec<f64>, Error> {
        let n = a.nrows();
        let a = a.as_standard_layout();
        let matrix = MatRef::from_row_major_slice(a.as_slice().unwrap_or_default(), n, n);
        let values = matrix.self_adjoint_eigenvalues(Side::Lower);
        values.map_err(|_| ErrorKind::NotPositiveDefinite { what }.into())
    }

    /// U f(Λ) Uᵀ b: with 1/λ for f, A⁻¹b.
    pub(crate) fn solve(&self, b: &Array1<f64>, f: impl Fn(f64) -> f64) -> Array1<f64> {
        self.vectors.dot(&(self.vectors.t().dot(b) * &self.values.mapv(f)))
    }
}
