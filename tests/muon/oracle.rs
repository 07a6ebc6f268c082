//! Muon against a literal transcription, and what the iteration does to singular values.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayD, IxDyn};
use thalweg::muon::Scale;
use thalweg::{AdamW, Muon, Optimizer, Scalar};

pub type Model<F> = BTreeMap<String, ArrayD<F>>;

/// Numbers of both signs; the same for the same seed.
pub fn array<F: Scalar>(shape: &[usize], seed: u64) -> ArrayD<F> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    ArrayD::from_shape_fn(IxDyn(shape), |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        F::from_f64((state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0)
    })
}

const SHAPES: [(&str, &[usize]); 8] = [
    ("bias", &[5]),
    ("column", &[7, 1]),
    ("empty", &[0, 3]),
    ("kernel", &[4, 2, 3]),
    ("row", &[1, 6]),
    ("square", &[9, 9]),
    ("tall", &[19, 4]),
    ("wide", &[3, 33]),
];

pub fn model<F: Scalar>(seed: u64) -> Model<F> {
    let leaf = |(i, &(name, shape)): (usize, &(&str, &[usize]))| {
        (name.to_owned(), array(shape, 100 * seed + i as u64))
    };
    SHAPES.iter().enumerate().map(leaf).collect()
}

/// The hyperparameters that the transcription knows.
#[derive(Clone, Copy)]
struct Case {
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
    inputs_first: bool,
    scale: Scale,
}

fn literal(case: Case, w: &mut ArrayD<f64>, g: &ArrayD<f64>, m: &mut ArrayD<f64>, rate: f64) {
    let (n, shape) = (w.len(), w.shape().to_vec());
    let (rows, columns) = if case.inputs_first {
        (n / shape[shape.len() - 1], shape[shape.len() - 1])
    } else {
        (shape[0], n / shape[0])
    };
    *m = case.momentum * &*m + (1.0 - case.momentum) * g;
    let u = if case.nesterov { case.momentum * &*m + (1.0 - case.momentum) * g } else { m.clone() };
    let norm = u.iter().map(|u| u * u).sum::<f64>().sqrt();
    let mut x =
        Array2::from_shape_vec((rows, columns), u.iter().map(|u| u / (norm + 1e-7)).collect())
            .unwrap();
    for _ in 0..5 {
        let gram = x.dot(&x.t());
        let polynomial = -4.775 * &gram + 2.0315 * gram.dot(&gram);
        x = 3.4445 * &x + polynomial.dot(&x);
    }
    let (outputs, inputs) = if case.inputs_first { (columns, rows) } else { (rows, columns) };
    let (outputs, inputs) = (outputs as f64, inputs as f64);
    let scale = match case.scale {
        Scale::Original => f64::max(1.0, outputs / inputs).sqrt(),
        Scale::Spectral => (outputs / inputs).sqrt(),
        Scale::MatchRms(factor) => factor * outputs.max(inputs).sqrt(),
        _ => 1.0,
    };
    for (w, x) in w.iter_mut().zip(&x) {
        *w = *w - rate * case.weight_decay * *w - rate * scale * x;
    }
}

fn agrees_with_the_transcription<F: Scalar>(tolerance: f64) {
    let plain = Case {
        momentum: 0.95,
        nesterov: true,
        weight_decay: 0.0,
        inputs_first: false,
        scale: Scale::Original,
    };
    let cases = [
        plain,
        Case { nesterov: false, weight_decay: 0.3, ..plain },
        Case { inputs_first: true, momentum: 0.5, ..plain },
        Case { inputs_first: true, scale: Scale::Spectral, ..plain },
        Case { scale: Scale::MatchRms(0.2), momentum: 0.0, ..plain },
        Case { scale: Scale::None, ..plain },
    ];
    let rate = |step: u64| 0.03 * (1.0 + 0.5 * (step as f64).sin());
    for case in cases {
        let mut muon = Muon::new(rate)
            .momentum(case.momentum)
            .nesterov(case.nesterov)
            .weight_decay(case.weight_decay)
            .inputs_first(case.inputs_first)
            .scale(case.scale);
        let mut adamw = AdamW::new(3e-4).beta2(0.95).epsilon(1e-10).weight_decay(0.0);
        let mut w = model::<F>(1);
        let mut bias = w["bias"].clone();
        let mut expected: Model<f64> =
            w.iter().map(|(name, w)| (name.clone(), w.mapv(F::into_f64))).collect();
        let mut m: Model<f64> =
            w.iter().map(|(name, w)| (name.clone(), ArrayD::zeros(w.shape()))).collect();
        for step in 1..=20 {
            let g = model::<F>(step + 1);
            muon.step(&mut w, &g).unwrap();
            adamw.step(&mut bias, &g["bias"]).unwrap();
            for (name, w) in expected.iter_mut().filter(|(_, w)| w.ndim() > 1 && !w.is_empty()) {
                let g = g[name].mapv(F::into_f64);
                literal(case, w, &g, m.get_mut(name).unwrap(), rate(step));
            }
            assert_eq!(w["bias"], bias);
        }
        for (name, expected) in expected.iter().filter(|(_, w)| w.ndim() > 1) {
            let found = w[name].mapv(F::into_f64);
            let off = (&found - expected).iter().fold(0.0, |worst, off| f64::max(worst, off.abs()));
            assert!(off < tolerance, "{name}: {off:.1e} off");
            let slot = muon.slot(name, "m").unwrap();
            assert!(slot.iter().zip(&m[name]).all(|(a, b)| (a.into_f64() - b).abs() < tolerance));
        }
    }
}

#[test]
fn muon_agrees_with_a_literal_transcription_in_f64() {
    agrees_with_the_transcription::<f64>(1e-13);
}

#[test]
fn muon_agrees_with_a_literal_transcription_in_f32() {
    agrees_with_the_transcription::<f32>(5e-5);
}

/// What one step without momentum makes of a gradient: the matrix that is taken off.
#[cfg(feature = "linalg")]
fn direction(g: &ArrayD<f64>, change: impl FnOnce(Muon<f64>) -> Muon<f64>) -> ArrayD<f64> {
    let mut w = ArrayD::zeros(g.shape());
    let muon = Muon::new(1.0).momentum(0.0).scale(Scale::None);
    change(muon).step(&mut w, g).unwrap();
    -w
}

#[cfg(feature = "linalg")]
fn svd(x: &ArrayD<f64>) -> faer::linalg::solvers::Svd<f64> {
    faer::Mat::from_fn(x.shape()[0], x.shape()[1], |i, j| x[[i, j]]).thin_svd().unwrap()
}

#[cfg(feature = "linalg")]
#[test]
fn singular_values_go_through_the_polynomial_and_singular_vectors_stay() {
    for (rows, columns) in [(4, 4), (6, 20), (31, 7), (40, 40)] {
        let g = array(&[rows, columns], 7);
        let found = direction(&g, |muon| muon);
        let parts = svd(&g);
        let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
        let values: Vec<f64> = parts
            .S()
            .column_vector()
            .iter()
            .map(|&value| {
                (0..5).fold(value / (norm + 1e-7), |s, _| {
                    3.4445 * s - 4.775 * s.powi(3) + 2.0315 * s.powi(5)
                })
            })
            .collect();
        for ((i, j), found) in found.into_dimensionality::<ndarray::Ix2>().unwrap().indexed_iter() {
            let expected: f64 = values
                .iter()
                .enumerate()
                .map(|(k, s)| parts.U()[(i, k)] * s * parts.V()[(j, k)])
                .sum();
            assert!((found - expected).abs() < 1e-12, "{rows} {columns}: {found} and {expected}");
        }
    }
}

#[cfg(feature = "linalg")]
#[test]
fn the_step_is_almost_orthogonal() {
    for (rows, columns) in [(8, 8), (16, 64), (64, 16), (3, 100), (32, 30)] {
        // Well conditioned: a random matrix, and a multiple of the identity.
        let mut g = array(&[rows, columns], 3);
        (0..rows.min(columns)).for_each(|i| g[[i, i]] += 4.0);
        let bounds = |x: &ArrayD<f64>| {
            let values = svd(x);
            let values = values.S().column_vector();
            values
                .iter()
                .fold((f64::INFINITY, 0.0_f64), |(low, high), &s| (low.min(s), high.max(s)))
        };
        let (low, high) = bounds(&direction(&g, |muon| muon));
        assert!(low > 0.65 && high < 1.25, "{rows} {columns}: from {low} to {high}");
        // Coefficients that converge: to orthogonality itself.
        let exact = |muon: Muon<f64>| muon.ns_coefficients(1.875, -1.25, 0.375).ns_steps(40);
        let (low, high) = bounds(&direction(&g, exact));
        assert!(low > 1.0 - 1e-12 && high < 1.0 + 1e-12, "{rows} {columns}: from {low} to {high}");
    }
}
