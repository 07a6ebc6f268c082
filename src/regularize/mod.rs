//! What keeps the parameters small, and the network from relying on too little.

#[cfg(feature = "rand")]
pub mod augment;
mod clip;
mod decay;
#[cfg(feature = "rand")]
mod dropout;
mod gradient_noise;
mod max_norm;
mod penalty;
mod projection;

#[cfg(feature = "rand")]
pub use augment::Augment;
pub use clip::{AdaptiveClip, Units};
pub use decay::Decay;
#[cfg(feature = "rand")]
pub use dropout::{DropConnect, Dropout, Mode};
pub use gradient_noise::GradientNoise;
pub use max_norm::MaxNorm;
pub use penalty::Penalty;
pub use projection::Projection;
pub(crate) use projection::Scratch;
