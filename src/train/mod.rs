//! What goes around an optimizer in a training loop.

mod accumulate;
mod lookahead;
mod sam;

pub use accumulate::Accumulate;
pub use lookahead::Lookahead;
pub use sam::Sam;
