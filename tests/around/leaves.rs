//! What is true of a leaf belongs to the leaf: its clock, its average, whether it is trained.

use crate::LOSS;
use ndarray::{Array1, array};
use thalweg::{
    Adam, AdamW, Average, Change, Entry, ErrorKind, Momentum, Nesterov, NonFinite, Optimizer,
    Pattern, Precedence, RmsProp, Schedule, ScheduleFreeAdamW, Settings, Sgd, catalog,
    schedule::OneCycle,
};

type Pair = (Array1<f64>, Array1<f64>);

fn pair(a: f64, b: f64) -> Pair {
    (array![a], array![b])
}

/// Freezes the second leaf, or thaws it.
fn freeze(optimizer: &mut dyn Optimizer<f64>, frozen: bool) {
    optimizer.change_group("1".into(), Change::new().frozen(frozen)).unwrap();
}

fn build(entry: &Entry<f64>, settings: Settings) -> Box<dyn Optimizer<f64>> {
    entry.build(entry.learning_rate, settings)
}

/// Gradients that change from step to step.
fn gradient(step: u64) -> f64 {
    0.25 + ((step * 7919) % 13) as f64 / 10.0
}

#[test]
fn a_thawed_leaf_moves_as_in_an_optimizer_of_its_own() {
    // Sums over all leaves are of others too.
    for entry in catalog::<f64>().iter().filter(|entry| !entry.couples_leaves) {
        for average in [None, Some(Average::ema(0.9)), Some(Average::swa())] {
            let mut settings = Settings::default();
            settings.average = average;
            let mut optimizer = build(entry, settings.clone());
            freeze(&mut *optimizer, true);
            let mut w = pair(1.0, 2.0);
            for step in 0..40 {
                optimizer.step(&mut w, &pair(gradient(step), f64::NAN)).unwrap();
            }
            assert_eq!(w.1[0], 2.0, "{}", entry.name);
            freeze(&mut *optimizer, false);
            let mut fresh = build(entry, settings);
            let mut alone = array![2.0];
            for step in 40..60 {
                // It joins amid a run: saved and loaded, it goes on to the same bits.
                if step == 45 {
                    let state = optimizer.state();
                    let mut resumed = build(entry, state_settings(average));
                    freeze(&mut *resumed, true);
                    freeze(&mut *resumed, false);
                    resumed.load_state(&state).unwrap();
                    assert_eq!(resumed.state(), state, "{}", entry.name);
                    optimizer = resumed;
                }
                let g = gradient(step);
                optimizer.step(&mut w, &pair(g, g)).unwrap();
                fresh.step(&mut alone, &array![g]).unwrap();
                assert_eq!(w.1[0].to_bits(), alone[0].to_bits(), "{} at {step}", entry.name);
            }
            if average.is_some() {
                optimizer.swap_average(&mut w).unwrap();
                fresh.swap_average(&mut alone).unwrap();
                assert_eq!(w.1[0], alone[0], "{}", entry.name);
            }
        }
    }
}

fn state_settings(average: Option<Average>) -> Settings {
    let mut settings = Settings::default();
    settings.average = average;
    settings
}

#[test]
fn a_constant_gradient_moves_a_thawed_leaf_by_the_rate() {
    let mut adam = Adam::new(1e-3).group("1", |backbone| backbone.frozen(true));
    let (mut w, g) = (pair(0.0, 0.0), pair(1.0, 1.0));
    for _ in 0..5000 {
        adam.step(&mut w, &g).unwrap();
    }
    let mut adam = adam.group("1", |backbone| backbone.frozen(false));
    for _ in 0..20 {
        let before = w.1[0];
        adam.step(&mut w, &g).unwrap();
        assert!(((before - w.1[0]) / 1e-3 - 1.0).abs() < 1e-6);
    }
}

#[test]
fn a_schedule_goes_by_the_optimizers_step() {
    let rate = Schedule::linear(1.0, 0.0, 10);
    let mut sgd = Sgd::new(rate).group("1", |g| g.frozen(true));
    let (mut w, g) = (pair(0.0, 0.0), pair(-1.0, -1.0));
    for _ in 0..4 {
        sgd.step(&mut w, &g).unwrap();
    }
    let mut sgd = sgd.group("1", |g| g.frozen(false));
    sgd.step(&mut w, &g).unwrap();
    assert!((w.1[0] - 0.6).abs() < 1e-15);
}

#[test]
fn an_average_begins_at_its_leaf_and_goes_on_where_the_leaf_is_frozen_later() {
    let zero = pair(0.0, 0.0);
    for average in [
        Average::ema(0.999),
        Average::swa(),
        Average::ema(0.9).debiased(),
        Average::ema(0.9).ramped(),
    ] {
        let mut w = pair(5.0, 5.0);
        let mut sgd = Sgd::new(0.1).average(average).group("1", |g| g.frozen(true));
        for _ in 0..100 {
            sgd.step(&mut w, &zero).unwrap();
        }
        let mut sgd = sgd.group("1", |g| g.frozen(false));
        for _ in 0..10 {
            sgd.step(&mut w, &zero).unwrap();
        }
        sgd.swap_average(&mut w).unwrap();
        assert!((w.0[0] - 5.0).abs() < 1e-14 && (w.1[0] - 5.0).abs() < 1e-14, "{average:?}: {w:?}");
    }
    let mut w = pair(5.0, 5.0);
    let mut sgd = Sgd::new(0.5).average(Average::ema(0.9));
    sgd.step(&mut w, &zero).unwrap();
    sgd.step(&mut w, &pair(2.0, 2.0)).unwrap(); // both are 4 now
    freeze(&mut sgd, true);
    for _ in 0..400 {
        sgd.step(&mut w, &zero).unwrap();
    }
    sgd.swap_average(&mut w).unwrap();
    assert!((w.0[0] - 4.0).abs() < 1e-12 && w.0 == w.1, "{w:?}");
}

#[test]
fn a_leaf_frozen_before_an_average_began_is_saved_and_loaded() {
    let late = |o: Momentum<f64>| o.average(Average::swa()).group("0", |g| g.frozen(true));
    let (mut w, g) = (pair(1.0, 1.0), pair(1.0, 1.0));
    let mut o = Momentum::new(0.1);
    o.step(&mut w, &g).unwrap();
    let mut o = late(o);
    o.step(&mut w, &g).unwrap();
    let mut resumed = late(Momentum::new(0.1));
    resumed.load_state(&o.state()).unwrap();
    let mut other = w.clone();
    o.step(&mut w, &g).unwrap();
    resumed.step(&mut other, &g).unwrap();
    assert_eq!(w, other);
    assert_eq!(o.state(), resumed.state());
}

#[test]
fn a_beta_that_changes_is_corrected_by_the_product_of_all() {
    let mut adam =
        Adam::new(1e-3).beta2(0.99).scheduled("beta1", OneCycle::momentum(0.95, 0.85, 100));
    let mut w = array![0.0_f64];
    for step in 0..100 {
        let before = w[0];
        adam.step(&mut w, &array![1.0]).unwrap();
        assert!(((before - w[0]) / 1e-3 - 1.0).abs() < 1e-7, "{step}");
    }
}

#[test]
fn a_step_on_settled_parameters_is_an_error_and_settling_twice_is() {
    let g = array![1.0];
    let mut free = (array![1.0], ScheduleFreeAdamW::new(0.05));
    let mut ahead = (array![1.0], Nesterov::new(0.05));
    for _ in 0..5 {
        free.1.step(&mut free.0, &g).unwrap();
        ahead.1.step(&mut ahead.0, &g).unwrap();
    }
    macro_rules! check {
        ($w:expr, $optimizer:expr) => {{
            let (w, optimizer) = (&mut $w, &mut $optimizer);
            let before = w.clone();
            let out_of_turn = optimizer.unsettle(w).unwrap_err();
            assert!(matches!(out_of_turn.kind(), ErrorKind::OutOfTurn { .. }));
            optimizer.settle(w).unwrap();
            let settled = w.clone();
            assert_ne!(settled, before);
            for error in [
                optimizer.step(w, &g).unwrap_err(),
                optimizer.settle(w).unwrap_err(),
                optimizer.swap_average(w).unwrap_err(),
            ] {
                assert!(matches!(error.kind(), ErrorKind::Settled), "{error}");
            }
            assert_eq!(*w, settled);
            let mut loaded = optimizer.clone();
            loaded.load_state(&optimizer.state()).unwrap();
            assert!(loaded.step(w, &g).is_err());
            optimizer.unsettle(w).unwrap();
            assert!((&*w - &before).iter().all(|d: &f64| d.abs() < 1e-15));
            optimizer.step(w, &g).unwrap();
        }};
    }
    check!(free.0, free.1);
    check!(ahead.0, ahead.1);
}

#[test]
fn a_reset_while_the_average_is_in_place_loses_nothing() {
    let (mut w, mut sgd) = (array![1.0_f64], Sgd::new(0.1).average(Average::swa()));
    for _ in 0..5 {
        let g = 2.0 * &w;
        sgd.step(&mut w, &g).unwrap();
    }
    let trained = w.clone();
    sgd.swap_average(&mut w).unwrap();
    sgd.reset();
    assert_eq!(sgd.steps(), 0);
    let mut resumed = Sgd::new(0.1).average(Average::swa());
    resumed.load_state(&sgd.state()).unwrap();
    assert!(sgd.step(&mut w, &array![1.0]).is_err());
    for mut optimizer in [sgd, resumed] {
        let mut w = w.clone();
        optimizer.swap_average(&mut w).unwrap();
        assert_eq!(w, trained);
        optimizer.step(&mut w, &array![1.0]).unwrap();
        assert_eq!(optimizer.steps(), 1);
    }
}

#[test]
fn an_average_that_is_no_longer_set_can_still_be_swapped_out() {
    let (mut w, mut sgd) = (array![1.0_f64], Sgd::new(0.1).average(Average::swa()));
    for _ in 0..3 {
        sgd.step(&mut w, &array![1.0]).unwrap();
    }
    let trained = w.clone();
    sgd.swap_average(&mut w).unwrap();
    let mut sgd = sgd.with_settings(Settings::default());
    sgd.swap_average(&mut w).unwrap();
    assert_eq!(w, trained);
    sgd.step(&mut w, &array![1.0]).unwrap();
    assert!(matches!(sgd.swap_average(&mut w).unwrap_err().kind(), ErrorKind::NoAverage));
}

#[test]
fn what_a_saved_run_was_built_with_is_never_replaced_in_silence() {
    let mut w = array![1.0_f64];
    let built =
        |steps: u64, beta2: f64| AdamW::<f64>::new(Schedule::cosine(1e-3, 0.0, steps)).beta2(beta2);
    let mut first = built(100, 0.999);
    first.step(&mut w, &array![1.0]).unwrap();
    let state = first.state();
    let error = built(100, 0.95).load_state(&state).unwrap_err().to_string();
    assert!(
        error.contains("beta2") && error.contains("0.999") && error.contains("0.95"),
        "{error}"
    );
    let error = built(1000, 0.999).load_state(&state).unwrap_err().to_string();
    assert!(error.contains("100") && error.contains("1000"), "{error}");

    let mut longer = built(1000, 0.95).precedence(Precedence::Built);
    longer.load_state(&state).unwrap();
    assert_eq!(longer.learning_rate(), Schedule::cosine(1e-3, 0.0, 1000).at(2));
    let mut saved = built(1000, 0.95).precedence(Precedence::Saved);
    saved.load_state(&state).unwrap();
    assert_eq!(saved.learning_rate(), first.learning_rate());
    assert_eq!(saved.state(), state);
    let mut by_name = built(1000, 0.999).precedence_of("learning_rate", Precedence::Built);
    by_name.load_state(&state).unwrap();
    assert!(
        built(1000, 0.95).precedence_of("beta2", Precedence::Saved).load_state(&state).is_err()
    );

    // Groups are treated alike; the numbers of a convention are printed.
    let grouped = |rate: f64| AdamW::<f64>::new(0.1).group("*", move |g| g.schedule(rate));
    let mut first = grouped(0.1);
    first.step(&mut w, &array![1.0]).unwrap();
    assert!(grouped(0.2).load_state(&first.state()).is_err());
    grouped(0.2).precedence(Precedence::Built).load_state(&first.state()).unwrap();
    let error = AdamW::<f64>::keras(0.1).load_state(&state).unwrap_err().to_string();
    assert!(error.contains("1e-7") && error.contains("1e-8"), "{error}");

    // A rate that was set since is no difference.
    let mut set = built(100, 0.999);
    set.step(&mut w, &array![1.0]).unwrap();
    set.set_learning_rate(0.5).unwrap();
    set.scale_rate(0.5).unwrap();
    let mut resumed = built(100, 0.999);
    resumed.load_state(&set.state()).unwrap();
    assert_eq!(resumed.learning_rate(), 0.25);
}

#[test]
fn the_leaves_of_a_predicate_are_part_of_a_state() {
    let build = |index: &'static str| {
        Sgd::<f64>::new(0.1).group(move |n: &str| n == index, |g| g.rate_factor(0.5))
    };
    let mut sgd = build("1");
    sgd.step(&mut pair(1.0, 1.0), &pair(1.0, 1.0)).unwrap();
    build("1").load_state(&sgd.state()).unwrap();
    assert!(build("0").load_state(&sgd.state()).is_err());
}

#[test]
fn groups_go_by_shape_and_by_rank() {
    let mut w = (array![[1.0]], array![1.0]);
    let mut adamw = AdamW::new(0.1)
        .weight_decay(0.5)
        .group(Pattern::rank_at_most(1), |vectors| vectors.weight_decay(0.0));
    adamw.step(&mut w, &(array![[0.0]], array![0.0])).unwrap();
    assert_eq!((w.0[[0, 0]], w.1[0]), (0.95, 1.0));
}

#[test]
fn a_square_that_overflows_is_refused_or_skipped_and_no_element_dies() {
    for entry in catalog::<f32>() {
        let dies = |policy: NonFinite, size: f32| {
            let mut settings = Settings::default();
            settings.non_finite = policy;
            let mut optimizer = entry.build(entry.learning_rate, settings);
            let mut w = array![1.0_f32, 1.0];
            let first = optimizer.step_with_loss(&mut w, &array![1.0, size], LOSS);
            let refused = match &first {
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::LargeGradient { .. }), "{error}");
                    assert_eq!(w, array![1.0, 1.0]);
                    true
                }
                Ok(info) => info.skipped,
            };
            let state = optimizer.state();
            let _ = state;
            for _ in 0..3 {
                optimizer.step_with_loss(&mut w, &array![1.0, 1.0], LOSS).unwrap();
            }
            (refused, w[1].is_finite())
        };
        for policy in [NonFinite::Reject, NonFinite::Skip] {
            // Below the limit no square overflows, however many are averaged.
            assert_eq!(dies(policy, 4e18), (false, true), "{}", entry.name);
            for size in [1e20, -3e38] {
                let (refused, finite) = dies(policy, size);
                assert!(finite, "{} at {size}", entry.name);
                const NONE: [&str; 18] = [
                    "sgd",
                    "momentum",
                    "nesterov",
                    "adamax",
                    "lion",
                    "lars",
                    "sign-sgd",
                    "signum",
                    "rprop",
                    "optimistic-gradient",
                    "fromage",
                    "schedule-free-sgd",
                    "novograd",
                    "dog",
                    "ldog",
                    "dowg",
                    "polyak-step",
                    "momo",
                ];
                let squares = !NONE.contains(&entry.name);
                assert_eq!(refused, squares, "{} at {size}", entry.name);
            }
        }
    }
    // Clipped, it is a gradient like any other.
    let (mut w, mut rms) = (array![1.0_f32, 1.0], RmsProp::new(1e-3).clip_norm(1.0));
    rms.step(&mut w, &array![1e20, 1.0]).unwrap();
    assert!(rms.slot("", "s").unwrap().iter().all(|s| s.is_finite()));
}

/// Where squares are added up, the sum passes the largest number sooner or later.
#[test]
fn an_element_lives_on_however_many_large_gradients_it_gets() {
    for entry in catalog::<f32>() {
        for size in [4e18_f32, 9e18] {
            let mut optimizer = entry.build(1e-3, Settings::default());
            for step in 0..300 {
                let mut w = array![0.0_f32, 0.0];
                let before = w.clone();
                if optimizer.step_with_loss(&mut w, &array![size, -size], LOSS).is_err() {
                    assert_eq!((step, &w), (0, &before), "{}", entry.name);
                    break;
                }
                // ADOPT only looks at its first gradient.
                let moved = before[0] != w[0] || entry.name == "adopt" && step == 0;
                assert!(moved && w[0].is_finite(), "{} at {step}: {w}", entry.name);
            }
        }
    }
    // By the formula as long as it is a number: √s is 4e18·√t.
    let (mut w, mut adagrad) = (array![0.0_f32], thalweg::AdaGrad::new(1.0));
    for step in 1..=20 {
        let before = w[0];
        adagrad.step(&mut w, &array![4e18]).unwrap();
        let expected = f32::max((step as f32).sqrt().recip(), 4e18 / f32::MAX.sqrt());
        assert!(((before - w[0]) / expected - 1.0).abs() < 1e-5, "{step}");
    }
}

#[test]
fn a_rate_that_is_set_reaches_all_that_follow_the_base_and_a_scale_reaches_all() {
    let mut sgd = Sgd::new(1.0).group("1", |g| g.schedule(0.1));
    let (mut w, g) = (pair(0.0, 0.0), pair(-1.0, -1.0));
    sgd.scale_rate(0.01).unwrap();
    sgd.step(&mut w, &g).unwrap();
    assert_eq!((w.0[0], w.1[0]), (0.01, 0.1 * 0.01));
    let mut sgd = Sgd::new(1.0).group("1", |g| g.rate_factor(0.5));
    let mut w = pair(0.0, 0.0);
    sgd.step(&mut w, &g).unwrap();
    sgd.set_learning_rate(0.25).unwrap();
    sgd.step(&mut w, &g).unwrap();
    assert_eq!((w.0[0], w.1[0]), (1.25, 0.625));
}

#[test]
fn setting_the_rate_and_scheduled_numbers_allocate_nothing() {
    use crate::counting::allocations_of;
    let leaves = || (0..20).map(|i| Array1::<f64>::ones(i + 1)).collect::<Vec<_>>();
    let (mut w, g) = (leaves(), leaves());
    let mut adam = Adam::new(1e-3)
        .scheduled("beta1", OneCycle::momentum(0.95, 0.85, 100))
        .scheduled("l2", Schedule::linear(0.1, 0.0, 50))
        .group("1*", |g| g.rate_factor(0.5));
    for _ in 0..3 {
        adam.step(&mut w, &g).unwrap();
    }
    let calls = allocations_of(|| {
        for step in 0..10 {
            adam.set_learning_rate(1e-3 / f64::from(step + 1)).unwrap();
            adam.step(&mut w, &g).unwrap();
        }
    });
    assert_eq!(calls, 0);
}

#[test]
fn an_error_after_a_change_of_groups_leaves_all_as_it_was() {
    let (mut w, g) = (pair(1.0, 1.0), pair(1.0, 1.0));
    let mut adam = Adam::new(0.1).average(Average::swa());
    freeze(&mut adam, true);
    for _ in 0..3 {
        adam.step(&mut w, &g).unwrap();
    }
    freeze(&mut adam, false);
    let (state, before) = (adam.state(), w.clone());
    for bad in [pair(f64::NAN, 1.0), pair(1.0, f64::INFINITY)] {
        adam.step(&mut w, &bad).unwrap_err();
        assert_eq!((&w, adam.state()), (&before, state.clone()));
    }
    let mut clean = Adam::new(0.1).average(Average::swa());
    freeze(&mut clean, true);
    freeze(&mut clean, false);
    clean.load_state(&state).unwrap();
    let mut other = w.clone();
    adam.step(&mut w, &g).unwrap();
    clean.step(&mut other, &g).unwrap();
    assert_eq!(w, other);
}

/// A matrix that Muon orthogonalizes, and a vector that its AdamW moves.
fn muon_model() -> (ndarray::Array2<f64>, Array1<f64>) {
    (array![[1.0, 0.0], [0.0, 1.0]], array![0.0])
}

#[test]
fn a_rate_that_is_set_reaches_both_halves_of_a_muon_of_one_rate() {
    let mut muon: Box<dyn Optimizer<f64>> = Box::new(thalweg::Muon::optax(0.1));
    muon.set_learning_rate(0.0).unwrap();
    let (mut m, g) = (muon_model(), (muon_model().0, array![1.0]));
    muon.step(&mut m, &g).unwrap();
    assert_eq!(m, muon_model());
    // With a rate of its own AdamW keeps it; a factor reaches it too.
    let mut muon = thalweg::Muon::<f64>::new(0.1);
    muon.set_learning_rate(0.0).unwrap();
    muon.scale_rate(0.5).unwrap();
    muon.step(&mut m, &g).unwrap();
    assert_eq!(m.0, muon_model().0);
    assert!((m.1[0] + 0.5 * 3e-4).abs() < 1e-9);
    let mut resumed = thalweg::Muon::<f64>::new(0.1);
    resumed.load_state(&muon.state()).unwrap();
    assert_eq!(resumed.state(), muon.state());
    assert!(thalweg::Muon::<f64>::new(0.2).load_state(&muon.state()).is_err());
}

#[test]
fn a_muon_keeps_its_momenta_when_a_schedule_panics() {
    let adamw = AdamW::new(Schedule::custom("faulty", |step| {
        assert!(step != 3, "of the user");
        1e-3
    }));
    let mut muon = thalweg::Muon::<f64>::new(0.1).with_adamw(adamw);
    let (mut m, g) = (muon_model(), (muon_model().0, array![1.0]));
    for _ in 0..2 {
        muon.step(&mut m, &g).unwrap();
    }
    let before = muon.state();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| muon.step(&mut m, &g)));
    assert!(caught.is_err());
    assert_eq!(muon.state(), before);
}
