//! How a minimization ends before its driver ends it.

use super::report::{Stall, Status};
use crate::error::Error;

/// The end of a minimization: a solver passes it on with `?`.
#[derive(Debug, Clone, PartialEq)]
pub enum Halt {
    /// It ends with this status, at the best point.
    Done(Status),
    /// The solver finds no lower point. The driver looks along -∇f: where that leads down, or a
    /// better point was tried, [`start`](super::Solver::start) is called there and it goes on; else it ends
    /// with what was seen.
    Stuck,
    /// A point at a bound was accepted; the iteration ends with it, and the elements there stay. The
    /// driver calls [`turn`](super::Solver::turn).
    Wall,
    /// The objective returned an error: the parameters are put back to the start.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Stall> for Halt {
    fn from(stall: Stall) -> Self {
        Self::Done(Status::Stalled(stall))
    }
}
