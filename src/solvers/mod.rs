//! Solvers: what couples the elements of a leaf, by norms, products and matrices.

pub mod muon;
