//! Bad input, and what it is answered.

use std::ops::ControlFlow;
use std::time::Duration;

use ndarray::{Array1, Array2, array};
use thalweg::solvers::{
    ConjugateGradient, Flat, FlatMut, Objective, Report, Stall, Status, Stop, Test, Undefined,
    WithHessian, check_gradient, minimize,
};
use thalweg::{Error, ErrorKind, ParamsMut};

fn run<P: ParamsMut<f64>>(
    w: &mut P,
    mut objective: impl Objective<f64, P>,
) -> Result<Report, Error> {
    minimize(&mut ConjugateGradient::new(), w, &mut objective, Stop::default())
}

fn square(w: &Array1<f64>) -> (f64, Array1<f64>) {
    (w.dot(w), 2.0 * w)
}

#[test]
fn a_start_that_is_not_finite_is_refused_by_name() {
    let mut w = (array![1.0], array![2.0, f64::NAN]);
    let objective = |w: &(Array1<f64>, Array1<f64>)| (0.0, w.clone());
    let error = run(&mut w, objective).unwrap_err();
    let ErrorKind::NonFiniteParameter { leaf, index, value } = error.kind() else {
        panic!("{error}");
    };
    assert!((leaf.as_str(), index) == ("1", &vec![1]) && value.is_nan());
}

#[test]
fn a_gradient_of_another_shape_is_refused_and_nothing_changes() {
    let mut w = array![1.0, 2.0];
    let objective = |w: &Array1<f64>| (w.dot(w), array![0.0, 0.0, 0.0]);
    let error = run(&mut w, objective).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::GradientShape { .. }), "{error}");
    assert_eq!(w, array![1.0, 2.0]);
}

#[test]
fn an_error_of_the_objective_half_way_puts_the_start_back() {
    struct Breaks(u32);
    impl Objective<f64, Array1<f64>> for Breaks {
        fn value_and_gradient(
            &mut self,
            w: &Array1<f64>,
            gradient: &mut FlatMut<'_, f64>,
        ) -> Result<f64, Error> {
            self.0 += 1;
            if self.0 == 7 {
                return Err(Error::hyperparameter("Breaks", "seventh", 7.0, "six"));
            }
            let g = w.mapv(|w| 4.0 * (w - 3.0).powi(3));
            gradient.set(&g)?;
            Ok(w.mapv(|w| (w - 3.0).powi(4)).sum())
        }
    }
    let mut w = array![1.0, 2.5];
    let error = run(&mut w, Breaks(0)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Hyperparameter { owner: "Breaks", .. }));
    assert_eq!(w, array![1.0, 2.5]);
}

#[test]
fn an_objective_undefined_at_the_start_is_a_status_that_names_the_place() {
    let mut w = array![1.0, 2.0];
    let report = run(&mut w, |w: &Array1<f64>| (f64::NAN, w.clone())).unwrap();
    assert!(matches!(report.status, Status::NonFinite(Undefined::Value(v)) if v.is_nan()));
    let report = run(&mut w, |w: &Array1<f64>| (w.dot(w), array![1.0, f64::INFINITY])).unwrap();
    let Status::NonFinite(Undefined::Gradient { index, value, .. }) = &report.status else {
        panic!("{report}");
    };
    assert_eq!((index, *value), (&vec![1], f64::INFINITY));
    assert_eq!((w, report.evaluations.total()), (array![1.0, 2.0], 1));
    assert!(report.to_string().contains("not defined at the start"));
}

#[test]
fn an_unbounded_objective_is_said_to_be_one() {
    let report = run(&mut array![1.0, 1.0], |w: &Array1<f64>| (-w.sum(), -Array1::ones(2)));
    assert_eq!(report.unwrap().status, Status::Unbounded);
    let cubic = |w: &Array1<f64>| (w[0].powi(3), array![3.0 * w[0] * w[0]]);
    assert_eq!(run(&mut array![-1.0], cubic).unwrap().status, Status::Unbounded);
    let log = |w: &Array1<f64>| (w[0].ln(), array![1.0 / w[0]]);
    let report = run(&mut array![1.0], log).unwrap();
    assert!(report.value < -100.0 || report.status == Status::Unbounded, "{report}");
}

#[test]
fn a_gradient_of_the_wrong_sign_is_detected() {
    for start in [array![3.0, -4.0], array![1e-3, 0.0], array![1e6, 1.0]] {
        let mut w = start.clone();
        let report = run(&mut w, |w: &Array1<f64>| (w.dot(w), -2.0 * w)).unwrap();
        assert_eq!(report.status, Status::Stalled(Stall::GradientSign), "{report}");
        // The best that the probing has seen.
        let moved = (&w - &start).mapv(f64::abs).sum();
        assert!(
            w.dot(&w) <= start.dot(&start) && moved <= 1e-3 * start.dot(&start).sqrt().max(1.0)
        );
        assert!(report.evaluations.total() < 100, "{report}");
        assert!(report.to_string().contains("wrong sign"));
    }
    // Also where f is a sum with a large constant.
    let report = run(&mut array![3.0], |w: &Array1<f64>| (1e3 + w.dot(w), -2.0 * w)).unwrap();
    assert_eq!(report.status, Status::Stalled(Stall::GradientSign), "{report}");
}

#[test]
fn a_gradient_of_another_function_is_detected() {
    // Along -g, f rises: a quarter as fast as that of the wrong sign.
    let wrong = |w: &Array1<f64>| (w.dot(w), -0.5 * w);
    let report = run(&mut array![3.0, -4.0], wrong).unwrap();
    assert_eq!(report.status, Status::Stalled(Stall::GradientMismatch), "{report}");
}

#[test]
fn at_a_stationary_start_there_is_nothing_to_do() {
    let mut w = array![0.0, 0.0];
    let report = run(&mut w, square).unwrap();
    assert_eq!(report.status, Status::Converged(Test::GradientMax));
    assert_eq!((report.iterations, report.evaluations.total()), (0, 1));
    // Whatever is asked for.
    let mut solver = ConjugateGradient::new();
    let report = minimize(&mut solver, &mut w, &mut square, Stop::never()).unwrap();
    assert_eq!(report.status, Status::Converged(Test::Stationary));
}

#[test]
fn no_elements_are_a_minimum_and_no_leaves_an_error() {
    let report = run(&mut Array1::zeros(0), square).unwrap();
    assert!(report.status.is_converged());
    let none: Vec<Array1<f64>> = Vec::new();
    let error = run(&mut none.clone(), |_: &Vec<Array1<f64>>| (0.0, Vec::<Array1<f64>>::new()));
    assert!(matches!(error.unwrap_err().kind(), ErrorKind::NoLeaves));
}

#[test]
fn a_trial_that_is_not_defined_is_stepped_back_from() {
    // Defined for positive parameters alone, from far off the minimum at (1, 2).
    let barrier = |w: &Array1<f64>| {
        let v = w[0] - w[0].ln() + w[1] - 2.0 * w[1].ln();
        (v, array![1.0 - 1.0 / w[0], 1.0 - 2.0 / w[1]])
    };
    for start in [array![1e3, 1e-3], array![1e-6, 50.0], array![40.0, 40.0]] {
        let mut w = start;
        let report = run(&mut w, barrier).unwrap();
        assert!(report.status.is_converged(), "{report}");
        assert!((w[0] - 1.0).abs() < 1e-5 && (w[1] - 2.0).abs() < 1e-5);
    }
}

#[test]
fn every_limit_ends_at_the_best_point() {
    let value = |w: &Array1<f64>| (1.0 - w[0]).powi(2) + 100.0 * (w[1] - w[0] * w[0]).powi(2);
    let mut seen = Vec::new();
    for limit in 1..40 {
        let mut best = f64::INFINITY;
        let mut rosenbrock = |w: &Array1<f64>| {
            let b = w[1] - w[0] * w[0];
            best = best.min(value(w));
            (value(w), array![-2.0 * (1.0 - w[0]) - 400.0 * w[0] * b, 200.0 * b])
        };
        let mut w = array![-1.2, 1.0];
        let stop = Stop::default().evaluations(limit);
        let report =
            minimize(&mut ConjugateGradient::new(), &mut w, &mut rosenbrock, stop).unwrap();
        assert_eq!(report.status, Status::EvaluationLimit);
        assert_eq!(report.evaluations.total(), limit);
        assert_eq!((value(&w), report.value), (best, best), "{limit}");
        seen.push(best);
    }
    assert!(seen.windows(2).all(|pair| pair[1] <= pair[0]));
}

#[test]
fn every_test_ends_it_with_its_status() {
    let quartic = |w: &Array1<f64>| (w.mapv(|w| w.powi(4)).sum(), w.mapv(|w| 4.0 * w.powi(3)));
    let run = |stop: Stop<'_, f64>| {
        let mut solver = ConjugateGradient::new();
        minimize(&mut solver, &mut array![1.0, 2.0], &mut { quartic }, stop).unwrap()
    };
    assert_eq!(run(Stop::never().iterations(3)).status, Status::IterationLimit);
    assert_eq!(run(Stop::never().iterations(3)).iterations, 3);
    assert_eq!(run(Stop::never().time(Duration::ZERO)).status, Status::TimeLimit);
    let report = run(Stop::never().target(1e-3));
    assert!(report.status == Status::TargetReached && report.value <= 1e-3);
    let report = run(Stop::never().gradient_norm(1e-4));
    assert_eq!(report.status, Status::Converged(Test::GradientNorm));
    let report = run(Stop::never().relative_decrease(1e-3));
    assert_eq!(report.status, Status::Converged(Test::RelativeDecrease));
    let report = run(Stop::never().step(1e-2));
    assert_eq!(report.status, Status::Converged(Test::Step));
    let mut calls = 0;
    let report = run(Stop::never().callback(|progress| {
        assert_eq!(progress.iteration, calls);
        assert_eq!(progress.point.leaf("").unwrap().len(), 2);
        calls += 1;
        if calls == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }));
    assert_eq!((report.status, report.iterations, calls), (Status::Stopped, 2, 3));
}

#[test]
fn settings_out_of_their_range_are_refused() {
    let mut solver = ConjugateGradient::new().restart_after(0.0);
    let error = minimize(&mut solver, &mut array![1.0], &mut square, Stop::default());
    assert!(matches!(
        error.unwrap_err().kind(),
        ErrorKind::Hyperparameter { name: "restart_after", .. }
    ));
    for stop in [Stop::default().gradient_max(f64::NAN), Stop::default().step(-1.0)] {
        let mut solver = ConjugateGradient::new();
        let error = minimize(&mut solver, &mut array![1.0], &mut square, stop).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Hyperparameter { owner: "Stop", .. }));
    }
}

#[test]
fn a_product_with_the_hessian_of_another_shape_is_refused() {
    let mut w = array![1.0, 2.0];
    let wrong = |_: &Array1<f64>, _: Flat<'_, f64>| array![1.0];
    let error = run(&mut w, WithHessian::new(square, wrong)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::GradientShape { .. }));
    assert_eq!(w, array![1.0, 2.0]);
}

#[test]
fn views_of_any_layout_and_nested_trees_are_minimized_in_place() {
    let mut whole = Array2::from_elem((4, 6), 7.0);
    let mut view = whole.slice_mut(ndarray::s![..;2, 1..;3]);
    let target = |v: &ndarray::ArrayViewMut2<'_, f64>| {
        let r = v.mapv(|x| x - 1.0);
        ((&r * &r).sum(), 2.0 * r)
    };
    _ = run(&mut view, target).unwrap();
    for ((i, j), x) in whole.indexed_iter() {
        let inside = i % 2 == 0 && j % 3 == 1;
        assert!((x - if inside { 1.0 } else { 7.0 }).abs() < 1e-6, "{i} {j}");
    }
}

#[test]
fn a_gradient_check_finds_the_one_wrong_element() {
    let tree = || (Array1::from_elem(3, 0.7), Array2::from_elem((2, 4), -0.3));
    let f = |scale: f64| {
        move |(a, b): &(Array1<f64>, Array2<f64>)| {
            let value = a.mapv(f64::sin).sum() * b.mapv(f64::exp).sum();
            let mut gb = b.mapv(f64::exp) * a.mapv(f64::sin).sum();
            gb[[1, 2]] *= scale;
            (value, (a.mapv(f64::cos) * b.mapv(f64::exp).sum(), gb))
        }
    };
    let mut w = tree();
    let right = check_gradient(&mut w, &mut f(1.0)).unwrap();
    assert!(right.is_right() && right.worst.is_none(), "{right}");
    // The difference quotient of a right gradient is of second order.
    assert!(right.directions.iter().all(|d| (d.order - 2.0).abs() < 0.3), "{right}");
    assert_eq!(w, tree());
    for scale in [1.001, 1.1, -1.0, 0.0] {
        let wrong = check_gradient(&mut w, &mut f(scale)).unwrap();
        assert!(!wrong.is_right(), "{scale}: {wrong}");
        let worst = wrong.worst.clone().unwrap();
        assert_eq!((worst.leaf.as_str(), worst.index), ("1", vec![1, 2]), "{scale}");
        assert!(wrong.to_string().contains("`1`"));
    }
}

#[test]
fn a_gradient_that_bends_within_the_least_difference_is_right_and_a_wrong_one_is_not() {
    for (scale, right) in [(1.0, true), (1.0 + 1e-4, false)] {
        let mut wave = |w: &Array1<f64>| {
            let value = w.iter().map(|w| (1e3 * w).sin() / 1e3).sum::<f64>();
            (value, w.mapv(|w| scale * (1e3 * w).cos()))
        };
        let mut w = Array1::from_vec(vec![0.3, -0.7]);
        assert_eq!(check_gradient(&mut w, &mut wave).unwrap().is_right(), right, "{scale}");
    }
}
