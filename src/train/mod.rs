//! What stands around the steps of a training.

mod early_stopping;

pub use early_stopping::{EarlyStopping, Goal, Verdict};
