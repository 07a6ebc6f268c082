//! Groups of leaves that were changed amid training: of matrices, of AdamW's leaves, or of both.

use ndarray::ArrayD;

use super::ledger::{Ledger, Own};
use super::{Muon, NAME};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::optimizer::{Change, Optimizer, Treatment, load_groups};
use crate::params::{Entry, Pattern, Roster, matches_nothing};
use crate::rules::adamw::Optimizer as AdamW;
use crate::scalar::Scalar;
use crate::state::{Record, State, compare};

/// A change for the leaves of a pattern.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) leaves: Pattern,
    pub(super) change: Change,
    /// Whether AdamW has it too, for leaves of its own.
    pub(super) is_handed_on: bool,
}

impl<F: Scalar> Muon<F> {
    fn matches(&self, group: &Group, entry: &Entry) -> bool {
        group.leaves.matches(&entry.name, self.shape_of(entry))
    }

    fn own(&self, entry: &Entry) -> Own {
        let mut own = Own { frozen: false, factor: 1.0 };
        for group in self.groups.iter().filter(|group| self.matches(group, entry)) {
            own.frozen = group.change.frozen.unwrap_or(own.frozen);
            own.factor = group.change.rate_factor.unwrap_or(own.factor);
        }
        own
    }

    /// The ledger of these momenta, whose matrices have taken no step.
    pub(super) fn ledger_of(&self, roster: Roster, momenta: Vec<Option<ArrayD<F>>>) -> Ledger<F> {
        let own = roster.entries().iter().map(|entry| self.own(entry)).collect();
        Ledger { taken: vec![0; momenta.len()], own, roster, momenta }
    }

    /// Whether a group has matrices and leaves of AdamW's.
    ///
    /// # Errors
    /// If it has neither, or changes what a matrix has none of.
    fn parts(&self, group: &Group, ledger: &Ledger<F>) -> Result<[bool; 2], Error> {
        let leaves = ledger.roster.entries().iter().zip(&ledger.momenta);
        let mut has = [false; 2];
        for (_, m) in leaves.filter(|(entry, _)| self.matches(group, entry)) {
            has[usize::from(m.is_none())] = true;
        }
        if has == [false; 2] {
            return Err(matches_nothing(&group.leaves, ledger.roster.entries()));
        }
        let Change { schedule, numbers, .. } = &group.change;
        if has[0] && (schedule.is_some() || !numbers.is_empty()) {
            let what = "schedules and hyperparameters for groups of matrices";
            return Err(ErrorKind::Unsupported { optimizer: NAME, what }.into());
        }
        Ok(has)
    }

    pub(super) fn add_group(&mut self, leaves: Pattern, change: Change) -> Result<(), Error> {
        if let Some(factor) = change.rate_factor {
            Interval::NON_NEGATIVE.check::<F>(NAME, "rate_factor", factor)?;
        }
        let mut group = Group { leaves, change, is_handed_on: false };
        match &self.ledger {
            // What can be said before the leaves are known is said by a copy.
            None => {
                let mut adamw = self.adamw.clone();
                adamw.change_group(group.leaves.clone(), group.change.clone())?;
            }
            Some(ledger) => {
                let [_, others] = self.parts(&group, ledger)?;
                if others {
                    self.adamw.change_group(group.leaves.clone(), group.change.clone())?;
                    group.is_handed_on = true;
                }
            }
        }
        self.groups.push(group);
        if let Some(ledger) = self.ledger.take() {
            let own = ledger.roster.entries().iter().map(|entry| self.own(entry)).collect();
            self.ledger = Some(Ledger { own, ..ledger });
        }
        Ok(())
    }

    /// Hands the groups that were waiting for the leaves on to AdamW.
    pub(super) fn hand_on(&mut self, ledger: &Ledger<F>) -> Result<(), Error> {
        for i in 0..self.groups.len() {
            let [_, others] = self.parts(&self.groups[i], ledger)?;
            let group = &mut self.groups[i];
            if others && !group.is_handed_on {
                self.adamw.change_group(group.leaves.clone(), group.change.clone())?;
                group.is_handed_on = true;
            }
        }
        Ok(())
    }

    pub(super) fn take_back(&mut self, before: Option<(AdamW<F>, Vec<Group>)>) {
        if let Some(before) = before {
            (self.adamw, self.groups) = before;
        }
    }

    pub(super) fn treat(&self, leaf: &str, shape: &[usize]) -> Treatment {
        let waits = |group: &&Group| !group.is_handed_on && group.leaves.matches(leaf, shape);
        let is_matrix = shape.len() >= 2 && (self.matrices)(leaf, shape);
        let mut treatment =
            if is_matrix { Treatment::default() } else { self.adamw.treatment(leaf, shape) };
        let of = |group: &&Group| (is_matrix && group.leaves.matches(leaf, shape)) || waits(group);
        for group in self.groups.iter().filter(of) {
            treatment.trained = group.change.frozen.map_or(treatment.trained, |frozen| !frozen);
        }
        treatment
    }

    /// Takes over the groups of a saved run.
    pub(super) fn load_groups(&mut self, record: &Record) -> Result<(), Error> {
        let here = self.groups.iter().map(|group| &group.leaves);
        let since = load_groups(record, here, |i, saved| {
            let here = &self.groups[i].change;
            compare(&format!("group {i}"), &format!("{saved:?}"), &format!("{here:?}"))
        })?;
        for (leaves, change) in since {
            if let Some(factor) = change.rate_factor {
                Interval::NON_NEGATIVE.check::<F>(NAME, "rate_factor", factor)?;
            }
            self.groups.push(Group { leaves, change, is_handed_on: false });
        }
        Ok(())
    }

    /// Lets AdamW go on from its part of a state, with those groups of its leaves that were built here.
    pub(super) fn go_on_with(
        &mut self,
        ledger: &Ledger<F>,
        built: usize,
        inside: &State,
    ) -> Result<(), Error> {
        for i in 0..self.groups.len() {
            let [_, others] = self.parts(&self.groups[i], ledger)?;
            let group = &mut self.groups[i];
            if others && !group.is_handed_on && i < built {
                self.adamw.change_group(group.leaves.clone(), group.change.clone())?;
            }
            group.is_handed_on = others;
        }
        self.adamw.load_state(inside)
    }
}
