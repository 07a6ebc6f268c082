//! The natural gradient from the gradients of single samples: n = 128 of p = 1e5 parameters.

use std::hint::black_box;
use std::time::Instant;

use ndarray::{Array1, Array2, Axis};
use thalweg::natural_gradient::{
    Batch, Empirical, FisherOperator, MatrixFree, Metric, PushThrough,
};
use thalweg::params::Flatten;

use crate::measure::{Row, Section};

const P: usize = 100_000;
const N: usize = 128;
const DAMPING: f64 = 1e-6;
const TURNS: usize = 3;

/// Gradients whose sizes lie over three decades, as those of samples learned and not yet learned.
fn gradients() -> Array2<f64> {
    let mut state = 1_u64;
    let mut draw = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    let mut rows = Array2::from_shape_simple_fn((N, P), &mut draw);
    for (i, mut row) in rows.rows_mut().into_iter().enumerate() {
        row *= 10.0_f64.powf(-3.0 * i as f64 / N as f64);
    }
    rows
}

struct Problem {
    params: Array1<f64>,
    layout: Flatten,
    rows: Array2<f64>,
    gradient: Vec<f64>,
}

impl Problem {
    fn new() -> Self {
        let (params, rows) = (Array1::zeros(P), gradients());
        let layout = Flatten::of(&params).expect("a leaf");
        let gradient = (rows.sum_axis(Axis(0)) / N as f64).to_vec();
        Self { params, layout, rows, gradient }
    }

    fn batch(&self) -> Batch<f64, Empirical> {
        Batch::of_gradients(self.rows.clone()).expect("gradients are finite")
    }

    /// Nanoseconds of taking a batch in and solving, the best of some turns.
    fn ours(&self) -> f64 {
        let mut best = f64::INFINITY;
        for _ in 0..TURNS {
            let (batch, mut metric) = (self.batch(), PushThrough::new(DAMPING));
            let mut direction = vec![0.0; P];
            let start = Instant::now();
            metric.observe(&self.layout, &self.params, batch).expect("a batch of the model");
            metric.apply_inverse(&self.layout, &self.gradient, &mut direction).expect("damped");
            best = best.min(start.elapsed().as_nanos() as f64);
            black_box(direction);
        }
        best
    }
}

fn against_products() -> (f64, f64) {
    let problem = Problem::new();
    let mut best = f64::INFINITY;
    for _ in 0..TURNS {
        let start = Instant::now();
        let gram = problem.rows.dot(&problem.rows.t());
        let product = problem.rows.t().dot(&gram.column(0));
        best = best.min(start.elapsed().as_nanos() as f64);
        black_box(product);
    }
    (problem.ours(), best)
}

fn against_conjugate_gradient() -> (f64, f64) {
    let problem = Problem::new();
    let ours = problem.ours();
    let operator = problem.batch().bind(&problem.layout).expect("a batch of the model");
    let mut metric = MatrixFree::<f64, FisherOperator<f64>>::new(DAMPING, 1e-8, 10_000);
    metric.observe(&problem.layout, &problem.params, operator).expect("of that size");
    let mut direction = vec![0.0; P];
    let start = Instant::now();
    metric.apply_inverse(&problem.layout, &problem.gradient, &mut direction).expect("damped");
    let other = start.elapsed().as_nanos() as f64;
    assert!(metric.residual() <= 1e-8);
    eprintln!("conjugate gradient took {} products", metric.products());
    (ours, other)
}

/// (F + λI)⁻¹g from the gradients of single samples.
pub fn push_through() -> Section {
    let what = |other: &str| format!("push-through, p = 1e5, n = 128, against {other}");
    Section {
        name: "push_through",
        title: "Natural gradient by push-through (f64)",
        rows: vec![
            Row::ratio(what("its two matrix products"), P, 1.5, against_products),
            Row::ratio(what("conjugate gradient to 1e-8"), P, 0.1, against_conjugate_gradient),
        ],
    }
}
