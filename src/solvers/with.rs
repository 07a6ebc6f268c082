//! Objectives with more than value and gradient.

use ndarray::ArrayViewMut2;

use super::answer::{Matrix, Plain, Product, Value};
use super::flat::{Flat, FlatMut};
use super::l1::L1;
use super::objective::{Objective, forward_objective};
use crate::error::{Error, ErrorKind};
use crate::params::Pattern;
use crate::scalar::Scalar;

/// An objective with a closure that gives the value alone, cheaper than with the gradient.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{ConjugateGradient, Stop, WithValue, minimize};
///
/// let mut objective = WithValue::new(
///     |w: &Array1<f64>| (w.dot(w), 2.0 * w),
///     |w: &Array1<f64>| w.dot(w),
/// );
/// let mut w = array![3.0, 4.0];
/// minimize(&mut ConjugateGradient::new(), &mut w, &mut objective, Stop::default())?;
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WithValue<O, C> {
    objective: O,
    value: C,
}

impl<O, C> WithValue<O, C> {
    /// The objective, and f alone.
    pub fn new(objective: O, value: C) -> Self {
        Self { objective, value }
    }
}

impl<F, P, O, C, V> Objective<F, P> for WithValue<O, C>
where
    F: Scalar,
    P: ?Sized,
    O: Objective<F, P>,
    C: FnMut(&P) -> V,
    V: Value,
{
    forward_objective!(value_and_gradient l1 within hessian_vector hessian residuals);

    fn has_value(&self) -> bool {
        true
    }

    fn value(&mut self, params: &P) -> Result<f64, Error> {
        (self.value)(params).value()
    }
}

/// An objective with a closure that gives products with the Hessian.
///
/// The vector comes as a [`Flat`]; the product is any tree of the parameters' leaves.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{ConjugateGradient, Flat, Stop, WithHessian, minimize};
///
/// let a = array![[3.0, 1.0], [1.0, 2.0]];
/// let mut objective = WithHessian::new(
///     |w: &Array1<f64>| (0.5 * w.dot(&a.dot(w)), a.dot(w)),
///     |_: &Array1<f64>, v: Flat<'_, f64>| a.dot(&v.view()),
/// );
/// let mut w = array![3.0, 4.0];
/// let report = minimize(&mut ConjugateGradient::new(), &mut w, &mut objective, Stop::default())?;
/// assert!(report.status.is_converged());
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WithHessian<O, C, K = Plain> {
    objective: O,
    hessian_vector: C,
    kind: std::marker::PhantomData<K>,
}

impl<O, C, K> WithHessian<O, C, K> {
    /// The objective, and ∇²f(w)·v, or a `Result` of it.
    pub fn new<F, P, G>(objective: O, hessian_vector: C) -> Self
    where
        F: Scalar,
        P: ?Sized,
        C: FnMut(&P, Flat<'_, F>) -> G,
        G: Product<F, K>,
    {
        Self { objective, hessian_vector, kind: std::marker::PhantomData }
    }
}

impl<F, P, O, C, G, K> Objective<F, P> for WithHessian<O, C, K>
where
    F: Scalar,
    P: ?Sized,
    O: Objective<F, P>,
    C: FnMut(&P, Flat<'_, F>) -> G,
    G: Product<F, K>,
{
    forward_objective!(value_and_gradient l1 within value hessian residuals);

    fn has_hessian_vector(&self) -> bool {
        true
    }

    fn hessian_vector(
        &mut self,
        params: &P,
        vector: Flat<'_, F>,
        product: &mut FlatMut<'_, F>,
    ) -> Result<(), Error> {
        (self.hessian_vector)(params, vector).write_to(product)
    }
}

/// An objective with a closure that gives the Hessian as a matrix, which `Newton` takes in place of n
/// products.
///
/// Rows and columns are the elements of the parameters, row-major leaf after leaf; a `Result` of the
/// matrix is taken too.
///
/// ```
/// # #[cfg(feature = "linalg")] {
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{Newton, Stop, WithHessianMatrix, minimize};
///
/// let mut objective = WithHessianMatrix::new(
///     |w: &Array1<f64>| {
///         let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
///         (a * a + 100.0 * b * b, array![-2.0 * a - 400.0 * w[0] * b, 200.0 * b])
///     },
///     |w: &Array1<f64>| {
///         let (x, y) = (w[0], w[1]);
///         array![[2.0 - 400.0 * (y - 3.0 * x * x), -400.0 * x], [-400.0 * x, 200.0]]
///     },
/// );
/// let mut w = array![-1.2, 1.0];
/// let report = minimize(&mut Newton::new(), &mut w, &mut objective, Stop::default()).unwrap();
/// assert!(report.status.is_converged() && report.evaluations.hessians == report.iterations);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct WithHessianMatrix<O, C> {
    objective: O,
    hessian: C,
}

impl<O, C> WithHessianMatrix<O, C> {
    /// The objective, and ∇²f(w).
    pub fn new<P: ?Sized, M>(objective: O, hessian: C) -> Self
    where
        C: FnMut(&P) -> M,
    {
        Self { objective, hessian }
    }
}

impl<F, P, O, C, M> Objective<F, P> for WithHessianMatrix<O, C>
where
    F: Scalar,
    P: ?Sized,
    O: Objective<F, P>,
    C: FnMut(&P) -> M,
    M: Matrix<F>,
{
    forward_objective!(value_and_gradient l1 within value hessian_vector residuals);

    fn has_hessian(&self) -> bool {
        true
    }

    fn hessian(&mut self, params: &P, mut hessian: ArrayViewMut2<'_, F>) -> Result<(), Error> {
        let matrix = (self.hessian)(params).matrix()?;
        if matrix.shape() != hessian.shape() {
            let (expected, found) = (hessian.shape().to_vec(), matrix.shape().to_vec());
            let owner = "WithHessianMatrix";
            return Err(ErrorKind::Shape { owner, what: "Hessian", expected, found }.into());
        }
        hessian.assign(&matrix);
        Ok(())
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
    forward_objective!(value_and_gradient within value hessian_vector hessian);

    fn l1(&self) -> Option<&L1> {
        Some(&self.l1)
    }
}
