//! The solvers, over the problems that such are compared on.

mod around;
mod bad_input;
mod bounds;
mod by_gradients;
mod cutest;
mod faults;
mod gradient_methods;
mod grid;
mod l1;
mod laws;
mod newton_methods;
mod nist;
mod problems_hold;
mod quasi_newton;
mod table;
