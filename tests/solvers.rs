//! The solvers, over the problems that such are compared on.

#[path = "support/counting.rs"]
mod counting;
#[path = "support/objective.rs"]
mod objective;
#[path = "support/problems/mod.rs"]
mod problems;
#[path = "support/solvers.rs"]
mod solvers;

#[path = "solvers/bad_input.rs"]
mod bad_input;
#[path = "solvers/by_gradients.rs"]
mod by_gradients;
#[path = "solvers/faults.rs"]
mod faults;
#[path = "solvers/gradient_methods.rs"]
mod gradient_methods;
#[path = "solvers/grid.rs"]
mod grid;
#[path = "solvers/newton_methods.rs"]
mod newton_methods;
#[path = "solvers/nist.rs"]
mod nist;
#[path = "solvers/problems_hold.rs"]
mod problems_hold;
#[path = "solvers/quasi_newton.rs"]
mod quasi_newton;
#[path = "solvers/table.rs"]
mod table;
