//! What is said of a fit that goes wrong, and that nothing is claimed that was not seen.

use ndarray::{Array1, Array2, array};
use thalweg::ErrorKind;
use thalweg::solvers::least_squares::{
    Dogleg, GaussNewton, LeastSquares, LevenbergMarquardt, WithJacobian, WithProducts,
    least_squares,
};
use thalweg::solvers::{Flat, NewtonCg, Solver, Status, Stop, minimize};

fn solvers() -> [Box<dyn Solver<f64>>; 4] {
    [
        Box::new(LevenbergMarquardt::new()),
        Box::new(LevenbergMarquardt::new().geodesic()),
        Box::new(Dogleg::new()),
        Box::new(GaussNewton::new()),
    ]
}

#[test]
fn a_jacobian_of_the_wrong_sign_or_scale_is_no_convergence() {
    for mut solver in solvers() {
        for factor in [-1.0, 0.1, 10.0] {
            let mut sum = LeastSquares::new(WithJacobian::new(
                |w: &Array1<f64>| array![w[0] - 3.0, 2.0 * w[1] + 1.0, 0.1 * w[0] * w[1], 0.3],
                move |w: &Array1<f64>| {
                    let rows = [[1.0, 0.0], [0.0, 2.0], [0.1 * w[1], 0.1 * w[0]], [0.0, 0.0]];
                    Array2::from(rows.to_vec()) * factor
                },
            ));
            let mut w = array![10.0, -7.0];
            let stop = Stop::never().evaluations(2000);
            let report = minimize(&mut *solver, &mut w, &mut sum, stop).unwrap();
            // A step of the wrong length may still arrive; the gradient is then 0 in truth as well.
            let told = report.status.is_misuse() || report.status == Status::EvaluationLimit;
            assert!(told || (w[0] - 3.0).abs() < 0.05, "{factor}: {report} {w}");
            if factor < 0.0 {
                assert!(report.status.is_misuse(), "{report}");
            }
        }
    }
}

#[test]
fn an_exact_fit_is_found_and_said() {
    for mut solver in solvers() {
        let mut sum = LeastSquares::new(|w: &Array1<f64>| array![w[0] - 3.0, w[0] * w[1] - 6.0]);
        let mut w = array![1.0, 1.0];
        let fit = least_squares(&mut *solver, &mut w, &mut sum, Stop::never()).unwrap();
        assert!(fit.report().status.is_converged(), "{fit}");
        assert!(w.iter().zip([3.0, 2.0]).all(|(w, e)| (w - e).abs() < 1e-9), "{w}");
        assert!(fit.counts().residuals < 100, "{fit}");
    }
}

#[test]
fn limits_and_targets_hold() {
    let sum =
        || LeastSquares::new(|w: &Array1<f64>| array![10.0 * (w[1] - w[0] * w[0]), 1.0 - w[0]]);
    for mut solver in solvers() {
        let mut w = array![-1.2, 1.0];
        let stop = Stop::never().evaluations(5);
        let report = minimize(&mut *solver, &mut w, &mut sum(), stop).unwrap();
        assert!(report.status == Status::EvaluationLimit && report.evaluations.total() == 5);
        let mut w = array![-1.2, 1.0];
        let report = minimize(&mut *solver, &mut w, &mut sum(), Stop::never().target(1.0)).unwrap();
        assert!(report.status == Status::TargetReached && report.value <= 1.0, "{report}");
    }
}

#[test]
fn a_start_where_nothing_is_defined_and_a_wall_are_told() {
    for mut solver in solvers() {
        let mut sum = LeastSquares::new(|w: &Array1<f64>| array![w[0].ln(), w[0] - 2.0]);
        let report = minimize(&mut *solver, &mut array![-1.0], &mut sum, Stop::never()).unwrap();
        assert!(matches!(report.status, Status::NonFinite(_)), "{report}");
        // From close to the wall a whole step would cross it.
        let mut w = array![5.0];
        let report = minimize(&mut *solver, &mut w, &mut sum, Stop::never()).unwrap();
        assert!(report.status.is_converged() && (w[0] - 1.689_579_7).abs() < 1e-6, "{report} {w}");
    }
}

#[test]
fn a_plain_objective_and_a_changing_number_of_residuals_are_errors() {
    for mut solver in solvers() {
        let mut plain = |w: &Array1<f64>| (w.dot(w), 2.0 * w);
        let mut w = array![1.0];
        let error = minimize(&mut *solver, &mut w, &mut plain, Stop::default()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NoResiduals { .. }), "{error}");

        let mut calls = 0;
        let mut sum = LeastSquares::new(WithJacobian::new(
            move |w: &Array1<f64>| {
                calls += 1;
                if calls < 3 { array![w[0] - 1.0, w[0] - 2.0] } else { array![w[0]] }
            },
            |_: &Array1<f64>| array![[1.0], [1.0]],
        ));
        let mut w = array![1e3];
        let outcome = minimize(&mut *solver, &mut w, &mut sum, Stop::never().evaluations(50));
        if let Err(error) = outcome {
            assert!(
                matches!(error.kind(), ErrorKind::Size { found: 1, expected: 2, .. }),
                "{error}"
            );
            assert_eq!(w[0], 1e3);
        }

        let mut sum = LeastSquares::new(WithJacobian::new(
            |w: &Array1<f64>| array![w[0], w[0] - 1.0],
            |_: &Array1<f64>| array![[1.0, 1.0]],
        ));
        let error = minimize(&mut *solver, &mut w, &mut sum, Stop::never()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Shape { what: "Jacobian", .. }), "{error}");
    }
}

#[test]
fn a_failing_closure_is_the_source_of_the_error() {
    use std::error::Error as _;
    for mut solver in solvers() {
        let mut sum = LeastSquares::new(|w: &Array1<f64>| {
            "2.5x".parse::<f64>().map(|scale| array![scale * w[0]])
        });
        let mut w = array![1.0];
        let error = minimize(&mut *solver, &mut w, &mut sum, Stop::never()).unwrap_err();
        assert!(error.source().unwrap().is::<std::num::ParseFloatError>());
        assert_eq!(w[0], 1.0);
    }
}

#[test]
fn products_alone_are_the_same_problem() {
    let residuals = |w: &Array1<f64>| array![10.0 * (w[1] - w[0] * w[0]), 1.0 - w[0], w[0] * w[1]];
    let rows = |w: &Array1<f64>| array![[-20.0 * w[0], 10.0], [-1.0, 0.0], [w[1], w[0]]];
    let products = || {
        LeastSquares::new(WithProducts::new(
            residuals,
            move |w: &Array1<f64>, v: Flat<'_, f64>| {
                rows(w).dot(&Array1::from(v.as_slice().to_vec()))
            },
            move |w: &Array1<f64>, u: &Array1<f64>| rows(w).t().dot(u),
        ))
    };
    let matrix = || LeastSquares::new(WithJacobian::new(residuals, rows));
    let run = |solver: &mut dyn Solver<f64>, by_products: bool| {
        let mut w = array![-1.2, 1.0];
        let stop = Stop::default().gradient_max(1e-9);
        let report = if by_products {
            minimize(solver, &mut w, &mut products(), stop)
        } else {
            minimize(solver, &mut w, &mut matrix(), stop)
        };
        assert!(report.unwrap().status.is_converged());
        w
    };
    let exact = run(&mut LevenbergMarquardt::new(), false);
    let solvers: [Box<dyn Solver<f64>>; 2] =
        [Box::new(NewtonCg::new()), Box::new(LevenbergMarquardt::new())];
    for mut solver in solvers {
        for by_products in [false, true] {
            let found = run(&mut *solver, by_products);
            assert!((&found - &exact).iter().all(|d| d.abs() < 1e-7), "{found} {exact}");
        }
    }
}
