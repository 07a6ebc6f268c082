//! Saving an optimizer's state and going on from it.

use std::borrow::Cow;

use ndarray::ArrayViewD;

use super::altered::Altered;
use super::codes::Coding;
use super::core::{Counters, Engine, Place};
use super::described;
use super::leaf::LeafState;
use super::ledger::{Cohort, Ledger};
use super::plan::{Course, Group, Rates, adopt};
use super::program::Program;
use super::scratch::Scratch;
use super::slot::Slot;
use crate::error::Error;
use crate::optimizer::{Change, Optimizer, load_groups, save_groups};
use crate::params::{Entry, Pattern};
use crate::rule::{Clock, Totals};
use crate::scalar::Scalar;
use crate::state::{Numbers, Record, State, compare, invalid, missing};

/// What the array of an average is called; slots have a prefix.
const AVERAGE: &str = "average";
/// What the array of what is left of a parameter of 16 bits is called: in 65,536ths of its last digit.
const REMAINDER: &str = "remainder";

impl<F: Scalar> Engine<F> {
    pub(super) fn save(&self) -> State {
        self.record(&self.ledger_to_come(), true).into()
    }

    /// The ledger as the next step will find it: what was set since the last one included.
    fn ledger_to_come(&self) -> Cow<'_, Ledger<F>> {
        let steps_next = self.counters.place == Place::Training;
        if self.checked || self.ledger.is_empty() || !steps_next {
            return Cow::Borrowed(&self.ledger);
        }
        let mut ledger = self.ledger.clone();
        match ledger.assign(&self.plan, &self.groups) {
            Ok(_) => {
                ledger.make_room_anywhere();
                ledger.drop_averages();
            }
            // The next step will say what is wrong.
            Err(_) => return Cow::Borrowed(&self.ledger),
        }
        Cow::Owned(ledger)
    }

    /// The record of these leaves, whose arrays are empty where it is not `whole`.
    fn record(&self, ledger: &Ledger<F>, whole: bool) -> Record {
        let about = self.about;
        let mut record = Record::new::<F>(about.name);
        let Counters { steps, skipped, place, forgets } = self.counters;
        record.count("steps", steps);
        record.count("skipped", skipped);
        record.count("swapped", u64::from(place == Place::Averaged));
        record.count("settled", u64::from(place == Place::Settled));
        record.count("forgets", u64::from(forgets));
        record.number("rate.scale", self.rates.scale);
        if let Some(rate) = self.rates.set {
            record.number("rate.set", rate);
        }
        described::save(&mut record, "", &self.plan);
        let groups = self.groups.iter().map(|group| (&group.pattern, group.since.as_ref()));
        save_groups(&mut record, groups);
        for (i, course) in ledger.courses.iter().enumerate() {
            save_course(&mut record, &format!("course.{i}."), course);
        }
        for (i, cohort) in ledger.cohorts.iter().enumerate() {
            save_cohort(&mut record, &format!("cohort.{i}."), cohort);
        }
        if about.has_totals() {
            save_totals(&mut record, &ledger.totals);
        }
        for (i, (Entry { name, shape }, leaf)) in
            ledger.roster.entries().iter().zip(&ledger.leaves).enumerate()
        {
            record.leaf(name, shape);
            // Most leaves began together.
            if leaf.cohort > 0 {
                record.count(format!("leaf.{i}.cohort"), leaf.cohort as u64);
            }
            for j in 0..about.count {
                let numbers = match leaf.has_slot(j) {
                    true if whole => leaf.numbers(j),
                    true => Some(Numbers::NONE),
                    false => None,
                };
                let Some(numbers) = numbers else { continue };
                record.put(name, shape, &about.slot_name(j), numbers);
            }
            if let Some(average) = leaf.average() {
                let numbers = if whole { Numbers::of(average) } else { Numbers::NONE };
                record.put(name, shape, AVERAGE, numbers);
            }
            if let Some(left) = leaf.remainders() {
                let numbers = if whole { Numbers::of_vec(left) } else { Numbers::NONE };
                record.put(name, shape, REMAINDER, numbers);
            }
        }
        record
    }

    /// Everything is read and checked before the first change.
    pub(super) fn load(&mut self, state: &State) -> Result<(), Error> {
        self.check()?;
        let name = self.about.name;
        let read = state.record::<F>(name)?;
        state.assert_innermost()?;
        let is_old = state.version() < 2;
        let record = if is_old { Cow::Owned(upgraded(read)) } else { Cow::Borrowed(read) };
        let record = record.as_ref();

        if is_old {
            record.get_counter("averaged")?;
        }
        let counters = load_counters(record)?;
        let rates = load_rates::<F>(record)?;
        let mut plan = self.plan.clone();
        let precedence = described::Rulings { of: &self.precedence, is_old };
        described::reconcile(record, "", &mut plan, &precedence)?;
        plan.check()?;
        let mut groups = self.groups.clone();
        // Whether those that are here have changed the same is seen by what comes of it.
        let here = self.groups.iter().map(|group| &group.pattern);
        for change in load_groups(record, here, |_, _| Ok(()))? {
            groups.push(self.group_of(change)?);
        }
        if counters.steps > 0 && record.leaves().len() == 0 {
            return Err(missing("leaves"));
        }
        let mut loaded = Self {
            about: self.about,
            ledger: Ledger::default(),
            altered: Altered::default(),
            scratch: Scratch::new(plan.program.kernel()),
            groups,
            precedence: self.precedence.clone(),
            checked: true,
            term_is_due: false,
            wholes: self.wholes.clone(),
            plan,
            rates,
            counters,
        };
        loaded.ledger = self.load_ledger(record, &mut loaded, &precedence)?;
        // What it would not save again is not this optimizer's.
        let again = loaded.record(&loaded.ledger, false);
        described::assert_like(record, &again, &precedence)?;
        *self = loaded;
        Ok(())
    }

    /// The leaves in the order of the record: a norm adds them up in it.
    fn load_ledger(
        &self,
        record: &Record,
        loaded: &mut Self,
        precedence: &described::Rulings<'_>,
    ) -> Result<Ledger<F>, Error> {
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
        let mut ledger =
            Ledger::<F>::of_entries(entries, &loaded.plan, &loaded.groups, self.wholes.clone())?;
        let places: Vec<Vec<usize>> =
            (0..ledger.courses.len()).map(|i| ledger.groups_of(i, &loaded.groups)).collect();
        for (i, course) in ledger.courses.iter_mut().enumerate() {
            let made = course.plan.clone();
            load_course(record, &format!("course.{i}."), course, precedence)?;
            adopt(&mut loaded.groups, &places[i], &made, &course.plan);
        }
        let mut cohorts = Vec::with_capacity(ledger.leaves.len());
        for (i, leaf) in ledger.leaves.iter().enumerate() {
            let here = ledger.cohorts[leaf.cohort].course;
            let cohort = if precedence.is_old {
                old_cohort(record, i, here, loaded)?
            } else {
                let place = record.get_count_or(&format!("leaf.{i}.cohort"), 0);
                load_cohort(record, place, loaded.counters.steps)?
            };
            let name = &ledger.roster.entries()[i].name;
            let of = |course: usize| format!("number {course}");
            compare(&format!("the set of groups of `{name}`"), &of(cohort.course), &of(here))?;
            cohorts.push(cohort);
        }
        ledger.join_cohorts(&cohorts);
        if self.about.has_totals() {
            ledger.totals = load_totals(record, loaded.counters.steps)?;
        }
        let Ledger { leaves, courses, cohorts, .. } = &mut ledger;
        for (i, leaf) in leaves.iter_mut().enumerate() {
            let cohort = &cohorts[leaf.cohort];
            load_leaf(record, i, &courses[cohort.course], cohort, leaf)?;
        }
        Ok(ledger)
    }
}

impl<F: Scalar> Engine<F> {
    /// The group that a change of a saved run made, checked.
    fn group_of(&self, (leaves, change): (Pattern, Change)) -> Result<Group<F>, Error> {
        let mut other = Self::new(self.plan.clone());
        other.change_group(leaves, change)?;
        other.groups.pop().ok_or_else(|| missing("group"))
    }
}

fn load_counters(record: &Record) -> Result<Counters, Error> {
    let place = match (record.get_flag("swapped")?, record.get_flag("settled")?) {
        (false, false) => Place::Training,
        (true, false) => Place::Averaged,
        (false, true) => Place::Settled,
        (true, true) => {
            return Err(invalid("`swapped`".to_owned(), "is 1, and so is `settled`".to_owned()));
        }
    };
    let forgets = record.get_flag("forgets")?;
    if forgets && place != Place::Averaged {
        return Err(invalid("`forgets`".to_owned(), "is 1 without an average".to_owned()));
    }
    let (steps, skipped) = (record.get_counter("steps")?, record.get_counter("skipped")?);
    Ok(Counters { steps, skipped, place, forgets })
}

fn load_rates<F: Scalar>(record: &Record) -> Result<Rates, Error> {
    let scale = record.get_number("rate.scale")?;
    let set = record.get_number("rate.set").ok();
    for (name, rate) in [("rate.scale", Some(scale)), ("rate.set", set)] {
        if rate.is_some_and(|rate| !(rate >= 0.0 && F::from_f64(rate).is_finite())) {
            return Err(invalid(format!("`{name}`"), format!("is {rate:?}")));
        }
    }
    Ok(Rates { set, scale })
}

fn save_course<F: Scalar>(record: &mut Record, prefix: &str, course: &Course<F>) {
    described::save(record, prefix, &course.plan);
    record.number(format!("{prefix}last_learning_rate"), course.learning_rate);
    if course.is_scheduled() {
        described::save_numbers(record, &format!("{prefix}last."), course.program());
    }
}

fn load_course<F: Scalar>(
    record: &Record,
    prefix: &str,
    course: &mut Course<F>,
    precedence: &described::Rulings<'_>,
) -> Result<(), Error> {
    let mut plan = course.plan.clone();
    described::reconcile(record, prefix, &mut plan, precedence)?;
    plan.check()?;
    let mut loaded = Course::new(plan, course.is_base);
    let entry = format!("{prefix}last_learning_rate");
    let learning_rate = record.get_number(&entry)?;
    if !(learning_rate >= 0.0 && learning_rate.is_finite()) {
        return Err(invalid(format!("`{entry}`"), format!("is {learning_rate}")));
    }
    let mut last: Box<dyn Program<F>> = loaded.plan.program.boxed();
    if loaded.is_scheduled() {
        let numbers = described::load_numbers(record, &format!("{prefix}last."), &mut *last);
        // Where nothing was scheduled in the saved run, the last step had the numbers as they are.
        numbers.or_else(|error| if precedence.any_built() { Ok(()) } else { Err(error) })?;
        last.validate()?;
    }
    loaded.go_on_from(learning_rate, &*last);
    *course = loaded;
    Ok(())
}

fn save_cohort(record: &mut Record, prefix: &str, cohort: &Cohort) {
    record.count(format!("{prefix}course"), cohort.course as u64);
    record.count(format!("{prefix}terms"), cohort.terms);
    let mut clock = cohort.clock;
    let (counts, numbers) = clock.entries();
    counts.into_iter().for_each(|(name, n)| record.count(format!("{prefix}{name}"), *n));
    numbers.into_iter().for_each(|(name, x)| record.number(format!("{prefix}{name}"), *x));
}

fn load_cohort(record: &Record, place: u64, steps: u64) -> Result<Cohort, Error> {
    let prefix = format!("cohort.{place}.");
    let course = record.get_counter(&format!("{prefix}course"))?;
    let terms = record.get_counter(&format!("{prefix}terms"))?;
    let mut clock = Clock::default();
    let (counts, numbers) = clock.entries();
    for (name, n) in counts {
        *n = record.get_counter(&format!("{prefix}{name}"))?;
    }
    for (name, x) in numbers {
        *x = record.get_number(&format!("{prefix}{name}"))?;
    }
    let forgets = record.get_flag("forgets")?;
    if !clock.is_possible() || (clock.step().max(terms) > steps && !forgets) {
        let problem = format!("is not of an optimizer that took {steps} steps");
        return Err(invalid(format!("`cohort.{place}`"), problem));
    }
    Ok(Cohort::new(course as usize, clock, terms))
}

fn save_totals(record: &mut Record, totals: &Totals) {
    let mut totals = *totals;
    for (i, number) in totals.kept().into_iter().enumerate() {
        record.number(format!("totals.carried.{i}"), number);
    }
    let (counts, numbers) = totals.clock().entries();
    counts.into_iter().for_each(|(name, n)| record.count(format!("totals.{name}"), *n));
    // What a clock carries is a leaf's.
    let numbers = numbers.into_iter().filter(|(name, _)| !name.starts_with("carried"));
    numbers.for_each(|(name, x)| record.number(format!("totals.{name}"), *x));
}

fn load_totals(record: &Record, steps: u64) -> Result<Totals, Error> {
    let mut totals = Totals::default();
    for (i, number) in totals.carried().iter_mut().enumerate() {
        *number = record.get_number(&format!("totals.carried.{i}"))?;
    }
    let (counts, numbers) = totals.clock().entries();
    for (name, n) in counts {
        *n = record.get_counter(&format!("totals.{name}"))?;
    }
    for (name, x) in numbers.into_iter().filter(|(name, _)| !name.starts_with("carried")) {
        *x = record.get_number(&format!("totals.{name}"))?;
    }
    let forgets = record.get_flag("forgets")?;
    if !totals.is_possible() || (totals.step() > steps && !forgets) {
        let problem = format!("are not of an optimizer that took {steps} steps");
        return Err(invalid("`totals`".to_owned(), problem));
    }
    Ok(totals)
}

fn load_leaf<F: Scalar>(
    record: &Record,
    place: usize,
    course: &Course<F>,
    cohort: &Cohort,
    leaf: &mut LeafState<F>,
) -> Result<(), Error> {
    let (plan, about) = (&course.plan, course.plan.program.about());
    // A leaf that was frozen after some steps has state all the same.
    let trained = !plan.settings.frozen;
    let has = |name: &str| record.has_array(place, name);
    if trained || (0..about.count).any(|i| has(&about.slot_name(i))) {
        // Room is made only for what is there to fill it.
        let slots = (0..about.count).map(|i| record.array_of::<F>(place, &about.slot_name(i)));
        let slots = slots.collect::<Result<Vec<_>, _>>()?;
        leaf.make_slots(plan.program.initial(), about.count, course.traits.coding, 0);
        for (i, values) in slots.iter().enumerate() {
            let values = leaf.order.arrange(values.view());
            match leaf.coding[i] {
                Coding::Full => fill(&mut leaf.slots[i], values),
                // What was saved in as many bits is kept as it is.
                coding => {
                    let values: Vec<F> = values.iter().copied().collect();
                    coding.encode(&values, leaf.codes[i].as_mut_slice());
                }
            }
        }
    }
    let averages = plan.settings.average.is_some();
    if has(AVERAGE) || (averages && (trained || cohort.terms > 0)) {
        let values = record.array_of::<F>(place, AVERAGE)?;
        leaf.make_average(0);
        fill(&mut leaf.average, leaf.order.arrange(values.view()));
    }
    if has(REMAINDER) {
        let values = record.array_of::<F>(place, REMAINDER)?;
        if !leaf.set_remainders(values.view()) {
            let problem = "has other numbers than whole ones of 16 bits".to_owned();
            return Err(invalid(format!("`{REMAINDER}`"), problem));
        }
    }
    leaf.misplace();
    Ok(())
}

fn fill<F: Scalar>(slot: &mut Slot<F>, values: ArrayViewD<'_, F>) {
    slot.as_mut_slice().iter_mut().zip(&values).for_each(|(to, &from)| *to = from);
}

/// The record of an earlier version with what every state has now.
fn upgraded(old: &Record) -> Record {
    let mut record = old.clone();
    record.count("settled", 0);
    record.count("forgets", 0);
    record.number("rate.scale", 1.0);
    record
}

/// In a state of an earlier version all leaves that have state began with the optimizer.
fn old_cohort<F: Scalar>(
    record: &Record,
    leaf: usize,
    course: usize,
    loaded: &Engine<F>,
) -> Result<Cohort, Error> {
    let began = loaded.about.count == 0 || record.has_arrays(leaf);
    if !began {
        return Ok(Cohort::new(course, Clock::default(), 0));
    }
    let carried = [0, 1].map(|j| record.get_number(&format!("course.{course}.carried.{j}")));
    let [first, second] = carried;
    let clock = Clock::at(loaded.counters.steps, [first?, second?]);
    let terms = record.get_counter("averaged")?;
    if !clock.is_possible() || terms > loaded.counters.steps {
        let problem = "is not of an optimizer that took its steps".to_owned();
        return Err(invalid(format!("`course.{course}.carried`"), problem));
    }
    Ok(Cohort::new(course, clock, terms))
}
