use ndarray::{Array1, Array2, Axis};
use thalweg::curvature::LinearOperator;
use thalweg::natural_gradient::{
    Batch, Dense, DenseLayer, Diagonal, Empirical, Exact, Kfac, MatrixFree, Metric, PushThrough,
    QuasiDiagonal, Sampled, UnitWise, WhiteUnitWise,
};

use super::support::*;

const DAMPINGS: [f64; 8] = [1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0, 1e2];

#[test]
fn the_exact_matrix_is_the_sum_over_samples_and_outcomes() {
    let (net, (x, _)) = (Net::new(1), data(5, 2));
    let batch = net.batch(&x, &Exact::categorical(&net.scores(&x)).unwrap()).unwrap();
    let mut dense = Dense::<f64, Exact>::new(1e-3);
    dense.observe(&net.layout(), &net, batch.into()).unwrap();
    let slow = net.slow_exact(&x);
    assert!((dense.matrix().unwrap() - &slow).iter().all(|d| d.abs() < 1e-14));
    let v = vector(net.len(), 3);
    assert!(apart(&product(&mut dense, &net.layout(), &v), &times(&slow, &v)) < 1e-13);
}

#[test]
fn the_empirical_matrix_is_that_of_the_labels() {
    let (net, (x, classes)) = (Net::new(1), data(5, 2));
    let outputs = Empirical::categorical(&net.scores(&x), &classes).unwrap();
    let batch = net.batch(&x, &outputs).unwrap();
    let mut dense = Dense::new(1e-3);
    dense.observe(&net.layout(), &net, batch.clone().into()).unwrap();
    let slow = net.slow_empirical(&x, &classes);
    assert!((dense.matrix().unwrap() - &slow).iter().all(|d| d.abs() < 1e-14));
    let gradients = batch.bind(&net.layout()).unwrap().gradients();
    assert!((gradients - net.slow_gradients(&x, &classes)).iter().all(|d| d.abs() < 1e-14));
}

#[test]
fn drawn_labels_approach_the_exact_matrix() {
    use rand::{SeedableRng, rngs::StdRng};
    let (net, (x, _)) = (Net::new(1), data(5, 2));
    let slow = net.slow_exact(&x);
    let many = ndarray::concatenate(Axis(0), &vec![x.view(); 4000]).unwrap();
    let mut rng = StdRng::seed_from_u64(5);
    let outputs = Sampled::categorical(&net.scores(&many), &mut rng).unwrap();
    let mut dense = Dense::new(1e-3);
    dense.observe(&net.layout(), &net, net.batch(&many, &outputs).unwrap().into()).unwrap();
    let off = (dense.matrix().unwrap() - &slow).iter().fold(0.0_f64, |max, d| max.max(d.abs()));
    let largest = slow.iter().fold(0.0_f64, |max, f| max.max(f.abs()));
    assert!(off < 0.05 * largest, "{off} of {largest}");

    // A normal distribution's deltas have variance 1/σ².
    let outputs = Sampled::gaussian(&many, 0.5, &mut rng).unwrap();
    let mean_square = outputs.passes()[0].mapv(|d| d * d).mean().unwrap();
    assert!((mean_square / 4.0 - 1.0).abs() < 0.03, "{mean_square}");
}

#[test]
fn the_whole_matrix_solves_at_every_damping() {
    let (net, (x, _)) = (Net::new(1), data(40, 2));
    let slow = net.slow_exact(&x);
    let batch = net.batch(&x, &Exact::categorical(&net.scores(&x)).unwrap()).unwrap();
    // Within the rows' span, as a gradient is.
    let g = times(&slow, &vector(net.len(), 3));
    for damping in DAMPINGS {
        let mut dense = Dense::new(damping);
        dense.observe(&net.layout(), &net, batch.clone().into()).unwrap();
        let d = inverse(&mut dense, &net.layout(), &g);
        let off = residual(&slow, damping, &d, &g);
        assert!(off < 1e-10, "λ = {damping}: {off}");
    }
}

#[test]
fn the_diagonal_is_that_of_the_whole_matrix() {
    let (net, (x, _)) = (Net::new(1), data(5, 2));
    let slow = net.slow_exact(&x);
    let batch = net.batch(&x, &Exact::categorical(&net.scores(&x)).unwrap()).unwrap();
    let g = vector(net.len(), 3);
    for damping in DAMPINGS {
        let mut diagonal = Diagonal::new(damping);
        diagonal.observe(&net.layout(), &net, batch.clone()).unwrap();
        let d = inverse(&mut diagonal, &net.layout(), &g);
        let expected: Vec<f64> = (0..g.len()).map(|i| g[i] / (slow[[i, i]] + damping)).collect();
        assert!(apart(&d, &expected) < 1e-12);
    }
    let whole = Batch::<f64, Exact>::of_gradients(batch.bind(&net.layout()).unwrap().gradients());
    let mut diagonal = Diagonal::new(1.0);
    diagonal.observe(&net.layout(), &net, whole.unwrap()).unwrap();
    // As rows of their own they are 15 samples instead of 5 with three outcomes each.
    let v = vec![1.0; g.len()];
    let sums: Vec<f64> = slow.diag().iter().map(|f| f / 3.0).collect();
    assert!(apart(&product(&mut diagonal, &net.layout(), &v), &sums) < 1e-13);
}

#[test]
fn push_through_of_the_mean_gradient_is_exact_at_every_damping() {
    let (net, (x, classes)) = (Net::new(1), data(8, 2));
    let slow = net.slow_empirical(&x, &classes);
    let outputs = Empirical::categorical(&net.scores(&x), &classes).unwrap();
    let layers = net.batch(&x, &outputs).unwrap();
    let whole = Batch::of_gradients(net.slow_gradients(&x, &classes)).unwrap();
    let g = net.slow_gradients(&x, &classes).mean_axis(Axis(0)).unwrap().to_vec();
    for damping in DAMPINGS {
        for batch in [layers.clone(), whole.clone()] {
            let mut push = PushThrough::<f64, Empirical>::new(damping);
            push.observe(&net.layout(), &net, batch).unwrap();
            let d = inverse(&mut push, &net.layout(), &g);
            let off = residual(&slow, damping, &d, &g);
            assert!(off < 1e-10, "λ = {damping}: {off}");
            assert!(apart(&product(&mut push, &net.layout(), &g), &times(&slow, &g)) < 1e-12);
        }
    }
}

#[test]
fn push_through_of_any_gradient_is_the_dense_solution() {
    let (net, (x, _)) = (Net::new(1), data(6, 2));
    let slow = net.slow_exact(&x);
    let batch = net.batch(&x, &Exact::categorical(&net.scores(&x)).unwrap()).unwrap();
    let g = vector(net.len(), 3);
    for damping in [1e-8, 1e-6, 1e-4, 1e-2, 1.0, 1e2] {
        let mut push = PushThrough::new(damping);
        push.observe(&net.layout(), &net, batch.clone()).unwrap();
        let d = inverse(&mut push, &net.layout(), &g);
        let expected = eliminate(&damped(&slow, damping), &g);
        assert!(apart(&d, &expected) < 1e-8, "λ = {damping}: {}", apart(&d, &expected));
    }
}

#[test]
fn a_units_block_is_that_of_the_whole_matrix() {
    let (net, (x, _)) = (Net::new(1), data(40, 2));
    let slow = net.slow_exact(&x);
    let batch = net.batch(&x, &Exact::categorical(&net.scores(&x)).unwrap()).unwrap();
    let g = vector(net.len(), 3);
    let second = INPUTS * HIDDEN + HIDDEN;
    let mut units: Vec<Vec<usize>> = (0..HIDDEN).map(|j| unit(INPUTS, HIDDEN, 0, j)).collect();
    units.extend((0..CLASSES).map(|j| unit(HIDDEN, CLASSES, second, j)));
    for damping in DAMPINGS {
        let mut unit_wise = UnitWise::new(damping);
        unit_wise.observe(&net.layout(), &net, batch.clone()).unwrap();
        let d = inverse(&mut unit_wise, &net.layout(), &g);
        let fg = product(&mut unit_wise, &net.layout(), &g);
        for at in &units {
            let pick = |x: &[f64]| at.iter().map(|&i| x[i]).collect::<Vec<f64>>();
            let block = block(&slow, at);
            let off = residual(&block, damping, &pick(&d), &pick(&g));
            assert!(off < 1e-10, "λ = {damping}: {off}");
            assert!(apart(&pick(&fg), &times(&block, &pick(&g))) < 1e-12);
        }
    }
    // The blocks that a user gets are those of the rows.
    let layer = &net.layers(&x, &Exact::categorical(&net.scores(&x)).unwrap().passes()[0])[0];
    let rows = layer.gradients();
    let blocks = layer.unit_blocks();
    for j in 0..HIDDEN {
        let mut f = Array2::zeros((INPUTS + 1, INPUTS + 1));
        for row in rows.rows() {
            let part: Vec<f64> = (0..=INPUTS).map(|i| row[i * HIDDEN + j]).collect();
            add_outer(&mut f, &part, 1.0 / rows.nrows() as f64);
        }
        assert!((&blocks.index_axis(Axis(0), j) - &f).iter().all(|d| d.abs() < 1e-15));
    }
}

#[test]
fn quasi_diagonal_solves_each_pair_of_weight_and_bias() {
    let (net, (x, _)) = (Net::new(1), data(40, 2));
    let slow = net.slow_exact(&x);
    let batch = net.batch(&x, &Exact::categorical(&net.scores(&x)).unwrap()).unwrap();
    let g = vector(net.len(), 3);
    let second = INPUTS * HIDDEN + HIDDEN;
    let mut units: Vec<Vec<usize>> = (0..HIDDEN).map(|j| unit(INPUTS, HIDDEN, 0, j)).collect();
    units.extend((0..CLASSES).map(|j| unit(HIDDEN, CLASSES, second, j)));
    for damping in DAMPINGS {
        let mut quasi = QuasiDiagonal::new(damping);
        quasi.observe(&net.layout(), &net, batch.clone()).unwrap();
        let d = inverse(&mut quasi, &net.layout(), &g);
        let fg = product(&mut quasi, &net.layout(), &g);
        for at in &units {
            let bias = at[at.len() - 1];
            // Ollivier's formulas, transcribed.
            let f00 = slow[[bias, bias]] + damping;
            let (mut d0, mut fg0) = (g[bias] / f00, slow[[bias, bias]] * g[bias]);
            for &i in &at[..at.len() - 1] {
                let (fii, f0i) = (slow[[i, i]] + damping, slow[[bias, i]]);
                let di = (g[i] - g[bias] * f0i / f00) / (fii - f0i * f0i / f00);
                assert!((d[i] / di - 1.0).abs() < 1e-10, "λ = {damping}: {} {di}", d[i]);
                d0 -= f0i / f00 * di;
                fg0 += f0i * g[i];
                assert!((fg[i] - slow[[i, i]] * g[i] - f0i * g[bias]).abs() < 1e-13);
            }
            assert!((d[bias] - d0).abs() < 1e-10 * d0.abs().max(1.0), "{} {d0}", d[bias]);
            assert!((fg[bias] - fg0).abs() < 1e-13);
        }
    }
}

#[test]
fn the_denominators_of_quasi_diagonal_are_positive_where_the_difference_cancels() {
    // Inputs that are 1e9 but for a little: Fᵢᵢ - F₀ᵢ²/F₀₀ is noise around 0 by the plain difference.
    let x = Array2::from_shape_fn((16, 1), |(i, _)| 1e9 + (i % 2) as f64);
    let deltas = Array2::from_shape_fn((16, 1), |(i, _)| 0.5 + (i % 3) as f64);
    let model = (Array2::<f64>::zeros((1, 1)), Array1::<f64>::zeros(1));
    let layer = DenseLayer::new("0", x, deltas).bias("1");
    let layout = thalweg::params::Flatten::of(&model).unwrap();
    let mut quasi = QuasiDiagonal::<f64, Empirical>::new(0.0).decay(0.9);
    for _ in 0..3 {
        quasi.observe(&layout, &model, Batch::of_layers(vec![layer.clone()]).unwrap()).unwrap();
    }
    let d = inverse(&mut quasi, &layout, &[1.0, 0.0]);
    // The variance of the inputs with weights δ² is near ¼, of mean δ² near 3.
    assert!(d[0] > 0.5 && d[0] < 2.5, "{d:?}");
}

#[test]
fn averaged_spreads_are_those_of_all_samples() {
    let net = Net::new(1);
    let (x, _) = data(12, 2);
    let halves = [x.slice_axis(Axis(0), (..6).into()), x.slice_axis(Axis(0), (6..).into())];
    let mut quasi = QuasiDiagonal::new(1e-3).decay(0.5);
    for half in halves {
        let half = half.to_owned();
        let outputs = Exact::categorical(&net.scores(&half)).unwrap();
        quasi.observe(&net.layout(), &net, net.batch(&half, &outputs).unwrap()).unwrap();
    }
    let mut whole = QuasiDiagonal::new(1e-3);
    let outputs = Exact::categorical(&net.scores(&x)).unwrap();
    whole.observe(&net.layout(), &net, net.batch(&x, &outputs).unwrap()).unwrap();
    let g = vector(net.len(), 3);
    let (a, b) = (inverse(&mut quasi, &net.layout(), &g), inverse(&mut whole, &net.layout(), &g));
    assert!(apart(&a, &b) < 1e-12);
}

#[test]
fn kronecker_factors_of_one_sample_are_its_blocks() {
    let (net, (x, classes)) = (Net::new(1), data(1, 2));
    let outputs = Empirical::categorical(&net.scores(&x), &classes).unwrap();
    let slow = net.slow_empirical(&x, &classes);
    let mut kfac = Kfac::new(1e-3);
    kfac.observe(&net.layout(), &net, net.batch(&x, &outputs).unwrap()).unwrap();
    let first = INPUTS * HIDDEN + HIDDEN;
    let v = vector(net.len(), 3);
    let fv = product(&mut kfac, &net.layout(), &v);
    for range in [0..first, first..net.len()] {
        let at: Vec<usize> = range.clone().collect();
        assert!(apart(&fv[range.clone()], &times(&block(&slow, &at), &v[range])) < 1e-12);
    }
}

#[test]
fn kronecker_factors_of_a_linear_layer_with_normal_outputs_are_the_whole_matrix() {
    // G = I/σ² does not depend on the sample, so that the expectation factors.
    let (x, _) = data(9, 4);
    let model = (Array2::<f64>::zeros((INPUTS, 2)), Array1::<f64>::zeros(2));
    let layout = thalweg::params::Flatten::of(&model).unwrap();
    let outputs = Exact::gaussian(&(x.dot(&model.0) + &model.1), 0.5).unwrap();
    let batch = outputs
        .backward(|delta| vec![DenseLayer::new("0", x.clone(), delta.clone()).bias("1")])
        .unwrap();
    let mut dense = Dense::new(0.0);
    dense.observe(&layout, &model, batch.clone().into()).unwrap();
    let mut kfac = Kfac::new(0.0);
    kfac.observe(&layout, &model, batch).unwrap();
    let g = vector(8, 5);
    assert!(apart(&product(&mut kfac, &layout, &g), &product(&mut dense, &layout, &g)) < 1e-13);
    assert!(apart(&inverse(&mut kfac, &layout, &g), &inverse(&mut dense, &layout, &g)) < 1e-10);
}

#[test]
fn kfac_solves_with_its_damped_factors_at_every_damping() {
    let (net, (x, _)) = (Net::new(1), data(40, 2));
    let outputs = Exact::categorical(&net.scores(&x)).unwrap();
    let v = vector(net.len(), 3);
    for damping in DAMPINGS {
        let mut kfac = Kfac::new(damping);
        kfac.observe(&net.layout(), &net, net.batch(&x, &outputs).unwrap()).unwrap();
        // The scores' G is singular: softmax does not change with their sum, nor does a gradient.
        let g = product(&mut kfac, &net.layout(), &v);
        let d = inverse(&mut kfac, &net.layout(), &g);
        let mut start = 0;
        for (a, gg) in kfac.factors() {
            let (n, m) = (a.nrows(), gg.nrows());
            let pi = ((a.diag().sum() / n as f64) / (gg.diag().sum() / m as f64)).sqrt();
            let (a, gg) = (damped(a, pi * damping.sqrt()), damped(gg, damping.sqrt() / pi));
            let part = |x: &[f64]| Array2::from_shape_vec((n, m), x[start..][..n * m].to_vec());
            let (d, g) = (part(&d).unwrap(), part(&g).unwrap());
            let back = a.dot(&d).dot(&gg);
            let off = apart(back.as_slice().unwrap(), g.as_slice().unwrap());
            assert!(off < 1e-10, "λ = {damping}: {off}");
            start += n * m;
        }
        assert_eq!(start, net.len());
    }
}

#[test]
fn products_without_the_matrix_find_the_dense_solution_and_start_where_they_ended() {
    let (net, (x, _)) = (Net::new(1), data(40, 2));
    let slow = net.slow_exact(&x);
    let outputs = Exact::categorical(&net.scores(&x)).unwrap();
    let mut operator = net.batch(&x, &outputs).unwrap().bind(&net.layout()).unwrap();
    let v = vector(net.len(), 3);
    let mut fv = vec![0.0; v.len()];
    operator.apply(&v, &mut fv).unwrap();
    assert!(apart(&fv, &times(&slow, &v)) < 1e-13);

    let mut free = MatrixFree::new(1e-3, 1e-12, 500);
    free.observe(&net.layout(), &net, operator.clone()).unwrap();
    let mut d = vec![0.0; v.len()];
    free.apply_inverse(&net.layout(), &v, &mut d).unwrap();
    assert!(residual(&slow, 1e-3, &d, &v) < 1e-10 && free.residual() <= 1e-12);
    let cold = free.products();
    free.apply_inverse(&net.layout(), &v, &mut d).unwrap();
    assert!(free.products() <= 2 && cold > 10, "{} {cold}", free.products());

    // Truncated after k products it is the best of k directions, not yet the solution.
    let mut short = MatrixFree::new(1e-3, 0.0, 5);
    short.observe(&net.layout(), &net, operator).unwrap();
    let mut d = vec![0.0; v.len()];
    short.apply_inverse(&net.layout(), &v, &mut d).unwrap();
    assert_eq!(short.products(), 5);
    let off = residual(&slow, 1e-3, &d, &v);
    assert!(off > 1e-6 && d.iter().zip(&v).map(|(d, v)| d * v).sum::<f64>() > 0.0);
}

#[test]
fn a_weight_of_outputs_by_inputs_gives_the_turned_direction() {
    let (x, _) = data(9, 4);
    let deltas = Array2::from_shape_simple_fn((9, 2), numbers(6));
    let g = Array2::from_shape_simple_fn((INPUTS, 2), numbers(7));
    let rows = (Array2::<f64>::zeros((INPUTS, 2)),);
    let turned = (Array2::<f64>::zeros((2, INPUTS)),);
    let layer = DenseLayer::new("0", x, deltas);
    let batch = |layer| Batch::<f64, Empirical>::of_layers(vec![layer]).unwrap();
    macro_rules! check {
        ($($metric:expr),*) => {$(
            let (mut a, mut b) = ($metric, $metric);
            let (by_rows, by_columns) =
                (thalweg::params::Flatten::of(&rows).unwrap(), thalweg::params::Flatten::of(&turned).unwrap());
            a.observe(&by_rows, &rows, batch(layer.clone()).into()).unwrap();
            b.observe(&by_columns, &turned, batch(layer.clone().outputs_first()).into()).unwrap();
            let d = inverse(&mut a, &by_rows, g.as_slice().unwrap());
            let flat: Vec<f64> = g.t().iter().copied().collect();
            let e = inverse(&mut b, &by_columns, &flat);
            let e = Array2::from_shape_vec((2, INPUTS), e).unwrap();
            let e: Vec<f64> = e.t().iter().copied().collect();
            assert!(apart(&d, &e) < 1e-10, "{}", a.name());
        )*};
    }
    check!(
        Dense::new(0.1),
        Diagonal::new(0.1),
        PushThrough::new(0.1),
        UnitWise::new(0.1),
        QuasiDiagonal::new(0.1),
        WhiteUnitWise::new(0.1),
        Kfac::new(0.1)
    );
}

#[test]
fn deltas_whose_squares_are_subnormal_give_finite_statistics() {
    let model = (Array2::<f32>::zeros((1, 1)), Array1::<f32>::zeros(1));
    let layout = thalweg::params::Flatten::of(&model).unwrap();
    let x = Array2::from_shape_fn((4, 1), |(i, _)| i as f32);
    let layer = DenseLayer::new("0", x, Array2::from_elem((4, 1), 1e-20_f32)).bias("1");
    let mut quasi = QuasiDiagonal::<f32, Empirical>::new(1e-3);
    quasi.observe(&layout, &model, Batch::of_layers(vec![layer]).unwrap()).unwrap();
    let mut d = [0.0; 2];
    quasi.apply_inverse(&layout, &[1.0, 1.0], &mut d).unwrap();
    assert!(d.iter().all(|d| (d / 1000.0 - 1.0).abs() < 1e-5), "{d:?}");
}
