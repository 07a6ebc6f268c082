//! A network with one hidden layer, which shows what its layers saw.

use ndarray::{Array1, Array2, Axis};
use rand::{Rng, RngExt};
use thalweg::natural_gradient::DenseLayer;
use thalweg::params;

/// Pixels → tanh units → a score for each class; `w`s are inputs×outputs.
pub struct Network {
    w1: Array2<f32>,
    b1: Array1<f32>,
    w2: Array2<f32>,
    b2: Array1<f32>,
}
params!(Network { w1, b1, w2, b2 });

/// What a forward pass leaves for the backward one.
pub struct Forward {
    pub hidden: Array2<f32>,
    pub scores: Array2<f32>,
}

impl Network {
    pub fn new(inputs: usize, hidden: usize, classes: usize, rng: &mut impl Rng) -> Self {
        let mut layer = |rows: usize, columns: usize| {
            let limit = (3.0 / rows as f32).sqrt();
            Array2::from_shape_simple_fn((rows, columns), || rng.random_range(-limit..limit))
        };
        let (w1, w2) = (layer(inputs, hidden), layer(hidden, classes));
        Self { w1, b1: Array1::zeros(hidden), w2, b2: Array1::zeros(classes) }
    }

    pub fn forward(&self, images: &Array2<f32>) -> Forward {
        let hidden = (images.dot(&self.w1) + &self.b1).mapv_into(f32::tanh);
        let scores = hidden.dot(&self.w2) + &self.b2;
        Forward { hidden, scores }
    }

    /// The gradient by the hidden pre-activations from the one by the scores.
    fn by_hidden(&self, forward: &Forward, by_scores: &Array2<f32>) -> Array2<f32> {
        let mut by_hidden = by_scores.dot(&self.w2.t());
        by_hidden.zip_mut_with(&forward.hidden, |d, h| *d *= 1.0 - h * h);
        by_hidden
    }

    pub fn gradient(
        &self,
        images: &Array2<f32>,
        forward: &Forward,
        by_scores: &Array2<f32>,
    ) -> Self {
        let by_hidden = self.by_hidden(forward, by_scores);
        Self {
            w1: images.t().dot(&by_hidden),
            b1: by_hidden.sum_axis(Axis(0)),
            w2: forward.hidden.t().dot(by_scores),
            b2: by_scores.sum_axis(Axis(0)),
        }
    }

    /// The layers with their inputs and deltas: all that a metric wants.
    pub fn layers(
        &self,
        images: &Array2<f32>,
        forward: &Forward,
        by_scores: &Array2<f32>,
    ) -> Vec<DenseLayer<f32>> {
        vec![
            DenseLayer::new("w1", images.clone(), self.by_hidden(forward, by_scores)).bias("b1"),
            DenseLayer::new("w2", forward.hidden.clone(), by_scores.clone()).bias("b2"),
        ]
    }
}
