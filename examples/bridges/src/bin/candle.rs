//! A line through points, its tensors of candle and its optimizer of thalweg.
//!
//! ```text
//! cargo run --release --manifest-path examples/bridges/Cargo.toml --bin candle
//! ```

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Module, VarBuilder, VarMap, linear, loss};
use thalweg::{Adam, Optimizer};

type Leaves = BTreeMap<String, Vec<f32>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::Cpu;
    let varmap = VarMap::new();
    let model = linear(1, 1, VarBuilder::from_varmap(&varmap, DType::F32, &device))?;
    let xs: Vec<f32> = (0..20).map(|i| i as f32 / 10.0).collect();
    let ys: Vec<f32> = xs.iter().map(|x| 3.0 * x - 1.0).collect();
    let (x, y) = (Tensor::from_vec(xs, (20, 1), &device)?, Tensor::from_vec(ys, (20, 1), &device)?);

    let mut adam = Adam::new(0.05);
    for _ in 0..500 {
        let grads = loss::mse(&model.forward(&x)?, &y)?.backward()?;
        // The gradients out, a step, and the parameters back.
        let (mut weights, mut gradients) = (Leaves::new(), Leaves::new());
        let variables = varmap.data().lock().map_err(|_| "a thread has panicked")?;
        for (name, var) in variables.iter() {
            let gradient = grads.get(var).ok_or("no gradient")?;
            weights.insert(name.clone(), var.flatten_all()?.to_vec1()?);
            gradients.insert(name.clone(), gradient.flatten_all()?.to_vec1()?);
        }
        adam.step(&mut weights, &gradients)?;
        for (name, var) in variables.iter() {
            var.set(&Tensor::from_slice(&weights[name], var.shape(), var.device())?)?;
        }
    }
    let weight = model.weight().flatten_all()?.to_vec1::<f32>()?[0];
    let bias = model.bias().ok_or("no bias")?.to_vec1::<f32>()?[0];
    println!("y = {weight:.3} x + {bias:.3}");
    assert!((weight - 3.0).abs() < 1e-2 && (bias + 1.0).abs() < 1e-2);
    Ok(())
}
