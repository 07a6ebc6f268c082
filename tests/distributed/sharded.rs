//! State and update in parts: the bits of one process, and its checkpoints.

use ndarray::array;
use thalweg::distributed::{DataParallel, Sharded, Solo, Threads};
use thalweg::regularize::Units;
use thalweg::train::{Accumulate, Lookahead};
use thalweg::{
    Adafactor, Adam, AdamW, Average, Change, ErrorKind, Lbfgs, Muon, NonFinite, Optimizer, Pattern,
    Scalar, Schedule, Sgd, Shampoo, Sm3, Soap, State, catalog,
};

use super::support::{
    KINDS, Kind, Many, Model, Seen, bits, by_units, every_setting, gradient, model, on_ranks, seen,
    steps_alone,
};
use crate::LOSS;

const STEPS: usize = 4;
const SHARDS: usize = 6;

type Plain = fn() -> Box<dyn Optimizer<f32>>;
type Build<F> = Box<dyn Fn() -> Box<dyn Optimizer<F>> + Send + Sync>;

/// What a run of one process sees, and the state that it ends with.
fn alone<F: Scalar>(build: &Build<F>, shards: usize) -> (Vec<Seen>, State) {
    let mut optimizer = Accumulate::new(build(), shards as u64);
    let mut w = model::<F>(1);
    let step = |step| {
        let info = steps_alone(&mut optimizer, &mut w, step, shards);
        seen(&w, info)
    };
    let run = (0..STEPS).map(step).collect();
    (run, optimizer.inner().state())
}

#[track_caller]
fn check<F: Scalar>(what: &str, build: Build<F>, kinds: &[Kind], sizes: &[usize]) {
    let build = std::sync::Arc::new(build);
    let expected = alone(&build, SHARDS);
    for &kind in kinds {
        for &size in sizes {
            let build = build.clone();
            let runs = on_ranks(size, move |ranks| {
                let mut many = Many::new(kind, build(), ranks, SHARDS);
                let mut w = model::<F>(1);
                let mut run = Vec::new();
                for step in 0..STEPS {
                    let info = many.steps(&mut w, step)?;
                    run.push(seen(&w, info));
                }
                Ok((run, many.whole_state()?))
            });
            for (run, state) in runs.unwrap_or_else(|error| panic!("{what} {kind:?}: {error}")) {
                for (step, (found, expected)) in run.iter().zip(&expected.0).enumerate() {
                    assert_eq!(found.info, expected.info, "{what} {kind:?} {size} {step}");
                    let same = found.parameters == expected.parameters;
                    assert!(same, "{what} {kind:?} on {size} at step {step}");
                }
                assert!(state == expected.1, "{what} {kind:?} on {size}: the state");
            }
        }
    }
}

fn every_rule<F: Scalar>() {
    for entry in catalog::<F>() {
        for (name, settings) in every_setting() {
            // What is summed over a leaf in the order of its memory is, with blocks, summed in that of its index.
            if name == "compact8" && entry.couples {
                continue;
            }
            let build: Build<F> = Box::new(move || entry.build(0.03, settings.clone()));
            check(&format!("{} {name}", entry.name), build, &KINDS[1..], &[1, 2, 3]);
        }
        let build: Build<F> = Box::new(move || entry.build(0.03, by_units()));
        let kinds = [Kind::Sharded(None), KINDS[2]];
        check(&format!("{} by units", entry.name), build, &kinds, &[2, 3]);
    }
}

#[test]
fn every_rule_f32() {
    every_rule::<f32>();
}

#[test]
fn every_rule_f64() {
    every_rule::<f64>();
}

fn grouped<F: Scalar>() -> Box<dyn Optimizer<F>> {
    let adamw = AdamW::new(Schedule::cosine(0.05, 0.0, 20).warm_up(3))
        .clip_norm(0.7)
        .average(Average::ema(0.9))
        .scheduled("weight_decay", Schedule::linear(0.1, 0.0, 9))
        // A part of a matrix is a list, and no bias.
        .group(Pattern::rank_at_most(1), |group| group.weight_decay(0.0))
        .group("b.*", |group| group.rate_factor(0.5))
        .group(Pattern::of(|_, shape| shape == [30, 71]), |group| group.beta1(0.8));
    Box::new(adamw.group("a.bias", |group| group.frozen(true)))
}

#[test]
fn groups_go_by_the_leaves_and_not_by_their_parts() {
    check::<f32>("groups", Box::new(grouped), &KINDS, &[1, 2, 3, 4, 6]);
    check::<f64>("groups", Box::new(grouped), &KINDS, &[2, 5]);
}

#[test]
fn muon_by_whole_leaves() {
    let muon = || -> Box<dyn Optimizer<f32>> {
        let adamw = AdamW::new(3e-3).clip_norm(0.3);
        let is_matrix = |_: &str, shape: &[usize]| shape[0] >= 30;
        let mut muon = Muon::new(0.02).matrices(is_matrix).with_adamw(adamw);
        muon.change_group("b.weight".into(), Change::new().rate_factor(0.5)).unwrap();
        Box::new(muon)
    };
    check("muon", Box::new(muon), &[Kind::Sharded(None), KINDS[2]], &[1, 2, 3, 4]);
    let error = on_ranks(2, move |ranks| {
        let mut many = Many::new(KINDS[1], muon(), ranks, 2);
        many.steps(&mut model(1), 0).map(drop)
    });
    let error = error.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NeedsWholeLeaves { .. }), "{error}");
    assert!(error.to_string().contains("Split::Leaves"), "{error}");
}

#[test]
fn what_updates_whole_leaves_by_whole_leaves() {
    let builds: [(&str, Plain); 4] = [
        ("adafactor", || {
            let adafactor = Adafactor::new(0.02).momentum(0.5).clip_norm(0.7);
            Box::new(adafactor.group("b.*", Change::new().rate_factor(0.5)))
        }),
        ("sm3", || Box::new(Sm3::new(0.02).group("a.bias", Change::new().frozen(true)))),
        ("shampoo", || Box::new(Shampoo::new(0.02).block(16).every(2).weight_decay(0.1))),
        ("soap", || Box::new(Soap::new(0.02).every(2).clip_norm(1.0).maximize(true))),
    ];
    for (name, build) in builds {
        check(name, Box::new(build), &[Kind::Sharded(None), KINDS[2], KINDS[0]], &[1, 2, 3]);
        let error = on_ranks(2, move |ranks| {
            let mut many = Many::new(KINDS[1], build(), ranks, 2);
            many.steps(&mut model(1), 0).map(drop)
        });
        let error = error.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NeedsWholeLeaves { .. }), "{error}");
    }
}

#[test]
fn what_needs_whole_leaves_says_so() {
    let centralized = || {
        let mut settings = thalweg::Settings::default();
        settings.centralized = Some(Units::LastAxis);
        settings
    };
    for (group, settings) in [
        (false, by_units()),
        (true, by_units_of_a_group()),
        (false, centralized()),
        (true, centralized()),
    ] {
        let error = on_ranks(3, move |ranks| {
            let adam = Adam::<f32>::new(0.1);
            let settings = settings.clone();
            let adam = match group {
                false => adam.with_settings(settings),
                true => adam.group("a.*", move |group| group.with_settings(settings.clone())),
            };
            let mut many = Many::new(KINDS[1], Box::new(adam), ranks, 3);
            Ok(many.steps(&mut model(1), 0).unwrap_err())
        });
        for error in error.unwrap() {
            assert!(matches!(error.kind(), ErrorKind::NeedsWholeLeaves { .. }), "{error}");
        }
    }
    let outside = Sharded::new(Lbfgs::<f32>::new(), Solo).step_with_loss(
        &mut array![1.0],
        &array![1.0],
        LOSS,
    );
    let error = outside.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotSplittable { optimizer: "L-BFGS" }), "{error}");
}

fn by_units_of_a_group() -> thalweg::Settings {
    let mut settings = by_units();
    settings.clip_norm = None;
    settings
}

#[test]
fn a_run_goes_on_on_other_ranks_with_another_split_or_alone() {
    let builds: [Plain; 3] = [
        grouped,
        || Box::new(Sgd::new(0.1)),
        || Box::new(Adam::new(0.1).average(Average::swa()).cautious(true).clip_leaf_norm(0.5)),
    ];
    for build in builds {
        let (expected, last) = alone(&(Box::new(build) as Build<f32>), SHARDS);
        for (from, kind) in [(3, KINDS[1]), (2, KINDS[2]), (1, KINDS[0])] {
            let runs = on_ranks(from, move |ranks| {
                let mut many = Many::new(kind, build(), ranks, SHARDS);
                let mut w = model::<f32>(1);
                (0..2).try_for_each(|step| many.steps(&mut w, step).map(drop))?;
                Ok((w, many.whole_state()?))
            });
            let (w, state) = runs.unwrap().remove(0);
            // Without any wrapper.
            let mut optimizer = Accumulate::new(build(), SHARDS as u64);
            let mut around = Accumulate::new(build(), SHARDS as u64);
            optimizer.load_state(&state_around(&mut around, &state)).unwrap();
            let mut own = w.clone();
            for (step, expected) in expected.iter().enumerate().skip(2) {
                let info = steps_alone(&mut optimizer, &mut own, step, SHARDS);
                assert!(seen(&own, info) == *expected);
            }
            for (to, other) in [(1, KINDS[1]), (2, KINDS[1]), (3, KINDS[2]), (2, KINDS[0])] {
                let (w, state, last) = (w.clone(), state.clone(), last.clone());
                let expected = expected.clone();
                let runs = on_ranks(to, move |ranks| {
                    let mut many = Many::new(other, build(), ranks, SHARDS);
                    let mut w: Model<f32> = w.clone();
                    many.optimizer().load_state(&state)?;
                    assert!(many.whole_state()? == state, "loaded, and not stepped yet");
                    for (step, expected) in expected.iter().enumerate().skip(2) {
                        let info = many.steps(&mut w, step)?;
                        assert!(seen(&w, info) == *expected, "{kind:?} {from} {other:?} {to}");
                    }
                    assert!(many.whole_state()? == last);
                    // Amid a run, back to where it was.
                    many.optimizer().load_state(&state)?;
                    assert!(many.whole_state()? == state);
                    Ok(())
                });
                runs.unwrap();
            }
        }
    }
}

/// A state in the record of an `Accumulate` that has none waiting.
fn state_around(accumulate: &mut Accumulate<f32, Box<dyn Optimizer<f32>>>, state: &State) -> State {
    accumulate.inner_mut().load_state(state).unwrap();
    accumulate.state()
}

#[test]
fn a_rank_goes_on_from_its_own_part() {
    for kind in &KINDS[1..] {
        let runs = on_ranks(3, |ranks| {
            let mut first = Many::new(*kind, grouped::<f32>(), ranks.clone(), SHARDS);
            let mut w = model::<f32>(1);
            (0..2).try_for_each(|step| first.steps(&mut w, step).map(drop))?;
            let state = first.optimizer().state();
            let (mut again, mut resumed) = (w.clone(), Many::new(*kind, grouped(), ranks, SHARDS));
            resumed.optimizer().load_state(&state)?;
            for step in 2..STEPS {
                first.steps(&mut w, step)?;
                resumed.steps(&mut again, step)?;
                assert_eq!(bits(&w), bits(&again));
            }
            assert!(first.whole_state()? == resumed.whole_state()?);
            Ok(state)
        });
        let states = runs.unwrap();
        let error = on_ranks(3, move |ranks| {
            use thalweg::distributed::Communicator;
            let other = states[(ranks.rank() + 1) % 3].clone();
            Many::new(*kind, grouped::<f32>(), ranks, SHARDS).optimizer().load_state(&other)
        });
        assert!(matches!(error.unwrap_err().kind(), ErrorKind::StateDiffers { .. }));
    }
}

#[test]
fn a_load_that_failed_changes_nothing() {
    let runs = on_ranks(2, |ranks| {
        let mut many = Many::new(KINDS[1], grouped::<f32>(), ranks, SHARDS);
        let mut w = model::<f32>(1);
        many.steps(&mut w, 0)?;
        let before = many.whole_state()?;
        let sgd = Sgd::<f32>::new(0.1).state();
        many.optimizer().load_state(&sgd).unwrap_err();
        let mut other = DataParallel::new(AdamW::<f32>::new(0.1), Solo);
        other.step_with_loss(&mut array![1.0], &array![1.0], LOSS)?;
        many.optimizer().load_state(&other.state()).unwrap_err();
        assert!(many.whole_state()? == before);
        many.steps(&mut w, 1)?;
        Ok(bits(&w))
    });
    let (run, _) = alone(&(Box::new(grouped::<f32>) as Build<f32>), SHARDS);
    for w in runs.unwrap() {
        assert!(w == run[1].parameters);
    }
}

#[test]
fn averages_are_put_in_the_place_of_all_parameters() {
    for kind in KINDS {
        let runs = on_ranks(3, move |ranks| {
            let mut many = Many::new(kind, grouped::<f32>(), ranks, SHARDS);
            let mut w = model::<f32>(1);
            let mut all = Vec::new();
            for step in 0..3 {
                many.steps(&mut w, step)?;
                let trained = bits(&w);
                many.optimizer().swap_average(&mut w)?;
                all.push(bits(&w));
                let error = many.steps(&mut w, step).unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::AverageInPlace), "{error}");
                many.optimizer().swap_average(&mut w)?;
                assert_eq!(bits(&w), trained);
            }
            Ok(all)
        });
        let mut optimizer = Accumulate::new(grouped::<f32>(), SHARDS as u64);
        let mut w = model::<f32>(1);
        let mut expected = Vec::new();
        for step in 0..3 {
            steps_alone(&mut optimizer, &mut w, step, SHARDS);
            optimizer.swap_average(&mut w).unwrap();
            expected.push(bits(&w));
            optimizer.swap_average(&mut w).unwrap();
        }
        for all in runs.unwrap() {
            assert!(all == expected, "{kind:?}");
        }
    }
}

#[test]
fn a_wrapper_goes_around_one() {
    let runs = on_ranks(3, |ranks: Threads| {
        let adam = Adam::new(0.05).average(Average::ema(0.5)).clip_norm(0.4);
        let sharded = Sharded::new(adam, ranks).shards(3);
        let own = sharded.own();
        let mut optimizer = Lookahead::new(sharded).period(2);
        let mut w = model::<f32>(1);
        for step in 0..STEPS {
            for shard in own.clone() {
                optimizer.step_with_loss(&mut w, &gradient::<f32>(step, shard), LOSS)?;
            }
        }
        Ok((bits(&w), optimizer.inner().gather_state()?))
    });
    let adam = Adam::new(0.05).average(Average::ema(0.5)).clip_norm(0.4);
    let mut optimizer = Lookahead::new(Accumulate::new(adam, 3)).period(2);
    let mut w = model::<f32>(1);
    for step in 0..STEPS {
        (0..3).for_each(|shard| {
            _ = optimizer.step_with_loss(&mut w, &gradient::<f32>(step, shard), LOSS).unwrap()
        });
    }
    for (found, state) in runs.unwrap() {
        assert!(found == bits(&w));
        assert!(state == optimizer.inner().inner().state());
    }
}

#[test]
fn leaves_are_frozen_and_thawed_amid_a_run() {
    let change = |optimizer: &mut dyn Optimizer<f32>, step: usize| {
        let change = match step {
            1 => ("b.*", Change::new().frozen(true)),
            2 => ("a.bias", Change::new().frozen(false).rate_factor(2.0)),
            _ => ("b.weight", Change::new().frozen(false)),
        };
        if step > 0 {
            optimizer.change_group(change.0.into(), change.1).unwrap();
        }
    };
    let mut optimizer = Accumulate::new(grouped::<f32>(), SHARDS as u64);
    let mut w = model::<f32>(1);
    for step in 0..STEPS {
        change(&mut optimizer, step);
        steps_alone(&mut optimizer, &mut w, step, SHARDS);
    }
    for kind in KINDS {
        for size in [1, 2, 4] {
            let runs = on_ranks(size, move |ranks| {
                let mut many = Many::new(kind, grouped::<f32>(), ranks, SHARDS);
                let mut w = model::<f32>(1);
                for step in 0..STEPS {
                    change(many.optimizer(), step);
                    many.steps(&mut w, step)?;
                }
                Ok((bits(&w), many.whole_state()?))
            });
            for (found, state) in runs.unwrap() {
                assert!(found == bits(&w), "{kind:?} {size}");
                assert!(state == optimizer.inner().state(), "{kind:?} {size}");
            }
        }
    }
}

#[test]
fn gradients_that_cannot_be_are_refused_as_one_process_refuses_them() {
    // Several in one leaf, in parts of several ranks; the first is that of rows, however the leaf lies.
    let bad: [&[(&str, [usize; 2], f32)]; 4] = [
        &[("b.weight", [69, 0], f32::NAN), ("b.weight", [2, 30], f32::NAN)],
        &[("a.weight", [29, 70], f32::INFINITY), ("b.weight", [0, 0], f32::NAN)],
        &[("b.weight", [69, 30], 1e30)],
        &[("a.weight", [15, 0], 1e25), ("a.weight", [14, 3], 1e26)],
    ];
    for bad in bad {
        for policy in [NonFinite::Reject, NonFinite::Skip] {
            for clip in [false, true] {
                let build = move || {
                    let adam = Adam::<f32>::new(0.1).non_finite(policy);
                    if clip { adam.clip_norm(1e25) } else { adam }
                };
                let put = move |g: &mut Model<f32>| {
                    bad.iter().for_each(|(leaf, at, x)| g.get_mut(*leaf).unwrap()[*at] = *x);
                };
                let mut g = gradient::<f32>(0, 0);
                put(&mut g);
                let expected = build()
                    .step_with_loss(&mut model::<f32>(1), &g, LOSS)
                    .map_err(|e| e.to_string());
                for kind in KINDS {
                    let runs = on_ranks(3, move |ranks| {
                        let mut many = Many::new(kind, Box::new(build()), ranks, 3);
                        let mut g = gradient::<f32>(0, 0);
                        put(&mut g);
                        let result =
                            many.optimizer().step_with_loss(&mut model::<f32>(1), &g, LOSS);
                        Ok((result.map_err(|e| e.to_string()), many.optimizer().skipped()))
                    });
                    for (found, skipped) in runs.unwrap() {
                        assert_eq!(found, expected, "{kind:?}");
                        assert_eq!(skipped, u64::from(policy == NonFinite::Skip));
                    }
                }
            }
        }
    }
}

#[test]
fn norms_whose_squares_overflow_or_vanish() {
    for size in [1e200, 1e-200] {
        let build = || -> Box<dyn Optimizer<f64>> {
            Box::new(Sgd::new(0.1).clip_norm(0.5).clip_leaf_norm(0.3))
        };
        let scaled = move |step: usize, shard: usize| {
            let mut g = gradient::<f64>(step, shard);
            g.values_mut().for_each(|leaf| *leaf *= size);
            g
        };
        let mut expected = (Accumulate::new(build(), 3), model::<f64>(1));
        for shard in 0..3 {
            expected.0.step_with_loss(&mut expected.1, &scaled(0, shard), LOSS).unwrap();
        }
        for kind in KINDS {
            let runs = on_ranks(3, move |ranks| {
                let mut many = Many::new(kind, build(), ranks, 3);
                let mut w = model::<f64>(1);
                for shard in many.own() {
                    many.optimizer().step_with_loss(&mut w, &scaled(0, shard), LOSS)?;
                }
                Ok(bits(&w))
            });
            for found in runs.unwrap() {
                assert!(found == bits(&expected.1), "{kind:?} {size}");
            }
        }
    }
}
