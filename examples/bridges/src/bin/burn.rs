//! A line through points, its tensors of burn and its optimizer of thalweg.
//!
//! ```text
//! cargo run --features burn --bin burn
//! ```

use burn::backend::{Autodiff, NdArray};
use burn::tensor::{Tensor, TensorData};
use thalweg::{Adam, Optimizer};

type B = Autodiff<NdArray<f32>>;

/// Slope and offset.
type Line = [Tensor<B, 1>; 2];

fn numbers(tensor: Tensor<B, 1>) -> Vec<f32> {
    tensor.into_data().to_vec().expect("numbers of f32")
}

fn main() -> Result<(), thalweg::Error> {
    let device = Default::default();
    let xs: Vec<f32> = (0..20).map(|i| i as f32 / 10.0).collect();
    let ys: Vec<f32> = xs.iter().map(|x| 3.0 * x - 1.0).collect();
    let x = Tensor::<B, 1>::from_floats(&xs[..], &device);
    let y = Tensor::<B, 1>::from_floats(&ys[..], &device);

    let mut adam = Adam::new(0.05);
    let mut weights = [vec![0.0_f32], vec![0.0]];
    for _ in 0..500 {
        let line: Line = weights.clone().map(|numbers| {
            Tensor::from_data(TensorData::new(numbers, [1]), &device).require_grad()
        });
        let residual = x.clone() * line[0].clone() + line[1].clone() - y.clone();
        let grads = (residual.clone() * residual).mean().backward();
        let gradients = line.map(|w| {
            let gradient = w.grad(&grads).expect("a gradient");
            numbers(Tensor::from_inner(gradient))
        });
        adam.step(&mut weights, &gradients)?;
    }
    let [weight, bias] = [weights[0][0], weights[1][0]];
    println!("y = {weight:.3} x + {bias:.3}");
    assert!((weight - 3.0).abs() < 1e-2 && (bias + 1.0).abs() < 1e-2);
    Ok(())
}
