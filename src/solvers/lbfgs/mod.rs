//! L-BFGS: with an objective, and in a loop of one's own.

mod block;
mod diagonal;
mod pairs;
mod saved;
mod stepped;

use pairs::Pairs;
use stepped::Stepped;

use super::descent::Descent;
use super::halt::Halt;
use super::line_search::{Cubic, LineSearch, Secant};
use super::model::zero;
use super::solver::Solver;
use crate::error::Error;
use crate::interval::Interval;
use crate::scalar::Scalar;
use crate::vector;

/// The first step, relative to the parameters.
const FIRST: f64 = 0.2;
const MEMORY: Interval = Interval::closed(1.0, 1e6, "a number of pairs from 1 to 1e6");

/// **L-BFGS**: the first solver to try, for smooth functions of any size with exact gradients.
///
/// d = -Hg, w += αd, where H stands for the inverse Hessian and is made of the last m
/// pairs s = w - w₋, y = g - g₋: H ← (I - syᵀ/sᵀy) H (I - ysᵀ/sᵀy) + ssᵀ/sᵀy for each of them, the oldest first, from
/// a diagonal matrix on.
///
/// On a quadratic Hy = s holds for every pair, but one such update forgets the pairs before it. So the newest pairs are
/// taken together (at most 20): each is first made conjugate to those after it, s̃ᵀy = 0 and sᵀỹ = 0, and then Hy = s holds
/// for all of them. That is done back to the first pair that disagrees with a newer one, where sᵢᵀyⱼ and sⱼᵀyᵢ differ by
/// more than a tenth of √(sᵢᵀyᵢ·sⱼᵀyⱼ), or that is all but a combination of them, s̃ᵀỹ ≤ 0.001·sᵀy. That pair and the older
/// ones come one by one.
///
/// The diagonal matrix is that of BFGS's update by all pairs so far: D ← (sᵀy/yᵀDy)·D, then
/// 1/Dᵢ ← 1/Dᵢ + yᵢ²/sᵀy - (sᵢ/Dᵢ)²/sᵀD⁻¹s. Where D has not told the newest step better than one number would,
/// by a tenth in the sine of the angle between s and Dy, it is sᵀy/yᵀy·I of the newest pair.
///
/// When to use it: smooth functions with exact gradients: the first solver to try, of any size. It
/// needs no learning rate and few evaluations, for 2m + 2 vectors. Batches are not for it: the pairs
/// are differences of gradients, and noise in them is noise in the curvature.
///
#[doc = include_str!("../../../docs/paths/lbfgs.svg")]
///
/// | setting | default | range |
/// |---|---|---|
/// | `memory` m | 20 | from 1 on |
///
/// With an objective it is a [`Solver`] for [`minimize`](super::minimize()): α = 1 is tried first, then
/// what the [`LineSearch`] says, [`Cubic`] with σ = 0.7 by default. The first step is -g, no longer
/// than 0.2·max(1, ‖w‖). More pairs mean fewer evaluations where the curvatures differ much. The values
/// say how the curvature changes along s: y + θs/sᵀs takes the place of y, with
/// θ = 6(f₋ - f) + 3(g + g₋)ᵀs where that is between -0.9 and 3 times sᵀy: the curvature at w, to one
/// order more. A pair along which f does not curve upward is not kept. Where the direction leads
/// nowhere, the pairs are forgotten, and that is counted as a restart.
///
/// Within bounds ([`minimize_within`](super::minimize_within)) the pairs are kept for all elements, and
/// those of the free ones are taken of them wherever others become free.
///
/// In a loop of your own it is an [`Optimizer`](crate::Optimizer), for gradients without values: every
/// call takes the gradient where the parameters are, and leaves them where it wants the next one; a
/// search by slopes, [`Secant`], runs across the calls. Slopes alone cannot tell a lower point from a
/// higher one beyond a hill: on a function that goes up and down without end, as Σ cos does, it wanders
/// off; give it an objective there.
///
/// Memory: 2m + 2 vectors; four more in a loop of your own. An iteration takes up to 6m vector operations.
///
/// Source: Nocedal 1980; Liu & Nocedal, "On the limited memory BFGS method for large scale
/// optimization", 1989; Gilbert & Lemaréchal, "Some numerical experiments with variable-storage quasi-Newton algorithms",
/// 1989 (D); Schnabel, "Quasi-Newton methods using multiple secant equations", 1983 (pairs together); Zhang, Deng &
/// Chen, "New quasi-Newton equation and related methods for unconstrained optimization", 1999 (θ); Schmidt, Kim & Sra,
/// "Projected Newton-type methods in machine learning", 2011 (bounds).
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::Optimizer;
/// use thalweg::solvers::{Lbfgs, Stop, minimize};
///
/// // The Rosenbrock function.
/// fn gradient(w: &Array1<f64>) -> Array1<f64> {
///     let (x, y) = (w[0], w[1]);
///     array![-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)]
/// }
/// let value = |w: &Array1<f64>| (1.0 - w[0]).powi(2) + 100.0 * (w[1] - w[0] * w[0]).powi(2);
///
/// let mut w = array![-1.2, 1.0];
/// let mut objective = |w: &Array1<f64>| (value(w), gradient(w));
/// let report = minimize(&mut Lbfgs::new(), &mut w, &mut objective, Stop::default())?;
/// assert!(report.status.is_converged() && report.evaluations.total() < 60);
///
/// // The same in a loop, by gradients alone.
/// let mut w = array![-1.2, 1.0];
/// let mut solver = Lbfgs::new();
/// loop {
///     let g = gradient(&w);
///     if g.iter().all(|g| g.abs() <= 1e-6) {
///         break;
///     }
///     solver.step(&mut w, &g)?;
/// }
/// assert!(solver.steps() < 100);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lbfgs<F, L = Cubic> {
    memory: usize,
    search: L,
    pairs: Pairs<F>,
    /// The pairs of all elements, of which `pairs` has those of the free ones; under bounds alone.
    whole: Pairs<F>,
    /// Whether the step before this was learnt from.
    learnt: bool,
    direction: Vec<F>,
    /// The first length along -g.
    reach: f64,
    stepped: Stepped<F>,
}

impl<F: Scalar> Default for Lbfgs<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Scalar> Lbfgs<F> {
    /// With m = 20 pairs.
    pub fn new() -> Self {
        Self {
            memory: 20,
            search: Cubic::new().curvature(0.7),
            pairs: Pairs::default(),
            whole: Pairs::default(),
            learnt: true,
            direction: Vec::new(),
            reach: 1.0,
            stepped: Stepped::new(),
        }
    }
}

impl<F: Scalar, L: LineSearch> Lbfgs<F, L> {
    /// Sets m, the number of pairs that are kept; from 1 to a million. In a loop of your own it holds
    /// from the first step, or [`reset`](crate::Optimizer::reset), on.
    #[must_use]
    pub fn memory(mut self, memory: usize) -> Self {
        self.memory = memory;
        self
    }

    /// Sets the line search of [`minimize`](super::minimize()); it should end at slopes that have
    /// risen, as those of the Wolfe conditions have.
    #[must_use]
    pub fn line_search<M: LineSearch>(self, search: M) -> Lbfgs<F, M> {
        Lbfgs {
            memory: self.memory,
            search,
            pairs: self.pairs,
            whole: self.whole,
            learnt: self.learnt,
            direction: self.direction,
            reach: self.reach,
            stepped: self.stepped,
        }
    }

    /// Sets the search by slopes that runs across the calls of `step`; default σ = 0.9.
    #[must_use]
    pub fn slope_search(mut self, search: Secant) -> Self {
        self.stepped.trail.search = search;
        self
    }

    /// Sets a fixed α ≥ 0 for `step` in place of a search: w += αd at every call.
    ///
    /// For gradients of whole batches, and large ones: y is the difference of two gradients, and what
    /// differs between two batches is taken for curvature.
    #[must_use]
    pub fn fixed_rate(mut self, learning_rate: f64) -> Self {
        self.stepped.trail.fixed_rate = Some(learning_rate);
        self
    }

    fn check(&self) -> Result<(), Error> {
        MEMORY.check::<F>("Lbfgs", "memory", self.memory as f64)?;
        match self.stepped.trail.fixed_rate {
            Some(rate) => Interval::NON_NEGATIVE.check::<F>("Lbfgs", "fixed_rate", rate),
            None => Ok(()),
        }
    }

    /// Keeps the pair of the last step for any face.
    fn learn_whole(&mut self, descent: &Descent<'_, F>) {
        let (g, old) = (descent.smooth_gradient(), descent.smooth_trial_gradient());
        let values = descent.smooth_values();
        self.whole.push([descent.x(), descent.trial_x()], [g, old], Some(values));
        self.learnt = true;
    }

    /// Searches along the direction, -g where there is no pair.
    fn search(&mut self, descent: &mut Descent<'_, F>) -> Result<bool, Halt> {
        let first = if self.pairs.is_empty() { self.reach } else { 1.0 };
        let slope = descent.slope_along(&self.direction);
        let found = descent.line_search(&mut self.search, &self.direction, slope, first)?;
        if let Ok(length) = found {
            // Along a line without curvature there is no pair; the next step goes further.
            self.reach = 10.0 * length;
        }
        Ok(found.is_ok())
    }
}

/// α for a first step along -g: all of it, but no longer than that part of max(1, ‖w‖).
pub(super) fn first_length<F: Scalar>(x: &[F], g: &[F], part: f64) -> f64 {
    (part * vector::norm(x).max(1.0) / vector::norm(g)).min(1.0)
}

/// As [`first_length`], and such that no element moves by more than that part of itself, or of 1 where
/// it is 0: parameters of a fit differ in size.
pub(super) fn cautious_length<F: Scalar>(x: &[F], g: &[F], part: f64) -> f64 {
    let size = |x: F| if x == F::zero() { 1.0 } else { x.into_f64().abs() };
    let own = x.iter().zip(g).map(|(&x, &g)| part * size(x) / g.into_f64().abs());
    own.fold(first_length(x, g, part), f64::min).max(f64::MIN_POSITIVE)
}

/// ‖x - x₋‖₂/‖g‖₂ of the step that was just accepted; `scratch` is overwritten.
pub(super) fn moved<F: Scalar>(descent: &Descent<'_, F>, scratch: &mut [F]) -> f64 {
    vector::shifted(descent.x(), -1.0, descent.trial_x(), scratch);
    vector::norm(scratch) / vector::norm(descent.gradient())
}

impl<F: Scalar, L: LineSearch> Solver<F> for Lbfgs<F, L> {
    fn name(&self) -> &'static str {
        "L-BFGS"
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()
    }

    fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        self.pairs.begin(descent.dim(), self.memory);
        if descent.has_walls() {
            self.whole.begin(descent.dim(), self.memory);
        }
        self.learnt = true;
        zero(&mut self.direction, descent.dim());
        self.reach = cautious_length(descent.x(), descent.gradient(), FIRST);
        Ok(())
    }

    fn turn(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        if !self.learnt {
            self.learn_whole(descent);
        }
        // What is known of the free elements: H on the face is not a part of H.
        self.pairs.restrict(&self.whole, |vector| descent.mask(vector));
        if self.pairs.is_empty() {
            self.reach = cautious_length(descent.x(), descent.gradient(), FIRST);
        }
        Ok(())
    }

    fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        self.learnt = false;
        self.pairs.direction(descent.gradient(), &mut self.direction);
        let mut found = self.search(descent)?;
        if !found && !self.pairs.is_empty() {
            descent.count_restart();
            self.pairs.clear();
            self.whole.clear();
            self.reach = cautious_length(descent.x(), descent.gradient(), FIRST);
            self.pairs.direction(descent.gradient(), &mut self.direction);
            found = self.search(descent)?;
        }
        if !found {
            if !descent.accept_best(0.0)? {
                return Err(Halt::Stuck);
            }
            self.reach = 10.0 * moved(descent, &mut self.direction);
        }
        let (x, g) = (descent.x(), descent.gradient());
        let values = (descent.trial_value(), descent.value());
        self.pairs.push([x, descent.trial_x()], [g, descent.trial_gradient()], Some(values));
        if descent.has_walls() {
            self.learn_whole(descent);
        }
        Ok(())
    }
}
