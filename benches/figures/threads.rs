//! Threads against one.

use ndarray::Array1;
use thalweg::{Adam, Elementwise, Momentum, NonFinite, Optimizer, Rule};

use crate::loops::gradient;
use crate::measure::{Row, Section, duel};

/// The default setting against one thread, on `count` leaves of `n`.
fn duel_with_one<R: Rule<f32>>(
    count: usize,
    n: usize,
    make: impl Fn() -> Elementwise<f32, R>,
) -> (f64, f64) {
    let (mut many, mut single) = (make(), make().parallel_above(usize::MAX));
    let mut wa = vec![Array1::from_elem(n, 1.0); count];
    let g = vec![gradient(n); count];
    many.step(&mut wa, &g).expect("one shape");
    let mut wb = wa.clone();
    duel(
        || _ = many.step(&mut wa, &g).expect("one shape"),
        || _ = single.step(&mut wb, &g).expect("one shape"),
    )
}

/// The default setting against one thread.
pub fn threads() -> Section {
    let mut rows = Vec::new();
    let mut row = |count: usize, n: usize, limit: f64| {
        let what = format!("{count} x {n}");
        rows.push(Row::ratio(format!("Adam, {what}"), count * n, limit, move || {
            duel_with_one(count, n, || Adam::new(1e-3))
        }));
        rows.push(Row::ratio(format!("Adam, no guard, {what}"), count * n, limit, move || {
            duel_with_one(count, n, || Adam::new(1e-3).non_finite(NonFinite::Propagate))
        }));
        rows.push(Row::ratio(format!("Momentum, {what}"), count * n, limit, move || {
            duel_with_one(count, n, || Momentum::new(1e-3))
        }));
    };
    row(200, 50_000, 1.0 / 1.6);
    for n in [10, 10_000, 100_000, 131_073, 200_000, 300_000, 1_000_000, 25_000_000] {
        row(1, n, 1.0);
    }
    Section { name: "threads", title: "Threads against one (2 cores)", rows }
}
