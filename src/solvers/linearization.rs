//! A sum of squares at a point: residuals and their slopes.

use ndarray::{Array1, Array2};

/// Residuals and Jacobian at a point, such that f has the gradient Jᵀr there, and about the Hessian
/// JᵀJ.
///
/// Of a robust loss both are weighted, and `rows` says by how much those of J are.
#[derive(Debug, Clone, PartialEq)]
pub struct Linearization {
    /// r, m numbers.
    pub residuals: Array1<f64>,
    /// J, m×n.
    pub jacobian: Array2<f64>,
    /// What the rows of J were multiplied by; 1 for a sum of squares.
    pub rows: Array1<f64>,
}
