//! Leaves that are frozen and thawed, calls that fail, and memory.

use ndarray::{Array1, Array2, array};
use thalweg::natural_gradient::{
    Batch, Diagonal, Empirical, Exact, Kfac, MatrixFree, NaturalGradient,
};
use thalweg::train::Lookahead;
use thalweg::{Adam, Average, Change, Optimizer, Pattern};

use super::support::*;
use crate::counting::allocations_of;

type Pair = (Array1<f64>, Array1<f64>);
type Natural<O> = NaturalGradient<f64, Diagonal<f64, Empirical>, O>;

fn build() -> Natural<Lookahead<f64, Adam<f64>>> {
    let adam = Adam::new(0.1).average(Average::ema(0.9));
    NaturalGradient::around(Lookahead::new(adam).period(2), Diagonal::new(0.5)).observe_every(3)
}

fn pair(seed: u64) -> Pair {
    let at = |i: u64| (seed as f64 * 0.7 + i as f64 * 1.9).sin();
    (array![at(0), at(1)], array![at(2), at(3), at(4)])
}

fn observe<O: Optimizer<f64>>(natural: &mut Natural<O>, w: &Pair) {
    let rows = Array2::from_shape_fn((4, 5), |(i, j)| ((i * 5 + j) as f64).cos());
    natural.observe(w, Batch::of_gradients(rows).unwrap()).unwrap();
}

#[test]
fn a_frozen_leaf_stays_and_moves_as_in_an_optimizer_of_its_own_when_it_is_thawed() {
    let (mut natural, mut w) = (build(), pair(1));
    natural.change_group("1".into(), Change::new().frozen(true)).unwrap();
    for seed in 0..6 {
        observe(&mut natural, &w);
        let mut g = pair(seed);
        g.1.fill(f64::NAN);
        natural.step(&mut w, &g).unwrap();
        assert_eq!(w.1, pair(1).1);
    }
    natural.change_group("1".into(), Change::new().frozen(false)).unwrap();
    let (mut fresh, mut alone) = (build(), pair(1));
    for seed in 6..12 {
        let before = natural.state();
        for bad in [(pair(3).0, array![0.0, f64::INFINITY, 0.0]), (pair(3).0, array![0.0])] {
            let kept = w.clone();
            natural.step(&mut w, &bad).unwrap_err();
            assert_eq!((natural.state(), &w), (before.clone(), &kept));
        }
        // What was changed since is part of the state.
        let mut resumed = build();
        resumed.load_state(&before).unwrap();
        assert_eq!(resumed.state(), before);
        natural = resumed;
        observe(&mut natural, &w);
        observe(&mut fresh, &alone);
        natural.step(&mut w, &pair(seed)).unwrap();
        fresh.step(&mut alone, &pair(seed)).unwrap();
        assert_eq!(w.1, alone.1, "{seed}");
    }
    natural.swap_average(&mut w).unwrap();
    fresh.swap_average(&mut alone).unwrap();
    assert_eq!(w.1, alone.1);
}

/// F couples the two leaves; one of them is frozen.
#[test]
fn what_does_not_move_has_no_part_in_lengths_and_promises() {
    let f = array![[3.0, 1.0], [1.0, 2.0]];
    let g = (array![1.0], array![-4.0]);
    let build = |rate: f64| {
        let metric = MatrixFree::<f64, Array2<f64>>::new(0.5, 1e-13, 50);
        let sgd = thalweg::Sgd::new(rate).group("1", |group| group.frozen(true));
        NaturalGradient::around(sgd, metric)
    };
    let start = (array![0.0], array![0.0]);
    // (F + λI)⁻¹(1, 0): the first element is 2.5/(3.5·2.5 - 1).
    let free = 2.5 / 7.75;
    let mut w = start.clone();
    let mut natural = build(1.0).levenberg_marquardt(0.5);
    natural.observe(&w, f.clone()).unwrap();
    natural.step(&mut w, &g).unwrap();
    assert!((w.0[0] + free).abs() < 1e-12 && w.1[0] == 0.0);
    // The model's change is ½·3.5·d² - d; a loss that changes by half of it has the ratio ½.
    let promise = 0.5 * 3.5 * free * free - free;
    assert!((natural.report(1.0, 1.0 + 0.5 * promise).unwrap() - 0.5).abs() < 1e-12);

    let mut w = start;
    let mut natural = build(1.0).trust_region(0.01);
    natural.observe(&w, f).unwrap();
    natural.step(&mut w, &g).unwrap();
    assert!((0.5 * 3.0 * w.0[0] * w.0[0] - 0.01).abs() < 1e-12, "{w:?}");
}

#[test]
fn a_call_that_fails_changes_nothing_of_the_metric_either() {
    let (net, (x, classes)) = (Net::new(1), data(8, 2));
    let g = net.gradient(&x, &classes);
    let adam = Adam::new(0.1).average(Average::swa());
    let mut natural = NaturalGradient::around(adam, Kfac::<f64, Exact>::new(0.1));
    let mut w = net.clone();
    for round in 0..3 {
        let outputs = Exact::categorical(&w.scores(&x)).unwrap();
        natural.observe(&w, w.batch(&x, &outputs).unwrap()).unwrap();
        if round > 0 {
            natural.swap_average(&mut w).unwrap();
            let before = natural.state();
            natural.step(&mut w, &g).unwrap_err();
            assert_eq!(natural.state(), before);
            natural.swap_average(&mut w).unwrap();
        }
        let mut bad = g.clone();
        bad.w2.fill(f64::NAN);
        let (before, kept) = (natural.state(), w.clone());
        natural.step(&mut w, &bad).unwrap_err();
        assert_eq!(natural.state(), before);
        assert!(w.w1 == kept.w1 && w.b2 == kept.b2);
        let vectors = Pattern::rank_at_most(1);
        natural.change_group(vectors, Change::new().frozen(round == 1)).unwrap();
        natural.step(&mut w, &g).unwrap();
        assert_eq!(w.b1 == kept.b1, round == 1);
    }
}

#[test]
fn a_steady_state_step_allocates_nothing() {
    let (mut natural, mut w, g) = (build().observe_every(100), pair(1), pair(2));
    natural.change_group("1".into(), Change::new().frozen(true)).unwrap();
    observe(&mut natural, &w);
    (0..3).for_each(|_| _ = natural.step(&mut w, &g).unwrap());
    let calls = allocations_of(|| (0..6).for_each(|_| _ = natural.step(&mut w, &g).unwrap()));
    assert_eq!(calls, 0);
}
