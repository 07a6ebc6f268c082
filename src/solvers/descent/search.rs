//! Searches along a direction.

use super::Descent;
use crate::scalar::Scalar;
use crate::solvers::halt::Halt;
use crate::solvers::line_search::{LineSearch, Next, NoLength, Sample};

impl<F: Scalar> Descent<'_, F> {
    /// Differences of f at the current point that are smaller than this are rounding.
    pub fn noise(&self) -> f64 {
        F::epsilon().into_f64().powf(2.0 / 3.0) * self.current.value.abs()
    }

    /// Searches along a direction of that slope ∇fᵀd < 0, from the length `first`, and accepts what
    /// the search accepts; the length, or why there is none.
    ///
    /// # Errors
    /// As [`try_length`](Descent::try_length).
    pub fn line_search(
        &mut self,
        search: &mut dyn LineSearch,
        direction: &[F],
        slope: f64,
        first: f64,
    ) -> Result<Result<f64, NoLength>, Halt> {
        if !(slope < 0.0 && slope.is_finite()) {
            return Ok(Err(NoLength::NotDescent));
        }
        let start = Sample { length: 0.0, value: self.current.value, slope };
        let mut length = search.begin(start, first, self.noise());
        loop {
            let sample = if search.needs_slope() {
                self.try_length(length, direction)?
            } else {
                let (length, value) = self.try_value(length, direction)?;
                Sample { length, value, slope: f64::NAN }
            };
            // A wall may have stopped it.
            length = sample.length;
            match search.advance(sample) {
                Next::Try(next) => length = next,
                // Where x has not moved nothing was found, and slopes alone may lead upward.
                Next::Accept if !self.falls() => return Ok(Err(NoLength::Precision)),
                Next::Accept => {
                    self.complete_trial(length, direction)?;
                    self.accept(length);
                    return Ok(Ok(length));
                }
                Next::Fail(why) => return Ok(Err(why)),
            }
        }
    }
}
