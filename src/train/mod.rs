//! What a training loop does around the step.

mod plateau;

pub use plateau::Plateau;
