//! What the loops speak of: schedules, losses, regularizers, trees of parameters; and what is printed and logged.

#[path = "../records/mod.rs"]
mod records;
#[path = "../regularize/mod.rs"]
mod regularize;
#[path = "../schedules/mod.rs"]
mod schedules;
#[cfg(feature = "safetensors")]
#[path = "../torch_files/mod.rs"]
mod torch_files;
#[path = "../trees/mod.rs"]
mod trees;

use thalweg_tests_support::counting;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
