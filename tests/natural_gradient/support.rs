//! A small network, and its Fisher matrix assembled entry by entry.

// Indices as the formulas have them.
#![allow(clippy::needless_range_loop)]

use ndarray::{Array1, Array2, Axis};
use thalweg::natural_gradient::{Batch, DenseLayer, FisherKind, Metric, Outputs};
use thalweg::params::Flatten;
use thalweg::{Error, params};

pub const INPUTS: usize = 3;
pub const HIDDEN: usize = 4;
pub const CLASSES: usize = 3;

/// tanh units, then scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    pub w1: Array2<f64>,
    pub b1: Array1<f64>,
    pub w2: Array2<f64>,
    pub b2: Array1<f64>,
}
params!(Net: f64 { w1, b1, w2, b2 });

/// Numbers in (-1, 1) that look drawn, the same ones on every machine.
pub fn numbers(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

impl Net {
    pub fn new(seed: u64) -> Self {
        let mut draw = numbers(seed);
        Self {
            w1: Array2::from_shape_simple_fn((INPUTS, HIDDEN), &mut draw),
            b1: Array1::from_shape_simple_fn(HIDDEN, &mut draw),
            w2: Array2::from_shape_simple_fn((HIDDEN, CLASSES), &mut draw),
            b2: Array1::from_shape_simple_fn(CLASSES, &mut draw),
        }
    }

    pub fn hidden(&self, x: &Array2<f64>) -> Array2<f64> {
        (x.dot(&self.w1) + &self.b1).mapv(f64::tanh)
    }

    pub fn scores(&self, x: &Array2<f64>) -> Array2<f64> {
        self.hidden(x).dot(&self.w2) + &self.b2
    }

    /// The layers' inputs and deltas from gradients by the scores.
    pub fn layers(&self, x: &Array2<f64>, by_scores: &Array2<f64>) -> Vec<DenseLayer<f64>> {
        let h = self.hidden(x);
        let by_hidden = by_scores.dot(&self.w2.t()) * h.mapv(|h| 1.0 - h * h);
        vec![
            DenseLayer::new("w1", x.clone(), by_hidden).bias("b1"),
            DenseLayer::new("w2", h, by_scores.clone()).bias("b2"),
        ]
    }

    pub fn batch<K: FisherKind>(
        &self,
        x: &Array2<f64>,
        outputs: &Outputs<f64, K>,
    ) -> Result<Batch<f64, K>, Error> {
        outputs.backward(|by_scores| self.layers(x, by_scores))
    }

    /// The gradient of one sample's -log p by every parameter, from those by its scores: loops only.
    #[allow(clippy::needless_range_loop)]
    pub fn sample_gradient(&self, x: &[f64], by_scores: &[f64]) -> Vec<f64> {
        let mut h = [0.0; HIDDEN];
        for j in 0..HIDDEN {
            let mut sum = self.b1[j];
            for i in 0..INPUTS {
                sum += x[i] * self.w1[[i, j]];
            }
            h[j] = sum.tanh();
        }
        let mut by_hidden = [0.0; HIDDEN];
        for j in 0..HIDDEN {
            for c in 0..CLASSES {
                by_hidden[j] += by_scores[c] * self.w2[[j, c]];
            }
            by_hidden[j] *= 1.0 - h[j] * h[j];
        }
        let mut g = Vec::new();
        x.iter().for_each(|x| g.extend(by_hidden.iter().map(|d| x * d)));
        g.extend(by_hidden);
        h.iter().for_each(|h| g.extend(by_scores.iter().map(|d| h * d)));
        g.extend(by_scores);
        g
    }

    pub fn probabilities(&self, x: &Array2<f64>) -> Array2<f64> {
        let mut p = self.scores(x).mapv(f64::exp);
        for mut row in p.rows_mut() {
            let sum = row.sum();
            row /= sum;
        }
        p
    }

    /// F = (1/n) Σᵢ Σ_c p_c g gᵀ, outcome by outcome.
    pub fn slow_exact(&self, x: &Array2<f64>) -> Array2<f64> {
        let p = self.probabilities(x);
        let mut f = Array2::zeros((self.len(), self.len()));
        for i in 0..x.nrows() {
            for class in 0..CLASSES {
                let delta = |c: usize| p[[i, c]] - f64::from(u8::from(c == class));
                let by_scores: Vec<f64> = (0..CLASSES).map(delta).collect();
                let g = self.sample_gradient(&x.row(i).to_vec(), &by_scores);
                add_outer(&mut f, &g, p[[i, class]] / x.nrows() as f64);
            }
        }
        f
    }

    /// F = (1/n) Σᵢ g gᵀ at these classes.
    pub fn slow_empirical(&self, x: &Array2<f64>, classes: &[usize]) -> Array2<f64> {
        let mut f = Array2::zeros((self.len(), self.len()));
        for row in self.slow_gradients(x, classes).rows() {
            add_outer(&mut f, &row.to_vec(), 1.0 / x.nrows() as f64);
        }
        f
    }

    /// The samples' gradients at these classes, a row each.
    pub fn slow_gradients(&self, x: &Array2<f64>, classes: &[usize]) -> Array2<f64> {
        let p = self.probabilities(x);
        let mut all = Array2::zeros((0, self.len()));
        for (i, &class) in classes.iter().enumerate() {
            let delta = |c: usize| p[[i, c]] - f64::from(u8::from(c == class));
            let by_scores: Vec<f64> = (0..CLASSES).map(delta).collect();
            let g = self.sample_gradient(&x.row(i).to_vec(), &by_scores);
            all.push_row(Array1::from(g).view()).unwrap();
        }
        all
    }

    pub fn len(&self) -> usize {
        self.w1.len() + self.b1.len() + self.w2.len() + self.b2.len()
    }

    pub fn layout(&self) -> Flatten {
        Flatten::of(self).unwrap()
    }

    /// The mean loss's gradient as a tree.
    pub fn gradient(&self, x: &Array2<f64>, classes: &[usize]) -> Self {
        let flat = self.slow_gradients(x, classes).mean_axis(Axis(0)).unwrap();
        let mut tree = self.clone();
        self.layout().scatter(flat.as_slice().unwrap(), &mut tree).unwrap();
        tree
    }
}

pub fn add_outer(f: &mut Array2<f64>, g: &[f64], weight: f64) {
    for i in 0..g.len() {
        for j in 0..g.len() {
            f[[i, j]] += weight * g[i] * g[j];
        }
    }
}

/// n inputs and their classes.
pub fn data(n: usize, seed: u64) -> (Array2<f64>, Vec<usize>) {
    let mut draw = numbers(seed);
    let x = Array2::from_shape_simple_fn((n, INPUTS), &mut draw);
    let classes = (0..n).map(|i| (i * 7 + 1) % CLASSES).collect();
    (x, classes)
}

pub fn vector(n: usize, seed: u64) -> Vec<f64> {
    let mut draw = numbers(seed);
    (0..n).map(|_| draw()).collect()
}

/// (F + λI)⁻¹g as the metric has it.
pub fn inverse<M: Metric<f64>>(metric: &mut M, layout: &Flatten, g: &[f64]) -> Vec<f64> {
    let mut d = vec![0.0; g.len()];
    metric.apply_inverse(layout, g, &mut d).unwrap();
    d
}

/// F·x as the metric has it.
pub fn product<M: Metric<f64>>(metric: &mut M, layout: &Flatten, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    metric.apply(layout, x, &mut y).unwrap();
    y
}

pub fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// ‖a - b‖ over ‖b‖.
pub fn apart(a: &[f64], b: &[f64]) -> f64 {
    let difference: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    norm(&difference) / norm(b)
}

pub fn times(f: &Array2<f64>, x: &[f64]) -> Vec<f64> {
    f.dot(&Array1::from(x.to_vec())).to_vec()
}

/// ‖(F + λI)d - g‖ over ‖g‖.
pub fn residual(f: &Array2<f64>, damping: f64, d: &[f64], g: &[f64]) -> f64 {
    let mut left = times(f, d);
    left.iter_mut().zip(d).for_each(|(left, d)| *left += damping * d);
    apart(&left, g)
}

/// The indices in the flat vector of a unit's incoming weights and, last, its bias.
pub fn unit(inputs: usize, outputs: usize, start: usize, j: usize) -> Vec<usize> {
    (0..=inputs).map(|i| start + i * outputs + j).collect()
}

/// The entries of F at these indices.
pub fn block(f: &Array2<f64>, at: &[usize]) -> Array2<f64> {
    Array2::from_shape_fn((at.len(), at.len()), |(i, j)| f[[at[i], at[j]]])
}

/// A⁻¹b by elimination with row pivots, as in a first course.
pub fn eliminate(a: &Array2<f64>, b: &[f64]) -> Vec<f64> {
    let n = b.len();
    let (mut a, mut b) = (a.clone(), b.to_vec());
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[[i, k]].abs().total_cmp(&a[[j, k]].abs())).unwrap();
        for j in 0..n {
            a.swap([k, j], [pivot, j]);
        }
        b.swap(k, pivot);
        for i in k + 1..n {
            let factor = a[[i, k]] / a[[k, k]];
            for j in k..n {
                a[[i, j]] -= factor * a[[k, j]];
            }
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        for j in k + 1..n {
            b[k] -= a[[k, j]] * b[j];
        }
        b[k] /= a[[k, k]];
    }
    b
}

pub fn damped(f: &Array2<f64>, damping: f64) -> Array2<f64> {
    f + &(Array2::<f64>::eye(f.nrows()) * damping)
}
