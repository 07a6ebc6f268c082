//! How far to go along a direction: line searches as state machines.
//!
//! Along a direction d, φ(α) = f(x + αd) and φ'(α) = ∇f(x + αd)ᵀd. A search does not evaluate
//! anything: it says which α to try, is told φ and φ' there, and says what next. So it can be run by
//! whoever has the values, and interrupted between any two.

mod backtracking;
mod bracket;
mod cubic;
mod hager_zhang;
mod more_thuente;
mod secant;

use std::fmt::Debug;

pub use backtracking::Backtracking;
pub use cubic::Cubic;
pub use hager_zhang::HagerZhang;
pub use more_thuente::MoreThuente;
pub use secant::{Exact, Secant};

/// φ and φ' at one length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// α.
    pub length: f64,
    /// φ(α).
    pub value: f64,
    /// φ'(α); NaN for a search that does not need it.
    pub slope: f64,
}

impl Sample {
    /// Whether φ and φ' are finite.
    pub fn is_finite(&self) -> bool {
        self.value.is_finite() && self.slope.is_finite()
    }
}

/// What a search says to a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// Try this length.
    Try(f64),
    /// The length just tried is the one.
    Accept,
    /// There is none.
    Fail(NoLength),
}

/// Why a search has found no length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoLength {
    /// φ'(0) is not negative.
    NotDescent,
    /// The bracket has shrunk to nothing, or φ differs by rounding alone.
    Precision,
    /// f was not finite however short the step.
    NonFinite,
    /// Too many trials.
    Trials,
    /// The length that was tried is not a positive number.
    NotALength,
}

/// The first length: 1 where the caller has none.
fn first_or_one(first: f64) -> f64 {
    if is_length(first) { first } else { 1.0 }
}

/// Whether it is positive and finite.
fn is_length(length: f64) -> bool {
    length > 0.0 && length.is_finite()
}

/// The nearest number between two; whatever these are, it answers.
pub(super) fn between(x: f64, low: f64, high: f64) -> f64 {
    if x.is_nan() { x } else { x.max(low).min(high) }
}

/// A line search, told one sample after another.
///
/// ```
/// use thalweg::solvers::{Backtracking, LineSearch, Next, Sample};
///
/// // φ(α) = (α - 1)², first tried far too long.
/// let sample = |length: f64| Sample {
///     length,
///     value: (length - 1.0).powi(2),
///     slope: 2.0 * (length - 1.0),
/// };
/// let mut search = Backtracking::new();
/// let mut length = search.begin(sample(0.0), 10.0, 0.0);
/// while let Next::Try(next) = search.advance(sample(length)) {
///     length = next;
/// }
/// assert!(sample(length).value < 1.0);
/// ```
pub trait LineSearch: Debug + Send + Sync {
    /// Begins at a sample of length 0 and negative slope; returns the first length to try, near
    /// `first`, or 1 where that is not a positive number. Differences of φ smaller than `noise` are rounding.
    fn begin(&mut self, start: Sample, first: f64, noise: f64) -> f64;

    /// Takes the sample of the length it has asked for; fails for one that is not positive.
    fn advance(&mut self, trial: Sample) -> Next;

    /// Whether it uses φ'; if not, trials cost a value alone where the objective has that.
    fn needs_slope(&self) -> bool {
        true
    }
}
