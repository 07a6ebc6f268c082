//! State in fewer bits against full state.

use thalweg::{Adam, AdamW, Elementwise, Momentum, Precision, Rule};

use crate::loops::{aligned_gradient, quiet, step};
use crate::measure::{Aligned, Row, Section, duel};

const IN_CACHE: [usize; 2] = [10_000, 1_000_000];
const IN_MEMORY: usize = 25_000_000;

fn against_full<R: Rule<f32>>(
    n: usize,
    above: usize,
    precision: Precision,
    make: impl Fn() -> Elementwise<f32, R>,
) -> (f64, f64) {
    let make = |precision| quiet(make()).state_precision(precision).parallel_above(above);
    let (mut compact, mut full) = (make(precision), make(Precision::Full));
    let (mut wa, mut wb, g) = (Aligned::new(n, 1.0), Aligned::new(n, 1.0), aligned_gradient(n));
    let mut ours = || step(&mut compact, wa.view_mut(), g.view());
    let mut other = || step(&mut full, wb.view_mut(), g.view());
    ours();
    other();
    duel(ours, other)
}

/// Adam and Momentum with state of 16 and of 8 bits.
pub fn compact() -> Section {
    let mut rows = Vec::new();
    let mut row = |precision: Precision, n: usize, threads: &str, above: usize| {
        let in_memory = if precision == Precision::Int8 { 0.68 } else { 0.78 };
        let limit = if n == IN_MEMORY { in_memory } else { 1.6 };
        let name = |rule: &str| format!("{rule}, {precision:?} against Full, {n}{threads}");
        rows.push(Row::ratio(name("Adam"), n, limit, move || {
            against_full(n, above, precision, || Adam::new(1e-3))
        }));
        rows.push(Row::ratio(name("AdamW"), n, limit, move || {
            against_full(n, above, precision, || AdamW::new(1e-3))
        }));
        let limit = if n == IN_MEMORY { 1.0 } else { 1.6 };
        rows.push(Row::ratio(name("Momentum"), n, limit, move || {
            against_full(n, above, precision, || Momentum::new(1e-3))
        }));
    };
    for precision in [Precision::BFloat16, Precision::Int8] {
        for n in IN_CACHE.into_iter().chain([IN_MEMORY]) {
            row(precision, n, "", usize::MAX);
        }
        if cfg!(feature = "rayon") {
            row(precision, IN_MEMORY, ", threads", IN_MEMORY / 4);
        }
    }
    Section { name: "compact", title: "State in fewer bits (f32)", rows }
}
