//! Many ranks, as threads: the bits of one process, and one error on all.

mod data_parallel;
mod errors;
mod local_steps;
mod memory;
mod overlap;
mod rows;
mod sharded;
#[cfg(feature = "half")]
mod sixteen;
mod sum;
mod support;
