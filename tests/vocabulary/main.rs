//! What the loops speak of: schedules, losses, regularizers.

#[path = "../support/counting.rs"]
mod counting;

#[path = "../regularize/mod.rs"]
mod regularize;
#[path = "../schedules/mod.rs"]
mod schedules;
#[path = "../trees/mod.rs"]
mod trees;
