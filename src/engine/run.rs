//! One step, once its leaves are known.

use super::average::Average;
use super::compact::Rounding;
use super::couple::couple;
use super::ledger::{Cohort, Ledger};
use super::look::look;
use super::now::{Halt, Now};
use super::outer::Outer;
use super::pair::pair;
use super::plan::Course;
use super::rows;
use super::scale::{Norm, Scale};
use super::scratch::{Lists, Scratch};
use super::settings::{NonFinite, Settings};
use super::sixteen::Encoding;
use super::strided;
use super::{sweep, total};
use crate::error::Tree;
use crate::params::{Params, ParamsMut};
use crate::reduce::How;
use crate::scalar::Scalar;

/// Looks at the gradients as the settings want, then updates every leaf; returns ‖g‖₂ if it was
/// computed.
pub(super) fn run<F: Scalar>(
    ledger: &mut Ledger<F>,
    scratch: &mut Scratch<F>,
    settings: &Settings,
    now: Now,
    params: &mut dyn ParamsMut<F>,
    grads: &dyn Params<F>,
) -> Result<Option<f64>, Halt> {
    let how = settings.how();
    let mut lists = scratch.lend();
    let Ledger { roster, leaves, courses, cohorts, totals, .. } = ledger;
    let of = |cohort: usize| Ledger::settings(courses, cohorts, cohort);
    let of_tree = now.of_tree.is_some();
    let some = !of_tree && courses.iter().any(|course| course.settings.sparse);
    lists.ordered_above = rows::ordered_above(settings, courses, how);
    let paired = pair(roster, leaves, &of, params, grads, some, &mut lists);
    let whole = paired.and_then(|()| if of_tree { total::whole(grads) } else { Ok(()) });
    let looked = whole.map_err(Halt::from).and_then(|()| {
        let skip = settings.non_finite == NonFinite::Skip;
        let refused = now.refuses(settings);
        let looked = look(settings, courses, cohorts, &lists).filter(|_| !refused);
        looked.ok_or(Halt::NotFinite { skip })
    });
    let outcome = looked.and_then(|(norm, scale)| {
        if now.of_tree.is_some() {
            total::remember(cohorts, scratch);
        }
        if begin(courses, cohorts, now, scale, scratch) {
            couple(courses, cohorts, &mut lists, scratch, scale, how);
        }
        if now.of_tree.is_some() {
            let ledger = (&mut courses[..], &mut cohorts[..], totals);
            total::total(ledger, &mut lists, scratch, settings, now)?;
        }
        update(scratch, &mut lists, how);
        Ok(norm.map(Norm::value))
    });
    let is_partial = lists.is_partial;
    scratch.take_back(lists);
    if outcome.is_ok() {
        follow(ledger, now.average, is_partial, params);
    }
    outcome
}

/// Begins the step of each cohort: from here on nothing can fail. Returns whether the elements of a
/// leaf are coupled.
#[inline]
pub(super) fn begin<F: Scalar>(
    courses: &mut [Course<F>],
    cohorts: &mut [Cohort],
    now: Now,
    scale: Scale<F>,
    scratch: &mut Scratch<F>,
) -> bool {
    courses.iter_mut().for_each(Course::commit);
    scratch.kernel.clear();
    scratch.outer.clear();
    let mut couples = false;
    for cohort in cohorts {
        let course = &courses[cohort.course];
        let rate = course.learning_rate;
        couples |= course.traits.couples;
        // The clock of a frozen leaf stands still; its constants are not looked at.
        let mut still = if course.settings.frozen { Some(cohort.clock) } else { None };
        let clock = still.as_mut().unwrap_or(&mut cohort.clock);
        clock.advance(now.step);
        if let Some(of_tree) = now.of_tree {
            clock.tell(of_tree);
        }
        scratch.kernel.begin(course.program(), clock, rate);
        let average = now.average.map(|average| F::from_f64(average.rate(cohort.terms)));
        let is_plain = course.traits.is_plain;
        let encoding = Encoding::of(course.settings.parameter_rounding, now.step);
        let mut outer = Outer::new(&course.settings, is_plain, rate, scale, average, encoding);
        outer.rounding = Rounding::of(course.traits.coding, now.step);
        scratch.outer.push(outer);
    }
    couples
}

/// Runs the one loop over every leaf.
#[inline]
pub(super) fn update<F: Scalar>(scratch: &Scratch<F>, lists: &mut Lists<'_, F>, how: How) {
    let constants = scratch.constants();
    sweep::sweep(constants, how, &mut lists.flat);
    while let Some(mut leaf) = lists.strided.pop() {
        strided::sweep(constants, how, leaf.reborrow().with_factors(&scratch.factors));
    }
    if !lists.touched.is_empty() {
        rows::sweep(constants, how, lists);
    }
}

/// What follows the loop: bounds, the averages that wait for them, those of frozen leaves, the first terms
/// of those whose leaves were not updated as a whole, and the count of terms.
#[inline]
pub(super) fn follow<F: Scalar>(
    ledger: &mut Ledger<F>,
    average: Option<Average>,
    is_partial: bool,
    params: &mut dyn ParamsMut<F>,
) {
    let waits = |cohort: &Cohort| {
        let frozen = ledger.courses[cohort.course].settings.frozen;
        if frozen { cohort.terms > 0 } else { is_partial && cohort.terms == 0 }
    };
    let bounds = ledger.courses.iter().any(|course| course.traits.bounds);
    if bounds || (average.is_some() && ledger.cohorts.iter().any(waits)) {
        bound(ledger, average, is_partial, params);
    }
    if average.is_some() {
        ledger.count_terms();
    }
}

/// Brings the units of leaves that have a bound within it, and gives their average and that of frozen
/// leaves what came out.
#[cold]
fn bound<F: Scalar>(
    ledger: &mut Ledger<F>,
    average: Option<Average>,
    is_partial: bool,
    params: &mut dyn ParamsMut<F>,
) {
    let Ledger { roster, leaves, courses, cohorts, .. } = ledger;
    let met = roster.meet_any_mut(params, Tree::Parameters, |index, w| {
        let leaf = &mut leaves[index];
        let cohort = &cohorts[leaf.cohort];
        let settings = &courses[cohort.course].settings;
        match settings.max_norm.filter(|_| !settings.frozen) {
            Some(bound) if w.is_sixteen() => {
                // Another chance than that of the step.
                let step = !cohort.clock.step();
                leaf.bound(bound, Encoding::of(settings.parameter_rounding, step), w);
            }
            Some(bound) => bound.apply_leaf(w),
            None if settings.frozen && cohort.terms > 0 => leaf.settle(&*w, settings),
            // An average begins with the whole leaf; that of what was updated is there already.
            None if !settings.frozen && is_partial && cohort.terms == 0 => {
                leaf.settle(&*w, settings)
            }
            None => return,
        }
        if let Some(average) = average {
            leaf.take_term(average, cohort.terms, &*w);
        }
    });
    // The leaves were met before the step: only a tree that changes from visit to visit errs here, and
    // the step is taken.
    drop(met);
}
