//! What the tests compute much by.
//!
//! The tests are compiled without optimization, and with them what they call of generic functions. What is here is
//! for operators behind a `dyn`, so that it is compiled here, with optimization.

pub mod network;
#[path = "../nist.rs"]
pub mod nist;
pub mod planted;
#[path = "../problems/mod.rs"]
pub mod problems;
mod run;
pub mod truth;

#[cfg(feature = "rand")]
pub use run::Optimized;
pub use run::{
    Judged, Matrix, classify, condition, condition_with_basis, lanczos, lanczos_f32, solve,
};
