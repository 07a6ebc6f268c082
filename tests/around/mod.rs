//! What stands around the update of an element: groups, clipping, decay, caution, averages, and the
//! optimizers around an optimizer; each against a literal transcription.

mod altered;
mod averages;
mod by_group;
mod clipping;
mod decay;
mod groups;
mod leaves;
mod projected;
mod resumed;
mod totals;
mod wrappers;
mod wrappers_laws;
mod wrappers_trees;
mod wrappers_values;

use ndarray::{Array1, Array2, ArrayD};

/// Numbers of both signs that do not repeat; the same for the same seed.
fn numbers(len: usize, seed: u64) -> Vec<f64> {
    let at =
        |i: usize| (i as f64 + 1.0) * 0.618_033_988_749_895 + seed as f64 * 0.414_213_562_373_095;
    (0..len).map(|i| (at(i) * 7.3).sin() * (1.0 + at(i).fract())).collect()
}

fn vector(len: usize, seed: u64) -> Array1<f64> {
    Array1::from_vec(numbers(len, seed))
}

fn matrix(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    Array2::from_shape_vec((rows, columns), numbers(rows * columns, seed)).unwrap()
}

fn norm(x: &ArrayD<f64>) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 1e-13 * b.abs().max(1.0), "{a} and not {b} at {i}");
    }
}

/// A model of three leaves.
#[derive(Debug, Clone, PartialEq)]
struct Model {
    weight: Array2<f64>,
    bias: Array1<f64>,
    head: Array2<f64>,
}
thalweg::params!(Model: f64 { weight, bias, head });

impl Model {
    fn new(seed: u64) -> Self {
        Self {
            weight: matrix(4, 6, seed),
            bias: vector(6, seed + 1000),
            head: matrix(6, 3, seed + 2000),
        }
    }
}
