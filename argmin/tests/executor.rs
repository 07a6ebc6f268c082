//! The bridge against argmin itself.

use std::sync::{Arc, Mutex};

use argmin::core::observers::{Observe, ObserverMode};
use argmin::core::{
    CostFunction, Error, Executor, Gradient, Hessian, IterState, KV, State, TerminationReason,
    TerminationStatus,
};
use ndarray::{Array1, Array2, array};
use thalweg::solvers::{
    BarzilaiBorwein, Bfgs, ConjugateGradient, Lbfgs, NewtonCg, ScaledConjugateGradient, Solver,
    Stop, minimize,
};
use thalweg::{Adam, Optimizer, PolyakStep, Sgd};
use thalweg_argmin::{FromArgmin, Minimize, Optimize};

type W = Array1<f64>;
type Seen = IterState<W, W, (), (), (), f64>;

#[derive(Clone, Copy)]
struct Rosenbrock;

fn value(w: &W) -> f64 {
    (1.0 - w[0]).powi(2) + 100.0 * (w[1] - w[0] * w[0]).powi(2)
}

fn slope(w: &W) -> W {
    let b = w[1] - w[0] * w[0];
    array![-2.0 * (1.0 - w[0]) - 400.0 * w[0] * b, 200.0 * b]
}

fn curvature(w: &W) -> Array2<f64> {
    let (x, y) = (w[0], w[1]);
    array![[2.0 - 400.0 * (y - 3.0 * x * x), -400.0 * x], [-400.0 * x, 200.0]]
}

impl CostFunction for Rosenbrock {
    type Param = W;
    type Output = f64;

    fn cost(&self, w: &W) -> Result<f64, Error> {
        Ok(value(w))
    }
}

impl Gradient for Rosenbrock {
    type Param = W;
    type Gradient = W;

    fn gradient(&self, w: &W) -> Result<W, Error> {
        Ok(slope(w))
    }
}

impl Hessian for Rosenbrock {
    type Param = W;
    type Hessian = Array2<f64>;

    fn hessian(&self, w: &W) -> Result<Array2<f64>, Error> {
        Ok(curvature(w))
    }
}

/// An iteration's number, its cost and point, and whether the log has the gradient's size.
type Note = (u64, f64, Vec<f64>, bool);

/// What an observer was told.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Note>>>);

impl Observe<Seen> for Notes {
    fn observe_iter(&mut self, state: &Seen, kv: &KV) -> Result<(), Error> {
        let at = state.get_param().map_or(vec![], |w| w.to_vec());
        self.0.lock().unwrap().push((state.iter, state.cost, at, kv.get("gradient_max").is_some()));
        Ok(())
    }
}

fn start() -> W {
    array![-1.2, 1.0]
}

/// Each iteration's number and point by thalweg alone, the start first.
fn alone(solver: &mut dyn Solver<f64>) -> (Vec<(u64, Vec<f64>)>, thalweg::solvers::Report, W) {
    let mut points: Vec<(u64, Vec<f64>)> = Vec::new();
    let stop = Stop::default().callback(|progress| {
        if points.last().is_none_or(|(last, _)| *last < progress.iteration) {
            points.push((progress.iteration, progress.point.as_slice().to_vec()));
        }
        std::ops::ControlFlow::Continue(())
    });
    let mut w = start();
    let mut objective = FromArgmin::new(Rosenbrock);
    let report = minimize(solver, &mut w, &mut objective, stop).unwrap();
    let counts = objective.counts();
    assert_eq!(counts["gradient_count"], report.evaluations.gradients);
    assert_eq!(counts["cost_count"], report.evaluations.total());
    (points, report, w)
}

#[test]
fn the_executor_takes_the_very_iterations_of_the_solver() {
    fn check<S: Solver<f64> + Clone + Send + 'static>(mut solver: S) {
        let notes = Notes::default();
        let result = Executor::new(Rosenbrock, Minimize::new(solver.clone()))
            .configure(|state| state.param(start()).max_iters(100_000))
            .add_observer(notes.clone(), ObserverMode::Always)
            .run()
            .unwrap();
        let (points, report, w) = alone(&mut solver);
        let notes = notes.0.lock().unwrap();
        let name = solver.name();
        // The start is not an iteration of argmin, which counts from 0.
        let seen: Vec<(u64, Vec<f64>)> =
            notes.iter().take(points.len() - 1).map(|(i, _, at, _)| (i + 1, at.clone())).collect();
        assert_eq!(seen, points[1..], "{name}");
        assert!(notes.len() <= points.len(), "{name}: {} for {}", notes.len(), points.len());
        assert!(notes.iter().take(points.len() - 1).all(|(_, _, _, logged)| *logged), "{name}");
        let state = result.state();
        assert_eq!(state.get_best_param().unwrap(), &w, "{name}");
        assert_eq!(state.get_best_cost(), report.value, "{name}");
        let converged = TerminationStatus::Terminated(TerminationReason::SolverConverged);
        assert_eq!(*state.get_termination_status(), converged, "{name}");
        let counts = &result.problem.counts;
        assert_eq!(counts["gradient_count"], report.evaluations.gradients, "{name}");
        assert_eq!(counts["cost_count"], report.evaluations.total(), "{name}");
    }
    check(Lbfgs::new());
    check(Bfgs::new());
    check(ConjugateGradient::new());
    check(BarzilaiBorwein::new());
    check(ScaledConjugateGradient::new());
}

#[test]
fn a_hessian_of_argmin_is_the_solvers() {
    let result = Executor::new(Rosenbrock, Minimize::new(NewtonCg::new()).with_hessian())
        .configure(|state| state.param(start()).max_iters(1000))
        .run()
        .unwrap();
    assert!(result.state().get_best_cost() < 1e-12);
    assert!(result.problem.counts["hessian_count"] > 3);

    let mut w = start();
    let mut objective = FromArgmin::new(Rosenbrock).with_hessian();
    let report = minimize(&mut NewtonCg::new(), &mut w, &mut objective, Stop::default()).unwrap();
    assert!(report.status.is_converged() && objective.counts()["hessian_count"] > 3);

    // Without it, products are differences of gradients.
    let result = Executor::new(Rosenbrock, Minimize::new(NewtonCg::new()))
        .configure(|state| state.param(start()).max_iters(1000))
        .run()
        .unwrap();
    assert!(result.state().get_best_cost() < 1e-12);
    assert!(!result.problem.counts.contains_key("hessian_count"));
}

#[test]
fn argmin_stops_it_in_the_middle() {
    let result = Executor::new(Rosenbrock, Minimize::new(ConjugateGradient::new()))
        .configure(|state| state.param(start()).max_iters(3))
        .run()
        .unwrap();
    assert_eq!(result.state().get_iter(), 3);
    let limit = TerminationStatus::Terminated(TerminationReason::MaxItersReached);
    assert_eq!(*result.state().get_termination_status(), limit);

    let result = Executor::new(Rosenbrock, Minimize::new(Lbfgs::new()))
        .configure(|state| state.param(start()).target_cost(0.1))
        .run()
        .unwrap();
    let target = TerminationStatus::Terminated(TerminationReason::TargetCostReached);
    assert_eq!(*result.state().get_termination_status(), target);
    assert!(result.state().get_best_cost() <= 0.1);
}

#[test]
fn an_optimizer_takes_the_steps_that_it_takes_alone() {
    let steps = 40;
    let notes = Notes::default();
    let result = Executor::new(Rosenbrock, Optimize::new(Adam::new(0.02)))
        .configure(|state| state.param(start()).max_iters(steps))
        .add_observer(notes.clone(), ObserverMode::Always)
        .run()
        .unwrap();
    let (mut adam, mut w) = (Adam::new(0.02), start());
    for (i, (iteration, cost, at, _)) in notes.0.lock().unwrap().iter().enumerate() {
        let g = slope(&w);
        adam.step(&mut w, &g).unwrap();
        assert_eq!((*iteration, *cost, at), (i as u64, value(&w), &w.to_vec()));
    }
    assert_eq!(adam.steps(), steps);
    // One evaluation an iteration, and the start's.
    assert_eq!(result.problem.counts["gradient_count"], steps + 1);
    assert_eq!(result.problem.counts["cost_count"], steps + 1);
}

#[test]
fn an_optimizer_is_told_the_cost_and_ends_by_its_gradient() {
    struct Bowl;
    impl CostFunction for Bowl {
        type Param = W;
        type Output = f64;
        fn cost(&self, w: &W) -> Result<f64, Error> {
            Ok(w.dot(w))
        }
    }
    impl Gradient for Bowl {
        type Param = W;
        type Gradient = W;
        fn gradient(&self, w: &W) -> Result<W, Error> {
            Ok(2.0 * w)
        }
    }
    let boxed: Box<dyn Optimizer<f64>> = Box::new(PolyakStep::new(1.0));
    let result = Executor::new(Bowl, Optimize::new(boxed).gradient_max(1e-3))
        .configure(|state| state.param(array![3.0, -4.0]).max_iters(1000))
        .run()
        .unwrap();
    // ‖w‖² / ‖2w‖² · 2w is half of w: 8·2⁻ᵏ ≤ 1e-3.
    assert_eq!(result.state().get_iter(), 13);
    let converged = TerminationStatus::Terminated(TerminationReason::SolverConverged);
    assert_eq!(*result.state().get_termination_status(), converged);
}

#[test]
fn errors_are_the_executors() {
    struct Broken;
    impl CostFunction for Broken {
        type Param = W;
        type Output = f64;
        fn cost(&self, w: &W) -> Result<f64, Error> {
            if w[0] > -1.0 { Err(Error::msg("the plant is down")) } else { Ok(value(w)) }
        }
    }
    impl Gradient for Broken {
        type Param = W;
        type Gradient = W;
        fn gradient(&self, w: &W) -> Result<W, Error> {
            Ok(slope(w))
        }
    }
    let run = |w: Option<W>| {
        let configure = |state: Seen| match w {
            Some(w) => state.param(w),
            None => state,
        };
        Executor::new(Broken, Minimize::new(Lbfgs::new())).configure(configure).run().err().unwrap()
    };
    assert!(format!("{:#}", run(Some(start()))).contains("the plant is down"));
    assert!(run(None).to_string().contains(".param(w)"));
    let steps = Executor::new(Broken, Optimize::new(Sgd::new(0.1)))
        .configure(|state| state.param(start()).max_iters(100));
    assert!(format!("{:#}", steps.run().err().unwrap()).contains("the plant is down"));
    let negative = Executor::new(Broken, Optimize::new(Sgd::new(-0.1)))
        .configure(|state| state.param(start()).max_iters(100));
    assert!(negative.run().is_err());
}
