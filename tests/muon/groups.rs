//! Leaves that are frozen, thawed and slowed amid training.

use ndarray::ArrayD;
use thalweg::train::{Accumulate, Lookahead};
use thalweg::{AdamW, Change, ErrorKind, Muon, Optimizer, Pattern};

use super::oracle::{Model, model};
use crate::counting::allocations_of;

const BUILDS: [fn() -> Muon<f64>; 3] = [
    || Muon::new(0.1).weight_decay(0.05),
    || Muon::optax(0.05),
    || Muon::torch(0.1).nesterov(false),
];

fn freeze(muon: &mut dyn Optimizer<f64>, leaves: &str, frozen: bool) {
    muon.change_group(leaves.into(), Change::new().frozen(frozen)).unwrap();
}

/// Gradients with NaN in that leaf.
fn spoilt(seed: u64, leaf: &str) -> Model<f64> {
    let mut g = model(seed);
    g.get_mut(leaf).unwrap().fill(f64::NAN);
    g
}

#[test]
fn a_frozen_leaf_stays_and_moves_as_in_an_optimizer_of_its_own_when_it_is_thawed() {
    for build in BUILDS {
        for leaf in ["tall", "square", "bias"] {
            let (mut muon, mut w) = (build(), model::<f64>(1));
            freeze(&mut muon, leaf, true);
            for seed in 10..14 {
                assert!(!muon.treatment(leaf, w[leaf].shape()).trained);
                muon.step(&mut w, &spoilt(seed, leaf)).unwrap();
                assert_eq!(w[leaf], model::<f64>(1)[leaf]);
            }
            freeze(&mut muon, leaf, false);
            let (mut fresh, mut alone) = (build(), model::<f64>(1));
            for seed in 14..18 {
                muon.step(&mut w, &model(seed)).unwrap();
                fresh.step(&mut alone, &model(seed)).unwrap();
                assert_eq!(w[leaf], alone[leaf], "{leaf}");
                assert_eq!(muon.steps(), seed - 9);
            }
            // Frozen once more it keeps its momentum, and goes on from it.
            freeze(&mut muon, leaf, true);
            let kept = w[leaf].clone();
            muon.step(&mut w, &spoilt(18, leaf)).unwrap();
            assert_eq!(w[leaf], kept);
            freeze(&mut muon, leaf, false);
            muon.step(&mut w, &model(19)).unwrap();
            fresh.step(&mut alone, &model(19)).unwrap();
            assert_eq!(w[leaf], alone[leaf], "{leaf}");
        }
    }
}

#[test]
fn a_pattern_of_all_leaves_is_of_matrices_and_others() {
    for at_first in [true, false] {
        let (mut muon, mut w) = (Muon::new(0.1), model::<f64>(1));
        if !at_first {
            muon.step(&mut w, &model(2)).unwrap();
        }
        let start = w.clone();
        freeze(&mut muon, "*", true);
        muon.step(&mut w, &model(3)).unwrap();
        assert_eq!(w, start);
        freeze(&mut muon, "t*", false);
        muon.step(&mut w, &model(4)).unwrap();
        for (name, leaf) in &w {
            assert_eq!(*leaf != start[name], name.starts_with('t'), "{name}");
        }
    }
}

#[test]
fn a_factor_is_of_the_learning_rate_of_a_leaf() {
    let (mut halved, mut w) = (Muon::optax(0.1), model::<f64>(1));
    halved.change_group("*".into(), Change::new().rate_factor(0.5)).unwrap();
    halved.change_group("square".into(), Change::new().rate_factor(1.0)).unwrap();
    let (mut half, mut v) = (Muon::optax(0.05), model::<f64>(1));
    let (mut whole, mut u) = (Muon::optax(0.1), model::<f64>(1));
    for seed in 2..6 {
        halved.step(&mut w, &model(seed)).unwrap();
        half.step(&mut v, &model(seed)).unwrap();
        whole.step(&mut u, &model(seed)).unwrap();
    }
    for (name, leaf) in &w {
        let expected = if name == "square" { &u[name] } else { &v[name] };
        let close = leaf.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14);
        assert!(close, "{name}");
    }
}

#[test]
fn what_a_matrix_has_none_of_is_refused_and_what_matches_nothing() {
    let unsupported = |kind: &ErrorKind| matches!(kind, ErrorKind::Unsupported { .. });
    let nothing = |kind: &ErrorKind| matches!(kind, ErrorKind::GroupMatchesNothing { .. });
    type Case<'c> = (&'c str, Change, &'c dyn Fn(&ErrorKind) -> bool);
    let cases: [Case<'_>; 4] = [
        ("tall", Change::new().schedule(0.5), &unsupported),
        ("*", Change::new().set("beta1", 0.5), &unsupported),
        ("absent", Change::new().frozen(true), &nothing),
        ("absent", Change::new(), &nothing),
    ];
    for (leaves, change, is) in cases {
        // Once the leaves are known it is said at once.
        let (mut muon, mut w) = (Muon::<f64>::new(0.1), model::<f64>(1));
        muon.step(&mut w, &model(2)).unwrap();
        let before = muon.state();
        let error = muon.change_group(leaves.into(), change.clone()).unwrap_err();
        assert!(is(error.kind()), "{error}");
        assert_eq!(muon.state(), before);
        // And else by the first step, which then is none.
        let mut muon = Muon::<f64>::new(0.1);
        freeze(&mut muon, "*", false);
        muon.change_group(leaves.into(), change).unwrap();
        let (before, kept) = (muon.state(), w.clone());
        for _ in 0..2 {
            let error = muon.step(&mut w, &model(2)).unwrap_err();
            assert!(is(error.kind()), "{error}");
            assert_eq!((muon.state(), &w), (before.clone(), &kept));
        }
    }
    let mut muon = Muon::<f64>::new(0.1);
    for factor in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(muon.change_group("*".into(), Change::new().rate_factor(factor)).is_err());
    }
    assert!(muon.change_group("*".into(), Change::new().set("beta7", 0.5)).is_err());
    assert_eq!(muon.state(), Muon::<f64>::new(0.1).state());
    // What is handed on to AdamW for a step that fails comes back.
    freeze(&mut muon, "*", true);
    let before = muon.state();
    let mut more = model::<f64>(1);
    more.insert("more".into(), ArrayD::zeros(vec![2, 2]));
    muon.step(&mut more, &model(1)).unwrap_err();
    assert_eq!(muon.state(), before);
    muon.step(&mut model(1), &spoilt(1, "tall")).unwrap();
}

#[test]
fn a_saved_run_goes_on_to_the_same_bits_whatever_was_changed() {
    type Build = fn() -> Box<dyn Optimizer<f64>>;
    let builds: [Build; 4] = [
        || Box::new(Muon::new(0.1)),
        || {
            Box::new(
                Muon::optax(0.1).with_adamw(AdamW::new(0.1).group("b*", |g| g.rate_factor(0.5))),
            )
        },
        || Box::new(Lookahead::new(Muon::optax(0.05)).period(2)),
        || Box::new(Accumulate::new(Lookahead::new(Muon::torch(0.1)).period(3), 2)),
    ];
    for build in builds {
        let (mut muon, mut w) = (build(), model::<f64>(1));
        for step in 0..16 {
            let change = |leaves: &str, change: Change| Some((Pattern::from(leaves), change));
            let change = match step {
                0 => change("tall", Change::new().frozen(true)),
                3 => change("*", Change::new().rate_factor(0.5)),
                5 => Some((Pattern::rank_at_most(1), Change::new().frozen(true).set("beta1", 0.5))),
                6 => change("*", Change::new().frozen(false)),
                9 => change("square", Change::new().frozen(true)),
                12 => change("square", Change::new().frozen(false).rate_factor(2.0)),
                _ => None,
            };
            if let Some((leaves, change)) = change {
                muon.change_group(leaves, change).unwrap();
            }
            let mut resumed = build();
            resumed.load_state(&muon.state()).unwrap();
            assert_eq!(resumed.state(), muon.state(), "{step}");
            let mut other = w.clone();
            muon.step(&mut w, &model(10 + step)).unwrap();
            resumed.step(&mut other, &model(10 + step)).unwrap();
            assert_eq!(w, other, "{step}");
            assert_eq!(resumed.state(), muon.state(), "{step}");
            muon = resumed;
        }
    }
}

#[test]
fn changes_that_differ_are_not_replaced() {
    let (mut muon, mut w) = (Muon::<f64>::new(0.1), model::<f64>(1));
    freeze(&mut muon, "tall", true);
    muon.step(&mut w, &model(2)).unwrap();
    let state = muon.state();
    for (leaves, change) in [
        ("tall", Change::new().frozen(false)),
        ("tall", Change::new().frozen(true).rate_factor(0.5)),
        ("wide", Change::new().frozen(true)),
    ] {
        let mut other = Muon::<f64>::new(0.1);
        other.change_group(leaves.into(), change).unwrap();
        let before = other.state();
        let error = other.load_state(&state).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::StateDiffers { .. }), "{error}");
        assert_eq!(other.state(), before);
    }
    let mut alike = Muon::<f64>::new(0.1);
    freeze(&mut alike, "tall", true);
    alike.load_state(&state).unwrap();
    assert_eq!(alike.state(), state);
}

#[cfg(feature = "serde")]
#[test]
fn no_count_of_a_matrix_is_more_than_the_steps() {
    let (mut muon, mut w) = (Muon::<f64>::optax(0.1), model::<f64>(1));
    freeze(&mut muon, "tall", true);
    (0..3).for_each(|seed| _ = muon.step(&mut w, &model(seed)).unwrap());
    let value = serde_json::to_value(muon.state()).unwrap();
    let counts = value["records"][0]["counts"].as_object().unwrap();
    let own = counts.keys().find(|name| name.ends_with(".steps")).unwrap();
    for bad in [3, 4, u64::MAX] {
        let mut damaged = value.clone();
        damaged["records"][0]["counts"][own] = bad.into();
        let state: thalweg::State = serde_json::from_value(damaged).unwrap();
        assert!(Muon::<f64>::optax(0.1).load_state(&state).is_err(), "{bad}");
    }
}

#[test]
fn steps_with_frozen_leaves_allocate_nothing() {
    let (mut muon, mut w, g) = (Muon::<f64>::optax(0.1), model::<f64>(1), model(2));
    freeze(&mut muon, "t*", true);
    muon.change_group("*".into(), Change::new().rate_factor(0.5)).unwrap();
    (0..2).for_each(|_| _ = muon.step(&mut w, &g).unwrap());
    let calls = allocations_of(|| (0..5).for_each(|_| _ = muon.step(&mut w, &g).unwrap()));
    assert_eq!(calls, 0);
}
