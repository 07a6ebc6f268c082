//! What is minimized.

use std::error::Error;
use std::fs;
use std::path::Path;

use ndarray::{Array2, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};

/// A function of n numbers, and its gradient.
pub trait Problem {
    fn name(&self) -> &'static str;
    fn start(&self) -> Vec<f64>;
    fn value(&self, w: &[f64]) -> f64;
    fn value_and_gradient(&self, w: &[f64], g: &mut [f64]) -> f64;
}

pub fn problems(quick: bool) -> Result<Vec<Box<dyn Problem>>, Box<dyn Error>> {
    let largest = if quick { 10_000 } else { 1_000_000 };
    let mut all: Vec<Box<dyn Problem>> = Vec::new();
    for n in [2, 100, 10_000, 1_000_000].into_iter().filter(|&n| n <= largest) {
        all.push(Box::new(Rosenbrock { n }));
    }
    for n in [100, 10_000] {
        all.push(Box::new(Quadratic { n }));
    }
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/optdigits.csv");
    all.push(Box::new(Logistic::read(&digits)?));
    Ok(all)
}

/// Σ (1 - x)² + 100 (y - x²)² over n/2 pairs, from (-1.2, 1).
struct Rosenbrock {
    n: usize,
}

impl Problem for Rosenbrock {
    fn name(&self) -> &'static str {
        "Extended Rosenbrock"
    }

    fn start(&self) -> Vec<f64> {
        (0..self.n).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect()
    }

    fn value(&self, w: &[f64]) -> f64 {
        let pairs = w.as_chunks().0.iter();
        pairs.map(|&[x, y]| (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2)).sum()
    }

    fn value_and_gradient(&self, w: &[f64], g: &mut [f64]) -> f64 {
        let mut sum = 0.0;
        for (&[x, y], g) in w.as_chunks().0.iter().zip(g.as_chunks_mut().0) {
            let (a, b) = (1.0 - x, y - x * x);
            *g = [-2.0 * a - 400.0 * x * b, 200.0 * b];
            sum += a * a + 100.0 * b * b;
        }
        sum
    }
}

/// ½ Σ λᵢwᵢ², the λ from 1 to 10⁴ in equal ratios, from wᵢ = 1.
struct Quadratic {
    n: usize,
}

impl Quadratic {
    fn curvatures(&self) -> impl Iterator<Item = f64> {
        // A running product: a power for each element would take longer than all else.
        let ratio = 1e4_f64.powf(1.0 / (self.n - 1) as f64);
        std::iter::successors(Some(1.0), move |lambda| Some(lambda * ratio))
    }
}

impl Problem for Quadratic {
    fn name(&self) -> &'static str {
        "quadratic, κ = 1e4"
    }

    fn start(&self) -> Vec<f64> {
        vec![1.0; self.n]
    }

    fn value(&self, w: &[f64]) -> f64 {
        w.iter().zip(self.curvatures()).map(|(w, lambda)| 0.5 * lambda * w * w).sum()
    }

    fn value_and_gradient(&self, w: &[f64], g: &mut [f64]) -> f64 {
        let mut sum = 0.0;
        for ((w, g), lambda) in w.iter().zip(g).zip(self.curvatures()) {
            *g = lambda * w;
            sum += 0.5 * lambda * w * w;
        }
        sum
    }
}

const PIXELS: usize = 64;
const CLASSES: usize = 10;
const PENALTY: f64 = 1e-3;

/// -mean log p(class | image) + (λ/2)‖W‖², p = softmax(xW + b), over the digits; from 0.
struct Logistic {
    images: Array2<f64>,
    classes: Vec<usize>,
}

impl Logistic {
    fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let numbers = text.lines().flat_map(|line| line.split(','));
        let numbers: Vec<f64> = numbers.map(str::parse).collect::<Result<_, _>>()?;
        let table = Array2::from_shape_vec((numbers.len() / (PIXELS + 1), PIXELS + 1), numbers)?;
        let (pixels, classes) = table.view().split_at(Axis(1), PIXELS);
        let classes = classes.iter().map(|&class| class as usize).collect();
        Ok(Self { images: pixels.mapv(|pixel| pixel / 16.0), classes })
    }

    /// The loss; rows of logits become p - [class].
    fn residuals(&self, w: &[f64]) -> (f64, Array2<f64>) {
        let (weights, biases) = w.split_at(PIXELS * CLASSES);
        let matrix = ArrayView2::from_shape((PIXELS, CLASSES), weights).expect("640 numbers");
        let mut p = self.images.dot(&matrix);
        let mut loss = 0.0;
        for (mut row, &class) in p.rows_mut().into_iter().zip(&self.classes) {
            row.iter_mut().zip(biases).for_each(|(z, b)| *z += b);
            let largest = row.fold(f64::NEG_INFINITY, |largest, &z| largest.max(z));
            let own = row[class] - largest;
            row.mapv_inplace(|z| (z - largest).exp());
            let sum = row.sum();
            row /= sum;
            row[class] -= 1.0;
            loss += sum.ln() - own;
        }
        let penalty: f64 = weights.iter().map(|w| w * w).sum();
        (loss / self.classes.len() as f64 + 0.5 * PENALTY * penalty, p)
    }
}

impl Problem for Logistic {
    fn name(&self) -> &'static str {
        "logistic regression, digits"
    }

    fn start(&self) -> Vec<f64> {
        vec![0.0; (PIXELS + 1) * CLASSES]
    }

    fn value(&self, w: &[f64]) -> f64 {
        self.residuals(w).0
    }

    fn value_and_gradient(&self, w: &[f64], g: &mut [f64]) -> f64 {
        let (value, residuals) = self.residuals(w);
        let share = 1.0 / self.classes.len() as f64;
        let (weights, biases) = g.split_at_mut(PIXELS * CLASSES);
        weights.iter_mut().zip(w).for_each(|(g, w)| *g = PENALTY * w);
        let mut matrix =
            ArrayViewMut2::from_shape((PIXELS, CLASSES), weights).expect("640 numbers");
        ndarray::linalg::general_mat_mul(share, &self.images.t(), &residuals, 1.0, &mut matrix);
        ArrayViewMut1::from(biases).assign(&(residuals.sum_axis(Axis(0)) * share));
        value
    }
}
