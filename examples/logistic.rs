//! Fits a logistic regression to the handwritten digits, to the optimum, with three solvers.
//!
//! ```text
//! cargo run --release --example logistic
//! ```
//!
//! f(W, b) = -mean log p(class | image) + (λ/2)‖W‖², with p = softmax(xᵀW + b): convex, 650
//! parameters, one value for the minimum whoever finds it.

#[path = "digits/data.rs"]
#[allow(dead_code)]
mod data;

use std::path::Path;

use data::{CLASSES, Digits, PIXELS};
use ndarray::{Array1, Array2, ArrayView2, Axis, Ix1, Ix2};
use thalweg::Error;
use thalweg::solvers::{
    ConjugateGradient, Flat, FlatMut, Lbfgs, NewtonCg, Objective, Solver, Stop, minimize,
};

/// λ.
const PENALTY: f64 = 1e-3;

/// Weights (64×10) and biases (10).
type Model = (Array2<f64>, Array1<f64>);

/// The images and classes that the model is fitted to.
struct Logistic {
    images: Array2<f64>,
    classes: Vec<usize>,
}

impl Logistic {
    fn of(digits: &Digits) -> Self {
        Self { images: digits.images.mapv(f64::from), classes: digits.classes.clone() }
    }

    fn logits(&self, (weights, biases): &Model) -> Array2<f64> {
        self.images.dot(weights) + biases
    }

    /// A row of probabilities for each image, and the mean of -log p of its class.
    fn predict(&self, model: &Model) -> (Array2<f64>, f64) {
        let mut p = self.logits(model);
        let mut loss = 0.0;
        for (mut row, &class) in p.rows_mut().into_iter().zip(&self.classes) {
            let largest = row.fold(f64::NEG_INFINITY, |largest, &z| largest.max(z));
            let own = row[class] - largest;
            row.mapv_inplace(|z| (z - largest).exp());
            let sum = row.sum();
            row /= sum;
            loss += sum.ln() - own;
        }
        (p, loss / self.classes.len() as f64)
    }

    fn accuracy(&self, model: &Model) -> f64 {
        let logits = self.logits(model);
        let is_right = |(row, class): (ndarray::ArrayView1<'_, f64>, &usize)| {
            row.iter().all(|&z| z <= row[*class])
        };
        let right = logits.rows().into_iter().zip(&self.classes).filter(|pair| is_right(*pair));
        right.count() as f64 / self.classes.len() as f64
    }

    /// Writes Xᵀr/n + λv and the sums of r/n.
    fn write(&self, residual: &Array2<f64>, v: ArrayView2<'_, f64>, out: &mut FlatMut<'_, f64>) {
        let share = 1.0 / self.classes.len() as f64;
        let weights = self.images.t().dot(residual) * share + &v * PENALTY;
        let biases = residual.sum_axis(Axis(0)) * share;
        let (first, second) = out.as_mut_slice().split_at_mut(PIXELS * CLASSES);
        first.iter_mut().zip(&weights).for_each(|(to, &w)| *to = w);
        second.iter_mut().zip(&biases).for_each(|(to, &b)| *to = b);
    }
}

impl Objective<f64, Model> for Logistic {
    fn value_and_gradient(
        &mut self,
        model: &Model,
        gradient: &mut FlatMut<'_, f64>,
    ) -> Result<f64, Error> {
        let (mut residual, loss) = self.predict(model);
        for (mut row, &class) in residual.rows_mut().into_iter().zip(&self.classes) {
            row[class] -= 1.0;
        }
        self.write(&residual, model.0.view(), gradient);
        Ok(loss + 0.5 * PENALTY * model.0.iter().map(|w| w * w).sum::<f64>())
    }

    fn has_hessian_vector(&self) -> bool {
        true
    }

    /// The derivative of the gradient along v: of the logits, then of the probabilities.
    fn hessian_vector(
        &mut self,
        model: &Model,
        vector: Flat<'_, f64>,
        product: &mut FlatMut<'_, f64>,
    ) -> Result<(), Error> {
        let (p, _) = self.predict(model);
        let leaf = |name| vector.leaf(name).expect("a leaf of the model");
        let weights = leaf("0").into_dimensionality::<Ix2>().expect("a matrix");
        let biases = leaf("1").into_dimensionality::<Ix1>().expect("a vector");
        let along = self.images.dot(&weights) + biases;
        let mean = (&p * &along).sum_axis(Axis(1)).insert_axis(Axis(1));
        let change = &p * &(along - mean);
        self.write(&change, weights, product);
        Ok(())
    }
}

/// Value and gradient alone: without products, conjugate gradient takes its own first trials.
struct WithoutHessian(Logistic);

impl Objective<f64, Model> for WithoutHessian {
    fn value_and_gradient(
        &mut self,
        model: &Model,
        gradient: &mut FlatMut<'_, f64>,
    ) -> Result<f64, Error> {
        self.0.value_and_gradient(model, gradient)
    }
}

fn fit(
    solver: &mut dyn Solver<f64>,
    objective: &mut dyn Objective<f64, Model>,
    test: &Logistic,
) -> Result<(), Error> {
    let mut model = (Array2::zeros((PIXELS, CLASSES)), Array1::zeros(CLASSES));
    let report = minimize(solver, &mut model, objective, Stop::default())?;
    println!(
        "{:<18} {:>10} {:>10} {:>6} {:>8.3} {:>16.10} {:>9.1e} {:>8.3}   {}",
        report.solver,
        report.iterations,
        report.evaluations.gradients,
        report.evaluations.hessian_vectors,
        report.elapsed.as_secs_f64(),
        report.value,
        report.gradient_max,
        test.accuracy(&model),
        report.status
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/optdigits.csv");
    let split = Digits::read(&path)?.split();
    let test = Logistic::of(&split.test);
    let training = || Logistic::of(&split.training);
    println!(
        "{:<18} {:>10} {:>10} {:>6} {:>8} {:>16} {:>9} {:>8}",
        "solver", "iterations", "f and g", "H·v", "seconds", "f", "max|g|", "accuracy"
    );
    fit(&mut ConjugateGradient::new(), &mut WithoutHessian(training()), &test)?;
    fit(&mut Lbfgs::new(), &mut WithoutHessian(training()), &test)?;
    fit(&mut NewtonCg::new(), &mut training(), &test)?;
    Ok(())
}
