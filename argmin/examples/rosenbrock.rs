use argmin::core::observers::{Observe, ObserverMode};
use argmin::core::{CostFunction, Error, Executor, Gradient, IterState, KV};
use ndarray::{Array1, array};
use thalweg::Adam;
use thalweg::solvers::Lbfgs;
use thalweg_argmin::{Minimize, Optimize};

/// A problem as argmin has it.
#[derive(Clone)]
struct Rosenbrock;

impl CostFunction for Rosenbrock {
    type Param = Array1<f64>;
    type Output = f64;

    fn cost(&self, w: &Array1<f64>) -> Result<f64, Error> {
        Ok((1.0 - w[0]).powi(2) + 100.0 * (w[1] - w[0] * w[0]).powi(2))
    }
}

impl Gradient for Rosenbrock {
    type Param = Array1<f64>;
    type Gradient = Array1<f64>;

    fn gradient(&self, w: &Array1<f64>) -> Result<Array1<f64>, Error> {
        let b = w[1] - w[0] * w[0];
        Ok(array![-2.0 * (1.0 - w[0]) - 400.0 * w[0] * b, 200.0 * b])
    }
}

/// An observer of argmin.
struct Print;

type Seen = IterState<Array1<f64>, Array1<f64>, (), (), (), f64>;

impl Observe<Seen> for Print {
    fn observe_iter(&mut self, state: &Seen, kv: &KV) -> Result<(), Error> {
        let gradient = kv.get("gradient_max").map(ToString::to_string);
        println!("{:4} {:12.5e} {}", state.iter, state.cost, gradient.unwrap_or_default());
        Ok(())
    }
}

fn main() -> Result<(), Error> {
    // A solver: quasi-Newton, by line searches.
    let result = Executor::new(Rosenbrock, Minimize::new(Lbfgs::new()))
        .configure(|state| state.param(array![-1.2, 1.0]).max_iters(100))
        .add_observer(Print, ObserverMode::Every(5))
        .run()?;
    println!("{result}");
    assert!(result.state().get_best_cost() < 1e-12);

    // An optimizer of the kind that trains networks.
    let result = Executor::new(Rosenbrock, Optimize::new(Adam::new(0.02).beta2(0.99)))
        .configure(|state| state.param(array![-1.2, 1.0]).max_iters(5_000))
        .run()?;
    assert!(result.state().get_best_cost() < 1e-4);
    Ok(())
}
