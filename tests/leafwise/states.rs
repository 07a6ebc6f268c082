//! Saved, loaded and continued, they give the bits that they would have given.

use thalweg::train::{Accumulate, Lookahead, Sam};
use thalweg::{
    Adafactor, Adam, Change, ErrorKind, NonFinite, Optimizer, Params, Schedule, Shampoo, Sm3, Soap,
    State, Tree,
};

use super::support::{Boxed, Model, all, assert_same_bits, model};

/// What a state is after it has been written and read.
fn in_a_file(state: State) -> State {
    #[cfg(feature = "serde")]
    {
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
        thalweg::checkpoint::from_bytes(&thalweg::checkpoint::to_bytes(&state).unwrap()).unwrap()
    }
    #[cfg(not(feature = "serde"))]
    state
}

type Fresh<'f> = &'f dyn Fn() -> Boxed<f64>;

fn goes_on_alike(fresh: Fresh<'_>) {
    for saved_at in [0, 1, 2, 5] {
        let (mut w, mut optimizer) = (model::<f64>(1), fresh());
        for step in 0..saved_at {
            optimizer.step(&mut w, &model(10 + step)).unwrap();
        }
        let state = in_a_file(optimizer.state());
        let (mut there, mut loaded) = (w.clone(), fresh());
        loaded.load_state(&state).unwrap();
        assert_eq!(loaded.state(), state);
        state.check_leaves(&w).unwrap();
        for step in saved_at..9 {
            optimizer.step(&mut w, &model(10 + step)).unwrap();
            loaded.step(&mut there, &model(10 + step)).unwrap();
        }
        assert_same_bits(&w, &there);
        assert_eq!(loaded.state(), optimizer.state());
        // An optimizer that is on its way can be turned back.
        optimizer.load_state(&state).unwrap();
        assert_eq!(optimizer.state(), state);
    }
}

#[test]
fn saving_and_loading_changes_no_bit() {
    for (_, build) in all::<f64>() {
        goes_on_alike(&|| build(Schedule::cosine(0.1, 0.0, 6)));
    }
}

#[test]
fn within_wrappers_too() {
    for (_, build) in all::<f64>() {
        let inner = || build(Schedule::cosine(0.1, 0.0, 6));
        goes_on_alike(&|| Box::new(Lookahead::new(inner()).period(2)));
        goes_on_alike(&|| Box::new(Accumulate::new(Lookahead::new(inner()).period(3), 2)));
    }
}

#[test]
fn sharpness_aware_steps_go_on_alike() {
    for (_, build) in all::<f64>() {
        let fresh = || Sam::new(build(0.05.into()), 0.05);
        let run = |sam: &mut Sam<f64, Boxed<f64>>, w: &mut Model<f64>, seed| {
            sam.ascend(w, &model(seed)).unwrap();
            sam.step(w, &model(seed + 1)).unwrap();
        };
        let (mut sam, mut w) = (fresh(), model::<f64>(1));
        (2..5).for_each(|seed| run(&mut sam, &mut w, seed));
        let (mut resumed, mut there) = (fresh(), w.clone());
        resumed.load_state(&in_a_file(sam.state())).unwrap();
        for seed in 5..9 {
            run(&mut sam, &mut w, seed);
            run(&mut resumed, &mut there, seed);
        }
        assert_same_bits(&w, &there);
        assert_eq!(resumed.state(), sam.state());
    }
}

#[test]
fn a_saved_run_goes_on_whatever_was_changed() {
    for (name, build) in all::<f64>() {
        let (mut optimizer, mut w) = (build(0.1.into()), model::<f64>(1));
        for step in 0..14 {
            let change = match step {
                0 => Some(("tall", Change::new().frozen(true))),
                3 => Some(("*", Change::new().rate_factor(0.5))),
                5 => Some(("b*", Change::new().schedule(Schedule::cosine(0.1, 0.0, 20)))),
                6 => Some(("*", Change::new().frozen(false))),
                8 => Some(("square", Change::new().frozen(true).set("weight_decay", 0.2))),
                11 => Some(("square", Change::new().frozen(false).rate_factor(2.0))),
                _ => None,
            };
            if let Some((leaves, change)) = change {
                optimizer.change_group(leaves.into(), change).unwrap();
            }
            let mut resumed = build(0.1.into());
            resumed.load_state(&in_a_file(optimizer.state())).unwrap();
            assert_eq!(resumed.state(), optimizer.state(), "{name} {step}");
            let mut other = w.clone();
            optimizer.step(&mut w, &model(10 + step)).unwrap();
            resumed.step(&mut other, &model(10 + step)).unwrap();
            assert_same_bits(&w, &other);
            assert_eq!(resumed.state(), optimizer.state(), "{name} {step}");
            optimizer = resumed;
        }
    }
}

#[test]
fn a_state_of_another_optimizer_or_model_is_refused_and_nothing_is_changed() {
    fn refused(state: &State, by: &mut dyn Optimizer<f64>, is: impl Fn(&ErrorKind) -> bool) {
        let before = by.state();
        let error = by.load_state(state).unwrap_err();
        assert!(is(error.kind()), "{error}");
        assert_eq!(by.state(), before);
    }
    let stepped = |mut shampoo: Shampoo<f64>, w: &mut Model<f64>, g: &dyn Params<f64>| {
        shampoo.step(w, g).unwrap();
        shampoo
    };
    let full = || stepped(Shampoo::new(0.1), &mut model(1), &model(2));
    let state = full().state();
    let differs = |what: &'static str| move |kind: &ErrorKind| matches!(kind, ErrorKind::StateDiffers { what: other, .. } if other == what);
    refused(&state, &mut Shampoo::new(0.1).every(3), differs("the settings"));
    refused(&state, &mut Shampoo::new(0.1).block(3), differs("the settings"));
    refused(&state, &mut Shampoo::new(0.1).weight_decay(0.5), differs("the settings"));
    refused(&state, &mut Shampoo::new(0.1).non_finite(NonFinite::Skip), differs("the settings"));
    refused(&state, &mut Shampoo::new(0.1).beta2(0.5), differs("beta2"));
    refused(&state, &mut Shampoo::new(0.2), differs("learning_rate"));
    for other in
        [&mut Adam::new(0.1) as &mut dyn Optimizer<f64>, &mut Soap::new(0.1), &mut Sm3::new(0.1)]
    {
        refused(&state, other, |kind| matches!(kind, ErrorKind::StateOptimizer { .. }));
    }
    refused(&Adam::<f64>::new(0.1).state(), &mut full(), |kind| {
        matches!(kind, ErrorKind::StateOptimizer { .. })
    });
    refused(&Shampoo::<f32>::new(0.1).state(), &mut full(), |kind| {
        matches!(kind, ErrorKind::StateScalar { .. })
    });
    let smaller = |seed| {
        let mut model = model::<f64>(seed);
        model.remove("tall");
        model
    };
    let mut other = stepped(Shampoo::new(0.1), &mut smaller(1), &smaller(2));
    refused(
        &state,
        &mut other,
        |kind| matches!(kind, ErrorKind::Leaves { tree: Tree::State, unexpected, .. } if unexpected == &["tall"]),
    );
    assert!(state.check_leaves(&smaller(1)).is_err());
    // Of other axes.
    let mut w = model::<f64>(1);
    let mut one = Adafactor::<f64>::new(0.1);
    one.step(&mut w, &model(2)).unwrap();
    refused(&one.state(), &mut Adafactor::optax(0.1), |kind| {
        matches!(kind, ErrorKind::StateDiffers { .. })
    });
}

#[cfg(feature = "serde")]
#[test]
fn damaged_states_are_refused_and_nothing_is_changed() {
    use serde_json::Value;
    type Damage = Box<dyn Fn(&mut Value)>;
    for (name, build) in all::<f64>() {
        let (mut optimizer, mut w) = (build(0.1.into()), model::<f64>(1));
        (2..5).for_each(|seed| _ = optimizer.step(&mut w, &model(seed)).unwrap());
        let value = serde_json::to_value(optimizer.state()).unwrap();
        let leaf = |value: &mut Value| -> usize {
            let leaves = value["records"][0]["leaves"].as_array().unwrap();
            leaves.iter().position(|leaf| leaf["name"] == "tall").unwrap()
        };
        let at = leaf(&mut value.clone());
        let arrays = value["records"][0]["leaves"][at]["arrays"].as_object().unwrap().clone();
        let mut damages: Vec<Damage> = Vec::new();
        for (array, text) in &arrays {
            let (array, text) = (array.clone(), text.as_str().unwrap().to_owned());
            let digits = text[text.rfind(':').unwrap() + 1..].to_owned();
            let bad = [
                // Without a number, with one more, as another scalar, of another shape, in none.
                text[..text.len() - 16].to_owned(),
                format!("{text}{}", &digits[..16]),
                text.replace("f64:", "f32:"),
                format!("7x7:f64:{digits}"),
                format!("18446744073709551615x2:f64:{digits}"),
                "0:f64:".to_owned(),
                format!("f64:{}", &digits[16..]),
            ];
            for bad in bad {
                let array = array.clone();
                damages.push(Box::new(move |value| {
                    value["records"][0]["leaves"][at]["arrays"][&array] = bad.clone().into();
                }));
            }
            damages.push(Box::new(move |value| {
                let leaf = &mut value["records"][0]["leaves"][at]["arrays"];
                leaf.as_object_mut().unwrap().remove(&array);
            }));
        }
        for count in ["steps", "skipped"] {
            damages.push(Box::new(move |value| {
                value["records"][0]["counts"][count] = u64::MAX.into();
            }));
        }
        damages.push(Box::new(|value| {
            value["records"][0]["counts"]["steps of leaf `tall`"] = 4.into();
        }));
        damages.push(Box::new(move |value| {
            let arrays = &mut value["records"][0]["leaves"][at]["arrays"];
            arrays["more"] = "2:f64:00000000000000000000000000000000".into();
        }));
        damages.push(Box::new(|value| value["version"] = 99.into()));
        for (i, damage) in damages.iter().enumerate() {
            let mut damaged = value.clone();
            damage(&mut damaged);
            let mut other = build(0.1.into());
            other.step(&mut w.clone(), &model(7)).unwrap();
            let before = other.state();
            let Ok(state) = serde_json::from_value::<State>(damaged) else { continue };
            assert!(other.load_state(&state).is_err(), "{name}: damage {i}");
            assert_eq!(other.state(), before, "{name}");
        }
    }
}
