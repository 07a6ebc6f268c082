//! A search by cubic interpolation.

use super::bracket::{Bracket, Tests};
use super::{LineSearch, Next, Sample, first_or_one};

/// **Cubic interpolation** within a bracket, to where the approximate Wolfe conditions hold.
///
/// φ(α) is no higher than φ(0) but for rounding, φ'(α) ≥ σφ'(0) and φ'(α) ≤ max(σ, 0.1)·|φ'(0)|: the
/// slopes tell more where differences of φ are lost. Beyond a trial that still falls it goes to the
/// minimizer of the cubic, at most ten times as far; where φ is not finite it goes back. The search of
/// [`ConjugateGradient`](crate::solvers::ConjugateGradient).
///
/// Sources: Nocedal & Wright, "Numerical optimization", 2006, 3.5; Hager & Zhang 2005 for the
/// approximate test.
///
/// ```
/// use thalweg::solvers::Cubic;
/// let search = Cubic::new().curvature(0.1);
/// ```
#[derive(Debug, Clone)]
pub struct Cubic(Bracket);

impl Default for Cubic {
    fn default() -> Self {
        Self::new()
    }
}

impl Cubic {
    /// With σ = 0.3.
    pub fn new() -> Self {
        Self(Bracket::new(Tests { values: true, curvature: 0.3 }))
    }

    /// Sets σ, the share of the slope that may be left; in [1e-3, 1), and the nearest such number is
    /// taken for others.
    #[must_use]
    pub fn curvature(self, curvature: f64) -> Self {
        let curvature = curvature.clamp(1e-3, 1.0 - f64::EPSILON);
        Self(Bracket::new(Tests { values: true, curvature }))
    }
}

impl LineSearch for Cubic {
    fn begin(&mut self, start: Sample, first: f64, noise: f64) -> f64 {
        self.0.begin(start, noise);
        first_or_one(first)
    }

    fn advance(&mut self, trial: Sample) -> Next {
        self.0.advance(trial)
    }
}
