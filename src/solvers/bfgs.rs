//! BFGS.

use super::descent::Descent;
use super::halt::Halt;
use super::lbfgs::{cautious_length, moved};
use super::line_search::{Cubic, LineSearch};
use super::model::zero;
use super::solver::Solver;
use crate::error::Error;
use crate::rule::Interval;
use crate::scalar::Scalar;
use crate::vector;

const DAMPING: Interval = Interval::closed(0.0, 0.99, "a number in [0, 0.99]");

/// The first step, relative to the parameters.
const FIRST: f64 = 0.3;
/// H is scaled up by no more than this at a step.
const STRETCH: f64 = 1e3;

/// **BFGS**: the inverse Hessian as a whole matrix, for smooth functions of up to some thousand parameters.
///
/// d = -Hg, where H stands for the inverse Hessian and is made to agree with each step,
/// Hy = s: H ← (I - syᵀ/sᵀy) H (I - ysᵀ/sᵀy) + ssᵀ/sᵀy, s = w - w₋, y = g - g₋.
///
/// | setting | default | range |
/// |---|---|---|
/// | `damping` | 1e-3 | [0, 0.99] |
///
/// H has n² numbers, and an iteration takes n² operations: for some thousand parameters.
/// [`Lbfgs`](super::Lbfgs) takes fewer evaluations on most functions, and is for any size; this one is for those whose
/// parameters differ in size by powers of ten, as in fits, and gives H. H begins as sᵀy/yᵀy·I of the first step. Where f curves upward along
/// s by less than H said, all of H is scaled up by the ratio before it is made to agree:
/// the curvature has fallen, or was too large, along other directions too. Where it is less than
/// `damping` times what H said, y is replaced by the mean of y and H⁻¹s that curves that much (Powell's
/// damping), so that H stays positive definite whatever the line search.
///
/// Source: Broyden, Fletcher, Goldfarb & Shanno 1970; Shanno & Phua 1978 (first H); Al-Baali 1998
/// (scaling); Powell 1978 (damping).
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{Bfgs, Stop, minimize};
///
/// let mut rosenbrock = |w: &Array1<f64>| {
///     let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
///     (a * a + 100.0 * b * b, array![-2.0 * a - 400.0 * w[0] * b, 200.0 * b])
/// };
/// let mut w = array![-1.2, 1.0];
/// let report = minimize(&mut Bfgs::new(), &mut w, &mut rosenbrock, Stop::default())?;
/// assert!(report.status.is_converged() && report.evaluations.gradients < 60);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bfgs<F, L = Cubic> {
    damping: f64,
    search: L,
    inverse: Vec<F>,
    /// Whether the inverse is that of no step yet.
    fresh: bool,
    /// That of all elements, of which `inverse` is the one of the free; under bounds alone.
    whole: Vec<F>,
    /// Whether the step before this was learnt from.
    learnt: bool,
    /// The first length along -g.
    reach: f64,
    direction: Vec<F>,
    s: Vec<F>,
    y: Vec<F>,
    product: Vec<F>,
}

impl<F: Scalar> Default for Bfgs<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Scalar> Bfgs<F> {
    /// With a damping of 1e-3.
    pub fn new() -> Self {
        Self {
            damping: 1e-3,
            search: Cubic::new().curvature(0.9),
            inverse: Vec::new(),
            fresh: true,
            whole: Vec::new(),
            learnt: true,
            reach: 1.0,
            direction: Vec::new(),
            s: Vec::new(),
            y: Vec::new(),
            product: Vec::new(),
        }
    }
}

impl<F: Scalar, L: LineSearch> Bfgs<F, L> {
    /// Sets the share of the expected curvature below which it is damped; in [0, 0.99].
    #[must_use]
    pub fn damping(mut self, damping: f64) -> Self {
        self.damping = damping;
        self
    }

    /// Sets the line search; it should end at slopes that have risen, as those of the Wolfe
    /// conditions have.
    #[must_use]
    pub fn line_search<M: LineSearch>(self, search: M) -> Bfgs<F, M> {
        Bfgs {
            damping: self.damping,
            search,
            inverse: self.inverse,
            fresh: self.fresh,
            whole: self.whole,
            learnt: self.learnt,
            reach: self.reach,
            direction: self.direction,
            s: self.s,
            y: self.y,
            product: self.product,
        }
    }

    /// H, n×n, symmetric; empty before the first minimization.
    pub fn inverse_hessian(&self) -> &[F] {
        &self.inverse
    }

    /// H = c·I.
    fn set_diagonal(inverse: &mut [F], dim: usize, c: f64) {
        inverse.fill(F::zero());
        inverse.iter_mut().step_by(dim + 1).for_each(|h| *h = F::from_f64(c));
    }

    /// y = H·x
    fn multiply(inverse: &[F], x: &[F], y: &mut [F]) {
        for (row, y) in inverse.chunks_exact(x.len()).zip(y) {
            *y = F::from_f64(vector::dot(row, x));
        }
    }

    fn point_downhill(&mut self, g: &[F]) {
        if self.fresh {
            vector::combine(-1.0, g, 0.0, &mut self.direction);
        } else {
            Self::multiply(&self.inverse, g, &mut self.direction);
            self.direction.iter_mut().for_each(|d| *d = -*d);
        }
    }

    fn search(&mut self, descent: &mut Descent<'_, F>) -> Result<Option<f64>, Halt> {
        let first = if self.fresh { self.reach } else { 1.0 };
        let slope = descent.slope_along(&self.direction);
        let found = descent.line_search(&mut self.search, &self.direction, slope, first)?;
        if let Ok(length) = found {
            // Where f does not curve, nothing is learnt; the next step goes further.
            self.reach = 10.0 * length;
        }
        Ok(found.ok())
    }

    /// Makes H agree with the step that was just accepted.
    fn learn(&mut self, descent: &Descent<'_, F>, length: Option<f64>) {
        vector::shifted(descent.x(), -1.0, descent.trial_x(), &mut self.s);
        vector::shifted(descent.gradient(), -1.0, descent.trial_gradient(), &mut self.y);
        let mut curvature = vector::dot(&self.s, &self.y);
        if let Some(length) = length
            && !self.fresh
        {
            // s = -αHg₋, so that H⁻¹s = -αg₋.
            let expected = -length * vector::dot(&self.s, descent.trial_gradient());
            let ratio = expected / curvature;
            if ratio > 1.0 && ratio.is_finite() {
                let by = F::from_f64(ratio.min(STRETCH));
                self.inverse.iter_mut().chain(&mut self.whole).for_each(|h| *h = *h * by);
            }
            if curvature < self.damping * expected {
                let theta = (1.0 - self.damping) * expected / (expected - curvature);
                let old = descent.trial_gradient();
                vector::combine((theta - 1.0) * length, old, theta, &mut self.y);
                curvature = vector::dot(&self.s, &self.y);
            }
        }
        if !self.is_curved(curvature) {
            return;
        }
        if self.fresh {
            let c = curvature / vector::dot(&self.y, &self.y);
            Self::set_diagonal(&mut self.inverse, self.s.len(), c);
            self.fresh = false;
        }
        Self::agree(&mut self.inverse, &self.s, &self.y, curvature, &mut self.product);
    }

    /// Whether s and y say that f curves upward, by more than rounding.
    fn is_curved(&self, curvature: f64) -> bool {
        let square = vector::dot(&self.y, &self.y);
        let bound = F::epsilon().into_f64() * vector::norm(&self.s) * square.sqrt();
        curvature > bound && square.is_finite()
    }

    /// H ← (I - syᵀ/sᵀy) H (I - ysᵀ/sᵀy) + ssᵀ/sᵀy; `product` is overwritten.
    fn agree(inverse: &mut [F], s: &[F], y: &[F], curvature: f64, product: &mut [F]) {
        Self::multiply(inverse, y, product);
        let hy = product;
        let along = F::from_f64((1.0 + vector::dot(y, hy) / curvature) / curvature);
        let across = F::from_f64(curvature.recip());
        for (i, row) in inverse.chunks_exact_mut(s.len()).enumerate() {
            let (si, hyi) = (s[i], hy[i]);
            for (j, h) in row.iter_mut().enumerate() {
                // Symmetric to the last bit.
                *h = *h + (along * (si * s[j]) - across * (si * hy[j] + hyi * s[j]));
            }
        }
    }

    /// Makes the inverse of all elements agree with the last step.
    fn learn_whole(&mut self, descent: &Descent<'_, F>) {
        self.learnt = true;
        let (new, old) = (descent.smooth_gradient(), descent.smooth_trial_gradient());
        vector::shifted(descent.x(), -1.0, descent.trial_x(), &mut self.s);
        vector::shifted(new, -1.0, old, &mut self.y);
        let (n, curvature) = (self.s.len(), vector::dot(&self.s, &self.y));
        if !self.is_curved(curvature) {
            return;
        }
        if self.whole.is_empty() {
            self.whole.resize(n * n, F::zero());
            let c = curvature / vector::dot(&self.y, &self.y);
            Self::set_diagonal(&mut self.whole, n, c);
        }
        Self::agree(&mut self.whole, &self.s, &self.y, curvature, &mut self.product);
    }

    /// The inverse of the free elements' part of the Hessian: H less what goes by way of the held ones.
    fn restrict(&mut self, descent: &Descent<'_, F>) {
        let n = self.direction.len();
        self.inverse.copy_from_slice(&self.whole);
        for held in (0..n).filter(|&i| descent.is_held(i)) {
            let row = &mut self.product;
            row.copy_from_slice(&self.inverse[held * n..(held + 1) * n]);
            let own = row[held];
            for (i, to) in self.inverse.chunks_exact_mut(n).enumerate() {
                let part = row[i] / own;
                to.iter_mut().zip(row.iter()).for_each(|(h, &r)| *h = *h - part * r);
            }
            // Exactly, whatever rounding has left.
            for i in 0..n {
                self.inverse[held * n + i] = F::zero();
                self.inverse[i * n + held] = F::zero();
            }
        }
        let is_definite = |i: usize| descent.is_held(i) || self.inverse[i * n + i] > F::zero();
        if !(0..n).all(is_definite) {
            self.fresh = true;
        }
    }
}

impl<F: Scalar, L: LineSearch> Solver<F> for Bfgs<F, L> {
    fn name(&self) -> &'static str {
        "BFGS"
    }

    fn validate(&self) -> Result<(), Error> {
        DAMPING.check::<F>("Bfgs", "damping", self.damping)
    }

    fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        let n = descent.dim();
        for vector in [&mut self.direction, &mut self.s, &mut self.y, &mut self.product] {
            zero(vector, n);
        }
        zero(&mut self.inverse, n * n);
        Self::set_diagonal(&mut self.inverse, n, 1.0);
        self.whole.clear();
        (self.fresh, self.learnt) = (true, true);
        self.reach = cautious_length(descent.x(), descent.gradient(), FIRST);
        Ok(())
    }

    fn turn(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        if !self.learnt {
            self.learn_whole(descent);
        }
        self.reach = cautious_length(descent.x(), descent.gradient(), FIRST);
        self.fresh = self.whole.is_empty();
        if !self.fresh {
            self.restrict(descent);
        }
        Ok(())
    }

    fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        self.learnt = false;
        self.point_downhill(descent.gradient());
        let mut length = self.search(descent)?;
        if length.is_none() && !self.fresh {
            descent.count_restart();
            self.fresh = true;
            self.whole.clear();
            self.reach = cautious_length(descent.x(), descent.gradient(), FIRST);
            self.point_downhill(descent.gradient());
            length = self.search(descent)?;
        }
        if length.is_none() {
            if !descent.accept_best(0.0)? {
                return Err(Halt::Stuck);
            }
            self.reach = 10.0 * moved(descent, &mut self.direction);
        }
        self.learn(descent, length);
        if descent.has_walls() {
            self.learn_whole(descent);
        }
        Ok(())
    }
}
