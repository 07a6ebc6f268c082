//! What is not this optimizer's state is refused, each with its own error, and changes nothing.

use ndarray::{Array2, array};
use serde_json::{Value, json};
use thalweg::{
    Adam, AdamW, Average, ErrorKind, NonFinite, Optimizer, RmsProp, Schedule, Sgd, State,
    checkpoint,
};

use super::support::*;

fn build() -> AdamW<f32> {
    AdamW::new(Schedule::cosine(0.1, 0.0, 20).warm_up(3))
        .clip_norm(0.7)
        .average(Average::ema(0.9))
        .group("bias", |group| group.rate_factor(0.5))
        .group("head", |group| group.frozen(true))
}

fn trained() -> (AdamW<f32>, Model<f32>) {
    let (mut adamw, mut w) = (build(), model(1));
    for step in 0..3 {
        adamw.step(&mut w, &model(10 + step)).unwrap();
    }
    (adamw, w)
}

/// Refuses a state, in a fresh optimizer and in a used one, and is as it was.
#[track_caller]
fn refused<O: Optimizer<f32> + Clone>(optimizers: &[O], state: &State) -> ErrorKind {
    let mut kinds = optimizers.iter().map(|optimizer| {
        let mut optimizer = optimizer.clone();
        let before = optimizer.state();
        let error = optimizer.load_state(state).unwrap_err();
        assert_eq!(optimizer.state(), before);
        assert!(error.to_string().len() > 20, "{error}");
        error.kind().clone()
    });
    let kind = kinds.next().unwrap();
    kinds.for_each(|other| {
        assert_eq!(std::mem::discriminant(&kind), std::mem::discriminant(&other));
    });
    kind
}

macro_rules! assert_refused {
    ($optimizers:expr, $state:expr, $kind:pat) => {{
        let kind = refused($optimizers, $state);
        assert!(matches!(kind, $kind), "{kind:?}");
    }};
}

#[test]
fn the_state_of_another_optimizer_is_refused() {
    let (used, w) = trained();
    let state = used.state();
    assert_refused!(&[Adam::new(0.1)], &state, ErrorKind::StateOptimizer { .. });
    let mut double = AdamW::<f64>::new(0.1);
    let error = double.load_state(&state).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StateScalar { here: "f64", .. }), "{error}");

    let torch = RmsProp::<f32>::torch(0.1).state();
    assert_refused!(&[RmsProp::new(0.1)], &torch, ErrorKind::StateDiffers { .. });

    let plain = || AdamW::<f32>::new(0.1);
    let others = [
        plain(),
        build().clip_norm(0.8),
        build().non_finite(NonFinite::Skip),
        build().average(Average::swa()),
        build().group("weight", |group| group.maximize(true)),
        plain().clip_norm(0.7).average(Average::ema(0.9)).group("bias", |g| g.rate_factor(0.5)),
        plain()
            .clip_norm(0.7)
            .average(Average::ema(0.9))
            .group("bias", |group| group.rate_factor(0.6))
            .group("head", |group| group.frozen(true)),
        plain()
            .clip_norm(0.7)
            .average(Average::ema(0.9))
            .group("b*", |group| group.rate_factor(0.5))
            .group("head", |group| group.frozen(true)),
    ];
    for other in others {
        assert_refused!(&[other], &state, ErrorKind::StateDiffers { .. });
    }
    let error = build().scheduled("beta1", 0.5).load_state(&state).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StateMissing { .. }), "{error}");
    let scheduled = build().scheduled("beta1", 0.5).state();
    assert_refused!(&[build()], &scheduled, ErrorKind::StateUnexpected { .. });
    // What does not change a result may differ.
    build().report_norm(true).parallel_above(1000).load_state(&state).unwrap();

    // A used optimizer takes another moment of its own model, and of no other.
    let mut again = used.clone();
    let mut moved = w.clone();
    again.step(&mut moved, &model(20)).unwrap();
    again.load_state(&state).unwrap();
    assert_eq!(again.state(), state);
}

#[test]
fn the_state_of_another_model_is_found_at_once_or_at_the_first_step() {
    let state = {
        let (mut sgd, mut w) = (Sgd::<f32>::new(0.1), (array![1.0, 2.0], array![3.0]));
        sgd.step(&mut w, &(array![1.0, 2.0], array![3.0])).unwrap();
        sgd.state()
    };
    let mut other = (array![1.0, 2.0], array![3.0], array![4.0]);
    let mut reshaped = (Array2::<f32>::zeros((2, 1)), array![3.0]);
    let error = state.check_leaves(&other).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Leaves { .. }), "{error}");
    let error = state.check_leaves(&reshaped).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StateInvalid { .. }), "{error}");
    state.check_leaves(&(array![0.0_f32, 0.0], array![0.0])).unwrap();

    let mut sgd = Sgd::<f32>::new(0.1);
    sgd.load_state(&state).unwrap();
    let kept = (other.clone(), reshaped.clone());
    let error = sgd.step(&mut other, &kept.0).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Leaves { .. }), "{error}");
    let error = sgd.step(&mut reshaped, &kept.1).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ShapeChanged { .. }), "{error}");
    assert_eq!(((other.clone(), reshaped.clone()), sgd.steps()), (kept.clone(), 1));

    let mut used = Sgd::<f32>::new(0.1);
    used.step(&mut other, &kept.0).unwrap();
    assert_refused!(&[used], &state, ErrorKind::Leaves { .. });
}

/// The state of [`trained`] with a change of its JSON.
fn changed(change: impl FnOnce(&mut Value)) -> Result<State, serde_json::Error> {
    let mut value = serde_json::to_value(trained().0.state()).unwrap();
    change(&mut value);
    serde_json::from_value(value)
}

#[test]
fn entries_that_are_missing_unknown_or_impossible_are_refused() {
    let both = [build(), trained().0];
    let at = |value: &mut Value, place: &str, new: Value| {
        *value.pointer_mut(&format!("/records/0/{place}")).unwrap() = new;
    };
    let remove = |value: &mut Value, map: &str, entry: &str| {
        let map = value.pointer_mut(&format!("/records/0/{map}")).unwrap();
        assert!(map.as_object_mut().unwrap().remove(entry).is_some());
    };
    let insert = |value: &mut Value, map: &str, entry: &str, new: Value| {
        let map = value.pointer_mut(&format!("/records/0/{map}")).unwrap();
        map.as_object_mut().unwrap().insert(entry.to_owned(), new);
    };

    let state = changed(|v| v["version"] = json!(99)).unwrap();
    assert_refused!(&both, &state, ErrorKind::StateVersion { saved: 99, .. });
    for (map, entry) in [
        ("counts", "steps"),
        ("counts", "groups"),
        ("numbers", "hyperparameter.beta1"),
        ("numbers", "cohort.0.carried.0"),
        ("counts", "cohort.0.terms"),
        ("numbers", "rate.scale"),
        ("texts", "conventions"),
        ("schedules", "learning_rate"),
        ("leaves/0/arrays", "slot.m"),
        ("leaves/0/arrays", "average"),
    ] {
        let state = changed(|v| remove(v, map, entry)).unwrap();
        assert_refused!(&both, &state, ErrorKind::StateMissing { .. });
    }
    for (map, value) in [
        ("counts", json!(1)),
        ("numbers", json!("1.0")),
        ("texts", json!("text")),
        ("leaves/0/arrays", json!(format!("f32:{}", "00000000".repeat(12)))),
    ] {
        let state = changed(|v| insert(v, map, "surplus", value)).unwrap();
        assert_refused!(&both, &state, ErrorKind::StateUnexpected { .. });
    }
    for (place, value) in [
        ("counts/steps", json!(u64::MAX)),
        ("counts/swapped", json!(2)),
        ("numbers/course.0.last_learning_rate", json!("-1.0")),
        ("numbers/rate.scale", json!("-1.0")),
        ("numbers/cohort.0.beta.0", json!("1.5")),
        ("counts/cohort.0.step", json!(u64::MAX)),
        ("counts/cohort.0.terms", json!(1000)),
        ("counts/settled", json!(2)),
        ("texts/rule", json!("Yogi")),
        ("leaves/0/arrays/slot.m", json!("f32:00000000")),
        ("leaves/0/arrays/slot.m", json!("f64:0000000000000000")),
        ("leaves/0/shape", json!([1_u64 << 40, 1_u64 << 40])),
        ("leaves/0/shape", json!([0, u64::MAX, u64::MAX])),
    ] {
        let state = changed(|v| at(v, place, value)).unwrap();
        assert_refused!(&both, &state, ErrorKind::StateInvalid { .. });
    }
    // A frozen leaf has no array, and must be there all the same; none may be there twice.
    let leaves = |value: &mut Value| value["records"][0]["leaves"].as_array_mut().unwrap().clone();
    let state = changed(|v| v["records"][0]["leaves"] = leaves(v)[..2].into()).unwrap();
    let kind = refused(&both[1..], &state);
    assert!(matches!(kind, ErrorKind::Leaves { .. }), "{kind:?}");
    let state = changed(|v| v["records"][0]["leaves"] = json!([])).unwrap();
    assert!(build().load_state(&state).is_err());
    let twice = |v: &mut Value| {
        let leaf = leaves(v)[0].clone();
        v["records"][0]["leaves"].as_array_mut().unwrap().push(leaf);
    };
    assert_refused!(&both, &changed(twice).unwrap(), ErrorKind::DuplicateLeaf { .. });
    let state = changed(|v| at(v, "leaves/2/name", json!("tail"))).unwrap();
    refused(&both[1..], &state);
    let state = changed(|v| at(v, "numbers/hyperparameter.beta1", json!("1.5"))).unwrap();
    assert_refused!(&both, &state, ErrorKind::StateInvalid { .. });

    // Serde itself refuses what has no place.
    for place in ["", "/records/0", "/records/0/leaves/0", "/records/0/schedules/learning_rate"] {
        let map = |v: &mut Value| {
            let map = v.pointer_mut(place).unwrap().as_object_mut().unwrap();
            map.insert("surplus".to_owned(), json!(1));
        };
        assert!(changed(map).is_err(), "{place}");
    }
    for array in ["", "f32", "f32:0", "f32:0000000g", "f32:+0000000", "f16:00000000", "f32:é000000"]
    {
        assert!(changed(|v| at(v, "leaves/0/arrays/slot.m", json!(array))).is_err(), "{array}");
    }
    for number in ["", "x", "NaN:", "NaN:7ff80000000000000", "1,0"] {
        let number = changed(|v| at(v, "numbers/hyperparameter.beta1", json!(number)));
        assert!(number.is_err());
    }
}

#[test]
fn a_checkpoint_cut_anywhere_or_with_any_bit_flipped_is_refused() {
    let bytes = checkpoint::to_bytes(&trained().0.state()).unwrap();
    let kind = |bytes: &[u8]| checkpoint::from_bytes::<State>(bytes).unwrap_err().kind().clone();
    for end in 0..bytes.len() {
        let ErrorKind::Truncated { found, expected } = kind(&bytes[..end]) else {
            panic!("cut after {end} bytes")
        };
        assert_eq!(found, end as u64);
        assert_eq!(expected, if end < 24 { 24 } else { bytes.len() as u64 });
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let kind = kind(&flipped);
            let fits = match at {
                0..8 => kind == ErrorKind::NotACheckpoint,
                12..20 => matches!(kind, ErrorKind::Truncated { .. } | ErrorKind::Damaged { .. }),
                _ => matches!(kind, ErrorKind::Damaged { .. }),
            };
            assert!(fits, "bit {bit} of byte {at}: {kind:?}");
        }
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(kind(&longer), ErrorKind::Damaged { .. }));
    assert_eq!(kind(b"{\"version\":1}"), ErrorKind::NotACheckpoint);
    let other = checkpoint::to_bytes(&vec![1.5_f64; 9]).unwrap();
    assert!(matches!(kind(&other), ErrorKind::OtherValue { .. }));
    // A payload that goes on, and a newer format, behind a checksum that is right.
    let surplus = super::fuzz::sealed(&[&bytes[24..], &[0]].concat());
    assert!(matches!(kind(&surplus), ErrorKind::OtherValue { .. }));
    let mut hasher = crc32fast::Hasher::new();
    [&2_u32.to_le_bytes()[..], &0_u64.to_le_bytes()].iter().for_each(|part| hasher.update(part));
    let sum = hasher.finalize().to_le_bytes();
    let newer = [b"thalweg\0", &2_u32.to_le_bytes()[..], &0_u64.to_le_bytes(), &sum].concat();
    assert_eq!(kind(&newer), ErrorKind::StateVersion { saved: 2, known: 1 });
}
