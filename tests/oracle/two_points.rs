//! Nesterov's gradient in its two-point form: w is kept apart from where the gradient is taken.

use ndarray::{Array1, array};
use thalweg::{Nesterov, Optimizer};

use super::data::Rate;

const STEPS: u64 = 200;

/// The gradient of Rosenbrock's function, (1-x)² + 100(y-x²)².
fn gradient(w: &Array1<f64>) -> Array1<f64> {
    let (x, y) = (w[0], w[1]);
    array![-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)]
}

/// Runs `step` with gradients at the parameters that it is given, beside `two_points`, which gives
/// w after each step from the learning rate, and compares what `settle` makes of the former.
fn settles_to(
    mut nesterov: Nesterov<f64>,
    rate: Rate,
    mut two_points: impl FnMut(f64, Array1<f64>) -> Array1<f64>,
) {
    let mut w = array![-1.2, 1.0];
    let mut ahead = w.clone();
    let mut reach = w.mapv(f64::abs);
    for t in 1..=STEPS {
        let g = gradient(&ahead);
        nesterov.step(&mut ahead, &g).unwrap();
        w = two_points(rate.at(t), w);
        let mut settled = ahead.clone();
        nesterov.settle_copy(&mut settled).unwrap();
        for i in 0..2 {
            reach[i] = reach[i].max(w[i].abs());
            let off = (settled[i] - w[i]).abs() / reach[i];
            assert!(off <= 1e-13, "{rate:?}, step {t}: {settled} for {w}, {off:e} off");
        }
    }
    assert!((&ahead - &w).iter().any(|d| d.abs() > 1e-6), "the two points are one: {ahead}");
}

#[test]
fn nesterov_settles_to_the_two_point_formula() {
    for gamma in [0.9, 0.5, -0.3] {
        for rate in [Rate::Constant(2e-4), Rate::Waving(2e-4)] {
            let mut dw = Array1::<f64>::zeros(2);
            settles_to(Nesterov::new(rate).momentum(gamma), rate, |lr, w| {
                dw = gamma * &dw - lr * gradient(&(&w + gamma * &dw));
                w + &dw
            });
        }
    }
}

#[test]
fn nesterov_torch_settles_to_the_two_point_formula() {
    for gamma in [0.9, 0.5, -0.3] {
        let mut b = Array1::<f64>::zeros(2);
        let rate = Rate::Constant(2e-4);
        settles_to(Nesterov::torch(rate).momentum(gamma), rate, |lr, w| {
            b = gamma * &b + gradient(&(&w - lr * gamma * &b));
            w - lr * &b
        });
    }
}

/// The look-ahead reaches as far as the rate of the step before, since the rate to come is not
/// known when the gradient is taken; only the new gradient meets the new rate.
#[test]
fn nesterov_torch_settles_to_the_two_point_formula_while_the_rate_changes() {
    for gamma in [0.9, 0.5, -0.3] {
        let mut b = Array1::<f64>::zeros(2);
        let mut last = 0.0;
        let rate = Rate::Waving(2e-4);
        settles_to(Nesterov::torch(rate).momentum(gamma), rate, |lr, w| {
            let ahead = w - last * gamma * &b;
            let g = gradient(&ahead);
            b = gamma * &b + &g;
            last = lr;
            ahead - lr * g
        });
    }
}

#[test]
fn settling_leaves_the_optimizer_as_it_is() {
    let rate = Rate::Waving(2e-4);
    for mut nesterov in [Nesterov::new(rate), Nesterov::torch(rate)] {
        let mut w = array![-1.2, 1.0];
        let before = w.clone();
        nesterov.settle_copy(&mut w).unwrap();
        assert_eq!(w, before, "settled before the first step");

        for _ in 0..10 {
            let g = gradient(&w);
            nesterov.step(&mut w, &g).unwrap();
        }
        let (mut untouched, mut unsettled) = (nesterov.clone(), w.clone());
        let state = |nesterov: &Nesterov<f64>| {
            (format!("{nesterov:?}"), nesterov.slot("", "velocity").unwrap().to_owned())
        };
        let known = state(&nesterov);
        nesterov.settle_copy(&mut w.clone()).unwrap();
        nesterov.settle_copy(&mut w.clone()).unwrap();
        assert_eq!(state(&nesterov), known);

        for _ in 0..10 {
            let g = gradient(&w);
            nesterov.step(&mut w, &g).unwrap();
            untouched.step(&mut unsettled, &g).unwrap();
        }
        assert_eq!(w, unsettled);
    }
}
