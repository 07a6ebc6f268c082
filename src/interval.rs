//! Ranges of hyperparameters.

use crate::error::Error;
use crate::scalar::Scalar;

/// The range that a hyperparameter may take.
///
/// ```
/// use thalweg::rule::Interval;
/// assert!(Interval::FRACTION.check::<f32>("Mine", "gamma", 0.0).is_ok());
/// let error = Interval::FRACTION.check::<f32>("Mine", "gamma", 1.0).unwrap_err();
/// assert_eq!(error.to_string(), "Mine: gamma = 1 is not allowed; it takes a number in [0, 1)");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    low: f64,
    includes_low: bool,
    high: f64,
    includes_high: bool,
    /// Whether it must not vanish in a sum of squares, or beside the root of one.
    of_squares: Option<Power>,
    text: &'static str,
}

/// What an ε stands beside.
#[derive(Debug, Clone, Copy)]
enum Power {
    /// The root of an average of squares.
    Root,
    /// The average itself, under the root.
    Square,
}

impl Interval {
    /// [0, 1): decay rates of averages.
    pub const FRACTION: Self = Self { low: 0.0, includes_low: true, high: 1.0, ..Self::POSITIVE }
        .named("a number in [0, 1)");

    /// (0, 1): what is divided by as well as subtracted from 1.
    pub const INNER_FRACTION: Self =
        Self { high: 1.0, ..Self::POSITIVE }.named("a number in (0, 1)");

    /// (-1, 1): momentum, which may be negative.
    pub const SYMMETRIC: Self =
        Self { low: -1.0, high: 1.0, ..Self::POSITIVE }.named("a number in (-1, 1)");

    /// [0, ∞): penalties, decays, initial accumulators.
    pub const NON_NEGATIVE: Self =
        Self { includes_low: true, ..Self::POSITIVE }.named("a finite number >= 0");

    /// (-∞, ∞): bounds of a loss.
    pub const FINITE: Self =
        Self { low: f64::NEG_INFINITY, ..Self::POSITIVE }.named("a finite number");

    /// (0, ∞): what a zero gradient is divided by, so it must not vanish in the scalar type either.
    pub const POSITIVE: Self = Self {
        low: 0.0,
        includes_low: false,
        high: f64::INFINITY,
        includes_high: false,
        of_squares: None,
        text: "a finite number > 0 in the precision of the parameters",
    };

    /// ε beside the root of an average of squares, √v + ε: from 1.4e-17 on in `f32`, from 1.9e-152 on
    /// in `f64`.
    ///
    /// The squares of smaller gradients vanish, and there a smaller ε would be all that is left to
    /// divide by.
    pub const EPSILON: Self = Self {
        of_squares: Some(Power::Root),
        text: "a finite number whose square does not vanish: >= 1.4e-17 for f32 parameters, \
               >= 1.9e-152 for f64",
        ..Self::POSITIVE
    };

    /// ε beside an average of squares, under the root, √(v + ε): from 2e-34 on in `f32`, from 4e-304 on
    /// in `f64`.
    pub const EPSILON_INSIDE: Self = Self {
        of_squares: Some(Power::Square),
        text: "a finite number beside which no square vanishes: >= 2e-34 for f32 parameters, \
               >= 4e-304 for f64",
        ..Self::POSITIVE
    };

    /// [low, high], which a message calls `text`.
    ///
    /// ```
    /// use thalweg::rule::Interval;
    /// const UNIT: Interval = Interval::closed(0.0, 1.0, "a number in [0, 1]");
    /// assert!(UNIT.check::<f64>("Mine", "nu", 1.0).is_ok());
    /// assert!(UNIT.check::<f64>("Mine", "nu", f64::NAN).is_err());
    /// ```
    pub const fn closed(low: f64, high: f64, text: &'static str) -> Self {
        Self { low, includes_low: true, high, includes_high: true, of_squares: None, text }
    }

    /// (0, 1], which a message calls `text`.
    pub(crate) const fn above_zero_to_one(text: &'static str) -> Self {
        Self { includes_low: false, ..Self::closed(0.0, 1.0, text) }
    }

    const fn named(mut self, text: &'static str) -> Self {
        self.text = text;
        self
    }

    /// Whether `value` lies in the range; where 0 is excluded, a cast to `F` must not make it 0.
    fn contains<F: Scalar>(self, value: f64) -> bool {
        let above = if self.includes_low {
            value >= self.low
        } else {
            value > self.low && (self.low != 0.0 || F::from_f64(value) > F::zero())
        };
        let below = if self.includes_high { value <= self.high } else { value < self.high };
        let least = match self.of_squares {
            None => f64::NEG_INFINITY,
            Some(Power::Root) => F::LEAST_SQUARABLE,
            Some(Power::Square) => F::LEAST_SQUARABLE * F::LEAST_SQUARABLE,
        };
        above && below && value >= least && F::from_f64(value).is_finite()
    }

    /// Checks each number of an owner: its range, its name and its value.
    pub(crate) fn check_all<F: Scalar>(
        owner: &'static str,
        numbers: &[(&Self, &'static str, f64)],
    ) -> Result<(), Error> {
        numbers.iter().try_for_each(|&(range, name, value)| range.check::<F>(owner, name, value))
    }

    /// `value` if it lies in the range.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`](crate::ErrorKind::Hyperparameter) naming the owner, the
    /// hyperparameter, its value and the range.
    pub fn check<F: Scalar>(
        self,
        owner: &'static str,
        name: &'static str,
        value: f64,
    ) -> Result<(), Error> {
        if self.contains::<F>(value) {
            Ok(())
        } else {
            Err(Error::hyperparameter(owner, name, value, self.text))
        }
    }
}
