//! Symmetric matrices whose eigenvalues are known.

pub use thalweg_tests_support::planted::*;
