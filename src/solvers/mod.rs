//! Solvers: what couples the elements of a leaf, by norms, products and matrices.

pub mod muon;
pub mod natural_gradient;
