//! The collection: rules against their formulas and other libraries, solvers, curvature.

#[path = "../support/solvers.rs"]
mod every_solver;
#[path = "../support/objective.rs"]
mod objective;
#[path = "../support/starts.rs"]
mod starts;

#[path = "../conjugate_gradient/mod.rs"]
mod conjugate_gradient;
#[path = "../curvature/mod.rs"]
mod curvature;
#[path = "../distributed/mod.rs"]
mod distributed;
#[path = "../goldens/mod.rs"]
mod goldens;
#[path = "../leafwise/mod.rs"]
mod leafwise;
#[path = "../least_squares/mod.rs"]
mod least_squares;
#[path = "../muon/mod.rs"]
mod muon;
#[path = "../natural_gradient/mod.rs"]
mod natural_gradient;
#[path = "../oracle/mod.rs"]
mod oracle;
#[path = "../solvers/mod.rs"]
mod solvers;

use thalweg_tests_support::{LOSS, counting, nist, problems};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
