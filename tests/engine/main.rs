//! The one loop: the laws over the catalog, what stands around an update, and checkpoints.

mod allocations;
#[path = "../around/mod.rs"]
mod around;
#[path = "../checkpoints/mod.rs"]
mod checkpoints;
mod compact;
mod custom_rule;
#[cfg(feature = "half")]
#[path = "../half/mod.rs"]
mod half;
#[path = "../laws/mod.rs"]
mod laws;
mod properties;
#[path = "../rows/mod.rs"]
mod rows;

use thalweg_tests_support::{LOSS, counting};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
