//! A problem of argmin as an objective.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use argmin::core::{CostFunction, Gradient, Problem};
use ndarray::{Array2, ArrayViewMut2};
use thalweg::solvers::{Flat, FlatMut, Objective};
use thalweg::{Error, Params, Scalar};

use crate::curvature::{ByGradients, ByHessian, Curvature};
use crate::foreign;

/// A problem of argmin as an objective of [`minimize`](thalweg::solvers::minimize()), by its [`CostFunction`] and [`Gradient`].
///
/// ```
/// use argmin::core::{CostFunction, Error, Gradient};
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{ConjugateGradient, Stop, minimize};
/// use thalweg_argmin::FromArgmin;
///
/// struct Bowl;
///
/// impl CostFunction for Bowl {
///     type Param = Array1<f64>;
///     type Output = f64;
///     fn cost(&self, w: &Array1<f64>) -> Result<f64, Error> {
///         Ok(w.dot(w))
///     }
/// }
///
/// impl Gradient for Bowl {
///     type Param = Array1<f64>;
///     type Gradient = Array1<f64>;
///     fn gradient(&self, w: &Array1<f64>) -> Result<Array1<f64>, Error> {
///         Ok(2.0 * w)
///     }
/// }
///
/// let mut w = array![3.0, 4.0];
/// let mut bowl = FromArgmin::new(Bowl);
/// let report = minimize(&mut ConjugateGradient::new(), &mut w, &mut bowl, Stop::default())?;
/// assert!(report.status.is_converged());
/// assert_eq!(bowl.counts()["gradient_count"], report.evaluations.gradients);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// An error of the problem ends the minimization; the parameters are then as they were.
pub struct FromArgmin<O, H = ByGradients> {
    problem: Problem<O>,
    curvature: PhantomData<H>,
}

impl<O> FromArgmin<O> {
    /// By costs and gradients.
    pub fn new(problem: O) -> Self {
        Self { problem: Problem::new(problem), curvature: PhantomData }
    }

    /// By argmin's [`Hessian`](argmin::core::Hessian) too, for [`NewtonCg`](thalweg::solvers::NewtonCg) and `Newton`.
    pub fn with_hessian(self) -> FromArgmin<O, ByHessian> {
        FromArgmin { problem: self.problem, curvature: PhantomData }
    }
}

impl<O, H> FromArgmin<O, H> {
    /// How often what was asked, as argmin counts: `"cost_count"`, `"gradient_count"`, `"hessian_count"`.
    pub fn counts(&self) -> &HashMap<&'static str, u64> {
        &self.problem.counts
    }

    /// The problem.
    pub fn into_inner(self) -> Option<O> {
        self.problem.get_problem()
    }
}

impl<O, H> fmt::Debug for FromArgmin<O, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromArgmin").field("counts", &self.problem.counts).finish_non_exhaustive()
    }
}

impl<O, H, P> FromArgmin<O, H>
where
    H: Curvature<O, P, O::Output>,
    O: CostFunction<Param = P>,
    O::Output: Scalar,
{
    fn matrix(&mut self, params: &P) -> Result<Array2<O::Output>, Error> {
        let matrix = H::hessian(&mut self.problem, params).map_err(foreign)?;
        matrix.ok_or_else(|| Error::other("there is no Hessian"))
    }
}

impl<O, H, P, F> Objective<F, P> for FromArgmin<O, H>
where
    F: Scalar,
    P: Params<F>,
    O: CostFunction<Param = P, Output = F> + Gradient<Param = P>,
    O::Gradient: Params<F>,
    H: Curvature<O, P, F>,
{
    fn value_and_gradient(
        &mut self,
        params: &P,
        gradient: &mut FlatMut<'_, F>,
    ) -> Result<f64, Error> {
        let value = self.problem.cost(params).map_err(foreign)?;
        gradient.set(&self.problem.gradient(params).map_err(foreign)?)?;
        Ok(value.into_f64())
    }

    fn has_value(&self) -> bool {
        true
    }

    fn value(&mut self, params: &P) -> Result<f64, Error> {
        self.problem.cost(params).map(Scalar::into_f64).map_err(foreign)
    }

    fn has_hessian_vector(&self) -> bool {
        H::HAS_HESSIAN
    }

    fn hessian_vector(
        &mut self,
        params: &P,
        vector: Flat<'_, F>,
        product: &mut FlatMut<'_, F>,
    ) -> Result<(), Error> {
        times(&self.matrix(params)?, vector, product)
    }

    fn has_hessian(&self) -> bool {
        H::HAS_HESSIAN
    }

    fn hessian(&mut self, params: &P, mut hessian: ArrayViewMut2<'_, F>) -> Result<(), Error> {
        let matrix = self.matrix(params)?;
        check(&matrix, hessian.nrows())?;
        hessian.assign(&matrix);
        Ok(())
    }
}

/// A Hessian of the wrong size is told, and nothing is broadcast.
pub(crate) fn check<F>(matrix: &Array2<F>, n: usize) -> Result<(), Error> {
    let (rows, columns) = matrix.dim();
    if (rows, columns) == (n, n) {
        return Ok(());
    }
    Err(Error::other(format!("the Hessian is {rows}×{columns}, and there are {n} parameters")))
}

/// The product with a vector.
pub(crate) fn times<F: Scalar>(
    matrix: &Array2<F>,
    vector: Flat<'_, F>,
    product: &mut FlatMut<'_, F>,
) -> Result<(), Error> {
    check(matrix, vector.as_slice().len())?;
    for (row, product) in matrix.outer_iter().zip(product.as_mut_slice()) {
        let terms = row.iter().zip(vector.as_slice()).map(|(&h, &v)| h.into_f64() * v.into_f64());
        *product = F::from_f64(terms.sum());
    }
    Ok(())
}
