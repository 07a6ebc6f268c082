//! Robust losses, beside those of SciPy and statsmodels.

use ndarray::{Array1, Array2};
use thalweg::solvers::least_squares::{
    Dogleg, LeastSquares, LevenbergMarquardt, Robust, WithJacobian, least_squares,
};
use thalweg::solvers::{Lbfgs, Solver, Stop, minimize};

use super::curve::{golden, x, y};

fn residuals(w: &Array1<f64>) -> Array1<f64> {
    x().mapv(|x| w[0] * (-w[1] * x).exp() + w[2]) - y()
}

fn jacobian(w: &Array1<f64>) -> Array2<f64> {
    Array2::from_shape_fn((21, 3), |(i, j)| {
        let (x, decay) = (i as f64, (-w[1] * i as f64).exp());
        [decay, -w[0] * x * decay, 1.0][j]
    })
}

const LOSSES: [(&str, Robust); 5] = [
    ("linear", Robust::Squares),
    ("soft_l1", Robust::SoftL1(0.1)),
    ("huber", Robust::Huber(0.1)),
    ("cauchy", Robust::Cauchy(0.1)),
    ("arctan", Robust::Arctan(0.1)),
];

#[test]
fn each_loss_has_the_minimum_that_scipy_finds() {
    for (name, loss) in LOSSES {
        let expected = golden(name);
        let solvers: [Box<dyn Solver<f64>>; 3] = [
            Box::new(LevenbergMarquardt::new()),
            Box::new(LevenbergMarquardt::new().geodesic()),
            Box::new(Dogleg::new()),
        ];
        for mut solver in solvers {
            let mut w = Array1::from(vec![2.0, 0.5, 0.3]);
            let mut sum = LeastSquares::new(WithJacobian::new(residuals, jacobian)).loss(loss);
            let stop = Stop::never().evaluations(1000);
            let fit = least_squares(&mut *solver, &mut w, &mut sum, stop).unwrap();
            let report = fit.report();
            assert!(report.status.is_converged(), "{name}: {report}");
            let cost = report.value;
            assert!((cost / expected[3] - 1.0).abs() < 1e-9, "{name}: {cost:e} {}", solver.name());
            // Where f is flat to rounding, the parameters agree to its root.
            let near = w.iter().zip(&expected).all(|(w, e)| (w - e).abs() < 1e-6);
            assert!(near, "{name}: {w} {}", solver.name());
        }
    }
}

#[test]
fn a_loss_is_the_same_function_for_every_solver() {
    for (name, loss) in LOSSES {
        let mut w = Array1::from(vec![2.0, 0.5, 0.3]);
        let mut sum = LeastSquares::new(WithJacobian::new(residuals, jacobian)).loss(loss);
        let stop = Stop::default().gradient_max(1e-9);
        let report = minimize(&mut Lbfgs::new(), &mut w, &mut sum, stop).unwrap();
        assert!((report.value / golden(name)[3] - 1.0).abs() < 1e-9, "{name}: {report}");
    }
}

#[test]
fn standard_errors_of_hubers_estimate_are_those_of_statsmodels() {
    let expected = golden("rlm");
    let line = |w: &Array1<f64>| x().mapv(|x| w[0] + w[1] * x) - y();
    let slopes = |_: &Array1<f64>| {
        Array2::from_shape_fn((21, 2), |(i, j)| if j == 0 { 1.0 } else { i as f64 })
    };
    let mut w = Array1::zeros(2);
    let mut sum = LeastSquares::new(WithJacobian::new(line, slopes));
    sum = sum.loss(Robust::Huber(expected[4]));
    let stop = Stop::never().evaluations(1000);
    let fit = least_squares(&mut LevenbergMarquardt::new(), &mut w, &mut sum, stop).unwrap();
    for (j, estimate) in fit.estimates().iter().enumerate() {
        assert!((estimate.value / expected[j] - 1.0).abs() < 1e-7, "{fit}");
        assert!((estimate.standard_error / expected[2 + j] - 1.0).abs() < 1e-6, "{fit}");
    }
}
