//! Saving the state and going on from it.

use std::borrow::Cow;

use super::core::{Around, Engine};
use super::ledger::Ledger;
use super::rule::Object;
use crate::error::Error;
use crate::optimizer::save_groups;
use crate::params::{Entry, Roster};
use crate::scalar::Scalar;
use crate::state::{Record, State, compare, invalid};

/// Calls `visit` with each hyperparameter.
fn numbers<F: Scalar>(rule: &dyn Object<F>, mut visit: impl FnMut(&'static str, f64)) {
    rule.boxed().hyperparameters(&mut |name, number| visit(name, *number));
}

impl<F: Scalar> Engine<F> {
    /// What of a saved state must be the same here, beside the numbers.
    fn describe(&self) -> String {
        let Around { decay, clip_norm, non_finite, maximize, .. } = &self.settings;
        let Around { centralized, gradient_noise, simd: _, .. } = &self.settings;
        let mut text = format!(
            "{}; decay: {decay:?}, clip_norm: {clip_norm:?}, non_finite: {non_finite:?}, \
             maximize: {maximize:?}",
            self.rule.conventions()
        );
        // Only what is not as by default, so that older states are the same.
        if let Some(units) = centralized {
            text += &format!(", centralized: {units:?}");
        }
        if let Some(noise) = gradient_noise {
            text += &format!(", gradient_noise: {noise:?}");
        }
        text
    }

    /// The ledger as the next step will find it: what was set since the last one included.
    fn ledger_to_come(&self) -> Cow<'_, Option<Ledger<F>>> {
        if self.checked || self.ledger.is_none() {
            return Cow::Borrowed(&self.ledger);
        }
        let mut copy = self.clone();
        match copy.reassign() {
            Ok(()) => Cow::Owned(copy.ledger),
            // The next step will say what is wrong.
            Err(_) => Cow::Borrowed(&self.ledger),
        }
    }

    pub(super) fn record(&self) -> Record {
        let mut record = Record::new::<F>(self.rule.name());
        record.count("steps", self.steps);
        record.count("skipped", self.skipped);
        numbers(&*self.rule, |name, number| record.number(name, number));
        self.rates.save(&mut record);
        for (name, schedule) in &self.scheduled {
            record.schedule(format!("scheduled.{name}"), schedule.clone());
        }
        record.text("settings", self.describe());
        save_groups(
            &mut record,
            self.groups.iter().map(|group| (&group.leaves, Some(&group.change))),
        );
        let ledger = self.ledger_to_come();
        let Some(Ledger { roster, leaves, .. }) = ledger.as_ref() else { return record };
        for (entry, leaf) in roster.entries().iter().zip(leaves) {
            record.leaf(&entry.name, &entry.shape);
            let Some(slots) = &leaf.slots else { continue };
            record.leaf_count(&entry.name, &entry.shape, "steps", leaf.steps);
            for slot in slots {
                let is_whole = slot.shape == leaf.shape;
                let shape = if is_whole { None } else { Some(&slot.shape[..]) };
                record.put_shaped(&entry.name, &slot.name, shape, &slot.values);
            }
        }
        record
    }

    fn load_ledger(&self, record: &Record) -> Result<Option<Ledger<F>>, Error> {
        if record.leaves().len() == 0 {
            return Ok(None);
        }
        let entry =
            |(name, shape): (&str, &[usize])| Entry { name: name.into(), shape: shape.into() };
        let roster = match &self.ledger {
            Some(ledger) => ledger.roster.clone(),
            None => Roster::from_entries(record.leaves().map(entry).collect())?,
        };
        let places = record.places(&roster)?;
        let mut ledger = self.open(roster)?;
        self.follow_last(&mut ledger.own)?;
        for (i, &place) in places.iter().enumerate() {
            let (leaf, own) = (&mut ledger.leaves[place], &ledger.own[place]);
            if record.get_leaf_count(i, "steps").is_err() {
                continue;
            }
            leaf.steps = record.get_leaf_counter(i, "steps")?;
            if leaf.steps > self.steps {
                let name = &ledger.roster.entries()[place].name;
                let problem = format!("is more than {}", self.steps);
                return Err(invalid(format!("steps of leaf `{name}`"), problem));
            }
            let is_here = leaf.is_here;
            let whole = leaf.shape.clone();
            for slot in leaf.begun(&*own.rule) {
                let shape = (slot.shape != whole).then_some(&slot.shape[..]);
                slot.values = record.get_shaped(i, &slot.name, shape, is_here)?;
            }
        }
        Ok(Some(ledger))
    }

    /// Everything is read and checked before the first change.
    pub(super) fn load(&mut self, state: &State) -> Result<(), Error> {
        let record = state.record::<F>(self.rule.name())?;
        state.assert_innermost()?;
        compare("the settings", record.get_text("settings")?, &self.describe())?;
        let mut differs = Ok(());
        numbers(&*self.rule, |name, number| {
            if differs.is_ok() {
                differs = record.compare_number(name, number);
            }
        });
        differs?;
        let mut loaded = self.clone();
        loaded.steps = record.get_counter("steps")?;
        loaded.skipped = record.get_counter("skipped")?;
        loaded.rates = self.rates.load::<F>(record)?;
        for (name, here) in &mut loaded.scheduled {
            let mut saved = record.get_schedule(&format!("scheduled.{name}"))?.clone();
            saved.adopt(here);
            saved.validate()?;
            compare(name, &format!("{saved:?}"), &format!("{here:?}"))?;
        }
        loaded.check()?;
        loaded.load_groups(record)?;
        loaded.ledger = loaded.load_ledger(record)?;
        loaded.checked = true;
        record.assert_like(&loaded.record())?;
        *self = loaded;
        Ok(())
    }
}
