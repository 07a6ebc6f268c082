//! PyTorch's SparseAdam, and its Adagrad and SGD on sparse gradients.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde::Deserialize;
use thalweg::params::Rows;
use thalweg::{AdaGrad, Adam, Optimizer, Sgd, Untouched};

#[derive(Deserialize)]
struct Golden {
    problem: Problem,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Problem {
    initial: Vec<Vec<f64>>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    rows: Vec<usize>,
    values: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    checkpoints: BTreeMap<u64, Vec<Vec<f64>>>,
}

fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
    let flat = rows.iter().flatten().copied().collect();
    Array2::from_shape_vec((rows.len(), 3), flat).unwrap()
}

#[test]
fn pytorch_agrees() {
    let exact = Untouched::Exact;
    let text = include_str!("../golden/rows.json");
    let Golden { problem, cases } = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        // SparseAdam adds ε to the uncorrected root.
        let mut optimizer: Box<dyn Optimizer<f64>> = match case.id.as_str() {
            "sparse_adam_default" => Box::new(Adam::keras(1e-3).epsilon(1e-8)),
            "sparse_adam" => Box::new(Adam::keras(0.05).beta1(0.8).beta2(0.95).epsilon(1e-3)),
            "sparse_adam_maximize" => Box::new(Adam::keras(0.05).epsilon(1e-8).maximize(true)),
            "adagrad_default" => Box::new(AdaGrad::new(1e-2).epsilon(1e-10).untouched(exact)),
            "adagrad" => {
                Box::new(AdaGrad::new(0.1).initial_accumulator(0.3).epsilon(1e-3).untouched(exact))
            }
            "adagrad_lr_decay" => {
                let rate = |step: u64| 0.1 / (1.0 + (step - 1) as f64 * 0.05);
                Box::new(AdaGrad::new(rate).epsilon(1e-10))
            }
            "sgd" => Box::new(Sgd::new(0.01).untouched(exact)),
            other => panic!("{other} is no case of ours"),
        };
        let mut table = matrix(&problem.initial);
        let mut sizes = table.mapv(f64::abs);
        for (t, step) in (1..).zip(&problem.steps) {
            let g = Rows { rows: &step.rows, values: matrix(&step.values) };
            optimizer.step(&mut table, &g).unwrap();
            sizes.zip_mut_with(&table, |size, w| *size = size.max(w.abs()));
            let Some(expected) = case.checkpoints.get(&t) else { continue };
            for ((found, expected), size) in table.iter().zip(&matrix(expected)).zip(&sizes) {
                let off = (found - expected).abs() / size;
                assert!(off < 1e-14, "{}, step {t}: {found} and not {expected}", case.id);
            }
        }
    }
}
