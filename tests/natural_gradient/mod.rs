//! Natural gradient: each approximation against a Fisher matrix assembled the slow way, the laws of
//! the theory, and bad input.

#![cfg(all(feature = "linalg", feature = "rand"))]

mod approximations;
mod around;
mod bad_input;
mod damaged;
mod golden;
mod leaves;
mod support;
mod theory;
mod white;
