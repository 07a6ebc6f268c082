//! L1 penalties: exact zeros, and the minima of closed forms, of scikit-learn and of proximal steps.

use ndarray::{Array1, Array2, Axis, array};
use serde_json::Value;
use thalweg::solvers::{
    Backtracking, ConjugateGradient, HagerZhang, Lbfgs, MoreThuente, NewtonCg, Solver, Stop,
    WithL1, WithValue, minimize, minimize_within,
};
use thalweg::{Bounds, ErrorKind, Optimizer, Sgd};

use crate::every_solver::{Entry, solvers};

fn every() -> Vec<Entry<f64>> {
    solvers::<f64>().into_iter().filter(|entry| !entry.hessian).collect()
}

/// Σ hᵢ(wᵢ - aᵢ)²/2, whose minimum with c|wᵢ| is aᵢ brought nearer to 0 by c/hᵢ.
fn separable(w: &Array1<f64>) -> (f64, Array1<f64>) {
    let (a, h) = (targets(), curvatures());
    let r = w - &a;
    (0.5 * (&r * &r * &h).sum(), r * h)
}

fn targets() -> Array1<f64> {
    array![3.0, -0.5, -2.0, 0.0, 1.0, -1.0, 1e-3, 40.0]
}

fn curvatures() -> Array1<f64> {
    array![1.0, 1.0, 10.0, 1.0, 1.0, 0.1, 100.0, 0.5]
}

#[test]
fn the_minimum_of_a_separable_function_is_its_own_with_a_soft_threshold() {
    for entry in every() {
        for c in [1e-3, 0.5, 1.0, 30.0] {
            for start in [Array1::zeros(8), Array1::from_elem(8, 5.0), -targets()] {
                let mut w = start;
                let stop = Stop::never().gradient_max(1e-9).evaluations(5000);
                let mut objective = WithL1::new(separable, c);
                let report = minimize(&mut *(entry.make)(), &mut w, &mut objective, stop).unwrap();
                let context = format!("{} with {c}: {report}: {w}", entry.name);
                assert!(report.status.is_converged(), "{context}");
                for (i, (a, h)) in targets().iter().zip(curvatures()).enumerate() {
                    let expected = a.signum() * (a.abs() - c / h).max(0.0);
                    let zero = (a * h).abs() <= c;
                    let right = if zero {
                        w[i] == 0.0
                    } else {
                        (w[i] - expected).abs() <= 1e-9 / h + 1e-12
                    };
                    assert!(right, "{context}, element {i} is {expected}");
                }
                let value = separable(&w).0 + c * w.mapv(f64::abs).sum();
                assert!((report.value - value).abs() <= 1e-12 * value, "{context}, f = {value}");
            }
        }
    }
}

#[test]
fn at_the_minimum_0_nothing_is_tried_and_exempt_leaves_are_free() {
    // |∂f/∂w| ≤ c everywhere at 0.
    let mut objective = WithL1::new(|w: &Array1<f64>| (0.5 * w.dot(w) + w.sum(), w + 1.0), 1.0);
    for entry in every() {
        let mut w = Array1::zeros(3);
        let stop = Stop::default();
        let report = minimize(&mut *(entry.make)(), &mut w, &mut objective, stop).unwrap();
        assert!(report.status.is_converged() && w == array![0.0, 0.0, 0.0], "{}", entry.name);
        assert_eq!((report.evaluations.total(), report.gradient_max), (1, 0.0));
    }
    let f = |(w, b): &(Array1<f64>, Array1<f64>)| {
        let (r, q) = (w - 0.5, b - 0.5);
        (0.5 * (r.dot(&r) + q.dot(&q)), (r, q))
    };
    let mut model = (array![1.0], array![1.0]);
    let mut objective = WithL1::new(f, 1.0).leaf("1", 0.0);
    let report = minimize(&mut Lbfgs::new(), &mut model, &mut objective, Stop::default()).unwrap();
    assert!(report.status.is_converged());
    assert!(model.0[0] == 0.0 && (model.1[0] - 0.5).abs() < 1e-6, "{model:?}");
    for (objective, kind) in [
        (WithL1::new(f, 1.0).leaf("bias", 0.0), "no leaf"),
        (WithL1::new(f, -1.0), "strength"),
        (WithL1::new(f, 1.0).leaf("1", f64::NAN), "strength"),
    ] {
        let mut objective = objective;
        let error = minimize(&mut Lbfgs::new(), &mut model, &mut objective, Stop::default());
        let error = error.unwrap_err();
        assert!(error.to_string().contains(kind), "{error}");
        let typed = matches!(
            error.kind(),
            ErrorKind::MatchesNothing { .. } | ErrorKind::Hyperparameter { .. }
        );
        assert!(typed, "{error}");
    }
}

#[test]
fn a_strength_of_0_changes_no_bit() {
    let rosenbrock = |w: &Array1<f64>| {
        let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
        (a * a + 100.0 * b * b, array![-2.0 * a - 400.0 * w[0] * b, 200.0 * b])
    };
    for entry in every() {
        let (mut plain, mut with) = (array![-1.2, 1.0], array![-1.2, 1.0]);
        let mut objective = rosenbrock;
        let free = minimize(&mut *(entry.make)(), &mut plain, &mut objective, Stop::default());
        let mut objective = WithL1::new(rosenbrock, 0.0);
        let zero = minimize(&mut *(entry.make)(), &mut with, &mut objective, Stop::default());
        let (free, zero) = (free.unwrap(), zero.unwrap());
        assert_eq!((plain, free.history), (with, zero.history), "{}", entry.name);
    }
}

#[test]
fn bounds_and_a_penalty_hold_together() {
    let (lower, upper) =
        (Array1::from_elem(8, 0.0), array![1.5, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0]);
    let away = (array![0.5, -3.0, -9.0, 0.25, -1.0, -9.0, -1.0, 50.0], Array1::from_elem(8, 60.0));
    for (lower, upper) in [(lower, upper), away] {
        let bounds = Bounds::from_trees(&lower, &upper);
        for entry in every() {
            let c = 0.6;
            let mut w = Array1::from_elem(8, 5.0);
            let mut outside = 0;
            let counted = |w: &Array1<f64>| {
                let inside = w.iter().zip(&lower).zip(&upper).all(|((w, l), u)| l <= w && w <= u);
                outside += usize::from(!inside);
                separable(w)
            };
            let mut objective = WithL1::new(counted, c);
            let stop = Stop::never().gradient_max(1e-9).evaluations(5000);
            let mut solver = (entry.make)();
            let report =
                minimize_within(&mut *solver, &mut w, &bounds, &mut objective, stop).unwrap();
            assert!(report.status.is_converged() && outside == 0, "{}: {report}", entry.name);
            for (i, (a, h)) in targets().iter().zip(curvatures()).enumerate() {
                let free = a.signum() * (a.abs() - c / h).max(0.0);
                let expected = free.max(lower[i]).min(upper[i]);
                let exact = expected == 0.0 || expected != free;
                let right = if exact { w[i] == expected } else { (w[i] - expected).abs() < 1e-7 };
                assert!(right, "{}: element {i} of {w} is {expected}", entry.name);
            }
        }
    }
}

/// Logistic regression of the digits 3 and 8: weights and intercept, mean log loss.
struct Digits {
    images: Array2<f64>,
    /// 1 for an 8, -1 for a 3.
    signs: Array1<f64>,
}

type Model = (Array1<f64>, Array1<f64>);

impl Digits {
    fn read() -> Self {
        let text = include_str!("../../examples/data/optdigits.csv");
        let rows = text.lines().map(|line| line.split(',').map(|x| x.trim().parse().unwrap()));
        let rows: Vec<Vec<f64>> = rows
            .map(Iterator::collect)
            .filter(|row: &Vec<f64>| row[64] == 3.0 || row[64] == 8.0)
            .collect();
        let images = Array2::from_shape_fn((rows.len(), 64), |(i, j)| rows[i][j] / 16.0);
        let signs = rows.iter().map(|row| if row[64] == 8.0 { 1.0 } else { -1.0 }).collect();
        Self { images, signs }
    }

    fn evaluate(&self, (w, b): &Model) -> (f64, Model) {
        let n = self.signs.len() as f64;
        let margins = (self.images.dot(w) + b[0]) * &self.signs;
        let loss = margins.mapv(|m: f64| (-m.abs()).exp().ln_1p() + (-m).max(0.0)).sum() / n;
        let p = -(&self.signs / margins.mapv(|m: f64| 1.0 + m.exp())) / n;
        (loss, (self.images.t().dot(&p), p.sum_axis(Axis(0)).insert_axis(Axis(0))))
    }
}

/// Strength, value, weights and intercept of scikit-learn.
fn golden() -> Vec<(f64, f64, Array1<f64>, f64)> {
    let file: Value = serde_json::from_str(include_str!("../golden/bounded.json")).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let case = |case: &Value| {
        let weights = case["weights"].as_array().unwrap().iter().map(number).collect();
        (number(&case["strength"]), number(&case["value"]), weights, number(&case["intercept"]))
    };
    file["logistic"].as_array().unwrap().iter().map(case).collect()
}

#[test]
fn logistic_regression_has_the_minimum_and_the_zeros_of_scikit_learn() {
    let digits = Digits::read();
    type Make = fn() -> Box<dyn Solver<f64>>;
    let makes: [(&str, Make); 6] = [
        ("Lbfgs", || Box::new(Lbfgs::new())),
        ("Lbfgs, MoreThuente", || Box::new(Lbfgs::new().line_search(MoreThuente::new()))),
        ("Lbfgs, HagerZhang", || Box::new(Lbfgs::new().line_search(HagerZhang::new()))),
        ("Lbfgs, Backtracking", || Box::new(Lbfgs::new().line_search(Backtracking::new()))),
        ("ConjugateGradient", || Box::new(ConjugateGradient::new())),
        ("NewtonCg", || Box::new(NewtonCg::new())),
    ];
    for (strength, value, weights, intercept) in golden() {
        for (name, make) in makes {
            let mut model: Model = (Array1::zeros(64), Array1::zeros(1));
            let f = |model: &Model| digits.evaluate(model);
            let mut objective = WithL1::new(f, strength).leaf("1", 0.0);
            let stop = Stop::never().gradient_max(1e-9).evaluations(20_000);
            let report = minimize(&mut *make(), &mut model, &mut objective, stop).unwrap();
            let context = format!("{name} with {strength}: {report}");
            assert!(report.status.is_converged(), "{context}");
            assert!((report.value - value).abs() < 1e-13, "{context}: f = {value}");
            let zeros = |w: &Array1<f64>| w.mapv(|w| w == 0.0);
            assert_eq!(zeros(&model.0), zeros(&weights), "{context}");
            let far = (&model.0 - &weights).fold(0.0_f64, |far, d| far.max(d.abs()));
            assert!(far < 1e-5 && (model.1[0] - intercept).abs() < 1e-5, "{context}: {far}");
        }
    }
}

#[test]
fn proximal_steps_come_to_the_same_minimum() {
    let digits = Digits::read();
    let (strength, value, weights, _) = golden().swap_remove(2);
    let mut model: Model = (Array1::zeros(64), Array1::zeros(1));
    let mut sgd = Sgd::new(0.5).proximal_l1(strength).group("1", |bias| bias.proximal_l1(0.0));
    for _ in 0..20_000 {
        let (_, gradient) = digits.evaluate(&model);
        sgd.step(&mut model, &gradient).unwrap();
    }
    let found = digits.evaluate(&model).0 + strength * model.0.mapv(f64::abs).sum();
    assert!((found - value).abs() < 1e-10, "{found} and {value}");
    assert_eq!(model.0.mapv(|w| w == 0.0), weights.mapv(|w| w == 0.0));
}

#[test]
fn values_alone_have_the_penalty_too() {
    let f = WithValue::new(separable, |w: &Array1<f64>| separable(w).0);
    let mut objective = WithL1::new(f, 0.5);
    let mut solver = Lbfgs::new().line_search(Backtracking::new());
    let mut w = Array1::from_elem(8, 5.0);
    let stop = Stop::never().gradient_max(1e-8).evaluations(5000);
    let report = minimize(&mut solver, &mut w, &mut objective, stop).unwrap();
    let value = separable(&w).0 + 0.5 * w.mapv(f64::abs).sum();
    assert!(report.status.is_converged() && report.evaluations.values > 0, "{report}");
    assert!((report.value - value).abs() < 1e-12 * value && w[3] == 0.0, "{report}: {w}");
}
