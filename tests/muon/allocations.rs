//! A step that has seen its leaves before allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ndarray::{Array2, Axis, Slice};
use thalweg::{Muon, Optimizer};

use crate::oracle::model;

struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread while `work` runs.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = CALLS.with(Cell::get);
    work();
    CALLS.with(Cell::get) - before
}

#[test]
fn a_steady_state_step_allocates_nothing() {
    let (mut w, g) = (model::<f32>(1), model(2));
    let mut muon = Muon::new(0.01);
    assert!(
        allocations(|| assert!(muon.step(&mut w, &g).is_ok())) > 0,
        "the counter does not count"
    );
    let steps = allocations(|| {
        for _ in 0..5 {
            muon.step(&mut w, &g).unwrap();
        }
    });
    assert_eq!(steps, 0);

    let every_second = Slice::new(0, None, 2);
    let (mut w, g) = (Array2::<f64>::zeros((20, 30)), Array2::ones((30, 20)));
    let mut w = w.slice_axis_mut(Axis(1), every_second);
    let mut g = g.t();
    g.invert_axis(Axis(0));
    let g = g.slice_axis(Axis(1), every_second);
    let mut muon = Muon::torch(0.01);
    muon.step(&mut w, &g).unwrap();
    assert_eq!(allocations(|| assert!(muon.step(&mut w, &g).is_ok())), 0);
}
