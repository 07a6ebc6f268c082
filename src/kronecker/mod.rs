//! Preconditioners that are Kronecker products: a matrix for each axis of a leaf.
//!
//! [`Shampoo`](crate::Shampoo) multiplies the gradient by roots of them, [`Soap`](crate::Soap) runs Adam
//! in the basis of their eigenvectors. The rules that hold the hyperparameters are here.

mod axis;
mod grid;
pub(crate) mod shampoo;
pub(crate) mod soap;

pub use shampoo::{Grafting, Shampoo};
pub use soap::Soap;
