//! Conjugate gradient, the line searches, and the loop that drives a solver.

#[path = "support/problems/mod.rs"]
mod problems;

#[path = "conjugate_gradient/allocations.rs"]
mod allocations;
#[path = "support/counting.rs"]
mod counting;
#[path = "conjugate_gradient/evaluations.rs"]
mod evaluations;
#[path = "conjugate_gradient/gradients.rs"]
mod gradients;
#[path = "conjugate_gradient/inputs.rs"]
mod inputs;
#[path = "conjugate_gradient/linear.rs"]
mod linear;
#[path = "conjugate_gradient/on.rs"]
mod on;
#[path = "conjugate_gradient/quadratics.rs"]
mod quadratics;
#[path = "conjugate_gradient/searches.rs"]
mod searches;
#[path = "conjugate_gradient/stepping.rs"]
mod stepping;
