//! Saved, loaded and continued, Muon gives the bits that it would have given.

use thalweg::params::Snapshot;
use thalweg::train::Lookahead;
use thalweg::{AdamW, ErrorKind, Muon, NonFinite, Optimizer, Params, Schedule, State, Tree};

use super::oracle::{Model, model};

fn muon() -> Muon<f64> {
    Muon::optax(Schedule::cosine(0.1, 0.0, 6))
        .matrices(|name, _| name != "wide")
        .weight_decay(0.1)
        .non_finite(NonFinite::Skip)
}

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

fn goes_on_alike<O: Optimizer<f64>>(fresh: impl Fn() -> O) {
    for saved_at in [0, 1, 4] {
        let (mut w, mut optimizer) = (model::<f64>(1), fresh());
        for step in 0..saved_at {
            optimizer.step(&mut w, &model(10 + step)).unwrap();
        }
        let state = in_a_file(optimizer.state());
        let (mut there, mut loaded) = (w.clone(), fresh());
        loaded.load_state(&state).unwrap();
        assert_eq!(loaded.state(), state);
        state.check_leaves(&w).unwrap();
        for step in saved_at..8 {
            optimizer.step(&mut w, &model(10 + step)).unwrap();
            loaded.step(&mut there, &model(10 + step)).unwrap();
        }
        assert!(w.iter().all(|(name, w)| there[name] == *w));
        assert_eq!(loaded.state(), optimizer.state());
        // An optimizer that is on its way can be turned back.
        optimizer.load_state(&state).unwrap();
        assert_eq!(optimizer.state(), state);
    }
}

#[test]
fn saving_and_loading_changes_no_bit() {
    goes_on_alike(muon);
    goes_on_alike(|| Muon::new(0.1));
    goes_on_alike(|| Lookahead::new(muon()));
}

#[test]
fn leaves_may_come_in_another_order_after_loading() {
    let (mut w, mut one) = (model::<f64>(1), muon());
    one.step(&mut w, &model(2)).unwrap();
    let backwards = |tree: &Model<f64>| {
        let leaves = tree.iter().rev().map(|(name, leaf)| (name.clone(), leaf.clone()));
        Snapshot::from_leaves(leaves.collect()).unwrap()
    };
    let mut turned = backwards(&w);
    let mut two = muon();
    two.step(&mut backwards(&model(5)), &backwards(&model(6))).unwrap();
    two.load_state(&one.state()).unwrap();
    one.step(&mut w, &model(3)).unwrap();
    two.step(&mut turned, &model(3)).unwrap();
    assert!(w.iter().all(|(name, w)| turned.leaf(name).unwrap() == *w));
}

#[test]
fn a_state_of_another_optimizer_or_model_is_refused_and_nothing_is_changed() {
    fn refused(state: &State, by: &mut dyn Optimizer<f64>, is: impl Fn(&ErrorKind) -> bool) {
        let before = by.state();
        let error = by.load_state(state).unwrap_err();
        assert!(is(error.kind()), "{error}");
        assert_eq!(by.state(), before);
    }
    let stepped = |mut muon: Muon<f64>, w: &mut Model<f64>, g: &dyn Params<f64>| {
        muon.step(w, g).unwrap();
        muon
    };
    let full = || stepped(muon(), &mut model(1), &model(2));
    let state = full().state();
    let differs = |kind: &ErrorKind| matches!(kind, ErrorKind::StateDiffers { what, .. } if what == "the settings");
    refused(&state, &mut muon().nesterov(false), differs);
    refused(&state, &mut muon().ns_steps(4), differs);
    refused(&state, &mut muon().inputs_first(false), differs);
    refused(
        &state,
        &mut AdamW::<f64>::new(0.1),
        |kind| matches!(kind, ErrorKind::StateOptimizer { saved, .. } if saved == "Muon"),
    );
    refused(
        &AdamW::<f64>::new(0.1).state(),
        &mut full(),
        |kind| matches!(kind, ErrorKind::StateOptimizer { here, .. } if here == "Muon"),
    );
    refused(&Muon::<f32>::optax(0.1).state(), &mut full(), |kind| {
        matches!(kind, ErrorKind::StateScalar { .. })
    });
    // Other matrices: one too many, one too few.
    refused(&state, &mut muon().matrices(|_, _| true), |kind| {
        matches!(kind, ErrorKind::StateMissing { .. })
    });
    refused(&state, &mut muon().matrices(|name, _| name != "wide" && name != "tall"), |kind| {
        matches!(kind, ErrorKind::Leaves { tree: Tree::State, .. })
    });
    // Another model.
    let smaller = |seed| {
        let mut model = model::<f64>(seed);
        model.remove("tall");
        model
    };
    refused(
        &state,
        &mut stepped(muon(), &mut smaller(1), &smaller(2)),
        |kind| matches!(kind, ErrorKind::Leaves { tree: Tree::State, unexpected, .. } if unexpected == &["tall"]),
    );
    assert!(state.check_leaves(&smaller(1)).is_err());
    // The AdamW inside is of another convention.
    let mut other = muon().with_adamw(AdamW::keras(0.1));
    refused(&state, &mut other, |kind| matches!(kind, ErrorKind::StateDiffers { .. }));
}

#[cfg(feature = "serde")]
#[test]
fn counts_that_cannot_be_are_refused() {
    let mut w = model::<f64>(1);
    let mut first = Muon::optax(0.1);
    first.step(&mut w, &model(2)).unwrap();
    let value = serde_json::to_value(first.state()).unwrap();
    for count in ["steps", "skipped"] {
        for bad in [u64::MAX, u64::MAX - 1, 1 << 62] {
            let mut damaged = value.clone();
            damaged["records"][0]["counts"][count] = bad.into();
            let mut other = Muon::<f64>::optax(0.1);
            let before = other.state();
            let damaged = serde_json::from_value(damaged).unwrap();
            other.load_state(&damaged).unwrap_err();
            assert_eq!(other.state(), before);
        }
    }
}
