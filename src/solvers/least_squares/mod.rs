//! Least squares: fits of a model to data, and whatever else is a sum of squares.
//!
//! A sum of squares tells more of itself than a value and a gradient: its residuals, and how each changes with
//! the parameters. Solvers that use this need fewer evaluations than others, and no setting in most cases.
//!
//! | to | see |
//! |---|---|
//! | fit a curve to points, with standard errors | [`curve_fit`](curve_fit()), [`CurveFit`] |
//! | minimize a sum of squares of any residuals | [`least_squares`](least_squares()), [`LeastSquares`] |
//! | keep parameters within bounds | [`least_squares_within`], [`CurveFit::bounds`] |
//! | say what the residuals are | a closure, [`Residuals`]; with their Jacobian [`WithJacobian`], [`Differences`], [`WithProducts`] |
//! | choose a solver | [`LevenbergMarquardt`], [`Dogleg`], [`GaussNewton`] |
//! | live with outliers | [`Robust`] |
//! | read what came out | [`Fit`]: parameters, standard errors, covariance; it prints as a table |

mod curve;
mod dogleg;
mod fit;
mod gauss_newton;
mod levenberg_marquardt;
mod model;
mod problem;
mod residuals;
mod robust;
mod student;
mod trusted;

pub use curve::{CurveFit, curve_fit};
pub use dogleg::Dogleg;
pub use fit::{Estimate, Fit, least_squares, least_squares_within};
pub use gauss_newton::GaussNewton;
pub use levenberg_marquardt::LevenbergMarquardt;
pub use problem::{Counts, LeastSquares};
pub use residuals::{Differences, Residuals, Vector, WithJacobian, WithProducts};
pub use robust::Robust;
