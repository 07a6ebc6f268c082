//! Saving an optimizer's state and going on from it.

use std::borrow::Cow;

use ndarray::ArrayViewD;

use super::ledger::{LeafState, Ledger};
use super::plan::{Course, Plan};
use super::scratch::Scratch;
use super::{Counters, Elementwise, Settings};
use crate::error::Error;
use crate::params::Entry;
use crate::rule::{Rule, Slot, Slots};
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::state::{Numbers, Record, State, compare, invalid, missing};

/// What the array of an average is called; slots have a prefix.
const AVERAGE: &str = "average";

fn slot_name<F: Scalar, R: Rule<F>>(index: usize) -> String {
    // A rule that names fewer slots than it has loses none.
    R::SLOTS.get(index).map_or_else(|| format!("slot.{index}"), |name| format!("slot.{name}"))
}

impl<F: Scalar, R: Rule<F>> Elementwise<F, R> {
    pub(super) fn save(&self) -> State {
        self.record(&self.ledger_to_come(), Numbers::of).into()
    }

    /// The ledger as the next step will find it: what was set since the last one included.
    fn ledger_to_come(&self) -> Cow<'_, Ledger<F, R>> {
        if self.checked || self.ledger.is_empty() {
            return Cow::Borrowed(&self.ledger);
        }
        let mut ledger = self.ledger.clone();
        match ledger.assign(&self.plan, &self.groups) {
            Ok(()) => ledger.make_room_anywhere(),
            // The next step will say what is wrong.
            Err(_) => return Cow::Borrowed(&self.ledger),
        }
        Cow::Owned(ledger)
    }

    /// The record of these leaves, with what `numbers` makes of each array.
    fn record(
        &self,
        ledger: &Ledger<F, R>,
        numbers: impl Fn(ArrayViewD<'_, F>) -> Numbers,
    ) -> Record {
        let mut record = Record::new::<F>(R::NAME);
        let Counters { steps, skipped, averaged, swapped } = self.counters;
        record.count("steps", steps);
        record.count("skipped", skipped);
        record.count("averaged", averaged);
        record.count("swapped", u64::from(swapped));
        save_plan::<F, R>(&mut record, "", &self.plan);
        if self.plan.rate_scale != 1.0 {
            record.number("rate_scale", self.plan.rate_scale);
        }
        record.count("groups", self.groups.len() as u64);
        for (i, group) in self.groups.iter().enumerate() {
            record.text(format!("group.{i}"), group.pattern.to_string());
        }
        for (i, course) in ledger.courses.iter().enumerate() {
            save_course::<F, R>(&mut record, &format!("course.{i}."), course);
        }
        for (Entry { name, shape }, leaf) in ledger.roster.entries().iter().zip(&ledger.leaves) {
            record.leaf(name, shape);
            for i in 0..R::State::COUNT {
                if let Some(array) = leaf.slot(i) {
                    record.put(name, shape, &slot_name::<F, R>(i), numbers(array));
                }
            }
            if let Some(average) = leaf.average() {
                record.put(name, shape, AVERAGE, numbers(average));
            }
        }
        record
    }

    /// Everything is read and checked before the first change.
    pub(super) fn load(&mut self, state: &State) -> Result<(), Error> {
        self.check()?;
        let record = state.record::<F>(R::NAME)?;
        state.assert_innermost()?;
        let counters = Counters {
            steps: record.get_counter("steps")?,
            skipped: record.get_counter("skipped")?,
            averaged: record.get_counter("averaged")?,
            swapped: record.get_flag("swapped")?,
        };
        let mut plan = self.plan.clone();
        restore_plan::<F, R>(record, &mut plan)?;
        plan.check::<F>()?;
        record.compare_count("groups", self.groups.len() as u64)?;
        for (i, group) in self.groups.iter().enumerate() {
            record.compare_text(&format!("group.{i}"), &group.pattern.to_string())?;
        }
        if counters.swapped && plan.settings.average.is_none() {
            return Err(invalid("`swapped`".to_owned(), "is 1 without an average".to_owned()));
        }
        if counters.steps > 0 && record.leaves().len() == 0 {
            return Err(missing("leaves"));
        }
        let ledger = self.load_ledger(record, &plan)?;
        let (groups, scratch) = (self.groups.clone(), Scratch::default());
        let loaded =
            Self { plan, groups, checked: true, counters, ledger, scratch, term_due: false };
        // What it would not save again is not this optimizer's.
        record.assert_like(&loaded.record(&loaded.ledger, |_| Numbers::NONE))?;
        *self = loaded;
        Ok(())
    }

    /// The leaves in the order of the record: a norm adds them up in it.
    fn load_ledger(&self, record: &Record, plan: &Plan<R>) -> Result<Ledger<F, R>, Error> {
        if record.leaves().len() == 0 {
            return Ok(Ledger::default());
        }
        if !self.ledger.is_empty() {
            record.places(&self.ledger.roster)?;
        }
        let entry = |(name, shape): (&str, &[usize])| Entry {
            name: name.to_owned(),
            shape: shape.to_vec(),
        };
        let entries = record.leaves().map(entry).collect();
        let mut ledger = Ledger::<F, R>::of_entries(entries, plan, &self.groups)?;
        for (i, course) in ledger.courses.iter_mut().enumerate() {
            load_course::<F, R>(record, &format!("course.{i}."), course)?;
        }
        let Ledger { leaves, courses, .. } = &mut ledger;
        for (i, leaf) in leaves.iter_mut().enumerate() {
            let plan = &courses[leaf.course].plan;
            // A leaf that was frozen after some steps has state all the same.
            if !plan.settings.frozen || record.has_arrays(i) {
                load_leaf::<F, R>(record, i, plan, leaf)?;
            }
        }
        Ok(ledger)
    }
}

fn load_leaf<F: Scalar, R: Rule<F>>(
    record: &Record,
    place: usize,
    plan: &Plan<R>,
    leaf: &mut LeafState<F, R::State>,
) -> Result<(), Error> {
    // Room is made only for what is there to fill it.
    let slots = (0..R::State::COUNT).map(|i| record.array_of::<F>(place, &slot_name::<F, R>(i)));
    let slots = slots.collect::<Result<Vec<_>, _>>()?;
    let averages = plan.settings.average.is_some();
    let average = averages.then(|| record.array_of::<F>(place, AVERAGE)).transpose()?;
    leaf.make_room(plan.rule.initial(), averages, 0);
    for (slot, values) in leaf.slots.as_mut().iter_mut().zip(slots) {
        fill(slot, leaf.order.arrange(values));
    }
    if let Some(values) = average {
        fill(&mut leaf.average, leaf.order.arrange(values));
    }
    Ok(())
}

fn fill<F: Scalar>(slot: &mut Slot<F>, values: ArrayViewD<'_, F>) {
    slot.as_mut_slice().iter_mut().zip(&values).for_each(|(to, &from)| *to = from);
}

/// The settings that a result depends on, each with its value.
fn described(settings: &Settings) -> [(&'static str, String); 15] {
    // Named one by one, so that a new one is not forgotten.
    let Settings {
        non_finite,
        clip_norm,
        report_norm: _,
        average,
        simd: _,
        parallel_above: _,
        frozen,
        rate_factor,
        maximize,
        clip_leaf_norm,
        clip_adaptive,
        clip_value,
        penalty,
        decoupled_decay,
        cautious,
        shrink,
        proximal_l1,
        max_norm,
    } = settings;
    [
        ("non_finite", format!("{non_finite:?}")),
        ("clip_norm", format!("{clip_norm:?}")),
        ("average", format!("{average:?}")),
        ("frozen", format!("{frozen:?}")),
        ("rate_factor", format!("{rate_factor:?}")),
        ("maximize", format!("{maximize:?}")),
        ("clip_leaf_norm", format!("{clip_leaf_norm:?}")),
        ("clip_adaptive", format!("{clip_adaptive:?}")),
        ("clip_value", format!("{clip_value:?}")),
        ("penalty", format!("{penalty:?}")),
        ("decoupled_decay", format!("{decoupled_decay:?}")),
        ("cautious", format!("{cautious:?}")),
        ("shrink", format!("{shrink:?}")),
        ("proximal_l1", format!("{proximal_l1:?}")),
        ("max_norm", format!("{max_norm:?}")),
    ]
}

/// Only what is not as by default: a setting that a later version adds changes no old state.
fn save_settings(record: &mut Record, prefix: &str, settings: &Settings) {
    let defaults = described(&Settings::default());
    for ((name, value), (_, default)) in described(settings).into_iter().zip(defaults) {
        if value != default {
            record.text(format!("{prefix}setting.{name}"), value);
        }
    }
}

fn compare_settings(
    record: &Record,
    prefix: &str,
    of: &str,
    settings: &Settings,
) -> Result<(), Error> {
    let defaults = described(&Settings::default());
    for ((name, here), (_, default)) in described(settings).iter().zip(&defaults) {
        let saved = record.get_text(&format!("{prefix}setting.{name}"));
        compare(&format!("the setting {name}{of}"), saved.unwrap_or(default), here)?;
    }
    Ok(())
}

/// A rule without its numbers: its conventions.
fn describe_conventions<F: Scalar, R: Rule<F>>(rule: &R) -> String {
    let mut rule = rule.clone();
    rule.hyperparameters(&mut |_, number| *number = 0.0);
    format!("{rule:?}")
}

fn save_rule<F: Scalar, R: Rule<F>>(record: &mut Record, prefix: &str, rule: &R) {
    rule.clone().hyperparameters(&mut |name, number| {
        record.number(format!("{prefix}{name}"), *number);
    });
}

/// The rule with the numbers that were saved.
fn restore_rule<F: Scalar, R: Rule<F>>(
    record: &Record,
    prefix: &str,
    rule: &R,
) -> Result<R, Error> {
    let (mut rule, mut result) = (rule.clone(), Ok(()));
    rule.hyperparameters(&mut |name, number| match record.get_number(&format!("{prefix}{name}")) {
        Ok(saved) => *number = saved,
        Err(error) => result = Err(error),
    });
    result.map(|()| rule)
}

fn save_plan<F: Scalar, R: Rule<F>>(record: &mut Record, prefix: &str, plan: &Plan<R>) {
    record.schedule(format!("{prefix}learning_rate"), plan.schedule.clone());
    record.text(format!("{prefix}conventions"), describe_conventions::<F, R>(&plan.rule));
    save_settings(record, prefix, &plan.settings);
    save_rule::<F, R>(record, &format!("{prefix}hyperparameter."), &plan.rule);
    for (name, schedule) in &plan.scheduled {
        record.schedule(format!("{prefix}scheduled.{name}"), schedule.clone());
    }
}

fn save_course<F: Scalar, R: Rule<F>>(record: &mut Record, prefix: &str, course: &Course<R>) {
    save_plan::<F, R>(record, prefix, &course.plan);
    record.number(format!("{prefix}last_learning_rate"), course.learning_rate);
    for (j, carried) in course.carried.into_iter().enumerate() {
        record.number(format!("{prefix}carried.{j}"), carried);
    }
    if !course.plan.scheduled.is_empty() {
        save_rule::<F, R>(record, &format!("{prefix}last."), course.rule());
    }
}

fn load_course<F: Scalar, R: Rule<F>>(
    record: &Record,
    prefix: &str,
    course: &mut Course<R>,
) -> Result<(), Error> {
    compare_plan::<F, R>(record, prefix, &course.plan)?;
    let entry = format!("{prefix}last_learning_rate");
    course.learning_rate = record.get_number(&entry)?;
    if !(course.learning_rate >= 0.0 && course.learning_rate.is_finite()) {
        return Err(invalid(format!("`{entry}`"), format!("is {}", course.learning_rate)));
    }
    for (j, carried) in course.carried.iter_mut().enumerate() {
        *carried = record.get_number(&format!("{prefix}carried.{j}"))?;
    }
    if !course.plan.scheduled.is_empty() {
        let last = restore_rule::<F, R>(record, &format!("{prefix}last."), &course.plan.rule)?;
        last.validate()?;
        course.rule = Some(last);
    }
    Ok(())
}

/// Takes the numbers and schedules of a plan, and compares the rest.
fn restore_plan<F: Scalar, R: Rule<F>>(record: &Record, plan: &mut Plan<R>) -> Result<(), Error> {
    // What the two are, before the numbers that they have.
    record.compare_text("conventions", &describe_conventions::<F, R>(&plan.rule))?;
    plan.rule = restore_rule::<F, R>(record, "hyperparameter.", &plan.rule)?;
    restore_schedule(record, "learning_rate", &mut plan.schedule)?;
    plan.rate_scale = record.get_number("rate_scale").unwrap_or(1.0);
    if !(plan.rate_scale >= 0.0 && plan.rate_scale.is_finite()) {
        return Err(invalid("`rate_scale`".to_owned(), format!("is {}", plan.rate_scale)));
    }
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
    compare_settings(record, prefix, of, &plan.settings)?;
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
