//! Barzilai-Borwein and scaled conjugate gradient, and what all iterations share: no allocation.

use std::ops::ControlFlow;

use ndarray::{Array1, array};
use thalweg::solvers::{
    BarzilaiBorwein, Bfgs, FlatMut, Lbfgs, NewtonCg, Objective, ScaledConjugateGradient, Solver,
    Stop, minimize,
};
use thalweg::{Error, Optimizer};

use crate::counting::allocations;
use crate::objective::On;
use crate::problems::{quadratic, sized};

#[test]
fn barzilai_borwein_lets_the_value_rise_and_comes_down_all_the_same() {
    let problem = quadratic(100, 1e3);
    let mut values = Vec::new();
    let stop = Stop::default().callback(|progress| {
        values.push(progress.value);
        ControlFlow::Continue(())
    });
    let mut w: Array1<f64> = On::new(&problem).start();
    let mut solver = BarzilaiBorwein::new();
    let report = minimize(&mut solver, &mut w, &mut On::new(&problem), stop).unwrap();
    assert!(report.status.is_converged(), "{report}");
    let rises = values.windows(2).filter(|pair| pair[1] > pair[0]).count();
    assert!(rises > 5, "{rises} of {}", values.len());
    // No value exceeds the ten before it.
    for window in values.windows(11) {
        let highest = window[..10].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!(window[10] <= highest);
    }
}

#[test]
fn barzilai_borwein_is_exact_after_one_step_on_a_sphere() {
    let mut objective = |w: &Array1<f64>| (1.5 * w.dot(w), 3.0 * w);
    let mut w = array![1.0, -2.0, 3.0];
    let mut solver = BarzilaiBorwein::new();
    let report = minimize(&mut solver, &mut w, &mut objective, Stop::default()).unwrap();
    assert!(report.iterations <= 2 && report.status.is_converged(), "{report}");
}

#[test]
fn with_hessian_products_scaled_conjugate_gradient_ends_after_n_steps_on_a_quadratic() {
    let problem = sized(32, 10);
    let mut objective = On::with_hessian(&problem);
    let mut w: Array1<f64> = objective.start();
    let mut solver = ScaledConjugateGradient::new();
    let report = minimize(&mut solver, &mut w, &mut objective, Stop::default()).unwrap();
    assert!(report.status.is_converged() && report.iterations <= 10, "{report}");
    // One product and one value with gradient an iteration, and the start.
    assert_eq!(report.evaluations.hessian_vectors, report.iterations);
    assert_eq!(report.evaluations.gradients, report.iterations + 1);
}

/// Extended Rosenbrock in place, which allocates nothing.
struct Rosenbrock;

impl Objective<f64, Array1<f64>> for Rosenbrock {
    fn value_and_gradient(
        &mut self,
        w: &Array1<f64>,
        gradient: &mut FlatMut<'_, f64>,
    ) -> Result<f64, Error> {
        let (w, g) = (w.as_slice().unwrap(), gradient.as_mut_slice());
        let mut value = 0.0;
        for j in (0..w.len()).step_by(2) {
            let (a, b) = (1.0 - w[j], w[j + 1] - w[j] * w[j]);
            (g[j], g[j + 1]) = (-2.0 * a - 400.0 * w[j] * b, 200.0 * b);
            value += a * a + 100.0 * b * b;
        }
        Ok(value)
    }
}

#[test]
fn an_iteration_after_the_first_allocates_nothing() {
    let solvers: Vec<Box<dyn Solver<f64>>> = vec![
        Box::new(Lbfgs::new()),
        Box::new(Bfgs::new()),
        Box::new(NewtonCg::new()),
        Box::new(BarzilaiBorwein::new()),
        Box::new(ScaledConjugateGradient::new()),
    ];
    for mut solver in solvers {
        let mut w: Array1<f64> = (0..50).map(|j| if j % 2 == 0 { -1.2 } else { 1.0 }).collect();
        let mut counts = [0; 200];
        let mut filled = 0;
        let stop = Stop::default().callback(|_| {
            if filled < counts.len() {
                counts[filled] = allocations();
                filled += 1;
            }
            ControlFlow::Continue(())
        });
        let report = minimize(&mut *solver, &mut w, &mut Rosenbrock, stop).unwrap();
        assert!(report.status.is_converged() && filled > 10, "{report}");
        assert_eq!(counts[1], counts[filled - 1], "{}", solver.name());
    }
}

#[test]
fn a_step_of_lbfgs_after_the_first_allocates_nothing() {
    let mut solver = Lbfgs::new();
    let mut w: Array1<f64> = (0..50).map(|j| if j % 2 == 0 { -1.2 } else { 1.0 }).collect();
    let mut g = Array1::zeros(50);
    let mut before = 0;
    for step in 0..80 {
        for j in (0..50).step_by(2) {
            let (a, b) = (1.0 - w[j], w[j + 1] - w[j] * w[j]);
            (g[j], g[j + 1]) = (-2.0 * a - 400.0 * w[j] * b, 200.0 * b);
        }
        solver.step(&mut w, &g).unwrap();
        if step == 0 {
            before = allocations();
        }
    }
    assert_eq!(allocations(), before);
}
