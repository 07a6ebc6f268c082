//! Checkpoints: what is loaded goes on to the same bits, and nothing else is loaded.
#![cfg(feature = "serde")]

mod committed;
mod files;
#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code)]
mod fuzz;
mod mutations;
mod resumed;
mod strict;
mod support;
mod wrappers;
