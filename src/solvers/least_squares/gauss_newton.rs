//! Gauss and Newton's method, with a line search.

use super::model::Model;
use super::trusted::{Tolerances, arrived, tolerances};
use crate::error::Error;
use crate::scalar::Scalar;
use crate::solvers::descent::Descent;
use crate::solvers::halt::Halt;
use crate::solvers::line_search::{Backtracking, LineSearch};
use crate::solvers::model::zero;
use crate::solvers::report::Test;
use crate::solvers::solver::Solver;

/// **Gauss-Newton** for a sum of squares ½‖r(w)‖²: the shortest p that minimizes ‖r + Jp‖, and w += αp with
/// α = 1, or what a [`LineSearch`] finds.
///
/// When to use it: close to the answer, or where the residuals are almost straight. Elsewhere
/// [`LevenbergMarquardt`](super::LevenbergMarquardt) takes fewer evaluations, and does not come to rest
/// where J loses its rank.
///
/// | setting | default | range |
/// |---|---|---|
/// | line search | [`Backtracking`], from α = 1 | |
/// | `offset`, `decrease`, `step_size` | 1e-7, 1e-15, 1e-10 | [0, ∞) |
///
/// It needs an objective that has residuals, [`LeastSquares`](super::LeastSquares).
///
/// Source: Gauss, "Theoria motus", 1809; Nocedal & Wright 2006, 10.3.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::Stop;
/// use thalweg::solvers::least_squares::{GaussNewton, LeastSquares, least_squares};
///
/// let residuals = |w: &Array1<f64>| array![10.0 * (w[1] - w[0] * w[0]), 1.0 - w[0]];
/// let mut w = array![-1.2, 1.0];
/// least_squares(&mut GaussNewton::new(), &mut w, &mut LeastSquares::new(residuals), Stop::never())?;
/// assert!((w - 1.0).iter().all(|d| d.abs() < 1e-10));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct GaussNewton<F, L = Backtracking> {
    tolerances: Tolerances,
    search: L,
    model: Model,
    step: Vec<F>,
}

impl<F: Scalar> Default for GaussNewton<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Scalar> GaussNewton<F> {
    /// With backtracking.
    pub fn new() -> Self {
        Self {
            tolerances: Tolerances::new(),
            search: Backtracking::new(),
            model: Model::default(),
            step: Vec::new(),
        }
    }
}

impl<F: Scalar, L: LineSearch> GaussNewton<F, L> {
    /// Sets the line search.
    #[must_use]
    pub fn line_search<M: LineSearch>(self, search: M) -> GaussNewton<F, M> {
        GaussNewton { search, tolerances: self.tolerances, model: self.model, step: self.step }
    }

    tolerances!();
}

impl<F: Scalar, L: LineSearch> Solver<F> for GaussNewton<F, L> {
    fn name(&self) -> &'static str {
        "Gauss-Newton"
    }

    fn validate(&self) -> Result<(), Error> {
        self.tolerances.validate("GaussNewton")
    }

    fn needs_residuals(&self) -> bool {
        true
    }

    fn tests_decrease(&self) -> bool {
        true
    }

    fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        self.model.start();
        zero(&mut self.step, descent.dim());
        Ok(())
    }

    fn turn(&mut self, _: &mut Descent<'_, F>) -> Result<(), Halt> {
        Ok(())
    }

    fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        self.model.update(descent)?;
        if self.model.offset().is_some_and(|offset| offset <= self.tolerances.offset) {
            return Err(arrived(descent, Test::Orthogonal));
        }
        let coordinates = self.model.gauss_newton();
        let promise = self.model.promise(&coordinates);
        descent.note_promise(promise);
        self.model.step(&coordinates, &mut self.step);
        let before = descent.value();
        let slope = descent.slope_along(&self.step);
        let Ok(length) = descent.line_search(&mut self.search, &self.step, slope, 1.0)? else {
            return Err(Halt::Stuck);
        };
        let least = (self.tolerances.decrease * before).max(self.model.rounding(descent.x()));
        let fell = before - descent.value();
        if fell <= least && promise <= least {
            return Err(arrived(descent, Test::RelativeDecrease));
        }
        let small = self.model.is_small(&self.step, descent.x(), self.tolerances.step);
        if fell > 0.0 && length >= 1.0 && small {
            return Err(arrived(descent, Test::Step));
        }
        Ok(())
    }
}
