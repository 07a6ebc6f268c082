//! Solvers: minimizers that couple elements, by dot products, line searches and matrices.
//!
//! Each is driven by [`minimize`](minimize()) over an [`Objective`]: value and gradient in one
//! evaluation, of any tree of parameters. A solver is a direction and a length; the length is a
//! [`LineSearch`]'s.
//!
//! | to | see |
//! |---|---|
//! | minimize | [`minimize`](minimize()), [`Objective`], [`Stop`], [`Report`] |
//! | choose a solver | [`ConjugateGradient`] and its [`Beta`] |
//! | solve Ax = -b | [`LinearConjugateGradient`] |
//! | go without gradients, or check them | [`CentralDifferences`], [`check_gradient`] |
//! | choose a line search | [`LineSearch`]: [`Cubic`], [`MoreThuente`], [`HagerZhang`], [`Backtracking`], [`Secant`], [`Exact`] |
//! | write a solver | [`Solver`], [`Descent`], [`Halt`] |

mod conjugate_gradient;
mod descent;
mod differences;
mod line_search;
mod linear;
mod minimize;
mod objective;
mod report;
mod solver;
mod stop;

pub use conjugate_gradient::{Beta, ConjugateGradient};
pub use descent::Descent;
pub use differences::{CentralDifferences, Direction, GradientCheck, Worst, check_gradient};
pub use line_search::{
    Backtracking, Cubic, Exact, HagerZhang, LineSearch, MoreThuente, Next, NoLength, Sample, Secant,
};
pub use linear::{LinearConjugateGradient, LinearSolution, LinearStatus};
pub use minimize::minimize;
pub use objective::{Flat, FlatMut, Objective, WithHessian, WithValue};
pub use report::{Evaluations, Report, Row, Stall, Status, Test, Undefined};
pub use solver::{Halt, Solver};
pub use stop::{Progress, Stop};
