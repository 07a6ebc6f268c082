//! What keeps the parameters small.

mod decay;
mod penalty;

pub use decay::Decay;
pub use penalty::Penalty;
