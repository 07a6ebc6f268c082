//! The search of Hager and Zhang.

use super::bracket::secant;
use super::{LineSearch, Next, NoLength, Sample, first_or_one, is_length};

/// **Hager-Zhang**: the Wolfe conditions, or the approximate ones,
/// (2δ - 1)φ'(0) ≥ φ'(α) ≥ σφ'(0) with φ(α) ≤ φ(0) + ε.
///
/// The approximate conditions hold to the last digit where differences of φ are lost to rounding.
/// The interval shrinks by the double secant step, at least to two thirds a round; at most 60 trials.
///
/// Source: Hager & Zhang, "A new conjugate gradient method with guaranteed descent and an efficient
/// line search", 2005, and "Algorithm 851: CG_DESCENT", 2006.
///
/// ```
/// use thalweg::solvers::{ConjugateGradient, HagerZhang};
/// let solver = ConjugateGradient::<f64>::new().line_search(HagerZhang::new().curvature(0.4));
/// ```
#[derive(Debug, Clone)]
pub struct HagerZhang {
    decrease: f64,
    curvature: f64,
    start: Sample,
    noise: f64,
    /// The interval: a is low and falls, b rises.
    a: Sample,
    b: Sample,
    /// The interval when the round began.
    round: (Sample, Sample),
    stage: Stage,
    /// The upper end of a bisection in place of b.
    bisecting: Option<f64>,
    trials: u32,
    undefined: f64,
}

/// What the interval was last updated for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    /// No upper end yet.
    Opening,
    /// The first secant of a round, and its length.
    First(f64),
    Second,
    Middle,
}

const TRIALS: u32 = 60;
/// By how much the interval is opened.
const EXPANSION: f64 = 5.0;
/// How much of the interval may be left of a round.
const SHRINKAGE: f64 = 0.66;

impl Default for HagerZhang {
    fn default() -> Self {
        Self::new()
    }
}

impl HagerZhang {
    /// With δ = 0.1 and σ = 0.9.
    pub fn new() -> Self {
        let none = Sample { length: 0.0, value: f64::NAN, slope: f64::NAN };
        Self {
            decrease: 0.1,
            curvature: 0.9,
            start: none,
            noise: 0.0,
            a: none,
            b: none,
            round: (none, none),
            stage: Stage::Opening,
            bisecting: None,
            trials: 0,
            undefined: f64::INFINITY,
        }
    }

    /// Sets σ, the share of the slope that may be left; in [δ, 1), and the nearest such number is
    /// taken for others.
    #[must_use]
    pub fn curvature(mut self, curvature: f64) -> Self {
        self.curvature = curvature.clamp(self.decrease, 1.0 - f64::EPSILON);
        self
    }

    fn is_low(&self, trial: Sample) -> bool {
        trial.value <= self.start.value + self.noise
    }

    fn accepts(&self, trial: Sample) -> bool {
        let Sample { value, slope, .. } = self.start;
        let flat = trial.slope >= self.curvature * slope;
        let wolfe = trial.value - value <= self.decrease * trial.length * slope;
        let approximate = (2.0 * self.decrease - 1.0) * slope >= trial.slope;
        flat && (wolfe || approximate && self.is_low(trial))
    }

    /// Takes a trial into the interval; asks for the next one if that takes a bisection.
    fn update(&mut self, trial: Sample) -> Next {
        if trial.slope >= 0.0 {
            self.b = trial;
        } else if self.is_low(trial) {
            self.a = trial;
            if let Some(end) = self.bisecting {
                return self.try_inside(0.5 * (trial.length + end));
            }
        } else {
            // High, and falling: a point that rises lies between.
            self.bisecting = Some(trial.length);
            return self.try_inside(0.5 * (self.a.length + trial.length));
        }
        self.bisecting = None;
        self.updated()
    }

    /// The interval is whole again: what its stage asks for next.
    fn updated(&mut self) -> Next {
        match self.stage {
            Stage::Opening | Stage::Middle => self.begin_round(),
            Stage::First(at) => {
                self.stage = Stage::Second;
                let again = if at == self.b.length {
                    secant(self.round.1, self.b)
                } else if at == self.a.length {
                    secant(self.round.0, self.a)
                } else {
                    f64::NAN
                };
                if self.a.length < again && again < self.b.length {
                    self.try_inside(again)
                } else {
                    self.updated()
                }
            }
            Stage::Second => {
                let (a, b) = self.round;
                if self.b.length - self.a.length > SHRINKAGE * (b.length - a.length) {
                    self.stage = Stage::Middle;
                    return self.try_inside(0.5 * (self.a.length + self.b.length));
                }
                self.begin_round()
            }
        }
    }

    fn begin_round(&mut self) -> Next {
        self.round = (self.a, self.b);
        let (a, b) = (self.a.length, self.b.length);
        let at = secant(self.a, self.b);
        let at = if a < at && at < b { at } else { 0.5 * (a + b) };
        self.stage = Stage::First(at);
        self.try_inside(at)
    }

    fn try_inside(&self, at: f64) -> Next {
        let end = self.bisecting.unwrap_or(self.b.length);
        if at > self.a.length && at < end { Next::Try(at) } else { Next::Fail(NoLength::Precision) }
    }
}

impl LineSearch for HagerZhang {
    fn begin(&mut self, start: Sample, first: f64, noise: f64) -> f64 {
        let Self { decrease, curvature, .. } = *self;
        *self = Self { decrease, curvature, start, noise, a: start, ..Self::new() };
        first_or_one(first)
    }

    fn advance(&mut self, trial: Sample) -> Next {
        if !is_length(trial.length) {
            return Next::Fail(NoLength::NotALength);
        }
        self.trials += 1;
        if !trial.is_finite() {
            self.undefined = trial.length;
            if self.trials > TRIALS {
                return Next::Fail(NoLength::NonFinite);
            }
            return Next::Try(self.a.length + 0.1 * (trial.length - self.a.length));
        }
        if self.accepts(trial) {
            return Next::Accept;
        }
        if self.trials >= TRIALS {
            return Next::Fail(NoLength::Trials);
        }
        if self.stage == Stage::Opening
            && self.bisecting.is_none()
            && trial.slope < 0.0
            && self.is_low(trial)
        {
            self.a = trial;
            let next = EXPANSION * trial.length;
            let bounded = next >= self.undefined;
            return Next::Try(if bounded { 0.5 * (trial.length + self.undefined) } else { next });
        }
        self.update(trial)
    }
}
