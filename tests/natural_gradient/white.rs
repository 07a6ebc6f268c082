//! The closed form of a unit's block for white Gaussian inputs: against integrals, against exact blocks
//! of drawn inputs, and how far off it is where inputs are not white.

use std::f64::consts::{PI, TAU};

use ndarray::{Array1, Array2, Axis};
use thalweg::natural_gradient::{
    Batch, DenseLayer, Empirical, Metric, UnitWise, WhiteBlock, WhiteUnitWise,
};
use thalweg::params::Flatten;

use super::support::*;

const UNITS: usize = 3;
type Layer = (Array2<f64>, Array1<f64>);

fn layer(inputs: usize) -> Layer {
    let mut draw = numbers(21);
    let weights = Array2::from_shape_simple_fn((inputs, UNITS), || 1.5 * draw());
    (weights, Array1::from_shape_simple_fn(UNITS, || 0.7 * draw()))
}

/// tanh'(u)
fn slope(u: f64) -> f64 {
    1.0 - u.tanh().powi(2)
}

fn batch(x: &Array2<f64>, deltas: Array2<f64>) -> Batch<f64, Empirical> {
    Batch::of_layers(vec![DenseLayer::new("0", x.clone(), deltas).bias("1")]).unwrap()
}

/// Points and weights of the trapezoid rule for ∫ f(s) e^(-s²/2)/√(2π) ds, which converges faster than any power.
fn rule() -> Vec<(f64, f64)> {
    let step = 0.2;
    let weight = |s: f64| step * (-0.5 * s * s).exp() / TAU.sqrt();
    (-50..=50).map(|i| f64::from(i) * step).map(|s| (s, weight(s))).collect()
}

/// The block of (w, b) by the integral over the plane, entry by entry.
fn integral(w: [f64; 2], b: f64, derivative: impl Fn(f64) -> f64) -> Array2<f64> {
    let mut block = Array2::zeros((3, 3));
    for (x, p) in rule() {
        for (y, q) in rule() {
            let square = derivative(w[0] * x + w[1] * y + b).powi(2);
            add_outer(&mut block, &[x, y, 1.0], p * q * square);
        }
    }
    block
}

/// Independent numbers of the standard normal distribution.
fn normal(shape: (usize, usize), seed: u64) -> Array2<f64> {
    let mut draw = numbers(seed);
    Array2::from_shape_simple_fn(shape, || {
        let radius = (-2.0 * (0.5 + 0.5 * draw()).max(1e-300).ln()).sqrt();
        radius * (PI * draw()).cos()
    })
}

/// ‖a - b‖ over ‖b‖, by all entries.
fn off(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let size = |m: &Array2<f64>| m.iter().map(|m| m * m).sum::<f64>().sqrt();
    size(&(a - b)) / size(b)
}

#[test]
fn the_closed_form_is_the_integral_over_the_plane() {
    for (w, b) in [([0.8, -0.3], 0.4), ([0.1, 0.05], -1.0), ([-0.9, 0.6], 0.0)] {
        let norm = f64::hypot(w[0], w[1]);
        let block = WhiteBlock::of_activation(slope, b, norm);
        let off = off(&block.matrix(Array1::from(w.to_vec()).view()), &integral(w, b, slope));
        assert!(off < 1e-10, "{w:?}, {b}: {off}");
    }
}

#[test]
fn moments_of_relu_and_of_the_error_function_are_those_on_paper() {
    // With t = b/‖w‖: of ReLU Φ(t), ϕ(t) and Φ(t) - tϕ(t).
    let distribution = |t: f64| {
        // Φ by its series about 0.
        let (mut term, mut sum) = (t, t);
        for i in 1..200 {
            term *= t * t / (2.0 * f64::from(i) + 1.0);
            sum += term;
        }
        0.5 + sum * (-0.5 * t * t).exp() / TAU.sqrt()
    };
    for (bias, norm) in [(0.0_f64, 1.0_f64), (0.5, 2.0), (-3.0, 1.5), (1e-3, 1e-3), (4.0, 100.0)] {
        let t = bias / norm;
        let density = (-0.5 * t * t).exp() / TAU.sqrt();
        let expected = [distribution(t), density, distribution(t) - t * density];
        let relu = WhiteBlock::of_activation(|u| if u > 0.0 { 1.0 } else { 0.0 }, bias, norm);
        for (moment, expected) in relu.moments().into_iter().zip(expected) {
            assert!((moment - expected).abs() < 1e-12, "{bias}, {norm}: {moment} {expected}");
        }
    }
    // erf'(u)² = (4/π) exp(-2u²): a product of normal densities, with v = 1/(1 + 4‖w‖²).
    for (bias, norm) in [(0.0_f64, 1.0_f64), (0.5, 2.0), (-1.0, 0.3), (0.2, 50.0)] {
        let v = 1.0 / (1.0 + 4.0 * norm * norm);
        let zeroth = 4.0 / PI * v.sqrt() * (-2.0 * bias * bias * v).exp();
        let mean = -4.0 * bias * norm * v;
        let expected = [zeroth, zeroth * mean, zeroth * (v + mean * mean)];
        let derivative = |u: f64| 2.0 / PI.sqrt() * (-u * u).exp();
        let erf = WhiteBlock::of_activation(derivative, bias, norm);
        for (moment, expected) in erf.moments().into_iter().zip(expected) {
            assert!((moment - expected).abs() < 1e-12, "{bias}, {norm}: {moment} {expected}");
        }
    }
}

#[test]
fn a_batch_that_integrates_exactly_gives_the_exact_blocks() {
    // A grid over the plane as a batch, its weights in the deltas, and a factor ρ that depends on u.
    let model = layer(2);
    let layout = Flatten::of(&model).unwrap();
    let nodes: Vec<_> = rule().into_iter().filter(|(s, _)| s.abs() < 8.0).collect();
    let n = nodes.len() * nodes.len();
    let at = |i: usize| (nodes[i / nodes.len()], nodes[i % nodes.len()]);
    let x = Array2::from_shape_fn((n, 2), |(i, j)| if j == 0 { at(i).0.0 } else { at(i).1.0 });
    let u = x.dot(&model.0) + &model.1;
    let deltas = Array2::from_shape_fn((n, UNITS), |(i, j)| {
        let ((_, p), (_, q)) = at(i);
        (p * q * n as f64).sqrt() * slope(u[[i, j]]) * (0.3 * u[[i, j]]).exp()
    });
    let g = vector(layout.len(), 4);
    for damping in [0.0, 1e-6, 1e-3, 1.0, 100.0] {
        let mut white = WhiteUnitWise::new(damping);
        white.observe(&layout, &model, batch(&x, deltas.clone())).unwrap();
        let mut exact = UnitWise::new(damping);
        exact.observe(&layout, &model, batch(&x, deltas.clone())).unwrap();
        let products =
            [&mut white as &mut dyn Metric<f64, Statistics = _>, &mut exact].map(|metric| {
                let (mut y, mut d) = (vec![0.0; g.len()], vec![0.0; g.len()]);
                metric.apply(&layout, &g, &mut y).unwrap();
                metric.apply_inverse(&layout, &g, &mut d).unwrap();
                (y, d)
            });
        let [(fg, d), (exact_fg, exact_d)] = products;
        assert!(apart(&fg, &exact_fg) < 1e-10, "{}", apart(&fg, &exact_fg));
        assert!(apart(&d, &exact_d) < 1e-9, "λ = {damping}: {}", apart(&d, &exact_d));
    }
}

#[test]
fn the_inverse_times_the_matrix_is_the_identity() {
    let model = layer(5);
    let layout = Flatten::of(&model).unwrap();
    let x = normal((60, 5), 3);
    let deltas = (x.dot(&model.0) + &model.1).mapv(slope);
    let turned = (model.0.t().to_owned(), model.1.clone());
    for damping in [0.0, 1e-8, 1e-3, 1.0, 1e3] {
        let mut white = WhiteUnitWise::new(damping);
        white.observe(&layout, &model, batch(&x, deltas.clone())).unwrap();
        for i in 0..layout.len() {
            let mut unit = vec![0.0; layout.len()];
            unit[i] = 1.0;
            let mut back = product(&mut white, &layout, &unit);
            back[i] += damping;
            let back = inverse(&mut white, &layout, &back);
            assert!(apart(&back, &unit) < 1e-12, "λ = {damping}: {}", apart(&back, &unit));
        }
        // The same with a weight of outputs by inputs, and without a bias.
        let g = normal((5, UNITS), 8);
        let flat =
            |w: &Array2<f64>| [w.iter().copied().collect::<Vec<_>>(), vec![0.5; UNITS]].concat();
        let by_rows = inverse(&mut white, &layout, &flat(&g));
        let other = Flatten::of(&turned).unwrap();
        let mut first = WhiteUnitWise::<f64, Empirical>::new(damping);
        let layer = DenseLayer::new("0", x.clone(), deltas.clone()).outputs_first().bias("1");
        first.observe(&other, &turned, Batch::of_layers(vec![layer]).unwrap()).unwrap();
        let by_columns = inverse(&mut first, &other, &flat(&g.t().to_owned()));
        for i in 0..5 {
            for j in 0..UNITS {
                let (a, b) = (by_rows[i * UNITS + j], by_columns[j * 5 + i]);
                assert!((a - b).abs() <= 1e-12 * a.abs().max(1e-3));
            }
        }
        let alone = (model.0.clone(),);
        let small = Flatten::of(&alone).unwrap();
        let mut plain = WhiteUnitWise::<f64, Empirical>::new(damping);
        let layer = DenseLayer::new("0", x.clone(), deltas.clone());
        plain.observe(&small, &alone, Batch::of_layers(vec![layer]).unwrap()).unwrap();
        let g: Vec<f64> = g.iter().copied().collect();
        let mut back = product(&mut plain, &small, &g);
        back.iter_mut().zip(&g).for_each(|(back, g)| *back += damping * g);
        assert!(apart(&inverse(&mut plain, &small, &back), &g) < 1e-12);
    }
}

#[test]
fn with_drawn_white_inputs_it_is_the_exact_block_within_sampling_error() {
    const N: usize = 40_000;
    const IN: usize = 6;
    let model = layer(IN);
    let layout = Flatten::of(&model).unwrap();
    let x = normal((N, IN), 5);
    let u = x.dot(&model.0) + &model.1;
    // The back-propagated factor is independent of the inputs.
    let deltas = u.mapv(slope) * normal((N, UNITS), 6);
    let layer = DenseLayer::new("0", x.clone(), deltas.clone()).bias("1");
    let mut white = WhiteUnitWise::new(1e-3);
    white.observe(&layout, &model, batch(&x, deltas)).unwrap();
    for (unit, block) in white.blocks(0).into_iter().enumerate() {
        let closed = block.matrix(model.0.column(unit));
        let exact = layer.unit_blocks().index_axis(Axis(0), unit).to_owned();
        // Some 2·IN/√N: entries of δ²xxᵀ have a relative deviation of a few units.
        assert!(off(&closed, &exact) < 0.07, "{}", off(&closed, &exact));
        let norm = model.0.column(unit).dot(&model.0.column(unit)).sqrt();
        let expected = WhiteBlock::of_activation(slope, model.1[unit], norm);
        for (moment, expected) in block.moments().into_iter().zip(expected.moments()) {
            assert!((moment - expected).abs() < 0.05 * block.moments()[0], "{moment} {expected}");
        }
    }
}

#[test]
fn inputs_that_are_not_white_make_it_wrong_as_the_documentation_says() {
    const N: usize = 40_000;
    const IN: usize = 6;
    let model = layer(IN);
    let layout = Flatten::of(&model).unwrap();
    // ‖M - I‖/‖M‖ with the second moments M of (x, 1), and what is measured.
    let wrong = |x: Array2<f64>| {
        let u = x.dot(&model.0) + &model.1;
        let layer = DenseLayer::new("0", x.clone(), u.mapv(slope)).bias("1");
        let mut white = WhiteUnitWise::new(1e-3);
        white.observe(&layout, &model, batch(&x, u.mapv(slope))).unwrap();
        let blocks = white.blocks(0).into_iter().enumerate().map(|(unit, block)| {
            let exact = layer.unit_blocks().index_axis(Axis(0), unit).to_owned();
            off(&block.matrix(model.0.column(unit)), &exact)
        });
        let extended = layer.extended_inputs();
        let foretold = off(&Array2::eye(IN + 1), &(extended.t().dot(&extended) / N as f64));
        (foretold, blocks.sum::<f64>() / UNITS as f64)
    };
    let white = normal((N, IN), 5);
    let common = normal((N, 1), 7);
    // Equal correlations between all inputs, then inputs of a mean.
    let correlated = |r: f64| &white * (1.0 - r).sqrt() + &common * r.sqrt();
    let mut all = vec![wrong(white.clone())];
    all.extend([0.1, 0.3, 0.9].map(|r| wrong(correlated(r))));
    all.extend([0.5, 1.0, 3.0].map(|mean| wrong(&white + mean)));
    for (foretold, measured) in &all {
        assert!((foretold - measured).abs() < 0.06, "{all:?}");
    }
    assert!(all[0].1 < 0.03 && all[2].1 > 0.4 && all[6].1 > 0.9, "{all:?}");
}
