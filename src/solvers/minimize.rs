//! The loop that drives a solver.

use std::time::{Duration, Instant};

use super::descent::{Descent, Face, Limits};
use super::flat::Flat;
use super::halt::Halt;
use super::objective::{Objective, OnTree};
use super::report::{Active, History, Report, Row, Stall, Status, Test, Undefined};
use super::solver::Solver;
use super::stop::{Progress, Stop};
use crate::error::{Error, ErrorKind};
use crate::params::{Bounds, Flatten, ParamsMut};
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
    minimize_within(solver, params, &Bounds::new(), objective, stop)
}

/// Minimizes an objective within [`Bounds`] l ≤ w ≤ u, as [`minimize`](minimize()) does without.
///
/// The start is moved into the box, and the objective is asked at points of the box alone. A minimum is
/// where the projected gradient P(w - ∇f) - w vanishes, P being the nearest point of the box: every
/// element's derivative is 0, or the element is at a bound that -∇f pushes it against. All tests of a
/// gradient, and [`Report::gradient_max`], are of the projected one;
/// [`Report::active`] says which elements are at their bounds.
///
/// Any solver will do: it works on the elements that are free, and is told where others become so
/// ([`Solver::turn`]). [`Lbfgs`](super::Lbfgs) keeps what it has learnt then. Where the way of a step leads through
/// a bound, the point where it turns off there is tried first.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::Bounds;
/// use thalweg::solvers::{Lbfgs, Stop, minimize_within};
///
/// // The Rosenbrock function for x ≤ 1/2: its minimum there is (1/2, 1/4).
/// let mut rosenbrock = |w: &Array1<f64>| {
///     let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
///     (a * a + 100.0 * b * b, array![-2.0 * a - 400.0 * w[0] * b, 200.0 * b])
/// };
/// let bounds = Bounds::new().upper(&array![0.5, f64::INFINITY]);
/// let mut w = array![-1.2, 1.0];
/// let report =
///     minimize_within(&mut Lbfgs::new(), &mut w, &bounds, &mut rosenbrock, Stop::default())?;
/// assert!(report.status.is_converged());
/// assert!(w[0] == 0.5 && (w[1] - 0.25).abs() < 1e-6);
/// assert_eq!(report.active.len(), 1);
/// println!("{report}");
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Sources: Bertsekas 1982 (projection along the way); Hager & Zhang, "A new active set algorithm for
/// box constrained optimization", 2006; Schmidt, Kim & Sra 2011 (L-BFGS on the free elements).
///
/// # Errors
/// As [`minimize`](minimize()); and of the bounds, as [`Bounds::clip`] has them.
pub fn minimize_within<F, P, O, S>(
    solver: &mut S,
    params: &mut P,
    bounds: &Bounds<F>,
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
    if solver.needs_residuals() && !objective.has_residuals() {
        return Err(ErrorKind::NoResiduals { solver: solver.name() }.into());
    }
    let flatten = Flatten::of(&*params)?;
    let mut start = vec![F::zero(); flatten.len()];
    flatten.gather(&*params, &mut start)?;
    if let Some(at) = start.iter().position(|x| !x.is_finite()) {
        let (leaf, index) = flatten.locate(at).unwrap_or_default();
        let (leaf, value) = (leaf.to_owned(), start[at].into_f64());
        return Err(ErrorKind::NonFiniteParameter { leaf, index, value }.into());
    }
    let walls = bounds.resolve(&flatten)?;
    let bounded = !walls.is_open();
    let ends = [&walls.lower, &walls.upper].map(|ends| Flat::new(&flatten, ends));
    objective.within(bounded.then_some((ends[0], ends[1])));
    let strengths = match objective.l1() {
        Some(l1) => l1.resolve(&flatten)?,
        None => Vec::new(),
    };
    let face = (bounded || !strengths.is_empty()).then(|| Face::new(walls, strengths));
    let mut on_tree = OnTree { flatten: &flatten, params, objective };
    let outcome = run(solver, &flatten, &mut on_tree, start.clone(), stop, face);
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

/// `None` where there is no clock to ask: WebAssembly alone has none.
fn now() -> Option<Instant> {
    let has_clock = cfg!(not(all(target_family = "wasm", target_os = "unknown")));
    has_clock.then(Instant::now)
}

fn run<F: Scalar, S: Solver<F> + ?Sized>(
    solver: &mut S,
    flatten: &Flatten,
    objective: &mut dyn super::objective::FlatObjective<F>,
    start: Vec<F>,
    mut stop: Stop<'_, F>,
    face: Option<Face<F>>,
) -> Result<(Report, Vec<F>), Error> {
    let begun = now();
    let mut descent = Descent::new(objective, start, Limits::of(&stop, begun), face);
    let mut history = History::new();
    let mut iterations = 0;
    let halt = drive(solver, flatten, &mut descent, &mut stop, &mut history, &mut iterations);
    let status = match halt {
        Halt::Done(status) => status,
        Halt::Failed(error) => return Err(error),
        Halt::Stuck | Halt::Wall => Status::Stalled(Stall::NoProgress),
    };
    // f was seen not to fall by a step of rounding's size: less than any tolerance.
    let status = match status {
        Status::Stalled(Stall::Precision)
            if stop.relative_decrease.is_some() || solver.tests_decrease() =>
        {
            Status::Converged(Test::RelativeDecrease)
        }
        Status::Stalled(Stall::Precision) if stop.step.is_some() => Status::Converged(Test::Step),
        status => status,
    };
    let evaluations = descent.evaluations();
    let restarts = descent.restarts();
    // An acceptance by the test of a trial ends an iteration of which the loop has not heard.
    let length = descent.length();
    let (last, active, status) = descent.into_result(status);
    history.push(Row {
        iteration: iterations,
        evaluations: evaluations.total(),
        value: last.value,
        gradient_max: last.gradient_max,
        length,
    });
    let report = Report {
        solver: solver.name().into(),
        status,
        value: last.value,
        gradient_max: last.gradient_max,
        active: Active::new(flatten, active),
        iterations,
        evaluations,
        restarts,
        elapsed: begun.map_or(Duration::ZERO, |begun| begun.elapsed()),
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
    match undefined(flatten, descent) {
        Ok(None) => {}
        Ok(Some(undefined)) => return Halt::Done(Status::NonFinite(undefined)),
        Err(halt) => return halt,
    }
    if let Some(halt) = after(flatten, descent, stop, history, *iterations) {
        return halt;
    }
    if let Err(halt) = solver.start(descent) {
        return halt;
    }
    let mut progress = Progression::new(descent);
    loop {
        if stop.iterations.is_some_and(|limit| *iterations >= limit) {
            return Halt::Done(Status::IterationLimit);
        }
        let mut stuck = false;
        match solver.iterate(descent) {
            Ok(()) | Err(Halt::Wall) => {}
            Err(Halt::Stuck) => stuck = true,
            Err(halt) => {
                if matches!(&halt, Halt::Done(Status::Converged(_))) {
                    *iterations += 1;
                }
                return halt;
            }
        }
        stuck |= !descent.moves();
        if !stuck {
            *iterations += 1;
            if let Some(halt) = after(flatten, descent, stop, history, *iterations) {
                return halt;
            }
            if iterations.is_power_of_two()
                && let Err(halt) = descent.doubt()
            {
                return halt;
            }
            match progress.hardly(descent, stop) {
                Ok(Some(test)) => return Halt::Done(Status::Converged(test)),
                Ok(None) => stuck = progress.has_ended(descent),
                Err(halt) => return halt,
            }
        }
        if descent.change_face(stuck) {
            if let Err(halt) = solver.turn(descent) {
                return halt;
            }
            if stuck {
                progress.begin_anew();
            }
            continue;
        }
        if stuck {
            if let Err(halt) = descent.recover() {
                return halt;
            }
            descent.change_face(true);
            descent.count_restart();
            if let Some(halt) = after(flatten, descent, stop, history, *iterations) {
                return halt;
            }
            if let Err(halt) = solver.start(descent) {
                return halt;
            }
            progress.begin_anew();
        }
    }
}

/// What the iterations have brought.
struct Progression {
    /// The least value, whether it was evaluated, and the least max|g|.
    value: f64,
    evaluated: bool,
    gradient_max: f64,
    /// Iterations with neither a lower f nor a smaller gradient than ever before; and those of
    /// them in which f was no higher either.
    idle: usize,
    level: usize,
    dim: usize,
}

impl Progression {
    fn new<F: Scalar>(descent: &Descent<'_, F>) -> Self {
        let (value, gradient_max) = (descent.value(), descent.gradient_max());
        let dim = descent.dim();
        Self { value, evaluated: true, gradient_max, idle: 0, level: 0, dim }
    }

    fn begin_anew(&mut self) {
        (self.idle, self.level) = (0, 0);
    }

    /// Whether the iteration lowered f below all before, by little or by a small move.
    fn hardly<F: Scalar>(
        &mut self,
        descent: &mut Descent<'_, F>,
        stop: &Stop<'_, F>,
    ) -> Result<Option<Test>, Halt> {
        let value = self.value;
        let hardly = |descent: &Descent<'_, F>, moved: f64| {
            let fell = value - descent.value();
            // A fall of rounding's size is none.
            if fell.is_nan() || fell <= 16.0 * F::epsilon().into_f64() * value.abs() {
                None
            } else if stop.relative_decrease.is_some_and(|t| fell <= t * value.abs().max(1.0)) {
                Some(Test::RelativeDecrease)
            } else if stop.step.is_some_and(|t| moved <= t * vector::norm(descent.x()).max(1.0)) {
                Some(Test::Step)
            } else {
                None
            }
        };
        let moved = stop.step.map_or(f64::INFINITY, |_| moved(descent));
        let found = hardly(descent, moved);
        if found.is_none() {
            return Ok(None);
        }
        // A gradient of the wrong scale makes short steps.
        descent.doubt()?;
        let found = if descent.confirm()? { hardly(descent, moved) } else { found };
        if self.evaluated {
            return Ok(found);
        }
        // An interpolated value decides nothing: the next iteration is compared with this one.
        (self.value, self.evaluated) = (descent.value(), true);
        Ok(None)
    }

    /// Whether it goes round in the rounding.
    fn has_ended<F: Scalar>(&mut self, descent: &Descent<'_, F>) -> bool {
        let (value, gradient_max) = (descent.value(), descent.gradient_max());
        let rounding = 4.0 * F::epsilon().into_f64() * value.abs();
        if value < self.value - rounding || gradient_max < 0.9 * self.gradient_max {
            self.begin_anew();
        } else {
            self.idle += 1;
            self.level += usize::from(value <= self.value + rounding);
        }
        if value < self.value {
            (self.value, self.evaluated) = (value, !descent.is_predicted());
        }
        self.gradient_max = self.gradient_max.min(gradient_max);
        self.level > self.dim.saturating_add(20)
            || self.idle > self.dim.saturating_mul(6).saturating_add(100)
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
            gradient: Flat::new(flatten, descent.smooth_gradient()),
        };
        if callback(&progress).is_break() {
            return Some(Halt::Done(Status::Stopped));
        }
    }
    if let Some(test) = descent.test_gradient() {
        return Some(Halt::Done(Status::Converged(test)));
    }
    let target = stop.target.filter(|&target| value <= target)?;
    match descent.confirm() {
        Err(halt) => Some(halt),
        Ok(_) if descent.value() <= target => Some(Halt::Done(Status::TargetReached)),
        Ok(_) => None,
    }
}

/// ‖x - x₋‖₂ of the last iteration.
fn moved<F: Scalar>(descent: &Descent<'_, F>) -> f64 {
    let pairs = descent.x().iter().zip(descent.trial_x());
    pairs.map(|(&x, &old)| (x - old).into_f64().powi(2)).sum::<f64>().sqrt()
}

/// What is not finite at the start.
fn undefined<F: Scalar>(
    flatten: &Flatten,
    descent: &mut Descent<'_, F>,
) -> Result<Option<Undefined>, Halt> {
    if !descent.value().is_finite() {
        return Ok(Some(Undefined::Value(descent.value())));
    }
    let Some(at) = descent.smooth_gradient().iter().position(|g| !g.is_finite()) else {
        return Ok(None);
    };
    let value = descent.smooth_gradient()[at].into_f64();
    let name = |at: usize| {
        let (leaf, index) = flatten.locate(at).unwrap_or_default();
        (leaf.to_owned(), index)
    };
    if value.is_nan()
        && let Some(at) = descent.find_unwritten()?
    {
        let (leaf, index) = name(at);
        return Ok(Some(Undefined::Unwritten { leaf, index }));
    }
    let (leaf, index) = name(at);
    Ok(Some(Undefined::Gradient { leaf, index, value }))
}
