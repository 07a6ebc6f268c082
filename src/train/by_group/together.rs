//! What is done with several optimizers, or with none.

use std::panic::{self, AssertUnwindSafe};

use super::ByGroup;
use crate::error::Error;
use crate::optimizer::Optimizer;
use crate::scalar::Scalar;
use crate::state::State;

/// Where an optimizer stands.
pub(super) struct Before {
    state: State,
    /// The changes of groups that it has been told of: a state with fewer is not its own.
    changes: Vec<usize>,
}

impl Before {
    pub(super) fn of<F: Scalar>(optimizer: &dyn Optimizer<F>) -> Self {
        let mut changes = Vec::new();
        optimizer.changes(&mut changes);
        Self { state: optimizer.state(), changes }
    }

    /// Brings it back there.
    pub(super) fn restore<F: Scalar>(&self, optimizer: &mut dyn Optimizer<F>) -> Result<(), Error> {
        optimizer.forget_changes(&mut self.changes.iter().copied());
        optimizer.load_state(&self.state)
    }
}

impl<F: Scalar> ByGroup<F> {
    /// Calls `each` with every one of these optimizers. Where one of them fails, or panics, all are as they were.
    pub(super) fn all_or_none(
        &mut self,
        members: &[usize],
        mut each: impl FnMut(usize, &mut dyn Optimizer<F>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let before: Vec<Before> =
            members.iter().map(|&member| Before::of(&*self.members[member].optimizer)).collect();
        for (at, &member) in members.iter().enumerate() {
            let optimizer = &mut *self.members[member].optimizer;
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| each(member, optimizer)));
            if matches!(outcome, Ok(Ok(()))) {
                continue;
            }
            let mut back = Ok(());
            for (&member, before) in members.iter().zip(&before).take(at) {
                // Those that can go back do, whatever comes of another.
                back = back.and(before.restore(&mut *self.members[member].optimizer));
            }
            // One that says what is wrong has changed nothing; one that panics may have.
            return match outcome {
                Ok(outcome) => back.and(outcome),
                Err(payload) => {
                    let optimizer = &mut *self.members[member].optimizer;
                    let restore = AssertUnwindSafe(|| before[at].restore(optimizer));
                    let _ = panic::catch_unwind(restore);
                    panic::resume_unwind(payload)
                }
            };
        }
        Ok(())
    }
}
