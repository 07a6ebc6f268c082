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
    text: &'static str,
}

impl Interval {
    /// [0, 1): decay rates of averages.
    pub const FRACTION: Self =
        Self { low: 0.0, includes_low: true, high: 1.0, text: "a number in [0, 1)" };

    /// (-1, 1): momentum, which may be negative.
    pub const SYMMETRIC: Self =
        Self { low: -1.0, includes_low: false, high: 1.0, text: "a number in (-1, 1)" };

    /// [0, ∞): penalties, decays, initial accumulators.
    pub const NON_NEGATIVE: Self =
        Self { low: 0.0, includes_low: true, high: f64::INFINITY, text: "a finite number >= 0" };

    /// (0, ∞): what a zero gradient is divided by, so it must not vanish in the scalar type either.
    pub const POSITIVE: Self = Self {
        low: 0.0,
        includes_low: false,
        high: f64::INFINITY,
        text: "a finite number > 0 in the precision of the parameters",
    };

    /// Whether `value` lies in the range, also after a cast to `F` where the range excludes 0.
    fn contains<F: Scalar>(self, value: f64) -> bool {
        let above = if self.includes_low {
            value >= self.low
        } else {
            value > self.low && F::from_f64(value) > F::from_f64(self.low)
        };
        above && value < self.high && F::from_f64(value).is_finite()
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
