//! Dense layers one after another, with tanh between them.

use ndarray::{Array1, Array2, Axis};
use rand::{Rng, RngExt};
use thalweg::natural_gradient::DenseLayer;

/// x·W + b for each row x.
#[derive(Clone)]
pub struct Layer {
    pub weight: Array2<f32>,
    bias: Array1<f32>,
}
thalweg::params!(Layer { weight, bias });

/// Its gradient is one of these too.
#[derive(Clone)]
pub struct Network {
    pub layers: Vec<Layer>,
}
thalweg::params!(Network { layers });

/// What a forward pass leaves for the backward one.
pub struct Forward {
    /// The inputs of each layer.
    inputs: Vec<Array2<f32>>,
    pub outputs: Array2<f32>,
}

impl Network {
    /// Layers of these widths, the inputs' first; no layer between is a linear model.
    pub fn new(widths: &[usize], rng: &mut impl Rng) -> Self {
        let layer = |pair: &[usize]| {
            let limit = (3.0 / pair[0] as f32).sqrt();
            let draw = || rng.random_range(-limit..limit);
            let weight = Array2::from_shape_simple_fn((pair[0], pair[1]), draw);
            Layer { weight, bias: Array1::zeros(pair[1]) }
        };
        Self { layers: widths.windows(2).map(layer).collect() }
    }

    pub fn forward(&self, inputs: &Array2<f32>) -> Forward {
        let mut seen = vec![inputs.clone()];
        let mut outputs = inputs.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            outputs = outputs.dot(&layer.weight) + &layer.bias;
            if i + 1 < self.layers.len() {
                outputs.mapv_inplace(f32::tanh);
                seen.push(outputs.clone());
            }
        }
        Forward { inputs: seen, outputs }
    }

    /// The gradients by what goes into each layer's nonlinearity, from the one by the outputs.
    fn deltas(&self, forward: &Forward, by_outputs: &Array2<f32>) -> Vec<Array2<f32>> {
        let mut deltas = vec![by_outputs.clone()];
        for (layer, inputs) in self.layers.iter().zip(&forward.inputs).skip(1).rev() {
            let mut delta = deltas[deltas.len() - 1].dot(&layer.weight.t());
            delta.zip_mut_with(inputs, |d, h| *d *= 1.0 - h * h);
            deltas.push(delta);
        }
        deltas.reverse();
        deltas
    }

    /// The gradient by every parameter, with that of ½λ‖W‖².
    pub fn gradient(&self, forward: &Forward, by_outputs: &Array2<f32>, penalty: f32) -> Self {
        let deltas = self.deltas(forward, by_outputs);
        let layers = self.layers.iter().zip(&forward.inputs).zip(&deltas);
        let gradient = |((layer, inputs), delta): ((&Layer, &Array2<f32>), &Array2<f32>)| {
            let mut weight = inputs.t().dot(delta);
            weight.scaled_add(penalty, &layer.weight);
            Layer { weight, bias: delta.sum_axis(Axis(0)) }
        };
        Self { layers: layers.map(gradient).collect() }
    }

    /// The layers with their inputs and deltas: all that a metric wants.
    pub fn seen(&self, forward: &Forward, by_outputs: &Array2<f32>) -> Vec<DenseLayer<f32>> {
        let deltas = self.deltas(forward, by_outputs);
        let layers = forward.inputs.iter().zip(deltas).enumerate();
        let layer = |(i, (inputs, delta)): (usize, (&Array2<f32>, Array2<f32>))| {
            DenseLayer::new(format!("layers.{i}.weight"), inputs.clone(), delta)
                .bias(format!("layers.{i}.bias"))
        };
        layers.map(layer).collect()
    }
}
