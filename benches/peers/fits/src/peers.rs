//! The crates.

use std::cell::Cell;
use std::convert::Infallible;

use levenberg_marquardt::LeastSquaresProblem;
use nalgebra::{DMatrix, DVector, Dyn, Owned};
use ndarray::{Array1, Array2};
use thalweg::solvers::least_squares::{
    Dogleg, LeastSquares, LevenbergMarquardt, WithJacobian, least_squares,
};
use thalweg::solvers::{Solver, Stop};

use crate::{Outcome, Sum};

/// A crate with its settings; `None` where it returned an error.
pub struct Peer {
    pub name: &'static str,
    /// Whether its counts are compared.
    pub is_compared: bool,
    pub run: fn(&Sum) -> Option<Outcome>,
}

const LIMIT: u64 = 5000;

pub fn all() -> Vec<Peer> {
    let peer = |name, run| Peer { name, is_compared: true, run };
    vec![
        peer("thalweg, `LevenbergMarquardt`", |sum| ours(&mut LevenbergMarquardt::new(), sum)),
        peer("thalweg, `LevenbergMarquardt::geodesic`", |sum| {
            ours(&mut LevenbergMarquardt::new().geodesic(), sum)
        }),
        peer("thalweg, `Dogleg`", |sum| ours(&mut Dogleg::new(), sum)),
        peer("levenberg-marquardt 0.15", |sum| {
            minpack(levenberg_marquardt::LevenbergMarquardt::new(), sum)
        }),
        peer("basin 3.2, `LevenbergMarquardt` with QR, tight", |sum| basin(sum, true)),
        Peer {
            name: "basin 3.2, the same as it comes",
            is_compared: false,
            run: |sum| basin(sum, false),
        },
    ]
}

fn ours(solver: &mut dyn Solver<f64>, sum: &Sum) -> Option<Outcome> {
    let m = sum.residuals(&sum.start).len();
    let mut problem = LeastSquares::new(WithJacobian::new(
        |w: &Array1<f64>| Array1::from(sum.residuals(&w.to_vec())),
        |w: &Array1<f64>| sum.jacobian(&w.to_vec(), m),
    ));
    let mut w = Array1::from(sum.start.clone());
    let fit = least_squares(solver, &mut w, &mut problem, Stop::never().evaluations(LIMIT)).ok()?;
    let counts = fit.counts();
    Some(Outcome { at: w.to_vec(), residuals: counts.residuals, jacobians: counts.jacobians })
}

/// What is counted, where a crate asks through `&self`.
struct Counted<'a> {
    sum: &'a Sum,
    at: DVector<f64>,
    residuals: &'a Cell<u64>,
    jacobians: &'a Cell<u64>,
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

impl LeastSquaresProblem<f64, Dyn, Dyn> for Counted<'_> {
    type ParameterStorage = Owned<f64, Dyn>;
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;

    fn set_params(&mut self, x: &DVector<f64>) {
        self.at.copy_from(x);
    }

    fn params(&self) -> DVector<f64> {
        self.at.clone()
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        count(self.residuals);
        Some(DVector::from_vec(self.sum.residuals(self.at.as_slice())))
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        count(self.jacobians);
        let m = self.sum.residuals(self.at.as_slice()).len();
        let jacobian = self.sum.jacobian(self.at.as_slice(), m);
        Some(DMatrix::from_fn(m, self.at.len(), |i, j| jacobian[[i, j]]))
    }
}

fn minpack(
    solver: levenberg_marquardt::LevenbergMarquardt<f64>,
    sum: &Sum,
) -> Option<Outcome> {
    let (residuals, jacobians) = (Cell::new(0), Cell::new(0));
    let at = DVector::from_vec(sum.start.clone());
    let problem = Counted { sum, at, residuals: &residuals, jacobians: &jacobians };
    let (problem, _) = solver.with_patience(1000).minimize(problem);
    let at = problem.at.as_slice().to_vec();
    Some(Outcome { at, residuals: residuals.get(), jacobians: jacobians.get() })
}

struct Basin<'a> {
    sum: &'a Sum,
    residuals: &'a Cell<u64>,
    jacobians: &'a Cell<u64>,
}

impl basin::Residual for Basin<'_> {
    type Param = Array1<f64>;
    type Output = Array1<f64>;
    type Error = Infallible;

    fn residual(&self, w: &Array1<f64>) -> Result<Array1<f64>, Infallible> {
        count(self.residuals);
        Ok(Array1::from(self.sum.residuals(&w.to_vec())))
    }
}

impl basin::Jacobian for Basin<'_> {
    type Jacobian = Array2<f64>;

    fn jacobian(&self, w: &Array1<f64>) -> Result<Array2<f64>, Infallible> {
        count(self.jacobians);
        let m = self.sum.residuals(&w.to_vec()).len();
        Ok(self.sum.jacobian(&w.to_vec(), m))
    }
}

fn basin(sum: &Sum, tight: bool) -> Option<Outcome> {
    let (residuals, jacobians) = (Cell::new(0), Cell::new(0));
    let problem = Basin { sum, residuals: &residuals, jacobians: &jacobians };
    let mut solver = basin::LevenbergMarquardt::new();
    if tight {
        solver = solver
            .with_absolute_gradient_tolerance(0.0)
            .with_gradient_orthogonality_tolerance(1e-15)
            .with_relative_model_reduction_tolerance(1e-15)
            .with_relative_step_tolerance(1e-15);
    }
    let start = basin::PointState::new(Array1::from(sum.start.clone()));
    let run = basin::Executor::new(problem, solver.with_pivoted_qr(), start).max_iter(LIMIT);
    let result = run.run().ok()?;
    let at = result.param().to_vec();
    Some(Outcome { at, residuals: residuals.get(), jacobians: jacobians.get() })
}
