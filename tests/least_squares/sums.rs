//! The problems of Moré, Garbow and Hillstrom in the form that they have: sums of squares.

use ndarray::Array1;
use thalweg::solvers::least_squares::{
    Dogleg, GaussNewton, LeastSquares, LevenbergMarquardt, least_squares,
};
use thalweg::solvers::{Lbfgs, NewtonCg, Solver, Stop, minimize};

use crate::objective::BySquares;
use crate::problems::{self, Problem};

/// Whether half the sum is at a published minimum, or as small as rounding of the residuals.
fn is_minimum(problem: &Problem, squares: f64) -> bool {
    let mut known = problem.minima.iter().map(|minimum| minimum.value);
    known.any(|value| (squares - value).abs() <= 1e-6 * value.abs() + 1e-10)
}

fn solve(problem: &Problem, solver: &mut dyn Solver<f64>) -> (f64, bool, u64) {
    let mut w = Array1::from(problem.start.clone());
    let mut sum = LeastSquares::new(BySquares(problem));
    let stop = Stop::never().evaluations(3000);
    let fit = least_squares(solver, &mut w, &mut sum, stop).unwrap();
    let converged = fit.report().status.is_converged();
    println!("{} {} {}", problem.title(), solver.name(), fit.report());
    (2.0 * fit.report().value, converged, fit.counts().residuals)
}

#[test]
fn residuals_are_those_of_the_objective() {
    for problem in problems::more_garbow_hillstrom() {
        let mut gradient = vec![0.0; problem.dimension()];
        let value = problem.evaluate(&problem.start, &mut gradient);
        let rows = problem.residuals(&problem.start);
        let squares: f64 = rows.iter().map(|(r, _)| r * r).sum();
        assert!((squares - value).abs() <= 1e-12 * value, "{}", problem.title());
        let mut sum = vec![0.0; problem.dimension()];
        rows.iter().for_each(|(r, row)| row.iter().for_each(|(j, d)| sum[*j] += 2.0 * r * d));
        let size = gradient.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        let near = sum.iter().zip(&gradient).all(|(a, b)| (a - b).abs() <= 1e-11 * size);
        assert!(near, "{}", problem.title());
    }
}

#[test]
fn levenberg_marquardt_comes_to_a_published_minimum_of_all() {
    for problem in problems::more_garbow_hillstrom() {
        let (squares, converged, _) = solve(&problem, &mut LevenbergMarquardt::new());
        let title = problem.title();
        assert!(is_minimum(&problem, squares), "{title}: {squares:e}");
        assert!(converged, "{title}: {squares:e}");
    }
}

#[test]
fn its_siblings_come_to_one_of_most() {
    let siblings: [(Box<dyn Solver<f64>>, usize); 3] = [
        (Box::new(LevenbergMarquardt::new().geodesic()), 38),
        (Box::new(Dogleg::new()), 38),
        (Box::new(GaussNewton::new()), 28),
    ];
    for (mut solver, least) in siblings {
        let all = problems::more_garbow_hillstrom();
        let found = all.iter().filter(|p| is_minimum(p, solve(p, &mut *solver).0)).count();
        assert!(found >= least, "{}: {found} of {}", solver.name(), all.len());
    }
}

#[test]
fn any_solver_takes_a_sum_of_squares_for_an_objective() {
    for problem in problems::eleven().iter().filter(|p| p.number > 0) {
        for solver in [&mut Lbfgs::new() as &mut dyn Solver<f64>, &mut NewtonCg::new()] {
            let mut w = Array1::from(problem.start.clone());
            let mut sum = LeastSquares::new(BySquares(problem));
            let stop = Stop::default().gradient_max(1e-8);
            let report = minimize(solver, &mut w, &mut sum, stop).unwrap();
            assert!(report.status.is_success(), "{}: {report}", problem.title());
            assert!(is_minimum(problem, 2.0 * report.value), "{}: {report}", problem.title());
        }
    }
}
