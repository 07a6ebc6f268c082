//! The search of Moré and Thuente.

use super::{LineSearch, Next, NoLength, Sample};

/// **Moré-Thuente**: the strong Wolfe conditions, φ(α) ≤ φ(0) + μαφ'(0) and |φ'(α)| ≤ η|φ'(0)|.
///
/// It keeps an interval that holds a minimizer of φ(α) - φ(0) - μαφ'(0), and shrinks it by safeguarded
/// cubic and quadratic steps; at most 40 trials.
///
/// Source: Moré & Thuente, "Line search algorithms with guaranteed sufficient decrease", 1994.
///
/// ```
/// use thalweg::solvers::MoreThuente;
/// let search = MoreThuente::new().curvature(0.1);
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

    /// Sets η, the share of the slope that may be left; in (μ, 1), and the nearest such number is
    /// taken for others.
    #[must_use]
    pub fn curvature(mut self, curvature: f64) -> Self {
        self.curvature = curvature.clamp(1e-3, 1.0 - f64::EPSILON);
        self
    }

    /// The next trial, and the interval with `trial` taken in; section 4 of the paper.
    fn update(&mut self, trial: Sample) -> f64 {
        let (l, u) = (self.best, self.other);
        let (at, d) = (trial.length, trial.slope);
        let opposite = d * l.slope.signum() < 0.0;
        let theta = 3.0 * (l.value - trial.value) / (at - l.length) + l.slope + d;
        // The minimizer of the cubic by l and the trial; `None` where it has none.
        let gamma = (theta * theta - l.slope * d).max(0.0).sqrt();
        let toward = if at > l.length { 1.0 } else { -1.0 };
        let gamma = gamma * toward;
        let secant = at + d / (d - l.slope) * (l.length - at);
        let next;
        if trial.value > l.value {
            // Higher: the minimum is between.
            let cubic = l.length
                + (at - l.length) * (gamma - l.slope + theta) / (2.0 * gamma - l.slope + d);
            let quadratic = l.length
                + (at - l.length) * 0.5 * l.slope
                    / ((l.value - trial.value) / (at - l.length) + l.slope);
            let nearer = (cubic - l.length).abs() < (quadratic - l.length).abs();
            next = if nearer { cubic } else { cubic + 0.5 * (quadratic - cubic) };
            self.bracketed = true;
            self.other = trial;
            return next;
        }
        if opposite {
            // Lower, and beyond the minimum.
            let cubic = at + (l.length - at) * (gamma - d + theta) / (2.0 * gamma - d + l.slope);
            let farther = (cubic - at).abs() > (secant - at).abs();
            next = if farther { cubic } else { secant };
            self.bracketed = true;
            self.other = l;
        } else if d.abs() < l.slope.abs() {
            // Lower, less steep: perhaps beyond the trial.
            let reach = (l.length - at) * (gamma - d + theta);
            let over = gamma + (l.slope - d) + gamma;
            let r = reach / over;
            let (low, high) = self.limits;
            let cubic = if r * toward > 0.0 && gamma != 0.0 {
                at + r
            } else if at > l.length {
                high
            } else {
                low
            };
            let nearer = (cubic - at).abs() < (secant - at).abs();
            if self.bracketed {
                let step = if nearer { cubic } else { secant };
                let bound = at + 0.66 * (u.length - at);
                next = if at > l.length { step.min(bound) } else { step.max(bound) };
            } else {
                next = if nearer { secant } else { cubic }.clamp(low, high);
            }
        } else if self.bracketed {
            // Lower, and no less steep.
            let theta = 3.0 * (trial.value - u.value) / (u.length - at) + u.slope + d;
            let gamma = (theta * theta - u.slope * d).max(0.0).sqrt();
            let gamma = if at > u.length { -gamma } else { gamma };
            next = at + (u.length - at) * (gamma - d + theta) / (2.0 * gamma - d + u.slope);
        } else {
            next = if at > l.length { self.limits.1 } else { self.limits.0 };
        }
        self.best = trial;
        next
    }
}

impl LineSearch for MoreThuente {
    fn begin(&mut self, start: Sample, first: f64, noise: f64) -> f64 {
        let Self { decrease, curvature, .. } = *self;
        *self = Self { decrease, curvature, noise, ..Self::new() };
        (self.start, self.best, self.other) = (start, start, start);
        self.limits = (0.0, 5.0 * first);
        first
    }

    fn advance(&mut self, trial: Sample) -> Next {
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
        let flat = trial.slope.abs() <= -self.curvature * slope;
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
            next = next.clamp(self.limits.0, self.limits.1);
        } else {
            self.limits = (next + 1.1 * (next - best), next + 4.0 * (next - best));
        }
        if next >= self.undefined {
            next = 0.5 * (self.best.length + self.undefined);
        }
        Next::Try(next)
    }
}
