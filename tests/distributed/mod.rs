//! Many ranks, as threads: the bits of one process, and one error on all.

mod data_parallel;
mod errors;
mod memory;
mod sharded;
mod support;
