//! Fits within bounds: no residual is asked for outside, and the answer is the constrained minimum.

use std::cell::Cell;

use ndarray::{Array1, Array2, array};
use thalweg::Bounds;
use thalweg::solvers::least_squares::{
    CurveFit, Dogleg, GaussNewton, LeastSquares, LevenbergMarquardt, Residuals, WithJacobian,
    least_squares_within,
};
use thalweg::solvers::{Lbfgs, Solver, Stop, minimize_within};

use crate::objective::BySquares;
use crate::problems::{self, Problem};
use crate::starts::numbers;

/// A problem that counts where it is asked outside a box.
struct Watched<'a> {
    problem: BySquares<'a>,
    lower: &'a Array1<f64>,
    upper: &'a Array1<f64>,
    outside: &'a Cell<u32>,
}

impl Watched<'_> {
    fn look(&self, w: &Array1<f64>) {
        let inside = w.iter().zip(self.lower).zip(self.upper).all(|((w, l), u)| l <= w && w <= u);
        self.outside.set(self.outside.get() + u32::from(!inside));
    }
}

impl Residuals<f64, Array1<f64>> for Watched<'_> {
    fn residuals(&mut self, w: &Array1<f64>) -> Result<Array1<f64>, thalweg::Error> {
        self.look(w);
        self.problem.residuals(w)
    }

    fn jacobian(
        &mut self,
        w: &Array1<f64>,
        r: &Array1<f64>,
    ) -> Result<Array2<f64>, thalweg::Error> {
        self.look(w);
        self.problem.jacobian(w, r)
    }
}

fn solvers() -> [Box<dyn Solver<f64>>; 4] {
    [
        Box::new(LevenbergMarquardt::new()),
        Box::new(LevenbergMarquardt::new().geodesic()),
        Box::new(Dogleg::new()),
        Box::new(GaussNewton::new()),
    ]
}

/// A box around a point that is off the start, one-sided here and there, as wide as a number says.
fn random_box(problem: &Problem, seed: u64) -> (Array1<f64>, Array1<f64>) {
    let mut numbers = numbers(seed);
    let mut next = || numbers.next().unwrap_or_default();
    let (mut lower, mut upper) = (Vec::new(), Vec::new());
    for x in &problem.start {
        let size = x.abs().max(1.0);
        let center = x + size * next();
        let wide = size * next().abs();
        let kind = next();
        lower.push(if kind < -0.6 { f64::NEG_INFINITY } else { center - wide });
        upper.push(if kind > 0.6 { f64::INFINITY } else { center + wide });
    }
    (Array1::from(lower), Array1::from(upper))
}

#[test]
fn no_residual_is_asked_for_outside_random_boxes() {
    let outside = Cell::new(0);
    for problem in problems::more_garbow_hillstrom().iter().filter(|p| p.dimension() <= 12) {
        for seed in 0..6 {
            let (lower, upper) = random_box(problem, seed);
            let bounds = Bounds::from_trees(&lower, &upper);
            for mut solver in solvers() {
                let (lower, upper, outside) = (&lower, &upper, &outside);
                let problem = BySquares(problem);
                let mut sum = LeastSquares::new(Watched { problem, lower, upper, outside });
                let mut w = Array1::from(beyond(upper));
                let stop = Stop::never().evaluations(300);
                _ = minimize_within(&mut *solver, &mut w, &bounds, &mut sum, stop).unwrap();
            }
        }
    }
    assert_eq!(outside.get(), 0);
}

/// A start that the box may not have.
fn beyond(upper: &Array1<f64>) -> Vec<f64> {
    upper.iter().map(|u| if u.is_finite() { u + 1.0 } else { 0.5 }).collect()
}

#[test]
fn the_constrained_minimum_is_that_of_l_bfgs_within_the_same_box() {
    let (mut alike, mut all) = (0, 0);
    for problem in problems::more_garbow_hillstrom().iter().filter(|p| p.dimension() <= 12) {
        for seed in 10..14 {
            let (lower, upper) = random_box(problem, seed);
            let bounds = Bounds::from_trees(&lower, &upper);
            let mut w = Array1::zeros(0);
            let mut run = |solver: &mut dyn Solver<f64>, stop: Stop<'_, f64>| {
                w = Array1::from(problem.start.clone());
                let mut sum = LeastSquares::new(BySquares(problem));
                minimize_within(solver, &mut w, &bounds, &mut sum, stop).unwrap()
            };
            let limit = 3000;
            let lbfgs = Stop::never().gradient_max(1e-8).evaluations(limit);
            let reference = run(&mut Lbfgs::new(), lbfgs);
            let report = run(&mut LevenbergMarquardt::new(), Stop::never().evaluations(limit));
            if !reference.status.is_converged() {
                continue;
            }
            all += 1;
            alike += u32::from(report.value <= reference.value * (1.0 + 1e-6) + 1e-9);
            // From what is said to have converged nothing leads down.
            if report.status.is_converged() {
                let mut sum = LeastSquares::new(BySquares(problem));
                let stop = Stop::never().gradient_max(1e-8).evaluations(limit);
                let further =
                    minimize_within(&mut Lbfgs::new(), &mut w, &bounds, &mut sum, stop).unwrap();
                let gain = report.value - further.value;
                assert!(gain <= 1e-6 * report.value + 1e-9, "{}: {report}", problem.title());
            }
        }
    }
    // Some boxes have several minima.
    assert!(10 * alike >= 9 * all && all > 60, "{alike} of {all}");
}

#[test]
fn a_curve_with_bounds_ends_at_them() {
    let x = Array1::linspace(0.0, 4.0, 30);
    let y = x.mapv(|x: f64| 3.0 * (-1.5 * x).exp() + 0.5);
    let decay = |x: &f64, w: &Array1<f64>| {
        assert!(w[1] >= 0.0 && w[1] <= 1.0, "{w}");
        w[0] * (-w[1] * x).exp() + w[2]
    };
    let mut w = array![1.0, 0.5, 0.0];
    let bounds = Bounds::new().upper(&array![f64::INFINITY, 1.0, f64::INFINITY]);
    let bounds = bounds.lower(&array![f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY]);
    let fit = CurveFit::new(&x, &y).bounds(bounds).fit(decay, &mut w).unwrap();
    assert_eq!(w[1], 1.0);
    assert_eq!(fit.report().active.len(), 1);
    // The rest is a line in e⁻ˣ.
    let slopes = x.mapv(|x| (-x).exp());
    let (mean, offset) = (slopes.mean().unwrap(), y.mean().unwrap());
    let amplitude = (&slopes - mean).dot(&(&y - offset)) / (&slopes - mean).mapv(|d| d * d).sum();
    assert!((w[0] - amplitude).abs() < 1e-6, "{fit}");
}

#[test]
fn a_start_at_a_bound_leaves_it_where_f_falls_inside() {
    for mut solver in solvers() {
        let mut sum = LeastSquares::new(WithJacobian::new(
            |w: &Array1<f64>| array![w[0] - 2.0, 1e3 * (w[1] - 0.5), 1e-3 * (w[2] - 4.0)],
            |_: &Array1<f64>| Array2::from_diag(&array![1.0, 1e3, 1e-3]),
        ));
        let bounds = Bounds::new().all(0.0..=3.0);
        let mut w = array![0.0, 3.0, 0.0];
        let stop = Stop::never().evaluations(200);
        let fit = least_squares_within(&mut *solver, &mut w, &bounds, &mut sum, stop).unwrap();
        assert!(fit.report().status.is_converged(), "{fit}");
        assert!(w.iter().zip([2.0, 0.5, 3.0]).all(|(w, e)| (w - e).abs() < 1e-8), "{w} {fit}");
    }
}
