//! No input makes the loader panic, or allocate more than a small multiple of it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use thalweg::{Optimizer, Sgd, State, checkpoint};

use crate::fuzz::{Mutator, Reached, TARGETS, sealed};

struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    LIVE.with(|live| {
        live.set(live.get() + bytes);
        PEAK.with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes of this thread that were alive at once while `work` ran.
fn peak(work: impl FnOnce()) -> usize {
    let before = LIVE.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    work();
    (PEAK.with(Cell::get) - before) as usize
}

/// What is allocated whatever the input: the optimizers it is offered to.
const ALWAYS: usize = 200_000;
/// A name of three bytes is a leaf of more than a hundred, and a list that grows has room for twice.
const MULTIPLE: usize = 400;

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
            let peak = peak(|| result = (target.run)(input));
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
        let peak = peak(|| _ = checkpoint::from_bytes::<State>(&bytes));
        assert!(peak < ALWAYS + MULTIPLE * bytes.len(), "{peak} bytes at {at}");
    }
    // CBOR: arrays, maps, texts and byte strings of 2⁶³ elements.
    for head in [0x9b, 0xbb, 0x7b, 0x5b] {
        let bytes = [&[head, 0x7f][..], &[0xff; 7], &[0; 64]].concat();
        let peak = peak(|| assert!(ciborium::from_reader::<State, _>(&bytes[..]).is_err()));
        assert!(peak < ALWAYS, "{peak}");
    }
    // Deep nesting is refused before the stack ends.
    for text in ["[".repeat(100_000), "{\"version\":".repeat(100_000)] {
        assert!(serde_json::from_str::<State>(&text).is_err());
    }
    assert!(ciborium::from_reader::<State, _>(&[0x81; 100_000][..]).is_err());
}
