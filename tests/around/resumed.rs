//! Groups of a saved run: whose values go on, and what was changed on the way.

use ndarray::{Array1, array};
use thalweg::train::{Accumulate, Lookahead};
use thalweg::{AdamW, Change, ErrorKind, Momentum, Optimizer, Pattern, Precedence, Schedule, Sgd};

type Pair = (Array1<f64>, Array1<f64>);

fn pair(a: f64, b: f64) -> Pair {
    (array![a], array![b])
}

/// Gradients of zero: what moves is the decay, w ← w - αλw.
fn decays(optimizer: &mut dyn Optimizer<f64>) -> [f64; 2] {
    let mut w = pair(1.0, 1.0);
    optimizer.step(&mut w, &pair(0.0, 0.0)).unwrap();
    [w.0[0], w.1[0]]
}

fn decaying(base: f64, group: f64) -> AdamW<f64> {
    AdamW::new(1.0).weight_decay(base).group("1", move |g| g.weight_decay(group))
}

#[test]
fn what_was_taken_over_for_a_group_stays_when_groups_change_later() {
    let mut first = decaying(0.5, 0.25);
    decays(&mut first);
    let state = first.state();
    let resume = || {
        let mut resumed = decaying(0.125, 0.0625).precedence(Precedence::Saved);
        resumed.load_state(&state).unwrap();
        resumed
    };
    assert_eq!(decays(&mut resume()), [0.5, 0.75]);
    // By a change of another kind, for both leaves, for each of them, and twice.
    for leaves in ["*", "0", "1"] {
        let mut resumed = resume();
        for _ in 0..2 {
            resumed.change_group(leaves.into(), Change::new().frozen(false)).unwrap();
            assert_eq!(decays(&mut resumed), [0.5, 0.75], "{leaves}");
        }
        let again = resumed.clone().group(leaves, |g| g.rate_factor(0.5)).state();
        let mut twice = resume();
        twice.load_state(&resumed.state()).unwrap();
        assert_eq!(decays(&mut twice), [0.5, 0.75], "{leaves}");
        assert_ne!(again, resumed.state());
    }
    // A change of the same number wins, for it came later; a reset forgets no hyperparameter.
    let mut resumed = resume();
    resumed.reset();
    assert_eq!(decays(&mut resumed), [0.5, 0.75]);
    resumed.change_group("1".into(), Change::new().set("weight_decay", 1.0)).unwrap();
    assert_eq!(decays(&mut resumed), [0.5, 0.0]);
    // What is built here stays that.
    let mut built = decaying(0.125, 0.0625).precedence(Precedence::Built);
    built.load_state(&state).unwrap();
    built.change_group("*".into(), Change::new().frozen(false)).unwrap();
    assert_eq!(decays(&mut built), [0.875, 0.9375]);
}

#[test]
fn taken_over_values_are_of_the_leaves_that_had_them() {
    // Leaf 1 is of both groups, leaf 0 of the first, leaf 2 of none.
    let build = |all: f64, some: f64| {
        AdamW::<f64>::new(1.0)
            .weight_decay(0.5)
            .group(Pattern::of(|leaf, _| leaf != "2"), move |g| g.weight_decay(all))
            .group("1", move |g| g.weight_decay(some))
    };
    let decays = |adamw: &mut AdamW<f64>| {
        let mut w = [array![1.0], array![1.0], array![1.0]];
        adamw.step(&mut w, &[array![0.0], array![0.0], array![0.0]]).unwrap();
        w.map(|w| w[0])
    };
    let mut first = build(0.25, 0.125);
    assert_eq!(decays(&mut first), [0.75, 0.875, 0.5]);
    let mut resumed = build(0.75, 0.0).precedence(Precedence::Saved);
    resumed.load_state(&first.state()).unwrap();
    resumed.change_group("*".into(), Change::new().rate_factor(1.0)).unwrap();
    assert_eq!(decays(&mut resumed), [0.75, 0.875, 0.5]);
}

#[test]
fn whose_learning_rate_a_group_has_is_part_of_a_state() {
    let own = || Sgd::<f64>::new(0.5).group("1", |g| g.schedule(0.5));
    let shared = || Sgd::<f64>::new(0.5).group("1", |g| g.rate_factor(1.0));
    // A rate that is set reaches the one and not the other: 0.25 for both, or 0.5 for the group.
    let rates = |optimizer: &mut Sgd<f64>| {
        let mut w = pair(0.0, 0.0);
        optimizer.step(&mut w, &pair(-1.0, -1.0)).unwrap();
        [w.0[0], w.1[0]]
    };
    let saved = |mut optimizer: Sgd<f64>| {
        rates(&mut optimizer);
        optimizer.set_learning_rate(0.25).unwrap();
        optimizer.state()
    };
    for (state, here, expected) in
        [(saved(own()), shared(), [0.25, 0.5]), (saved(shared()), own(), [0.25, 0.25])]
    {
        let error = here.clone().load_state(&state).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::StateDiffers { .. }), "{error}");
        assert!(error.to_string().contains("learning rate of a group"), "{error}");
        let mut taken = here.clone().precedence(Precedence::Saved);
        taken.load_state(&state).unwrap();
        assert_eq!(rates(&mut taken), expected);
        taken.change_group("1".into(), Change::new().frozen(false)).unwrap();
        assert_eq!(rates(&mut taken), expected);
        let mut built = here.precedence(Precedence::Built);
        built.load_state(&state).unwrap();
        let other = if expected[1] == 0.5 { 0.25 } else { 0.5 };
        assert_eq!(rates(&mut built), [0.25, other]);
    }
}

#[test]
fn what_is_scheduled_here_or_there_alone_goes_on_as_it_is_built_where_that_is_said() {
    let plain = || AdamW::<f64>::new(1.0).weight_decay(0.5);
    let scheduled = || plain().scheduled("weight_decay", Schedule::linear(0.25, 0.25, 10));
    for (from, to, expected) in [(plain(), scheduled(), 0.75), (scheduled(), plain(), 0.5)] {
        let mut from = from;
        decays(&mut from);
        to.clone().load_state(&from.state()).unwrap_err();
        let mut to = to.precedence(Precedence::Built);
        to.load_state(&from.state()).unwrap();
        assert_eq!(decays(&mut to), [expected; 2]);
    }
}

type Build = fn() -> Box<dyn Optimizer<f64>>;

/// An optimizer, alone and in wrappers.
const BUILDS: [Build; 4] = [
    || Box::new(Momentum::new(0.5)),
    || Box::new(Lookahead::new(Momentum::new(0.5)).period(2)),
    || Box::new(Accumulate::new(Momentum::new(0.5), 1)),
    || Box::new(Lookahead::new(Accumulate::new(Box::new(Momentum::new(0.5)), 1)).period(3)),
];

/// What is changed on the way goes on, as a rate does that was set.
#[test]
fn a_change_of_a_group_is_part_of_the_state() {
    let changes: [(Pattern, Change); 6] = [
        ("1".into(), Change::new().frozen(true)),
        ("*".into(), Change::new().rate_factor(0.5).set("momentum", 0.25)),
        ("0".into(), Change::new().schedule(Schedule::linear(0.5, 0.0, 9))),
        (Pattern::rank_at_most(1), Change::new().set("l2", 0.5).set("l2", 0.25)),
        ("1".into(), Change::new().frozen(false)),
        ("?".into(), Change::new()),
    ];
    for build in BUILDS {
        let (mut optimizer, mut w) = (build(), pair(1.0, 2.0));
        let mut step = 0.0;
        let mut next = || {
            step += 1.0;
            pair((step * 0.7_f64).sin(), (step * 0.4_f64).cos())
        };
        for (leaves, change) in changes.clone() {
            for _ in 0..2 {
                optimizer.step(&mut w, &next()).unwrap();
            }
            optimizer.change_group(leaves, change).unwrap();
            // Before the step that follows, and after it.
            for _ in 0..2 {
                let mut resumed = build();
                resumed.load_state(&optimizer.state()).unwrap();
                assert_eq!(resumed.state(), optimizer.state());
                let (g, mut other) = (next(), w.clone());
                resumed.step(&mut other, &g).unwrap();
                optimizer.step(&mut w, &g).unwrap();
                assert_eq!(w, other, "{}", optimizer.name());
                optimizer = resumed;
            }
        }
    }
}

#[test]
fn a_change_that_no_state_can_keep_must_be_made_again() {
    let (mut w, g) = (pair(1.0, 1.0), pair(1.0, 1.0));
    let freeze = |sgd: &mut Sgd<f64>| {
        let first = Pattern::of(|leaf, _| leaf == "0");
        sgd.change_group(first, Change::new().frozen(true)).unwrap();
    };
    let mut sgd = Sgd::new(0.5);
    freeze(&mut sgd);
    sgd.step(&mut w, &g).unwrap();
    let state = sgd.state();
    let mut resumed = Sgd::<f64>::new(0.5);
    let before = resumed.state();
    let error = resumed.load_state(&state).unwrap_err().to_string();
    assert!(error.contains("number of groups"), "{error}");
    assert_eq!(resumed.state(), before);
    freeze(&mut resumed);
    resumed.load_state(&state).unwrap();
    assert_eq!(resumed.state(), state);
    // What was changed here and not there is no state's to undo.
    let plain = {
        let mut sgd = Sgd::<f64>::new(0.5);
        sgd.step(&mut w, &g).unwrap();
        sgd.state()
    };
    assert!(resumed.load_state(&plain).is_err());
    assert_eq!(resumed.state(), state);
}

#[cfg(feature = "serde")]
#[test]
fn a_damaged_change_is_refused() {
    let (mut w, g) = (pair(1.0, 1.0), pair(1.0, 1.0));
    let mut sgd = Sgd::new(0.5);
    let change = Change::new().frozen(false).rate_factor(0.5).set("l2", 0.5).schedule(0.25);
    sgd.change_group("1".into(), change).unwrap();
    sgd.step(&mut w, &g).unwrap();
    let value = serde_json::to_value(sgd.state()).unwrap();
    let load = |value: serde_json::Value| {
        let state: thalweg::State = serde_json::from_value(value).unwrap();
        let mut resumed = Sgd::<f64>::new(0.5);
        let before = resumed.state();
        let loaded = resumed.load_state(&state);
        assert!(loaded.is_ok() || resumed.state() == before);
        loaded
    };
    load(value.clone()).unwrap();
    for (kind, entry, new) in [
        ("counts", "change.0.frozen", serde_json::json!(2)),
        ("counts", "change.0.numbers", serde_json::json!(u64::MAX)),
        ("counts", "change.0.numbers", serde_json::json!(0)),
        ("counts", "groups", serde_json::json!(u64::MAX)),
        ("counts", "groups", serde_json::json!(0)),
        ("counts", "groups", serde_json::json!(2)),
        ("counts", "change.1.numbers", serde_json::json!(0)),
        ("counts", "change.0.what", serde_json::json!(0)),
        ("numbers", "change.0.rate_factor", serde_json::json!("-1.0")),
        ("numbers", "change.0.rate_factor", serde_json::json!("NaN")),
        ("numbers", "change.0.rate_factor", serde_json::json!("0.25")),
        ("numbers", "change.0.number.0", serde_json::json!("-1.0")),
        ("texts", "change.0.number.0", serde_json::json!("l3")),
        ("texts", "group.0", serde_json::json!("2")),
        ("texts", "group.0", serde_json::json!("0")),
    ] {
        let mut damaged = value.clone();
        damaged["records"][0][kind][entry] = new.clone();
        assert!(load(damaged).is_err(), "{entry}: {new}");
    }
}
