//! Checkpoints of older versions, which every later one must read.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thalweg::params::Snapshot;
use thalweg::train::Lookahead;
use thalweg::{
    Adafactor, AdamW, Average, Change, Optimizer, Precision, Schedule, State, checkpoint,
};

use super::support::{Model, bits, model};

/// A run that was stopped after some steps, and what it would have come to.
#[derive(Serialize, Deserialize)]
struct Run {
    parameters: Snapshot<f32>,
    optimizer: State,
    /// The bits of the parameters after each step that followed.
    then: Vec<Vec<u64>>,
}

/// What a state of that version is of: in 3 it has codes of 16 bits, in 4 arrays of shapes of their own, and in 5
/// blocks of 8 bits.
fn build(version: u32) -> Box<dyn Optimizer<f32>> {
    if let 3 | 5 = version {
        // A rate without functions of the system: another last digit would be rounded by another chance.
        let precision = if version == 3 { Precision::BFloat16 } else { Precision::Int8 };
        let adamw = AdamW::new(0.0625).state_precision(precision).clip_norm(2.0);
        return Box::new(adamw.group("bias", |group| group.state_precision(Precision::Full)));
    }
    if version >= 4 {
        let adafactor = Adafactor::new(Schedule::cosine(0.1, 0.01, 20)).momentum(0.5);
        return Box::new(adafactor.group("head", Change::new().rate_factor(0.5)));
    }
    let adamw = AdamW::new(Schedule::cosine(0.1, 0.01, 20).warm_up(3))
        .clip_norm(2.0)
        .average(Average::ema(0.9))
        .scheduled("weight_decay", Schedule::linear(0.1, 0.0, 15))
        .group("bias", |group| group.rate_factor(0.5).weight_decay(0.0))
        .group("head", |group| group.frozen(true));
    Box::new(Lookahead::new(adamw).period(4))
}

/// Whole fractions, so that no function of any system has a part in them.
fn gradient(step: u64) -> Model<f32> {
    model(1000 + step)
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn go_on(run: &Run) {
    let (mut w, mut optimizer) = (model(9), build(run.optimizer.version()));
    run.parameters.restore(&mut w).unwrap();
    optimizer.load_state(&run.optimizer).unwrap();
    assert_eq!(optimizer.steps(), 6);
    for (step, expected) in (6..).zip(&run.then) {
        optimizer.step(&mut w, &gradient(step)).unwrap();
        // The cosine and the exponential of a step's constants are the system's: the last digit
        // of them may be another elsewhere.
        let close = bits(&w).iter().zip(expected).all(|(&a, &b)| {
            let (a, b) = (f64::from_bits(a), f64::from_bits(b));
            (a - b).abs() <= 1e-6 * b.abs().max(1e-3)
        });
        let same = bits(&w) == *expected;
        assert!(
            same || (close && !cfg!(all(target_os = "linux", target_arch = "x86_64"))),
            "{step}"
        );
    }
}

fn goes_on(version: u32) {
    let run: Run = checkpoint::load(data(&format!("checkpoint-v{version}.bin"))).unwrap();
    assert_eq!(run.optimizer.version(), version);
    go_on(&run);
    let text = std::fs::read_to_string(data(&format!("checkpoint-v{version}.json"))).unwrap();
    let legible: Run = serde_json::from_str(&text).unwrap();
    assert_eq!(legible.optimizer, run.optimizer);
    go_on(&legible);
}

/// A state that was loaded is saved as it was.
fn is_written_today(version: u32) {
    let run: Run = checkpoint::load(data(&format!("checkpoint-v{version}.bin"))).unwrap();
    let mut optimizer = build(version);
    optimizer.load_state(&run.optimizer).unwrap();
    assert_eq!(optimizer.state(), run.optimizer);
}

#[test]
fn a_checkpoint_of_version_1_goes_on() {
    goes_on(1);
}

#[test]
fn a_checkpoint_of_version_2_goes_on_and_is_what_is_written_today() {
    goes_on(2);
    is_written_today(2);
}

#[test]
fn a_checkpoint_of_version_3_goes_on_and_is_what_is_written_today() {
    goes_on(3);
    is_written_today(3);
}

#[test]
fn a_checkpoint_of_version_4_goes_on_and_is_what_is_written_today() {
    goes_on(4);
    is_written_today(4);
}

#[test]
fn a_checkpoint_of_version_5_goes_on_and_is_what_is_written_today() {
    goes_on(5);
    is_written_today(5);
}

/// Writes a checkpoint of today's format, for a new number of it: see `CONTRIBUTING.md`.
#[test]
#[ignore = "writes tests/data"]
fn write_a_checkpoint_of_today() {
    [2, 3, 4, 5].into_iter().for_each(write);
}

fn write(version: u32) {
    let (mut w, mut optimizer) = (model(1), build(version));
    for step in 0..6 {
        optimizer.step(&mut w, &gradient(step)).unwrap();
    }
    let (parameters, optimizer_state) = (Snapshot::of(&w).unwrap(), optimizer.state());
    let then = (6..12).map(|step| {
        optimizer.step(&mut w, &gradient(step)).unwrap();
        bits(&w)
    });
    let then = then.collect();
    let run = Run { parameters, optimizer: optimizer_state, then };
    let name = format!("checkpoint-v{}", run.optimizer.version());
    checkpoint::save(data(&format!("{name}.bin")), &run).unwrap();
    let text = serde_json::to_string_pretty(&run).unwrap();
    std::fs::write(data(&format!("{name}.json")), text + "\n").unwrap();
}
