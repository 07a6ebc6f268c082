//! A multilayer perceptron with one hidden layer, in plain `ndarray`.

use ndarray::{Array1, Array2, Axis};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use thalweg::regularize::Dropout;
use thalweg::{Error, Scalar, loss};

/// A dense layer: x·W + b for each row x.
struct Layer<F> {
    weight: Array2<F>,
    bias: Array1<F>,
}
thalweg::params!(Layer<F> { weight, bias });

/// Inputs → hidden layer → ReLU → a score for each class. Its gradient is one of these too.
pub struct Mlp<F> {
    hidden: Layer<F>,
    output: Layer<F>,
}
thalweg::params!(Mlp<F> { hidden, output });

impl<F: Scalar> Layer<F> {
    /// He's uniform initialization: signals keep their size through the layer and its ReLU.
    fn new(inputs: usize, outputs: usize, rng: &mut impl Rng) -> Self {
        let limit = (6.0 / inputs as f64).sqrt();
        let draw = || F::from_f64(rng.random_range(-limit..limit));
        let weight = Array2::from_shape_simple_fn((inputs, outputs), draw);
        Self { weight, bias: Array1::from_elem(outputs, F::zero()) }
    }

    fn forward(&self, input: &Array2<F>) -> Array2<F> {
        input.dot(&self.weight) + &self.bias
    }

    /// The gradient by weight and bias, from the one by the output.
    fn backward(&self, input: &Array2<F>, by_output: &Array2<F>) -> Self {
        Self { weight: input.t().dot(by_output), bias: by_output.sum_axis(Axis(0)) }
    }
}

impl<F: Scalar> Mlp<F> {
    pub fn new(inputs: usize, hidden: usize, classes: usize, rng: &mut impl Rng) -> Self {
        Self { hidden: Layer::new(inputs, hidden, rng), output: Layer::new(hidden, classes, rng) }
    }

    /// The scores of each class, for each row of `images`.
    pub fn scores(&self, images: &Array2<F>) -> Array2<F> {
        self.output.forward(&relu(self.hidden.forward(images)))
    }

    /// The gradient of the mean cross-entropy of a batch by every parameter, with all units.
    // The examples on curvature differentiate the network as it is used.
    #[allow(dead_code)]
    pub fn gradient(&self, images: &Array2<F>, classes: &[usize]) -> Result<Self, Error> {
        let (mut all, mut rng) = (Dropout::new(0.0), StdRng::seed_from_u64(0));
        Ok(self.loss_and_gradient(images, classes, &mut all, &mut rng)?.1)
    }

    /// The mean cross-entropy of a batch, with hidden units dropped, and its gradient by every
    /// parameter.
    pub fn loss_and_gradient(
        &self,
        images: &Array2<F>,
        classes: &[usize],
        dropout: &mut Dropout,
        rng: &mut impl Rng,
    ) -> Result<(f64, Self), Error> {
        let mut active = relu(self.hidden.forward(images));
        dropout.forward(&mut active, rng)?;
        let scores = self.output.forward(&active);
        let (loss, by_scores) = loss::softmax_cross_entropy(&scores, classes)?;

        let mut by_hidden = by_scores.dot(&self.output.weight.t());
        dropout.backward(&mut by_hidden)?;
        by_hidden.zip_mut_with(&active, |d, &a| {
            if a <= F::zero() {
                *d = F::zero();
            }
        });
        let gradient = Self {
            hidden: self.hidden.backward(images, &by_hidden),
            output: self.output.backward(&active, &by_scores),
        };
        Ok((loss, gradient))
    }
}

fn relu<F: Scalar>(input: Array2<F>) -> Array2<F> {
    // NaN stays NaN; `max` would hide it, and with it that a training has diverged.
    input.mapv_into(|x| if x < F::zero() { F::zero() } else { x })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every weight and bias of a small network against central differences, with the same units
    /// dropped each time.
    #[test]
    fn gradient_agrees_with_differences() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut model = Mlp::<f64>::new(5, 9, 3, &mut rng);
        let images = Array2::from_shape_simple_fn((4, 5), || rng.random_range(0.0..1.0));
        let classes = [0, 2, 1, 2];
        for rate in [0.0, 0.4] {
            let of = |model: &Mlp<f64>| {
                let (mut dropout, mut rng) = (Dropout::new(rate), StdRng::seed_from_u64(2));
                model.loss_and_gradient(&images, &classes, &mut dropout, &mut rng).unwrap()
            };
            let (_, gradient) = of(&model);
            macro_rules! check {
                ($($layer:ident.$leaf:ident)*) => {$(
                    for (index, &exact) in gradient.$layer.$leaf.indexed_iter() {
                        const H: f64 = 1e-6;
                        let at = model.$layer.$leaf[index];
                        let mut loss_at = |w| {
                            model.$layer.$leaf[index] = w;
                            of(&model).0
                        };
                        let difference = (loss_at(at + H) - loss_at(at - H)) / (2.0 * H);
                        loss_at(at);
                        assert!(
                            (difference - exact).abs() < 1e-9,
                            "{}{index:?}: {exact} by the formula, {difference} by differences",
                            stringify!($layer.$leaf),
                        );
                    }
                )*};
            }
            check!(hidden.weight hidden.bias output.weight output.bias);
        }
    }

    #[test]
    fn nothing_is_dropped_when_it_is_used() {
        let mut rng = StdRng::seed_from_u64(1);
        let model = Mlp::<f64>::new(5, 9, 3, &mut rng);
        let images = Array2::from_shape_simple_fn((4, 5), || rng.random_range(0.0..1.0));
        let classes = [0, 2, 1, 2];
        let mut loss = |rate| {
            let mut dropout = Dropout::new(rate);
            model.loss_and_gradient(&images, &classes, &mut dropout, &mut rng).unwrap().0
        };
        let used = loss::softmax_cross_entropy(&model.scores(&images), &classes).unwrap().0;
        assert_eq!(loss(0.0), used);
        assert_ne!(loss(0.5), used);
    }
}
