//! An iteration that is not the first allocates nothing.

use std::ops::ControlFlow;

use ndarray::Array1;
use thalweg::solvers::{ConjugateGradient, FlatMut, Objective, Stop, minimize};
use thalweg::{Error, Optimizer};

use crate::counting::allocations;

/// Extended Rosenbrock, whose gradient is written in place.
struct Rosenbrock;

impl Objective<f64, Array1<f64>> for Rosenbrock {
    fn value_and_gradient(
        &mut self,
        w: &Array1<f64>,
        gradient: &mut FlatMut<'_, f64>,
    ) -> Result<f64, Error> {
        Ok(rosenbrock(w.as_slice().unwrap(), gradient.as_mut_slice()))
    }
}

fn rosenbrock(w: &[f64], g: &mut [f64]) -> f64 {
    let mut sum = 0.0;
    for (w, g) in w.chunks_exact(2).zip(g.chunks_exact_mut(2)) {
        let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
        (g[0], g[1]) = (-2.0 * a - 400.0 * w[0] * b, 200.0 * b);
        sum += a * a + 100.0 * b * b;
    }
    sum
}

#[test]
fn an_iteration_of_conjugate_gradient_allocates_nothing_after_the_first() {
    let start = Array1::from_shape_fn(1000, |i| if i % 2 == 0 { -1.2 } else { 1.0 });
    let mut counts = Vec::with_capacity(1000);
    let stop = Stop::default().callback(|_| {
        counts.push(allocations());
        ControlFlow::Continue(())
    });
    let mut w = start.clone();
    _ = minimize(&mut ConjugateGradient::new(), &mut w, &mut Rosenbrock, stop).unwrap();
    assert!(counts.len() > 10 && counts[0] > 0);
    assert!(counts[1..].iter().all(|&n| n == counts[1]), "{counts:?}");

    let (mut w, mut g) = (start, Array1::zeros(1000));
    let mut solver = ConjugateGradient::new();
    let mut step = || {
        rosenbrock(w.as_slice().unwrap(), g.as_slice_mut().unwrap());
        solver.step(&mut w, &g).unwrap();
    };
    step();
    let before = allocations();
    (0..100).for_each(|_| step());
    assert_eq!(allocations(), before);
}
