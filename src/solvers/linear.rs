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
/// The recursion's r drifts from Ax + b. Where it is small enough, Ax + b is computed, and that
/// alone tells whether the solve has converged; if not, it goes on from there for as long as
/// Ax + b falls.
///
/// Sources: Hestenes & Stiefel 1952; Nocedal & Wright 2006, algorithms 5.2 and 5.3; van der Vorst &
/// Ye, "Residual replacement strategies for Krylov subspace iterative methods", 2000.
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
    /// How many iterations there were, each with one product by A. There is one product more at the
    /// start, and one each time that Ax + b is computed.
    pub iterations: u64,
    /// ‖Ax + b‖₂ at the start and after each iteration, as the recursion for r has it; where Ax + b
    /// was computed, and so at the end of a solve that converged or stagnated, it is that.
    pub residuals: Vec<f64>,
}

/// Why a linear solve ended.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum LinearStatus {
    /// ‖Ax + b‖₂, computed at this x, is small enough.
    Converged,
    /// Rounding: ‖Ax + b‖₂ has stopped falling above the tolerance, or ρᵀAρ ≤ 0 by no more than
    /// the rounding of a product. x is the best that was seen.
    Stagnated,
    /// The iterations are used up; x is the best so far.
    IterationLimit,
    /// ρᵀAρ < 0 or Aρ = 0, or rᵀMr so, by more than rounding: A or M is not positive definite. x
    /// is where it was found.
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
        let limit = self.iterations.unwrap_or((n as u64).saturating_mul(10));
        let tolerance = self.absolute.max(self.relative * vector::norm(b));
        // x is written at the end, so that an error leaves it.
        let mut point = x.to_vec();
        let mut run = Recursion::new(n);
        let mut residuals = vec![run.begin(a, &point, b)?];
        let (mut iterations, mut known) = (0, true);
        // The least ‖Ax + b‖ that was computed, the x of it once that is left, and the size of what
        // it is the difference of.
        let mut best: (f64, Option<Vec<F>>) = (residuals[0], None);
        let mut size = residuals[0].max(vector::norm(b));
        let status = loop {
            let last = residuals.len() - 1;
            let residual = residuals[last];
            if !residual.is_finite() {
                break LinearStatus::NonFinite;
            }
            size = size.max(residual);
            let drowned = residual <= 0.25 * F::epsilon().into_f64() * size;
            if !known && (residual <= tolerance || drowned) {
                let computed = run.begin(a, &point, b)?;
                (residuals[last], known) = (computed, true);
                if !computed.is_finite() {
                    break LinearStatus::NonFinite;
                }
                if computed > tolerance && computed > 0.5 * best.0 {
                    if let (true, Some(before)) = (computed > best.0, best.1) {
                        (point, residuals[last]) = (before, best.0);
                    }
                    break LinearStatus::Stagnated;
                }
                best = (computed, Some(point.clone()));
            }
            if known && residuals[last] <= tolerance {
                break LinearStatus::Converged;
            }
            if iterations == limit {
                break LinearStatus::IterationLimit;
            }
            if let Err(status) = run.step(a, preconditioner.as_deref_mut(), &mut point)? {
                break status;
            }
            iterations += 1;
            known = false;
            residuals.push(run.residual());
        };
        x.copy_from_slice(&point);
        Ok(LinearSolution { status, iterations, residuals })
    }
}

/// The recursion for r and ρ, both over a power of two: their squares neither overflow nor vanish.
struct Recursion<F> {
    r: Vec<F>,
    z: Vec<F>,
    direction: Vec<F>,
    product: Vec<F>,
    /// r and ρ are `unit` times what is held.
    unit: f64,
    /// rᵀz of the step before.
    old: f64,
    /// A lower bound of ‖A‖.
    norm: f64,
}

impl<F: Scalar> Recursion<F> {
    fn new(n: usize) -> Self {
        let zeros = vec![F::zero(); n];
        Self {
            r: zeros.clone(),
            z: zeros.clone(),
            direction: zeros.clone(),
            product: zeros,
            unit: 1.0,
            old: f64::INFINITY,
            norm: 0.0,
        }
    }

    /// r = Ax + b, computed; the next direction is -z alone. Returns ‖r‖.
    fn begin<A>(&mut self, a: &mut A, x: &[F], b: &[F]) -> Result<f64, Error>
    where
        A: LinearOperator<F> + ?Sized,
    {
        a.apply(x, &mut self.r)?;
        vector::add_scaled(1.0, b, &mut self.r);
        (self.unit, self.old) = (1.0, f64::INFINITY);
        Ok(self.residual())
    }

    fn residual(&self) -> f64 {
        vector::norm(&self.r) * self.unit
    }

    /// Brings r to a size of about 1, and ρ with it.
    fn rescale(&mut self) {
        let size = vector::norm(&self.r);
        if !(size > 0.0 && size.is_finite()) || (1e-18..1e18).contains(&size) {
            return;
        }
        let factor = size.log2().floor().clamp(-1000.0, 1000.0).exp2();
        for x in self.r.iter_mut().chain(&mut self.direction) {
            *x = F::from_f64(x.into_f64() / factor);
        }
        self.unit *= factor;
        self.old = self.old / factor / factor;
    }

    /// One step of x and r; an error within is why there was none.
    fn step<A>(
        &mut self,
        a: &mut A,
        preconditioner: Option<&mut (dyn LinearOperator<F> + '_)>,
        x: &mut [F],
    ) -> Result<Result<(), LinearStatus>, Error>
    where
        A: LinearOperator<F> + ?Sized,
    {
        self.rescale();
        let Self { r, z, direction, product, .. } = self;
        let z: &[F] = match preconditioner {
            Some(m) => {
                m.apply(r, z)?;
                z
            }
            None => r,
        };
        let weight = vector::dot(r, z);
        vector::combine(-1.0, z, weight / self.old, direction);
        a.apply(direction, product)?;
        let curvature = vector::dot(direction, product);
        if !(weight.is_finite() && curvature.is_finite()) {
            return Ok(Err(LinearStatus::NonFinite));
        }
        // What rounding makes of a sum of n products.
        let rounding = 8.0 * F::epsilon().into_f64() * (r.len() as f64).sqrt();
        let [along, size] = [&*direction, &*product].map(|x| vector::norm(x));
        self.norm = self.norm.max(size / along);
        for (form, bound, square, vanished) in [
            (weight, vector::norm(r) * vector::norm(z), vector::dot(r, r), vector::norm(z) == 0.0),
            (curvature, self.norm * along * along, along * along, size == 0.0),
        ] {
            if form < -rounding * bound || vanished {
                let curvature = form / square;
                return Ok(Err(LinearStatus::NotPositiveDefinite { curvature }));
            }
            if form <= 0.0 {
                return Ok(Err(LinearStatus::Stagnated));
            }
        }
        let alpha = weight / curvature;
        vector::add_scaled(alpha * self.unit, direction, x);
        vector::add_scaled(alpha, product, r);
        self.old = weight;
        Ok(Ok(()))
    }
}
