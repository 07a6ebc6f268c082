//! Solvers: minimizers that couple elements, by dot products, line searches and matrices.
//!
//! Each is driven by [`minimize`](minimize()) over an [`Objective`]: value and gradient in one
//! evaluation, of any tree of parameters. A solver is a direction and a length; the length is a
//! [`LineSearch`]'s.
//!
//! | to | see |
//! |---|---|
//! | minimize | [`minimize`](minimize()), [`Objective`], [`Stop`], [`Report`] and its [`Status`] |
//! | stay within bounds | [`minimize_within`], [`Bounds`](crate::Bounds); [`Report::active`] |
//! | make parameters exactly 0 | [`WithL1`], [`L1`] |
//! | give a Hessian, or let a closure fail | [`WithHessian`], [`WithHessianMatrix`], [`Evaluation`] |
//! | choose a solver | [`Lbfgs`], [`ConjugateGradient`] and its [`Beta`], [`Bfgs`], [`NewtonCg`], `Newton` (feature `linalg`), [`BarzilaiBorwein`], [`ScaledConjugateGradient`] |
//! | solve Ax = -b | [`LinearConjugateGradient`] |
//! | go without gradients, or check them | [`CentralDifferences`], [`check_gradient`] |
//! | choose a line search | [`LineSearch`]: [`Cubic`], [`MoreThuente`], [`HagerZhang`], [`Backtracking`], [`Secant`], [`Exact`] |
//! | write a solver | [`Solver`], [`Descent`], [`Halt`] |

mod answer;
mod barzilai_borwein;
mod bfgs;
mod conjugate_gradient;
mod descent;
mod differences;
mod flat;
mod gradient_check;
mod halt;
mod l1;
mod lbfgs;
pub mod least_squares;
mod line_search;
mod linear;
mod linearization;
mod minimize;
mod model;
#[cfg(feature = "linalg")]
mod newton;
mod newton_cg;
mod objective;
mod report;
mod scaled_conjugate_gradient;
mod solver;
mod stepped;
mod stop;
mod trust_region;
mod with;

pub use answer::{Evaluation, Fallible, Matrix, Plain, Product, Value};
pub use barzilai_borwein::BarzilaiBorwein;
pub use bfgs::Bfgs;
pub use conjugate_gradient::{Beta, ConjugateGradient};
pub use descent::Descent;
pub use differences::CentralDifferences;
pub use flat::{Flat, FlatMut};
pub use gradient_check::{
    Direction, GradientCheck, GradientVerdict, Worst, check_gradient, check_gradient_with_sizes,
};
pub use halt::Halt;
pub use l1::L1;
pub use lbfgs::Lbfgs;
pub use line_search::{
    Backtracking, Cubic, Exact, HagerZhang, LineSearch, MoreThuente, Next, NoLength, Sample, Secant,
};
pub use linear::{LinearConjugateGradient, LinearSolution, LinearStatus};
pub use linearization::Linearization;
pub use minimize::{minimize, minimize_within};
#[cfg(feature = "linalg")]
pub use newton::Newton;
pub use newton_cg::NewtonCg;
pub use objective::Objective;
pub use report::{Active, Evaluations, Report, Row, Stall, Status, Test, Undefined};
pub use scaled_conjugate_gradient::ScaledConjugateGradient;
pub use solver::Solver;
pub use stop::{Progress, Stop};
pub use with::{WithHessian, WithHessianMatrix, WithL1, WithValue};
