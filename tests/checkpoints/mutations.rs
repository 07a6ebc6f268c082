//! No input makes the loader panic, or allocate more than a small multiple of it.

use thalweg::{Optimizer, Sgd, State, checkpoint};

use crate::counting::peak_of;

use super::fuzz::{Mutator, Reached, TARGETS, sealed};

/// What is allocated whatever the input: the optimizers it is offered to.
const ALWAYS: usize = 200_000;
/// A name of three bytes is a leaf of more than a hundred, and a list that grows has room for twice.
const MULTIPLE: usize = 600;

#[test]
fn mutations_of_valid_inputs_are_withstood() {
    for target in &TARGETS {
        let corpus = (target.corpus)();
        for input in &corpus {
            (target.run)(input);
        }
        let mut mutator = Mutator::new(corpus, 42);
        let mut reached = [0; 3];
        for number in 0..4000 {
            let input = mutator.input();
            let mut result = Reached::Refused;
            let peak = peak_of(|| result = (target.run)(input));
            let bound = ALWAYS + MULTIPLE * input.len();
            assert!(peak <= bound, "{} {number}: {peak} bytes for {}", target.name, input.len());
            reached[result as usize] += 1;
        }
        println!("{} refused, read, loaded: {reached:?}", target.name);
    }
}

#[test]
fn absurd_lengths_are_not_believed() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let valid = checkpoint::to_bytes(&Sgd::<f32>::new(0.1).state()).unwrap();
    for at in 0..valid.len() - 24 {
        // A length, if there was one, that no memory has.
        let mut payload = valid[24..].to_vec();
        payload.splice(at..=at, huge);
        let bytes = sealed(&payload);
        let peak = peak_of(|| _ = checkpoint::from_bytes::<State>(&bytes));
        assert!(peak < ALWAYS + MULTIPLE * bytes.len(), "{peak} bytes at {at}");
    }
    // CBOR: arrays, maps, texts and byte strings of 2⁶³ elements.
    for head in [0x9b, 0xbb, 0x7b, 0x5b] {
        let bytes = [&[head, 0x7f][..], &[0xff; 7], &[0; 64]].concat();
        let peak = peak_of(|| assert!(ciborium::from_reader::<State, _>(&bytes[..]).is_err()));
        assert!(peak < ALWAYS, "{peak}");
    }
    // Deep nesting is refused before the stack ends.
    for text in ["[".repeat(100_000), "{\"version\":".repeat(100_000)] {
        assert!(serde_json::from_str::<State>(&text).is_err());
    }
    assert!(ciborium::from_reader::<State, _>(&[0x81; 100_000][..]).is_err());
}
