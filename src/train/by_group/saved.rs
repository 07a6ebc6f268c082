//! Saving the states of all optimizers and going on from them.

use super::{ByGroup, Ledger, NAME};
use crate::error::Error;
use crate::optimizer::Optimizer;
use crate::params::{Entry, Roster};
use crate::scalar::Scalar;
use crate::state::{Record, State};

impl<F: Scalar> ByGroup<F> {
    fn record(&self, ledger: Option<&Ledger<F>>, steps: u64, skipped: u64, lens: &[u64]) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.count("steps", steps);
        record.count("skipped", skipped);
        record.count("groups", self.members.len() as u64 - 1);
        for (i, (member, &len)) in self.members.iter().zip(lens).enumerate() {
            if let Some(leaves) = &member.leaves {
                record.text(format!("group.{i}"), leaves.to_string());
            }
            record.count(format!("records.{i}"), len);
        }
        for entry in ledger.iter().flat_map(|ledger| ledger.roster.entries()) {
            record.leaf(&entry.name, &entry.shape);
        }
        record
    }

    pub(super) fn save(&self) -> State {
        let states: Vec<State> = self.inner().map(Optimizer::state).collect();
        let lens: Vec<u64> = states.iter().map(State::len).collect();
        let record = self.record(self.ledger.as_ref(), self.steps, self.skipped, &lens);
        match states.into_iter().reduce(State::followed_by) {
            Some(inside) => inside.around(record),
            None => State::from(record),
        }
    }

    /// Everything of its own is read and checked before the first optimizer inside goes on; then all of them do, or
    /// none.
    pub(super) fn load(&mut self, state: &State) -> Result<(), Error> {
        let record = state.record::<F>(NAME)?;
        record.compare_count("groups", self.members.len() as u64 - 1)?;
        let (mut inside, mut lens) = (Vec::new(), Vec::new());
        let mut rest = state.inner()?;
        for (i, member) in self.members.iter().enumerate() {
            if let Some(leaves) = &member.leaves {
                record.compare_text(&format!("group.{i}"), &leaves.to_string())?;
            }
            let len = record.get_count(&format!("records.{i}"))?;
            lens.push(len);
            if i + 1 < self.members.len() {
                let (first, others) = rest.split(len)?;
                inside.push(first);
                rest = others;
            }
        }
        inside.push(rest);
        let (steps, skipped) = (record.get_counter("steps")?, record.get_counter("skipped")?);
        let ledger = if record.leaves().len() == 0 {
            None
        } else {
            let entry =
                |(name, shape): (&str, &[usize])| Entry { name: name.into(), shape: shape.into() };
            let roster = match &self.ledger {
                Some(ledger) => ledger.roster.clone(),
                None => Roster::from_entries(record.leaves().map(entry).collect())?,
            };
            record.places(&roster)?;
            Some(self.open(roster)?)
        };
        if let Some(ledger) = &ledger {
            for &member in &ledger.order {
                let entries = ledger.roster.entries().iter().zip(&ledger.owners);
                let own = entries.filter(|(_, owner)| **owner == member);
                let own = Roster::from_entries(own.map(|(entry, _)| entry.clone()).collect())?;
                inside[member].check_roster(&own)?;
            }
        }
        let mut like = self.record(None, steps, skipped, &lens);
        for (name, shape) in record.leaves() {
            like.leaf(name, shape);
        }
        record.assert_like(&like)?;

        let all: Vec<usize> = (0..self.members.len()).collect();
        self.all_or_none(&all, |member, optimizer| optimizer.load_state(&inside[member]))?;
        (self.ledger, self.steps, self.skipped) = (ledger, steps, skipped);
        Ok(())
    }
}
