//! The search of Moré and Thuente.

use super::bracket::{cubic, secant};
use super::{LineSearch, Next, NoLength, Sample, between, first_or_one, is_length};

/// **Moré-Thuente**: the strong Wolfe conditions, φ(α) ≤ φ(0) + μαφ'(0) and |φ'(α)| ≤ η|φ'(0)|.
///
/// It keeps an interval that holds a minimizer of φ(α) - φ(0) - μαφ'(0), and shrinks it by safeguarded
/// cubic and quadratic steps; at most 40 trials.
///
/// Source: Moré & Thuente, "Line search algorithms with guaranteed sufficient decrease", 1994.
///
/// ```
/// use thalweg::solvers::MoreThuente;
/// let search = MoreThuente::new().decrease(1e-3).curvature(0.1);
/// ```
#[derive(Debug, Clone)]
pub struct MoreThuente {
    decrease: f64,
    curvature: f64,
    start: Sample,
    /// The end with the least value.
    best: Sample,
    other: Sample,
    bracketed: bool,
    /// Whether the modified function still steers.
    modified: bool,
    limits: (f64, f64),
    widths: (f64, f64),
    undefined: f64,
    trials: u32,
    noise: f64,
}

const TRIALS: u32 = 40;

impl Default for MoreThuente {
    fn default() -> Self {
        Self::new()
    }
}

impl MoreThuente {
    /// With μ = 1e-4 and η = 0.9; conjugate gradient wants η = 0.1.
    pub fn new() -> Self {
        let none = Sample { length: 0.0, value: f64::NAN, slope: f64::NAN };
        Self {
            decrease: 1e-4,
            curvature: 0.9,
            start: none,
            best: none,
            other: none,
            bracketed: false,
            modified: true,
            limits: (0.0, f64::INFINITY),
            widths: (f64::INFINITY, f64::INFINITY),
            undefined: f64::INFINITY,
            trials: 0,
            noise: 0.0,
        }
    }

    /// Sets μ, the share of the decrease along the tangent that is enough; in (0, ½], and the nearest
    /// such number is taken for others. Where η is less, it counts as μ.
    #[must_use]
    pub fn decrease(mut self, decrease: f64) -> Self {
        self.decrease = decrease.clamp(f64::MIN_POSITIVE, 0.5);
        self
    }

    /// Sets η, the share of the slope that may be left; in [1e-3, 1), and the nearest such number is
    /// taken for others.
    #[must_use]
    pub fn curvature(mut self, curvature: f64) -> Self {
        self.curvature = curvature.clamp(1e-3, 1.0 - f64::EPSILON);
        self
    }

    /// The next trial, and the interval with `trial` taken in; section 4 of the paper.
    fn update(&mut self, trial: Sample) -> f64 {
        let (l, u) = (self.best, self.other);
        let at = trial.length;
        let (low, high) = self.limits;
        let ahead = at > l.length;
        let nearer = |a: f64, b: f64, to: f64| (a - to).abs() < (b - to).abs();
        if trial.value > l.value {
            // Higher: a minimizer is between.
            let width = at - l.length;
            let cubic = cubic(l, trial);
            let rate = (l.value - trial.value) / width + l.slope;
            let quadratic = l.length + 0.5 * l.slope / rate * width;
            self.bracketed = true;
            self.other = trial;
            return if nearer(cubic, quadratic, l.length) {
                cubic
            } else {
                cubic + 0.5 * (quadratic - cubic)
            };
        }
        let secant = secant(l, trial);
        let next = if trial.slope * l.slope < 0.0 {
            // Lower, and beyond a minimizer.
            self.bracketed = true;
            self.other = l;
            let cubic = cubic(l, trial);
            if nearer(cubic, secant, at) { secant } else { cubic }
        } else if trial.slope.abs() < l.slope.abs() {
            // Lower, and less steep: the cubic may have its minimizer beyond the trial.
            let cubic = cubic(l, trial);
            let beyond = (cubic - at) * (at - l.length) > 0.0;
            let cubic = match (beyond, ahead) {
                (true, _) => cubic,
                (false, true) => high,
                (false, false) => low,
            };
            if self.bracketed {
                let step = if nearer(cubic, secant, at) { cubic } else { secant };
                let bound = at + 0.66 * (u.length - at);
                if ahead { step.min(bound) } else { step.max(bound) }
            } else {
                let step = if nearer(cubic, secant, at) { secant } else { cubic };
                between(step, low, high)
            }
        } else if self.bracketed {
            // Lower, and no less steep.
            cubic(u, trial)
        } else if ahead {
            high
        } else {
            low
        };
        self.best = trial;
        next
    }
}

impl LineSearch for MoreThuente {
    fn begin(&mut self, start: Sample, first: f64, noise: f64) -> f64 {
        let Self { decrease, curvature, .. } = *self;
        *self = Self { decrease, curvature, noise, ..Self::new() };
        (self.start, self.best, self.other) = (start, start, start);
        let first = first_or_one(first);
        self.limits = (0.0, 5.0 * first);
        first
    }

    fn advance(&mut self, trial: Sample) -> Next {
        if !is_length(trial.length) {
            return Next::Fail(NoLength::NotALength);
        }
        self.trials += 1;
        let Sample { value, slope, .. } = self.start;
        if !trial.is_finite() {
            self.undefined = trial.length;
            if self.trials > 60 {
                return Next::Fail(NoLength::NonFinite);
            }
            let best = self.best.length;
            return Next::Try(best + 0.1 * (trial.length - best));
        }
        let share = self.decrease * slope;
        let enough = trial.value <= value + share * trial.length;
        let flat = trial.slope.abs() <= -self.curvature.max(self.decrease) * slope;
        // Where φ differs by rounding alone, the slopes decide.
        let rounding = (trial.value - value).abs() <= self.noise;
        if flat && (enough || rounding) {
            return Next::Accept;
        }
        let width = (self.other.length - self.best.length).abs();
        if self.bracketed && width <= 1e-15 * trial.length {
            return Next::Fail(NoLength::Precision);
        }
        if self.trials >= TRIALS {
            return Next::Fail(NoLength::Trials);
        }
        if self.modified && enough && trial.slope >= 0.0 {
            self.modified = false;
        }
        let next = if self.modified && trial.value <= self.best.value && !enough {
            // The function less its required decrease steers as long as it has no minimizer here.
            let tilt = |s: Sample| Sample {
                value: s.value - s.length * share,
                slope: s.slope - share,
                ..s
            };
            let untilt = |s: Sample| Sample {
                value: s.value + s.length * share,
                slope: s.slope + share,
                ..s
            };
            (self.best, self.other) = (tilt(self.best), tilt(self.other));
            let next = self.update(tilt(trial));
            (self.best, self.other) = (untilt(self.best), untilt(self.other));
            next
        } else {
            self.update(trial)
        };
        let mut next = if next.is_nan() { 0.5 * (self.best.length + trial.length) } else { next };
        let (best, other) = (self.best.length, self.other.length);
        if self.bracketed {
            let width = (other - best).abs();
            if width >= 0.66 * self.widths.1 {
                next = best + 0.5 * (other - best);
            }
            self.widths = (width, self.widths.0);
            self.limits = (best.min(other), best.max(other));
            next = between(next, self.limits.0, self.limits.1);
        } else {
            self.limits = (next + 1.1 * (next - best), next + 4.0 * (next - best));
        }
        if next >= self.undefined {
            next = 0.5 * (self.best.length + self.undefined);
        }
        Next::Try(next)
    }
}
