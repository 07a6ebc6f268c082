//! How far a phase has come, and values on the way between two.

use std::f64::consts::FRAC_PI_2;

/// The share of a phase that is done and the one that is left: both are kept, because 1 - done
/// cancels at the end, where a decay to 0 has its smallest values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub(super) done: f64,
    pub(super) left: f64,
}

impl Progress {
    /// A phase without length is over when it starts.
    pub(super) fn new(elapsed: u64, steps: u64) -> Self {
        match steps.checked_sub(elapsed) {
            None | Some(0) => Self { done: 1.0, left: 0.0 },
            Some(left) => {
                Self { done: elapsed as f64 / steps as f64, left: left as f64 / steps as f64 }
            }
        }
    }

    /// From `start` to `end`, which need not be whole.
    pub(super) fn between(start: f64, end: f64, at: f64) -> Self {
        if at >= end {
            return Self { done: 1.0, left: 0.0 };
        }
        Self { done: (at - start) / (end - start), left: (end - at) / (end - start) }
    }

    /// done = sin²(½πp), left = cos²(½πp): half a wave of the cosine.
    pub(super) fn cosine(self) -> Self {
        let square = |share: f64| (FRAC_PI_2 * share).sin().powi(2);
        Self { done: square(self.done), left: square(self.left) }
    }

    /// left = (1 - p)^power.
    pub(super) fn power(self, power: f64) -> Self {
        Self { done: -(power * (-self.done).ln_1p()).exp_m1(), left: self.left.powf(power) }
    }

    /// done = √p.
    pub(super) fn root(self) -> Self {
        let done = self.done.sqrt();
        Self { done, left: self.left / (1.0 + done) }
    }

    /// The value that has come so far from `from` to `to`; both ends are met exactly, and nothing
    /// lies outside of them.
    pub(super) fn mix(self, from: f64, to: f64) -> f64 {
        bounded(from * self.left + to * self.done, Some(from.min(to)), Some(from.max(to)))
    }
}

/// `value` between two bounds; NaN stays NaN, and bounds in the wrong order do not panic.
pub(super) fn bounded(value: f64, low: Option<f64>, high: Option<f64>) -> f64 {
    let value = low.map_or(value, |low| if value < low { low } else { value });
    high.map_or(value, |high| if value > high { high } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_met_exactly() {
        for (from, to) in [(0.1, 0.3), (0.3, 1e-17), (-0.7, 0.0), (1e308, -1e308), (0.1, 0.1)] {
            for shape in [|p| p, Progress::cosine, Progress::root, |p: Progress| p.power(2.5)] {
                let at = |elapsed| shape(Progress::new(elapsed, 7)).mix(from, to);
                assert_eq!((at(0), at(7), at(u64::MAX)), (from, to, to));
                for elapsed in 0..8 {
                    assert!((from.min(to)..=from.max(to)).contains(&at(elapsed)));
                }
            }
        }
    }

    #[test]
    fn the_last_value_before_zero_keeps_its_digits() {
        // 1 - cos x would lose half of them.
        let p = Progress::new(999_999, 1_000_000).cosine().mix(1.0, 0.0);
        let x = FRAC_PI_2 * 1e-6;
        let expected = x * x * (1.0 - x * x / 3.0);
        assert!((p / expected - 1.0).abs() < 1e-15, "{p} for {expected}");
    }
}
