//! A multilayer perceptron with one hidden layer, in plain `ndarray`.

use ndarray::{Array1, Array2, Axis};
use rand::{Rng, RngExt};
use thalweg::Scalar;

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

    /// The mean cross-entropy of a batch and its gradient by every parameter.
    pub fn loss_and_gradient(&self, images: &Array2<F>, classes: &[usize]) -> (f64, Self) {
        let active = relu(self.hidden.forward(images));
        let (loss, by_scores) = cross_entropy(self.output.forward(&active), classes);

        let mut by_hidden = by_scores.dot(&self.output.weight.t());
        by_hidden.zip_mut_with(&active, |d, &a| {
            if a <= F::zero() {
                *d = F::zero();
            }
        });
        let gradient = Self {
            hidden: self.hidden.backward(images, &by_hidden),
            output: self.output.backward(&active, &by_scores),
        };
        (loss, gradient)
    }
}

fn relu<F: Scalar>(input: Array2<F>) -> Array2<F> {
    // NaN stays NaN; `max` would hide it, and with it that a training has diverged.
    input.mapv_into(|x| if x < F::zero() { F::zero() } else { x })
}

/// The mean over the rows of -ln softmax(scores)[class], and its gradient by the scores.
pub fn cross_entropy<F: Scalar>(mut scores: Array2<F>, classes: &[usize]) -> (f64, Array2<F>) {
    let rows = classes.len() as f64;
    let share = F::from_f64(1.0 / rows);
    let mut loss = 0.0;
    for (mut row, &class) in scores.rows_mut().into_iter().zip(classes) {
        // Relative to the largest score, so that exp cannot overflow.
        let largest = row.fold(F::neg_infinity(), |max, &score| max.max(score));
        row.mapv_inplace(|score| score - largest);
        let by_class = row[class];
        row.mapv_inplace(F::exp);
        let sum = row.sum();
        loss += (sum.ln() - by_class).into_f64();
        row.mapv_inplace(|exp| exp / sum * share);
        row[class] = row[class] - share;
    }
    (loss / rows, scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    /// Every weight and bias of a small network against central differences.
    #[test]
    fn gradient_agrees_with_differences() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut model = Mlp::<f64>::new(5, 7, 3, &mut rng);
        let images = Array2::from_shape_simple_fn((4, 5), || rng.random_range(0.0..1.0));
        let classes = [0, 2, 1, 2];
        let (loss, gradient) = model.loss_and_gradient(&images, &classes);
        assert_eq!(loss, cross_entropy(model.scores(&images), &classes).0);

        macro_rules! check {
            ($($layer:ident.$leaf:ident)*) => {$(
                for (index, &exact) in gradient.$layer.$leaf.indexed_iter() {
                    const H: f64 = 1e-6;
                    let at = model.$layer.$leaf[index];
                    let mut loss_at = |w| {
                        model.$layer.$leaf[index] = w;
                        cross_entropy(model.scores(&images), &classes).0
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
