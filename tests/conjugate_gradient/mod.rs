//! Conjugate gradient, the line searches, and the loop that drives a solver.

mod allocations;
mod evaluations;
mod inputs;
mod on;
mod quadratics;
mod searches;
mod stepping;
