//! Starts that are off by up to a tenth, and the share of them that end at a published minimum.
#![allow(dead_code, unreachable_pub)]

use ndarray::Array1;
use thalweg::Error;
use thalweg::solvers::{Objective, Solver, Stop, minimize};

/// Starts, evaluations of a run, and max|g| that it goes to.
pub const STARTS: u64 = 100;
pub const EVALUATIONS: u64 = 5000;
pub const TOLERANCE: f64 = 1e-8;

/// Numbers in [-1, 1], by SplitMix64 of that seed.
pub fn numbers(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 * 2.0_f64.powi(-52) - 1.0
    })
}

/// Start k: x·(1 + 0.1·u), or 0.1·u where x is 0.
pub fn start(x: &[f64], k: u64) -> Array1<f64> {
    let moved = |(&x, u): (&f64, f64)| if x == 0.0 { 0.1 * u } else { x * (1.0 + 0.1 * u) };
    x.iter().zip(numbers(k)).map(moved).collect()
}

/// f within 1e-4 of one of the minima, or 1e-9 where that is more.
pub fn is_minimum(f: f64, minima: &[f64]) -> bool {
    minima.iter().any(|m| (f - m).abs() <= 1e-4 * m.abs() + 1e-9)
}

/// How many of the starts end at one of the minima, and the median of the evaluations.
pub fn share(
    make: fn() -> Box<dyn Solver<f64>>,
    objective: &mut dyn Objective<f64, Array1<f64>>,
    x: &[f64],
    minima: &[f64],
) -> Result<(u64, u64), Error> {
    let (mut found, mut counts) = (0, Vec::new());
    for k in 0..STARTS {
        let mut w = start(x, k);
        let stop = Stop::never().gradient_max(TOLERANCE).evaluations(EVALUATIONS);
        let report = minimize(&mut *make(), &mut w, objective, stop)?;
        found += u64::from(is_minimum(report.value, minima));
        counts.push(report.evaluations.total());
    }
    counts.sort_unstable();
    let middle = counts.len() / 2;
    Ok((found, (counts[middle - 1] + counts[middle]) / 2))
}
