//! A search by cubic interpolation.

use super::bracket::{Bracket, Tests};
use super::{LineSearch, Next, Sample, first_or_one};

/// **Cubic interpolation** within a bracket: the strong Wolfe conditions, or the approximate ones.
///
/// φ(α) ≤ φ(0) + c₁αφ'(0) and |φ'(α)| ≤ σ|φ'(0)|; or φ no higher than at 0 but for rounding, and
/// |φ'(α)| ≤ max(σ, 0.1)·|φ'(0)|, for where differences of φ are lost. Beyond a trial that still falls
/// it goes to the minimizer of the cubic, at most ten times as far; where φ is not finite it goes
/// back. The search of [`ConjugateGradient`](crate::solvers::ConjugateGradient).
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
    /// With c₁ = 1e-4 and σ = 0.3.
    pub fn new() -> Self {
        Self(Bracket::new(Tests { decrease: Some(1e-4), curvature: 0.3 }))
    }

    /// Sets σ, the share of the slope that may be left; in (c₁, 1), and the nearest such number is
    /// taken for others.
    #[must_use]
    pub fn curvature(self, curvature: f64) -> Self {
        let curvature = curvature.clamp(1e-3, 1.0 - f64::EPSILON);
        Self(Bracket::new(Tests { decrease: Some(1e-4), curvature }))
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
