//! One step, once its leaves are known.

use super::around::{Around, Constants};
use super::couple::couple;
use super::inspect::{self, Norm, Scale};
use super::kernel::{Kernel, Loops, averaged};
use super::ledger::{LeafState, Ledger, Pair, pair};
use super::plan::{Course, Plan};
use super::scratch::{Lists, Scratch};
use super::strided::{self, Source, Strided, Target, Units};
use super::sweep::{self, Flat, Stretch};
use super::{Counters, NonFinite, Settings};
use crate::error::{Error, Tree};
use crate::params::{Fit, Leaf, LeafMut, Order, Params, ParamsMut, Roster};
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
    let outcome = pair(&ledger.roster, params, grads, &mut lists.pairs).map_err(Halt::from);
    let Ledger { leaves, courses, .. } = ledger;
    let outcome = outcome
        .map(|()| enlist(leaves, &|course| &courses[course].settings, &mut lists))
        .and_then(|()| inspect(settings, &lists))
        .map(|norm| {
            let scale = Scale::of(settings.clip_norm, norm);
            let Scratch { constants, factors, .. } = scratch;
            begin(courses, settings, counters, scale, constants);
            if R::NORMS || courses.iter().any(|course| course.settings.couples()) {
                couple(courses, &mut lists, constants, factors, scale, how);
            }
            update(&Loops(constants), &mut lists, factors, how);
            norm.map(Norm::value)
        });
    scratch.take_back(lists);
    if outcome.is_ok() && courses.iter().any(|course| course.settings.max_norm.is_some()) {
        let average = scratch.constants.first().and_then(|constants| constants.average);
        bound(&ledger.roster, leaves, &|course| &courses[course].settings, average, params)?;
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

/// Makes a job of each pair that is not frozen, bringing the slots into the parameter's order where
/// that has changed.
#[inline]
fn enlist<'a, 's, F: Scalar, S: Slots<F>>(
    leaves: &'a mut [LeafState<F, S>],
    settings: &dyn Fn(usize) -> &'s Settings,
    lists: &mut Lists<'a, F, S>,
) {
    // From the last to the first: popping leaves the list's memory where it is.
    for leaf in leaves.iter_mut().rev() {
        let Some(Pair { w, g: Some(g), .. }) = lists.pairs.pop() else { continue };
        let settings = settings(leaf.course);
        if leaf.is_empty() || settings.frozen {
            continue;
        }
        // The average of a bounded leaf waits for the bound.
        let bounded = settings.max_norm.is_some();
        let units = settings.clip_adaptive.and_then(|clip| clip.units.axis(leaf.shape.len()));
        let w_fit = leaf.order.fit(w.shape(), w.strides());
        let g_fit = leaf.order.fit(g.shape(), g.strides());
        if (w_fit, g_fit, units) == (Fit::Packed, Fit::Packed, None) {
            let w = w.as_slice_mut().unwrap_or_default();
            let g = g.as_slice().unwrap_or_default();
            lists.flat.push(flat(leaf, w, g, bounded));
        } else {
            enlist_strided(leaf, w, g, w_fit, (units, bounded), lists);
        }
    }
}

fn flat<'a, F: Scalar, S: Slots<F>>(
    leaf: &'a mut LeafState<F, S>,
    w: &'a mut [F],
    g: &'a [F],
    bounded: bool,
) -> Flat<'a, F, S> {
    let slots = S::slices(&mut leaf.slots);
    let average = if bounded { &mut [] } else { leaf.average.as_mut_slice() };
    let stretch = Stretch { w, g, slots, average };
    Flat { course: leaf.course, constants: leaf.course, stretch }
}

#[cold]
fn enlist_strided<'a, F: Scalar, S: Slots<F>>(
    leaf: &'a mut LeafState<F, S>,
    w: &'a mut dyn LeafMut<F>,
    g: &'a dyn Leaf<F>,
    w_fit: Fit,
    (units, bounded): (Option<usize>, bool),
    lists: &mut Lists<'a, F, S>,
) {
    if w_fit == Fit::Differs {
        leaf.reorder(Order::of(w.shape(), w.strides()));
    }
    let packed = |fit| fit == Fit::Packed && units.is_none();
    let w_packed = packed(leaf.order.fit(w.shape(), w.strides()));
    let g_packed = packed(leaf.order.fit(g.shape(), g.strides()));
    if w_packed && g_packed {
        let w = w.as_slice_mut().unwrap_or_default();
        lists.flat.push(flat(leaf, w, g.as_slice().unwrap_or_default(), bounded));
        return;
    }
    let w = if w_packed {
        Target::Slice(w.as_slice_mut().unwrap_or_default())
    } else {
        Target::View(leaf.order.arrange_mut(w.view_mut()))
    };
    let g = if g_packed {
        Source::Slice(g.as_slice().unwrap_or_default())
    } else {
        Source::View(leaf.order.arrange(g.view()))
    };
    let slots = S::slices(&mut leaf.slots);
    let average = if bounded { &mut [] } else { leaf.average.as_mut_slice() };
    lists.strided.push(Strided {
        course: leaf.course,
        constants: leaf.course,
        w,
        g,
        slots,
        average,
        factors: Source::Slice(&[]),
        units: units.and_then(|axis| leaf.order.place_of(axis)).map(Units::along),
    });
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
        let plain = scale.is_one() && course.settings.is_plain();
        let around = (!plain).then(|| Around::new(&course.settings, rate, scale));
        constants.push(Constants { step: constant, around, caution: None, average });
    }
}
