//! What stands beside the step: losses, dropout, augmentation, the max-norm bound, early stopping.

mod allocations;
#[cfg(feature = "rand")]
mod augment;
#[cfg(feature = "rand")]
mod dropout;
mod early_stopping;
mod loss;
mod loss_errors;
mod max_norm;
mod support;
