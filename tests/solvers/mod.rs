//! The solvers, over the problems that such are compared on.

mod bad_input;
mod gradient_methods;
mod newton_methods;
mod problems_hold;
mod quasi_newton;
mod table;
