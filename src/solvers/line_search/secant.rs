//! Searches by slopes alone.

use super::bracket::{Bracket, Tests};
use super::{LineSearch, Next, NoLength, Sample, first_or_one};
use crate::error::Error;
use crate::state::Record;

/// **Secant**: the approximate Wolfe conditions by slopes alone, |φ'(α)| ≤ σ|φ'(0)| and
/// φ'(α) ≤ (2δ - 1)φ'(0) with δ = 0.1.
///
/// Needs no value: it serves where only gradients are known. Of two stationary points along a
/// direction it cannot tell which is lower.
///
/// Source: Hager & Zhang, "A new conjugate gradient method with guaranteed descent and an efficient
/// line search", 2005.
///
/// ```
/// use thalweg::solvers::Secant;
/// let search = Secant::new().curvature(0.1);
/// ```
#[derive(Debug, Clone)]
pub struct Secant(Bracket);

impl Default for Secant {
    fn default() -> Self {
        Self::new()
    }
}

impl Secant {
    /// With σ = 0.4.
    pub fn new() -> Self {
        Self(Bracket::new(Tests { values: false, curvature: 0.4 }))
    }

    /// Sets σ, the share of the slope that may be left; in (0, 1), and the nearest such number is
    /// taken for others.
    #[must_use]
    pub fn curvature(self, curvature: f64) -> Self {
        let curvature = curvature.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
        Self(Bracket::new(Tests { values: false, curvature }))
    }

    /// Whether the line through the slopes at 0 and at that length tells that φ' vanishes at `at`.
    pub(in crate::solvers) fn begins_near_zero(&self, length: f64, at: f64) -> bool {
        self.0.begins_near_zero(length, at)
    }

    /// Puts what a search in progress depends on into a record.
    pub(in crate::solvers) fn save(&self, record: &mut Record) {
        self.0.save(record);
    }

    /// The search as it was saved; its σ must be this one's.
    pub(in crate::solvers) fn load(&self, record: &Record) -> Result<Self, Error> {
        Ok(Self(self.0.load(record)?))
    }
}

impl LineSearch for Secant {
    fn begin(&mut self, start: Sample, first: f64, noise: f64) -> f64 {
        self.0.begin(start, noise);
        first_or_one(first)
    }

    fn advance(&mut self, trial: Sample) -> Next {
        self.0.advance(trial)
    }
}

/// **Exact**: φ'(α) = 0 to nine digits.
///
/// On a quadratic that is the first trial where a product with the Hessian has given
/// α* = -gᵀρ/ρᵀHρ, and the second, by one secant, where not. On other functions it takes secants
/// until the slope is gone: more evaluations than are worth it.
///
/// ```
/// use thalweg::solvers::{ConjugateGradient, Exact};
/// let solver = ConjugateGradient::<f64>::new().line_search(Exact::new());
/// ```
#[derive(Debug, Clone)]
pub struct Exact(Bracket);

impl Default for Exact {
    fn default() -> Self {
        Self::new()
    }
}

impl Exact {
    /// An exact search.
    pub fn new() -> Self {
        Self(Bracket::new(Tests { values: false, curvature: 1e-9 }))
    }
}

impl LineSearch for Exact {
    fn begin(&mut self, start: Sample, first: f64, noise: f64) -> f64 {
        self.0.begin(start, noise);
        first_or_one(first)
    }

    fn advance(&mut self, trial: Sample) -> Next {
        match self.0.advance(trial) {
            // The bracket is as narrow as the precision allows.
            Next::Fail(why) if trial.is_finite() && why != NoLength::NotALength => Next::Accept,
            next => next,
        }
    }
}
