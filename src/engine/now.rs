//! The step that is taken, and why it is not.

use super::average::Average;
use super::settings::{NonFinite, Settings};
use crate::error::Error;
use crate::rule::SUMS;

/// The step that is taken.
#[derive(Clone, Copy)]
pub(super) struct Now {
    /// Its number, counted from 1.
    pub(super) step: u64,
    /// The average, where it takes a term of this step.
    pub(super) average: Option<Average>,
    /// The loss, where one was handed in.
    pub(super) loss: Option<f64>,
    /// What is carried of the whole tree, where the rule carries anything.
    pub(super) of_tree: Option<[f64; SUMS]>,
}

impl Now {
    /// Whether the loss keeps the step from being taken.
    pub(super) fn refuses(self, settings: &Settings) -> bool {
        let is_looked_at = settings.non_finite != NonFinite::Propagate;
        is_looked_at && self.loss.is_some_and(|loss| !loss.is_finite())
    }
}

/// Why a step stops before it writes.
pub(super) enum Halt {
    Failed(Error),
    NotFinite { skip: bool },
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Failed(error)
    }
}
