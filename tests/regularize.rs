//! What stands beside the step: losses, dropout, augmentation, the max-norm bound, early stopping.

#[path = "regularize/allocations.rs"]
mod allocations;
#[cfg(feature = "rand")]
#[path = "regularize/augment.rs"]
mod augment;
#[path = "support/counting.rs"]
mod counting;
#[cfg(feature = "rand")]
#[path = "regularize/dropout.rs"]
mod dropout;
#[path = "regularize/early_stopping.rs"]
mod early_stopping;
#[path = "regularize/loss.rs"]
mod loss;
#[path = "regularize/loss_errors.rs"]
mod loss_errors;
#[path = "regularize/max_norm.rs"]
mod max_norm;
#[path = "regularize/support.rs"]
mod support;
