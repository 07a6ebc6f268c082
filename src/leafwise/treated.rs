//! Which leaf an optimizer treats how.

use super::core::Engine;
use super::groups::{Group, Own};
use super::ledger::Ledger;
use crate::error::Error;
use crate::optimizer::{Change, Treatment, load_groups};
use crate::params::{Entry, Pattern, matches_nothing};
use crate::scalar::Scalar;
use crate::state::{Record, compare};

impl<F: Scalar> Engine<F> {
    /// How leaves are treated that are of these groups.
    fn own<'g>(&self, groups: impl Iterator<Item = &'g Group>) -> Result<Own<F>, Error> {
        let mut own = Own {
            frozen: false,
            factor: 1.0,
            schedule: None,
            decay: self.settings.decay,
            set: Vec::new(),
            turned: false,
            rule: self.rule.boxed(),
        };
        for group in groups {
            own.apply(&group.change)?;
        }
        Ok(own)
    }

    /// Whether there is what schedules are to drive.
    pub(super) fn check_scheduled(&self) -> Result<(), Error> {
        let mut own = self.own(std::iter::empty())?;
        for (name, schedule) in &self.scheduled {
            schedule.validate()?;
            own.assign(name, schedule.at(1)).map_err(|()| own.unknown(name))?;
        }
        Ok(())
    }

    /// Whether each group by itself can be.
    pub(super) fn check_groups(&self) -> Result<(), Error> {
        self.groups.iter().try_for_each(|group| self.own(std::iter::once(group)).map(drop))
    }

    /// How each of these leaves is treated.
    ///
    /// # Errors
    /// If a group has no leaf, or what it changes cannot be.
    pub(super) fn assigned(&self, entries: &[Entry]) -> Result<Vec<Own<F>>, Error> {
        let matches =
            |group: &Group, entry: &Entry| group.leaves.matches(&entry.name, self.shape_of(entry));
        for group in &self.groups {
            if !entries.iter().any(|entry| matches(group, entry)) {
                return Err(matches_nothing(&group.leaves, entries));
            }
        }
        let own = |entry| self.own(self.groups.iter().filter(|group| matches(group, entry)));
        entries.iter().map(own).collect()
    }

    /// Assigns the leaves anew, after groups or hyperparameters have changed.
    pub(super) fn reassign(&mut self) -> Result<(), Error> {
        let Some(ledger) = &self.ledger else { return Ok(()) };
        let mut own = self.assigned(ledger.roster.entries())?;
        self.follow_last(&mut own)?;
        if let Some(Ledger { leaves, own: now, .. }) = &mut self.ledger {
            *now = own;
            leaves.iter_mut().zip(now).for_each(|(leaf, own)| leaf.conform(&*own.rule));
        }
        Ok(())
    }

    /// Brings hyperparameters that follow a schedule to what they were in the last step.
    pub(super) fn follow_last(&self, own: &mut [Own<F>]) -> Result<(), Error> {
        if self.steps > 0 {
            own.iter_mut().try_for_each(|own| own.follow(&self.scheduled, self.steps))?;
        }
        own.iter_mut().for_each(|own| own.turned = false);
        Ok(())
    }

    pub(super) fn add_group(&mut self, leaves: Pattern, change: Change) -> Result<(), Error> {
        self.groups.push(Group { leaves, change });
        let added = self.check_groups().and_then(|()| self.reassign());
        added.inspect_err(|_| drop(self.groups.pop()))
    }

    pub(super) fn treat(&self, leaf: &str, shape: &[usize]) -> Treatment {
        let mut treatment = Treatment { trained: true, maximize: self.settings.maximize };
        for group in self.groups.iter().filter(|group| group.leaves.matches(leaf, shape)) {
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
        let since = since.into_iter().map(|(leaves, change)| Group { leaves, change });
        self.groups.extend(since);
        self.check_groups()
    }
}
