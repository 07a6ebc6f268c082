//! Every solver with every line search on every fault of an objective: what the status says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ndarray::{Array1, array};
use thalweg::Error;
#[cfg(feature = "linalg")]
use thalweg::solvers::Newton;
use thalweg::solvers::{
    Backtracking, BarzilaiBorwein, Beta, Bfgs, ConjugateGradient, Cubic, Exact, FlatMut,
    HagerZhang, Lbfgs, MoreThuente, NewtonCg, Objective, Report, ScaledConjugateGradient, Secant,
    Solver, Stall, Status, Stop, Test, Undefined, minimize,
};

type Tree = Array1<f64>;
type Tests = fn() -> Stop<'static, f64>;
type Function = fn(&Tree) -> (f64, Tree);

/// Every solver, with every line search that it can have.
fn pairs() -> Vec<(&'static str, Box<dyn Solver<f64>>)> {
    let mut all: Vec<(&'static str, Box<dyn Solver<f64>>)> = vec![
        ("NewtonCg", Box::new(NewtonCg::new())),
        ("BarzilaiBorwein", Box::new(BarzilaiBorwein::new())),
        ("ScaledConjugateGradient", Box::new(ScaledConjugateGradient::new())),
    ];
    macro_rules! with_every_search {
        ($($name:literal $solver:expr),* $(,)?) => {$(
            all.push(($name, Box::new($solver)));
            all.push((concat!($name, ", MoreThuente"), Box::new($solver.line_search(MoreThuente::new()))));
            all.push((concat!($name, ", HagerZhang"), Box::new($solver.line_search(HagerZhang::new()))));
            all.push((concat!($name, ", Backtracking"), Box::new($solver.line_search(Backtracking::new()))));
            all.push((concat!($name, ", Cubic"), Box::new($solver.line_search(Cubic::new()))));
            all.push((concat!($name, ", Exact"), Box::new($solver.line_search(Exact::new()))));
            all.push((concat!($name, ", Secant"), Box::new($solver.line_search(Secant::new()))));
        )*};
    }
    with_every_search!(
        "ConjugateGradient" ConjugateGradient::new(),
        "ConjugateGradient by HagerZhang" ConjugateGradient::new().beta(Beta::HagerZhang),
        "Lbfgs" Lbfgs::new(),
        "Bfgs" Bfgs::new(),
    );
    #[cfg(feature = "linalg")]
    with_every_search!("Newton" Newton::new());
    all
}

const STOPS: [(&str, Tests); 4] = [
    ("default", || Stop::default().evaluations(20_000)),
    ("step", || Stop::default().evaluations(20_000).step(1e-8)),
    ("relative decrease", || Stop::default().evaluations(20_000).relative_decrease(1e-9)),
    ("target", || Stop::default().evaluations(20_000).target(-1e300)),
];

/// Runs all; the value and the largest element of the gradient are those of the point in any case.
fn every(
    start: &Tree,
    f: Function,
    stops: &[(&str, Tests)],
    check: impl Fn(&Report, &Tree) -> bool,
) {
    let mut wrong = Vec::new();
    for (what, stop) in stops {
        for (name, mut solver) in pairs() {
            let mut w = start.clone();
            let report = minimize(&mut *solver, &mut w, &mut { f }, stop()).unwrap();
            let (value, gradient) = f(&w);
            let largest = gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
            assert_eq!(report.value, value, "{name}, {what}: {report}");
            let known = report.gradient_max.is_nan() || report.gradient_max == largest;
            assert!(known, "{name}, {what}: {report}");
            if !check(&report, &w) {
                wrong.push(format!("{name}, {what}: {:?} at f = {value:e}, {w}", report.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn rosenbrock(w: &Tree) -> (f64, Tree) {
    let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
    (a * a + 100.0 * b * b, array![-2.0 * a - 400.0 * w[0] * b, 200.0 * b])
}

fn start() -> Tree {
    array![-1.2, 1.0]
}

#[test]
fn a_gradient_of_the_wrong_sign_is_told_whatever_the_test() {
    let reversed: [(Tree, Function); 3] = [
        (start(), |w| {
            let (f, g) = rosenbrock(w);
            (f, -g)
        }),
        (Tree::from_elem(10, 3.0), |w| {
            let k = Tree::from_shape_fn(10, |i| 10_f64.powf(i as f64 / 3.0));
            let d = w - 1.0;
            (0.5 * (&d * &d * &k).sum(), -(&d * &k))
        }),
        (array![2.0, -1.0], |w| (w.mapv(|w| w.cosh().ln()).sum(), -w.mapv(f64::tanh))),
    ];
    for (start, f) in reversed {
        every(&start, f, &STOPS, |report, _| {
            report.status == Status::Stalled(Stall::GradientSign) && report.status.is_misuse()
        });
    }
}

#[test]
fn a_gradient_of_the_wrong_scale_is_told_or_leads_to_the_minimum_all_the_same() {
    let scaled: [Function; 3] = [
        |w| {
            let (f, g) = rosenbrock(w);
            (f, 300.0 * g)
        },
        |w| {
            let (f, g) = rosenbrock(w);
            (f, 1e5 * g)
        },
        |w| {
            let (f, g) = rosenbrock(w);
            (f, 0.01 * g)
        },
    ];
    for f in scaled {
        every(&start(), f, &STOPS, |report, _| match report.status {
            Status::Stalled(Stall::GradientMismatch) => true,
            // Its zeros are those of the right one, and slopes alone have led to one.
            Status::Converged(_) => report.value < 1e-6,
            _ => false,
        });
    }
}

#[test]
fn a_gradient_with_a_wrong_element_is_told_or_where_it_is_zero_is_a_minimum_for_the_others() {
    // ∂f/∂w₁ has the wrong sign: f falls no further where the slopes cancel.
    every(
        &array![1.0, 2.0],
        |w| (w.dot(w) + 1.0, array![2.0 * w[0], -2.0 * w[1]]),
        &STOPS,
        |report, _| {
            matches!(report.status, Status::Stalled(Stall::GradientMismatch | Stall::GradientSign))
        },
    );
}

#[test]
fn f_that_falls_without_end_is_unbounded() {
    every(
        &array![1.3, 0.7],
        |w| (-w.sum(), Tree::from_elem(w.len(), -1.0)),
        &STOPS[..1],
        |report, _| report.status == Status::Unbounded,
    );
    every(
        &array![1.3, 0.7],
        |w| (-w.dot(w), -2.0 * w),
        &STOPS[..1],
        |report, _| report.status == Status::Unbounded,
    );
    // INDEF of CUTEst: some climb down too slowly to be told, and none says anything else.
    let indef: Function = |w| {
        let n = w.len();
        let (mut f, mut g) = (w.sum(), Tree::ones(n));
        for i in 1..n - 1 {
            let t = 2.0 * w[i] - w[n - 1] - w[0];
            f += 0.5 * t.cos();
            let s = -0.5 * t.sin();
            g[i] += 2.0 * s;
            g[n - 1] -= s;
            g[0] -= s;
        }
        (f, g)
    };
    let from = Tree::from_shape_fn(50, |i| (i + 1) as f64 / 51.0);
    every(&from, indef, &STOPS[..1], |report, _| {
        matches!(report.status, Status::Unbounded | Status::EvaluationLimit) && report.value < -1e5
    });
}

#[test]
fn a_kink_is_not_a_wrong_gradient() {
    let seen = |report: &Report, minimum: f64| {
        let told = report.status == Status::Stalled(Stall::Kink) && !report.status.is_misuse();
        (told || report.status == Status::EvaluationLimit) && report.value < minimum + 0.5
    };
    every(
        &array![1.3, 0.7],
        |w| (w.mapv(f64::abs).sum() + 1.0, w.mapv(f64::signum)),
        &STOPS[..1],
        |report, _| report.status == Status::Stalled(Stall::Kink) && report.value < 1.0 + 1e-6,
    );
    every(
        &array![1.3],
        |w| {
            let slope = if w[0] > 0.0 { 1.0 } else { -0.3 };
            (slope * w[0] + 1.0, array![slope])
        },
        &STOPS[..1],
        |report, _| seen(report, 1.0),
    );
    every(
        &array![1.3, 0.7],
        |w| {
            let f = w[0].abs() + 0.5 * w[1].abs() + 0.1 * w[0] * w[0] + 1.0;
            (f, array![w[0].signum() + 0.2 * w[0], 0.5 * w[1].signum()])
        },
        &STOPS[..1],
        |report, _| seen(report, 1.0) || report.status == Status::Stalled(Stall::NoProgress),
    );
}

#[test]
fn a_wall_of_nan_is_told_from_a_minimum() {
    every(
        &array![1.0, 1.0],
        |w| {
            if w[0] > 0.9 && w[1] > 0.5 { (w.dot(w), 2.0 * w) } else { (f64::NAN, w * f64::NAN) }
        },
        &STOPS[..1],
        |report, w| report.status == Status::Stalled(Stall::NonFinite) && w[0] < 0.91,
    );
}

#[test]
fn lost_precision_is_told_where_a_step_of_roundings_size_does_not_lower_f() {
    // In 1e12 the last digit is 1e-4; the minimum is 1e12 at (1, 1).
    let lost: Function = |w| {
        let (f, g) = rosenbrock(w);
        (f + 1e12, g)
    };
    let mut wrong = Vec::new();
    for (name, mut solver) in pairs() {
        let mut w = start();
        let stop = Stop::never().gradient_max(1e-30).evaluations(20_000);
        let report = minimize(&mut *solver, &mut w, &mut { lost }, stop).unwrap();
        let told = match report.status {
            Status::Stalled(Stall::Precision) | Status::Converged(Test::Model) => true,
            Status::Converged(_) => report.gradient_max <= 1e-30,
            _ => false,
        };
        if !told || rosenbrock(&w).0 > 1.0 {
            wrong.push((name, report.status));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_exact_minimum_without_any_test_is_stationary_or_as_good_as_the_precision_allows() {
    let mut wrong = Vec::new();
    for (name, mut solver) in pairs() {
        let mut w = start();
        let stop = Stop::never().evaluations(20_000);
        let report = minimize(&mut *solver, &mut w, &mut rosenbrock, stop).unwrap();
        let told = match report.status {
            Status::Converged(Test::Stationary) => report.gradient_max == 0.0,
            Status::Stalled(Stall::Precision) | Status::Converged(Test::Model) => {
                report.value < 1e-24
            }
            _ => false,
        };
        if !told {
            wrong.push((name, report.status, report.value));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_gradient_whose_square_overflows_or_vanishes_is_told_or_the_minimum_is_found() {
    let functions: [Function; 2] =
        [|w| (0.5e160 * w.dot(w), 1e160 * w), |w| (0.5e-170 * w.dot(w), 1e-170 * w)];
    for f in functions {
        for (name, mut solver) in pairs() {
            let mut w = array![1.3, 0.7];
            let stop = Stop::never().evaluations(20_000);
            let report = minimize(&mut *solver, &mut w, &mut { f }, stop).unwrap();
            let found = w.iter().all(|w| w.abs() < 1e-12);
            let told = report.status == Status::Stalled(Stall::Scale);
            assert!(told || found, "{name}: {report}");
        }
    }
}

/// Writes the first element alone.
#[derive(Debug)]
struct Forgetful;

impl Objective<f64, Tree> for Forgetful {
    fn value_and_gradient(
        &mut self,
        w: &Tree,
        gradient: &mut FlatMut<'_, f64>,
    ) -> Result<f64, Error> {
        gradient.as_mut_slice()[0] = 2.0 * w[0];
        Ok(w.dot(w))
    }
}

#[test]
fn an_element_of_the_gradient_that_is_not_written_is_named() {
    for (name, mut solver) in pairs() {
        let mut w = array![3.0, 4.0];
        let report = minimize(&mut *solver, &mut w, &mut Forgetful, Stop::default()).unwrap();
        let Status::NonFinite(Undefined::Unwritten { index, .. }) = &report.status else {
            panic!("{name}: {report}")
        };
        assert!(*index == [1] && report.status.is_misuse(), "{name}: {report}");
        assert_eq!(report.evaluations.total(), 2);
    }
    // One that is computed as NaN is another thing.
    let mut computed = |w: &Tree| (w.dot(w), array![2.0 * w[0], f64::NAN]);
    let mut w = array![3.0, 4.0];
    let report = minimize(&mut Lbfgs::new(), &mut w, &mut computed, Stop::default()).unwrap();
    assert!(matches!(report.status, Status::NonFinite(Undefined::Gradient { .. })), "{report}");
}

#[test]
fn a_target_is_reached_by_the_value_of_the_point_that_is_returned() {
    let quadratic: Function = |w| {
        let k = array![1.0, 4.0, 7.0, 10.0, 13.0];
        (0.5 * (w * w * &k).sum(), w * &k)
    };
    for target in [100.0, 1.0, 1e-3, 1e-10] {
        for never in [false, true] {
            for (name, mut solver) in pairs() {
                let mut w = Tree::from_elem(5, 3.0);
                let stop = if never { Stop::never() } else { Stop::default() };
                let stop = stop.target(target);
                let report = minimize(&mut *solver, &mut w, &mut { quadratic }, stop).unwrap();
                assert_eq!(report.status, Status::TargetReached, "{name}: {report}");
                assert!(report.status.is_success() && quadratic(&w).0 <= target, "{name}");
            }
        }
    }
}

#[test]
fn a_rise_of_f_is_no_convergence() {
    // Barzilai-Borwein lets f rise, and conjugate gradient by an exact search can.
    for (what, stop) in &STOPS[1..3] {
        for (name, mut solver) in pairs() {
            let mut w = start();
            let report = minimize(&mut *solver, &mut w, &mut rosenbrock, stop()).unwrap();
            let near = report.value < 1e-3;
            assert!(report.status.is_converged() && near, "{name}, {what}: {report}");
        }
    }
}

#[test]
fn a_stall_goes_on_where_a_probe_lowers_f() {
    // Scales of 1e4 and 1e-4: steps along -g alone are lost in the steep parameter.
    let scaled: Function = |x| {
        let (u, v) = (x[0] * 1e-4, x[1] * 1e4);
        let (a, b) = (1.0 - u, v - u * u);
        let g = array![1e-4 * (-2.0 * a - 400.0 * b * u), 1e4 * 200.0 * b];
        (a * a + 100.0 * b * b, g)
    };
    every(&array![-1.2e4, 1e-4], scaled, &STOPS[..1], |report, _| match report.status {
        Status::Converged(_) => report.value < 1e-4,
        // Gradient methods that go no further say so.
        Status::Stalled(Stall::NoProgress) | Status::EvaluationLimit => true,
        _ => false,
    });
}

#[test]
fn a_sum_of_squares_of_size_1e9_converges_by_the_default_test() {
    // f = 1e9·(1 + Σ (wᵢ - cᵢ)²·kᵢ) + 1e8·(w₀ - 1)⁴: max|g| ≤ 1e-6 is beyond the precision.
    let large: Function = |w| {
        let (k, c) = (array![1.0, 3.0, 10.0], array![1.0, -2.0, 0.3]);
        let d = w - &c;
        let mut g = 2e9 * &d * &k;
        g[0] += 4e8 * d[0].powi(3);
        (1e9 + 1e9 * (&d * &d * &k).sum() + 1e8 * d[0].powi(4), g)
    };
    every(&array![3.0, 1.0, -2.0], large, &STOPS[..1], |report, w| {
        let c = array![1.0, -2.0, 0.3];
        report.status.is_converged() && (w - &c).iter().all(|d| d.abs() < 1e-6)
    });
}

#[test]
fn an_objective_that_panics_leaves_the_parameters_at_the_best_point() {
    for (name, mut solver) in pairs() {
        let mut calls = 0;
        let mut best = (f64::INFINITY, start());
        let mut w = start();
        let mut objective = |w: &Tree| {
            calls += 1;
            assert!(calls < 9, "the ninth");
            let (f, g) = rosenbrock(w);
            if f < best.0 {
                best = (f, w.clone());
            }
            (f, g)
        };
        let run = || minimize(&mut *solver, &mut w, &mut objective, Stop::default()).map(|_| ());
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "{name}");
        assert_eq!(w, best.1, "{name}");
    }
}
