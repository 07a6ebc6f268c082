//! Every solver, by name, and what comes of it on a problem.
#![allow(dead_code, unreachable_pub)]

use ndarray::Array1;
#[cfg(feature = "linalg")]
use thalweg::solvers::Newton;
use thalweg::solvers::{
    BarzilaiBorwein, Bfgs, ConjugateGradient, Lbfgs, NewtonCg, Report, ScaledConjugateGradient,
    Solver, Status, Stop, minimize,
};
use thalweg::{Error, Scalar};

use super::objective::On;
use super::problems::{Minimum, Problem};

/// A solver, and whether it is given products with the Hessian.
#[derive(Debug, Clone, Copy)]
pub struct Entry<F: Scalar> {
    pub name: &'static str,
    pub hessian: bool,
    pub make: fn() -> Box<dyn Solver<F>>,
}

/// All of them.
pub fn solvers<F: Scalar>() -> Vec<Entry<F>> {
    let entry = |name, hessian, make| Entry { name, hessian, make };
    vec![
        entry("ConjugateGradient", false, || Box::new(ConjugateGradient::new())),
        entry("Lbfgs", false, || Box::new(Lbfgs::new())),
        entry("Bfgs", false, || Box::new(Bfgs::new())),
        entry("NewtonCg", false, || Box::new(NewtonCg::new())),
        entry("NewtonCg with Hv", true, || Box::new(NewtonCg::new())),
        #[cfg(feature = "linalg")]
        entry("Newton", false, || Box::new(Newton::new())),
        #[cfg(feature = "linalg")]
        entry("Newton with Hv", true, || Box::new(Newton::new())),
        entry("BarzilaiBorwein", false, || Box::new(BarzilaiBorwein::new())),
        entry("ScaledConjugateGradient", false, || Box::new(ScaledConjugateGradient::new())),
    ]
}

/// Minimizes from the standard start until max|g| ≤ `tolerance`.
pub fn run<F: Scalar>(
    entry: &Entry<F>,
    problem: &Problem,
    tolerance: f64,
    evaluations: u64,
) -> Result<(Report, Array1<F>), Error> {
    let mut objective = if entry.hessian { On::with_hessian(problem) } else { On::new(problem) };
    let mut w: Array1<F> = objective.start();
    let stop = Stop::never().gradient_max(tolerance).evaluations(evaluations);
    let report = minimize(&mut *(entry.make)(), &mut w, &mut objective, stop)?;
    Ok((report, w))
}

/// The evaluations that a run of the table may take.
pub const LIMIT: u64 = 50_000;

/// max|g| that a run of the table goes to.
pub fn tolerance<F: Scalar>() -> f64 {
    if F::NAME == "f32" { 1e-3 } else { 1e-6 }
}

/// A row of the table: what came of it down to the [`tolerance`], and which published minimum f
/// has to six digits, if it has one, in the end; `-` for another, or none.
pub fn row<F: Scalar>(entry: &Entry<F>, problem: &Problem) -> Result<[String; 6], Error> {
    let (report, _) = run(entry, problem, tolerance::<F>(), LIMIT)?;
    let digits = if F::NAME == "f32" { 1e-4 } else { 1e-6 };
    let reached = |f: f64| {
        let is = |minimum: &Minimum| {
            (f - minimum.value).abs() <= digits * minimum.value.abs() + 1e-3 * digits
        };
        problem.minima.iter().position(is)
    };
    let mut minimum = reached(report.value);
    if minimum.is_none() {
        // The tolerance has ended it before.
        let (last, _) = run(entry, problem, 1e-10, LIMIT)?;
        minimum = reached(last.value);
    }
    Ok([
        entry.name.to_owned(),
        problem.title(),
        word(&report.status).to_owned(),
        format!("{:.6e}", report.value),
        report.evaluations.total().to_string(),
        minimum.map_or("-".to_owned(), |index| index.to_string()),
    ])
}

/// A status in a word.
pub fn word(status: &Status) -> &'static str {
    match status {
        Status::Converged(_) => "converged",
        Status::Stalled(_) => "stalled",
        Status::EvaluationLimit => "limit",
        _ => "other",
    }
}
