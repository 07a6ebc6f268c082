//! Positive semidefinite stand-ins for the Hessian: generalized Gauss-Newton and Fisher.

use std::fmt;

use ndarray::{Array2, ArrayView2};

use super::operator::{LinearOperator, check_finite, check_lengths};
use crate::error::Error;
use crate::scalar::Scalar;
use crate::vector::{add_scaled, dot};

/// The generalized Gauss-Newton matrix G = JᵀH_L J of a loss L(z(w)).
///
/// J is the Jacobian of the outputs z by the parameters w, H_L the Hessian of the loss by the
/// outputs. With a convex loss, G is positive semidefinite; it is the Hessian but for the curvature
/// of the network itself. Three closures give it: v ↦ Jv (forward mode), u ↦ H_L u, and u ↦ Jᵀu
/// (back-propagation).
///
/// ```
/// use thalweg::curvature::{GaussNewton, LinearOperator};
///
/// // z = (w₀w₁, w₁) at w = (2, 3), L = ½‖z‖².
/// let jv = |v: &[f64], z: &mut [f64]| { (z[0], z[1]) = (3.0 * v[0] + 2.0 * v[1], v[1]); Ok(()) };
/// let loss = |u: &[f64], y: &mut [f64]| { y.copy_from_slice(u); Ok(()) };
/// let jtu = |u: &[f64], g: &mut [f64]| { (g[0], g[1]) = (3.0 * u[0], 2.0 * u[0] + u[1]); Ok(()) };
/// let mut y = [0.0; 2];
/// GaussNewton::new(2, 2, jv, loss, jtu).apply(&[1.0, 0.0], &mut y)?;
/// assert_eq!(y, [9.0, 6.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Source: Schraudolph, "Fast curvature matrix-vector products for second-order gradient
/// descent", 2002.
pub struct GaussNewton<F, J, L, T> {
    parameters: usize,
    jacobian: J,
    loss: L,
    transposed: T,
    forward: Vec<F>,
    curved: Vec<F>,
}

impl<F, J, L, T> GaussNewton<F, J, L, T>
where
    F: Scalar,
    J: FnMut(&[F], &mut [F]) -> Result<(), Error>,
    L: FnMut(&[F], &mut [F]) -> Result<(), Error>,
    T: FnMut(&[F], &mut [F]) -> Result<(), Error>,
{
    /// JᵀH_L J from v ↦ Jv, u ↦ H_L u and u ↦ Jᵀu, for that many parameters and outputs (over the
    /// whole batch).
    pub fn new(parameters: usize, outputs: usize, jacobian: J, loss: L, transposed: T) -> Self {
        let zeros = vec![F::zero(); outputs];
        Self { parameters, jacobian, loss, transposed, forward: zeros.clone(), curved: zeros }
    }
}

impl<F, J, L, T> LinearOperator<F> for GaussNewton<F, J, L, T>
where
    F: Scalar,
    J: FnMut(&[F], &mut [F]) -> Result<(), Error>,
    L: FnMut(&[F], &mut [F]) -> Result<(), Error>,
    T: FnMut(&[F], &mut [F]) -> Result<(), Error>,
{
    fn dim(&self) -> usize {
        self.parameters
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        check_lengths(self.parameters, x, y)?;
        (self.jacobian)(x, &mut self.forward)?;
        (self.loss)(&self.forward, &mut self.curved)?;
        (self.transposed)(&self.curved, y)
    }
}

impl<F, J, L, T> fmt::Debug for GaussNewton<F, J, L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GaussNewton")
            .field("parameters", &self.parameters)
            .field("outputs", &self.forward.len())
            .finish_non_exhaustive()
    }
}

/// The empirical Fisher matrix F = (1/N) Σ gᵢgᵢᵀ of the gradients of N samples.
///
/// `gradients` has a row for each sample, n columns. It is the Fisher matrix itself where the
/// classes are drawn from the model's own prediction, E[∇log p ∇log pᵀ]. A product costs two
/// passes over the gradients.
///
/// ```
/// use ndarray::array;
/// use thalweg::curvature::{Fisher, LinearOperator};
/// let mut fisher = Fisher::new(array![[1.0, 0.0], [1.0, 2.0]])?;
/// let mut y = [0.0; 2];
/// fisher.apply(&[1.0, 1.0], &mut y)?;
/// assert_eq!(y, [2.0, 3.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Source: Amari, "Natural gradient works efficiently in learning", 1998; Kunstner, Balles &
/// Hennig, "Limitations of the empirical Fisher approximation", 2019.
#[derive(Debug, Clone)]
pub struct Fisher<F> {
    gradients: Array2<F>,
}

impl<F: Scalar> Fisher<F> {
    /// The Fisher matrix of gradients, a row a sample.
    ///
    /// # Errors
    /// If there is no sample, or a gradient is NaN or infinite.
    pub fn new(gradients: Array2<F>) -> Result<Self, Error> {
        if gradients.nrows() == 0 {
            let allowed = "at least one row";
            return Err(Error::hyperparameter("Fisher", "gradients", 0.0, allowed));
        }
        let gradients = gradients.as_standard_layout().into_owned();
        check_finite("a sample's gradient", gradients.as_slice().unwrap_or_default())?;
        Ok(Self { gradients })
    }

    /// The gradients, a row a sample.
    pub fn gradients(&self) -> ArrayView2<'_, F> {
        self.gradients.view()
    }
}

impl<F: Scalar> LinearOperator<F> for Fisher<F> {
    fn dim(&self) -> usize {
        self.gradients.ncols()
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        check_lengths(self.dim(), x, y)?;
        y.fill(F::zero());
        let share = 1.0 / self.gradients.nrows() as f64;
        for row in self.gradients.rows() {
            let row = row.to_slice().unwrap_or_default();
            add_scaled(share * dot(row, x), row, y);
        }
        Ok(())
    }
}
