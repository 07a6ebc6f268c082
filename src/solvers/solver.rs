//! What a solver is to the loop that drives it.

use std::fmt::Debug;

use super::descent::Descent;
use super::halt::Halt;
use crate::error::Error;
use crate::scalar::Scalar;

/// A deterministic minimizer: from one point to the next by a direction and a length.
///
/// [`minimize`](super::minimize()) drives it: it evaluates the start, calls
/// [`start`](Solver::start) and then [`iterate`](Solver::iterate) until a test of
/// [`Stop`](super::Stop) holds; where the solver is stuck, `start` again, at a lower point. All evaluations go through the [`Descent`], which counts them, keeps
/// the best point, and ends the minimization by a [`Halt`] that the solver passes on with `?`.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{Backtracking, Descent, Halt, Solver, Stop, minimize};
/// use thalweg::Error;
///
/// #[derive(Debug)]
/// struct SteepestDescent(Vec<f64>);
///
/// impl Solver<f64> for SteepestDescent {
///     fn name(&self) -> &'static str {
///         "SteepestDescent"
///     }
///     fn validate(&self) -> Result<(), Error> {
///         Ok(())
///     }
///     fn start(&mut self, descent: &mut Descent<'_, f64>) -> Result<(), Halt> {
///         self.0 = vec![0.0; descent.dim()];
///         Ok(())
///     }
///     fn iterate(&mut self, descent: &mut Descent<'_, f64>) -> Result<(), Halt> {
///         for (d, g) in self.0.iter_mut().zip(descent.gradient()) {
///             *d = -g;
///         }
///         let slope = descent.slope_along(&self.0);
///         match descent.line_search(&mut Backtracking::new(), &self.0, slope, 1.0)? {
///             Ok(_) => Ok(()),
///             Err(_) => Err(Halt::Stuck),
///         }
///     }
/// }
///
/// let mut objective = |w: &Array1<f64>| (w.dot(w), 2.0 * w);
/// let mut w = array![1.0, 2.0];
/// let report = minimize(&mut SteepestDescent(vec![]), &mut w, &mut objective, Stop::default())?;
/// assert!(report.status.is_converged());
/// # Ok::<(), Error>(())
/// ```
///
/// A box holds any of them:
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{Bfgs, ConjugateGradient, Lbfgs, Solver, Stop, minimize};
///
/// let mut solvers: Vec<Box<dyn Solver<f64>>> = vec![
///     Box::new(Lbfgs::new()),
///     Box::new(ConjugateGradient::new()),
///     Box::new(Bfgs::new()),
/// ];
/// for solver in &mut solvers {
///     let mut objective = |w: &Array1<f64>| (w.dot(w), 2.0 * w);
///     let mut w = array![1.0, 2.0];
///     let report = minimize(solver, &mut w, &mut objective, Stop::default())?;
///     assert!(report.status.is_converged(), "{report}");
/// }
/// # Ok::<(), thalweg::Error>(())
/// ```
pub trait Solver<F: Scalar>: Debug {
    /// The solver's name, such as `"ConjugateGradient"`.
    fn name(&self) -> &'static str;

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`](crate::ErrorKind::Hyperparameter) of the first that is out of
    /// its range.
    fn validate(&self) -> Result<(), Error>;

    /// Whether it asks for products with the Hessian, which the objective must then give.
    fn needs_hessian_vector(&self) -> bool {
        false
    }

    /// Whether it asks for residuals and their Jacobian, which the objective must then have.
    fn needs_residuals(&self) -> bool {
        false
    }

    /// Whether it has a test of its own for f that hardly falls: where no step lowers f any more, down to
    /// one of rounding's size, that holds.
    fn tests_decrease(&self) -> bool {
        false
    }

    /// Forgets what it has learnt, on another function or on the way so far, and takes its memory.
    ///
    /// # Errors
    /// A [`Halt`] that an evaluation has returned, or its own.
    fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt>;

    /// Goes on where other elements stay at their bounds than before: what it has learnt may be of
    /// use, or not; as it is, [`start`](Solver::start).
    ///
    /// # Errors
    /// As [`start`](Solver::start).
    fn turn(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        self.start(descent)
    }

    /// One iteration: accepts one new point.
    ///
    /// # Errors
    /// A [`Halt`] that an evaluation has returned, or its own.
    fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<F: Scalar, S: Solver<F> + ?Sized> Solver<F> for $pointer {
            fn name(&self) -> &'static str {
                (**self).name()
            }

            fn validate(&self) -> Result<(), Error> {
                (**self).validate()
            }

            fn needs_hessian_vector(&self) -> bool {
                (**self).needs_hessian_vector()
            }

            fn needs_residuals(&self) -> bool {
                (**self).needs_residuals()
            }

            fn tests_decrease(&self) -> bool {
                (**self).tests_decrease()
            }

            fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
                (**self).start(descent)
            }

            fn turn(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
                (**self).turn(descent)
            }

            fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
                (**self).iterate(descent)
            }
        }
    )*};
}

// Any solver, chosen while the program runs: `Box<dyn Solver<f64>>`.
forward!(Box<S>, &mut S);
