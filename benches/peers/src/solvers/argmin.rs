//! argmin's solvers, over `ndarray` arrays, with the line search of Moré and Thuente.

use argmin::core::{
    CostFunction, Error, Executor, Gradient, IterState, KV, Problem, Solver, State,
    TerminationReason, TerminationStatus,
};
use argmin::solver::conjugategradient::NonlinearConjugateGradient;
use argmin::solver::conjugategradient::beta::PolakRibierePlus;
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use ndarray_16::Array1;

use super::{Counted, MEMORY, TIME_LIMIT, TOLERANCE};

type Vector = Array1<f64>;
type Iterate = IterState<Vector, Vector, (), (), (), f64>;

struct Asked<'a>(&'a Counted<'a>);

fn slice(w: &Vector) -> &[f64] {
    w.as_slice().expect("it was made in one piece")
}

impl CostFunction for Asked<'_> {
    type Param = Vector;
    type Output = f64;

    fn cost(&self, w: &Vector) -> Result<f64, Error> {
        Ok(self.0.value(slice(w)))
    }
}

impl Gradient for Asked<'_> {
    type Param = Vector;
    type Gradient = Vector;

    fn gradient(&self, w: &Vector) -> Result<Vector, Error> {
        let mut g = Vector::zeros(w.len());
        self.0.gradient(slice(w), g.as_slice_mut().expect("it was made in one piece"));
        Ok(g)
    }
}

/// A solver that ends where max|g| is small: argmin's conjugate gradient has no test of its own,
/// and L-BFGS tests another norm.
struct UntilFlat<S>(S);

impl<O, S: Solver<O, Iterate>> Solver<O, Iterate> for UntilFlat<S> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn init(
        &mut self,
        problem: &mut Problem<O>,
        state: Iterate,
    ) -> Result<(Iterate, Option<KV>), Error> {
        self.0.init(problem, state)
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<O>,
        state: Iterate,
    ) -> Result<(Iterate, Option<KV>), Error> {
        self.0.next_iter(problem, state)
    }

    fn terminate(&mut self, state: &Iterate) -> TerminationStatus {
        let flat = |g: &Vector| g.iter().all(|g| g.abs() <= TOLERANCE);
        if state.get_gradient().is_some_and(flat) {
            return TerminationStatus::Terminated(TerminationReason::SolverConverged);
        }
        self.0.terminate(state)
    }
}

/// With the settings that served it best here: c₂ = 0.1, and a restart where two gradients are far
/// from orthogonal, without which it fails on Rosenbrock.
pub fn conjugate_gradient(problem: &Counted<'_>, start: Vec<f64>) -> (Vec<f64>, String) {
    match MoreThuenteLineSearch::new().with_c(1e-4, 0.1) {
        Ok(search) => {
            let solver = NonlinearConjugateGradient::new(search, PolakRibierePlus::new());
            run(solver.restart_orthogonality(0.1), problem, start)
        }
        Err(error) => (start, error.to_string()),
    }
}

pub fn lbfgs(problem: &Counted<'_>, start: Vec<f64>) -> (Vec<f64>, String) {
    let solver: LBFGS<_, Vector, Vector, f64> = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY);
    let solver = solver.with_tolerance_cost(0.0).and_then(|s| s.with_tolerance_grad(0.0));
    match solver {
        Ok(solver) => run(solver, problem, start),
        Err(error) => (start, error.to_string()),
    }
}

fn run<'a, S: Solver<Asked<'a>, Iterate>>(
    solver: S,
    problem: &'a Counted<'a>,
    start: Vec<f64>,
) -> (Vec<f64>, String) {
    let executor = Executor::new(Asked(problem), UntilFlat(solver))
        .configure(|state| state.param(Vector::from(start.clone())).max_iters(u64::MAX))
        .ctrlc(false)
        .timeout(TIME_LIMIT);
    match executor.run() {
        Ok(result) => {
            let said = result.state().get_termination_reason().map_or("", |reason| reason.text());
            // The last point, where it stopped; the one of the lowest value may be another.
            let w = result.state().get_param().map_or(start, |w| w.to_vec());
            (w, said.to_owned())
        }
        Err(error) => (start, error.to_string()),
    }
}
