//! What each solver says to input that cannot be minimized.

use ndarray::{Array1, array};
use thalweg::ErrorKind;
use thalweg::solvers::{Flat, Objective, Stall, Status, Stop, Test, WithHessian, minimize};

use crate::every_solver::solvers;

type Tree = Array1<f64>;

/// Runs every solver from that start; Hessian products by differences where none are given.
fn every(
    start: &Tree,
    mut objective: impl Objective<f64, Tree>,
    mut check: impl FnMut(&str, Result<thalweg::solvers::Report, thalweg::Error>, &Tree),
) {
    for entry in solvers::<f64>() {
        let mut w = start.clone();
        let stop = Stop::default().evaluations(20_000);
        let outcome = minimize(&mut *(entry.make)(), &mut w, &mut objective, stop);
        check(entry.name, outcome, &w);
    }
}

#[test]
fn a_start_that_is_nan_is_an_error_and_stays() {
    let start = array![1.0, f64::NAN];
    every(
        &start,
        |w: &Tree| (w.dot(w), 2.0 * w),
        |name, outcome, w| {
            let error = outcome.unwrap_err();
            let expected = matches!(error.kind(), ErrorKind::NonFiniteParameter { index, .. } if *index == [1]);
            assert!(expected && w[0] == 1.0 && w[1].is_nan(), "{name}: {error}");
        },
    );
}

#[test]
fn a_value_that_is_nan_at_the_start_is_said() {
    every(
        &array![1.0, 2.0],
        |w: &Tree| (f64::NAN, w.clone()),
        |name, outcome, w| {
            let report = outcome.unwrap();
            assert!(matches!(report.status, Status::NonFinite(_)), "{name}: {report}");
            assert_eq!(*w, array![1.0, 2.0]);
        },
    );
}

#[test]
fn a_gradient_of_another_shape_is_an_error_and_the_parameters_stay() {
    every(
        &array![1.0, 2.0],
        |w: &Tree| (w.dot(w), array![1.0]),
        |name, outcome, w| {
            let error = outcome.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::GradientShape { .. }), "{name}: {error}");
            assert_eq!(*w, array![1.0, 2.0]);
        },
    );
}

#[test]
fn a_function_without_a_minimum_is_found_to_fall_without_end() {
    every(
        &array![1.0, 2.0],
        |w: &Tree| (-w.sum(), Tree::from_elem(2, -1.0)),
        |name, outcome, _| {
            let report = outcome.unwrap();
            assert_eq!(report.status, Status::Unbounded, "{name}, a slope: {report}");
        },
    );
    every(
        &array![1.0, 2.0],
        |w: &Tree| (-w.dot(w), -2.0 * w),
        |name, outcome, _| {
            let report = outcome.unwrap();
            assert_eq!(report.status, Status::Unbounded, "{name}, a hill: {report}");
        },
    );
}

#[test]
fn a_gradient_of_the_wrong_sign_is_said() {
    every(
        &array![1.0, 2.0],
        |w: &Tree| (w.dot(w), -2.0 * w),
        |name, outcome, w| {
            let report = outcome.unwrap();
            assert_eq!(report.status, Status::Stalled(Stall::GradientSign), "{name}: {report}");
            assert!(w.dot(w) <= 5.0, "{name}");
        },
    );
}

#[test]
fn a_zero_gradient_at_the_start_ends_it_there() {
    every(
        &array![0.0, 0.0],
        |w: &Tree| (w.dot(w), 2.0 * w),
        |name, outcome, w| {
            let report = outcome.unwrap();
            assert!(report.status.is_converged(), "{name}: {report}");
            assert_eq!((report.evaluations.total(), report.iterations), (1, 0), "{name}");
            assert_eq!(*w, array![0.0, 0.0]);
        },
    );
}

#[test]
fn no_parameter_at_all_is_a_minimum() {
    every(
        &Tree::zeros(0),
        |w: &Tree| (3.0, w.clone()),
        |name, outcome, _| {
            let report = outcome.unwrap();
            assert!(report.status.is_converged(), "{name}: {report}");
            assert_eq!(report.value, 3.0);
        },
    );
}

#[test]
fn a_trial_that_is_nan_was_too_long() {
    // -ln w + w is defined for w > 0 alone, and the slope at the start points far beyond.
    let barrier = |w: &Tree| {
        let value =
            if w.iter().all(|&w| w > 0.0) { (w - &w.mapv(f64::ln)).sum() } else { f64::NAN };
        (value, w.mapv(|w| 1.0 - 1.0 / w))
    };
    every(&array![1e-3, 50.0], barrier, |name, outcome, w| {
        let report = outcome.unwrap();
        assert!(report.status.is_converged(), "{name}: {report}");
        assert!(w.iter().all(|w| (w - 1.0).abs() < 1e-5), "{name}: {w}");
    });
}

#[test]
fn a_product_with_the_hessian_that_is_nan_ends_nothing() {
    // `sqrt` has no second derivative at 0; the solvers fall back on -g.
    for entry in solvers::<f64>() {
        let mut objective = WithHessian::new(
            |w: &Tree| (w.dot(w), 2.0 * w),
            |w: &Tree, _: Flat<'_, f64>| Tree::from_elem(w.len(), f64::NAN),
        );
        let mut w = array![3.0, -4.0];
        let stop = Stop::default().evaluations(20_000);
        let report = minimize(&mut *(entry.make)(), &mut w, &mut objective, stop).unwrap();
        assert!(report.status.is_converged(), "{}: {report}", entry.name);
    }
}

#[test]
fn a_second_function_is_minimized_as_by_a_new_solver() {
    for entry in solvers::<f64>() {
        let mut solver = (entry.make)();
        let mut run = |fresh: bool| {
            if fresh {
                solver = (entry.make)();
            }
            let mut objective = |w: &Tree| {
                let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
                (a * a + 100.0 * b * b, array![-2.0 * a - 400.0 * w[0] * b, 200.0 * b])
            };
            let mut w = array![-1.2, 1.0];
            let report = minimize(&mut *solver, &mut w, &mut objective, Stop::default()).unwrap();
            (report.value.to_bits(), report.evaluations)
        };
        let first = run(true);
        assert_eq!(run(false), first, "{}", entry.name);
    }
}

#[test]
fn the_best_point_is_kept_when_the_evaluations_are_used_up() {
    for entry in solvers::<f64>() {
        for limit in [1, 2, 3, 5, 8, 13, 21] {
            let mut least = f64::INFINITY;
            let mut objective = |w: &Tree| {
                let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
                let value = a * a + 100.0 * b * b;
                least = least.min(value);
                (value, array![-2.0 * a - 400.0 * w[0] * b, 200.0 * b])
            };
            let mut w = array![-1.2, 1.0];
            let stop = Stop::default().evaluations(limit);
            let report = minimize(&mut *(entry.make)(), &mut w, &mut objective, stop).unwrap();
            assert_eq!(report.status, Status::EvaluationLimit, "{} {limit}", entry.name);
            assert_eq!(report.value, least, "{} {limit}", entry.name);
            assert!(report.evaluations.total() <= limit);
        }
    }
}

#[test]
fn no_point_is_evaluated_twice() {
    for entry in solvers::<f64>() {
        let mut seen = std::collections::BTreeSet::new();
        let mut twice = 0;
        let mut objective = |w: &Tree| {
            twice += usize::from(!seen.insert((w[0].to_bits(), w[1].to_bits())));
            let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
            (a * a + 100.0 * b * b, array![-2.0 * a - 400.0 * w[0] * b, 200.0 * b])
        };
        let mut w = array![-1.2, 1.0];
        let report =
            minimize(&mut *(entry.make)(), &mut w, &mut objective, Stop::default()).unwrap();
        assert_eq!(report.status, Status::Converged(Test::GradientMax), "{}", entry.name);
        assert_eq!(twice, 0, "{}", entry.name);
    }
}
