//! A solver in argmin's executor.

use std::fmt;
use std::marker::PhantomData;

use argmin::core::{
    ArgminError, ArgminFloat, CostFunction, Error, Gradient, IterState, KV, Problem, Solver, State,
    TerminationReason,
};
use argmin::kv;
use thalweg::params::Flatten;
use thalweg::solvers::{Report, Status, Stop};
use thalweg::{ParamsMut, Scalar, solvers};

use crate::curvature::{ByGradients, ByHessian, Curvature};
use crate::turns::{Answer, Ask, Iterate, Limits, Turns, Word};
use crate::{foreign, no_param};

/// A solver of thalweg as one of argmin: an iteration of the one is one of the other.
///
/// It ends where thalweg's solver does, by the tests of [`stop`](Self::stop), or where argmin stops it, by `max_iters`,
/// `target_cost` or a time-out. What was seen at the end is [`report`](Self::report).
///
/// ```
/// # use argmin::core::{CostFunction, Error, Gradient};
/// use argmin::core::{Executor, State, TerminationReason, TerminationStatus};
/// # use ndarray::Array1;
/// use ndarray::array;
/// use thalweg::solvers::ConjugateGradient;
/// use thalweg_argmin::Minimize;
/// # struct Bowl;
/// # impl CostFunction for Bowl {
/// #     type Param = Array1<f64>;
/// #     type Output = f64;
/// #     fn cost(&self, w: &Array1<f64>) -> Result<f64, Error> {
/// #         Ok(w.dot(w))
/// #     }
/// # }
/// # impl Gradient for Bowl {
/// #     type Param = Array1<f64>;
/// #     type Gradient = Array1<f64>;
/// #     fn gradient(&self, w: &Array1<f64>) -> Result<Array1<f64>, Error> {
/// #         Ok(2.0 * w)
/// #     }
/// # }
///
/// let solver = Minimize::new(ConjugateGradient::new()).stop(|stop| stop.gradient_max(1e-9));
/// let result = Executor::new(Bowl, solver)
///     .configure(|state| state.param(array![3.0, -4.0]).max_iters(100))
///     .run()?;
/// let converged = TerminationStatus::Terminated(TerminationReason::SolverConverged);
/// assert_eq!(*result.state().get_termination_status(), converged);
/// # Ok::<(), Error>(())
/// ```
///
/// An error of the problem or of the solver is the executor's. The solver runs in a thread of its own, which rests while argmin
/// has its turn; the problem is asked in the executor's.
pub struct Minimize<S, P, F: Scalar, H = ByGradients> {
    /// Until it begins.
    solver: Option<S>,
    limits: Option<Limits<F>>,
    name: &'static str,
    turns: Option<Turns<P, F>>,
    /// What it has asked after the last iteration, and is not answered before the next.
    pending: Option<(Ask, P)>,
    flatten: Option<Flatten>,
    report: Option<Report>,
    curvature: PhantomData<H>,
}

impl<S, P, F> Minimize<S, P, F>
where
    F: Scalar,
    S: solvers::Solver<F> + Send + 'static,
{
    /// By that solver, with the tests of [`Stop::default`].
    pub fn new(solver: S) -> Self {
        Self {
            name: solver.name(),
            solver: Some(solver),
            limits: Some(Box::new(|stop| stop)),
            turns: None,
            pending: None,
            flatten: None,
            report: None,
            curvature: PhantomData,
        }
    }

    /// Gives the solver argmin's [`Hessian`](argmin::core::Hessian) too, a matrix of `ndarray`: what
    /// [`NewtonCg`](thalweg::solvers::NewtonCg) and `Newton` want.
    pub fn with_hessian(self) -> Minimize<S, P, F, ByHessian> {
        let Self { solver, limits, name, turns, pending, flatten, report, .. } = self;
        Minimize { solver, limits, name, turns, pending, flatten, report, curvature: PhantomData }
    }
}

impl<S, P, F: Scalar, H> Minimize<S, P, F, H> {
    /// Changes when it stops: `.stop(|stop| stop.gradient_max(1e-9))`. A callback of that is replaced.
    #[must_use]
    pub fn stop(
        mut self,
        limits: impl for<'a> FnOnce(Stop<'a, F>) -> Stop<'a, F> + Send + 'static,
    ) -> Self {
        self.limits = Some(Box::new(limits));
        self
    }

    /// Thalweg's own report, once the solver has ended by itself.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }
}

impl<S, P, F: Scalar, H> fmt::Debug for Minimize<S, P, F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, report, .. } = self;
        f.debug_struct("Minimize")
            .field("solver", name)
            .field("report", report)
            .finish_non_exhaustive()
    }
}

type At<P, F> = IterState<P, P, (), (), (), F>;

/// Where the solver has come to, and how it ended if it did.
type Turn<P, F> = (Option<Iterate<F>>, Option<(Report, P)>);

impl<S, P, F, H> Minimize<S, P, F, H>
where
    F: Scalar + ArgminFloat,
    P: ParamsMut<F> + Clone + Send + 'static,
{
    fn turns(&self) -> Result<(&Turns<P, F>, &Flatten), Error> {
        self.turns.as_ref().zip(self.flatten.as_ref()).ok_or_else(|| {
            let text = format!("{} cannot go on from a checkpoint", self.name);
            ArgminError::NotImplemented { text }.into()
        })
    }

    /// Answers until the solver has come to another point than after `before` iterations, or to its end. Where it ends without
    /// asking anything more, both are one iteration.
    fn advance<O>(
        &mut self,
        problem: &mut Problem<O>,
        before: Option<u64>,
    ) -> Result<Turn<P, F>, Error>
    where
        O: CostFunction<Param = P, Output = F> + Gradient<Param = P, Gradient = P>,
        H: Curvature<O, P, F>,
    {
        let pending = self.pending.take();
        let (turns, flatten) = self.turns()?;
        let answer = |problem: &mut Problem<O>, ask, params: &P| {
            let answer = match ask {
                Ask::Value => problem.cost(params).map(|cost| Answer::Value(cost.into_f64())),
                Ask::ValueAndGradient => problem.cost(params).and_then(|cost| {
                    let gradient = problem.gradient(params)?;
                    let mut flat = vec![F::zero(); flatten.len()];
                    flatten.gather(&gradient, &mut flat)?;
                    Ok(Answer::ValueAndGradient(cost.into_f64(), flat))
                }),
                Ask::Hessian => H::hessian(problem, params).and_then(|matrix| {
                    matrix.map(Answer::Hessian).ok_or_else(|| Error::msg("there is no Hessian"))
                }),
            };
            turns.answer(answer.unwrap_or_else(|error| Answer::Failed(foreign(error))));
        };
        if let Some((ask, params)) = &pending {
            answer(problem, *ask, params);
        }
        let mut arrived: Option<Iterate<F>> = None;
        loop {
            match turns.hear()? {
                Word::Ask(ask, params) if arrived.is_some() => {
                    self.pending = Some((ask, params));
                    return Ok((arrived, None));
                }
                Word::Ask(ask, params) => answer(problem, ask, &params),
                Word::Arrived(iterate) => {
                    // A solver that begins anew comes to the same iteration once more.
                    if before.is_none_or(|before| iterate.iteration > before) {
                        arrived = Some(iterate);
                    }
                    turns.answer(Answer::GoOn);
                }
                Word::Ended(outcome) => return Ok((arrived, Some((*outcome)?))),
            }
        }
    }

    /// What argmin is told of a point.
    fn tell(
        &mut self,
        state: At<P, F>,
        template: P,
        (arrived, ended): Turn<P, F>,
    ) -> Result<(At<P, F>, Option<KV>), Error> {
        let (_, flatten) = self.turns()?;
        let mut state = state;
        let mut log = None;
        match arrived {
            Some(Iterate { evaluations, value, gradient_max, length, point, gradient, .. }) => {
                let (mut params, mut slope) = (template.clone(), template);
                flatten.scatter(&point, &mut params)?;
                flatten.scatter(&gradient, &mut slope)?;
                state = state.param(params).cost(<F as Scalar>::from_f64(value)).gradient(slope);
                log = Some(kv!(
                    "gradient_max" => gradient_max;
                    "length" => length;
                    "evaluations" => evaluations;
                ));
            }
            // Without an iteration it is where it was.
            None => state = state.param(template),
        }
        if let Some((report, params)) = ended {
            // The best point that was seen need not be the last.
            let value = <F as Scalar>::from_f64(report.value);
            if value < state.get_cost() {
                state = state.param(params).cost(value);
            }
            state = state.terminate_with(reason(&report.status));
            self.report = Some(report);
        }
        Ok((state, log))
    }
}

fn reason(status: &Status) -> TerminationReason {
    match status {
        Status::Converged(_) => TerminationReason::SolverConverged,
        Status::TargetReached => TerminationReason::TargetCostReached,
        Status::IterationLimit => TerminationReason::MaxItersReached,
        Status::TimeLimit => TerminationReason::Timeout,
        status => TerminationReason::SolverExit(status.to_string()),
    }
}

impl<O, S, P, F, H> Solver<O, At<P, F>> for Minimize<S, P, F, H>
where
    F: Scalar + ArgminFloat,
    P: ParamsMut<F> + Clone + Send + 'static,
    O: CostFunction<Param = P, Output = F> + Gradient<Param = P, Gradient = P>,
    S: solvers::Solver<F> + Send + 'static,
    H: Curvature<O, P, F>,
{
    fn name(&self) -> &str {
        self.name
    }

    fn init(
        &mut self,
        problem: &mut Problem<O>,
        mut state: At<P, F>,
    ) -> Result<(At<P, F>, Option<KV>), Error> {
        let params = state.take_param().ok_or_else(|| no_param(self.name))?;
        let (Some(solver), Some(limits)) = (self.solver.take(), self.limits.take()) else {
            let text = format!("this {} has run already: make another", self.name);
            return Err(ArgminError::InvalidParameter { text }.into());
        };
        self.flatten = Some(Flatten::of::<F>(&params)?);
        self.turns = Some(Turns::begin(solver, params.clone(), limits, H::HAS_HESSIAN)?);
        let turn = self.advance(problem, None)?;
        self.tell(state, params, turn)
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<O>,
        mut state: At<P, F>,
    ) -> Result<(At<P, F>, Option<KV>), Error> {
        let params = state.take_param().ok_or_else(|| no_param(self.name))?;
        let turn = self.advance(problem, Some(state.iter))?;
        self.tell(state, params, turn)
    }
}
