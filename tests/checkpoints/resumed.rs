//! What is saved, loaded and continued equals what was never stopped.

use std::process::Command;

use ndarray::{Array1, array};
use thalweg::params::Snapshot;
use thalweg::rule::{Clock, Interval};
use thalweg::{Adam, Average, Elementwise, Error, Momentum, Nesterov, Optimizer, Rule, Scalar};
use thalweg::{Precedence, Schedule, Sgd, State, checkpoint};

use super::support::*;
use crate::LOSS;

const STEPS: u64 = 12;

fn gradient<F: Scalar>(step: u64) -> Model<F> {
    model(100 + step)
}

/// Bits and report after each step.
type Track = Vec<(Vec<u64>, Report)>;

/// The track of the steps that are left, and the bits of the average at the end.
fn go_on<F: Scalar>(
    optimizer: &mut dyn Optimizer<F>,
    mut w: Model<F>,
    from: u64,
) -> (Track, Model<F>, Vec<u64>) {
    let mut track = Vec::new();
    for step in from..STEPS {
        let info = optimizer.step_with_loss(&mut w, &gradient(step), LOSS).unwrap();
        track.push((bits(&w), report(info)));
    }
    let mut average = w.clone();
    optimizer.swap_average(&mut average).unwrap();
    (track, w, bits(&average))
}

fn after<F: Scalar>(optimizer: &mut dyn Optimizer<F>, steps: u64) -> Model<F> {
    let mut w = model(1);
    for step in 0..steps {
        optimizer.step_with_loss(&mut w, &gradient(step), LOSS).unwrap();
    }
    w
}

/// A rule's name, and how it is built for a number of steps.
type Named<'n, F> = (&'n str, fn(usize) -> Box<dyn Optimizer<F>>);

fn check<F: Scalar>(rules: &[Named<'_, F>]) {
    for ((name, build), entry) in rules.iter().zip(thalweg::catalog::<F>()) {
        let couples = entry.couples;
        for kind in 0..KINDS {
            let (expected, straight, average) = go_on(build(kind).as_mut(), model(1), 0);
            for k in [0, 1, 7] {
                let mut stopped = build(kind);
                let w = after(stopped.as_mut(), k);
                let state = stopped.state();
                for format in FORMATS {
                    let sent = format(&state);
                    assert_eq!(sent, state, "{name}");
                    let mut resumed = build(kind);
                    resumed.load_state(&sent).unwrap();
                    assert_eq!(resumed.state(), state, "{name}");
                    let (track, _, last) = go_on(resumed.as_mut(), w.clone(), k);
                    assert!(track == expected[k as usize..], "{name} {kind} from {k}");
                    assert_eq!(last, average, "{name} {kind} from {k}");
                }
                // Arrays in another memory layout, then leaves in another order, then a used one.
                let mut resumed = build(kind);
                resumed.load_state(&state).unwrap();
                let mut turned = Turned(w.clone());
                let (mut used, mut columnar) = (build(kind), build(kind));
                after(used.as_mut(), 4);
                used.load_state(&state).unwrap();
                columnar.load_state(&state).unwrap();
                let (track, ..) = go_on(used.as_mut(), w.clone(), k);
                assert!(track == expected[k as usize..], "{name} {kind} used, from {k}");
                let (track, ..) = go_on(columnar.as_mut(), columns(&w), k);
                // A norm in another layout may round otherwise.
                assert!(
                    kind == 1 || couples || k == 0 || track == expected[k as usize..],
                    "{name} in columns"
                );
                for step in k..STEPS {
                    resumed.step_with_loss(&mut turned, &Turned(gradient(step)), LOSS).unwrap();
                }
                // Before the first step there is no order yet but the one that the step has.
                assert!(k == 0 || turned.0 == straight, "{name} {kind} turned, from {k}");
            }
        }
    }
}

#[test]
fn every_rule_goes_on_to_the_same_bits_in_f32() {
    check(&each_rule!(build::<f32>));
}

#[test]
fn every_rule_goes_on_to_the_same_bits_in_f64() {
    check(&each_rule!(build::<f64>));
}

#[test]
fn a_new_process_goes_on_to_the_same_bits() {
    const FILE: &str = "THALWEG_CHECKPOINT";
    let rules = each_rule!(build::<f32>);
    if let Some(file) = std::env::var_os(FILE) {
        let saved: Vec<(Snapshot<f32>, State)> = checkpoint::load(&file).unwrap();
        for ((_, build), (parameters, state)) in rules.iter().zip(saved) {
            let (mut w, mut optimizer) = (model(9), build(0));
            parameters.restore(&mut w).unwrap();
            optimizer.load_state(&state).unwrap();
            let (track, _, average) = go_on(optimizer.as_mut(), w, 7);
            println!("\ntrack: {track:?} {average:?}");
        }
        return;
    }
    let (mut saved, mut expected) = (Vec::new(), String::new());
    for (_, build) in &rules {
        let mut optimizer = build(0);
        let w = after(optimizer.as_mut(), 7);
        saved.push((Snapshot::of(&w).unwrap(), optimizer.state()));
        let (track, _, average) = go_on(optimizer.as_mut(), w, 7);
        expected += &format!("track: {track:?} {average:?}\n");
    }
    let file = std::env::temp_dir().join(format!("thalweg-resumed-{}", std::process::id()));
    checkpoint::save(&file, &saved).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "checkpoints::resumed::a_new_process_goes_on_to_the_same_bits",
            "--exact",
            "--nocapture",
        ])
        .env(FILE, &file)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(child.status.success(), "{child:?}");
    let text = String::from_utf8(child.stdout).unwrap();
    let found: Vec<&str> = text.lines().filter(|line| line.starts_with("track: ")).collect();
    assert_eq!(found, expected.lines().collect::<Vec<_>>());
}

#[test]
fn infinities_and_nans_in_a_state_survive_every_format() {
    let mut w = array![1.0_f32, 2.0, 3.0, 4.0];
    let mut momentum = Momentum::new(0.1).non_finite(thalweg::NonFinite::Propagate);
    let odd = array![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0xffc0_1234)];
    momentum.step_with_loss(&mut w, &odd, LOSS).unwrap();
    let mut record = thalweg::state::Record::new::<f32>("Mine");
    for (name, bits) in [("nan", 0xfff8_0000_0000_0000), ("payload", 0x7ff8_0000_0000_beef)] {
        record.number(name, f64::from_bits(bits));
    }
    record.number("infinite", f64::NEG_INFINITY);
    record.number("zero", -0.0);
    record.number("third", 1.0 / 3.0);
    for state in [momentum.state(), record.into()] {
        for format in FORMATS {
            assert_eq!(format(&state), state);
        }
    }
}

#[test]
fn what_was_set_after_the_last_step_is_saved() {
    let build = || Adam::<f64>::new(0.1).group("bias", |group| group.rate_factor(0.5));
    let mut w = model(1);
    let mut adam = build();
    for step in 0..3 {
        adam.step_with_loss(&mut w, &gradient(step), LOSS).unwrap();
    }
    adam.set_learning_rate(0.01).unwrap();
    let mut resumed = build();
    resumed.load_state(&adam.state()).unwrap();
    // A group that is frozen from now on keeps its state.
    let freeze = |adam: Adam<f64>| adam.group("head", |group| group.frozen(true));
    let mut frozen = freeze(adam.clone());
    let mut thawed = freeze(build());
    thawed.load_state(&frozen.state()).unwrap();
    assert!(thawed.slot("head", "m").is_some());
    for (one, other) in [(&mut adam, &mut resumed), (&mut frozen, &mut thawed)] {
        let (mut a, mut b) = (w.clone(), w.clone());
        one.step_with_loss(&mut a, &gradient(5), LOSS).unwrap();
        other.step_with_loss(&mut b, &gradient(5), LOSS).unwrap();
        assert_eq!(bits(&a), bits(&b));
    }
}

#[test]
fn a_loaded_nesterov_settles_as_the_saved_one() {
    let build = || {
        let schedule = Schedule::linear(0.5, 0.9, 10);
        Nesterov::<f32>::torch(Schedule::cosine(0.1, 0.0, 20)).scheduled("momentum", schedule)
    };
    let mut nesterov = build();
    let mut w = model(1);
    for step in 0..4 {
        nesterov.step_with_loss(&mut w, &gradient(step), LOSS).unwrap();
    }
    let mut loaded = build();
    loaded.load_state(&nesterov.state()).unwrap();
    let mut other = w.clone();
    nesterov.settle(&mut w).unwrap();
    loaded.settle(&mut other).unwrap();
    assert_eq!(bits(&w), bits(&other));
    assert_ne!(bits(&w), bits(&after(&mut build(), 4)));
}

#[test]
fn a_state_saved_with_the_average_in_place_swaps_back() {
    let mut sgd = Sgd::<f64>::new(0.1).average(Average::swa());
    let trained = after(&mut sgd, 5);
    let mut w = trained.clone();
    sgd.swap_average(&mut w).unwrap();
    let mut loaded = Sgd::new(0.1).average(Average::swa());
    loaded.load_state(&sgd.state()).unwrap();
    assert!(loaded.step_with_loss(&mut w, &gradient(5), LOSS).is_err());
    loaded.swap_average(&mut w).unwrap();
    assert_eq!(w, trained);
    loaded.step_with_loss(&mut w, &gradient(5), LOSS).unwrap();
}

/// A rule with two values of state, and names for its hyperparameters or not.
#[derive(Debug, Clone, Default)]
struct Mine<const NAMED: bool> {
    momentum: f64,
}

impl<F: Scalar, const NAMED: bool> Rule<F> for Mine<NAMED> {
    const NAME: &'static str = "Mine";
    // A slot may be called as the crate calls an average.
    const SLOTS: &'static [&'static str] = &["average", "velocity"];
    type State = [F; 2];
    type Step = [F; 2];

    fn validate(&self) -> Result<(), Error> {
        Interval::FRACTION.check::<F>("Mine", "momentum", self.momentum)
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        if NAMED {
            visit("momentum", &mut self.momentum);
        }
    }

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> [F; 2] {
        [learning_rate, self.momentum].map(F::from_f64)
    }

    #[inline(always)]
    fn update(&[alpha, gamma]: &[F; 2], w: F, g: F, [mean, v]: [F; 2]) -> (F, [F; 2]) {
        let v = gamma * v + g;
        (w - alpha * (v + mean), [gamma * mean + v, v])
    }
}

fn own_rule<const NAMED: bool>() {
    let build = |momentum| {
        Elementwise::<f32, _>::with_rule(Mine::<NAMED> { momentum }, 0.05)
            .average(Average::ema(0.5))
    };
    let mut optimizer = build(0.5);
    let w = after(&mut optimizer, 3);
    let state = optimizer.state();
    let mut resumed = build(0.5);
    resumed.load_state(&state).unwrap();
    assert!(go_on(&mut optimizer, w.clone(), 3) == go_on(&mut resumed, w, 3));
    // Others are refused; where the saved run's are to go on, only numbers that the rule names can.
    assert!(build(0.25).load_state(&state).is_err());
    let mut taking = build(0.25).precedence(Precedence::Saved);
    assert_eq!(taking.load_state(&state).is_ok(), NAMED);
}

#[test]
fn a_rule_of_ones_own_goes_on_whether_it_names_its_numbers_or_not() {
    own_rule::<true>();
    own_rule::<false>();
}

#[test]
fn a_closure_goes_on_where_it_is_given_again() {
    let build =
        |name: &str| Sgd::<f64>::new(Schedule::custom(name.to_owned(), |step| 0.1 / step as f64));
    let (mut w, g): (Array1<f64>, _) = (array![1.0], array![1.0]);
    let mut sgd = build("harmonic");
    sgd.step_with_loss(&mut w, &g, LOSS).unwrap();
    let state = FORMATS[0](&sgd.state());
    let mut resumed = build("harmonic");
    resumed.load_state(&state).unwrap();
    let mut other = w.clone();
    sgd.step_with_loss(&mut w, &g, LOSS).unwrap();
    resumed.step_with_loss(&mut other, &g, LOSS).unwrap();
    assert_eq!(w, other);
    let error = build("another").load_state(&state).unwrap_err();
    assert!(error.to_string().contains("Schedule::bind"), "{error}");
}
