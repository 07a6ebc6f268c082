use ndarray::{Array1, Array2, array};
use thalweg::natural_gradient::{
    Batch, Dense, DenseLayer, Diagonal, Empirical, Exact, Kfac, MatrixFree, Metric,
    NaturalGradient, Outputs, PushThrough, QuasiDiagonal, UnitWise, WhiteUnitWise,
};
use thalweg::{ErrorKind, Optimizer};

use super::support::*;

type Rows = Batch<f64, Empirical>;

fn outputs(x: &Array2<f64>, net: &Net) -> Outputs<f64, Exact> {
    Exact::categorical(&net.scores(x)).unwrap()
}

/// The step is refused as singular, and nothing has changed.
fn is_singular<M: Metric<f64>>(metric: M, statistics: M::Statistics) {
    let (x, classes) = data(3, 2);
    let net = Net::new(1);
    let mut natural = NaturalGradient::new(0.1, metric);
    natural.observe(&net, statistics).unwrap();
    let (before, mut moved) = (natural.state(), net.clone());
    let error = natural.step(&mut moved, &net.gradient(&x, &classes)).unwrap_err();
    let name = natural.metric().name();
    assert!(matches!(error.kind(), ErrorKind::NotPositiveDefinite { .. }), "{name}: {error}");
    assert!(error.to_string().contains("damping"));
    assert_eq!((moved, natural.steps()), (net, 0));
    assert_eq!(natural.state(), before, "{name}");
}

#[test]
fn a_singular_matrix_without_damping_is_refused() {
    let (x, _) = data(3, 2);
    let net = Net::new(1);
    let batch = || net.batch(&x, &outputs(&x, &net)).unwrap();
    is_singular(Dense::new(0.0), batch().into());
    is_singular(PushThrough::new(0.0), batch());
    is_singular(UnitWise::new(0.0), batch());
    is_singular(Kfac::new(0.0), batch());
    // A unit that never answers has a diagonal of zeros.
    let dead = || {
        let x = Array2::zeros((3, INPUTS));
        let h = Array2::zeros((3, HIDDEN));
        let (d1, d2) = (Array2::zeros((3, HIDDEN)), Array2::ones((3, CLASSES)));
        Batch::<f64, Exact>::of_layers(vec![
            DenseLayer::new("w1", x, d1).bias("b1"),
            DenseLayer::new("w2", h, d2).bias("b2"),
        ])
        .unwrap()
    };
    is_singular(Diagonal::new(0.0), dead());
    is_singular(QuasiDiagonal::new(0.0), dead());
    is_singular(WhiteUnitWise::new(0.0), dead());
    let zeros = Array2::<f64>::zeros((net.len(), net.len()));
    is_singular(MatrixFree::new(0.0, 1e-10, 100), zeros);
}

#[test]
fn a_step_without_statistics_or_with_used_ones_is_refused() {
    let mut w = array![1.0, 1.0];
    let g = array![1.0, 2.0];
    let mut natural = NaturalGradient::new(0.1, Diagonal::<f64, Empirical>::new(1.0));
    let error = natural.step(&mut w, &g).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoStatistics { steps: None }), "{error}");
    natural.observe(&w, Rows::of_gradients(array![[1.0, 2.0]]).unwrap()).unwrap();
    natural.step(&mut w, &g).unwrap();
    let before = w.clone();
    let error = natural.step(&mut w, &g).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoStatistics { steps: Some(1) }), "{error}");
    assert_eq!((before, natural.steps()), (w.clone(), 1));

    let mut natural =
        NaturalGradient::new(0.1, Diagonal::<f64, Empirical>::new(1.0)).observe_every(3);
    natural.observe(&w, Rows::of_gradients(array![[1.0, 2.0]]).unwrap()).unwrap();
    (0..3).for_each(|_| assert!(natural.step(&mut w, &g).is_ok()));
    assert!(natural.step(&mut w, &g).is_err());
}

#[test]
fn no_samples_and_values_that_are_not_finite_are_refused() {
    let empty = Rows::of_gradients(Array2::zeros((0, 2))).unwrap_err();
    assert!(matches!(empty.kind(), ErrorKind::EmptyBatch { .. }));
    let layer = |x: Array2<f64>, d| Rows::of_layers(vec![DenseLayer::new("", x, d)]);
    let empty = layer(Array2::zeros((0, 2)), Array2::zeros((0, 1))).unwrap_err();
    assert!(matches!(empty.kind(), ErrorKind::EmptyBatch { .. }));
    assert!(matches!(Rows::of_layers(vec![]).unwrap_err().kind(), ErrorKind::EmptyBatch { .. }));
    let none = Exact::categorical(&Array2::<f64>::zeros((0, 3))).unwrap_err();
    assert!(matches!(none.kind(), ErrorKind::EmptyBatch { .. }));

    let nan = Rows::of_gradients(array![[1.0, 2.0], [3.0, f64::NAN]]).unwrap_err();
    assert!(matches!(nan.kind(), ErrorKind::NonFiniteStatistic { index: 3, .. }), "{nan}");
    for (a, d) in [(f64::INFINITY, 1.0), (1.0, f64::NAN)] {
        let bad = layer(array![[a]], array![[d]]).unwrap_err();
        assert!(matches!(bad.kind(), ErrorKind::NonFiniteStatistic { index: 0, .. }), "{bad}");
    }
    let scores = array![[1.0, f64::NAN]];
    assert!(Exact::categorical(&scores).is_err() && Exact::bernoulli(&scores).is_err());
    assert!(Exact::gaussian(&scores, 1.0).is_err());
    assert!(Exact::gaussian(&array![[1.0]], 0.0).is_err());
    assert!(Empirical::categorical(&scores, &[0]).is_err());
    assert!(Empirical::categorical(&array![[1.0, 0.0]], &[2]).is_err());
}

#[test]
fn squares_that_overflow_are_refused_and_the_statistics_before_stay() {
    let w = array![0.0, 0.0];
    let layout = thalweg::params::Flatten::of(&w).unwrap();
    let good = || Rows::of_gradients(array![[1.0, 2.0]]).unwrap();
    let huge = || Rows::of_gradients(array![[1e200, 2.0]]).unwrap();
    macro_rules! check {
        ($($metric:expr),*) => {$(
            let mut metric = $metric;
            metric.observe(&layout, &w, good().into()).unwrap();
            let before = inverse(&mut metric, &layout, &[1.0, 1.0]);
            let error = metric.observe(&layout, &w, huge().into()).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::NonFiniteStatistic { .. }), "{error}");
            assert_eq!(inverse(&mut metric, &layout, &[1.0, 1.0]), before);
        )*};
    }
    check!(Dense::new(1.0).decay(0.5), Diagonal::new(1.0).decay(0.5), PushThrough::new(1.0));
}

#[test]
fn a_layer_that_was_never_observed_is_named() {
    let (x, _) = data(3, 2);
    let net = Net::new(1);
    let layers = net.layers(&x, &outputs(&x, &net).passes()[0]);
    let batch = Batch::<f64, Exact>::of_layers(layers[..1].to_vec()).unwrap();
    let mut natural = NaturalGradient::new(0.1, Kfac::new(1e-3));
    let error = natural.observe(&net, batch).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotObserved { leaf } if leaf == "w2"), "{error}");

    let mut strange = layers.clone();
    strange.push(DenseLayer::new("w3", x.clone(), x.clone()));
    let error = natural.observe(&net, Batch::of_layers(strange).unwrap()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnknownLeaf { leaf, .. } if leaf == "w3"), "{error}");

    let twice = vec![layers[0].clone(), layers[1].clone(), layers[1].clone()];
    let error = natural.observe(&net, Batch::of_layers(twice).unwrap()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::DuplicateLeaf { leaf, .. } if leaf == "w2"));

    // Whole gradients say nothing of layers.
    let whole = Batch::of_gradients(Array2::ones((2, net.len()))).unwrap();
    let error = natural.observe(&net, whole).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::OutOfTurn { .. }), "{error}");
    assert!(matches!(
        natural.step(&mut net.clone(), &net).unwrap_err().kind(),
        ErrorKind::NoStatistics { steps: None }
    ));
}

#[test]
fn wrong_shapes_are_refused() {
    let (x, classes) = data(3, 2);
    let net = Net::new(1);
    let is_shape = |error: thalweg::Error| {
        assert!(matches!(error.kind(), ErrorKind::Shape { .. }), "{error}");
    };
    is_shape(
        Rows::of_layers(vec![DenseLayer::new("", x.clone(), Array2::zeros((2, 1)))]).unwrap_err(),
    );
    let layers = net.layers(&x, &outputs(&x, &net).passes()[0]);
    let short = DenseLayer::new("w2", Array2::zeros((2, HIDDEN)), Array2::zeros((2, CLASSES)));
    is_shape(Rows::of_layers(vec![layers[0].clone(), short]).unwrap_err());
    is_shape(Empirical::gaussian(&array![[1.0]], &array![[1.0, 2.0]], 1.0).unwrap_err());

    let mut dense = NaturalGradient::new(0.1, Dense::<f64, Exact>::new(1.0));
    is_shape(dense.observe(&net, Array2::<f64>::eye(3).into()).unwrap_err());
    is_shape(
        dense.observe(&net, Batch::of_gradients(Array2::ones((2, 5))).unwrap().into()).unwrap_err(),
    );
    let mut free = NaturalGradient::new(0.1, MatrixFree::new(1.0, 1e-6, 10));
    let error = free.observe(&net, Array2::<f64>::eye(3)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Size { found: 3, .. }));

    // A layer of another width than the leaf.
    let wide = DenseLayer::new("w1", Array2::zeros((3, 7)), Array2::zeros((3, HIDDEN))).bias("b1");
    let mut kfac = NaturalGradient::new(0.1, Kfac::<f64, Exact>::new(1.0));
    is_shape(
        kfac.observe(&net, Batch::of_layers(vec![wide, layers[1].clone()]).unwrap()).unwrap_err(),
    );

    // A second model, and gradients of another shape.
    let batch = net.batch(&x, &outputs(&x, &net)).unwrap();
    kfac.observe(&net, batch.clone()).unwrap();
    let mut other = (Array2::<f64>::zeros((2, 2)), Array1::<f64>::zeros(2));
    let copy = other.clone();
    assert!(kfac.step(&mut other, &copy).is_err());
    assert!(kfac.observe(&other, batch).is_err());
    let mut bad = net.gradient(&x, &classes);
    bad.b2 = Array1::zeros(7);
    let mut moved = net.clone();
    let error = kfac.step(&mut moved, &bad).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::GradientShape { .. }));
    assert_eq!(moved, net);
    assert!(kfac.step(&mut moved, &net.gradient(&x, &classes)).is_ok());
}

#[test]
fn settings_out_of_range_are_refused() {
    let w = array![1.0];
    let rows = || Rows::of_gradients(array![[1.0]]).unwrap();
    let with = |damping| NaturalGradient::new(0.1, Diagonal::<f64, Empirical>::new(damping));
    for damping in [-1.0, f64::NAN, f64::INFINITY] {
        let error = with(damping).observe(&w, rows()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name: "damping", .. }));
        assert!(with(damping).validate().is_err());
    }
    assert!(with(1.0).trust_region(0.0).validate().is_err());
    assert!(with(1.0).levenberg_marquardt(1.0).validate().is_err());
    assert!(with(1.0).levenberg_marquardt(f64::NAN).validate().is_err());
    assert!(with(1.0).observe_every(0).validate().is_err());
    assert!(with(1.0).validate().is_ok());
    let metric = Diagonal::<f64, Empirical>::new(1.0).decay(1.0);
    let error = NaturalGradient::new(0.1, metric).observe(&w, rows()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name: "decay", .. }));
    let mut scheduled = with(1.0).damping(|step: u64| if step > 1 { -1.0 } else { 1.0 });
    let mut w = array![1.0];
    scheduled.observe(&w, rows()).unwrap();
    scheduled.step(&mut w, &array![1.0]).unwrap();
    scheduled.observe(&w, rows()).unwrap();
    assert!(scheduled.step(&mut w, &array![1.0]).is_err());
    assert_eq!((scheduled.steps(), scheduled.metric().damping()), (1, 1.0));
    let mut free = NaturalGradient::new(0.1, MatrixFree::new(1.0, f64::NAN, 10));
    assert!(free.observe(&w, array![[1.0]]).is_err());
    let mut free = NaturalGradient::new(0.1, MatrixFree::new(1.0, 1e-3, 0));
    assert!(free.observe(&w, array![[1.0]]).is_err());
}
