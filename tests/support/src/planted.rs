//! Symmetric matrices whose eigenvalues are known.

use ndarray::Array2;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use thalweg::Error;
use thalweg::curvature::LinearOperator;

pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// A normal number, by Box & Muller.
pub fn normal(rng: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random_range(f64::MIN_POSITIVE..1.0), rng.random_range(0.0..1.0));
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// HDH of a diagonal D and reflections H: its eigenvalues are those of D, to rounding.
pub struct Planted {
    pub eigenvalues: Vec<f64>,
    reflections: Vec<Vec<f64>>,
}

impl Planted {
    pub fn new(mut eigenvalues: Vec<f64>, rng: &mut impl Rng) -> Self {
        eigenvalues.sort_by(f64::total_cmp);
        let n = eigenvalues.len();
        let mut reflection = || {
            let v: Vec<f64> = (0..n).map(|_| normal(rng)).collect();
            let length = v.iter().map(|v| v * v).sum::<f64>().sqrt();
            v.into_iter().map(|v| v / length).collect()
        };
        let reflections = vec![reflection(), reflection(), reflection()];
        Self { eigenvalues, reflections }
    }

    pub fn norm(&self) -> f64 {
        self.eigenvalues.iter().fold(0.0, |max, value| max.max(value.abs()))
    }

    pub fn matrix(&self) -> Array2<f64> {
        let n = self.eigenvalues.len();
        let mut matrix = Array2::zeros((n, n));
        let mut unit = vec![0.0; n];
        for i in 0..n {
            unit.fill(0.0);
            unit[i] = 1.0;
            self.product(&unit, matrix.row_mut(i).as_slice_mut().unwrap());
        }
        (&matrix + &matrix.t()) / 2.0
    }

    fn product(&self, x: &[f64], y: &mut [f64]) {
        y.copy_from_slice(x);
        self.reflections.iter().for_each(|v| reflect(v, y));
        y.iter_mut().zip(&self.eigenvalues).for_each(|(y, value)| *y *= value);
        self.reflections.iter().rev().for_each(|v| reflect(v, y));
    }
}

fn reflect(v: &[f64], y: &mut [f64]) {
    let dot: f64 = v.iter().zip(&*y).map(|(v, y)| v * y).sum();
    y.iter_mut().zip(v).for_each(|(y, v)| *y -= 2.0 * dot * v);
}

impl LinearOperator<f64> for Planted {
    fn dim(&self) -> usize {
        self.eigenvalues.len()
    }

    fn apply(&mut self, x: &[f64], y: &mut [f64]) -> Result<(), Error> {
        self.product(x, y);
        Ok(())
    }
}

/// Spectra that are hard in a way of their own.
pub fn spectra(n: usize, rng: &mut impl Rng) -> Vec<(&'static str, Vec<f64>)> {
    let at = |i: usize| i as f64 / (n.max(2) - 1) as f64;
    let mut outliers: Vec<f64> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
    for (i, value) in outliers.iter_mut().take(3).enumerate() {
        *value = [100.0, 50.0, -30.0][i];
    }
    let clusters = (0..n).map(|i| [1.0, 2.0, 5.0][i % 3] * (1.0 + 1e-3 * at(i))).collect();
    let zeros = (0..n).map(|i| if i < n / 10 + 1 { 1.0 + at(i) } else { 0.0 }).collect();
    vec![
        ("uniform", (0..n).map(at).collect()),
        ("negative", (0..n).map(|i| -1.0 - at(i)).collect()),
        ("outliers", outliers),
        ("clusters", clusters),
        ("zeros", zeros),
        ("decades", (0..n).map(|i| 10.0_f64.powf(-12.0 * at(i))).collect()),
        ("both signs", (0..n).map(|i| (at(i) - 0.3).powi(3)).collect()),
        ("semicircle", (0..n).map(|i| (std::f64::consts::PI * at(i)).cos()).collect()),
    ]
}
