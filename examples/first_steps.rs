//! First steps: what can be optimized, and what an error looks like.
//!
//! `cargo run --release --example first_steps`

use ndarray::{Array1, Array2, array};
use thalweg::{
    AdaBelief, Adam, AmsGrad, Error, Lion, Momentum, NAdam, Nesterov, Optimizer, Params, ParamsMut,
    RmsProp, Sgd, Yogi,
};

fn main() -> Result<(), Error> {
    one_array()?;
    several_arrays()?;
    a_struct()?;
    any_optimizer()?;
    errors();
    rosenbrock()
}

/// The parameters are an array, or a view, of any rank.
fn one_array() -> Result<(), Error> {
    let mut w = array![3.0, -2.0];
    let mut adam = Adam::new(0.1);
    for _ in 0..200 {
        let gradient = &w - &array![1.0, 2.0]; // of ½‖w - (1, 2)‖²
        adam.step(&mut w, &gradient)?;
    }
    println!("one array: {w:.3}");
    Ok(())
}

/// A tuple of arrays, each of its own rank.
fn several_arrays() -> Result<(), Error> {
    let (mut weight, mut bias) = (Array2::<f32>::ones((2, 3)), Array1::<f32>::ones(3));
    let mut momentum = Momentum::new(0.1).clip_norm(1.0);
    for _ in 0..200 {
        let (dweight, dbias) = (weight.clone(), bias.clone()); // of ½‖weight‖² + ½‖bias‖²
        momentum.step(&mut (&mut weight, &mut bias), &(&dweight, &dbias))?;
    }
    println!("a tuple of arrays: {weight:.3}, {bias:.3}");
    Ok(())
}

#[derive(Params)]
struct Layer {
    weight: Array2<f32>,
    bias: Array1<f32>,
}

#[derive(Params)]
struct Model {
    layers: Vec<Layer>,
}

impl Model {
    fn filled(value: f32) -> Self {
        let layer = |inputs, outputs| Layer {
            weight: Array2::from_elem((inputs, outputs), value),
            bias: Array1::from_elem(outputs, value),
        };
        Self { layers: vec![layer(2, 3), layer(3, 1)] }
    }
}

/// A struct; its leaves have names, such as `layers.1.bias`.
fn a_struct() -> Result<(), Error> {
    let (mut model, gradient) = (Model::filled(1.0), Model::filled(0.5));
    let mut yogi = Yogi::new(0.1);
    yogi.step(&mut model, &gradient)?;
    println!("a struct: layers.1.bias is now {:.3}", model.layers[1].bias);
    if let Some(m) = yogi.slot("layers.1.bias", "m") {
        println!("    and Yogi's m of it {m:.3}");
    }
    Ok(())
}

/// Chosen at run time, for parameters of any kind.
fn any_optimizer() -> Result<(), Error> {
    fn descend(
        optimizer: &mut dyn Optimizer<f32>,
        params: &mut dyn ParamsMut<f32>,
        gradient: &dyn Params<f32>,
    ) -> Result<(), Error> {
        let info = optimizer.step(params, gradient)?;
        println!("any: {} took step {} at {}", optimizer.name(), info.step, info.learning_rate);
        Ok(())
    }
    let mut optimizers: Vec<Box<dyn Optimizer<f32>>> =
        vec![Box::new(Lion::new(1e-3)), Box::new(RmsProp::new(1e-3))];
    for optimizer in &mut optimizers {
        descend(optimizer, &mut Model::filled(1.0), &Model::filled(0.5))?;
    }
    Ok(())
}

/// An error says what is wrong and changes nothing.
fn errors() {
    let mut w = array![1.0, 2.0];
    let mut adam = Adam::new(1e-3);
    let attempts = [
        ("another shape", adam.step(&mut w, &array![0.1, 0.2, 0.3])),
        ("not a number", adam.step(&mut w, &array![0.1, f64::NAN])),
        ("out of range", adam.clone().beta1(1.5).step(&mut w, &array![0.1, 0.2])),
        ("a model that changed", {
            let mut model = Model::filled(1.0);
            let mut sgd = Sgd::new(0.1);
            let first = sgd.step(&mut model, &Model::filled(0.5));
            model.layers.pop();
            first.and_then(|_| sgd.step(&mut model, &Model::filled(0.5)))
        }),
    ];
    println!("\nerrors");
    for (what, outcome) in attempts {
        match outcome {
            Ok(info) => println!("{what}: step {} taken", info.step),
            Err(error) => println!("{what}: {error}"),
        }
    }
    println!("the array is still {w}, after {} steps", adam.steps());
}

/// f = (1-x)² + 100(y-x²)², a curved valley whose lowest point is (1, 1).
fn rosenbrock() -> Result<(), Error> {
    let value = |x: f64, y: f64| (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2);
    let gradient =
        |x: f64, y: f64| array![-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)];
    let optimizers: Vec<Box<dyn Optimizer<f64>>> = vec![
        Box::new(Sgd::new(1e-3)),
        Box::new(Momentum::new(5e-4)),
        Box::new(Nesterov::new(5e-4)),
        Box::new(RmsProp::new(1e-3)),
        Box::new(Adam::new(1e-2)),
        Box::new(AmsGrad::new(1e-2)),
        Box::new(NAdam::new(1e-2)),
        Box::new(AdaBelief::new(1e-2)),
        Box::new(Yogi::new(1e-2)),
        Box::new(Lion::new(1e-3)),
    ];
    const STEPS: u32 = 20_000;
    println!("\nRosenbrock's function from (-1.2, 1)");
    println!(
        "{:<11}{:>7}{:>16}{:>24}",
        "optimizer", "rate", "steps to 1e-6", "f after 20000 steps"
    );
    for mut optimizer in optimizers {
        let mut w = array![-1.2, 1.0];
        let mut reached = None;
        for step in 1..=STEPS {
            let g = gradient(w[0], w[1]);
            optimizer.step(&mut w, &g)?;
            if reached.is_none() && value(w[0], w[1]) < 1e-6 {
                reached = Some(step);
            }
        }
        println!(
            "{:<11}{:>7}{:>16}{:>24.1e}",
            optimizer.name(),
            optimizer.learning_rate(),
            reached.map_or("-".to_owned(), |step| step.to_string()),
            value(w[0], w[1])
        );
    }
    Ok(())
}
