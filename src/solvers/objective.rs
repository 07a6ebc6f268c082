//! What is minimized: a value, its gradient, and what else the user can give.

use ndarray::{Array1, Array2, ArrayViewMut2};

use super::answer::Evaluation;
use super::flat::{Flat, FlatMut};
use super::l1::L1;
use super::linearization::Linearization;
use crate::error::{Error, ErrorKind};
use crate::params::{Flatten, ParamsMut};
use crate::scalar::Scalar;

/// A function f of a tree of parameters, with its gradient.
///
/// A closure from the parameters to value and gradient, or to a `Result` of them, is one; so is a type of your own, which may
/// write the gradient in place, and give values alone or products with the Hessian besides.
///
/// A value or a gradient that is NaN or infinite says that f is not defined there: a line search
/// takes the step for too long.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{ConjugateGradient, FlatMut, Objective, Stop, minimize};
/// use thalweg::Error;
///
/// // In place: nothing is allocated.
/// struct Rosenbrock;
/// impl Objective<f64, Array1<f64>> for Rosenbrock {
///     fn value_and_gradient(
///         &mut self,
///         w: &Array1<f64>,
///         gradient: &mut FlatMut<'_, f64>,
///     ) -> Result<f64, Error> {
///         let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
///         gradient.as_mut_slice().copy_from_slice(&[-2.0 * a - 400.0 * w[0] * b, 200.0 * b]);
///         Ok(a * a + 100.0 * b * b)
///     }
/// }
/// let mut w = array![-1.2, 1.0];
/// let report = minimize(&mut ConjugateGradient::new(), &mut w, &mut Rosenbrock, Stop::default())?;
/// assert!(report.status.is_converged());
///
/// // A closure.
/// let mut square = |w: &Array1<f64>| (w.dot(w), 2.0 * w);
/// minimize(&mut ConjugateGradient::new(), &mut w, &mut square, Stop::default())?;
/// assert!(w.dot(&w) < 1e-12);
/// # Ok::<(), Error>(())
/// ```
pub trait Objective<F: Scalar, P: ?Sized> {
    /// f(w), and ∇f(w) written into `gradient`, whose elements are NaN before: one that is not
    /// written is found at the start and named.
    ///
    /// # Errors
    /// Whatever makes going on pointless: the minimization ends with it, and the parameters are as
    /// they were before. A point where f is not defined is a NaN value, not an error.
    fn value_and_gradient(
        &mut self,
        params: &P,
        gradient: &mut FlatMut<'_, F>,
    ) -> Result<f64, Error>;

    /// Whether [`value`](Objective::value) is cheaper than value and gradient.
    fn has_value(&self) -> bool {
        false
    }

    /// f(w) alone; asked for only if [`has_value`](Objective::has_value).
    ///
    /// # Errors
    /// As [`value_and_gradient`](Objective::value_and_gradient).
    fn value(&mut self, _params: &P) -> Result<f64, Error> {
        Ok(f64::NAN)
    }

    /// The penalty Σ cᵢ|wᵢ| that is minimized along with f, and is no part of what the other methods
    /// give; see [`WithL1`](super::WithL1).
    fn l1(&self) -> Option<&L1> {
        None
    }

    /// Is told l and u, ±∞ where there is none, before a minimization begins, `None` without bounds: for an
    /// objective that varies the parameters by itself, as
    /// [`CentralDifferences`](super::CentralDifferences) does.
    fn within(&mut self, _bounds: Option<(Flat<'_, F>, Flat<'_, F>)>) {}

    /// Whether there are products with the Hessian.
    fn has_hessian_vector(&self) -> bool {
        false
    }

    /// ∇²f(w)·v written into `product`; asked for only if
    /// [`has_hessian_vector`](Objective::has_hessian_vector).
    ///
    /// # Errors
    /// As [`value_and_gradient`](Objective::value_and_gradient).
    fn hessian_vector(
        &mut self,
        _params: &P,
        _vector: Flat<'_, F>,
        product: &mut FlatMut<'_, F>,
    ) -> Result<(), Error> {
        product.as_mut_slice().fill(F::nan());
        Ok(())
    }

    /// Whether there is the Hessian as a matrix.
    fn has_hessian(&self) -> bool {
        false
    }

    /// ∇²f(w) written into an n×n matrix, whose elements are NaN before; asked for only if
    /// [`has_hessian`](Objective::has_hessian).
    ///
    /// # Errors
    /// As [`value_and_gradient`](Objective::value_and_gradient).
    fn hessian(&mut self, _params: &P, _hessian: ArrayViewMut2<'_, F>) -> Result<(), Error> {
        Ok(())
    }

    /// Whether f is a sum of squares, or of a loss of each residual, that says what they are: as
    /// [`LeastSquares`](super::least_squares::LeastSquares) is.
    fn has_residuals(&self) -> bool {
        false
    }

    /// Residuals and Jacobian, weighted so that ∇f = Jᵀr; asked for only if
    /// [`has_residuals`](Objective::has_residuals).
    ///
    /// # Errors
    /// As [`value_and_gradient`](Objective::value_and_gradient).
    fn linearize(&mut self, _params: &P) -> Result<Linearization, Error> {
        Err(ErrorKind::NoJacobian.into())
    }

    /// The residuals alone, without weights; asked for only if
    /// [`has_residuals`](Objective::has_residuals).
    ///
    /// # Errors
    /// As [`value_and_gradient`](Objective::value_and_gradient).
    fn residuals(&mut self, _params: &P) -> Result<Array1<f64>, Error> {
        Err(ErrorKind::NoJacobian.into())
    }
}

impl<F, P, C, R> Objective<F, P> for C
where
    F: Scalar,
    P: ?Sized,
    C: FnMut(&P) -> R,
    R: Evaluation<F>,
{
    fn value_and_gradient(
        &mut self,
        params: &P,
        gradient: &mut FlatMut<'_, F>,
    ) -> Result<f64, Error> {
        self(params).write_to(gradient)
    }
}

/// What an objective around another, `self.objective`, leaves to it: the methods that are named, each pair of a question
/// and its answer by the name of the answer.
macro_rules! forward_objective {
    ($($method:ident)*) => { $($crate::solvers::objective::forward_objective!(@$method);)* };
    (@value_and_gradient) => {
        fn value_and_gradient(
            &mut self,
            params: &P,
            gradient: &mut $crate::solvers::FlatMut<'_, F>,
        ) -> Result<f64, $crate::Error> {
            self.objective.value_and_gradient(params, gradient)
        }
    };
    (@l1) => {
        fn l1(&self) -> Option<&$crate::solvers::L1> {
            self.objective.l1()
        }
    };
    (@within) => {
        fn within(
            &mut self,
            bounds: Option<($crate::solvers::Flat<'_, F>, $crate::solvers::Flat<'_, F>)>,
        ) {
            self.objective.within(bounds);
        }
    };
    (@value) => {
        fn has_value(&self) -> bool {
            self.objective.has_value()
        }

        fn value(&mut self, params: &P) -> Result<f64, $crate::Error> {
            self.objective.value(params)
        }
    };
    (@hessian_vector) => {
        fn has_hessian_vector(&self) -> bool {
            self.objective.has_hessian_vector()
        }

        fn hessian_vector(
            &mut self,
            params: &P,
            vector: $crate::solvers::Flat<'_, F>,
            product: &mut $crate::solvers::FlatMut<'_, F>,
        ) -> Result<(), $crate::Error> {
            self.objective.hessian_vector(params, vector, product)
        }
    };
    (@hessian) => {
        fn has_hessian(&self) -> bool {
            self.objective.has_hessian()
        }

        fn hessian(
            &mut self,
            params: &P,
            hessian: ndarray::ArrayViewMut2<'_, F>,
        ) -> Result<(), $crate::Error> {
            self.objective.hessian(params, hessian)
        }
    };
    (@residuals) => {
        fn has_residuals(&self) -> bool {
            self.objective.has_residuals()
        }

        fn linearize(
            &mut self,
            params: &P,
        ) -> Result<$crate::solvers::linearization::Linearization, $crate::Error> {
            self.objective.linearize(params)
        }

        fn residuals(&mut self, params: &P) -> Result<ndarray::Array1<f64>, $crate::Error> {
            self.objective.residuals(params)
        }
    };
}
pub(crate) use forward_objective;

/// An objective as a function of a flat vector: what solvers see of it.
pub(crate) trait FlatObjective<F: Scalar> {
    /// The gradient is NaN before the objective writes it: what it leaves out is not taken for 0.
    fn value_and_gradient(&mut self, x: &[F], gradient: &mut [F]) -> Result<f64, Error> {
        self.value_and_marked_gradient(x, gradient, F::nan())
    }
    fn value_and_marked_gradient(
        &mut self,
        x: &[F],
        gradient: &mut [F],
        mark: F,
    ) -> Result<f64, Error>;
    /// Writes a point into the parameters, where it can.
    fn put(&mut self, x: &[F]);
    fn has_value(&self) -> bool;
    fn value(&mut self, x: &[F]) -> Result<f64, Error>;
    fn has_hessian_vector(&self) -> bool;
    fn hessian_vector(&mut self, x: &[F], vector: &[F], product: &mut [F]) -> Result<(), Error>;
    fn has_hessian(&self) -> bool;
    fn hessian(&mut self, x: &[F], hessian: &mut Array2<F>) -> Result<(), Error>;
    fn linearize(&mut self, x: &[F]) -> Result<Linearization, Error>;
    fn residuals(&mut self, x: &[F]) -> Result<Array1<f64>, Error>;
}

/// An objective and the tree that points are written into before it is asked.
pub(crate) struct OnTree<'a, P, O: ?Sized> {
    pub(crate) flatten: &'a Flatten,
    pub(crate) params: &'a mut P,
    pub(crate) objective: &'a mut O,
}

impl<F: Scalar, P: ParamsMut<F>, O: Objective<F, P> + ?Sized> FlatObjective<F>
    for OnTree<'_, P, O>
{
    fn value_and_marked_gradient(
        &mut self,
        x: &[F],
        gradient: &mut [F],
        mark: F,
    ) -> Result<f64, Error> {
        self.flatten.scatter(x, self.params)?;
        gradient.fill(mark);
        let mut gradient = FlatMut::new(self.flatten, gradient);
        self.objective.value_and_gradient(self.params, &mut gradient)
    }

    fn put(&mut self, x: &[F]) {
        // Only a tree that has changed its leaves is refused, and that one is as it is.
        let _ = self.flatten.scatter(x, self.params);
    }

    fn has_value(&self) -> bool {
        self.objective.has_value()
    }

    fn value(&mut self, x: &[F]) -> Result<f64, Error> {
        self.flatten.scatter(x, self.params)?;
        self.objective.value(self.params)
    }

    fn has_hessian_vector(&self) -> bool {
        self.objective.has_hessian_vector()
    }

    fn hessian_vector(&mut self, x: &[F], vector: &[F], product: &mut [F]) -> Result<(), Error> {
        self.flatten.scatter(x, self.params)?;
        product.fill(F::nan());
        let vector = Flat::new(self.flatten, vector);
        let mut product = FlatMut::new(self.flatten, product);
        self.objective.hessian_vector(self.params, vector, &mut product)
    }

    fn has_hessian(&self) -> bool {
        self.objective.has_hessian()
    }

    fn hessian(&mut self, x: &[F], hessian: &mut Array2<F>) -> Result<(), Error> {
        self.flatten.scatter(x, self.params)?;
        hessian.fill(F::nan());
        self.objective.hessian(self.params, hessian.view_mut())
    }

    fn linearize(&mut self, x: &[F]) -> Result<Linearization, Error> {
        self.flatten.scatter(x, self.params)?;
        self.objective.linearize(self.params)
    }

    fn residuals(&mut self, x: &[F]) -> Result<Array1<f64>, Error> {
        self.flatten.scatter(x, self.params)?;
        self.objective.residuals(self.params)
    }
}
