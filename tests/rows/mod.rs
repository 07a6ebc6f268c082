//! Gradients of few rows, and leaves that a gradient leaves out.

mod accumulate;
mod allocations;
mod bad_input;
mod exact;
mod golden;
mod laws;
mod left_out;
mod literal;
#[cfg(feature = "half")]
mod sixteen;
mod support;
mod wrappers;
