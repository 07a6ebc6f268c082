//! A step of all optimizers, or of none.

use std::mem;
use std::panic::{self, AssertUnwindSafe};

use super::together::Before;
use super::tree::{Part, PartGrads};
use super::{ByGroup, Ledger};
use crate::error::{Error, ErrorKind, Tree};
use crate::optimizer::{Call, Optimizer, StepInfo, step_by};
use crate::params::{LeafMut, Params, ParamsMut, Roster, Snapshot};
use crate::scalar::Scalar;

impl<F: Scalar> ByGroup<F> {
    pub(super) fn take_step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
    ) -> Result<StepInfo, Error> {
        self.ready()?;
        let mut ledger = match self.ledger.take() {
            Some(ledger) => ledger,
            None => self.open(Roster::of(&*params)?)?,
        };
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            self.step_each(&mut ledger, params, grads, call)
        }));
        let taken = matches!(&outcome, Ok(Ok(info)) if !info.skipped);
        if taken || self.steps > 0 {
            self.ledger = Some(ledger);
        }
        let mut info = match outcome {
            Ok(outcome) => outcome?,
            Err(payload) => panic::resume_unwind(payload),
        };
        if info.skipped {
            self.skipped += 1;
        } else {
            self.steps += u64::from(!info.accumulating);
        }
        info.step = self.steps;
        Ok(info)
    }

    /// The smallest first: what is kept of all but the last is then least.
    fn step_each(
        &mut self,
        ledger: &mut Ledger<F>,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
    ) -> Result<StepInfo, Error> {
        let learning_rate = self.learning_rate();
        let mut kept = mem::take(&mut ledger.kept);
        let ledger_now = &*ledger;
        let mut lists = mem::take(&mut self.lists);
        let (mut ws, mut gs) = lists.lend();
        let roster = &ledger_now.roster;
        let paired = roster
            .meet_mut(params, Tree::Parameters, |index, w| ws.push((index, w)))
            .and_then(|()| {
                gs.resize(ws.len(), None);
                roster.meet_gradients(grads, |index, g| gs[index] = Some(g))
            });
        let outcome = paired.and_then(|()| {
            let mut stood: Vec<Before> = Vec::new();
            let mut info = None;
            let last = ledger_now.order.len() - 1;
            for (at, &member) in ledger_now.order.iter().enumerate() {
                let mut part = Part { ledger: ledger_now, member, params: &mut ws };
                if at < last {
                    match kept.get_mut(at) {
                        Some(kept) => kept.take(&part)?,
                        None => kept.push(Snapshot::of(&part)?),
                    }
                    stood.push(Before::of(&*self.members[member].optimizer));
                }
                let grads = PartGrads { ledger: ledger_now, member, grads: &gs };
                let optimizer = &mut *self.members[member].optimizer;
                let step = AssertUnwindSafe(|| step_by(optimizer, &mut part, &grads, call));
                let stepped = panic::catch_unwind(step);
                if let Ok(Ok(step)) = &stepped
                    && !step.skipped
                {
                    info = Some(together(info, *step));
                    continue;
                }
                // Those before it take their steps back.
                let before = ledger_now.order.iter().zip(&kept).zip(&stood).take(at);
                for ((&member, kept), stood) in before {
                    let mut part = Part { ledger: ledger_now, member, params: &mut ws };
                    kept.restore(&mut part)?;
                    stood.restore(&mut *self.members[member].optimizer)?;
                }
                return match stepped {
                    Ok(Ok(_)) => Ok(StepInfo::skipped()),
                    Ok(Err(error)) => Err(error),
                    Err(payload) => panic::resume_unwind(payload),
                };
            }
            Ok(info.unwrap_or_default())
        });
        lists.take_back((ws, gs));
        self.lists = lists;
        ledger.kept = kept;
        outcome.map(|info| StepInfo { learning_rate, ..info })
    }

    /// Calls `each` with every optimizer and its leaves.
    pub(super) fn each_part(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        mut each: impl FnMut(&mut dyn Optimizer<F>, &mut Part<'_, '_, F>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let fresh = match &self.ledger {
            Some(_) => None,
            None => Some(self.open(Roster::of(&*params)?)?),
        };
        let Some(ledger) = fresh.as_ref().or(self.ledger.as_ref()) else { return Ok(()) };
        let mut ws: Vec<(usize, &mut dyn LeafMut<F>)> = Vec::new();
        ledger.roster.meet_mut(params, Tree::Parameters, |index, w| ws.push((index, w)))?;
        for &member in &ledger.order {
            let mut part = Part { ledger, member, params: &mut ws };
            each(&mut *self.members[member].optimizer, &mut part)?;
        }
        Ok(())
    }

    /// Swaps the averages of those that keep one; where one of them fails, those before it swap back.
    pub(super) fn swap(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        let (mut swapped, mut panicked) = (Vec::new(), None);
        let done = self.each_part(params, |optimizer, part| {
            let swap = AssertUnwindSafe(|| optimizer.swap_average(part));
            match panic::catch_unwind(swap) {
                Ok(Ok(())) => {
                    swapped.push(part.member);
                    Ok(())
                }
                Ok(Err(error)) if matches!(error.kind(), ErrorKind::NoAverage) => Ok(()),
                Ok(error) => error,
                Err(payload) => {
                    panicked = Some(payload);
                    Err(ErrorKind::NoAverage.into())
                }
            }
        });
        if done.is_ok() {
            return if swapped.is_empty() { Err(ErrorKind::NoAverage.into()) } else { done };
        }
        self.each_part(params, |optimizer, part| match swapped.contains(&part.member) {
            true => optimizer.swap_average(part),
            false => Ok(()),
        })?;
        match panicked {
            Some(payload) => panic::resume_unwind(payload),
            None => done,
        }
    }
}

/// What two steps were together; the norm is that of all leaves.
fn together(first: Option<StepInfo>, second: StepInfo) -> StepInfo {
    let Some(first) = first else { return second };
    StepInfo {
        accumulating: first.accumulating && second.accumulating,
        grad_norm: first.grad_norm.zip(second.grad_norm).map(|(a, b)| a.hypot(b)),
        ..second
    }
}
