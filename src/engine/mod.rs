//! The engine: what every elementwise optimizer shares, written once and compiled once.
//!
//! A step goes through seven stages, and writes in the last alone:
//!
//! 1. hyperparameters and learning rates are checked (`plan`: one course for each set of groups), and gradients
//!    that are to be centralized or to get noise are copied and changed (`altered`);
//! 2. parameters and gradients are paired by name (`pair`) with the state of each leaf (`leaf`, `ledger`);
//! 3. each pair becomes a job: slices where parameter and gradient lie in one order (`sweep`), tiles
//!    otherwise (`strided`);
//! 4. the gradients are looked through for NaN and ∞, or their norm is computed (`look`);
//! 5. the rule computes the constants of the step, for each cohort of leaves that began at one step;
//! 6. where a norm couples a leaf, it is measured (`couple`); where sums over all leaves couple them, these
//!    are (`total`);
//! 7. the loops of the rule (`loops`), and what is around them (`around`), run over all jobs.
//!
//! Where numbers of a leaf have 16 bits (`sixteen`), its tiles are decoded before the loops and rounded after them.
//!
//! A rule reaches the engine as an object (`program`). The engine (`core`) is one type for each scalar,
//! and itself an object (`object`) to the crates that use it; what they type is `elementwise` and
//! `builder`.

mod altered;
mod around;
mod attempt;
mod average;
mod builder;
mod codes;
mod compact;
mod core;
mod couple;
mod described;
mod elementwise;
mod leaf;
mod ledger;
mod look;
mod loops;
mod now;
mod object;
mod outer;
mod pair;
mod part;
mod plan;
mod program;
mod rows;
mod run;
mod saved;
mod scale;
mod scratch;
mod settings;
mod sixteen;
mod slot;
mod strided;
mod sweep;
mod terms;
mod total;
mod untouched;
mod view;

pub(crate) use altered::{Alteration, Altered, Known};
pub use average::Average;
pub use compact::Precision;
pub use elementwise::Elementwise;
pub(crate) use elementwise::{Compiled, MakeProgram, compiled};
pub(crate) use loops::program;
pub(crate) use program::Program;
pub(crate) use scale::{Norm, Scale};
pub(crate) use scratch::recycle;
pub use settings::{NonFinite, Precedence, Settings};
pub use sixteen::Rounding;
pub use untouched::Untouched;
