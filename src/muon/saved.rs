//! Saving the state of a Muon and going on from it.

use super::ledger::Ledger;
use super::{Muon, NAME};
use crate::error::Error;
use crate::optimizer::{Optimizer, save_groups};
use crate::params::{Entry, Roster};
use crate::scalar::Scalar;
use crate::state::{Record, State, compare, invalid, unexpected};

impl<F: Scalar> Muon<F> {
    /// What of a saved state must be the same here.
    fn describe(&self) -> String {
        let Self { corrected, nesterov, decay, ns_steps, ns_coefficients, .. } = self;
        let Self { clamped, scale, inputs_first, non_finite, .. } = self;
        format!(
            "nesterov: {nesterov:?}, corrected: {corrected:?}, decay: {decay:?}, \
             ns_steps: {ns_steps:?}, ns_coefficients: {ns_coefficients:?}, clamped: {clamped:?}, \
             scale: {scale:?}, inputs_first: {inputs_first:?}, non_finite: {non_finite:?}"
        )
    }

    fn record(&self) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.count("steps", self.steps);
        record.count("skipped", self.skipped);
        record.number("momentum", self.momentum);
        record.number("epsilon", self.epsilon);
        self.rates.save(&mut record);
        record.text("settings", self.describe());
        save_groups(
            &mut record,
            self.groups.iter().map(|group| (&group.leaves, Some(&group.change))),
        );
        if let Some(Ledger { roster, momenta, taken, .. }) = &self.ledger {
            for (i, (entry, m)) in roster.entries().iter().zip(momenta).enumerate() {
                record.leaf(&entry.name, &entry.shape);
                if let Some(m) = m {
                    record.array(&entry.name, "m", m.view());
                    // Most matrices began together.
                    if taken[i] != self.steps {
                        record.count(format!("leaf.{i}.steps"), taken[i]);
                    }
                }
            }
        }
        record
    }

    /// The leaves of a saved state; those that AdamW has must be those that are left to it.
    fn load_ledger(&self, record: &Record, inside: &Record) -> Result<Option<Ledger<F>>, Error> {
        let mut others = Vec::new();
        let ledger = if record.leaves().len() == 0 {
            None
        } else {
            let entry =
                |(name, shape): (&str, &[usize])| Entry { name: name.into(), shape: shape.into() };
            let roster = match &self.ledger {
                Some(ledger) => ledger.roster.clone(),
                None => Roster::from_entries(record.leaves().map(entry).collect())?,
            };
            let places = record.places(&roster)?;
            let mut momenta = vec![None; places.len()];
            let steps = record.get_counter("steps")?;
            let mut taken = vec![0; places.len()];
            for (i, &place) in places.iter().enumerate() {
                let entry = &roster.entries()[place];
                if self.is_matrix(entry) {
                    momenta[place] = Some(record.array_of::<F>(i, "m")?.to_owned());
                    let name = format!("leaf.{i}.steps");
                    taken[place] = record.get_count_or(&name, steps);
                    if taken[place] > steps {
                        return Err(invalid(format!("`{name}`"), format!("is more than {steps}")));
                    }
                } else {
                    others.push(entry.clone());
                }
            }
            Some(Ledger { taken, ..self.ledger_of(roster, momenta) })
        };
        if !others.is_empty() {
            inside.places(&Roster::from_entries(others)?)?;
        } else if let Some((leaf, _)) = inside.leaves().next() {
            return Err(unexpected(format!("the leaf `{leaf}` of {}", self.adamw.name())));
        }
        Ok(ledger)
    }

    pub(super) fn save(&self) -> State {
        self.adamw.state().around(self.record())
    }

    /// Everything is read and checked before the first change.
    pub(super) fn load(&mut self, state: &State) -> Result<(), Error> {
        let (record, inside) = (state.record::<F>(NAME)?, state.inner()?);
        compare("the settings", record.get_text("settings")?, &self.describe())?;
        let mut loaded = self.clone();
        loaded.steps = record.get_counter("steps")?;
        loaded.skipped = record.get_counter("skipped")?;
        if state.version() < 2 {
            // Nothing told there what was built and what was set since.
            loaded.momentum = record.get_number("momentum")?;
            loaded.epsilon = record.get_number("epsilon")?;
            let mut schedule = record.get_schedule("learning_rate")?.clone();
            schedule.adopt(&self.rates.schedule);
            schedule.validate()?;
            loaded.rates.schedule = schedule;
        } else {
            record.compare_number("momentum", self.momentum)?;
            record.compare_number("epsilon", self.epsilon)?;
            loaded.rates = self.rates.load::<F>(record)?;
        }
        loaded.check()?;
        let is_old = state.version() < 2;
        if !is_old {
            loaded.load_groups(record)?;
        }
        loaded.ledger = loaded.load_ledger(record, inside.record::<F>(self.adamw.name())?)?;
        if let Some(ledger) = loaded.ledger.take() {
            loaded.go_on_with(&ledger, self.groups.len(), &inside)?;
            loaded.ledger = Some(ledger);
        } else {
            loaded.adamw.load_state(&inside)?;
        }
        let is_new = |name: &str| name == "rate.scale" || name == "groups";
        let again = loaded.record().filtered(&|name| !is_old || !is_new(name));
        record.assert_like(&again)?;
        *self = loaded;
        Ok(())
    }
}
