//! What stands around the metric: damping, trust region, momentum, groups, states.

use ndarray::{Array2, array};
use thalweg::natural_gradient::{
    Dense, Diagonal, Empirical, Exact, Kfac, MatrixFree, Metric, NaturalGradient, PushThrough,
    QuasiDiagonal, UnitWise, WhiteUnitWise,
};
use thalweg::{ErrorKind, Momentum, NonFinite, Optimizer, Schedule, Sgd, State};

use super::support::*;

type Quadratic = NaturalGradient<f64, MatrixFree<f64, Array2<f64>>>;

fn quadratic(rate: f64, damping: f64) -> Quadratic {
    NaturalGradient::new(rate, MatrixFree::new(damping, 1e-13, 50))
}

#[test]
fn a_trust_region_bounds_the_square_length_and_leaves_shorter_steps_alone() {
    let f = array![[3.0, 1.0], [1.0, 2.0]];
    let g = array![1.0, -4.0];
    let length = |delta: f64| {
        let mut w = array![0.0, 0.0];
        let mut natural = quadratic(0.5, 0.1).trust_region(delta);
        natural.observe(&w, f.clone()).unwrap();
        natural.step(&mut w, &g).unwrap();
        (0.5 * w.dot(&f.dot(&w)), w)
    };
    let (free, _) = length(1e9);
    let (bound, w) = length(free / 9.0);
    assert!((bound / (free / 9.0) - 1.0).abs() < 1e-12);
    assert!((length(2.0 * free).0 - free).abs() < 1e-12);
    // A third as long in the same direction.
    assert!((w * 3.0 - length(1e9).1).iter().all(|d| d.abs() < 1e-12));
}

#[test]
fn damping_follows_its_schedule() {
    let mut natural = NaturalGradient::new(1.0, Diagonal::<f64, Empirical>::new(7.0))
        .damping(Schedule::constant(3.0).then(1, 1.0));
    let mut w = array![0.0];
    let rows = array![[1.0]];
    for expected in [-0.5, -1.5] {
        let batch = thalweg::natural_gradient::Batch::of_gradients(rows.clone()).unwrap();
        natural.observe(&w, batch).unwrap();
        natural.step(&mut w, &array![2.0]).unwrap();
        assert_eq!(w[0], expected);
    }
    assert_eq!(natural.metric().damping(), 1.0);
}

#[test]
fn damping_follows_how_well_the_model_foretells_the_loss() {
    // f = ½wᵀFw exactly: the model with damping promises a little less than happens.
    let f = array![[3.0, 1.0], [1.0, 2.0]];
    let loss = |w: &ndarray::Array1<f64>| 0.5 * w.dot(&f.dot(w));
    let mut w = array![1.0, -1.0];
    let mut natural = quadratic(1.0, 0.5).levenberg_marquardt(0.5);
    natural.observe(&w, f.clone()).unwrap();
    let (before, start) = (loss(&w), w.clone());
    natural.step(&mut w, &f.dot(&start)).unwrap();
    let move_ = &w - &start;
    let promise = 0.5 * move_.dot(&(f.dot(&move_) + 0.5 * &move_)) + f.dot(&start).dot(&move_);
    let ratio = natural.report(before, loss(&w)).unwrap();
    assert!((ratio - (loss(&w) - before) / promise).abs() < 1e-12 && ratio > 0.75);
    assert_eq!(natural.metric().damping(), 0.25);
    let error = natural.report(before, before).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::OutOfTurn { .. }));

    for (after, damping) in [(before, 0.5), (f64::NAN, 1.0), (before + 1.0, 2.0)] {
        natural.observe(&w, f.clone()).unwrap();
        natural.step(&mut w, &array![1.0, 1.0]).unwrap();
        natural.report(before, after).unwrap();
        assert_eq!(natural.metric().damping(), damping);
    }
    // Between ¼ and ¾ it stays.
    natural.observe(&w, f.clone()).unwrap();
    let start = w.clone();
    natural.step(&mut w, &array![1.0, 1.0]).unwrap();
    let move_ = &w - &start;
    let promise = 0.5 * move_.dot(&(f.dot(&move_) + 2.0 * &move_)) + move_.sum();
    assert!((natural.report(0.0, 0.5 * promise).unwrap() - 0.5).abs() < 1e-12);
    assert_eq!(natural.metric().damping(), 2.0);
    assert!(quadratic(1.0, 0.5).report(1.0, 0.5).is_err());
}

#[test]
fn length_and_momentum_minimize_the_quadratic_model() {
    // Diagonal directions, whole curvature: the mix must beat every other mix.
    #[derive(Debug, Clone)]
    struct Crude(Array2<f64>);
    impl Metric<f64> for Crude {
        type Statistics = Array2<f64>;
        fn name(&self) -> &'static str {
            "Crude"
        }
        fn observe(
            &mut self,
            _: &thalweg::params::Flatten,
            _: &dyn thalweg::Params<f64>,
            f: Array2<f64>,
        ) -> Result<(), thalweg::Error> {
            self.0 = f;
            Ok(())
        }
        fn apply(
            &mut self,
            _: &thalweg::params::Flatten,
            x: &[f64],
            y: &mut [f64],
        ) -> Result<(), thalweg::Error> {
            y.copy_from_slice(&times(&self.0, x));
            Ok(())
        }
        fn apply_inverse(
            &mut self,
            _: &thalweg::params::Flatten,
            g: &[f64],
            d: &mut [f64],
        ) -> Result<(), thalweg::Error> {
            (0..g.len()).for_each(|i| d[i] = g[i] / (self.0[[i, i]] + 0.1));
            Ok(())
        }
        fn damping(&self) -> f64 {
            0.1
        }
        fn set_damping(&mut self, _: f64) {}
        fn forget(&mut self) {}
        fn save(&self, _: &mut thalweg::state::Record) {}
        fn load(
            &mut self,
            _: Option<&thalweg::params::Flatten>,
            _: &thalweg::state::Record,
        ) -> Result<(), thalweg::Error> {
            Ok(())
        }
    }
    let f = array![[3.0, 1.0, 0.2], [1.0, 2.0, -0.4], [0.2, -0.4, 1.0]];
    let mut w = array![1.0, -1.0, 2.0];
    let mut natural = NaturalGradient::new(1.0, Crude(Array2::zeros((3, 3)))).quadratic_model();
    let mut steps: Vec<ndarray::Array1<f64>> = Vec::new();
    for _ in 0..3 {
        natural.observe(&w, f.clone()).unwrap();
        let (before, g) = (w.clone(), f.dot(&w));
        natural.step(&mut w, &g).unwrap();
        let step = &w - &before;
        let model = |s: &ndarray::Array1<f64>| 0.5 * s.dot(&(f.dot(s) + 0.1 * s)) + g.dot(s);
        let d = ndarray::Array1::from_shape_fn(3, |i| -g[i] / (f[[i, i]] + 0.1));
        let h = steps.last().cloned().unwrap_or_else(|| ndarray::Array1::zeros(3));
        for (a, b) in [(1e-3, 0.0), (-1e-3, 0.0), (0.0, 1e-3), (0.0, -1e-3)] {
            let other = &step + &(&d * a) + &(&h * b);
            assert!(model(&step) <= model(&other) + 1e-15);
        }
        steps.push(step);
    }
}

#[test]
fn the_optimizer_inside_brings_its_schedule_groups_and_clipping() {
    let (net, (x, classes)) = (Net::new(1), data(8, 2));
    let g = net.gradient(&x, &classes);
    let observe = |natural: &mut NaturalGradient<f64, UnitWise<f64, Exact>, _>, net: &Net| {
        let outputs = Exact::categorical(&net.scores(&x)).unwrap();
        natural.observe(net, net.batch(&x, &outputs).unwrap()).unwrap();
    };
    let inner = Sgd::new(1.0).group("b*", |group| group.frozen(true)).clip_norm(0.25);
    let mut natural = NaturalGradient::around(inner, UnitWise::new(1e-2));
    let mut moved = net.clone();
    observe(&mut natural, &moved);
    let info = natural.step(&mut moved, &g).unwrap();
    assert!(info.grad_norm.unwrap() > 0.25);
    assert_eq!((&moved.b1, &moved.b2), (&net.b1, &net.b2));
    assert!(moved.w1 != net.w1 && moved.w2 != net.w2);
    let square = |a: &Array2<f64>, b: &Array2<f64>| (a - b).iter().map(|d| d * d).sum::<f64>();
    let length = (square(&moved.w1, &net.w1) + square(&moved.w2, &net.w2)).sqrt();
    assert!(length <= 0.25 + 1e-12, "{length}");

    let mut boxed: Box<dyn Optimizer<f64>> = Box::new(natural);
    assert_eq!((boxed.name(), boxed.steps(), boxed.learning_rate()), ("NaturalGradient", 1, 1.0));
    boxed.set_learning_rate(0.5).unwrap();
    assert_eq!(boxed.learning_rate(), 0.5);
    boxed.reset();
    assert_eq!(boxed.steps(), 0);
    assert!(matches!(
        boxed.step(&mut moved, &g).unwrap_err().kind(),
        ErrorKind::NoStatistics { steps: None }
    ));
}

/// Three steps, a state, two more; the same two from the state.
fn resumes<M, O>(
    make: impl Fn() -> NaturalGradient<f64, M, O>,
    statistics: impl Fn(&Net) -> M::Statistics,
    reobserve: bool,
) where
    M: Metric<f64>,
    O: Optimizer<f64>,
{
    let (x, classes) = data(8, 2);
    let mut net = Net::new(1);
    let mut first = make();
    let step = |optimizer: &mut NaturalGradient<f64, M, O>, net: &mut Net| {
        let g = net.gradient(&x, &classes);
        optimizer.step(net, &g).unwrap();
    };
    for _ in 0..3 {
        first.observe(&net, statistics(&net)).unwrap();
        step(&mut first, &mut net);
    }
    first.observe(&net, statistics(&net)).unwrap();
    let (saved, state): (Net, State) = (net.clone(), first.state());
    step(&mut first, &mut net);
    first.observe(&net, statistics(&net)).unwrap();
    step(&mut first, &mut net);

    let (mut resumed, mut second) = (saved, make());
    second.load_state(&state).unwrap();
    assert_eq!(second.state(), state);
    state.check_leaves(&resumed).unwrap();
    if reobserve {
        second.observe(&resumed, statistics(&resumed)).unwrap();
    }
    step(&mut second, &mut resumed);
    second.observe(&resumed, statistics(&resumed)).unwrap();
    step(&mut second, &mut resumed);
    assert_eq!(net, resumed);
}

#[test]
fn a_resumed_run_gives_the_same_bits() {
    let (x, classes) = data(8, 2);
    let exact = |net: &Net| net.batch(&x, &Exact::categorical(&net.scores(&x)).unwrap()).unwrap();
    let empirical = |net: &Net| {
        net.batch(&x, &Empirical::categorical(&net.scores(&x), &classes).unwrap()).unwrap()
    };
    resumes(
        || NaturalGradient::new(0.1, Dense::new(1e-2).decay(0.5)),
        |net| exact(net).into(),
        false,
    );
    resumes(|| NaturalGradient::new(0.1, Diagonal::new(1e-2).decay(0.5)), exact, false);
    resumes(|| NaturalGradient::new(0.1, UnitWise::new(1e-2).decay(0.5)), exact, false);
    resumes(|| NaturalGradient::new(0.1, QuasiDiagonal::new(1e-2).decay(0.5)), exact, false);
    resumes(|| NaturalGradient::new(0.1, WhiteUnitWise::new(1e-2).decay(0.5)), exact, false);
    resumes(|| NaturalGradient::new(0.1, PushThrough::new(1e-2)), empirical, false);
    resumes(|| NaturalGradient::new(0.1, PushThrough::new(1e-2)), exact, false);
    resumes(
        || {
            NaturalGradient::around(Momentum::new(0.1), Kfac::new(1e-2).inverse_every(3))
                .damping(Schedule::exponential(1e-1, 0.9, 1))
                .trust_region(1e-2)
                .quadratic_model()
        },
        exact,
        false,
    );
    resumes(
        || NaturalGradient::new(0.1, MatrixFree::new(1e-2, 1e-4, 7)),
        |net| exact(net).bind(&net.layout()).unwrap(),
        true,
    );
}

#[test]
fn a_state_of_another_metric_or_setting_is_refused_and_changes_nothing() {
    let (x, _) = data(8, 2);
    let net = Net::new(1);
    let exact = || net.batch(&x, &Exact::categorical(&net.scores(&x)).unwrap()).unwrap();
    let mut kfac = NaturalGradient::new(0.1, Kfac::new(1e-2));
    kfac.observe(&net, exact()).unwrap();
    let state = kfac.state();
    let mut units = NaturalGradient::new(0.2, UnitWise::new(1e-1));
    units.observe(&net, exact()).unwrap();
    let before = units.state();
    assert!(matches!(units.load_state(&state).unwrap_err().kind(), ErrorKind::StateDiffers { .. }));
    assert_eq!(units.state(), before);
    let mut other = NaturalGradient::new(0.1, Kfac::<f64, Exact>::new(1e-2).inverse_every(2));
    assert!(matches!(other.load_state(&state).unwrap_err().kind(), ErrorKind::StateDiffers { .. }));
    let mut other = NaturalGradient::new(0.1, Kfac::<f64, Empirical>::new(1e-2));
    assert!(matches!(other.load_state(&state).unwrap_err().kind(), ErrorKind::StateDiffers { .. }));
    let mut other = NaturalGradient::around(Momentum::new(0.1), Kfac::<f64, Exact>::new(0.5));
    assert!(other.load_state(&state).is_err());
    assert_eq!(other.metric().damping(), 0.5);
    assert_eq!(other.metric().factors().len(), 0);
}

#[test]
fn a_gradient_that_is_not_finite_follows_the_policy_inside() {
    let f = array![[3.0, 1.0], [1.0, 2.0]];
    let bad = array![f64::NAN, 1.0];
    let mut w = array![1.0, 1.0];
    let mut natural = quadratic(1.0, 0.1);
    natural.observe(&w, f.clone()).unwrap();
    let error = natural.step(&mut w, &bad).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NonFiniteGradient { .. }));
    assert_eq!((w.clone(), natural.steps()), (array![1.0, 1.0], 0));

    let inner = Sgd::new(1.0).non_finite(NonFinite::Skip);
    let mut natural = NaturalGradient::around(inner, MatrixFree::new(0.1, 1e-13, 50));
    natural.observe(&w, f).unwrap();
    assert!(natural.step(&mut w, &bad).unwrap().skipped);
    assert_eq!((w.clone(), natural.skipped()), (array![1.0, 1.0], 1));
    // The statistics were not used.
    natural.step(&mut w, &array![1.0, 1.0]).unwrap();
    assert!(w[0] < 1.0);
}

#[test]
fn inverses_are_kept_until_the_kth_batch() {
    let (x, _) = data(8, 2);
    let (y, _) = data(8, 3);
    let net = Net::new(1);
    let batch =
        |x: &Array2<f64>| net.batch(x, &Exact::categorical(&net.scores(x)).unwrap()).unwrap();
    let g = vector(net.len(), 4);
    let layout = net.layout();
    let mut kfac = Kfac::new(1e-2).inverse_every(2);
    kfac.observe(&layout, &net, batch(&x)).unwrap();
    let first = inverse(&mut kfac, &layout, &g);
    kfac.observe(&layout, &net, batch(&y)).unwrap();
    assert_eq!(first, inverse(&mut kfac, &layout, &g));
    kfac.observe(&layout, &net, batch(&y)).unwrap();
    assert_ne!(first, inverse(&mut kfac, &layout, &g));
}
