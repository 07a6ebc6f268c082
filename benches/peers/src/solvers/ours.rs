//! This crate's solvers.

use ndarray::Array1;
use thalweg::solvers::{FlatMut, Objective, Solver, Stop, minimize};
use thalweg::{ConjugateGradient, Error, Lbfgs};

use super::{Counted, MEMORY, TIME_LIMIT, TOLERANCE};

impl Objective<f64, Array1<f64>> for &Counted<'_> {
    fn value_and_gradient(
        &mut self,
        w: &Array1<f64>,
        gradient: &mut FlatMut<'_, f64>,
    ) -> Result<f64, Error> {
        let w = w.as_slice().expect("it was made in one piece");
        Ok(Counted::value_and_gradient(self, w, gradient.as_mut_slice()))
    }
}

pub fn conjugate_gradient(problem: &Counted<'_>, start: Vec<f64>) -> (Vec<f64>, String) {
    run(&mut ConjugateGradient::new(), problem, start)
}

pub fn lbfgs(problem: &Counted<'_>, start: Vec<f64>) -> (Vec<f64>, String) {
    run(&mut Lbfgs::new().memory(MEMORY), problem, start)
}

fn run(
    solver: &mut impl Solver<f64>,
    mut problem: &Counted<'_>,
    start: Vec<f64>,
) -> (Vec<f64>, String) {
    let mut w = Array1::from(start);
    let stop = Stop::never().gradient_max(TOLERANCE).time(TIME_LIMIT);
    let said = match minimize(solver, &mut w, &mut problem, stop) {
        Ok(report) => report.status.to_string(),
        Err(error) => error.to_string(),
    };
    (w.into_raw_vec_and_offset().0, said)
}
