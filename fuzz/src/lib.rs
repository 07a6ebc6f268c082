//! What reads a checkpoint, given anything: it may refuse, and must do nothing else.
//!
//! Each target is a plain function, shared by the fuzzer, the driver in `src/bin` and a test.

mod mutate;

use std::sync::OnceLock;

pub use mutate::{Mutator, Random};
use ndarray::{Array1, Array2};
use thalweg::train::{Accumulate, Lookahead, Sam};
use thalweg::{
    AdamW, Average, Momentum, NAdam, Optimizer, Params, ParamsMut, Scalar, Schedule, Sgd, State,
    Yogi, checkpoint,
};

/// How far an input came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// It is no state.
    Refused,
    /// It is a state, which no optimizer took.
    Read,
    /// An optimizer took it, and was asked for a step.
    Loaded,
}

/// A target: its name, what it does, and inputs to begin with.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]) -> Reached,
    pub corpus: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 4] = [
    Target { name: "from_bytes", run: from_bytes, corpus: corpus_of_bytes },
    Target { name: "json", run: json, corpus: corpus_of_json },
    Target { name: "cbor", run: cbor, corpus: corpus_of_cbor },
    Target { name: "repaired", run: repaired, corpus: corpus_of_edits },
];

/// The compact format.
pub fn from_bytes(input: &[u8]) -> Reached {
    checkpoint::from_bytes(input).map_or(Reached::Refused, |state| offer(&state))
}

/// JSON.
pub fn json(input: &[u8]) -> Reached {
    serde_json::from_slice(input).map_or(Reached::Refused, |state| offer(&state))
}

/// CBOR.
pub fn cbor(input: &[u8]) -> Reached {
    ciborium::from_reader(input).map_or(Reached::Refused, |state| offer(&state))
}

/// The compact format behind its checksum: the first byte chooses a valid payload, each four that
/// follow change it (what, where in two bytes, and by what), and length and checksum are made right.
pub fn repaired(input: &[u8]) -> Reached {
    let Some((&choice, edits)) = input.split_first() else { return Reached::Refused };
    let payloads = &valid().payloads;
    let mut payload = payloads[usize::from(choice) % payloads.len()].clone();
    for &[what, low, high, by] in edits.as_chunks().0 {
        let at = usize::from(u16::from_le_bytes([low, high])) % (payload.len() + 1);
        let end = (at + usize::from(by)).min(payload.len());
        match what % 5 {
            0 if at < payload.len() => payload[at] = by,
            1 if at < payload.len() => payload[at] ^= 1 << (by % 8),
            2 => _ = payload.drain(at..end),
            3 => payload.insert(at, by),
            _ => {
                let piece = payload[at..end].to_vec();
                payload.splice(at..at, piece);
            }
        }
    }
    from_bytes(&sealed(&payload))
}

/// A payload with the header that belongs to it.
pub fn sealed(payload: &[u8]) -> Vec<u8> {
    let (format, length) = (1_u32.to_le_bytes(), (payload.len() as u64).to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    [&format[..], &length, payload].iter().for_each(|part| hasher.update(part));
    let sum = hasher.finalize().to_le_bytes();
    [b"thalweg\0", &format[..], &length, &sum, payload].concat()
}

struct Valid {
    states: Vec<State>,
    payloads: Vec<Vec<u8>>,
}

/// The states of each optimizer before and after some steps.
fn valid() -> &'static Valid {
    static VALID: OnceLock<Valid> = OnceLock::new();
    VALID.get_or_init(|| {
        let mut states = Vec::new();
        singles().iter().for_each(|build| collect(build(), &mut states));
        doubles().iter().for_each(|build| collect(build(), &mut states));
        states.push(ascended());
        let bytes = states.iter().map(|state| checkpoint::to_bytes(state).unwrap());
        let payloads = bytes.map(|bytes| bytes[HEADER..].to_vec()).collect();
        Valid { states, payloads }
    })
}

const HEADER: usize = 24;

fn collect<F: Scalar>(mut optimizer: Box<dyn Optimizer<F>>, states: &mut Vec<State>) {
    states.push(optimizer.state());
    let (mut w, g) = (model::<F>(0.5), model::<F>(0.25));
    for _ in 0..5 {
        let _ = optimizer.step(&mut w, &g);
    }
    states.push(optimizer.state());
}

fn ascended() -> State {
    let mut sam = Sam::new(Momentum::<f32>::new(0.1), 0.05);
    sam.ascend(&mut model::<f32>(0.5), &model::<f32>(0.25)).unwrap();
    sam.state()
}

type Model<F> = (Array2<F>, Array1<F>);

fn model<F: Scalar>(value: f64) -> Model<F> {
    (Array2::from_elem((2, 3), F::from_f64(value)), Array1::from_elem(2, F::from_f64(-value)))
}

type Build<F> = fn() -> Box<dyn Optimizer<F>>;

fn singles() -> [Build<f32>; 4] {
    [
        || {
            let rate = Schedule::cosine(0.1, 0.0, 20).warm_up(3);
            let adamw = AdamW::new(rate).clip_norm(0.5).average(Average::ema(0.9));
            let adamw = adamw.scheduled("beta1", Schedule::linear(0.8, 0.9, 9));
            let adamw = adamw.group("1", |group| group.rate_factor(0.5).weight_decay(0.0));
            Box::new(Lookahead::new(adamw).period(3))
        },
        || Box::new(Sam::new(Momentum::new(0.1), 0.05)),
        || Box::new(Yogi::new(Schedule::from(|step: u64| 1.0 / step as f64))),
        || Box::new(Sgd::new(0.1)),
    ]
}

fn doubles() -> [Build<f64>; 2] {
    [
        || Box::new(Accumulate::new(Sgd::new(0.1).group("0", |group| group.frozen(true)), 3)),
        || Box::new(NAdam::new(0.01).average(Average::swa().every(2))),
    ]
}

/// Offers a state to each optimizer.
fn offer(state: &State) -> Reached {
    let singles = singles().iter().map(|build| load(build(), state)).max();
    let doubles = doubles().iter().map(|build| load(build(), state)).max();
    singles.max(doubles).unwrap_or(Reached::Read)
}

fn load<F: Scalar>(mut optimizer: Box<dyn Optimizer<F>>, state: &State) -> Reached {
    let before = optimizer.state();
    if optimizer.load_state(state).is_err() {
        assert_eq!(optimizer.state(), before, "a refused state has changed something");
        return Reached::Read;
    }
    // As they are written: a closure that was given its function again is no other.
    let (loaded, saved) = (checkpoint::to_bytes(&optimizer.state()), checkpoint::to_bytes(state));
    // State in fewer bits goes on in those of the optimizer.
    let is_full = state.version() < 3;
    assert!(!is_full || loaded == saved, "what was loaded is not what was saved");
    let (mut w, g) = (model::<F>(0.5), model::<F>(0.25));
    for _ in 0..2 {
        let start = w.clone();
        if step(optimizer.as_mut(), &mut w, &g) == Some(false) {
            assert_eq!(w, start, "a refused step has moved the parameters");
        }
    }
    let _ = (optimizer.learning_rate(), optimizer.skipped(), optimizer.steps());
    let _ = optimizer.swap_average(&mut w);
    let _ = optimizer.state();
    Reached::Loaded
}

/// Whether a call that counted no step succeeded.
fn step<F: Scalar>(
    optimizer: &mut dyn Optimizer<F>,
    w: &mut dyn ParamsMut<F>,
    g: &dyn Params<F>,
) -> Option<bool> {
    let steps = optimizer.steps();
    let result = optimizer.step(w, g);
    (steps == optimizer.steps()).then_some(result.is_ok())
}

fn corpus_of_bytes() -> Vec<Vec<u8>> {
    valid().payloads.iter().map(|payload| sealed(payload)).collect()
}

fn corpus_of_json() -> Vec<Vec<u8>> {
    valid().states.iter().map(|state| serde_json::to_vec(state).unwrap()).collect()
}

fn corpus_of_cbor() -> Vec<Vec<u8>> {
    let written = valid().states.iter().map(|state| {
        let mut bytes = Vec::new();
        ciborium::into_writer(state, &mut bytes).unwrap();
        bytes
    });
    written.collect()
}

fn corpus_of_edits() -> Vec<Vec<u8>> {
    let mut random = Random::new(7);
    let edits = (0..valid().payloads.len() as u8).map(|choice| {
        let mut edits = vec![choice];
        edits.extend((0..4 * (choice % 3)).map(|_| random.below(256) as u8));
        edits
    });
    edits.collect()
}
