//! Checkpoints: what is loaded goes on to the same bits, and nothing else is loaded.
#![cfg(feature = "serde")]

#[path = "checkpoints/committed.rs"]
mod committed;
#[path = "checkpoints/files.rs"]
mod files;
#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code)]
mod fuzz;
#[path = "checkpoints/mutations.rs"]
mod mutations;
#[path = "checkpoints/resumed.rs"]
mod resumed;
#[path = "checkpoints/strict.rs"]
mod strict;
#[path = "checkpoints/support.rs"]
mod support;
#[path = "checkpoints/wrappers.rs"]
mod wrappers;
