//! What came of a fit: estimates and how well they are known.

use std::fmt;

use ndarray::{Array1, Array2};

use super::problem::{Counts, LeastSquares};
use super::residuals::Residuals;
use super::robust::Robust;
use super::student;
use crate::error::Error;
use crate::linalg::svd::{Columns, Svd};
use crate::params::{Bounds, Flatten, ParamsMut};
use crate::scalar::Scalar;
use crate::solvers::minimize::minimize_within;
use crate::solvers::report::Report;
use crate::solvers::solver::Solver;
use crate::solvers::stop::Stop;
use crate::vector::norm;
use crate::words::counted;

/// A parameter that was fitted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// The leaf's name, and where it has several elements, the index.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its standard error; ∞ where the data do not determine it.
    pub standard_error: f64,
}

/// What came of a fit: the [`Report`] of its minimization, and what the residuals say of the parameters.
/// It prints as a table.
///
/// The covariance of the parameters is C = s²(JᵀJ)⁻¹, s² = Σr²/(m - n), with J at the solution: that of
/// independent errors of one size, of a model that is almost straight over its own errors. With a
/// [`Robust`] loss of slope ψ it is Huber's, κ²·(Σψ²/(m - n))/(mean ψ′)²·(JᵀJ)⁻¹ with κ = 1 + n/m·var
/// ψ′/(mean ψ′)².
///
/// Source: Bates & Watts, "Nonlinear regression analysis and its applications", 1988; Huber, "Robust
/// regression", 1973.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::least_squares::curve_fit;
///
/// let x = array![0.0, 1.0, 2.0, 3.0];
/// let y = array![1.1, 2.9, 5.2, 6.8];
/// let mut line = array![0.0, 1.0];
/// let fit = curve_fit(|x: &f64, w: &Array1<f64>| w[0] + w[1] * x, &x, &y, &mut line)?;
/// // By hand: slope 1.94 and its error √(0.082/2/5).
/// assert!((fit.estimates()[1].value - 1.94).abs() < 1e-9);
/// assert!((fit.estimates()[1].standard_error - (0.082f64 / 2.0 / 5.0).sqrt()).abs() < 1e-6);
/// println!("{fit}");
/// # Ok::<(), thalweg::Error>(())
/// ```
#[must_use = "a fit may have ended before the best parameters: look at its `report`"]
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    report: Report,
    counts: Counts,
    estimates: Vec<Estimate>,
    covariance: Array2<f64>,
    residuals: Array1<f64>,
    freedom: usize,
    pub(super) r_squared: Option<f64>,
}

impl Fit {
    /// How the minimization went.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// How often residuals and Jacobians were computed.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The parameters' elements, row-major leaf after leaf.
    pub fn estimates(&self) -> &[Estimate] {
        &self.estimates
    }

    /// C, n×n, in the order of the [estimates](Fit::estimates); where an element is not determined, ∞ on
    /// the diagonal and NaN beside it.
    pub fn covariance(&self) -> &Array2<f64> {
        &self.covariance
    }

    /// The residuals at the solution, as they were given: without the weights of a loss.
    pub fn residuals(&self) -> &Array1<f64> {
        &self.residuals
    }

    /// Σr².
    pub fn sum_of_squares(&self) -> f64 {
        norm(self.residuals.as_slice().unwrap_or_default()).powi(2)
    }

    /// m - n: how many observations there are beyond what the parameters take.
    pub fn degrees_of_freedom(&self) -> usize {
        self.freedom
    }

    /// s = √(Σr²/(m - n)), the standard deviation of a residual; NaN without degrees of freedom.
    pub fn residual_standard_deviation(&self) -> f64 {
        (self.sum_of_squares() / self.freedom as f64).sqrt()
    }

    /// R² = 1 - Σr²/Σ(y - ȳ)², where the observations y are known: of [`CurveFit`](super::CurveFit).
    pub fn r_squared(&self) -> Option<f64> {
        self.r_squared
    }

    /// The confidence interval of each estimate, ± t·standard error with Student's t for the degrees of
    /// freedom; `level` in (0, 1), else NaN.
    ///
    /// ```
    /// # use ndarray::{Array1, array};
    /// # use thalweg::solvers::least_squares::curve_fit;
    /// let (x, y) = (array![0.0, 1.0, 2.0], array![4.9, 5.0, 5.1]);
    /// let mut mean = array![0.0];
    /// let fit = curve_fit(|_: &f64, w: &Array1<f64>| w[0], &x, &y, &mut mean)?;
    /// let (low, high) = fit.intervals(0.95)[0];
    /// assert!((low - 4.7516).abs() < 1e-4 && (high - 5.2484).abs() < 1e-4); // 5 ± 4.303·0.1/√3
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn intervals(&self, level: f64) -> Vec<(f64, f64)> {
        let t = student::two_sided(level, self.freedom as f64);
        let around =
            |e: &Estimate| (e.value - t * e.standard_error, e.value + t * e.standard_error);
        self.estimates.iter().map(around).collect()
    }

    /// √(gᵀCg): the standard error of a quantity whose derivatives by the parameters' elements are g, such
    /// as the curve at a point.
    ///
    /// ```
    /// # use ndarray::{Array1, array};
    /// # use thalweg::solvers::least_squares::curve_fit;
    /// let (x, y) = (array![0.0, 1.0, 2.0, 3.0], array![1.1, 2.9, 5.2, 6.8]);
    /// let mut line = array![0.0, 1.0];
    /// let fit = curve_fit(|x: &f64, w: &Array1<f64>| w[0] + w[1] * x, &x, &y, &mut line)?;
    /// let at = |x: f64| fit.standard_error_of(&[1.0, x]);
    /// assert!(at(1.5) < at(0.0) && at(0.0) < at(-5.0)); // narrowest in the middle of the data
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Panics
    /// If g has another length than there are estimates.
    pub fn standard_error_of(&self, gradient: &[f64]) -> f64 {
        assert_eq!(gradient.len(), self.estimates.len(), "a derivative for each estimate");
        let gradient = Array1::from(gradient.to_vec());
        gradient.dot(&self.covariance.dot(&gradient)).sqrt()
    }

    /// Student's t for a confidence interval of that level, by which a standard error is multiplied.
    pub fn student_t(&self, level: f64) -> f64 {
        student::two_sided(level, self.freedom as f64)
    }

    /// Calls the estimates by these names.
    pub(super) fn rename(&mut self, names: &[String]) {
        let pairs = self.estimates.iter_mut().zip(names);
        pairs.for_each(|(estimate, name)| estimate.name.clone_from(name));
    }

    /// Takes the residuals for ones whose standard deviation is known to be 1.
    pub(super) fn take_as_absolute(&mut self) {
        let by = self.residual_standard_deviation();
        if by > 0.0 {
            self.covariance.mapv_inplace(|c| c / (by * by));
            self.estimates.iter_mut().for_each(|estimate| estimate.standard_error /= by);
        }
    }
}

/// Minimizes a sum of squares from the parameters' values on, and says how well the result is known.
///
/// As [`minimize`](crate::solvers::minimize()), which it calls, with statistics of the residuals. Solvers
/// of this module have tests of their own for when they have arrived, so that `stop` may be
/// [`Stop::never`](crate::solvers::Stop::never), or limits alone.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::Stop;
/// use thalweg::solvers::least_squares::{LeastSquares, LevenbergMarquardt, least_squares};
///
/// // Where three circles meet.
/// let circles = [(0.0, 0.0, 5.0), (8.0, 0.0, 5.0), (4.0, -5.0, 2.1)];
/// let residuals = |w: &Array1<f64>| {
///     circles.iter().map(|(x, y, r)| (w[0] - x).hypot(w[1] - y) - r).collect::<Array1<f64>>()
/// };
/// let mut w = array![1.0, -1.0];
/// let mut problem = LeastSquares::new(residuals);
/// let stop = Stop::never().evaluations(1000);
/// let fit = least_squares(&mut LevenbergMarquardt::new(), &mut w, &mut problem, stop)?;
/// assert!(fit.report().status.is_success() && (w[0] - 4.0).abs() < 1e-6);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// As [`minimize`](crate::solvers::minimize()); and where there are no residuals, or they or their derivatives are not
/// finite at the start. The parameters are then as they were.
pub fn least_squares<F, P, R, S>(
    solver: &mut S,
    params: &mut P,
    problem: &mut LeastSquares<F, R>,
    stop: Stop<'_, F>,
) -> Result<Fit, Error>
where
    F: Scalar,
    P: ParamsMut<F>,
    R: Residuals<F, P>,
    S: Solver<F> + ?Sized,
{
    least_squares_within(solver, params, &Bounds::new(), problem, stop)
}

/// Minimizes a sum of squares within [`Bounds`] l ≤ w ≤ u, as [`least_squares`](least_squares()) does
/// without: the residuals are asked for at points of the box alone.
///
/// The covariance is that of all parameters, as if no bound were there; it says little of one that ends at
/// its bound, which [`Report::active`] names.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::Bounds;
/// use thalweg::solvers::Stop;
/// use thalweg::solvers::least_squares::{LeastSquares, LevenbergMarquardt, least_squares_within};
///
/// let mut problem = LeastSquares::new(|w: &Array1<f64>| array![w[0] - 2.0, w[1] + 1.0, w[0] * w[1]]);
/// let bounds = Bounds::new().all(0.0..);
/// let mut w = array![1.0, 1.0];
/// let mut solver = LevenbergMarquardt::new();
/// let fit = least_squares_within(&mut solver, &mut w, &bounds, &mut problem, Stop::never())?;
/// assert!((w[0] - 2.0).abs() < 1e-9 && w[1] == 0.0);
/// assert_eq!(fit.report().active.len(), 1);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// As [`least_squares`](least_squares()) and [`minimize_within`](crate::solvers::minimize_within()).
pub fn least_squares_within<F, P, R, S>(
    solver: &mut S,
    params: &mut P,
    bounds: &Bounds<F>,
    problem: &mut LeastSquares<F, R>,
    stop: Stop<'_, F>,
) -> Result<Fit, Error>
where
    F: Scalar,
    P: ParamsMut<F>,
    R: Residuals<F, P>,
    S: Solver<F> + ?Sized,
{
    let before = problem.counts();
    let flatten = Flatten::of(&*params)?;
    let mut x = vec![F::zero(); flatten.len()];
    flatten.gather(&*params, &mut x)?;
    let report = minimize_within(solver, params, bounds, problem, stop)?;
    if let Some(error) = problem.without_start(&*params, &report.status)? {
        // A start outside the bounds was moved.
        flatten.scatter(&x, params)?;
        return Err(error);
    }
    let (residuals, jacobian) = problem.plain(&*params)?;
    let counts = problem.counts().since(before);
    flatten.gather(&*params, &mut x)?;
    let freedom = residuals.len().saturating_sub(x.len());
    let covariance = covariance(&residuals, &jacobian, problem.robust());
    let estimate = |(at, value): (usize, &F)| Estimate {
        name: name(&flatten, at),
        value: value.into_f64(),
        standard_error: covariance[[at, at]].sqrt(),
    };
    let estimates = x.iter().enumerate().map(estimate).collect();
    Ok(Fit { report, counts, estimates, covariance, residuals, freedom, r_squared: None })
}

/// What an element is called.
fn name(flatten: &Flatten, at: usize) -> String {
    let (leaf, index) = flatten.locate(at).unwrap_or_default();
    let alone = flatten.range(leaf).is_some_and(|range| range.len() == 1);
    match (alone && !leaf.is_empty(), &index[..]) {
        (true, _) | (_, []) => leaf.to_owned(),
        _ => format!("{leaf}{index:?}"),
    }
}

/// The covariance of the parameters.
fn covariance(residuals: &Array1<f64>, jacobian: &Array2<f64>, loss: Robust) -> Array2<f64> {
    let (m, n) = jacobian.dim();
    let mut columns = Columns::new(m, jacobian.t().iter().copied().collect());
    let mut sizes = vec![1.0; n];
    for (j, size) in sizes.iter_mut().enumerate() {
        let length = norm(columns.column(j));
        if length > 0.0 && length.is_finite() {
            *size = length;
        }
        columns.column_mut(j).iter_mut().for_each(|entry| *entry /= *size);
    }
    let svd = Svd::factor(columns);
    let rank = svd.rank();
    let scale = scale(residuals, n, loss);
    let told: Vec<bool> = (0..n)
        .map(|j| (0..rank).map(|k| svd.right(k)[j].powi(2)).sum::<f64>() > 1.0 - 1e-8)
        .collect();
    Array2::from_shape_fn((n, n), |(i, j)| match (told[i] && told[j], i == j) {
        (true, _) => {
            let part = |k: usize| {
                let v = svd.right(k);
                (v[i] / svd.values()[k]) * (v[j] / svd.values()[k])
            };
            scale * (0..rank).map(part).sum::<f64>() / (sizes[i] * sizes[j])
        }
        (false, true) => f64::INFINITY,
        (false, false) => f64::NAN,
    })
}

/// What (JᵀJ)⁻¹ is multiplied by.
fn scale(residuals: &Array1<f64>, n: usize, loss: Robust) -> f64 {
    let m = residuals.len();
    let free = m.saturating_sub(n) as f64;
    let slopes: Vec<(f64, f64)> = residuals.iter().map(|&r| loss.slope(r)).collect();
    let square = slopes.iter().map(|(psi, _)| psi * psi).sum::<f64>() / free;
    let mean = |f: &dyn Fn(f64) -> f64| slopes.iter().map(|(_, d)| f(*d)).sum::<f64>() / m as f64;
    let bend = mean(&|d| d);
    let spread = mean(&|d| (d - bend).powi(2));
    let kappa = 1.0 + n as f64 / m as f64 * spread / (bend * bend);
    if free > 0.0 { kappa * kappa * square / (bend * bend) } else { f64::INFINITY }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { residuals, jacobians, .. } = self.counts;
        writeln!(f, "{}: {}", self.report.solver, self.report.status)?;
        let (m, n) = (self.residuals.len(), self.estimates.len());
        write!(f, "{m} observations, {n} parameters; ")?;
        writeln!(f, "{residuals} evaluations of the residuals, {jacobians} of the Jacobian")?;
        write!(
            f,
            "Σr² = {:.6e}, s = {:.4e}",
            self.sum_of_squares(),
            self.residual_standard_deviation()
        )?;
        let degrees = counted(self.freedom as u64, "degree", "degrees");
        write!(f, " with {degrees} of freedom")?;
        if let Some(r_squared) = self.r_squared {
            write!(f, ", R² = {r_squared:.6}")?;
        }
        let wide = self.estimates.iter().map(|e| e.name.chars().count()).max().unwrap_or(0).max(9);
        write!(
            f,
            "\n\n{:wide$} {:>15} {:>12} {:>31}",
            "parameter", "value", "std. error", "95 % interval"
        )?;
        for (estimate, (low, high)) in self.estimates.iter().zip(self.intervals(0.95)) {
            let Estimate { name, value, standard_error } = estimate;
            write!(f, "\n{name:wide$} {value:>15.8e} {standard_error:>12.4e}   ")?;
            write!(f, "{:>28}", format!("{low:.5e} … {high:.5e}"))?;
        }
        writeln!(f)
    }
}
