//! Optimizers that update a leaf as a whole: [`Leafwise`], and the [`LeafRule`] that makes one.
//!
//! Where a rule of elements keeps a value or two for each of them, one of these keeps arrays of other
//! shapes: sums of rows and columns ([`Adafactor`](crate::Adafactor), [`Sm3`](crate::Sm3)), matrices
//! ([`Shampoo`](crate::Shampoo), [`Soap`](crate::Soap)).

mod builder;
mod core;
mod groups;
mod ledger;
mod pairs;
mod rates;
mod rule;
mod saved;
mod step;
mod treated;

pub use self::builder::Leafwise;
pub(crate) use self::builder::{Compiled, Make, MakeLeafwise, compiled, make};
pub(crate) use self::core::Core;
pub(crate) use self::pairs::{Lists, is_finite, pair};
pub(crate) use self::rates::Rates;
pub use self::rule::{LeafRule, LeafStep, Slot, Step};
pub(crate) use self::rule::{Workspace, descend, room};
