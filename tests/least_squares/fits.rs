//! NIST's 27 nonlinear fits, from both starts, to the certified digits.

use ndarray::Array1;
use thalweg::solvers::Stop;
use thalweg::solvers::least_squares::{
    Differences, Dogleg, Fit, LeastSquares, LevenbergMarquardt, Residuals, least_squares,
};

use crate::nist;

/// Digits that agree.
fn digits(found: f64, known: f64) -> f64 {
    (-((found - known) / known).abs().log10()).min(15.0)
}

/// The fewest digits of the parameters and of their standard deviations.
fn worst(fit: &Fit, problem: &nist::Fit) -> (f64, f64) {
    let pairs = fit.estimates().iter().zip(problem.at.iter().zip(&problem.deviations));
    pairs.fold((15.0, 15.0), |(value, error), (estimate, (&at, &deviation))| {
        (
            value.min(digits(estimate.value, at)),
            error.min(digits(estimate.standard_error, deviation)),
        )
    })
}

/// Residuals of 1e-13 beside observations of 1: the third digit of a residual is rounding of the
/// observation, and so is the fourth of the standard deviations, which are their mean.
fn digits_of_deviations(name: &str) -> f64 {
    if name == "Lanczos1" { 2.5 } else { 4.0 }
}

fn check(fit: &Fit, problem: &nist::Fit, start: usize) {
    let (value, error) = worst(fit, problem);
    let name = problem.name;
    let report = fit.report();
    assert!(value >= 6.0, "{name} {start}: {value} digits\n{fit}");
    assert!(error >= digits_of_deviations(name), "{name} {start}: {error} digits\n{fit}");
    assert!(report.status.is_converged(), "{name} {start}: {report}");
    let squares = 2.0 * report.value;
    assert!((fit.sum_of_squares() / squares - 1.0).abs() < 1e-12, "{name}");
}

#[test]
fn all_27_come_to_the_certified_digits_from_both_starts() {
    for problem in nist::fits() {
        for (k, start) in problem.starts.iter().enumerate() {
            let mut w = Array1::from(start.clone());
            let stop = Stop::never().evaluations(5000);
            let mut sum = LeastSquares::new(&problem);
            let fit =
                least_squares(&mut LevenbergMarquardt::new(), &mut w, &mut sum, stop).unwrap();
            check(&fit, &problem, k + 1);
        }
    }
}

#[test]
fn differences_lose_no_certified_digit() {
    for problem in nist::fits() {
        for (k, start) in problem.starts.iter().enumerate() {
            let mut w = Array1::from(start.clone());
            let stop = Stop::never().evaluations(5000);
            let residuals = |w: &Array1<f64>| Residuals::residuals(&mut &problem, w).unwrap();
            let mut sum = LeastSquares::new(Differences::new(residuals));
            let fit =
                least_squares(&mut LevenbergMarquardt::new(), &mut w, &mut sum, stop).unwrap();
            check(&fit, &problem, k + 1);
        }
    }
}

#[test]
fn the_dogleg_comes_to_the_certified_digits_from_the_near_starts() {
    for problem in nist::fits() {
        let mut w = Array1::from(problem.starts[1].clone());
        let mut sum = LeastSquares::new(&problem);
        let stop = Stop::never().evaluations(5000);
        let fit = least_squares(&mut Dogleg::new(), &mut w, &mut sum, stop).unwrap();
        check(&fit, &problem, 2);
    }
}

#[test]
fn acceleration_leads_to_the_same_fits() {
    for problem in nist::fits() {
        let mut w = Array1::from(problem.starts[1].clone());
        let mut sum = LeastSquares::new(&problem);
        let stop = Stop::never().evaluations(5000);
        let mut solver = LevenbergMarquardt::new().geodesic();
        let fit = least_squares(&mut solver, &mut w, &mut sum, stop).unwrap();
        check(&fit, &problem, 2);
    }
}

#[test]
fn units_of_the_parameters_change_neither_the_fit_nor_the_evaluations() {
    for name in ["Misra1a", "Chwirut2", "MGH09", "Rat43", "Hahn1"] {
        let problem = nist::fits().into_iter().find(|fit| fit.name == name).unwrap();
        let run = |scale: &dyn Fn(usize) -> f64| {
            // Powers of two, so that only the order of magnitude differs.
            let n = problem.at.len();
            let sizes: Array1<f64> = (0..n).map(scale).collect();
            let mut w = Array1::from(problem.starts[1].clone()) / &sizes;
            let mut sum = LeastSquares::new(thalweg::solvers::least_squares::WithJacobian::new(
                |w: &Array1<f64>| Residuals::residuals(&mut &problem, &(w * &sizes)).unwrap(),
                |w: &Array1<f64>| {
                    let r = Array1::zeros(0);
                    Residuals::jacobian(&mut &problem, &(w * &sizes), &r).unwrap() * &sizes
                },
            ));
            let stop = Stop::never().evaluations(5000);
            let fit =
                least_squares(&mut LevenbergMarquardt::new(), &mut w, &mut sum, stop).unwrap();
            (w * sizes, fit.counts())
        };
        let (plain, counts) = run(&|_| 1.0);
        let (scaled, others) = run(&|i| 2f64.powi(20 * (i as i32 % 3) - 10));
        assert_eq!(counts, others, "{name}");
        assert!(plain.iter().zip(&scaled).all(|(a, b)| (a / b - 1.0).abs() < 1e-9), "{name}");
    }
}
