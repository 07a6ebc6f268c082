//! One step, once its leaves are known.

use super::around::{Around, Constants};
use super::couple::couple;
use super::enlist::enlist;
use super::inspect::{self, Norm, Scale};
use super::kernel::{Kernel, Loops, averaged};
use super::ledger::{LeafState, Ledger};
use super::plan::{Course, Plan};
use super::scratch::{Lists, Scratch};
use super::strided;
use super::sweep;
use super::{Counters, NonFinite, Settings};
use crate::error::{Error, Tree};
use crate::params::{Params, ParamsMut, Roster};
use crate::reduce::How;
use crate::rule::{Rule, Slots};
use crate::scalar::Scalar;

/// Why a step stops before it writes.
pub(super) enum Halt {
    Failed(Error),
    NotFinite { skip: bool },
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Failed(error)
    }
}

/// Readies each course for that step: its learning rate and its hyperparameters. Returns the
/// learning rate of the plan itself, to report.
#[inline]
pub(super) fn prepare<F: Scalar, R: Rule<F>>(
    ledger: &mut Ledger<F, R>,
    plan: &Plan<R>,
    step: u64,
) -> Result<f64, Error> {
    let mut base = None;
    for course in &mut ledger.courses {
        let learning_rate = course.prepare::<F>(step)?;
        if course.is_base {
            base = Some(learning_rate);
        }
    }
    base.map_or_else(|| plan.learning_rate::<F>(step), Ok)
}

/// Looks at the gradients as the settings want, then updates every leaf; returns ‖g‖₂ if it was
/// computed.
pub(super) fn run<F: Scalar, R: Rule<F>>(
    ledger: &mut Ledger<F, R>,
    scratch: &mut Scratch<F, R>,
    settings: &Settings,
    counters: Counters,
    params: &mut dyn ParamsMut<F>,
    grads: &dyn Params<F>,
) -> Result<Option<f64>, Halt> {
    let how = settings.how();
    let mut lists = scratch.lend();
    let Ledger { roster, leaves, courses } = ledger;
    let outcome =
        enlist(roster, leaves, &|course| &courses[course].settings, params, grads, &mut lists)
            .map_err(Halt::from)
            .and_then(|()| inspect(settings, &lists))
            .map(|norm| {
                let scale = Scale::of(settings.clip_norm, norm);
                let Scratch { constants, factors, .. } = scratch;
                begin(courses, settings, counters, scale, constants);
                if R::NORMS || courses.iter().any(|course| course.traits.couples) {
                    couple(courses, &mut lists, constants, factors, scale, how);
                }
                update(&Loops(constants), &mut lists, factors, how);
                norm.map(Norm::value)
            });
    scratch.take_back(lists);
    if outcome.is_ok() && courses.iter().any(|course| course.traits.bounds) {
        let average = scratch.constants.first().and_then(|constants| constants.average);
        bound(roster, leaves, &|course| &courses[course].settings, average, params)?;
    }
    outcome
}

/// Runs the one loop over every leaf.
#[inline]
fn update<F: Scalar, S: Slots<F>>(
    kernel: &dyn Kernel<F, S>,
    lists: &mut Lists<'_, F, S>,
    factors: &[F],
    how: How,
) {
    sweep::sweep(kernel, how, &mut lists.flat);
    while let Some(mut leaf) = lists.strided.pop() {
        strided::sweep(kernel, how, leaf.reborrow().with_factors(factors));
    }
}

/// Brings the units of leaves that have a bound within it, and gives their average what came out.
#[cold]
fn bound<'s, F: Scalar, S: Slots<F>>(
    roster: &Roster,
    leaves: &mut [LeafState<F, S>],
    settings: &dyn Fn(usize) -> &'s Settings,
    average: Option<F>,
    params: &mut dyn ParamsMut<F>,
) -> Result<(), Error> {
    roster.meet_mut(params, Tree::Parameters, |index, w| {
        let leaf = &mut leaves[index];
        let settings = settings(leaf.course);
        let Some(bound) = settings.max_norm.filter(|_| !settings.frozen) else { return };
        bound.apply_leaf(w);
        if let Some(rate) = average {
            let w = leaf.order.arrange(w.view());
            let terms = leaf.average.as_mut_slice().iter_mut().zip(&w);
            terms.for_each(|(average, &w)| *average = averaged(*average, w, rate));
        }
    })
}

/// ‖g‖₂ where it is wanted, if every gradient is as it must be.
#[inline]
fn inspect<F: Scalar, S: Slots<F>>(
    settings: &Settings,
    lists: &Lists<'_, F, S>,
) -> Result<Option<Norm>, Halt> {
    let how = settings.how();
    let norm = settings.wants_norm().then(|| inspect::norm(lists, how));
    let finite = match (settings.non_finite, norm) {
        (NonFinite::Propagate, _) => true,
        (_, Some(norm)) => norm.is_finite(),
        (_, None) => inspect::all_finite(lists, how),
    };
    if finite {
        Ok(norm)
    } else {
        Err(Halt::NotFinite { skip: settings.non_finite == NonFinite::Skip })
    }
}

/// Begins the step of each course: from here on nothing can fail.
#[inline]
fn begin<F: Scalar, R: Rule<F>>(
    courses: &mut [Course<R>],
    settings: &Settings,
    counters: Counters,
    scale: Scale<F>,
    constants: &mut Vec<Constants<F, R>>,
) {
    let step = counters.steps + 1;
    let average = settings.average.filter(|average| average.takes(step));
    let average = average.map(|average| F::from_f64(average.rate(counters.averaged)));
    constants.clear();
    for course in courses {
        course.commit();
        let rate = course.learning_rate;
        let mut constant = course.rule().begin(step, rate);
        let mut carried = course.carried;
        course.rule().carry(&mut constant, &mut carried);
        course.carried = carried;
        let plain = scale.is_one() && course.traits.is_plain;
        let around = (!plain).then(|| Around::new(&course.settings, rate, scale));
        constants.push(Constants { step: constant, around, caution: None, average });
    }
}
