//! A symmetric matrix, entry by entry.

use ndarray::{Array1, Array2, ArrayBase, ArrayView2, Data, Ix2};

use super::operator::{LinearOperator, check_finite, check_square, product};
use crate::error::Error;
#[cfg(feature = "linalg")]
use crate::linalg::symmetric::SymmetricEigen;
use crate::scalar::Scalar;

#[cfg(feature = "linalg")]
const MATRIX: &str = "the matrix";

/// All entries of a symmetric operator, made symmetric, and how far it was from that.
///
/// The columns are the products with the unit vectors, A = ½(B + Bᵀ). The defect ‖B - Bᵀ‖_F / ‖B‖_F
/// is a figure of quality: of a Hessian by differences it is about the relative error of its
/// entries. It takes n products and n² numbers.
///
/// ```
/// use thalweg::curvature::{Dense, Hessian};
///
/// // f = x²y + y³
/// let hessian = Hessian::new(&[1.0, 2.0], |w: &[f64], g: &mut [f64]| {
///     (g[0], g[1]) = (2.0 * w[0] * w[1], w[0] * w[0] + 3.0 * w[1] * w[1]);
///     Ok(())
/// })?;
/// let dense = Dense::of(hessian)?;
/// assert!((dense.matrix()[[0, 1]] - 2.0).abs() < 1e-9 && dense.defect() < 1e-9);
/// # #[cfg(feature = "linalg")]
/// assert!((dense.eigenvalues()?[1] - (8.0 + 20.0_f64.sqrt())).abs() < 1e-8);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Dense<F> {
    matrix: Array2<F>,
    defect: f64,
}

impl<F: Scalar> Dense<F> {
    /// The entries of an operator, by its products with the n unit vectors.
    ///
    /// # Errors
    /// What a product says, and if an entry is NaN or infinite.
    pub fn of(mut operator: impl LinearOperator<F>) -> Result<Self, Error> {
        let n = operator.dim();
        let mut unit = vec![F::zero(); n];
        let mut columns = Array2::zeros((n, n));
        for (i, mut row) in columns.rows_mut().into_iter().enumerate() {
            unit[i] = F::one();
            product(&mut operator, &unit, row.as_slice_mut().unwrap_or_default())?;
            unit[i] = F::zero();
        }
        Ok(Self::symmetrized(columns))
    }

    /// A matrix that is there already.
    ///
    /// # Errors
    /// If it is not square, or an entry is NaN or infinite.
    pub fn from_matrix<S: Data<Elem = F>>(matrix: &ArrayBase<S, Ix2>) -> Result<Self, Error> {
        check_square(matrix)?;
        let matrix = matrix.as_standard_layout().into_owned();
        check_finite("the matrix", matrix.as_slice().unwrap_or_default())?;
        Ok(Self::symmetrized(matrix))
    }

    fn symmetrized(mut matrix: Array2<F>) -> Self {
        let (mut apart, mut all) = (0.0, 0.0);
        for i in 0..matrix.nrows() {
            for j in 0..=i {
                let [a, b] = [matrix[[i, j]], matrix[[j, i]]].map(F::into_f64);
                apart += (a - b) * (a - b);
                all += if i == j { a * a / 2.0 } else { 0.5 * (a * a + b * b) };
                let mean = F::from_f64(0.5 * a + 0.5 * b);
                (matrix[[i, j]], matrix[[j, i]]) = (mean, mean);
            }
        }
        // Both sums are half of the Frobenius norms' squares.
        let defect = if apart == 0.0 { 0.0 } else { (apart / all).sqrt() };
        Self { matrix, defect }
    }

    /// The symmetric matrix.
    pub fn matrix(&self) -> ArrayView2<'_, F> {
        self.matrix.view()
    }

    /// The symmetric matrix, to keep.
    pub fn into_matrix(self) -> Array2<F> {
        self.matrix
    }

    /// ‖B - Bᵀ‖_F / ‖B‖_F of the matrix B before it was made symmetric; 0 for B = 0.
    pub fn defect(&self) -> f64 {
        self.defect
    }

    /// The diagonal, which [`obd_saliency`](super::obd_saliency) takes.
    pub fn diagonal(&self) -> Array1<F> {
        self.matrix.diag().to_owned()
    }

    /// All eigenvalues, ascending, each to about ε‖A‖ (feature `linalg`).
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::curvature::Dense;
    /// let eigenvalues = Dense::from_matrix(&array![[2.0, 1.0], [1.0, 2.0]])?.eigenvalues()?;
    /// assert!((eigenvalues[0] - 1.0).abs() < 1e-14 && (eigenvalues[1] - 3.0).abs() < 1e-14);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the iteration did not converge, which no finite matrix has been seen to do.
    #[cfg(feature = "linalg")]
    pub fn eigenvalues(&self) -> Result<Vec<f64>, Error> {
        if self.matrix.is_empty() {
            return Ok(Vec::new());
        }
        let matrix = self.matrix.mapv(F::into_f64);
        SymmetricEigen::values_of(&matrix, MATRIX).map_err(|_| unsolved())
    }

    /// All eigenvalues, ascending, and their eigenvectors, the columns (feature `linalg`).
    ///
    /// # Errors
    /// As [`eigenvalues`](Self::eigenvalues).
    #[cfg(feature = "linalg")]
    pub fn eigenpairs(&self) -> Result<(Vec<f64>, Array2<f64>), Error> {
        let n = self.matrix.nrows();
        if n == 0 {
            return Ok((Vec::new(), Array2::zeros((0, 0))));
        }
        let matrix = self.matrix.mapv(F::into_f64);
        let eigen = SymmetricEigen::factor(&matrix, MATRIX).map_err(|_| unsolved())?;
        Ok((eigen.values.to_vec(), eigen.vectors))
    }
}

#[cfg(feature = "linalg")]
fn unsolved() -> Error {
    let allowed = "a matrix whose eigenvalues the iteration finds";
    Error::hyperparameter("Dense", "matrix", f64::NAN, allowed)
}

impl<F: Scalar> LinearOperator<F> for Dense<F> {
    fn dim(&self) -> usize {
        self.matrix.nrows()
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        self.matrix.apply(x, y)
    }
}
