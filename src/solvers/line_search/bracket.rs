//! The bracket that the searches by interpolation keep.

use super::{Next, NoLength, Sample, between, is_length};
use crate::error::Error;
use crate::state::{Record, invalid};

/// What a trial must fulfil, and whether values may be asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tests {
    /// Whether values are known, too.
    pub(super) values: bool,
    /// σ: |φ'(α)| ≤ σ|φ'(0)|.
    pub(super) curvature: f64,
}

/// A search by an interval whose left end is low and falls, and whose right end rises or is high.
#[derive(Debug, Clone)]
pub(super) struct Bracket {
    tests: Tests,
    start: Sample,
    low: Sample,
    high: Option<Sample>,
    /// The shortest length at which φ was not finite.
    undefined: f64,
    noise: f64,
    trials: u32,
    width: f64,
}

/// An extrapolation goes no further than this multiple of the length.
const GROWTH: f64 = 10.0;
const TRIALS: u32 = 40;
/// Trials to find a length at which φ is finite: 0.1 to this power is beyond every scale.
const CONTRACTIONS: u32 = 60;
/// An interval from this part of a trial's length on is as one from 0.
const NEAR: f64 = 0.2;
/// δ of the approximate test φ'(α) ≤ (2δ - 1)φ'(0).
const APPROXIMATE: f64 = 0.1;

impl Bracket {
    pub(super) fn new(tests: Tests) -> Self {
        let none = Sample { length: 0.0, value: f64::NAN, slope: f64::NAN };
        Self {
            tests,
            start: none,
            low: none,
            high: None,
            undefined: f64::INFINITY,
            noise: 0.0,
            trials: 0,
            width: f64::INFINITY,
        }
    }

    pub(super) fn begin(&mut self, start: Sample, noise: f64) {
        *self = Self { start, low: start, noise, ..Self::new(self.tests) };
    }

    /// Whether the line through the slopes at 0 and at that length can stand for the one of the interval in which
    /// φ' vanishes at `at`: nothing that is known lies between, or only near 0.
    pub(super) fn begins_near_zero(&self, length: f64, at: f64) -> bool {
        self.low.length <= NEAR * length && self.high.is_none_or(|high| at < high.length)
    }

    /// What a search in progress depends on, to save.
    pub(super) fn save(&self, record: &mut Record) {
        let length = |sample: Option<Sample>| sample.map_or(f64::NAN, |sample| sample.length);
        let slope = |sample: Option<Sample>| sample.map_or(f64::NAN, |sample| sample.slope);
        record.number("search.curvature", self.tests.curvature);
        record.number("search.start.slope", self.start.slope);
        record.number("search.low.length", self.low.length);
        record.number("search.low.slope", self.low.slope);
        record.number("search.high.length", length(self.high));
        record.number("search.high.slope", slope(self.high));
        record.number("search.undefined", self.undefined);
        record.number("search.width", self.width);
        record.count("search.trials", self.trials.into());
    }

    /// A search by slopes alone, as it was saved.
    pub(super) fn load(&self, record: &Record) -> Result<Self, Error> {
        record.compare_number("search.curvature", self.tests.curvature)?;
        let number = |name: &str| record.get_number(&format!("search.{name}"));
        let sample = |length: f64, slope: f64| Sample { length, value: f64::NAN, slope };
        let high = sample(number("high.length")?, number("high.slope")?);
        let trials = record.get_count("search.trials")?;
        let search = Self {
            start: sample(0.0, number("start.slope")?),
            low: sample(number("low.length")?, number("low.slope")?),
            high: (!high.length.is_nan()).then_some(high),
            undefined: number("undefined")?,
            width: number("width")?,
            trials: trials.min(u64::from(CONTRACTIONS)) as u32,
            ..Self::new(self.tests)
        };
        let low = search.low.length;
        let wrong = if !(low >= 0.0 && low.is_finite()) {
            "search.low.length"
        } else if high.length.is_nan() != high.slope.is_nan() {
            "search.high.slope"
        } else if search.high.is_some_and(|high| !(high.length >= low && high.length.is_finite())) {
            "search.high.length"
        } else if search.undefined.is_nan() || search.undefined <= 0.0 {
            "search.undefined"
        } else if search.width.is_nan() || search.width < 0.0 {
            "search.width"
        } else if trials > u64::from(CONTRACTIONS) {
            "search.trials"
        } else {
            return Ok(search);
        };
        Err(invalid(format!("`{wrong}`"), "is of no search".to_owned()))
    }

    pub(super) fn advance(&mut self, trial: Sample) -> Next {
        if !is_length(trial.length) {
            return Next::Fail(NoLength::NotALength);
        }
        self.trials += 1;
        let valued = self.tests.values;
        if !(trial.slope.is_finite() && (trial.value.is_finite() || !valued)) {
            self.undefined = trial.length;
            let low = self.low.length;
            if self.trials > CONTRACTIONS {
                return Next::Fail(NoLength::NonFinite);
            }
            return Next::Try(low + 0.1 * (trial.length - low));
        }
        if self.accepts(trial) {
            return Next::Accept;
        }
        if self.trials >= TRIALS && !self.undefined.is_finite() || self.trials >= CONTRACTIONS {
            return Next::Fail(NoLength::Trials);
        }
        let above = |value: f64| valued && trial.value > value + self.noise;
        if trial.slope >= 0.0 || above(self.start.value) || above(self.low.value) {
            self.high = Some(trial);
        } else if self.high.is_none() {
            let next = self.beyond(trial);
            self.low = trial;
            return Next::Try(next);
        } else {
            self.low = trial;
        }
        match self.high {
            Some(high) => self.within(high),
            None => Next::Fail(NoLength::Precision),
        }
    }

    fn accepts(&self, trial: Sample) -> bool {
        let Sample { value, slope, .. } = self.start;
        let (flat, steepness) = (trial.slope.abs(), -slope);
        let sigma = self.tests.curvature;
        if !self.tests.values {
            return flat <= sigma * steepness
                && trial.slope <= (1.0 - 2.0 * APPROXIMATE) * steepness;
        }
        // Where φ differs by rounding alone, the slopes say more.
        trial.value <= value + self.noise
            && trial.slope >= sigma * slope
            && flat <= sigma.max(APPROXIMATE) * steepness
    }

    /// A length beyond a trial that still falls.
    fn beyond(&self, trial: Sample) -> f64 {
        let low = self.low;
        let ahead = |length: f64| if length > trial.length { Some(length) } else { None };
        let secant = ahead(secant(low, trial));
        let cubic = if self.tests.values { ahead(cubic(low, trial)) } else { None };
        let next = match (cubic, secant) {
            (Some(c), Some(s)) => c.max(s).min(1.5 * c.min(s)),
            (Some(next), None) | (None, Some(next)) => next,
            (None, None) => f64::INFINITY,
        };
        let least = 1.1 * (trial.length - low.length).min(0.3 * trial.length);
        let next = between(next, trial.length + least, trial.length * GROWTH);
        if next >= self.undefined { 0.5 * (trial.length + self.undefined) } else { next }
    }

    /// A length inside the bracket.
    fn within(&mut self, high: Sample) -> Next {
        let low = self.low;
        let width = high.length - low.length;
        if width.is_nan() || width <= 1e-16 * high.length {
            return Next::Fail(NoLength::Precision);
        }
        let valued = self.tests.values;
        let next = if high.slope >= 0.0 {
            let telling = (high.value - low.value).abs() > self.noise;
            let cubic = if valued && telling { cubic(low, high) } else { f64::NAN };
            if cubic.is_finite() { cubic } else { secant(low, high) }
        } else {
            // Higher, yet falling: the parabola by the values.
            let rise = high.value - low.value - low.slope * width;
            let parabola = low.length - 0.5 * low.slope * width * width / rise;
            let cubic = cubic(low, high);
            let inside = low.length < cubic && cubic < high.length;
            if inside { 0.5 * (cubic + parabola) } else { parabola }
        };
        let slow = self.trials > 3 && width > 0.66 * self.width;
        self.width = width;
        let margin = 0.005 * width;
        let next = between(next, low.length + margin, high.length - margin);
        Next::Try(if slow || next.is_nan() { low.length + 0.5 * width } else { next })
    }
}

/// The minimizer of the cubic through two values and slopes; NaN where there is none.
pub(super) fn cubic(a: Sample, b: Sample) -> f64 {
    let width = b.length - a.length;
    let d1 = a.slope + b.slope - 3.0 * (b.value - a.value) / width;
    let d2 = (d1 * d1 - a.slope * b.slope).sqrt() * width.signum();
    b.length - width * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2)
}

/// Where the straight line through two slopes is zero.
pub(super) fn secant(a: Sample, b: Sample) -> f64 {
    (a.length * b.slope - b.length * a.slope) / (b.slope - a.slope)
}
