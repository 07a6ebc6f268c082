//! An optimizer in argmin's executor.

use argmin::core::{
    ArgminFloat, CostFunction, Error, Gradient, IterState, KV, Problem, Solver, TerminationReason,
    TerminationStatus,
};
use argmin::kv;
use thalweg::params::Flatten;
use thalweg::{Optimizer, ParamsMut, Scalar};

use crate::no_param;

/// An optimizer of thalweg as a solver of argmin: one step an iteration, by the problem's [`CostFunction`] and [`Gradient`].
///
/// Cost and gradient are evaluated once an iteration, where the step leads. Without
/// [`gradient_max`](Self::gradient_max) it goes on until argmin stops it, by `max_iters`, `target_cost` or a time-out.
///
/// ```
/// # use argmin::core::{CostFunction, Error, Gradient};
/// use argmin::core::{Executor, State};
/// # use ndarray::Array1;
/// use ndarray::array;
/// use thalweg::Adam;
/// use thalweg_argmin::Optimize;
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
/// let result = Executor::new(Bowl, Optimize::new(Adam::new(0.1)))
///     .configure(|state| state.param(array![3.0, -4.0]).max_iters(500))
///     .run()?;
/// assert!(result.state().get_best_cost() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// An error of the optimizer, a NaN in the gradient for one, is the executor's.
#[derive(Debug, Clone)]
pub struct Optimize<T> {
    optimizer: T,
    gradient_max: f64,
}

impl<T> Optimize<T> {
    /// Steps by that optimizer, which may be boxed.
    pub fn new(optimizer: T) -> Self {
        Self { optimizer, gradient_max: f64::NEG_INFINITY }
    }

    /// Ends as converged where max|g| is at most that.
    #[must_use]
    pub fn gradient_max(mut self, tolerance: f64) -> Self {
        self.gradient_max = tolerance;
        self
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &T {
        &self.optimizer
    }
}

type At<P, F> = IterState<P, P, (), (), (), F>;

/// The state at parameters that are new.
fn arrive<O, P, F>(problem: &mut Problem<O>, state: At<P, F>, params: P) -> Result<At<P, F>, Error>
where
    F: Scalar + ArgminFloat,
    P: ParamsMut<F> + Clone,
    O: CostFunction<Param = P, Output = F> + Gradient<Param = P, Gradient = P>,
{
    let cost = problem.cost(&params)?;
    let gradient = problem.gradient(&params)?;
    Ok(state.param(params).cost(cost).gradient(gradient))
}

/// max|g|.
fn largest<P: ParamsMut<F>, F: Scalar>(gradient: &P) -> Result<f64, thalweg::Error> {
    let flatten = Flatten::of::<F>(gradient)?;
    let mut flat = vec![F::zero(); flatten.len()];
    flatten.gather(gradient, &mut flat)?;
    let larger = |most: f64, g: &F| {
        let g = g.into_f64().abs();
        if g > most || g.is_nan() { g } else { most }
    };
    Ok(flat.iter().fold(0.0, larger))
}

impl<O, T, P, F> Solver<O, At<P, F>> for Optimize<T>
where
    F: Scalar + ArgminFloat,
    P: ParamsMut<F> + Clone,
    O: CostFunction<Param = P, Output = F> + Gradient<Param = P, Gradient = P>,
    T: Optimizer<F>,
{
    fn name(&self) -> &str {
        self.optimizer.name()
    }

    fn init(
        &mut self,
        problem: &mut Problem<O>,
        mut state: At<P, F>,
    ) -> Result<(At<P, F>, Option<KV>), Error> {
        self.optimizer.validate()?;
        let params = state.take_param().ok_or_else(|| no_param(self.optimizer.name()))?;
        let state = arrive(problem, state, params)?;
        Ok((state, Some(kv!("learning_rate" => self.optimizer.learning_rate();))))
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<O>,
        mut state: At<P, F>,
    ) -> Result<(At<P, F>, Option<KV>), Error> {
        let mut params = state.take_param().ok_or_else(|| no_param(self.optimizer.name()))?;
        let gradient = match state.take_gradient() {
            Some(gradient) => gradient,
            None => problem.gradient(&params)?,
        };
        let cost = state.get_cost().into_f64();
        let before = params.clone();
        let info = self.optimizer.step_with_loss(&mut params, &gradient, cost)?;
        // What argmin knows as the previous ones.
        let state = arrive(problem, state.param(before).gradient(gradient), params)?;
        let log = kv!(
            "learning_rate" => info.learning_rate;
            "skipped" => info.skipped;
        );
        Ok((state, Some(log)))
    }

    fn terminate(&mut self, state: &At<P, F>) -> TerminationStatus {
        let small = |gradient| largest::<P, F>(gradient).is_ok_and(|g| g <= self.gradient_max);
        match state.get_gradient() {
            Some(gradient) if self.gradient_max >= 0.0 && small(gradient) => {
                TerminationStatus::Terminated(TerminationReason::SolverConverged)
            }
            _ => TerminationStatus::NotTerminated,
        }
    }
}
