//! Training on several machines, or on several ranks of one.

mod agree;
mod around;
mod communicator;
mod data_parallel;
mod exchange;
mod plan;
mod sharded;
mod threads;

pub use around::{broadcast, mean, on_first, rows_of, shards_of, verify};
pub use communicator::{Communicator, Solo};
pub use data_parallel::DataParallel;
pub use plan::Split;
pub use sharded::Sharded;
pub use threads::Threads;
