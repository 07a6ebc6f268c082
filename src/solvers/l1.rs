//! L1 penalties: what makes parameters exactly zero.

use ndarray::ArrayViewMut2;

use super::flat::{Flat, FlatMut};
use super::objective::Objective;
use crate::error::{Error, ErrorKind};
use crate::params::{Flatten, Pattern};
use crate::rule::Interval;
use crate::scalar::Scalar;

/// The strengths cᵢ ≥ 0 of a penalty Σ cᵢ|wᵢ|, leaf by leaf.
///
/// ```
/// use thalweg::solvers::L1;
/// let l1 = L1::new(1e-3).leaf("*bias", 0.0);
/// ```
#[derive(Debug, Clone)]
pub struct L1 {
    strength: f64,
    leaves: Vec<(Pattern, f64)>,
}

impl L1 {
    /// One strength for all leaves; in [0, ∞).
    pub fn new(strength: f64) -> Self {
        Self { strength, leaves: Vec::new() }
    }

    /// Another strength for the leaves of a [`Pattern`], 0 for those that are exempt. Where two
    /// patterns are of one leaf, the later one holds.
    #[must_use]
    pub fn leaf(mut self, leaves: impl Into<Pattern>, strength: f64) -> Self {
        self.leaves.push((leaves.into(), strength));
        self
    }

    /// The strength of each element; empty where all are 0.
    pub(super) fn resolve<F: Scalar>(&self, flatten: &Flatten) -> Result<Vec<F>, Error> {
        let check = |strength| Interval::NON_NEGATIVE.check::<F>("L1", "strength", strength);
        check(self.strength)?;
        let mut strengths = vec![F::from_f64(self.strength); flatten.len()];
        for (pattern, strength) in &self.leaves {
            check(*strength)?;
            let mut met = false;
            for (name, shape, range) in flatten.leaves() {
                if pattern.matches(name, shape) {
                    met = true;
                    strengths[range].fill(F::from_f64(*strength));
                }
            }
            if !met {
                let pattern = pattern.to_string();
                return Err(ErrorKind::MatchesNothing { what: "L1 strengths", pattern }.into());
            }
        }
        let none = strengths.iter().all(|&c| c == F::zero());
        Ok(if none { Vec::new() } else { strengths })
    }
}

/// **OWL-QN**: an objective f with a penalty, f(w) + Σ cᵢ|wᵢ|, for any solver; with
/// [`Lbfgs`](super::Lbfgs) it is the method of that name.
///
/// Of the parameters that the fit can do without, the minimum has exact zeros. Where f + Σ cᵢ|wᵢ| has
/// a kink, at 0, the least subgradient is gone by: ∂f/∂wᵢ + cᵢ·sign(wᵢ), and at wᵢ = 0 the part of
/// ∂f/∂wᵢ beyond ±cᵢ. In one orthant the penalty is linear: a step ends where an element would change its sign,
/// which is then 0, and leaves 0 where the subgradient is not. The pairs of L-BFGS are those of ∇f.
///
/// The closure gives f alone; the report's value is f + Σ cᵢ|wᵢ|, and its `gradient_max`, as every
/// test of a gradient, is of the least subgradient.
///
/// Source: Andrew & Gao, "Scalable training of L1-regularized log-linear models", 2007.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{Lbfgs, Stop, WithL1, minimize};
///
/// // ½(w - a)² + c|w| has its minimum at a - c·sign(a), or at 0 where |a| ≤ c.
/// let a = array![3.0, -0.5, -2.0];
/// let f = |w: &Array1<f64>| (0.5 * (w - &a).mapv(|r| r * r).sum(), w - &a);
/// let mut w = array![0.0, 1.0, 0.0];
/// let mut objective = WithL1::new(f, 1.0);
/// let report = minimize(&mut Lbfgs::new(), &mut w, &mut objective, Stop::default())?;
/// assert_eq!(w[1], 0.0);
/// assert!((w[0] - 2.0).abs() < 1e-6 && (w[2] + 1.0).abs() < 1e-6);
/// assert!((report.value - 4.125).abs() < 1e-12); // ½(1 + 0.25 + 1) + |2| + |-1|
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WithL1<O> {
    objective: O,
    l1: L1,
}

impl<O> WithL1<O> {
    /// The objective, and one strength c ≥ 0 for all leaves.
    pub fn new(objective: O, strength: f64) -> Self {
        Self { objective, l1: L1::new(strength) }
    }

    /// Another strength for some leaves, as [`L1::leaf`]: 0 for biases.
    #[must_use]
    pub fn leaf(mut self, leaves: impl Into<Pattern>, strength: f64) -> Self {
        self.l1 = self.l1.leaf(leaves, strength);
        self
    }
}

impl<F, P, O> Objective<F, P> for WithL1<O>
where
    F: Scalar,
    P: ?Sized,
    O: Objective<F, P>,
{
    fn value_and_gradient(
        &mut self,
        params: &P,
        gradient: &mut FlatMut<'_, F>,
    ) -> Result<f64, Error> {
        self.objective.value_and_gradient(params, gradient)
    }

    fn l1(&self) -> Option<&L1> {
        Some(&self.l1)
    }

    fn within(&mut self, bounds: Option<(Flat<'_, F>, Flat<'_, F>)>) {
        self.objective.within(bounds);
    }

    fn has_value(&self) -> bool {
        self.objective.has_value()
    }

    fn value(&mut self, params: &P) -> Result<f64, Error> {
        self.objective.value(params)
    }

    fn has_hessian_vector(&self) -> bool {
        self.objective.has_hessian_vector()
    }

    fn hessian_vector(
        &mut self,
        params: &P,
        vector: Flat<'_, F>,
        product: &mut FlatMut<'_, F>,
    ) -> Result<(), Error> {
        self.objective.hessian_vector(params, vector, product)
    }

    fn has_hessian(&self) -> bool {
        self.objective.has_hessian()
    }

    fn hessian(&mut self, params: &P, hessian: ArrayViewMut2<'_, F>) -> Result<(), Error> {
        self.objective.hessian(params, hessian)
    }
}
