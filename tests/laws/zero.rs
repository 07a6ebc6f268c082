//! sign(0) = 0: a zero gradient on a fresh optimizer moves nothing.

use ndarray::{Array1, Array2, ArrayD};
use thalweg::{
    AdamW, Entry, Lion, Optimizer, Scalar, Settings, Sgd, Simd, catalog, regularize::Penalty,
};

use super::support::*;

/// Parameters of every size, and how many.
fn parameters<F: Scalar>() -> Array1<F> {
    let edges = [
        F::max_value(),
        F::min_value(),
        F::min_positive_value(),
        -F::min_positive_value() / F::from_f64(16.0),
        F::one(),
    ];
    edges
        .into_iter()
        .chain(numbers(60, 4).into_iter().map(|w: F| if w == F::zero() { F::one() } else { w }))
        .collect()
}

/// Whose steps are as long as the parameters: of the largest numbers, they leave all numbers.
fn parameters_of<F: Scalar>(entry: &Entry<F>) -> Array1<F> {
    let goes_far = entry.couples_leaves || entry.name == "ldog";
    let within = |w: F| if goes_far && w.abs() > F::from_f64(1e6) { F::one() } else { w };
    parameters::<F>().mapv(within)
}

fn variants() -> Vec<Settings> {
    let simd = Simd::available().into_iter().map(|simd| settings(|s| s.simd = simd));
    simd.chain([settings(|s| s.clip_norm = Some(0.1)), settings(|s| s.report_norm = true)])
        .collect()
}

fn a_zero_gradient_moves_nothing<F: Scalar>() {
    for zero in [F::zero(), F::neg_zero()] {
        for entry in catalog::<F>().iter().filter(|entry| !shrinks(entry.name)) {
            for settings in variants() {
                let mut optimizer = entry.build(entry.learning_rate, settings);
                let before = parameters_of(entry);
                let mut w = before.clone();
                for _ in 0..10 {
                    optimizer
                        .step_with_loss(&mut w, &Array1::from_elem(before.len(), zero), LOSS)
                        .unwrap();
                    assert_same(w.view().into_dyn(), before.view().into_dyn(), entry.name);
                }
            }
        }
    }
}

fn nor_does_it_without_decay<F: Scalar>() {
    let (before, zero) = (parameters::<F>(), Array1::zeros(65));
    let mut w = before.clone();
    let mut adamw = AdamW::new(1e-3).weight_decay(0.0);
    let mut lion = Lion::new(1e-3).weight_decay(0.0);
    for _ in 0..10 {
        adamw.step_with_loss(&mut w, &zero, LOSS).unwrap();
        lion.step_with_loss(&mut w, &zero, LOSS).unwrap();
    }
    assert_same(w.view().into_dyn(), before.view().into_dyn(), "no decay");
}

fn a_parameter_at_zero_stays_there<F: Scalar>() {
    for w0 in [F::zero(), F::neg_zero()] {
        for zero in [F::zero(), F::neg_zero()] {
            for entry in catalog::<F>() {
                for settings in variants().into_iter().chain([penalized(), clipped()]) {
                    let mut optimizer = entry.build(entry.learning_rate, settings);
                    let mut w = ArrayD::from_elem(vec![3, 11], w0);
                    for _ in 0..5 {
                        optimizer
                            .step_with_loss(&mut w, &ArrayD::from_elem(vec![3, 11], zero), LOSS)
                            .unwrap();
                    }
                    assert!(w.iter().all(|&w| w == F::zero()), "{}: {w}", entry.name);
                }
            }
        }
    }
}

/// Elements do not know of each other.
fn an_element_without_gradient_stays_beside_others_that_move<F: Scalar>() {
    for entry in catalog::<F>().iter().filter(|entry| !shrinks(entry.name)) {
        for settings in variants() {
            let mut optimizer = entry.build(entry.learning_rate, settings);
            let before = Array2::from_shape_vec((5, 13), parameters_of(entry).to_vec()).unwrap();
            let g =
                Array2::from_shape_fn(
                    (5, 13),
                    |(i, j)| {
                        if (i + j) % 2 == 0 { F::zero() } else { F::one() }
                    },
                );
            let mut w = before.clone();
            for _ in 0..10 {
                optimizer.step_with_loss(&mut w, &g, LOSS).unwrap();
            }
            for ((index, &after), &before) in w.indexed_iter().zip(&before) {
                assert!(g[index] != F::zero() || bits(after) == bits(before), "{}", entry.name);
            }
            assert_ne!(w[[1, 2]], before[[1, 2]], "{}", entry.name);
        }
    }
}

fn a_penalty_on_zero_has_no_sign<F: Scalar>() {
    let mut w = Array1::from_vec(vec![F::zero(), F::neg_zero(), F::one(), -F::one()]);
    Sgd::new(0.5)
        .penalty(Penalty::l1(1.0))
        .step_with_loss(&mut w, &Array1::zeros(4), LOSS)
        .unwrap();
    let half = F::from_f64(0.5);
    assert_eq!(w.to_vec(), [F::zero(), F::zero(), half, -half]);
}

for_both_scalars!(
    a_zero_gradient_moves_nothing,
    nor_does_it_without_decay,
    a_parameter_at_zero_stays_there,
    an_element_without_gradient_stays_beside_others_that_move,
    a_penalty_on_zero_has_no_sign,
);
