//! Newton's method.

use ndarray::{Array1, Array2, Axis};

use super::descent::Descent;
use super::halt::Halt;
use super::lbfgs::{first_length, moved};
use super::line_search::{Backtracking, LineSearch};
use super::model::{difference, zero};
use super::solver::Solver;
use crate::error::Error;
use crate::linalg::cholesky::Cholesky;
use crate::linalg::symmetric::SymmetricEigen;
use crate::scalar::Scalar;
use crate::vector;

/// Below this part of the largest, an eigenvalue of the scaled Hessian is raised.
const LEAST: f64 = 1e-10;

/// **Newton**, damped by a line search: the fewest iterations, for some hundred parameters.
///
/// d = -H⁻¹g by Cholesky; where H is not positive definite,
/// d = -|H|⁻¹g.
///
/// |H| has the eigenvectors of H and the magnitudes of its eigenvalues, after H was scaled to a
/// diagonal of ±1, so that d descends, and away from saddle points. H is the
/// objective's own where it gives one ([`WithHessianMatrix`](super::WithHessianMatrix)), else n products
/// Hv, its own ([`WithHessian`](super::WithHessian)) or differences of gradients, each an evaluation. n² numbers and n³ operations an iteration: for some hundred
/// parameters; beyond, take [`NewtonCg`](super::NewtonCg). Needs the feature `linalg`.
///
/// Source: Nocedal & Wright 2006, algorithm 3.2; Greenstadt 1967 (|H|).
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{Flat, Newton, Stop, WithHessian, minimize};
///
/// let mut objective = WithHessian::new(
///     |w: &Array1<f64>| (w.mapv(f64::exp).sum() - w.sum(), w.mapv(f64::exp) - 1.0),
///     |w: &Array1<f64>, v: Flat<'_, f64>| w.mapv(f64::exp) * v.view(),
/// );
/// let mut w = array![1.0, -1.0];
/// let report = minimize(&mut Newton::new(), &mut w, &mut objective, Stop::default())?;
/// assert!(report.status.is_converged() && report.iterations < 8);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Newton<F, L = Backtracking> {
    search: L,
    hessian: Array2<f64>,
    /// The objective's own, where it gives one.
    matrix: Array2<F>,
    /// The first length along -g.
    reach: f64,
    /// Whether the Hessian is positive definite.
    definite: bool,
    direction: Vec<F>,
    axis: Vec<F>,
    column: Vec<F>,
}

impl<F: Scalar> Default for Newton<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Scalar> Newton<F> {
    /// With backtracking.
    pub fn new() -> Self {
        Self {
            search: Backtracking::new(),
            hessian: Array2::zeros((0, 0)),
            matrix: Array2::zeros((0, 0)),
            reach: 0.0,
            definite: false,
            direction: Vec::new(),
            axis: Vec::new(),
            column: Vec::new(),
        }
    }
}

impl<F: Scalar, L: LineSearch> Newton<F, L> {
    /// Sets the line search.
    #[must_use]
    pub fn line_search<M: LineSearch>(self, search: M) -> Newton<F, M> {
        Newton {
            search,
            hessian: self.hessian,
            matrix: self.matrix,
            reach: self.reach,
            definite: self.definite,
            direction: self.direction,
            axis: self.axis,
            column: self.column,
        }
    }

    /// H, column by column.
    fn form(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        let n = descent.dim();
        if descent.has_hessian() {
            if self.matrix.dim() != (n, n) {
                self.matrix = Array2::zeros((n, n));
            }
            descent.hessian(&mut self.matrix)?;
            for j in 0..n {
                for i in 0..n {
                    let sum = self.matrix[(i, j)].into_f64() + self.matrix[(j, i)].into_f64();
                    self.hessian[(i, j)] = 0.5 * sum;
                }
            }
            return Ok(());
        }
        let precision = F::epsilon().into_f64();
        // Elements of very different size are varied each by a part of its own.
        let least = precision.powf(0.25) * vector::norm_max(descent.x()).max(1.0);
        for j in 0..n {
            self.axis[j] = F::one();
            if descent.has_hessian_vector() {
                descent.hessian_vector(&self.axis, &mut self.column)?;
            } else {
                let h = precision.sqrt() * descent.x()[j].into_f64().abs().max(least);
                difference(descent, &self.axis, h, &mut self.column)?;
            }
            self.axis[j] = F::zero();
            for i in 0..n {
                self.hessian[(i, j)] = self.column[i].into_f64();
            }
        }
        for j in 0..n {
            for i in 0..j {
                let mean = 0.5 * (self.hessian[(i, j)] + self.hessian[(j, i)]);
                (self.hessian[(i, j)], self.hessian[(j, i)]) = (mean, mean);
            }
        }
        Ok(())
    }

    /// d = -H⁻¹g or -|H|⁻¹g; whether it descends.
    fn point_downhill(&mut self, g: &[F]) -> bool {
        if !self.hessian.iter().all(|h| h.is_finite()) {
            return false;
        }
        let right: Array1<f64> = g.iter().map(|g| -g.into_f64()).collect();
        self.definite = false;
        if let Some(factor) = Cholesky::factor_any(&self.hessian) {
            let mut d = right.clone().insert_axis(Axis(1));
            factor.solve(&mut d);
            self.direction.iter_mut().zip(&d).for_each(|(to, &d)| *to = F::from_f64(d));
            self.definite = self.descends(g);
            if self.definite {
                return true;
            }
        }
        self.by_magnitudes(right) && self.descends(g)
    }

    fn by_magnitudes(&mut self, right: Array1<f64>) -> bool {
        let n = right.len();
        let h = &self.hessian;
        let row = |i: usize| (0..n).map(|j| h[(i, j)].abs()).fold(0.0, f64::max);
        let largest = (0..n).map(row).fold(f64::MIN_POSITIVE, f64::max);
        let scale: Array1<f64> = (0..n)
            .map(|i| {
                let size = h[(i, i)].abs();
                let size = if size > LEAST * row(i) { size } else { row(i) };
                if size > 0.0 { size } else { largest }.sqrt().recip()
            })
            .collect();
        let scaled = Array2::from_shape_fn((n, n), |(i, j)| scale[i] * h[(i, j)] * scale[j]);
        let Ok(eigen) = SymmetricEigen::factor(&scaled, "the scaled Hessian") else { return false };
        let most = eigen.values.fold(f64::MIN_POSITIVE, |most, x| most.max(x.abs()));
        let d = eigen.solve(&(right * &scale), |x| 1.0 / x.abs().max(LEAST * most)) * &scale;
        self.direction.iter_mut().zip(&d).for_each(|(to, &d)| *to = F::from_f64(d));
        true
    }

    /// Whether the direction is finite and no nearer than rounding to a right angle with g.
    fn descends(&self, g: &[F]) -> bool {
        let size = vector::norm(&self.direction) * vector::norm(g);
        vector::dot(g, &self.direction) < -1e-14 * size && size.is_finite()
    }

    fn search(&mut self, descent: &mut Descent<'_, F>, first: f64) -> Result<bool, Halt> {
        let slope = descent.slope_along(&self.direction);
        Ok(descent.line_search(&mut self.search, &self.direction, slope, first)?.is_ok())
    }
}

impl<F: Scalar, L: LineSearch> Solver<F> for Newton<F, L> {
    fn name(&self) -> &'static str {
        "Newton"
    }

    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

    fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        let n = descent.dim();
        for vector in [&mut self.direction, &mut self.axis, &mut self.column] {
            zero(vector, n);
        }
        self.hessian = Array2::zeros((n, n));
        self.reach = 0.0;
        Ok(())
    }

    fn turn(&mut self, _: &mut Descent<'_, F>) -> Result<(), Halt> {
        Ok(())
    }

    fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        self.form(descent)?;
        let downhill = self.point_downhill(descent.gradient());
        let slope = descent.slope_along(&self.direction);
        descent.note_promise(if downhill && self.definite { -0.5 * slope } else { f64::INFINITY });
        let found = downhill && self.search(descent, 1.0)?;
        if !found {
            descent.count_restart();
            vector::combine(-1.0, descent.gradient(), 0.0, &mut self.direction);
            let first = self.reach.max(first_length(descent.x(), descent.gradient(), 0.1));
            if self.search(descent, first)? {
                // Where f does not curve at all, the next step goes further.
                self.reach = 10.0 * descent.length();
            } else if descent.accept_best(0.0)? {
                self.reach = 10.0 * moved(descent, &mut self.direction);
            } else {
                return Err(Halt::Stuck);
            }
        }
        Ok(())
    }
}
