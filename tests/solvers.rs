//! The solvers, over the problems that such are compared on.

#[path = "support/problems/mod.rs"]
mod problems;

#[path = "solvers/problems_hold.rs"]
mod problems_hold;
