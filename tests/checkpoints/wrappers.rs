//! Optimizers around an optimizer, and what stands beside one.

use thalweg::train::{Accumulate, EarlyStopping, Lookahead, Plateau, Sam, Verdict};
use thalweg::{Adam, AdamW, ErrorKind, Momentum, Optimizer, checkpoint};

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
        plateau.observe(metric);
        let json = serde_json::to_string(&plateau).unwrap();
        assert_eq!(serde_json::from_str::<Plateau>(&json).unwrap(), plateau);
        // Numbers are texts: no reader of JSON can round them.
        assert!(json.contains("\"0.3333333333333333\""), "{json}");
        let bytes = checkpoint::to_bytes(&plateau).unwrap();
        assert_eq!(checkpoint::from_bytes::<Plateau>(&bytes).unwrap(), plateau);
    }
}
