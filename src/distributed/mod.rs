//! Training on several machines, or on several ranks of one.

mod agree;
mod around;
mod communicator;
mod data_parallel;
mod exchange;
mod local_steps;
mod overlap;
mod plan;
mod rounds;
mod sharded;
mod sum;
mod threads;

pub use around::{broadcast, mean, on_first, rows_of, shards_of, verify};
pub use communicator::{Communicator, Solo};
pub use data_parallel::DataParallel;
pub use local_steps::LocalSteps;
pub use plan::Split;
pub use sharded::Sharded;
pub use sum::Sum;
pub use threads::Threads;
