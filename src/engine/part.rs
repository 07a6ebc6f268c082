//! A step over parts of leaves: what is found out about a leaf as a whole, ranks find out together.
//!
//! A part begins at a whole block, so that a sum over the leaf is the sum of the same blocks, added along
//! the same tree, as that of one process.

mod coupled;
mod split_rows;
mod sums;

use std::sync::Arc;

use super::compact::Precision;
use super::core::Engine;
use super::couple;
use super::leaf::LeafState;
use super::ledger::{Cohort, Ledger};
use super::now::{Halt, Now};
use super::pair::pair;
use super::plan::{Course, Plan};
use super::rows::{self, Assembled};
use super::run::{begin, follow, update};
use super::scale::{Norm, Scale};
use super::scratch::{Lists, Scratch};
use super::settings::{NonFinite, Settings};
use super::untouched::Untouched;
use super::{look, total};
use crate::error::{Error, ErrorKind};
use crate::optimizer::{Call, OtherRanks, Partwise, StepInfo, Wholes};
use crate::params::{Entry, Params, ParamsMut};
use crate::reduce::{self, How};
use crate::regularize::Units;
use crate::scalar::Scalar;
use crate::state::State;

impl<F: Scalar> Partwise<F> for Engine<F> {
    fn assert_splittable(&self) -> Result<(), Error> {
        let check = |settings: &Settings| {
            if settings.centralized.is_some() {
                let what = "centralization of gradients (`centralized`)";
                return Err(ErrorKind::NeedsWholeLeaves { what }.into());
            }
            let by_units = settings.clip_adaptive.is_some_and(|clip| clip.units != Units::Leaf);
            let what = match settings.max_norm {
                Some(_) => "a bound of norms (`max_norm`)",
                None if by_units => "clipping by units (`clip_adaptive`)",
                None => return Ok(()),
            };
            Err(ErrorKind::NeedsWholeLeaves { what }.into())
        };
        check(&self.plan.settings)?;
        // Groups go upon each other; each by itself says what it may bring in.
        let groups = self.groups.iter();
        groups.map(|group| self.plan.changed([group].into_iter())).try_for_each(|plan| match plan {
            Ok(plan) => check(&plan.settings),
            // The step says what is wrong with it.
            Err(_) => Ok(()),
        })
    }

    fn is_by_index(&self) -> bool {
        let is_blocked = |plan: &Plan<F>| plan.settings.state_precision == Precision::Int8;
        let groups = self.groups.iter().map(|group| self.plan.changed([group].into_iter()));
        is_blocked(&self.plan) || groups.flatten().any(|plan| is_blocked(&plan))
    }

    fn moves_rows_alone(&self, leaf: &str) -> bool {
        let Some(leaf) = self.ledger.leaf(leaf).filter(|_| self.checked) else { return false };
        let settings = &self.ledger.course_of(leaf).settings;
        // An average begins with the whole leaf.
        let averages = settings.average.is_some();
        settings.untouched == Untouched::Lazy
            && settings.max_norm.is_none()
            && (!averages || self.ledger.cohorts[leaf.cohort].terms > 0)
    }

    fn set_wholes(&mut self, wholes: Option<Arc<Wholes>>) {
        self.ledger.wholes.clone_from(&wholes);
        self.wholes = wholes;
    }

    fn load_parts(&mut self, state: &State) -> Result<(), Error> {
        let before = std::mem::take(&mut self.ledger);
        self.load(state).inspect_err(|_| self.ledger = before)
    }

    fn step_parts(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
        others: &mut dyn OtherRanks,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, grads, call, Some(others))
    }
}

/// A leaf that is not frozen and has elements, some of them on this rank or none.
struct Member {
    leaf: usize,
    cohort: usize,
    bounds: Vec<usize>,
    is_here: bool,
    /// Whether its units have norms of their own: it is then not swept as a slice.
    has_units: bool,
    /// Whether its gradient is of rows: how many elements a row has, and how many of these lie apart in memory.
    of_rows: Option<[usize; 2]>,
}

impl Member {
    /// Whether it is swept as a slice here.
    fn is_flat(&self) -> bool {
        self.is_here && !self.has_units && self.of_rows.is_none()
    }

    fn len_of(&self, rank: usize) -> usize {
        self.bounds[rank + 1] - self.bounds[rank]
    }

    fn len(&self) -> usize {
        self.bounds.last().copied().unwrap_or(0)
    }
}

fn members<F: Scalar>(
    ledger: &Ledger<F>,
    grads: &dyn Params<F>,
    others: &dyn OtherRanks,
) -> Vec<Member> {
    let Ledger { roster, leaves, courses, cohorts, .. } = ledger;
    let mut of_rows = vec![false; leaves.len()];
    // What is wrong with the gradients is said where they are paired.
    let _ = roster.meet_gradients(grads, |index, g| of_rows[index] = g.rows().is_some());
    let member = |(index, (entry, leaf)): (usize, (&Entry, &LeafState<F>))| {
        let settings = Ledger::settings(courses, cohorts, leaf.cohort);
        let (bounds, rank) = (others.bounds(&entry.name).to_vec(), others.rank());
        let whole = ledger.shape_of(entry);
        let units = settings.clip_adaptive.and_then(|clip| clip.units.axis(whole.len()));
        let width = whole.iter().skip(1).product();
        let of_rows = of_rows[index].then(|| [width, others.before_rows(&entry.name)]);
        let has_units = units.is_some() && of_rows.is_none();
        let is_here = bounds.get(rank) < bounds.get(rank + 1);
        let cohort = leaf.cohort;
        let member = Member { leaf: index, cohort, bounds, is_here, has_units, of_rows };
        (!settings.frozen && member.len() > 0).then_some(member)
    };
    roster.entries().iter().zip(leaves).enumerate().filter_map(member).collect()
}

/// As [`run`](super::run::run), with others.
#[cold]
pub(super) fn run<F: Scalar>(
    ledger: &mut Ledger<F>,
    scratch: &mut Scratch<F>,
    settings: &Settings,
    now: Now,
    params: &mut dyn ParamsMut<F>,
    grads: &dyn Params<F>,
    others: &mut dyn OtherRanks,
) -> Result<Option<f64>, Halt> {
    let how = settings.how();
    let members = members(ledger, grads, others);
    let mut lists = scratch.lend();
    let Ledger { roster, leaves, courses, cohorts, totals, .. } = ledger;
    let of = |cohort: usize| Ledger::settings(courses, cohorts, cohort);
    lists.ordered_above = rows::ordered_above(settings, courses, how);
    let paired = pair(roster, leaves, &of, params, grads, false, &mut lists);
    let paired =
        paired.and_then(|()| if now.of_tree.is_some() { total::whole(grads) } else { Ok(()) });
    let step = || {
        others.agree(paired)?;
        let mut whole = Whole { members: &members, others: &mut *others, how };
        let mut touched = whole.assemble(settings, courses, cohorts, &lists)?;
        let (norm, scale) = whole.look(settings, courses, cohorts, &mut lists, &touched)?;
        if now.refuses(settings) {
            return Err(Halt::NotFinite { skip: settings.non_finite == NonFinite::Skip });
        }
        if now.of_tree.is_some() {
            total::remember(cohorts, scratch);
        }
        let is_split = whole.others.is_split();
        if begin(courses, cohorts, now, scale, scratch) {
            if is_split {
                whole.couple(courses, cohorts, &mut lists, scratch, scale)?;
                whole.couple_rows(courses, cohorts, &mut lists, scratch, scale, &mut touched);
            } else {
                couple::couple(courses, cohorts, &mut lists, scratch, scale, how);
                whole.tell_clocks(courses, cohorts)?;
            }
        }
        if now.of_tree.is_some() {
            let sums = whole.totals(&mut lists, scratch)?;
            total::take(courses, cohorts, totals, sums, scratch, settings, now)?;
            total::complete(courses, cohorts, totals, &lists, scratch);
            if is_split {
                whole.find_caution(courses, cohorts, &mut lists, scratch, true)?;
            } else {
                couple::find_caution(courses, cohorts, &mut lists, scratch, how);
            }
        }
        update(scratch, &mut lists, how);
        Ok(norm.map(Norm::value))
    };
    let outcome = step();
    let is_partial = lists.is_partial;
    scratch.take_back(lists);
    if outcome.is_ok() {
        follow(ledger, now.average, is_partial, params);
    }
    outcome
}

/// The leaves that are stepped, and who knows of their other parts.
struct Whole<'m> {
    members: &'m [Member],
    others: &'m mut dyn OtherRanks,
    how: How,
}

impl Whole<'_> {
    /// The norm of the gradients, where it is wanted, and by what it scales them.
    fn look<F: Scalar>(
        &mut self,
        settings: &Settings,
        courses: &[Course<F>],
        cohorts: &[Cohort],
        lists: &mut Lists<'_, F>,
        touched: &[Option<Assembled<F>>],
    ) -> Result<(Option<Norm>, Scale<F>), Halt> {
        let skip = settings.non_finite == NonFinite::Skip;
        let norm = if settings.wants_norm() { Some(self.norm(lists, touched)?) } else { None };
        let scale = Scale::of(settings.clip_norm, norm);
        if settings.non_finite == NonFinite::Propagate {
            return Ok((norm, scale));
        }
        let largest = match norm {
            Some(norm) if !norm.is_finite() => return Err(Halt::NotFinite { skip }),
            Some(norm) => norm.value(),
            None => {
                let own = look::largest(lists, self.how);
                let is_finite = reduce::is_finite_size::<F>(own);
                let own = if is_finite { F::of_size(own).into_f64() } else { f64::INFINITY };
                // Of numbers that are not negative, the bits are in their order.
                f64::from_bits(self.others.largest(own.to_bits())?)
            }
        };
        if largest.is_infinite() {
            return Err(Halt::NotFinite { skip });
        }
        let limits = courses.iter().map(|course| course.traits.largest_gradient);
        let limit = limits.fold(f64::INFINITY, f64::min);
        if largest * scale.value() > limit {
            let exceeds = look::exceeds(courses, cohorts, lists, scale, self.how);
            if self.others.largest(u64::from(exceeds))? > 0 {
                return Err(Halt::NotFinite { skip });
            }
        }
        Ok((norm, scale))
    }
}
