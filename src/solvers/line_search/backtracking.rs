//! Backtracking.

use super::{LineSearch, Next, NoLength, Sample, between, first_or_one, is_length};

/// **Backtracking**: the first α of a shrinking row with φ(α) ≤ φ(0) + c₁αφ'(0), Armijo's condition.
///
/// The next α is the minimizer of the parabola through φ(0), φ'(0) and φ(α), kept within
/// [0.1, 0.5]·α; where φ is not finite, 0.1·α. Uses values alone.
///
/// Source: Armijo 1966; Dennis & Schnabel 1983, A6.3.1.
///
/// ```
/// use thalweg::solvers::Backtracking;
/// let search = Backtracking::new().decrease(1e-3);
/// ```
#[derive(Debug, Clone)]
pub struct Backtracking {
    decrease: f64,
    start: Sample,
    trials: u32,
    finite: bool,
}

impl Default for Backtracking {
    fn default() -> Self {
        Self::new()
    }
}

impl Backtracking {
    /// With c₁ = 1e-4.
    pub fn new() -> Self {
        let start = Sample { length: 0.0, value: f64::NAN, slope: f64::NAN };
        Self { decrease: 1e-4, start, trials: 0, finite: false }
    }

    /// Sets c₁, the share of the decrease along the tangent that is enough; in (0, 1), and the
    /// nearest such number is taken for others.
    #[must_use]
    pub fn decrease(mut self, decrease: f64) -> Self {
        self.decrease = decrease.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON);
        self
    }
}

impl LineSearch for Backtracking {
    fn begin(&mut self, start: Sample, first: f64, _noise: f64) -> f64 {
        (self.start, self.trials, self.finite) = (start, 0, false);
        first_or_one(first)
    }

    fn advance(&mut self, trial: Sample) -> Next {
        if !is_length(trial.length) {
            return Next::Fail(NoLength::NotALength);
        }
        let Sample { value, slope, .. } = self.start;
        let length = trial.length;
        self.trials += 1;
        if trial.value.is_finite() {
            self.finite = true;
            if trial.value <= value + self.decrease * length * slope {
                return Next::Accept;
            }
        }
        if self.trials >= 60 || length < 1e-300 {
            return Next::Fail(if self.finite { NoLength::Precision } else { NoLength::NonFinite });
        }
        if !trial.value.is_finite() {
            return Next::Try(0.1 * length);
        }
        let curvature = trial.value - value - length * slope;
        let parabola = -0.5 * slope * length * length / curvature;
        let (low, high) = (0.1 * length, 0.5 * length);
        Next::Try(if parabola.is_nan() { high } else { between(parabola, low, high) })
    }

    fn needs_slope(&self) -> bool {
        false
    }
}
