//! Optimizers around an optimizer, and what stands beside one.

use serde_json::Value;
use thalweg::train::{Accumulate, EarlyStopping, Lookahead, Plateau, Sam, Verdict};
use thalweg::{Adam, AdamW, ErrorKind, Momentum, Optimizer, Sgd, State, checkpoint};

use super::support::*;

/// Saves after so many calls, and compares what follows.
fn check(build: impl Fn() -> Box<dyn Optimizer<f32>>, calls: u64) {
    let (mut one, mut w) = (build(), model(1));
    for call in 0..calls {
        one.step(&mut w, &model(50 + call)).unwrap();
    }
    for format in FORMATS {
        let (mut one, mut other) = (build(), build());
        one.load_state(&format(&build().state())).unwrap();
        let mut a = model(1);
        for call in 0..calls {
            one.step(&mut a, &model(50 + call)).unwrap();
        }
        other.load_state(&format(&one.state())).unwrap();
        assert_eq!(other.state(), one.state());
        let mut b = a.clone();
        for call in 0..9 {
            let g = model(70 + call);
            let infos = (one.step(&mut a, &g).unwrap(), other.step(&mut b, &g).unwrap());
            assert_eq!(report(infos.0), report(infos.1));
            assert_eq!(bits(&a), bits(&b));
        }
    }
}

#[test]
fn accumulation_goes_on_amid_a_batch() {
    for calls in [0, 1, 2, 3, 5] {
        check(|| Box::new(Accumulate::new(Adam::new(0.1).clip_norm(0.5), 3)), calls);
    }
}

#[test]
fn lookahead_goes_on_amid_a_period() {
    for calls in [0, 1, 4, 7] {
        check(|| Box::new(Lookahead::new(Adam::new(0.1)).period(4)), calls);
    }
    check(|| Box::new(Accumulate::new(Lookahead::new(Momentum::new(0.1)).period(2), 2)), 5);
}

#[test]
fn sam_goes_on_between_its_phases() {
    let mut w = model::<f64>(1);
    let mut sam = Sam::new(Adam::new(0.1), 0.5).adaptive(true);
    for step in 0..3 {
        sam.ascend(&mut w, &model(10 + step)).unwrap();
        for format in FORMATS {
            let mut loaded = Sam::new(Adam::new(0.1), 0.5).adaptive(true);
            loaded.load_state(&format(&sam.state())).unwrap();
            assert!(loaded.ascended());
            let (mut one, mut a, mut b) = (sam.clone(), w.clone(), w.clone());
            loaded.step(&mut a, &model(20)).unwrap();
            one.step(&mut b, &model(20)).unwrap();
            assert_eq!((bits(&a), loaded.state()), (bits(&b), one.state()));
        }
        sam.step(&mut w, &model(20 + step)).unwrap();
    }
    let error = Sam::<f64, _>::new(Adam::new(0.1), 0.4).load_state(&sam.state()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StateDiffers { .. }), "{error}");
}

#[test]
fn a_wrapper_takes_only_its_own() {
    let mut inner = AdamW::<f32>::new(0.1);
    inner.step(&mut model(1), &model(2)).unwrap();
    let mut lookahead = Lookahead::new(AdamW::<f32>::new(0.1));
    let error = lookahead.load_state(&inner.state()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StateOptimizer { .. }), "{error}");
    let error = inner.load_state(&lookahead.state()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StateOptimizer { .. }), "{error}");
    let json = serde_json::to_string(&lookahead.state()).unwrap();
    let json = json.replace("\"begun\":0", "\"begun\":1");
    let error = lookahead.load_state(&serde_json::from_str(&json).unwrap()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StateMissing { .. }), "{error}");

    let mut accumulate = Accumulate::<f32, _>::new(AdamW::new(0.1), 3);
    let json = serde_json::to_string(&accumulate.state()).unwrap();
    let json = json.replace("\"added\":0", "\"added\":18446744073709551615");
    let error = accumulate.load_state(&serde_json::from_str(&json).unwrap()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StateInvalid { .. }), "{error}");
}

#[test]
fn early_stopping_goes_on_from_any_format() {
    let mut stopping = EarlyStopping::<f32>::minimize(2).min_improvement(0.1);
    for (metric, seed) in [(f64::NAN, 1), (3.0 / 7.0, 2), (1.0, 3)] {
        let json = serde_json::to_string(&stopping).unwrap();
        assert_eq!(serde_json::from_str::<EarlyStopping<f32>>(&json).unwrap(), stopping);
        let bytes = checkpoint::to_bytes(&stopping).unwrap();
        assert_eq!(checkpoint::from_bytes::<EarlyStopping<f32>>(&bytes).unwrap(), stopping);
        stopping.observe(metric, &model::<f32>(seed)).unwrap();
    }
    let bytes = rmp_serde::to_vec(&stopping).unwrap();
    let mut loaded: EarlyStopping<f32> = rmp_serde::from_slice(&bytes).unwrap();
    let verdict = loaded.observe(2.0, &model(4)).unwrap();
    assert_eq!(verdict, Verdict::Stop { best_epoch: 2 });
    let mut w = model(9);
    loaded.restore(&mut w).unwrap();
    assert_eq!(w, model(2));
    assert!(
        checkpoint::from_bytes::<EarlyStopping<f64>>(&checkpoint::to_bytes(&loaded).unwrap())
            .is_err()
    );
}

#[test]
fn a_plateau_goes_on_from_any_format() {
    let mut plateau = Plateau::new(0.1).patience(1).factor(1.0 / 3.0);
    for metric in [1.0, 0.1 + 0.2, 0.5, 0.6, f64::NAN, 0.7] {
        plateau.observe(metric).unwrap();
        let json = serde_json::to_string(&plateau).unwrap();
        assert_eq!(serde_json::from_str::<Plateau>(&json).unwrap(), plateau);
        // Numbers are texts: no reader of JSON can round them.
        assert!(json.contains("\"0.3333333333333333\""), "{json}");
        let bytes = checkpoint::to_bytes(&plateau).unwrap();
        assert_eq!(checkpoint::from_bytes::<Plateau>(&bytes).unwrap(), plateau);
    }
}

/// Every change of one entry of a wrapper's record is refused, or makes no difference.
#[test]
fn a_wrapper_is_strict_about_every_entry() {
    type Build = fn() -> Box<dyn Optimizer<f32>>;
    let builds: [(Build, u64); 4] = [
        (|| Box::new(Lookahead::new(Adam::new(0.1)).period(4)), 3),
        (|| Box::new(Accumulate::new(Momentum::new(0.1), 3)), 5),
        (|| Box::new(Lookahead::new(Accumulate::new(AdamW::new(0.1), 2)).period(3)), 7),
        (|| Box::new(Accumulate::new(Lookahead::new(AdamW::new(0.1)).period(3), 2)), 7),
    ];
    for (build, calls) in builds {
        let (mut saved, mut w) = (build(), model(1));
        for call in 0..calls {
            saved.step(&mut w, &model(50 + call)).unwrap();
        }
        let value = serde_json::to_value(saved.state()).unwrap();
        let outer = |value: &Value| value["records"][0].clone();
        let mut tried = 0;
        for map in ["counts", "numbers", "texts"] {
            for entry in outer(&value)[map].as_object().unwrap().keys() {
                for change in ["remove", "rename", "0", "1", "2", "-1.0", "NaN", "inf"] {
                    let mut value = value.clone();
                    let entries = value["records"][0][map].as_object_mut().unwrap();
                    match (map, change) {
                        (_, "remove") => drop(entries.remove(entry)),
                        (_, "rename") => {
                            let old = entries.remove(entry).unwrap();
                            entries.insert(format!("{entry}x"), old);
                        }
                        ("counts", number) => match number.parse::<u64>() {
                            Ok(number) => drop(entries.insert(entry.clone(), number.into())),
                            Err(_) => drop(entries.insert(entry.clone(), (1_u64 << 63).into())),
                        },
                        (_, text) => drop(entries.insert(entry.clone(), text.into())),
                    }
                    let Ok(state) = serde_json::from_value::<State>(value) else { continue };
                    tried += 1;
                    for mut optimizer in [build(), {
                        let mut used = build();
                        used.load_state(&saved.state()).unwrap();
                        used
                    }] {
                        let before = optimizer.state();
                        if optimizer.load_state(&state).is_err() {
                            assert_eq!(optimizer.state(), before, "{entry} {change}");
                            continue;
                        }
                        // What was taken is saved again as it was, and no step panics.
                        assert!(!["remove", "rename"].contains(&change), "{entry} {change}");
                        if entry != "count" {
                            assert_eq!(optimizer.state(), state, "{entry} {change}");
                        }
                        let mut w = model(1);
                        for call in 0..9 {
                            let _ = optimizer.step(&mut w, &model(call));
                        }
                    }
                }
            }
        }
        assert!(tried > 30, "{tried}");
    }
}

/// A state of the first version has a sum where later ones have a mean with its weights.
#[test]
fn gradients_that_waited_in_the_first_version_still_do() {
    let mut w = (ndarray::array![0.0_f32], ndarray::array![[1.0]]);
    let mut two = Accumulate::new(Sgd::new(1.0), 3);
    for g in [1.0, 2.0] {
        two.step(&mut w, &(ndarray::array![g], ndarray::array![[-g]])).unwrap();
    }
    let mut value = serde_json::to_value(two.state()).unwrap();
    value["version"] = 1.into();
    value["records"][1]["counts"]["averaged"] = 0.into();
    let record = &mut value["records"][0];
    record["numbers"] = serde_json::json!({});
    for leaf in record["leaves"].as_array_mut().unwrap() {
        // 1.5 is the mean, and 3 the sum.
        let arrays = leaf["arrays"].as_object_mut().unwrap();
        let mean = arrays.remove("mean").unwrap();
        let sum =
            mean.as_str().unwrap().replace("3fc00000", "40400000").replace("bfc00000", "c0400000");
        assert_ne!(sum, mean.as_str().unwrap());
        arrays.insert("sum".to_owned(), sum.into());
    }
    let old: State = serde_json::from_value(value).unwrap();
    let mut loaded = Accumulate::new(Sgd::new(1.0), 3);
    loaded.load_state(&old).unwrap();
    assert_eq!(loaded.state(), two.state());
    loaded.step(&mut w, &(ndarray::array![6.0], ndarray::array![[-6.0]])).unwrap();
    assert_eq!(w, (ndarray::array![-3.0], ndarray::array![[4.0]]));
}

#[test]
fn what_early_stopping_and_a_plateau_do_not_know_is_refused() {
    let mut stopping = EarlyStopping::<f32>::minimize(2);
    stopping.observe(1.0, &model(1)).unwrap();
    let value = serde_json::to_value(&stopping).unwrap();
    serde_json::from_value::<EarlyStopping<f32>>(value.clone()).unwrap();
    for place in ["", "/best", "/best/params/0"] {
        let mut value = value.clone();
        let map = value.pointer_mut(place).unwrap().as_object_mut().unwrap();
        map.insert("surplus".to_owned(), 1.into());
        assert!(serde_json::from_value::<EarlyStopping<f32>>(value).is_err(), "{place}");
    }
    // A best that no metric can have been is found at the next one.
    for bad in ["NaN:7ff8000000000000", "inf", "-inf"] {
        let mut value = value.clone();
        value["best"]["metric"] = bad.into();
        let mut loaded: EarlyStopping<f32> = serde_json::from_value(value).unwrap();
        let before = loaded.clone();
        let error = loaded.observe(0.5, &model(1)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name: "best", .. }), "{error}");
        assert_eq!(
            serde_json::to_string(&loaded).unwrap(),
            serde_json::to_string(&before).unwrap()
        );
    }
    let mut plateau = Plateau::new(0.1);
    plateau.observe(1.0).unwrap();
    let mut value = serde_json::to_value(&plateau).unwrap();
    value["best"] = "NaN:7ff8000000000000".into();
    let mut loaded: Plateau = serde_json::from_value(value).unwrap();
    assert!(loaded.observe(0.5).is_err());
}

/// What is quadratic in the leaves would take minutes here.
#[test]
fn a_state_of_many_leaves_is_saved_and_loaded() {
    let leaves = |value: f32| vec![ndarray::Array1::from_elem(1, value); 60_000];
    let (mut w, g) = (leaves(1.0), leaves(0.5));
    let mut accumulate = Accumulate::new(Sgd::<f32>::new(0.1), 3);
    let mut lookahead = Lookahead::new(Sgd::<f32>::new(0.1));
    accumulate.step(&mut w, &g).unwrap();
    lookahead.step(&mut w, &g).unwrap();
    for optimizer in [&mut accumulate as &mut dyn Optimizer<f32>, &mut lookahead] {
        let state = optimizer.state();
        optimizer.load_state(&state).unwrap();
        assert_eq!(optimizer.state(), state);
    }
}
