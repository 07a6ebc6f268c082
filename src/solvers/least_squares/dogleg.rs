//! Powell's dogleg.

use super::trusted::{Proposal, Tolerances, Trusted, tolerances};
use crate::error::Error;
use crate::interval::Interval;
use crate::scalar::Scalar;
use crate::solvers::descent::Descent;
use crate::solvers::halt::Halt;
use crate::solvers::solver::Solver;

/// Powell's **dogleg** for a sum of squares ½‖r(w)‖²: a step within ‖Dp‖ ≤ Δ along the path from w to the
/// minimum of the model ½‖r + Jp‖² along -D⁻²Jᵀr, and from there to the Gauss-Newton step.
///
/// When to use it: as [`LevenbergMarquardt`](super::LevenbergMarquardt), of which it is the sibling: its
/// trials are cheaper once J is factored, its steps a little worse.
///
/// | setting | default | range |
/// |---|---|---|
/// | `radius` Δ at the start, beside ‖Dw‖ | 1 | (0, ∞) |
/// | `offset`, `decrease`, `step_size` | 1e-7, 1e-15, 1e-10 | [0, ∞) |
///
/// D holds the largest size that each column of J has had. It needs an objective that has residuals,
/// [`LeastSquares`](super::LeastSquares).
///
/// Source: Powell, "A hybrid method for nonlinear equations", 1970; Nocedal & Wright 2006, 4.1.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::Stop;
/// use thalweg::solvers::least_squares::{Dogleg, LeastSquares, least_squares};
///
/// let residuals = |w: &Array1<f64>| array![10.0 * (w[1] - w[0] * w[0]), 1.0 - w[0]];
/// let mut w = array![-1.2, 1.0];
/// least_squares(&mut Dogleg::new(), &mut w, &mut LeastSquares::new(residuals), Stop::never())?;
/// assert!((w - 1.0).iter().all(|d| d.abs() < 1e-10));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dogleg<F> {
    tolerances: Tolerances,
    first: f64,
    trusted: Trusted<F>,
}

impl<F: Scalar> Default for Dogleg<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Scalar> Dogleg<F> {
    /// With a first Δ of ‖Dw‖.
    pub fn new() -> Self {
        Self { tolerances: Tolerances::new(), first: 1.0, trusted: Trusted::new() }
    }

    /// Sets Δ at the start, as a part of ‖Dw‖; in (0, ∞).
    #[must_use]
    pub fn radius(mut self, radius: f64) -> Self {
        self.first = radius;
        self
    }

    tolerances!();
}

impl<F: Scalar> Solver<F> for Dogleg<F> {
    fn name(&self) -> &'static str {
        "Dogleg"
    }

    fn validate(&self) -> Result<(), Error> {
        Interval::POSITIVE.check::<F>("Dogleg", "radius", self.first)?;
        self.tolerances.validate("Dogleg")
    }

    fn needs_residuals(&self) -> bool {
        true
    }

    fn tests_decrease(&self) -> bool {
        true
    }

    fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        self.trusted.start(descent);
        Ok(())
    }

    fn turn(&mut self, _: &mut Descent<'_, F>) -> Result<(), Halt> {
        Ok(())
    }

    fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        let Self { tolerances, first, trusted } = self;
        trusted.look(descent, *first, *tolerances)?;
        trusted.take(descent, *tolerances, |trusted, _| {
            let coordinates = trusted.model.dogleg(trusted.radius());
            trusted.model.step(&coordinates, &mut trusted.step);
            Ok(Proposal { coordinates, stands: true })
        })
    }
}
