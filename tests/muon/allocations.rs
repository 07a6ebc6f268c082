//! A step that has seen its leaves before allocates nothing.

use ndarray::{Array2, Axis, Slice};
use thalweg::{Muon, Optimizer};

use super::oracle::model;
use crate::counting::allocations_of;

#[test]
fn a_steady_state_step_allocates_nothing() {
    let (mut w, g) = (model::<f32>(1), model::<f32>(2));
    let mut muon = Muon::new(0.01);
    assert!(
        allocations_of(|| assert!(muon.step(&mut w, &g).is_ok())) > 0,
        "the counter does not count"
    );
    let steps = allocations_of(|| {
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
    assert_eq!(allocations_of(|| assert!(muon.step(&mut w, &g).is_ok())), 0);
}
