//! Parameters so small that the step around the loop is what counts.

use ndarray::Array1;
use thalweg::{Adam, NonFinite, Optimizer, ParamsMut};

use crate::loops::gradient;
use crate::measure::{Row, Section, best};

fn time<P: ParamsMut<f32> + Clone>(policy: NonFinite, mut w: P, g: P) -> f64 {
    let mut adam = Adam::new(1e-3).non_finite(policy);
    best(|| _ = adam.step(&mut w, &g).expect("one shape"))
}

/// Nanoseconds of a step of Adam on f32, guard off and on.
pub fn small() -> Section {
    let mut rows = Vec::new();
    for (guard, policy) in [("no guard", NonFinite::Propagate), ("guard", NonFinite::Reject)] {
        rows.push(Row::time(format!("1 leaf of 10, {guard}"), 80.0, move || {
            time(policy, Array1::from_elem(10, 1.0), gradient(10))
        }));
        rows.push(Row::time(format!("10 leaves of 10, {guard}"), 600.0, move || {
            time(policy, vec![Array1::from_elem(10, 1.0); 10], vec![gradient(10); 10])
        }));
    }
    Section { name: "small", title: "Small leaves (Adam f32)", rows }
}
