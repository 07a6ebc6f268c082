//! Curvature: why a training is slow, and what to do about it.

mod operator;

pub use operator::LinearOperator;
