//! Conjugate gradient, the line searches, and the loop that drives a solver.

mod allocations;
mod evaluations;
mod gradients;
mod inputs;
mod linear;
mod on;
mod quadratics;
mod searches;
mod stepping;
