//! Gradients layer by layer.

use ndarray::{Array1, Array2, array};
use thalweg::ErrorKind;
use thalweg::curvature::{Flow, GradientFlow};

use crate::counting::allocations;

type Layers = Vec<(Array2<f64>, Array1<f64>)>;

/// Layers whose gradients are by `factor` larger from one to the next.
fn layers(factor: f64) -> Layers {
    let size = |i: i32| factor.powi(i);
    (0..5).map(|i| (Array2::from_elem((4, 3), size(i)), Array1::from_elem(3, 1.0))).collect()
}

#[test]
fn verdicts_follow_the_thresholds_by_depth() {
    let weights = layers(1.0);
    let mut watch = GradientFlow::new();
    for (factor, expected) in [
        (1.0, [Flow::Healthy; 5]),
        (5.0, [Flow::Healthy; 5]),
        // 1, 8, ..., 8⁴: the first alone is below a thousandth of the last.
        (8.0, [Flow::Vanishing, Flow::Healthy, Flow::Healthy, Flow::Healthy, Flow::Healthy]),
        (40.0, [Flow::Vanishing, Flow::Vanishing, Flow::Vanishing, Flow::Healthy, Flow::Healthy]),
        (1.0 / 8.0, [Flow::Exploding, Flow::Healthy, Flow::Healthy, Flow::Healthy, Flow::Healthy]),
    ] {
        let leaves = watch.observe(&weights, &layers(factor)).unwrap();
        let of_weights: Vec<Flow> = leaves.iter().step_by(2).map(|leaf| leaf.flow).collect();
        assert_eq!(of_weights, expected, "{factor}");
        // Biases have no part in it.
        assert!(leaves.iter().skip(1).step_by(2).all(|leaf| leaf.flow == Flow::Healthy));
        assert_eq!(leaves[2].name, "1.0");
    }
    let mut strict = GradientFlow::new().vanishing_ratio(0.9);
    strict.observe(&weights, &layers(1.2)).unwrap();
    assert_eq!(strict.flow(), Flow::Vanishing);
}

#[test]
fn a_deep_sigmoid_network_vanishes_and_a_badly_scaled_linear_one_explodes() {
    // Back-propagation through 12 layers of 8 units.
    let run = |gain: f64, slope: f64| {
        let weight = |seed: usize| {
            let at = |(i, j): (usize, usize)| gain * ((i * 7 + j * 13 + seed * 29) as f64).sin();
            Array2::from_shape_fn((8, 8), at)
        };
        let weights: Vec<Array2<f64>> = (0..12).map(weight).collect();
        let mut back = Array1::ones(8);
        let mut gradients = Vec::new();
        for weight in weights.iter().rev() {
            gradients.push(Array2::from_shape_fn((8, 8), |(i, _)| back[i]));
            back = weight.t().dot(&back) * slope;
        }
        gradients.reverse();
        let mut watch = GradientFlow::new();
        watch.observe(&weights, &gradients).unwrap();
        watch.flow()
    };
    assert_eq!(run(0.5, 0.25), Flow::Vanishing);
    assert_eq!(run(2.0, 1.0), Flow::Exploding);
    assert_eq!(run(0.5, 1.0), Flow::Healthy);
}

#[test]
fn norms_ratios_and_fractions_are_those_of_the_definition() {
    let mut w = array![[3.0, 0.0], [0.0, 4.0]];
    let g = array![[0.0, 1e-8], [5e3, f64::NAN]];
    let mut watch = GradientFlow::new().dead_limit(1e-7).exploding_limit(1e3);
    let first = watch.observe(&w, &g).unwrap()[0].clone();
    assert_eq!((first.weight_norm, first.update_ratio), (5.0, None));
    assert_eq!((first.dead, first.exploding), (0.5, 0.5));
    assert!(first.gradient_norm.is_nan() && first.flow == Flow::Exploding);

    w[[0, 1]] = 0.5;
    let second = &watch.observe(&w, &array![[1.0, 2.0], [2.0, 0.0]]).unwrap()[0];
    assert_eq!((second.update_ratio, second.gradient_norm), (Some(0.1), 3.0));
    assert_eq!((second.root_mean_square(), second.dead, second.exploding), (1.5, 0.25, 0.0));
}

#[test]
fn a_layout_changes_nothing() {
    let a = Array2::from_shape_fn((40, 30), |(i, j)| (i * 31 + j * 17) as f64 % 101.0 - 50.0);
    let b = a.mapv(|x| x * 1.01 + 0.1);
    let turned = |a: &Array2<f64>| a.t().as_standard_layout().into_owned().reversed_axes();
    let mut plain = GradientFlow::new();
    plain.observe(&a, &b).unwrap();
    let plain = plain.observe(&b, &a).unwrap()[0].clone();
    for (first, second) in
        [(a.clone(), turned(&b)), (turned(&a), b.clone()), (turned(&a), turned(&b))]
    {
        let mut watch = GradientFlow::new();
        watch.observe(&first, &b).unwrap();
        let leaf = &watch.observe(&second, &turned(&a)).unwrap()[0];
        let close = |x: f64, y: f64| (x / y - 1.0).abs() < 1e-14;
        assert!(close(leaf.gradient_norm, plain.gradient_norm));
        assert!(close(leaf.update_ratio.unwrap(), plain.update_ratio.unwrap()));
        assert_eq!(leaf.dead, plain.dead);
    }
    let wide = Array2::from_shape_fn((40, 60), |(i, j)| a[[i, j / 2]]);
    let gaps = wide.slice(ndarray::s![.., ..;2]);
    let mut watch = GradientFlow::new();
    assert!(
        (watch.observe(&gaps, &gaps).unwrap()[0].gradient_norm / plain.gradient_norm - 1.0).abs()
            < 1e-13
    );
}

#[test]
fn an_observation_after_the_first_allocates_nothing() {
    let (weights, gradients) = (layers(1.1), layers(2.0));
    let mut watch = GradientFlow::new();
    watch.observe(&weights, &gradients).unwrap();
    let before = allocations();
    for _ in 0..10 {
        watch.observe(&weights, &gradients).unwrap();
    }
    assert_eq!(allocations(), before);
    let _counts = Box::new(before);
    assert_eq!(allocations(), before + 1);
}

#[test]
fn other_leaves_are_refused_and_what_was_known_stays() {
    let mut watch = GradientFlow::new();
    watch.observe(&layers(1.0), &layers(1.0)).unwrap();
    let known = watch.leaves().to_vec();
    let error = watch.observe(&array![1.0], &array![1.0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Leaves { .. }));
    let mut other = layers(3.0);
    other[2].1 = Array1::zeros(7);
    let error = watch.observe(&layers(2.0), &other).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::GradientShape { .. }));
    assert_eq!(watch.leaves(), known);
    let none: Vec<Array1<f64>> = Vec::new();
    assert!(GradientFlow::new().observe(&none, &none).is_err());
    assert!(
        GradientFlow::<f64>::new()
            .exploding_limit(0.0)
            .observe(&array![1.0], &array![1.0])
            .is_err()
    );

    // No entries, and no gradient at all.
    let empty = (Array2::<f64>::zeros((0, 3)), Array2::<f64>::zeros((2, 2)));
    let mut watch = GradientFlow::new();
    let leaves = watch.observe(&empty, &empty).unwrap();
    assert_eq!((leaves[0].dead, leaves[1].dead), (0.0, 1.0));
    assert_eq!(watch.flow(), Flow::Healthy);
}
