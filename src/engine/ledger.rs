//! The leaves of an optimizer, by name: the state of each, and what those share that go on alike.

use std::sync::Arc;

use super::average::Average;
use super::leaf::{Kept, LeafState};
use super::plan::{Course, Group, Plan};
use super::settings::Settings;
use super::sixteen::Rounding;
use crate::error::{Error, Tree};
use crate::optimizer::Wholes;
use crate::params::{Entry, Order, Params, ParamsMut, Path, Pattern, Roster, matches_nothing};
use crate::rule::{Clock, Totals};
use crate::scalar::Scalar;

/// The leaves of the first step, in its order, and how each is treated.
#[derive(Clone)]
pub(super) struct Ledger<F: Scalar> {
    pub(super) roster: Roster,
    pub(super) leaves: Vec<LeafState<F>>,
    /// How leaves are treated: one course for each set of groups that a leaf is of.
    pub(super) courses: Vec<Course<F>>,
    /// Where leaves stand: one cohort for those that are treated alike and began at one step.
    pub(super) cohorts: Vec<Cohort>,
    /// The shapes of the leaves, where these are parts of them.
    pub(super) wholes: Option<Arc<Wholes>>,
    /// What is true of all leaves together.
    pub(super) totals: Totals,
}

/// What is true of some leaves alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cohort {
    /// The place of their course.
    pub(super) course: usize,
    /// Their steps, and what their rule carries.
    pub(super) clock: Clock,
    /// Terms of their averages.
    pub(super) terms: u64,
}

impl Cohort {
    pub(super) fn new(course: usize, clock: Clock, terms: u64) -> Self {
        Self { course, clock, terms }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.course == other.course && self.terms == other.terms && self.clock.is_like(&other.clock)
    }
}

/// How leaves were treated before, and what room was made since: to go back to.
pub(super) struct Before<F: Scalar> {
    courses: Vec<Course<F>>,
    cohorts: Vec<Cohort>,
    /// Of each leaf.
    places: Vec<usize>,
    slots: Vec<usize>,
    averages: Vec<usize>,
    converted: Vec<(usize, Kept<F>)>,
}

impl<F: Scalar> Default for Ledger<F> {
    fn default() -> Self {
        Self {
            roster: Roster::default(),
            leaves: Vec::new(),
            courses: Vec::new(),
            cohorts: Vec::new(),
            wholes: None,
            totals: Totals::default(),
        }
    }
}

impl<F: Scalar> Ledger<F> {
    /// The ledger of a model that has taken no step.
    pub(super) fn open(
        params: &dyn Params<F>,
        plan: &Plan<F>,
        groups: &[Group<F>],
        wholes: Option<Arc<Wholes>>,
    ) -> Result<Self, Error> {
        let mut ledger = Self { roster: Roster::of_any(params)?, wholes, ..Self::default() };
        params.visit(Path::ROOT, &mut |_, leaf| {
            let order = Order::of(leaf.shape(), leaf.strides());
            ledger.leaves.push(LeafState::new(leaf.shape(), order));
        });
        let mut before = ledger.assign(plan, groups)?;
        ledger.make_room(params, &mut before)?;
        Ok(ledger)
    }

    /// The ledger of leaves known by name and shape alone, as a saved state has them.
    pub(super) fn of_entries(
        entries: Vec<Entry>,
        plan: &Plan<F>,
        groups: &[Group<F>],
        wholes: Option<Arc<Wholes>>,
    ) -> Result<Self, Error> {
        let roster = Roster::from_entries(entries)?;
        let leaf =
            |entry: &Entry| LeafState::new(&entry.shape, Order::row_major(entry.shape.len()));
        let leaves = roster.entries().iter().map(leaf).collect();
        let mut ledger = Self { roster, leaves, wholes, ..Self::default() };
        ledger.assign(plan, groups)?;
        Ok(ledger)
    }

    /// Assigns each leaf its course anew; what a leaf counts and carries stays its own.
    ///
    /// # Errors
    /// An error leaves everything as it was.
    pub(super) fn assign(
        &mut self,
        plan: &Plan<F>,
        groups: &[Group<F>],
    ) -> Result<Before<F>, Error> {
        let entries = self.roster.entries();
        let shapes: Vec<&[usize]> = entries.iter().map(|entry| self.shape_of(entry)).collect();
        for group in groups {
            if !self.has_any(&group.pattern) {
                return Err(matches_nothing(&group.pattern, entries));
            }
        }
        let mut courses: Vec<(Vec<usize>, Course<F>)> = Vec::new();
        let mut cohorts: Vec<Cohort> = Vec::new();
        let mut places = Vec::with_capacity(entries.len());
        for ((Entry { name, .. }, shape), leaf) in entries.iter().zip(shapes).zip(&self.leaves) {
            let matches = |&i: &usize| groups[i].pattern.matches(name, shape);
            let of: Vec<usize> = (0..groups.len()).filter(matches).collect();
            let before = self.cohorts.get(leaf.cohort);
            let course = match courses.iter().position(|(groups, _)| *groups == of) {
                Some(place) => place,
                None => {
                    let plan = plan.changed(of.iter().map(|&i| &groups[i]))?;
                    plan.check()?;
                    let mut course = Course::new(plan, of.is_empty());
                    if let Some(before) = before.map(|cohort| &self.courses[cohort.course]) {
                        course.go_on_from(before.learning_rate, before.program());
                    }
                    courses.push((of, course));
                    courses.len() - 1
                }
            };
            let settings = &courses[course].1.settings;
            if let Some(bound) = settings.max_norm {
                bound.check_leaf(Path::ROOT.name(name), shape)?;
            }
            let (clock, terms) = before.map_or_else(Default::default, |c| (c.clock, c.terms));
            let terms = if settings.average.is_some() { terms } else { 0 };
            let own = plan.program.about().leaf_clocks;
            places.push(place_of(&mut cohorts, Cohort::new(course, clock, terms), own));
        }
        let courses = courses.into_iter().map(|(_, course)| course).collect();
        for (leaf, place) in self.leaves.iter_mut().zip(&mut places) {
            std::mem::swap(&mut leaf.cohort, place);
        }
        let before = Before {
            courses: std::mem::replace(&mut self.courses, courses),
            cohorts: std::mem::replace(&mut self.cohorts, cohorts),
            places,
            slots: Vec::new(),
            averages: Vec::new(),
            converted: Vec::new(),
        };
        self.find_direct();
        Ok(before)
    }

    fn find_direct(&mut self) {
        let Self { leaves, courses, cohorts, .. } = self;
        for leaf in leaves {
            leaf.find_direct(&courses[cohorts[leaf.cohort].course].settings);
        }
    }

    /// Goes back to how leaves were treated before.
    pub(super) fn go_back(&mut self, before: Before<F>) {
        before.slots.into_iter().for_each(|i| self.leaves[i].drop_slots());
        before.converted.into_iter().for_each(|(i, kept)| self.leaves[i].take_back(kept));
        before.averages.into_iter().for_each(|i| self.leaves[i].drop_average());
        self.courses = before.courses;
        self.cohorts = before.cohorts;
        self.leaves.iter_mut().zip(before.places).for_each(|(leaf, place)| leaf.cohort = place);
        if !self.courses.is_empty() {
            self.find_direct();
        }
    }

    /// Makes room for the state of each leaf that has none and needs one.
    pub(super) fn make_room(
        &mut self,
        params: &dyn Params<F>,
        before: &mut Before<F>,
    ) -> Result<(), Error> {
        let Self { roster, leaves, courses, cohorts, .. } = self;
        roster.meet_any(params, Tree::Parameters, |index, w| {
            let leaf = &mut leaves[index];
            let address = w.as_slice().map_or(0, |slice| slice.as_ptr().addr());
            let made = make(leaf, &courses[cohorts[leaf.cohort].course], address);
            before.slots.extend(made.slots.then_some(index));
            before.averages.extend(made.average.then_some(index));
            before.converted.extend(made.converted.map(|kept| (index, kept)));
        })
    }

    /// As [`make_room`](Self::make_room), wherever the parameters may be.
    pub(super) fn make_room_anywhere(&mut self) {
        let Self { leaves, courses, cohorts, .. } = self;
        for leaf in leaves {
            make(leaf, &courses[cohorts[leaf.cohort].course], 0);
            leaf.misplace();
        }
    }

    /// Drops averages that are no longer kept, and what is left of parameters that are rounded otherwise.
    pub(super) fn drop_averages(&mut self) {
        let Self { leaves, courses, cohorts, .. } = self;
        for leaf in leaves {
            let settings = &courses[cohorts[leaf.cohort].course].settings;
            if settings.average.is_none() {
                leaf.drop_average();
            }
            if settings.parameter_rounding != Rounding::Compensated && !settings.frozen {
                leaf.drop_remainders();
            }
        }
    }

    /// Lets the averages take the parameters as they are.
    pub(super) fn take_term(
        &mut self,
        average: Average,
        params: &mut dyn ParamsMut<F>,
    ) -> Result<(), Error> {
        let Self { roster, leaves, courses, cohorts, .. } = self;
        roster.meet_any(&*params, Tree::Parameters, |_, _| {})?;
        roster.meet_any_mut(params, Tree::Parameters, |index, w| {
            let leaf = &mut leaves[index];
            let cohort = &cohorts[leaf.cohort];
            let settings = &courses[cohort.course].settings;
            if cohort.terms > 0 || !settings.frozen {
                leaf.settle(&*w, settings);
                leaf.take_term(average, cohort.terms, w);
            }
        })?;
        self.count_terms();
        Ok(())
    }

    /// Counts a term of each leaf's average; a leaf that never was trained is its own average.
    pub(super) fn count_terms(&mut self) {
        let Self { courses, cohorts, .. } = self;
        for cohort in cohorts {
            if cohort.terms > 0 || !courses[cohort.course].settings.frozen {
                cohort.terms += 1;
            }
        }
    }

    /// Brings together cohorts of leaves that go on alike.
    pub(super) fn join_cohorts(&mut self, places: &[Cohort]) {
        self.cohorts.clear();
        let own = |cohort: &Cohort| self.courses[cohort.course].program().about().leaf_clocks;
        for (leaf, &cohort) in self.leaves.iter_mut().zip(places) {
            leaf.cohort = place_of(&mut self.cohorts, cohort, own(&cohort));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The places of the groups that the leaves of a course are of.
    pub(super) fn groups_of(&self, course: usize, groups: &[Group<F>]) -> Vec<usize> {
        let is_of = |leaf: &LeafState<F>| self.cohorts[leaf.cohort].course == course;
        let Some(place) = self.leaves.iter().position(is_of) else { return Vec::new() };
        let entry = &self.roster.entries()[place];
        let matches = |&i: &usize| groups[i].pattern.matches(&entry.name, self.shape_of(entry));
        (0..groups.len()).filter(matches).collect()
    }

    /// The shape of a leaf, of which a part may be all that is here.
    pub(super) fn shape_of<'l>(&'l self, entry: &'l Entry) -> &'l [usize] {
        let whole = self.wholes.as_ref().and_then(|wholes| wholes.get(&entry.name));
        whole.unwrap_or(&entry.shape)
    }

    /// Whether a leaf is of that pattern.
    pub(super) fn has_any(&self, pattern: &Pattern) -> bool {
        let matches = |entry: &Entry| pattern.matches(&entry.name, self.shape_of(entry));
        self.roster.entries().iter().any(matches)
    }

    /// The leaf of that name.
    pub(super) fn leaf(&self, name: &str) -> Option<&LeafState<F>> {
        self.leaves.get(self.roster.index_of(name)?)
    }

    /// The course of a leaf.
    pub(super) fn course_of(&self, leaf: &LeafState<F>) -> &Course<F> {
        &self.courses[self.cohorts[leaf.cohort].course]
    }

    /// How the leaves of a cohort are treated.
    #[inline]
    pub(super) fn settings<'s>(
        courses: &'s [Course<F>],
        cohorts: &[Cohort],
        cohort: usize,
    ) -> &'s Settings {
        &courses[cohorts[cohort].course].settings
    }
}

/// The place of a cohort like that one, which is added if there is none, or where the leaf has one of its
/// `own`.
fn place_of(cohorts: &mut Vec<Cohort>, cohort: Cohort, own: bool) -> usize {
    // Neighbours are alike as a rule.
    match cohorts.iter().rposition(|other| other.is_like(&cohort)) {
        Some(place) if !own => place,
        _ => {
            cohorts.push(cohort);
            cohorts.len() - 1
        }
    }
}

/// What was made for a leaf.
struct Made<F> {
    slots: bool,
    average: bool,
    /// The slots as they were in another number of bits.
    converted: Option<Kept<F>>,
}

/// Makes the slots and the average of a leaf that is trained.
fn make<F: Scalar>(leaf: &mut LeafState<F>, course: &Course<F>, address: usize) -> Made<F> {
    let plan = &course.plan;
    if plan.settings.frozen {
        return Made { slots: false, average: false, converted: None };
    }
    let coding = course.traits.coding;
    let count = plan.program.about().count;
    let slots = !leaf.has_slots(count);
    if slots {
        leaf.make_slots(plan.program.initial(), count, coding, address);
    }
    let converted = (!leaf.is_as(coding)).then(|| leaf.convert(coding));
    let average = plan.settings.average.is_some() && !leaf.has_average();
    if average {
        leaf.make_average(address);
    }
    Made { slots, average, converted }
}
