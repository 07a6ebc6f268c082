//! Nonlinear conjugate gradient: with an objective, and in a loop of one's own.

mod beta;
mod driven;
mod saved;
mod stepped;
mod told;

pub use beta::Beta;
use beta::Products;
use stepped::Stepped;

use super::line_search::{Cubic, LineSearch, Secant};
use crate::error::Error;
use crate::interval::Interval;
use crate::scalar::Scalar;

/// **Conjugate gradient**: for smooth functions of very many parameters, where memory is short.
///
/// ρ = -g + βρ₋, w += αρ, β by [`Beta`], Polak-Ribière (PR+) by default.
///
/// When to use it: smooth functions of very many parameters with exact gradients, where memory or the
/// cost of an iteration decides: it keeps one vector, and takes a few vector operations beside the
/// evaluations. [`Lbfgs`](crate::Lbfgs) usually needs fewer evaluations. Batches are not for it: its
/// search compares points of one function.
///
#[doc = include_str!("../../../docs/paths/conjugate-gradient.svg")]
///
/// With an objective it is a [`Solver`](super::Solver) for [`minimize`](super::minimize()). α is
/// found by a [`LineSearch`], [`Cubic`] with σ = 0.3 by default; where the objective gives products with its
/// Hessian, the first trial is α* = -gᵀρ/ρᵀHρ. Where f along ρ turns out to be a parabola to about
/// four digits, the minimum of the parabola is gone to without evaluating it, the gradient there
/// being known by interpolation: one evaluation an iteration on a quadratic.
///
/// In a loop of your own it is an [`Optimizer`](crate::Optimizer), for gradients without values. Every
/// call of [`step`](crate::Optimizer::step) takes the gradient where the parameters are, and leaves
/// them where it wants the next one; the line search, [`Secant`], runs across the calls. Slopes alone
/// cannot tell a far plateau from a minimum: where the function has such, give it an objective.
///
/// Its pace is that of the condition: a fit whose parameters differ in size by powers of ten may take
/// tens of thousands of evaluations, here as in SciPy. Scale them to one size, or take
/// [`Lbfgs`](crate::Lbfgs), which learns the scales.
///
/// Memory: the direction, beside the points of the minimization; six vectors in a loop of your own.
///
/// Sources: Polak & Ribière 1969; Gilbert & Nocedal 1992 (PR+); Hager & Zhang 2005, 2006 (slopes
/// alone).
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::Optimizer;
/// use thalweg::solvers::{ConjugateGradient, Stop, minimize};
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
/// let report = minimize(&mut ConjugateGradient::new(), &mut w, &mut objective, Stop::default())?;
/// assert!(report.evaluations.total() < 90);
///
/// // The same in a loop, by gradients alone.
/// let mut w = array![-1.2, 1.0];
/// let mut solver = ConjugateGradient::new();
/// loop {
///     let g = gradient(&w);
///     if g.iter().all(|g| g.abs() <= 1e-6) {
///         break;
///     }
///     solver.step(&mut w, &g)?;
/// }
/// assert!(solver.steps() < 150);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConjugateGradient<F, L = Cubic> {
    beta: Beta,
    /// Restarts along -g after this many times n iterations.
    restart_after: f64,
    interpolate: bool,
    search: L,
    /// ρ, and H·ρ where products with the Hessian are given.
    direction: Vec<F>,
    product: Vec<F>,
    driven: driven::State,
    stepped: Stepped<F>,
}

impl<F: Scalar> Default for ConjugateGradient<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Scalar> ConjugateGradient<F> {
    /// Polak-Ribière (PR+), with searches by interpolation.
    pub fn new() -> Self {
        Self {
            beta: Beta::default(),
            restart_after: 6.0,
            interpolate: true,
            search: Cubic::new(),
            direction: Vec::new(),
            product: Vec::new(),
            driven: driven::State::default(),
            stepped: Stepped::new(),
        }
    }
}

impl<F: Scalar, L: LineSearch> ConjugateGradient<F, L> {
    /// Sets the choice of β.
    #[must_use]
    pub fn beta(mut self, beta: Beta) -> Self {
        self.beta = beta;
        self
    }

    /// Sets the line search of [`minimize`](super::minimize()).
    #[must_use]
    pub fn line_search<M: LineSearch>(self, search: M) -> ConjugateGradient<F, M> {
        ConjugateGradient {
            beta: self.beta,
            restart_after: self.restart_after,
            interpolate: self.interpolate,
            search,
            direction: self.direction,
            product: self.product,
            driven: self.driven,
            stepped: self.stepped,
        }
    }

    /// Sets after how many iterations, as a multiple of the number of parameters, the direction is
    /// -g again; in (0, ∞), default 6.
    #[must_use]
    pub fn restart_after(mut self, restart_after: f64) -> Self {
        self.restart_after = restart_after;
        self
    }

    /// Sets whether the minimum of a parabola is gone to without evaluating it; default yes.
    ///
    /// Where it is, callbacks and history see the interpolated value; the point that is returned has
    /// been evaluated in any case.
    #[must_use]
    pub fn interpolate(mut self, interpolate: bool) -> Self {
        self.interpolate = interpolate;
        self
    }

    /// Sets whether `step` takes the gradient at the minimum of a line from two others on it, in place of asking for
    /// it; default no.
    ///
    /// ```text
    /// t = φ'(0)/(φ'(0) - φ'(α)),   g(w + tα·ρ) ≈ (1 - t)·g(w) + t·g(w + α·ρ)
    /// ```
    ///
    /// It is exact on a quadratic, where a gradient an iteration is enough, and saves three to four gradients of ten on 66
    /// problems of CUTEst and other collections, two of ten on 24 others, most of them of two or three parameters. Its price: an iterate may be a point at which no gradient was asked for,
    /// and need not lie below the one before. On a function with many hills it can walk far away: leave it out there.
    #[must_use]
    pub fn interpolate_gradients(mut self, interpolate_gradients: bool) -> Self {
        self.stepped.tells = interpolate_gradients;
        self
    }

    /// Sets the search by slopes that runs across the calls of `step`; default σ = 0.4.
    #[must_use]
    pub fn slope_search(mut self, search: Secant) -> Self {
        self.stepped.trail.search = search;
        self
    }

    /// Sets a fixed α ≥ 0 for `step` in place of a search: w += αρ at every call, for the gradients
    /// of mini-batches.
    ///
    /// Its limits: the gradients of two batches are those of two functions, and β sees their
    /// difference; without a search ρ is conjugate to nothing. It is a momentum whose share adapts.
    /// α must be as small as [`Momentum`](crate::Momentum) would have it, and progress ends at the
    /// noise of a batch. Where gᵀρ ≥ 0, it restarts along -g.
    #[must_use]
    pub fn fixed_rate(mut self, learning_rate: f64) -> Self {
        self.stepped.trail.fixed_rate = Some(learning_rate);
        self
    }

    fn check(&self) -> Result<(), Error> {
        Interval::POSITIVE.check::<F>("ConjugateGradient", "restart_after", self.restart_after)?;
        match self.stepped.trail.fixed_rate {
            Some(rate) => {
                Interval::NON_NEGATIVE.check::<F>("ConjugateGradient", "fixed_rate", rate)
            }
            None => Ok(()),
        }
    }

    /// Iterations between restarts for so many parameters.
    fn period(&self, dim: usize) -> u64 {
        (self.restart_after * dim as f64).ceil().max(1.0) as u64
    }
}
