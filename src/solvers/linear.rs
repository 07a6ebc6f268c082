//! Linear conjugate gradient.

use crate::curvature::LinearOperator;
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::scalar::Scalar;
use crate::vector;

/// **Linear conjugate gradient** for Ax = -b: the minimizer of f(x) = ½xᵀAx + bᵀx + c, for symmetric
/// positive definite A, by products with A alone.
///
/// α = rᵀz/ρᵀAρ, x += αρ, r += αAρ, z = M·r, β = rᵀz/r₋ᵀz₋, ρ = -z + βρ, where r = Ax + b is the
/// gradient of f and M ≈ A⁻¹ a preconditioner, symmetric positive definite too. Exact in n steps but
/// for rounding; about ½√κ·ln(2/ε) steps for a condition number κ.
///
/// Sources: Hestenes & Stiefel 1952; Nocedal & Wright 2006, algorithms 5.2 and 5.3.
///
/// ```
/// use thalweg::Error;
/// use thalweg::curvature::LinearOperator;
/// use thalweg::solvers::LinearConjugateGradient;
///
/// struct Dense([[f64; 2]; 2]);
/// impl LinearOperator<f64> for Dense {
///     fn dim(&self) -> usize {
///         2
///     }
///     fn apply(&mut self, x: &[f64], y: &mut [f64]) -> Result<(), Error> {
///         for (y, row) in y.iter_mut().zip(&self.0) {
///             *y = row[0] * x[0] + row[1] * x[1];
///         }
///         Ok(())
///     }
/// }
///
/// let mut x = [0.0, 0.0];
/// let mut a = Dense([[4.0, 1.0], [1.0, 3.0]]);
/// let solution = LinearConjugateGradient::new().solve(&mut a, &[-1.0, -2.0], &mut x)?;
/// assert!((x[0] - 1.0 / 11.0).abs() < 1e-12 && (x[1] - 7.0 / 11.0).abs() < 1e-12);
/// assert_eq!((solution.iterations, solution.residuals.len()), (2, 3));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LinearConjugateGradient {
    relative: f64,
    absolute: f64,
    iterations: Option<u64>,
}

/// What came of a linear solve.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LinearSolution {
    /// Why it ended.
    pub status: LinearStatus,
    /// How many iterations there were, each with one product by A.
    pub iterations: u64,
    /// ‖Ax + b‖₂ at the start and after each iteration, as the recursion for r has it.
    pub residuals: Vec<f64>,
}

/// Why a linear solve ended.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum LinearStatus {
    /// The residual is small enough.
    Converged,
    /// The iterations are used up; x is the best so far.
    IterationLimit,
    /// ρᵀAρ ≤ 0, or rᵀMr ≤ 0: A or M is not positive definite. x is where it was found.
    NotPositiveDefinite {
        /// ρᵀAρ/ρᵀρ, or rᵀMr/rᵀr.
        curvature: f64,
    },
    /// A product is NaN or infinite. x is where it was found.
    NonFinite,
}

impl Default for LinearConjugateGradient {
    fn default() -> Self {
        Self::new()
    }
}

impl LinearConjugateGradient {
    /// To ‖Ax + b‖₂ ≤ 1e-10·‖b‖₂, in at most 10n iterations.
    pub fn new() -> Self {
        Self { relative: 1e-10, absolute: 0.0, iterations: None }
    }

    /// Sets the residual to reach, as a share of ‖b‖₂; in [0, ∞). For `f32` not much below 1e-6.
    #[must_use]
    pub fn relative(mut self, tolerance: f64) -> Self {
        self.relative = tolerance;
        self
    }

    /// Sets the residual to reach, ‖Ax + b‖₂; in [0, ∞). The larger of the two counts.
    #[must_use]
    pub fn absolute(mut self, tolerance: f64) -> Self {
        self.absolute = tolerance;
        self
    }

    /// Sets the limit on iterations.
    #[must_use]
    pub fn iterations(mut self, limit: u64) -> Self {
        self.iterations = Some(limit);
        self
    }

    /// Solves Ax = -b from the x that is given, and writes x.
    ///
    /// # Errors
    /// A size that does not fit, a setting out of its range, or what the operator returns; x is then
    /// as it was.
    pub fn solve<F, A>(&self, a: &mut A, b: &[F], x: &mut [F]) -> Result<LinearSolution, Error>
    where
        F: Scalar,
        A: LinearOperator<F> + ?Sized,
    {
        self.run(a, None, b, x)
    }

    /// As [`solve`](LinearConjugateGradient::solve), with a preconditioner M ≈ A⁻¹.
    ///
    /// # Errors
    /// As [`solve`](LinearConjugateGradient::solve).
    ///
    /// ```
    /// use thalweg::Error;
    /// use thalweg::curvature::LinearOperator;
    /// use thalweg::solvers::LinearConjugateGradient;
    ///
    /// struct Diagonal(Vec<f64>);
    /// impl LinearOperator<f64> for Diagonal {
    ///     fn dim(&self) -> usize {
    ///         self.0.len()
    ///     }
    ///     fn apply(&mut self, x: &[f64], y: &mut [f64]) -> Result<(), Error> {
    ///         for i in 0..x.len() {
    ///             y[i] = self.0[i] * x[i];
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// // With the inverse itself it is one step.
    /// let (a, b) = (vec![1.0, 10.0, 1e6], [-1.0, -1.0, -1.0]);
    /// let inverse = a.iter().map(|a| 1.0 / a).collect();
    /// let (mut a, mut m) = (Diagonal(a), Diagonal(inverse));
    /// let cg = LinearConjugateGradient::new();
    /// let solution = cg.solve_preconditioned(&mut a, &mut m, &b, &mut [0.0; 3])?;
    /// assert_eq!(solution.iterations, 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn solve_preconditioned<F, A, M>(
        &self,
        a: &mut A,
        preconditioner: &mut M,
        b: &[F],
        x: &mut [F],
    ) -> Result<LinearSolution, Error>
    where
        F: Scalar,
        A: LinearOperator<F> + ?Sized,
        M: LinearOperator<F>,
    {
        self.run(a, Some(preconditioner), b, x)
    }

    fn run<F, A>(
        &self,
        a: &mut A,
        mut preconditioner: Option<&mut dyn LinearOperator<F>>,
        b: &[F],
        x: &mut [F],
    ) -> Result<LinearSolution, Error>
    where
        F: Scalar,
        A: LinearOperator<F> + ?Sized,
    {
        let owner = "LinearConjugateGradient";
        Interval::NON_NEGATIVE.check::<f64>(owner, "relative", self.relative)?;
        Interval::NON_NEGATIVE.check::<f64>(owner, "absolute", self.absolute)?;
        let n = a.dim();
        let inverse = preconditioner.as_ref().map_or(n, |m| m.dim());
        for (what, found) in [("b", b.len()), ("x", x.len()), ("the preconditioner", inverse)] {
            if found != n {
                return Err(ErrorKind::Size { what, found, expected: n }.into());
            }
        }
        let limit = self.iterations.unwrap_or(10 * n as u64);
        let tolerance = self.absolute.max(self.relative * vector::norm(b));
        // x is written at the end, so that an error leaves it.
        let mut point = x.to_vec();
        let mut r = vec![F::zero(); n];
        a.apply(&point, &mut r)?;
        vector::add_scaled(1.0, b, &mut r);
        let mut z = vec![F::zero(); n];
        let mut direction = vec![F::zero(); n];
        let mut product = vec![F::zero(); n];
        let mut residuals = vec![vector::norm(&r)];
        let mut iterations = 0;
        let mut old = f64::INFINITY;
        let status = loop {
            let residual = residuals[residuals.len() - 1];
            if residual <= tolerance {
                break LinearStatus::Converged;
            }
            if !residual.is_finite() {
                break LinearStatus::NonFinite;
            }
            if iterations == limit {
                break LinearStatus::IterationLimit;
            }
            let preconditioned = match &mut preconditioner {
                Some(m) => {
                    m.apply(&r, &mut z)?;
                    &z
                }
                None => &r,
            };
            let weight = vector::dot(&r, preconditioned);
            vector::combine(-1.0, preconditioned, weight / old, &mut direction);
            a.apply(&direction, &mut product)?;
            let curvature = vector::dot(&direction, &product);
            if !(weight.is_finite() && curvature.is_finite()) {
                break LinearStatus::NonFinite;
            }
            if weight <= 0.0 {
                let curvature = weight / vector::dot(&r, &r);
                break LinearStatus::NotPositiveDefinite { curvature };
            }
            if curvature <= 0.0 {
                let curvature = curvature / vector::dot(&direction, &direction);
                break LinearStatus::NotPositiveDefinite { curvature };
            }
            let alpha = weight / curvature;
            vector::add_scaled(alpha, &direction, &mut point);
            vector::add_scaled(alpha, &product, &mut r);
            old = weight;
            iterations += 1;
            residuals.push(vector::norm(&r));
        };
        x.copy_from_slice(&point);
        Ok(LinearSolution { status, iterations, residuals })
    }
}
