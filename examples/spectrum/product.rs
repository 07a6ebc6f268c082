//! The exact product of the network's Hessian with a vector.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use thalweg::Error;
use thalweg::curvature::LinearOperator;
use thalweg::params::Flatten;

/// The Hessian of the mean cross-entropy by the parameters, as they lie in a flat vector.
///
/// The derivative of back-propagation along a direction, by hand (Pearlmutter's R-operator): ReLUs
/// have kinks, and a difference of gradients across one is far off.
pub struct ExactHessian<'a> {
    images: &'a Array2<f64>,
    units: usize,
    classes: usize,
    /// What the hidden layer gives, and 1 where it is positive.
    active: Array2<f64>,
    open: Array2<f64>,
    output: Array2<f64>,
    probabilities: Array2<f64>,
    /// The gradient of the loss by the scores.
    by_scores: Array2<f64>,
}

/// The weights and biases of both layers.
type Parts<'a> =
    (ArrayView2<'a, f64>, ArrayView1<'a, f64>, ArrayView2<'a, f64>, ArrayView1<'a, f64>);

fn parts(flat: &[f64], inputs: usize, units: usize, classes: usize) -> Parts<'_> {
    let (hidden, rest) = flat.split_at(inputs * units);
    let (hidden_bias, rest) = rest.split_at(units);
    let (output, output_bias) = rest.split_at(units * classes);
    (
        ArrayView2::from_shape((inputs, units), hidden).expect("the layer's weights"),
        ArrayView1::from(hidden_bias),
        ArrayView2::from_shape((units, classes), output).expect("the layer's weights"),
        ArrayView1::from(output_bias),
    )
}

impl<'a> ExactHessian<'a> {
    /// The Hessian at `w`, laid out by `flatten`.
    pub fn new(flatten: &Flatten, w: &[f64], images: &'a Array2<f64>, labels: &[usize]) -> Self {
        let size = |leaf| flatten.range(leaf).map_or(0, |range| range.len());
        let (units, classes) = (size("hidden.bias"), size("output.bias"));
        let (hidden, hidden_bias, output, output_bias) = parts(w, images.ncols(), units, classes);
        let before = images.dot(&hidden) + hidden_bias;
        let open = before.mapv(|z| f64::from(u8::from(z > 0.0)));
        let active = before * &open;
        let mut probabilities = active.dot(&output) + output_bias;
        for mut row in probabilities.rows_mut() {
            let largest = row.fold(f64::NEG_INFINITY, |max, &x| max.max(x));
            row.mapv_inplace(|x| (x - largest).exp());
            row /= row.sum();
        }
        let mut by_scores = probabilities.clone();
        labels.iter().enumerate().for_each(|(i, &label)| by_scores[[i, label]] -= 1.0);
        by_scores /= labels.len() as f64;
        let output = output.to_owned();
        Self { images, units, classes, active, open, output, probabilities, by_scores }
    }
}

impl LinearOperator<f64> for ExactHessian<'_> {
    fn dim(&self) -> usize {
        (self.images.ncols() + 1) * self.units + (self.units + 1) * self.classes
    }

    fn apply(&mut self, x: &[f64], y: &mut [f64]) -> Result<(), Error> {
        let (hidden, hidden_bias, output, output_bias) =
            parts(x, self.images.ncols(), self.units, self.classes);
        // Forward, ...
        let active = (self.images.dot(&hidden) + hidden_bias) * &self.open;
        let scores = active.dot(&self.output) + self.active.dot(&output) + output_bias;
        let mean = (&scores * &self.probabilities).sum_axis(Axis(1)).insert_axis(Axis(1));
        let rows = self.images.nrows() as f64;
        let by_scores = (scores - mean) * &self.probabilities / rows;
        // ... and back.
        let by_active = by_scores.dot(&self.output.t()) + self.by_scores.dot(&output.t());
        let by_hidden = by_active * &self.open;
        let leaves: [Array1<f64>; 4] = [
            flat(self.images.t().dot(&by_hidden)),
            by_hidden.sum_axis(Axis(0)),
            flat(active.t().dot(&self.by_scores) + self.active.t().dot(&by_scores)),
            by_scores.sum_axis(Axis(0)),
        ];
        y.iter_mut().zip(leaves.iter().flatten()).for_each(|(y, &leaf)| *y = leaf);
        Ok(())
    }
}

fn flat(matrix: Array2<f64>) -> Array1<f64> {
    matrix.iter().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use thalweg::curvature::Hessian;

    use super::super::mlp::Mlp;

    /// Against differences of the network's own gradient; few units, so that no kink is near.
    #[test]
    fn product_agrees_with_differences() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut model = Mlp::<f64>::new(5, 4, 3, &mut rng);
        let images = Array2::from_shape_simple_fn((6, 5), || rng.random_range(0.1..1.0));
        let labels = [0, 1, 2, 2, 1, 0];
        let flatten = Flatten::of(&model).unwrap();
        let mut w = vec![0.0; flatten.len()];
        flatten.gather(&model, &mut w).unwrap();
        let v: Vec<f64> = w.iter().map(|_| rng.random_range(-1.0..1.0)).collect();
        let (mut exact, mut differences) = (w.clone(), w.clone());
        ExactHessian::new(&flatten, &w, &images, &labels).apply(&v, &mut exact).unwrap();
        let gradient = |model: &&mut Mlp<f64>| model.gradient(&images, &labels).unwrap();
        Hessian::of_model(&mut model, gradient).unwrap().apply(&v, &mut differences).unwrap();
        for (a, b) in exact.iter().zip(&differences) {
            assert!((a - b).abs() < 1e-8, "{a} by hand, {b} by differences");
        }
    }
}
