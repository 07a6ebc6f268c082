//! Natural gradient: each approximation against a Fisher matrix assembled the slow way, the laws of
//! the theory, and bad input.

#![cfg(all(feature = "linalg", feature = "rand"))]

#[path = "natural_gradient/approximations.rs"]
mod approximations;
#[path = "natural_gradient/around.rs"]
mod around;
#[path = "natural_gradient/bad_input.rs"]
mod bad_input;
#[path = "natural_gradient/damaged.rs"]
mod damaged;
#[path = "natural_gradient/golden.rs"]
mod golden;
#[path = "natural_gradient/support.rs"]
mod support;
#[path = "natural_gradient/theory.rs"]
mod theory;
#[path = "natural_gradient/white.rs"]
mod white;
