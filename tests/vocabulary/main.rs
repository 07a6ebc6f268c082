//! What the loops speak of: schedules, losses, regularizers, trees of parameters; and what is printed and logged.

#[path = "../support/counting.rs"]
mod counting;

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
