//! Training on many ranks: processes on one machine or several, which step as one would.
//!
//! | | |
//! |---|---|
//! | [`DataParallel`] | any optimizer; each rank has all of the state |
//! | [`Sharded`] | each rank has a part of the state and takes a part of the step (ZeRO, stage 1) |
//! | [`LocalSteps`] | steps of each rank's own, and a step of all now and then (DiLoCo) |
//! | [`Sum`] | an objective whose terms lie on many ranks, for every solver of [`minimize`](crate::solvers::minimize()) |
//! | [`rows_of`], [`mean`], [`broadcast`], [`verify`], [`on_first`] | what a loop needs around the steps |
//! | [`Communicator`] | what moves bytes: [`Solo`], [`Threads`], and MPI by the crate `thalweg-mpi` |
//!
//! What always holds, given gradients of a shard that do not depend on the rank:
//!
//! 1. After every step all ranks have the same parameters, bit for bit.
//! 2. The bits depend on the number of shards of a batch, never on that of ranks, the transport, the
//!    wrapper or the split. [`Accumulate`](crate::train::Accumulate) of as many micro-batches has the same.
//! 3. An error of one rank is that error on all, and nothing has changed on any. (But for
//!    [`ErrorKind::Transport`](crate::ErrorKind::Transport): the exchange itself is broken, and the run over.)
//! 4. A state is that of one process.
//!
//! The page [`guide::distributed`](crate::guide::distributed) has a whole program, and says how to
//! choose and what it costs.

mod agree;
mod around;
mod communicator;
mod data_parallel;
mod exchange;
mod local_steps;
mod messages;
mod overlap;
mod plan;
mod rounds;
mod rows;
mod sharded;
mod sum;
mod threads;
mod writing;

pub use around::{broadcast, mean, on_first, rows_of, shards_of, verify};
pub use communicator::{Communicator, Solo};
pub use data_parallel::DataParallel;
pub use local_steps::LocalSteps;
pub use overlap::ByLeaf;
pub use plan::Split;
pub use sharded::Sharded;
pub use sum::Sum;
pub use threads::Threads;
