//! Conjugate gradient, the line searches, and the loop that drives a solver.

mod allocations;
mod answers;
mod evaluations;
mod gradients;
mod inputs;
mod linear;
mod on;
mod phis;
mod quadratics;
mod searches;
mod stepping;
mod transcribed;
