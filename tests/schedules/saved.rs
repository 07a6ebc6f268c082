//! Schedules and plateaus that were saved and loaded (feature `serde`).

use thalweg::train::Plateau;
use thalweg::{ErrorKind, Schedule};

use super::laws::examples;

#[test]
fn a_loaded_schedule_is_the_one_that_was_saved() {
    for schedule in examples() {
        let json = serde_json::to_string(&schedule).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), schedule, "{json}");
        let bytes = postcard::to_stdvec(&schedule).unwrap();
        assert_eq!(postcard::from_bytes::<Schedule>(&bytes).unwrap(), schedule, "{json}");
    }
}

#[test]
fn a_loaded_closure_is_refused_until_it_is_bound() {
    let one = Schedule::custom("one", |step| step as f64);
    let schedule = one.then(10, |step: u64| 1.0 / step as f64).then(20, 0.5).scaled(2.0);
    let json = serde_json::to_string(&schedule).unwrap();
    let loaded: Schedule = serde_json::from_str(&json).unwrap();
    assert!(loaded.is_custom() && loaded != schedule && loaded == loaded.clone());
    assert!(loaded.at(1).is_nan() && loaded.at(21) == 1.0);

    let unbound = |schedule: &Schedule| {
        let error = schedule.validate().unwrap_err();
        assert!(error.to_string().contains("Schedule::bind"), "{error}");
        match error.kind() {
            ErrorKind::UnboundSchedule { name } => name.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(unbound(&loaded), "one");
    let bound = loaded.clone().bind("one", |step| step as f64).bind("another", |_| 0.0);
    assert_eq!(unbound(&bound), "closure");
    let bound = bound.bind("closure", |step| 1.0 / step as f64);
    bound.validate().unwrap();
    for step in 1..30 {
        assert_eq!(bound.at(step), schedule.at(step));
    }
    assert_eq!(serde_json::to_string(&bound).unwrap(), json);
}

#[test]
fn nameless_closures_are_adopted_in_order() {
    let closure = |value: f64| Schedule::from(move |_: u64| value);
    let schedule = closure(1.0).then(1, closure(2.0)).then(2, closure(3.0));
    let json = serde_json::to_string(&schedule).unwrap();
    let mut loaded: Schedule = serde_json::from_str(&json).unwrap();
    // One that lacks a closure leaves that part unbound.
    loaded.adopt(&closure(1.0).then(1, closure(2.0)));
    assert!(loaded.validate().is_err());
    let mut loaded: Schedule = serde_json::from_str(&json).unwrap();
    loaded.adopt(&schedule);
    assert_eq!(loaded, schedule);
    assert_eq!([1, 2, 3].map(|step| loaded.at(step)), [1.0, 2.0, 3.0]);
}

#[test]
fn pieces_out_of_order_are_refused() {
    let json = serde_json::to_string(&Schedule::constant(1.0).then(5, 2.0).then(9, 3.0)).unwrap();
    let swapped = json.replace("\"after\":9", "\"after\":3");
    assert_ne!(swapped, json);
    let loaded: Schedule = serde_json::from_str(&swapped).unwrap();
    loaded.validate().unwrap_err();
    for step in [0, 1, 4, 6, u64::MAX] {
        loaded.at(step);
    }
}

#[test]
fn a_loaded_plateau_goes_on() {
    let metric =
        |step: u64| 1.0 / step.min(20) as f64 + if step.is_multiple_of(5) { 0.3 } else { 0.0 };
    let mut plateau = Plateau::new(0.1).patience(3).cooldown(2).factor(0.5);
    let mut saved = serde_json::to_string(&plateau).unwrap();
    for step in 1..60 {
        let mut loaded: Plateau = serde_json::from_str(&saved).unwrap();
        assert_eq!(loaded, plateau);
        assert_eq!(loaded.observe(metric(step)).unwrap(), plateau.observe(metric(step)).unwrap());
        saved = serde_json::to_string(&loaded).unwrap();
    }
    assert!(plateau.learning_rate() < 0.05);
}

#[test]
fn what_a_schedule_does_not_know_is_refused() {
    let mut tried = 0;
    for schedule in examples() {
        let value = serde_json::to_value(&schedule).unwrap();
        serde_json::from_value::<Schedule>(value.clone()).unwrap();
        let mut places = vec![String::new()];
        while let Some(place) = places.pop() {
            let mut changed = value.clone();
            match changed.pointer_mut(&place).unwrap() {
                serde_json::Value::Object(map) => {
                    places.extend(map.keys().map(|key| format!("{place}/{key}")));
                    map.insert("surplus".to_owned(), 1.into());
                    tried += 1;
                    assert!(serde_json::from_value::<Schedule>(changed).is_err(), "{place}");
                }
                serde_json::Value::Array(items) => {
                    places.extend((0..items.len()).map(|i| format!("{place}/{i}")));
                }
                _ => {}
            }
        }
    }
    assert!(tried > 12);
}
