//! Leaves that are frozen, thawed and treated in other ways.

use thalweg::{Adafactor, Change, ErrorKind, Optimizer, Pattern, Schedule, Shampoo, Soap};

use super::support::{Model, all, builds, model};

fn freeze(optimizer: &mut dyn Optimizer<f64>, leaves: &str, frozen: bool) {
    optimizer.change_group(leaves.into(), Change::new().frozen(frozen)).unwrap();
}

/// Gradients with NaN in that leaf.
fn spoilt(seed: u64, leaf: &str) -> Model<f64> {
    let mut g = model(seed);
    g.get_mut(leaf).unwrap().fill(f64::NAN);
    g
}

#[test]
fn a_frozen_leaf_stays_and_moves_as_in_an_optimizer_of_its_own_when_it_is_thawed() {
    for (name, build) in builds::<f64>() {
        for leaf in ["tall", "bias"] {
            let (mut optimizer, mut w) = (build(0.1.into()), model::<f64>(1));
            freeze(&mut *optimizer, leaf, true);
            for seed in 10..14 {
                assert!(!optimizer.treatment(leaf, w[leaf].shape()).trained);
                optimizer.step(&mut w, &spoilt(seed, leaf)).unwrap();
                assert_eq!(w[leaf], model::<f64>(1)[leaf]);
            }
            freeze(&mut *optimizer, leaf, false);
            let (mut fresh, mut alone) = (build(0.1.into()), model::<f64>(1));
            for seed in 14..18 {
                optimizer.step(&mut w, &model(seed)).unwrap();
                fresh.step(&mut alone, &model(seed)).unwrap();
                assert_eq!(w[leaf], alone[leaf], "{name} {leaf}");
                assert_eq!(optimizer.steps(), seed - 9);
            }
            // Frozen once more it keeps its state, and goes on from it.
            freeze(&mut *optimizer, leaf, true);
            let kept = w[leaf].clone();
            optimizer.step(&mut w, &spoilt(18, leaf)).unwrap();
            assert_eq!(w[leaf], kept);
            freeze(&mut *optimizer, leaf, false);
            optimizer.step(&mut w, &model(19)).unwrap();
            fresh.step(&mut alone, &model(19)).unwrap();
            assert_eq!(w[leaf], alone[leaf], "{name} {leaf}");
        }
    }
}

/// Whether it is an Adafactor that keeps an average of its steps.
fn has_momentum(optimizer: Box<dyn Optimizer<f64>>) -> bool {
    optimizer.name() == "Adafactor" && !format!("{optimizer:?}").contains("momentum: 0.0")
}

#[test]
fn factors_schedules_and_numbers_are_of_the_leaves_of_a_group() {
    for (name, build) in all::<f64>() {
        for at_first in [true, false] {
            // Adafactor's momentum is of steps, rate and all: it remembers another one.
            if !at_first && has_momentum(build(0.1.into())) {
                continue;
            }
            let (mut one, mut w) = (build(0.2.into()), model::<f64>(1));
            let (mut slow, mut v) = (build(0.1.into()), model::<f64>(1));
            if !at_first {
                one.step(&mut w, &model(2)).unwrap();
                slow.step(&mut v, &model(2)).unwrap();
                v = w.clone();
            }
            one.change_group("s*".into(), Change::new().rate_factor(0.5)).unwrap();
            one.change_group("*l".into(), Change::new().schedule(0.1)).unwrap();
            for seed in 3..8 {
                one.step(&mut w, &model(seed)).unwrap();
                slow.step(&mut v, &model(seed)).unwrap();
            }
            for (leaf, w) in w.iter().filter(|(_, w)| !w.is_empty()) {
                let off = w.iter().zip(&v[leaf]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                let is_slow = leaf.starts_with('s') || leaf.ends_with('l');
                // The paper's convention and PyTorch's have one relative step for both after a while.
                assert!(if is_slow { off < 1e-12 } else { off > 1e-6 }, "{name} {leaf}: {off:e}");
            }
        }
    }
    let set = |name: &str, value| Change::new().set(name, value);
    let mut grouped = Shampoo::new(0.1)
        .weight_decay(0.5)
        .group("tall", set("beta1", 0.5))
        .group(Pattern::rank_at_most(1), set("weight_decay", 0.0));
    let mut half = Shampoo::new(0.1).weight_decay(0.5).beta1(0.5);
    let mut plain = Shampoo::new(0.1);
    let [mut w, mut v, mut u] = [(); 3].map(|()| model::<f64>(1));
    for seed in 2..7 {
        grouped.step(&mut w, &model(seed)).unwrap();
        half.step(&mut v, &model(seed)).unwrap();
        plain.step(&mut u, &model(seed)).unwrap();
    }
    assert_eq!((&w["tall"], &w["bias"]), (&v["tall"], &u["bias"]));
    assert!(w["square"] != v["square"] && w["square"] != u["square"]);
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let nothing = |kind: &ErrorKind| matches!(kind, ErrorKind::GroupMatchesNothing { .. });
    let unknown = |kind: &ErrorKind| matches!(kind, ErrorKind::UnknownHyperparameter { known, .. } if known.iter().any(|name| name == "weight_decay"));
    let range = |kind: &ErrorKind| matches!(kind, ErrorKind::Hyperparameter { .. });
    type Case<'c> = (&'c str, Change, &'c dyn Fn(&ErrorKind) -> bool);
    let cases: [Case<'_>; 6] = [
        ("absent", Change::new().frozen(true), &nothing),
        ("tall", Change::new().set("beta7", 0.5), &unknown),
        ("tall", Change::new().set("epsilon", -0.5), &range),
        ("tall", Change::new().set("weight_decay", -0.5), &range),
        ("tall", Change::new().rate_factor(f64::NAN), &range),
        ("tall", Change::new().rate_factor(-1.0), &range),
    ];
    for (name, build) in all::<f64>() {
        for (leaves, change, is) in &cases {
            // Once the leaves are known it is said at once.
            let (mut optimizer, mut w) = (build(0.1.into()), model::<f64>(1));
            optimizer.step(&mut w, &model(2)).unwrap();
            let before = optimizer.state();
            let error = optimizer.change_group((*leaves).into(), change.clone()).unwrap_err();
            assert!(is(error.kind()), "{name}: {error}");
            assert_eq!(optimizer.state(), before);
            optimizer.step(&mut w, &model(3)).unwrap();
        }
    }
    // What waits for the leaves is said by the first step, which then is none.
    let mut grouped = Adafactor::<f64>::new(0.1).group("absent", Change::new().frozen(true));
    let (mut w, before) = (model::<f64>(1), grouped.state());
    for _ in 0..2 {
        let error = grouped.step(&mut w, &model(2)).unwrap_err();
        assert!(nothing(error.kind()), "{error}");
        assert_eq!((&w, grouped.state()), (&model(1), before.clone()));
    }
    let unknown_number = Adafactor::<f64>::new(0.1).group("*", Change::new().set("rho", 1.0));
    assert!(unknown(unknown_number.validate().unwrap_err().kind()));
}

#[test]
fn a_number_that_changes_what_is_kept_begins_that_anew() {
    let (mut adafactor, mut w) = (Adafactor::<f64>::new(0.1), model::<f64>(1));
    adafactor.step(&mut w, &model(2)).unwrap();
    let rows = adafactor.slot("tall", "rows").unwrap().clone();
    adafactor.change_group("tall".into(), Change::new().set("momentum", 0.5)).unwrap();
    assert_eq!(adafactor.slot("tall", "rows"), Some(&rows));
    assert!(adafactor.slot("tall", "m").unwrap().values.iter().all(|m| *m == 0.0));
    adafactor.step(&mut w, &model(3)).unwrap();
    assert!(adafactor.slot("tall", "m").unwrap().values.iter().any(|m| *m != 0.0));
    assert!(adafactor.slot("square", "m").is_none());
    let mut resumed = Adafactor::<f64>::new(0.1);
    resumed.load_state(&adafactor.state()).unwrap();
    assert_eq!(resumed.state(), adafactor.state());
    // So does one of the optimizer's own, from when it is set on.
    let adafactor = adafactor.momentum(0.9);
    let mut resumed = Adafactor::<f64>::new(0.1).momentum(0.9);
    resumed.load_state(&adafactor.state()).unwrap();
    let (mut one, mut other) = (adafactor, resumed);
    let mut v = w.clone();
    one.step(&mut w, &model(4)).unwrap();
    other.step(&mut v, &model(4)).unwrap();
    assert_eq!((&w, one.state()), (&v, other.state()));
}

#[test]
fn a_schedule_of_a_group_that_goes_wrong_stops_the_step() {
    let bad = Schedule::from(|step: u64| if step == 3 { -1.0 } else { 0.1 });
    let mut soap = Soap::<f64>::new(0.1).group("tall", Change::new().schedule(bad));
    let mut w = model::<f64>(1);
    (2..4).for_each(|seed| _ = soap.step(&mut w, &model(seed)).unwrap());
    let (before, kept) = (soap.state(), w.clone());
    let error = soap.step(&mut w, &model(4)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::LearningRate { step: 3, .. }), "{error}");
    assert_eq!((soap.state(), w), (before, kept));
}

/// By hand: another number before each step.
#[test]
fn a_scheduled_hyperparameter_is_the_number_of_its_step() {
    use thalweg::Schedule;
    let value = |step: u64| 0.9 - 0.05 * step as f64;
    let mut scheduled = Soap::<f64>::new(0.1)
        .every(2)
        .scheduled("beta1", Schedule::custom("falls", value))
        .scheduled("weight_decay", |step: u64| 0.1 * step as f64)
        .group("square", Change::new().set("beta1", 0.5));
    let mut by_hand = Soap::<f64>::new(0.1).every(2);
    let (mut w, mut expected) = (model::<f64>(1), model::<f64>(1));
    for step in 1..8 {
        by_hand
            .change_group(
                Pattern::from("*"),
                Change::new().set("beta1", value(step)).set("weight_decay", 0.1 * step as f64),
            )
            .unwrap();
        by_hand.change_group("square".into(), Change::new().set("beta1", 0.5)).unwrap();
        scheduled.step(&mut w, &model(10 + step)).unwrap();
        by_hand.step(&mut expected, &model(10 + step)).unwrap();
        super::support::assert_same_bits(&w, &expected);
    }
    // A value out of its range stops the run before anything is written; an unknown name at once.
    let mut leaves = Soap::<f64>::new(0.1).scheduled("beta1", |step: u64| step as f64 / 2.0);
    leaves.step(&mut w, &model(1)).unwrap();
    let before = (w.clone(), leaves.state());
    assert!(leaves.step(&mut w, &model(2)).is_err());
    assert_eq!((&w, &leaves.state()), (&before.0, &before.1));
    let error = Soap::<f64>::new(0.1).scheduled("beta7", 0.5).validate().unwrap_err();
    assert!(error.to_string().contains("weight_decay"), "{error}");
    let mut other = Soap::<f64>::new(0.1).scheduled("beta1", 0.5);
    assert!(other.load_state(&scheduled.state()).is_err());
}

#[test]
fn gradients_are_centralized_and_noisy_as_those_of_elementwise_rules_are() {
    use thalweg::regularize::{GradientNoise, Units};
    // What is added is told by the elementwise engine: SGD at a rate of 1 from 0, climbing.
    let noise = GradientNoise::annealed(0.3, 0.55).seed(4);
    let mut told = thalweg::Sgd::<f64>::new(1.0).maximize(true);
    told = told.centralized(Units::FirstAxis).gradient_noise(noise);
    let mut ours = Soap::<f64>::new(0.1).centralized(Units::FirstAxis).gradient_noise(noise);
    let mut plain = Soap::<f64>::new(0.1);
    let (mut w, mut expected) = (model::<f64>(1), model::<f64>(1));
    for step in 0..4 {
        let g = model::<f64>(10 + step);
        let mut changed = g.clone();
        changed.values_mut().for_each(|leaf| leaf.fill(0.0));
        told.step(&mut changed, &g).unwrap();
        ours.step(&mut w, &g).unwrap();
        plain.step(&mut expected, &changed).unwrap();
        super::support::assert_same_bits(&w, &expected);
    }
}
