//! The loop that drives a solver.

use std::time::Instant;

use super::descent::{Descent, Limits};
use super::objective::{Flat, Objective, OnTree};
use super::report::{History, Report, Row, Stall, Status, Test, Undefined};
use super::solver::{Halt, Solver};
use super::stop::{Progress, Stop};
use crate::error::{Error, ErrorKind};
use crate::params::{Flatten, ParamsMut};
use crate::scalar::Scalar;
use crate::vector;

/// Minimizes an objective from the parameters' values on; leaves them at the best point that was
/// seen.
///
/// The objective is asked with the parameters themselves written to each trial point. Whatever ends
/// the minimization is a [`Status`] of the report.
///
/// ```
/// use ndarray::{Array1, Array2, array};
/// use thalweg::solvers::{ConjugateGradient, Stop, minimize};
///
/// // A line through three points, its slope and offset two leaves.
/// let (xs, ys) = (array![0.0, 1.0, 2.0], array![1.0, 3.0, 5.0]);
/// let mut objective = |(slope, offset): &(Array1<f64>, Array1<f64>)| {
///     let r = &xs * slope[0] + offset[0] - &ys;
///     (r.dot(&r), (array![2.0 * r.dot(&xs)], array![2.0 * r.sum()]))
/// };
/// let mut line = (array![0.0], array![0.0]);
/// let report = minimize(&mut ConjugateGradient::new(), &mut line, &mut objective, Stop::default())?;
/// assert!((line.0[0] - 2.0).abs() < 1e-6 && (line.1[0] - 1.0).abs() < 1e-6);
/// println!("{report}");
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// A setting out of its range, a parameter that is NaN or infinite, a gradient of other leaves than
/// the parameters, a solver that needs what the objective does not give, or what the objective
/// itself returns. The parameters are then as they were.
pub fn minimize<F, P, O, S>(
    solver: &mut S,
    params: &mut P,
    objective: &mut O,
    stop: Stop<'_, F>,
) -> Result<Report, Error>
where
    F: Scalar,
    P: ParamsMut<F>,
    O: Objective<F, P> + ?Sized,
    S: Solver<F> + ?Sized,
{
    solver.validate()?;
    stop.validate()?;
    if solver.needs_hessian_vector() && !objective.has_hessian_vector() {
        return Err(ErrorKind::NoHessian { solver: solver.name() }.into());
    }
    let flatten = Flatten::of(&*params)?;
    let mut start = vec![F::zero(); flatten.len()];
    flatten.gather(&*params, &mut start)?;
    if let Some(at) = start.iter().position(|x| !x.is_finite()) {
        let (leaf, index) = flatten.locate(at).unwrap_or_default();
        let (leaf, value) = (leaf.to_owned(), start[at].into_f64());
        return Err(ErrorKind::NonFiniteParameter { leaf, index, value }.into());
    }
    let mut on_tree = OnTree { flatten: &flatten, params, objective };
    let outcome = run(solver, &flatten, &mut on_tree, start.clone(), stop);
    let params = on_tree.params;
    match outcome {
        Ok((report, best)) => {
            flatten.scatter(&best, params)?;
            Ok(report)
        }
        Err(error) => {
            flatten.scatter(&start, params)?;
            Err(error)
        }
    }
}

fn run<F: Scalar, S: Solver<F> + ?Sized>(
    solver: &mut S,
    flatten: &Flatten,
    objective: &mut dyn super::objective::FlatObjective<F>,
    start: Vec<F>,
    mut stop: Stop<'_, F>,
) -> Result<(Report, Vec<F>), Error> {
    let begun = Instant::now();
    let mut descent = Descent::new(objective, start, Limits::of(&stop, begun));
    let mut history = History::new();
    let mut iterations = 0;
    let halt = drive(solver, flatten, &mut descent, &mut stop, &mut history, &mut iterations);
    let status = match halt {
        Halt::Done(status) => status,
        Halt::Failed(error) => return Err(error),
    };
    let evaluations = descent.evaluations();
    let restarts = descent.restarts();
    // An acceptance by the test of a trial ends an iteration of which the loop has not heard.
    let length = descent.length();
    let last = descent.into_result(status.is_converged());
    history.push(Row {
        iteration: iterations,
        evaluations: evaluations.total(),
        value: last.value,
        gradient_max: last.gradient_max,
        length,
    });
    let report = Report {
        solver: solver.name(),
        status,
        value: last.value,
        gradient_max: last.gradient_max,
        iterations,
        evaluations,
        restarts,
        elapsed: begun.elapsed(),
        history: history.into_rows(),
    };
    Ok((report, last.x))
}

/// Iterates to the end.
fn drive<F: Scalar, S: Solver<F> + ?Sized>(
    solver: &mut S,
    flatten: &Flatten,
    descent: &mut Descent<'_, F>,
    stop: &mut Stop<'_, F>,
    history: &mut History,
    iterations: &mut u64,
) -> Halt {
    if let Err(halt) = descent.begin() {
        return halt;
    }
    if let Some(undefined) = undefined(flatten, descent) {
        return Halt::Done(Status::NonFinite(undefined));
    }
    if let Some(halt) = after(flatten, descent, stop, history, *iterations) {
        return halt;
    }
    if let Err(halt) = solver.start(descent) {
        return halt;
    }
    let mut patience = Patience::new(descent);
    loop {
        if stop.iterations.is_some_and(|limit| *iterations >= limit) {
            return Halt::Done(Status::IterationLimit);
        }
        let value = descent.value();
        let outcome = solver.iterate(descent);
        if let Err(halt) = outcome {
            if matches!(&halt, Halt::Done(Status::Converged(_))) {
                *iterations += 1;
            }
            return halt;
        }
        *iterations += 1;
        if let Some(halt) = after(flatten, descent, stop, history, *iterations) {
            return halt;
        }
        if patience.ends(descent) {
            return Halt::Done(Status::Stalled(Stall::Precision));
        }
        if let Some(tolerance) = stop.relative_decrease
            && value - descent.value() <= tolerance * value.abs().max(1.0)
        {
            return Halt::Done(Status::Converged(Test::RelativeDecrease));
        }
        if let Some(tolerance) = stop.step
            && moved(descent) <= tolerance * vector::norm(descent.x()).max(1.0)
        {
            return Halt::Done(Status::Converged(Test::Step));
        }
    }
}

/// Ends what goes round in the rounding: many iterations with neither a lower f nor a smaller
/// gradient than ever before.
struct Patience {
    value: f64,
    gradient_max: f64,
    idle: usize,
    limit: usize,
}

impl Patience {
    fn new<F: Scalar>(descent: &Descent<'_, F>) -> Self {
        let limit = descent.dim().saturating_mul(6).saturating_add(100);
        Self { value: f64::INFINITY, gradient_max: f64::INFINITY, idle: 0, limit }
    }

    fn ends<F: Scalar>(&mut self, descent: &Descent<'_, F>) -> bool {
        let (value, gradient_max) = (descent.value(), descent.gradient_max());
        let rounding = F::epsilon().into_f64() * value.abs();
        if value < self.value - rounding || gradient_max < self.gradient_max {
            self.idle = 0;
        } else {
            self.idle += 1;
        }
        self.value = self.value.min(value);
        self.gradient_max = self.gradient_max.min(gradient_max);
        self.idle > self.limit
    }
}

/// Records an iteration, and ends the minimization where the gradient or the callback says so.
fn after<F: Scalar>(
    flatten: &Flatten,
    descent: &mut Descent<'_, F>,
    stop: &mut Stop<'_, F>,
    history: &mut History,
    iteration: u64,
) -> Option<Halt> {
    let (value, gradient_max, length) = (descent.value(), descent.gradient_max(), descent.length());
    let evaluations = descent.evaluations();
    history.push(Row { iteration, evaluations: evaluations.total(), value, gradient_max, length });
    if let Some(callback) = &mut stop.callback {
        let progress = Progress {
            iteration,
            evaluations,
            value,
            gradient_max,
            length,
            point: Flat::new(flatten, descent.x()),
            gradient: Flat::new(flatten, descent.gradient()),
        };
        if callback(&progress).is_break() {
            return Some(Halt::Done(Status::Stopped));
        }
    }
    if let Some(test) = descent.test_gradient() {
        return Some(Halt::Done(Status::Converged(test)));
    }
    if stop.target.is_some_and(|target| value <= target) {
        return Some(Halt::Done(Status::TargetReached));
    }
    None
}

/// ‖x - x₋‖₂ of the last iteration.
fn moved<F: Scalar>(descent: &Descent<'_, F>) -> f64 {
    let pairs = descent.x().iter().zip(descent.trial_x());
    pairs.map(|(&x, &old)| (x - old).into_f64().powi(2)).sum::<f64>().sqrt()
}

/// What is not finite at the start.
fn undefined<F: Scalar>(flatten: &Flatten, descent: &Descent<'_, F>) -> Option<Undefined> {
    if !descent.value().is_finite() {
        return Some(Undefined::Value(descent.value()));
    }
    let gradient = descent.gradient();
    let at = gradient.iter().position(|g| !g.is_finite())?;
    let (leaf, index) = flatten.locate(at).unwrap_or_default();
    Some(Undefined::Gradient { leaf: leaf.to_owned(), index, value: gradient[at].into_f64() })
}
