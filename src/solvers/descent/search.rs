//! Searches along a direction, and why one finds nothing.

use super::Descent;
use crate::scalar::Scalar;
use crate::solvers::line_search::{LineSearch, Next, NoLength, Sample};
use crate::solvers::report::Stall;
use crate::solvers::solver::Halt;
use crate::vector;

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
                let value = self.try_value(length, direction)?;
                Sample { length, value, slope: f64::NAN }
            };
            match search.advance(sample) {
                Next::Try(next) => length = next,
                Next::Accept => {
                    self.complete_trial(length, direction)?;
                    self.accept(length);
                    return Ok(Ok(length));
                }
                Next::Fail(why) => return Ok(Err(why)),
            }
        }
    }

    /// Why no step along -∇f lowers f: looks at difference quotients, at most six evaluations.
    ///
    /// # Errors
    /// As [`try_length`](Descent::try_length).
    pub fn why_stalled(&mut self) -> Result<Halt, Halt> {
        let norm = vector::norm(&self.current.gradient);
        let size = vector::norm(&self.current.x).max(1.0);
        let mut direction = vec![F::zero(); self.dim()];
        vector::combine(-1.0, &self.current.gradient, 0.0, &mut direction);
        let noise = self.noise().max(f64::MIN_POSITIVE);
        let mut finite = false;
        // Quotients over what the gradient says, where they are more than rounding.
        let mut ratios = [f64::NAN; 3];
        for (ratio, reach) in ratios.iter_mut().zip([1e-4, 1e-5, 1e-6]) {
            let length = reach * size / norm;
            let up = self.try_value(length, &direction)?;
            let down = self.try_value(-length, &direction)?;
            finite |= up.is_finite() || down.is_finite();
            if (up - down).abs() > 10.0 * noise {
                *ratio = (up - down) / (-2.0 * length * norm * norm);
            }
        }
        if !finite {
            return Ok(Stall::NonFinite.into());
        }
        // Two quotients that agree are those of a smooth f.
        let agree = |a: f64, b: f64| (a - b).abs() <= 0.01 * a.abs().min(b.abs());
        let found = ratios.windows(2).rev().find(|pair| agree(pair[0], pair[1]));
        Ok(match found {
            Some(pair) if (pair[1] + 1.0).abs() < 0.1 => Stall::GradientSign.into(),
            Some(pair) if (pair[1] - 1.0).abs() > 0.1 => Stall::GradientMismatch.into(),
            _ => Stall::Precision.into(),
        })
    }
}
