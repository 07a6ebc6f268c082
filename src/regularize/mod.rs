//! What keeps the parameters small.

mod clip;
mod decay;
mod penalty;

pub use clip::{AdaptiveClip, Units};
pub use decay::Decay;
pub use penalty::Penalty;
