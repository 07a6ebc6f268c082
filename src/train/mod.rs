//! What goes around the step in a training loop: other optimizers inside, and what watches a metric.

mod accumulate;
mod averaged;
mod by_group;
mod early_stopping;
mod leaves;
mod length;
mod lookahead;
mod plateau;
mod progress;
mod projected;
mod range_test;
mod sam;

pub use accumulate::Accumulate;
pub use averaged::Averaged;
pub use by_group::ByGroup;
pub use early_stopping::{EarlyStopping, Goal, Verdict};
pub use lookahead::Lookahead;
pub use plateau::Plateau;
pub use progress::Progress;
pub use projected::Projected;
pub use range_test::{RangeTest, range_test};
pub use sam::Sam;
