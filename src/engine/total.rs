//! What is true of the whole tree: sums over all leaves, and the loss, as constants of the step.

use super::around::Quantities;
use super::couple;
use super::ledger::{Cohort, Ledger};
use super::now::{Halt, Now};
use super::plan::Course;
use super::scratch::{Lists, Scratch};
use super::settings::{NonFinite, Settings};
use super::{strided, sweep};
use crate::error::{Error, ErrorKind};
use crate::params::{Params, Path};
use crate::reduce::{How, Sum};
use crate::rule::{SUMS, Totals};
use crate::scalar::Scalar;

/// That all gradients are whole arrays: of some rows, sums over the tree are those of another tree.
pub(super) fn whole<F: Scalar>(grads: &dyn Params<F>) -> Result<(), Error> {
    let mut found = None;
    grads.visit(Path::ROOT, &mut |path, leaf| {
        if found.is_none() && leaf.rows().is_some() {
            found = Some(ErrorKind::WholeArrays { leaf: path.to_string() });
        }
    });
    found.map_or(Ok(()), |kind| Err(kind.into()))
}

/// Keeps the clocks as they are: a sum that is not finite takes the step back.
pub(super) fn remember<F: Scalar>(cohorts: &[Cohort], scratch: &mut Scratch<F>) {
    scratch.clocks.clear();
    scratch.clocks.extend(cohorts.iter().map(|cohort| cohort.clock));
}

/// Completes the constants of each leaf by the sums over all.
#[cold]
pub(super) fn total<F: Scalar>(
    ledger: (&mut [Course<F>], &mut [Cohort], &mut Totals),
    lists: &mut Lists<'_, F>,
    scratch: &mut Scratch<F>,
    settings: &Settings,
    now: Now,
) -> Result<(), Halt> {
    let (courses, cohorts, totals) = ledger;
    let how = settings.how();
    let sums = sums(lists, scratch, how).map(Sum::value);
    take(courses, cohorts, totals, sums, scratch, settings, now)?;
    complete(courses, cohorts, totals, lists, scratch);
    couple::find_caution(courses, cohorts, lists, scratch, how);
    Ok(())
}

/// The sums that the rule wants, over all leaves.
fn sums<F: Scalar>(lists: &mut Lists<'_, F>, scratch: &Scratch<F>, how: How) -> [Sum; SUMS] {
    let constants = scratch.constants();
    let flat = sweep::measure_all(constants, Quantities::OfTree, how, &mut lists.flat);
    lists.strided.iter_mut().fold(flat, |sums, leaf| {
        let place = leaf.constants;
        let leaf = leaf.reborrow().with_factors(&scratch.factors);
        let own = strided::measure(constants, place, Quantities::OfTree, how, leaf);
        sweep::added(sums, own)
    })
}

/// Takes sums into what is carried; where one is not finite, nothing of the step has happened.
pub(super) fn take<F: Scalar>(
    courses: &mut [Course<F>],
    cohorts: &mut [Cohort],
    totals: &mut Totals,
    sums: [f64; SUMS],
    scratch: &Scratch<F>,
    settings: &Settings,
    now: Now,
) -> Result<(), Halt> {
    let Some(base) = courses.iter().position(|course| course.is_base).or(Some(0)) else {
        return Ok(());
    };
    let Some(course) = courses.get(base) else { return Ok(()) };
    let about = course.program().about();
    let lost = about.sums.iter().zip(sums).find(|(_, sum)| !sum.is_finite());
    if let Some((&sum, value)) = lost.filter(|_| settings.non_finite != NonFinite::Propagate) {
        let error = ErrorKind::NonFiniteSum { owner: about.name, sum, value };
        cohorts.iter_mut().zip(&scratch.clocks).for_each(|(cohort, &clock)| cohort.clock = clock);
        courses.iter_mut().for_each(Course::commit);
        return Err(match settings.non_finite {
            NonFinite::Skip => Halt::NotFinite { skip: true },
            _ => Halt::Failed(error.into()),
        });
    }
    let loss = now.loss.map(|loss| if course.settings.maximize { -loss } else { loss });
    // What is carried stays a number, whatever is let through.
    let sums = sums.map(|sum| if sum.is_finite() { sum } else { 0.0 });
    totals.begin(now.step, sums, loss, course.learning_rate);
    if loss.is_none_or(f64::is_finite) {
        course.program().total(totals);
    }
    Ok(())
}

/// Completes the constants of each cohort, and of each leaf that has its own.
pub(super) fn complete<F: Scalar>(
    courses: &[Course<F>],
    cohorts: &[Cohort],
    totals: &Totals,
    lists: &Lists<'_, F>,
    scratch: &mut Scratch<F>,
) {
    let kernel = &mut *scratch.kernel;
    for (place, cohort) in cohorts.iter().enumerate() {
        kernel.of_tree(place, courses[cohort.course].program(), totals);
    }
    let flat = lists.flat.iter().map(|leaf| (leaf.cohort, leaf.constants));
    let strided = lists.strided.iter().map(|leaf| (leaf.cohort, leaf.constants));
    for (cohort, place) in flat.chain(strided).filter(|(cohort, place)| cohort != place) {
        kernel.of_tree(place, courses[cohorts[cohort].course].program(), totals);
    }
}

impl<F: Scalar> Ledger<F> {
    /// What the constants of a step know of the tree, before its sums.
    pub(super) fn of_tree(&self) -> [f64; SUMS] {
        self.totals.kept()
    }
}

/// The error of a loss that is not finite.
pub(super) fn refused_loss(loss: Option<f64>) -> Option<Error> {
    let value = loss.filter(|loss| !loss.is_finite())?;
    Some(ErrorKind::NonFiniteLoss { value }.into())
}
