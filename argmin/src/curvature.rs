//! Whether a problem has a Hessian.

use argmin::core::{Error, Hessian, Problem};
use ndarray::Array2;

/// How much a solver is told of a problem: gradients alone, or the Hessian too.
pub trait Curvature<O, P, F> {
    /// Whether there is a Hessian.
    const HAS_HESSIAN: bool;

    /// The Hessian at those parameters, whose rows and columns are their elements in order; `None` where there is none.
    ///
    /// # Errors
    /// Of the problem.
    fn hessian(problem: &mut Problem<O>, params: &P) -> Result<Option<Array2<F>>, Error>;
}

/// Gradients alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByGradients;

/// The Hessian too, from argmin's [`Hessian`] as a matrix of `ndarray`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByHessian;

impl<O, P, F> Curvature<O, P, F> for ByGradients {
    const HAS_HESSIAN: bool = false;

    fn hessian(_: &mut Problem<O>, _: &P) -> Result<Option<Array2<F>>, Error> {
        Ok(None)
    }
}

impl<O: Hessian<Param = P, Hessian = Array2<F>>, P, F> Curvature<O, P, F> for ByHessian {
    const HAS_HESSIAN: bool = true;

    fn hessian(problem: &mut Problem<O>, params: &P) -> Result<Option<Array2<F>>, Error> {
        problem.hessian(params).map(Some)
    }
}
