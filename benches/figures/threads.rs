//! Threads against one.

use ndarray::Array1;
use thalweg::{Adam, Elementwise, Momentum, Optimizer, Rule, Sgd};

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
    let g = vec![gradient::<f32>(n); count];
    many.step(&mut wa, &g).expect("one shape");
    let mut wb = wa.clone();
    duel(
        || _ = many.step(&mut wa, &g).expect("one shape"),
        || _ = single.step(&mut wb, &g).expect("one shape"),
    )
}

/// What the memory allows: two threads that read four arrays and write three, against one.
fn stream(n: usize) -> (f64, f64) {
    fn pass(arrays: [&mut [f32]; 3], g: &[f32]) {
        let [a, b, c] = arrays;
        let (a, b, c) = (&mut a[..g.len()], &mut b[..g.len()], &mut c[..g.len()]);
        for i in 0..g.len() {
            (a[i], b[i], c[i]) = (a[i] + g[i], b[i] + g[i], c[i] + g[i]);
        }
    }
    let mut buffers = [(); 6].map(|()| vec![1.0; n]);
    let [a, b, c, d, e, f] = &mut buffers;
    let g = vec![0.5; n];
    let two = || {
        let ((a0, a1), (b0, b1)) = (a.split_at_mut(n / 2), b.split_at_mut(n / 2));
        let (c0, c1) = c.split_at_mut(n / 2);
        let (g0, g1) = g.split_at(n / 2);
        rayon::join(|| pass([a0, b0, c0], g0), || pass([a1, b1, c1], g1));
    };
    duel(two, || pass([d, e, f], &g))
}

/// The default setting against one thread.
pub fn threads() -> Section {
    let mut rows = Vec::new();
    let mut row = |count: usize, n: usize, limit: f64| {
        let what = format!("{count} x {n}");
        rows.push(Row::ratio(format!("Adam, {what}"), count * n, limit, move || {
            duel_with_one(count, n, || Adam::new(1e-3))
        }));
        rows.push(Row::ratio(format!("Momentum, {what}"), count * n, limit, move || {
            duel_with_one(count, n, || Momentum::new(1e-3))
        }));
        rows.push(Row::ratio(format!("Sgd, {what}"), count * n, limit, move || {
            duel_with_one(count, n, || Sgd::new(1e-3))
        }));
    };
    row(200, 50_000, 1.0 / 1.6);
    for n in [10, 10_000, 100_000, 400_000, 524_289, 1_000_000, 25_000_000] {
        row(1, n, 1.0);
    }
    let n = 10_000_000;
    let what = "a memory stream of the same traffic, two threads".to_owned();
    rows.insert(0, Row::ratio(what, n, f64::INFINITY, move || stream(n)));
    Section { name: "threads", title: "Threads against one (2 cores)", rows }
}
