//! Saving an optimizer's state and going on from it.

use ndarray::ArrayViewD;

use super::ledger::Ledger;
use super::plan::Plan;
use super::{Counters, Elementwise, Settings};
use crate::error::Error;
use crate::params::Entry;
use crate::rule::{Rule, Slot};
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::state::{Record, State, compare};

/// What the array of an average is called; no slot is.
const AVERAGE: &str = "average";

impl<F: Scalar, R: Rule<F>> Elementwise<F, R> {
    pub(super) fn save(&self) -> State {
        let mut record = Record::new::<F>(R::NAME);
        let Counters { steps, skipped, averaged, swapped } = self.counters;
        record.count("steps", steps);
        record.count("skipped", skipped);
        record.count("averaged", averaged);
        record.count("swapped", u64::from(swapped));
        record.text("settings", describe_whole(&self.plan.settings));
        save_plan::<F, R>(&mut record, "", &self.plan);
        for (i, group) in self.groups.iter().enumerate() {
            record.text(format!("group.{i}"), group.pattern.to_string());
        }
        for (i, course) in self.ledger.courses.iter().enumerate() {
            let prefix = format!("course.{i}.");
            save_plan::<F, R>(&mut record, &prefix, &course.plan);
            record.number(format!("{prefix}last_learning_rate"), course.learning_rate);
            for (j, carried) in course.carried.into_iter().enumerate() {
                record.number(format!("{prefix}carried.{j}"), carried);
            }
        }
        for (entry, leaf) in self.ledger.roster.entries().iter().zip(&self.ledger.leaves) {
            record.leaf(&entry.name, &entry.shape);
            for (i, slot) in R::SLOTS.iter().enumerate() {
                if let Some(array) = leaf.slot(i) {
                    record.array(&entry.name, slot, array);
                }
            }
            if let Some(average) = leaf.average() {
                record.array(&entry.name, AVERAGE, average);
            }
        }
        record.into()
    }

    /// Everything is read and checked before the first change.
    pub(super) fn load(&mut self, state: &State) -> Result<(), Error> {
        self.check()?;
        let record = state.record::<F>(R::NAME)?;
        state.assert_innermost()?;
        let counters = Counters {
            steps: record.get_count("steps")?,
            skipped: record.get_count("skipped")?,
            averaged: record.get_count("averaged")?,
            swapped: record.get_count("swapped")? != 0,
        };
        let whole = describe_whole(&self.plan.settings);
        compare("the settings", record.get_text("settings")?, &whole)?;
        for (i, group) in self.groups.iter().enumerate() {
            let saved = record.get_text(&format!("group.{i}"))?;
            compare(&format!("group {i}"), saved, &group.pattern.to_string())?;
        }
        let mut plan = self.plan.clone();
        restore_plan::<F, R>(record, &mut plan)?;
        plan.check::<F>()?;
        let ledger = self.load_ledger(record, &plan, counters.steps)?;
        let loaded = Self { plan, counters, ledger, checked: true, ..self.clone() };
        // What it would not save again is not this optimizer's.
        record.assert_like(loaded.save().record::<F>(R::NAME)?)?;
        *self = loaded;
        Ok(())
    }

    fn load_ledger(
        &self,
        record: &Record,
        plan: &Plan<R>,
        steps: u64,
    ) -> Result<Ledger<F, R>, Error> {
        if record.leaves().len() == 0 {
            return Ok(Ledger::default());
        }
        let mut ledger = if self.ledger.is_empty() {
            let entry = |(name, shape): (&str, &[usize])| Entry {
                name: name.to_owned(),
                shape: shape.to_vec(),
            };
            Ledger::of_entries(record.leaves().map(entry).collect(), plan, &self.groups)?
        } else {
            let mut ledger = self.ledger.clone();
            ledger.assign(plan, &self.groups)?;
            ledger
        };
        let places = record.places(&ledger.roster)?;
        for (i, course) in ledger.courses.iter_mut().enumerate() {
            let prefix = format!("course.{i}.");
            compare_plan::<F, R>(record, &prefix, &course.plan)?;
            let carried = [0, 1].map(|j| record.get_number(&format!("{prefix}carried.{j}")));
            let [first, second] = carried;
            course.carried = [first?, second?];
            if steps > 0 {
                course.prepare::<F>(steps)?;
                course.commit();
            }
            course.learning_rate = record.get_number(&format!("{prefix}last_learning_rate"))?;
        }
        for (i, &place) in places.iter().enumerate() {
            let leaf = &mut ledger.leaves[place];
            let plan = &ledger.courses[leaf.course].plan;
            if plan.settings.frozen {
                continue;
            }
            // Room is made only for what is there to fill it.
            let slots = R::SLOTS.iter().map(|slot| record.array_of::<F>(i, slot));
            let slots = slots.collect::<Result<Vec<_>, _>>()?;
            let averages = plan.settings.average.is_some();
            let average = averages.then(|| record.array_of::<F>(i, AVERAGE)).transpose()?;
            leaf.make_room(plan.rule.initial(), averages, 0);
            for (slot, values) in leaf.slots.as_mut().iter_mut().zip(slots) {
                fill(slot, leaf.order.arrange(values));
            }
            if let Some(values) = average {
                fill(&mut leaf.average, leaf.order.arrange(values));
            }
        }
        Ok(ledger)
    }
}

fn fill<F: Scalar>(slot: &mut Slot<F>, values: ArrayViewD<'_, F>) {
    slot.as_mut_slice().iter_mut().zip(&values).for_each(|(to, &from)| *to = from);
}

/// The settings of a step as a whole that its result depends on.
fn describe_whole(settings: &Settings) -> String {
    let Settings { non_finite, clip_norm, average, .. } = settings;
    format!("non_finite: {non_finite:?}, clip_norm: {clip_norm:?}, average: {average:?}")
}

/// The settings that concern each leaf.
fn describe_leaf(settings: &Settings) -> String {
    let Settings { frozen, rate_factor, maximize, clip_leaf_norm, clip_adaptive, .. } = settings;
    let Settings { clip_value, penalty, decoupled_decay, cautious, shrink, .. } = settings;
    let Settings { proximal_l1, max_norm, .. } = settings;
    format!(
        "frozen: {frozen:?}, rate_factor: {rate_factor:?}, maximize: {maximize:?}, \
         clip_leaf_norm: {clip_leaf_norm:?}, clip_adaptive: {clip_adaptive:?}, \
         clip_value: {clip_value:?}, penalty: {penalty:?}, decoupled_decay: {decoupled_decay:?}, \
         cautious: {cautious:?}, shrink: {shrink:?}, proximal_l1: {proximal_l1:?}, \
         max_norm: {max_norm:?}"
    )
}

/// A rule without its numbers: its conventions.
fn describe_conventions<F: Scalar, R: Rule<F>>(rule: &R) -> String {
    let mut rule = rule.clone();
    rule.hyperparameters(&mut |_, number| *number = 0.0);
    format!("{rule:?}")
}

fn save_plan<F: Scalar, R: Rule<F>>(record: &mut Record, prefix: &str, plan: &Plan<R>) {
    record.schedule(format!("{prefix}learning_rate"), plan.schedule.clone());
    record.text(format!("{prefix}conventions"), describe_conventions::<F, R>(&plan.rule));
    record.text(format!("{prefix}leaf_settings"), describe_leaf(&plan.settings));
    plan.rule.clone().hyperparameters(&mut |name, number| {
        record.number(format!("{prefix}hyperparameter.{name}"), *number);
    });
    for (name, schedule) in &plan.scheduled {
        record.schedule(format!("{prefix}scheduled.{name}"), schedule.clone());
    }
}

/// Takes the numbers and schedules of a plan, and compares the rest.
fn restore_plan<F: Scalar, R: Rule<F>>(record: &Record, plan: &mut Plan<R>) -> Result<(), Error> {
    let mut result = Ok(());
    plan.rule.hyperparameters(&mut |name, number| match record
        .get_number(&format!("hyperparameter.{name}"))
    {
        Ok(saved) => *number = saved,
        Err(error) => result = Err(error),
    });
    result?;
    restore_schedule(record, "learning_rate", &mut plan.schedule)?;
    for (name, schedule) in &mut plan.scheduled {
        restore_schedule(record, &format!("scheduled.{name}"), schedule)?;
    }
    compare_plan::<F, R>(record, "", plan)
}

/// Takes a saved schedule; a closure cannot be saved, and must be there under the same name.
fn restore_schedule(record: &Record, name: &str, schedule: &mut Schedule) -> Result<(), Error> {
    let mut saved = record.get_schedule(name)?.clone();
    saved.adopt(schedule);
    saved.validate()?;
    *schedule = saved;
    Ok(())
}

fn compare_plan<F: Scalar, R: Rule<F>>(
    record: &Record,
    prefix: &str,
    plan: &Plan<R>,
) -> Result<(), Error> {
    let of = if prefix.is_empty() { "" } else { " of a group" };
    let conventions = describe_conventions::<F, R>(&plan.rule);
    let saved = record.get_text(&format!("{prefix}conventions"))?;
    compare(&format!("the rule{of}"), saved, &conventions)?;
    let saved = record.get_text(&format!("{prefix}leaf_settings"))?;
    compare(&format!("the settings{of}"), saved, &describe_leaf(&plan.settings))?;
    let mut result = Ok(());
    plan.rule.clone().hyperparameters(&mut |name, number| {
        let saved = record.get_number(&format!("{prefix}hyperparameter.{name}"));
        let compared = saved.and_then(|saved| {
            compare(&format!("{name}{of}"), &format!("{saved:?}"), &format!("{number:?}"))
        });
        if result.is_ok() {
            result = compared;
        }
    });
    result?;
    let scheduled = plan.scheduled.iter();
    let schedules = scheduled.map(|(name, schedule)| (format!("scheduled.{name}"), schedule));
    for (name, schedule) in schedules.chain([("learning_rate".to_owned(), &plan.schedule)]) {
        let mut saved = record.get_schedule(&format!("{prefix}{name}"))?.clone();
        saved.adopt(schedule);
        compare(&format!("{name}{of}"), &format!("{saved:?}"), &format!("{schedule:?}"))?;
    }
    Ok(())
}
