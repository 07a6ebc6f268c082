//! More problems of the CUTEst collection, of few elements; gradients are derivatives by dual numbers.
//!
//! Gould, Orban & Toint, "CUTEst: a constrained and unconstrained testing environment with safe threads",
//! 2015, and the papers that it names.

use std::f64::consts::PI;

use super::{Number, Problem, by_duals, large};

/// From the starts of the collection, after those of [`large`] at n = 20.
pub fn cutest() -> Vec<Problem> {
    let alike = |x: f64, n: usize| vec![x; n];
    let mut all = large(20);
    all.extend([
        by_duals!("CHNROSNB", chnrosnb, alike(-1.0, 10)),
        by_duals!("CLIFF", cliff, vec![0.0, -1.0]),
        by_duals!("DQRTIC", dqrtic, alike(2.0, 20)),
        by_duals!("ERRINROS", errinros, alike(-1.0, 10)),
        by_duals!("FLETCHCR", fletchcr, alike(0.0, 10)),
        by_duals!("GENROSE", genrose, (1..=10).map(|i| f64::from(i) / 11.0).collect()),
        by_duals!("HILBERTA", hilberta, alike(-3.0, 5)),
        by_duals!("SCHMVETT", schmvett, alike(0.5, 10)),
        by_duals!("TOINTGSS", tointgss, alike(3.0, 10)),
    ]);
    all
}

pub(super) fn sum<T: Number>(terms: impl Iterator<Item = T>) -> T {
    terms.fold(T::from(0.0), |sum, term| sum + term)
}

pub(super) fn square<T: Number>(x: T) -> T {
    x * x
}

const ALPHA: [f64; 10] = [1.25, 1.4, 2.4, 1.4, 1.75, 1.2, 2.25, 1.2, 1.0, 1.1];

fn chnrosnb<T: Number>(x: &[T]) -> T {
    sum((1..x.len()).map(|i| {
        square(x[i - 1] - square(x[i])) * (16.0 * ALPHA[i] * ALPHA[i]) + square(x[i] - 1.0)
    }))
}

fn errinros<T: Number>(x: &[T]) -> T {
    sum((1..x.len()).map(|i| {
        square(x[i - 1] - square(x[i]) * (16.0 * ALPHA[i] * ALPHA[i])) + square(x[i] - 1.0)
    }))
}

fn cliff<T: Number>(x: &[T]) -> T {
    square((x[0] - 3.0) * 0.01) - x[0] + x[1] + ((x[0] - x[1]) * 20.0).exp()
}

fn dqrtic<T: Number>(x: &[T]) -> T {
    sum(x.iter().enumerate().map(|(i, &x)| (x - (i + 1) as f64).powi(4)))
}

fn fletchcr<T: Number>(x: &[T]) -> T {
    sum((0..x.len() - 1).map(|i| square(x[i + 1] - x[i] + 1.0 - square(x[i])) * 100.0))
}

fn genrose<T: Number>(x: &[T]) -> T {
    let term = |i: usize| square(x[i] - square(x[i - 1])) * 100.0 + square(x[i] - 1.0);
    sum((1..x.len()).map(term)) + 1.0
}

fn hilberta<T: Number>(x: &[T]) -> T {
    let row = |i: usize| sum((0..x.len()).map(|j| x[j] / (i + j + 1) as f64)) * x[i];
    sum((0..x.len()).map(row))
}

fn schmvett<T: Number>(x: &[T]) -> T {
    sum((0..x.len() - 2).map(|i| {
        let [a, b, c] = [x[i], x[i + 1], x[i + 2]];
        -(square(a - b) + 1.0).recip()
            - ((b * PI + c) * 0.5).sin()
            - (-square((a + c) / b - 2.0)).exp()
    }))
}

fn tointgss<T: Number>(x: &[T]) -> T {
    let part = 10.0 / x.len() as f64;
    sum((0..x.len() - 2).map(|i| {
        let c = square(x[i + 2]);
        (c + part) * (-(-square(x[i] - x[i + 1]) / (c + 0.1)).exp() + 2.0)
    }))
}
