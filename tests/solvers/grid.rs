//! The Rosenbrock function from every start of a grid: nothing stalls.

use ndarray::{Array1, array};
use thalweg::Error;
use thalweg::solvers::{
    Backtracking, BarzilaiBorwein, Beta, ConjugateGradient, FlatMut, HagerZhang, MoreThuente,
    Objective, Solver, Stop, minimize,
};

/// In place: of millions of evaluations none allocates.
#[derive(Debug)]
struct Rosenbrock;

impl Objective<f64, Array1<f64>> for Rosenbrock {
    fn value_and_gradient(
        &mut self,
        w: &Array1<f64>,
        gradient: &mut FlatMut<'_, f64>,
    ) -> Result<f64, Error> {
        let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
        gradient.as_mut_slice().copy_from_slice(&[-2.0 * a - 400.0 * w[0] * b, 200.0 * b]);
        Ok(a * a + 100.0 * b * b)
    }
}

/// From every `stride`-th start of 100 × 100 over [-50, 100]².
fn converges_everywhere(name: &str, mut solver: impl Solver<f64>, stride: usize) {
    let at = |i: usize| -50.0 + 150.0 * i as f64 / 99.0;
    for i in (0..100).step_by(stride) {
        for j in (0..100).step_by(stride) {
            let mut w = array![at(i), at(j)];
            let report = minimize(&mut solver, &mut w, &mut Rosenbrock, Stop::default()).unwrap();
            let found = report.status.is_converged() && report.value < 1e-6;
            assert!(found, "{name} from ({}, {}): {report}", at(i), at(j));
        }
    }
}

#[test]
fn conjugate_gradient_stalls_nowhere_with_the_searches_of_others() {
    let solver = ConjugateGradient::new().line_search(MoreThuente::new());
    converges_everywhere("MoreThuente", solver, 1);
    let solver = ConjugateGradient::new().line_search(Backtracking::new());
    converges_everywhere("Backtracking", solver, 1);
    let solver = ConjugateGradient::new().beta(Beta::HagerZhang).line_search(HagerZhang::new());
    converges_everywhere("HagerZhang", solver, 1);
    converges_everywhere("default", ConjugateGradient::new(), 1);
}

#[test]
fn barzilai_borwein_stalls_nowhere() {
    converges_everywhere("BarzilaiBorwein", BarzilaiBorwein::new(), 5);
}
