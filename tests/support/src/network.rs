//! A network with a hidden layer of tanh units, its loss and its gradient, in plain `ndarray`.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use thalweg::Error;

pub struct Network {
    pub inputs: usize,
    pub units: usize,
    pub classes: usize,
    pub w: Vec<f64>,
    pub x: Array2<f64>,
    pub y: Vec<usize>,
}

/// The parts of a flat vector: two weights and two biases.
pub struct Parts<'a> {
    pub w1: ArrayView2<'a, f64>,
    pub b1: ArrayView1<'a, f64>,
    pub w2: ArrayView2<'a, f64>,
    pub b2: ArrayView1<'a, f64>,
}

impl Network {
    pub fn parts<'a>(&self, w: &'a [f64]) -> Parts<'a> {
        let (w1, rest) = w.split_at(self.inputs * self.units);
        let (b1, rest) = rest.split_at(self.units);
        let (w2, b2) = rest.split_at(self.units * self.classes);
        Parts {
            w1: ArrayView2::from_shape((self.inputs, self.units), w1).unwrap(),
            b1: ArrayView1::from(b1),
            w2: ArrayView2::from_shape((self.units, self.classes), w2).unwrap(),
            b2: ArrayView1::from(b2),
        }
    }

    pub fn hidden(&self, w: &[f64]) -> Array2<f64> {
        let parts = self.parts(w);
        (self.x.dot(&parts.w1) + parts.b1).mapv(f64::tanh)
    }

    pub fn probabilities(&self, w: &[f64]) -> Array2<f64> {
        let parts = self.parts(w);
        let mut p = (self.hidden(w).dot(&parts.w2) + parts.b2).mapv(f64::exp);
        p.rows_mut().into_iter().for_each(|mut row| row /= row.sum());
        p
    }

    pub fn loss(&self, w: &[f64]) -> f64 {
        let p = self.probabilities(w);
        let sum: f64 = self.y.iter().enumerate().map(|(i, &class)| -p[[i, class]].ln()).sum();
        sum / self.y.len() as f64
    }

    /// Jᵀu for u by the scores: back-propagation.
    pub fn back(&self, w: &[f64], u: &Array2<f64>, samples: std::ops::Range<usize>) -> Vec<f64> {
        let rows = ndarray::s![samples, ..];
        let (a, x, u) = (self.hidden(w), self.x.slice(rows), u.slice(rows));
        let a = a.slice(rows);
        let d = u.dot(&self.parts(w).w2.t()) * a.mapv(|a| 1.0 - a * a);
        let (w1, b1) = (x.t().dot(&d), d.sum_axis(Axis(0)));
        let (w2, b2) = (a.t().dot(&u), u.sum_axis(Axis(0)));
        w1.iter().chain(&b1).chain(&w2).chain(&b2).copied().collect()
    }

    /// The gradients of the samples' losses by the scores.
    pub fn by_scores(&self, w: &[f64]) -> Array2<f64> {
        let mut p = self.probabilities(w);
        self.y.iter().enumerate().for_each(|(i, &class)| p[[i, class]] -= 1.0);
        p
    }

    pub fn gradient(&self, w: &[f64], g: &mut [f64]) -> Result<(), Error> {
        let u = self.by_scores(w) / self.y.len() as f64;
        g.copy_from_slice(&self.back(w, &u, 0..self.y.len()));
        Ok(())
    }
}
