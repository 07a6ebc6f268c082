//! A line through points, its module of burn and its optimizer of thalweg.
//!
//! ```text
//! cargo run --release --manifest-path examples/bridges/burn/Cargo.toml
//! ```

use burn::backend::{Autodiff, NdArray};
use burn::module::Param;
use burn::nn::{LinearConfig, loss::MseLoss, loss::Reduction};
use burn::tensor::{Tensor, TensorData};
use thalweg::{Adam, Optimizer};

type Backend = Autodiff<NdArray<f32>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Default::default();
    let mut model = LinearConfig::new(1, 1).init::<Backend>(&device);
    let xs: Vec<f32> = (0..20).map(|i| i as f32 / 10.0).collect();
    let ys: Vec<f32> = xs.iter().map(|x| 3.0 * x - 1.0).collect();
    let x = Tensor::<Backend, 2>::from_data(TensorData::new(xs, [20, 1]), &device);
    let y = Tensor::<Backend, 2>::from_data(TensorData::new(ys, [20, 1]), &device);

    let mut adam = Adam::new(0.05);
    for _ in 0..500 {
        let grads =
            MseLoss::new().forward(model.forward(x.clone()), y.clone(), Reduction::Mean).backward();
        // The gradients out, a step, and the parameters back.
        let (weight, bias) = (model.weight.val(), model.bias.as_ref().ok_or("no bias")?.val());
        let mut parameters: (Vec<f32>, Vec<f32>) =
            (weight.to_data().to_vec()?, bias.to_data().to_vec()?);
        let gradients: (Vec<f32>, Vec<f32>) = (
            weight.grad(&grads).ok_or("no gradient")?.into_data().to_vec()?,
            bias.grad(&grads).ok_or("no gradient")?.into_data().to_vec()?,
        );
        adam.step(&mut parameters, &gradients)?;
        model.weight = Param::from_data(TensorData::new(parameters.0, weight.shape()), &device);
        model.bias = Some(Param::from_data(TensorData::new(parameters.1, bias.shape()), &device));
    }
    let weight = model.weight.val().into_scalar();
    let bias = model.bias.ok_or("no bias")?.val().into_scalar();
    println!("y = {weight:.3} x + {bias:.3}");
    assert!((weight - 3.0).abs() < 1e-2 && (bias + 1.0).abs() < 1e-2);
    Ok(())
}
