//! Curves through points, beside SciPy's `curve_fit`; and what is said of wrong use.

use ndarray::{Array1, Array2, ArrayView1, array};
use thalweg::solvers::least_squares::{
    CurveFit, Fit, LeastSquares, LevenbergMarquardt, Robust, curve_fit, least_squares,
};
use thalweg::solvers::{Lbfgs, Solver, Stop};
use thalweg::{Bounds, ErrorKind};

pub(crate) fn x() -> Array1<f64> {
    (0..21).map(f64::from).collect()
}

/// A decay, disturbed, with two outliers.
pub(crate) fn y() -> Array1<f64> {
    let mut y = x().mapv(|x| 3.0 * (-0.4 * x).exp() + 0.5 + 0.05 * (37.0 * x).sin());
    y[3] += 2.0;
    y[11] += 2.0;
    y
}

/// The numbers of that name in what `tests/golden/least_squares.py` prints.
pub(crate) fn golden(name: &str) -> Vec<f64> {
    let table = include_str!("../golden/least_squares.tsv");
    let row = table.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
    row.unwrap().split('\t').map(|number| number.parse().unwrap()).collect()
}

fn decay(x: &f64, w: &Array1<f64>) -> f64 {
    w[0] * (-w[1] * x).exp() + w[2]
}

fn slopes(x: &f64, w: &Array1<f64>) -> Array1<f64> {
    let decay = (-w[1] * x).exp();
    array![decay, -w[0] * x * decay, 1.0]
}

fn check(fit: &Fit, name: &str) {
    let expected = golden(name);
    for (j, estimate) in fit.estimates().iter().enumerate() {
        // The fit ends where what is left of the way is a small part of the standard error.
        let off = (estimate.value - expected[j]) / expected[3 + j];
        assert!(off.abs() < 1e-6, "{name}: {fit}");
        assert!((estimate.standard_error / expected[3 + j] - 1.0).abs() < 1e-6, "{name}: {fit}");
    }
    assert!((fit.covariance()[[0, 1]] / expected[6] - 1.0).abs() < 1e-5, "{name}");
}

#[test]
fn estimates_and_errors_are_those_of_scipy() {
    let (x, y) = (x(), y());
    let sigma = x.mapv(|x| 0.05 * (1.0 + 0.1 * x));
    let start = array![2.0, 0.5, 0.3];
    let points = || CurveFit::new(&x, &y);
    for by_hand in [false, true] {
        let fit = |points: CurveFit<f64, &f64>| {
            let mut w = start.clone();
            if by_hand {
                points.fit_with_gradient(decay, slopes, &mut w).unwrap()
            } else {
                points.fit(decay, &mut w).unwrap()
            }
        };
        check(&fit(points()), "plain");
        check(&fit(points().sigma(&sigma)), "relative");
        check(&fit(points().absolute_sigma(&sigma)), "absolute");
    }
    check(&curve_fit(decay, &x, &y, &mut start.clone()).unwrap(), "plain");
}

#[test]
fn a_line_has_the_textbooks_numbers() {
    // Anscombe 1973, the first of four: y = 3.00 + 0.500 x, R² = 0.667, standard errors 1.125, 0.118.
    let x = array![10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
    let y = array![8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
    let mut line = (array![0.0], array![1.0]);
    let by = |x: &f64, (a, b): &(Array1<f64>, Array1<f64>)| a[0] + b[0] * x;
    let fit = CurveFit::new(&x, &y).names(["offset", "slope"]).fit(by, &mut line).unwrap();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-4 * b.abs().max(1.0);
    assert!(near(line.0[0], 3.000_091) && near(line.1[0], 0.500_091), "{fit}");
    let errors: Vec<f64> = fit.estimates().iter().map(|e| e.standard_error).collect();
    assert!(near(errors[0], 1.124_747) && near(errors[1], 0.117_906), "{fit}");
    assert!(near(fit.r_squared().unwrap(), 0.666_542), "{fit}");
    assert_eq!(fit.degrees_of_freedom(), 9);
    // ± 2.262157, for 9 degrees of freedom.
    let (low, high) = fit.intervals(0.95)[1];
    assert!(near(low, 0.233_370) && near(high, 0.766_812), "{fit}");
    // At the mean of x the line is known as a mean is.
    let (at_mean, s) = (fit.standard_error_of(&[1.0, 9.0]), fit.residual_standard_deviation());
    assert!(near(at_mean, s / 11f64.sqrt()) && near(s, 1.236_603), "{fit}");
    let table = fit.to_string();
    for word in ["offset", "slope", "std. error", "R² = 0.666542", "11 observations"] {
        assert!(table.contains(word), "{table}");
    }
}

#[test]
fn points_may_be_rows_numbers_or_whatever_can_be_cloned() {
    let rows = Array2::from_shape_fn((12, 2), |(i, j)| (3 * i + 5 * j) as f64 * 0.37 % 2.0);
    let plane = |row: ArrayView1<'_, f64>, w: &Array1<f64>| w[0] + row.dot(&array![w[1], w[2]]);
    let truth = array![1.0, -2.0, 0.5];
    let z: Array1<f64> = rows.rows().into_iter().map(|row| plane(row, &truth)).collect();
    let mut w = Array1::zeros(3);
    _ = curve_fit(plane, rows.rows(), &z, &mut w).unwrap();
    assert!((&w - &truth).iter().all(|d| d.abs() < 1e-9));

    let mut w = array![0.0f32];
    let fit = curve_fit(|x: f32, w: &Array1<f32>| w[0] * x, [1.0f32, 2.0], &[2.0f32, 4.0], &mut w);
    assert!((w[0] - 2.0).abs() < 1e-5, "{}", fit.unwrap());
}

#[test]
fn what_the_data_do_not_determine_has_no_finite_error() {
    let (x, y) = (x(), y());
    // Only the sum of two parameters shows.
    let by = |x: &f64, w: &Array1<f64>| w[0] + w[1] + w[2] * x;
    let mut w = Array1::zeros(3);
    let fit = curve_fit(by, &x, &y, &mut w).unwrap();
    let errors: Vec<f64> = fit.estimates().iter().map(|e| e.standard_error).collect();
    assert!(errors[0].is_infinite() && errors[1].is_infinite() && errors[2].is_finite(), "{fit}");
    assert!(fit.report().status.is_converged() && (w[0] - w[1]).abs() < 1e-9, "{fit}");
}

#[test]
fn wrong_use_is_an_error_that_leaves_the_parameters() {
    let (x, y) = (x(), y());
    let start = array![2.0, 0.5, 0.3];
    let kind = |points: CurveFit<f64, &f64>| {
        let mut w = start.clone();
        let error = points.fit(decay, &mut w).unwrap_err();
        assert_eq!(w, start);
        error.kind().clone()
    };
    let short = array![1.0, 2.0];
    assert!(matches!(kind(CurveFit::new(&x, &short)), ErrorKind::Size { found: 2, .. }));
    assert!(matches!(kind(CurveFit::new(&x, &y).sigma(&short)), ErrorKind::Size { found: 2, .. }));
    assert!(matches!(
        kind(CurveFit::new(&x, &y).sigma(&Array1::zeros(21))),
        ErrorKind::Hyperparameter { name: "sigma", .. }
    ));
    assert!(matches!(
        kind(CurveFit::new(&x, &y).loss(Robust::Huber(0.0))),
        ErrorKind::Hyperparameter { name: "scale", .. }
    ));
    let mut hole = y.clone();
    hole[7] = f64::NAN;
    let found = kind(CurveFit::new(&x, &hole));
    assert!(matches!(found, ErrorKind::NonFiniteStatistic { index: 7, .. }));
    let few = CurveFit::new([&1.0, &2.0], &[3.0, 4.0]);
    let found = kind(few);
    assert!(matches!(found, ErrorKind::TooFewResiduals { observations: 2, parameters: 3 }));
    let none: [f64; 0] = [];
    let found = kind(CurveFit::new(&none, &none));
    assert!(matches!(found, ErrorKind::TooFewResiduals { observations: 0, parameters: 3 }));
    for sigma in [-1.0, f64::NAN, f64::INFINITY] {
        let mut sigmas = Array1::ones(21);
        sigmas[3] = sigma;
        let found = kind(CurveFit::new(&x, &y).absolute_sigma(&sigmas));
        assert!(matches!(found, ErrorKind::Hyperparameter { name: "sigma", .. }));
    }
    for bad in [f64::NAN, f64::INFINITY] {
        let mut w = start.clone();
        w[1] = bad;
        let error = curve_fit(decay, &x, &y, &mut w).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NonFiniteParameter { .. }), "{error}");
    }
}

#[test]
fn a_curve_that_is_not_defined_at_the_start_is_an_error_before_the_first_iteration() {
    let (mut x, y) = (x(), y());
    x[5] = f64::NAN;
    let start = array![-2.0, 0.5, 0.3];
    let bounds = Bounds::new().all(0.0..); // the start is outside, and is put back there
    let asked = std::cell::Cell::new(0);
    let curve = |x: &f64, w: &Array1<f64>| {
        asked.set(asked.get() + 1);
        decay(x, w)
    };
    for points in [CurveFit::new(&x, &y), CurveFit::new(&x, &y).bounds(bounds)] {
        asked.set(0);
        let mut w = start.clone();
        let error = points.fit(curve, &mut w).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NonFiniteResidual { index: 5, .. }), "{error}");
        assert!(error.to_string().contains("observation 5, counted from 0, is NaN"), "{error}");
        assert_eq!((w, asked.get()), (start.clone(), x.len()));
    }

    // √w is finite at 0, and its slope is not.
    let mut w = array![0.0];
    let by_slope = CurveFit::new(&y, &y).fit_with_gradient(
        |_: &f64, w: &Array1<f64>| w[0].sqrt(),
        |_: &f64, w: &Array1<f64>| array![0.5 / w[0].sqrt()],
        &mut w,
    );
    let error = by_slope.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UndefinedStart { .. }), "{error}");
    assert!(error.to_string().contains("the gradient is"), "{error}");
}

#[test]
fn residuals_that_are_none_or_not_defined_are_errors_of_every_solver() {
    let mut lbfgs = Lbfgs::new();
    let mut levenberg = LevenbergMarquardt::new();
    let solvers: [&mut dyn Solver<f64>; 2] = [&mut lbfgs, &mut levenberg];
    for solver in solvers {
        let mut w = array![-1.0];
        let mut wall = LeastSquares::new(|w: &Array1<f64>| array![w[0] - 2.0, w[0].ln()]);
        let error = least_squares(solver, &mut w, &mut wall, Stop::never()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NonFiniteResidual { index: 1, .. }), "{error}");
        let mut none = LeastSquares::new(|_: &Array1<f64>| Array1::zeros(0));
        let error = least_squares(solver, &mut w, &mut none, Stop::never()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TooFewResiduals { .. }), "{error}");
        assert_eq!(w[0], -1.0);
    }
}
