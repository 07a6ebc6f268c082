//! Clipping by value, by norms, and relative to the parameters.

use ndarray::{Array2, ArrayD, Axis, array};
use thalweg::regularize::{AdaptiveClip, Penalty, Units};
use thalweg::{NonFinite, Optimizer, Sgd};

use super::{Model, assert_close, matrix, norm, vector};

/// w after one step of SGD of rate 1 from 0: the negative of what the gradient became.
fn negated(optimizer: impl Optimizer<f64>, g: &ArrayD<f64>) -> ArrayD<f64> {
    let mut optimizer = optimizer;
    let mut w = ArrayD::zeros(g.raw_dim());
    optimizer.step(&mut w, g).unwrap();
    w
}

#[test]
fn a_value_is_cut_and_keeps_its_sign() {
    let g = array![-3.0, -0.5, 0.0, 0.25, 7.0].into_dyn();
    let w = negated(Sgd::new(1.0).clip_value(0.5), &g);
    assert_eq!(w, array![0.5, 0.5, 0.0, -0.25, -0.5].into_dyn());
}

#[test]
fn each_leaf_is_scaled_to_its_own_norm() {
    let (mut w, g) = (Model::new(1), Model::new(2));
    let start = w.clone();
    let limit = 2.5;
    Sgd::new(1.0).clip_leaf_norm(limit).step(&mut w, &g).unwrap();
    let pairs = [(&start.weight - &w.weight, g.weight), (&start.head - &w.head, g.head)];
    for (moved, g) in pairs {
        let n = norm(&g.clone().into_dyn());
        assert!(n > limit);
        let expected = g * (limit / n);
        assert_close(&moved.into_raw_vec_and_offset().0, &expected.into_raw_vec_and_offset().0);
    }
    let bias = &g.bias * (limit / norm(&g.bias.clone().into_dyn())).min(1.0);
    assert_close((&start.bias - &w.bias).as_slice().unwrap(), bias.as_slice().unwrap());
}

#[test]
fn clips_follow_each_other() {
    let g = array![3.0, 4.0, 12.0].into_dyn(); // of norm 13
    let both = negated(Sgd::new(1.0).clip_norm(26.0).clip_leaf_norm(6.5), &g);
    assert_close(both.as_slice().unwrap(), &[-1.5, -2.0, -6.0]);
    let all = negated(Sgd::new(1.0).clip_norm(6.5).clip_leaf_norm(7.0).clip_value(5.0), &g);
    assert_close(all.as_slice().unwrap(), &[-1.5, -2.0, -5.0]);
    // The penalty's gradient is not clipped.
    let mut w = array![1.0];
    let mut sgd = Sgd::new(1.0).clip_value(0.5).penalty(Penalty::l2(10.0));
    sgd.step(&mut w, &array![3.0]).unwrap();
    assert_eq!(w[0], 1.0 - 10.5);
}

/// What the paper says, literally, with the units along an axis.
fn adaptive(
    w: &Array2<f64>,
    g: &Array2<f64>,
    axis: usize,
    ratio: f64,
    epsilon: f64,
) -> Array2<f64> {
    let mut clipped = g.clone();
    for i in 0..g.len_of(Axis(axis)) {
        let of = |x: &Array2<f64>| norm(&x.index_axis(Axis(axis), i).to_owned().into_dyn());
        let (w, g) = (of(w).max(epsilon), of(g));
        if g > ratio * w {
            clipped.index_axis_mut(Axis(axis), i).mapv_inplace(|x| x * ratio * w / g);
        }
    }
    clipped
}

#[test]
fn units_are_clipped_relative_to_their_weights_in_every_layout() {
    let mut w = matrix(5, 4, 3);
    w.column_mut(1).fill(0.0);
    w.row_mut(2).fill(1e-5);
    let g = matrix(5, 4, 7);
    for (units, axis) in [(Units::LastAxis, 1), (Units::FirstAxis, 0)] {
        let clip = AdaptiveClip::new(0.2).epsilon(0.01).units(units);
        let expected = &w - &adaptive(&w, &g, axis, 0.2, 0.01);
        let sgd = || Sgd::new(1.0).clip_adaptive(clip);
        let mut rows = w.clone();
        sgd().step(&mut rows, &g).unwrap();
        assert_close(rows.as_slice().unwrap(), expected.as_slice().unwrap());

        let mut columns = w.t().as_standard_layout().to_owned();
        let reversed = columns.view_mut().reversed_axes();
        sgd().step(&mut { reversed }, &g).unwrap();
        assert_close(
            columns.t().as_standard_layout().as_slice().unwrap(),
            rows.as_slice().unwrap(),
        );

        let mut wide = Array2::from_elem((10, 8), f64::NAN);
        let mut backwards = wide.slice_mut(ndarray::s![..;-2, ..;2]);
        backwards.assign(&w);
        sgd().step(&mut backwards, &g).unwrap();
        assert_close(&backwards.iter().copied().collect::<Vec<_>>(), rows.as_slice().unwrap());
    }
    // A leaf as a whole, and a vector always.
    let clip = AdaptiveClip::new(0.2).units(Units::Leaf);
    let mut whole = w.clone();
    Sgd::new(1.0).clip_adaptive(clip).step(&mut whole, &g).unwrap();
    let scale = 0.2 * norm(&w.clone().into_dyn()) / norm(&g.clone().into_dyn());
    let expected = &w - &(&g * scale.min(1.0));
    assert_close(whole.as_slice().unwrap(), expected.as_slice().unwrap());
    let (mut w, g) = (vector(6, 1), vector(6, 2));
    let scale = 0.2 * norm(&w.clone().into_dyn()) / norm(&g.clone().into_dyn());
    let expected = &w - &(&g * scale.min(1.0));
    Sgd::new(1.0).clip_adaptive(AdaptiveClip::new(0.2)).step(&mut w, &g).unwrap();
    assert_close(w.as_slice().unwrap(), expected.as_slice().unwrap());
}

#[test]
fn norms_of_zero_and_without_bounds_are_defined() {
    let every =
        || Sgd::new(1.0).clip_norm(1.0).clip_leaf_norm(1.0).clip_adaptive(AdaptiveClip::new(0.1));
    let zero = ArrayD::zeros(vec![3, 2]);
    assert_eq!(negated(every(), &zero), zero);
    // Gradients whose squares overflow, or vanish, still have norms.
    let huge = array![[3e200, 4e200]].into_dyn();
    let w = negated(Sgd::new(1.0).clip_leaf_norm(1.0), &huge);
    assert_close(w.as_slice().unwrap(), &[-0.6, -0.8]);
    let tiny = array![[3e-200, 4e-200]].into_dyn();
    let w = negated(Sgd::new(1.0).clip_leaf_norm(1e-200), &tiny);
    assert!((w[[0, 0]] / -0.6e-200 - 1.0).abs() < 1e-13);
    // What is not finite passes through.
    let bad = array![f64::NAN, 2.0, f64::INFINITY].into_dyn();
    let w = negated(every().clip_value(1.0).non_finite(NonFinite::Propagate), &bad);
    assert!(w[0].is_nan());
    assert_eq!((w[1], w[2]), (-1.0, -1.0));
}

#[test]
fn the_reported_norm_is_of_the_data_before_anything() {
    let (mut w, g) = (array![5.0, 5.0], array![3.0, -4.0]);
    let mut sgd = Sgd::new(1.0)
        .clip_norm(1.0)
        .clip_value(0.1)
        .maximize(true)
        .penalty(Penalty::elastic_net(1.0, 1.0));
    assert_eq!(sgd.step(&mut w, &g).unwrap().grad_norm, Some(5.0));
}
