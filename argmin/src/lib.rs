//! A bridge between thalweg and argmin.
//!
//! - [`Minimize`] is a solver of thalweg ([`Lbfgs`](thalweg::solvers::Lbfgs), [`NewtonCg`](thalweg::solvers::NewtonCg), …) in
//!   argmin's [`Executor`](argmin::core::Executor), with its observers and its own reasons to stop.
//! - [`Optimize`] is an optimizer of thalweg ([`Adam`](thalweg::Adam), [`Yogi`](thalweg::Yogi), …) there.
//! - [`FromArgmin`] is a problem of argmin as an objective of [`thalweg::solvers::minimize`](thalweg::solvers::minimize()).
//!
//! Parameters are what thalweg takes: arrays of `ndarray` 0.17, tuples of them, structs with `#[derive(Params)]`. The gradient is
//! of the same type.
#![doc = "\n```"]
#![doc = include_str!("../examples/rosenbrock.rs")]
#![doc = "```"]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod curvature;
mod minimize;
mod objective;
mod optimize;
mod turns;

pub use curvature::{ByGradients, ByHessian, Curvature};
pub use minimize::Minimize;
pub use objective::FromArgmin;
pub use optimize::Optimize;

use argmin::core::{ArgminError, Error};

/// That the user has not given the first parameters.
fn no_param(name: &str) -> Error {
    let text =
        format!("{name} needs parameters to begin with: `.configure(|state| state.param(w))`");
    ArgminError::NotInitialized { text }.into()
}

/// An error of argmin's as one of thalweg's; what it was is its source.
fn foreign(error: Error) -> thalweg::Error {
    thalweg::Error::other(error)
}
