//! A step over parts of leaves: what is found out about a leaf as a whole, ranks find out together.
//!
//! A part begins at a whole block, so that a sum over the leaf is the sum of the same blocks, added along
//! the same tree, as that of one process.

mod split_rows;

use std::sync::Arc;

use super::around::{Loop, Quantities, Sums};
use super::compact::Precision;
use super::core::Engine;
use super::couple::{self, LEAST_SHARE};
use super::leaf::LeafState;
use super::ledger::{Cohort, Ledger};
use super::pair::pair;
use super::plan::{Course, Plan};
use super::program::Stretch;
use super::rows::{self, Assembled};
use super::run::{Halt, Now, begin, follow, update};
use super::scale::{Norm, Scale};
use super::scratch::{Lists, Scratch};
use super::settings::{NonFinite, Settings};
use super::sweep::Flat;
use super::untouched::Untouched;
use super::{look, strided, sweep, total};
use crate::error::{Error, ErrorKind};
use crate::optimizer::{Call, OtherRanks, Partwise, StepInfo, Wholes};
use crate::params::{Entry, Params, ParamsMut};
use crate::reduce::{self, BLOCK, How, ScaledSquare, Square, Sum, Term};
use crate::regularize::Units;
use crate::rule::SUMS;
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

/// What is summed over a block of the leaf at that place, squares times the square of a power of two.
type OfBlock<'o, F, const N: usize> = &'o mut dyn FnMut(usize, f64, Stretch<'_, F>) -> [f64; N];

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

    /// ‖g‖₂ over all leaves.
    fn norm<F: Scalar>(
        &mut self,
        lists: &mut Lists<'_, F>,
        touched: &[Option<Assembled<F>>],
    ) -> Result<Norm, Error> {
        let plain = self.sum_of_all(lists, touched, Square)?;
        let mut failed = None;
        let norm = Norm::from_sums(plain, |term| {
            self.sum_of_all(lists, touched, term).unwrap_or_else(|error| {
                failed = Some(error);
                f64::NAN
            })
        });
        failed.map_or(Ok(norm), Err)
    }

    fn sum_of_all<F: Scalar, T: Term>(
        &mut self,
        lists: &mut Lists<'_, F>,
        touched: &[Option<Assembled<F>>],
        term: T,
    ) -> Result<f64, Error> {
        let sums = if self.others.is_split() {
            let which = self.all_of_arrays();
            let how = self.how;
            let sums = self.sums(&which, &mut lists.flat, 1.0, &mut |_, _, block| {
                [reduce::sum_block(block.g, term, how)]
            })?;
            let of_rows = |touched: &Option<Assembled<F>>| match touched {
                Some(touched) => reduce::sum_slice(&touched.g, term, how),
                None => Sum::default(),
            };
            let sums = sums.into_iter().zip(self.members).zip(touched);
            let sum = |(([sum], member), touched): (([Sum; 1], &Member), _)| match member.of_rows {
                Some(_) => of_rows(touched),
                None => sum,
            };
            sums.map(sum).collect()
        } else {
            self.sums_of_owners(lists, term)?
        };
        let with = |units: bool, rows: bool| {
            let are = move |member: &Member| {
                member.has_units == units && member.of_rows.is_some() == rows
            };
            let those = self.members.iter().zip(&sums);
            those.filter(move |(member, _)| are(member)).map(|(_, &sum)| sum)
        };
        let flat: Vec<Sum> = with(false, false).collect();
        let arrays = with(true, false).fold(sweep::add_up(&flat), Sum::add);
        Ok(arrays.add(with(false, true).fold(Sum::default(), Sum::add)).value())
    }

    /// The sum over each leaf, which is all one rank's.
    fn sums_of_owners<F: Scalar, T: Term>(
        &mut self,
        lists: &Lists<'_, F>,
        term: T,
    ) -> Result<Vec<Sum>, Error> {
        let (mut flat, mut strided) = (lists.flat.iter(), lists.strided.iter());
        let mut own = Vec::new();
        for member in self.members.iter().filter(|member| member.is_here) {
            let sum = if member.of_rows.is_some() {
                let g = rows::gradients_of(lists, member.leaf);
                g.map(|g| reduce::sum_slice(g, term, self.how))
            } else if member.has_units {
                strided.next().map(|leaf| leaf.sum(term, self.how))
            } else {
                flat.next().map(|leaf| reduce::sum_slice(leaf.stretch.g, term, self.how))
            };
            own.extend(sum.unwrap_or_default().parts());
        }
        let members = self.members;
        let all = self.gather(&own, &|i, rank| 2 * usize::from(members[i].len_of(rank) > 0))?;
        let sum = |numbers: Vec<f64>| match numbers[..] {
            [high, low] => Sum::of_parts([high, low]),
            _ => Sum::default(),
        };
        Ok(all.into_iter().map(sum).collect())
    }

    /// The numbers of each leaf, those of its first part first; `count` says how many a rank has of one.
    fn gather(
        &mut self,
        own: &[f64],
        count: &dyn Fn(usize, usize) -> usize,
    ) -> Result<Vec<Vec<f64>>, Error> {
        let ranks = self.members.first().map_or(0, |member| member.bounds.len() - 1);
        let of = |rank| (0..self.members.len()).map(|i| count(i, rank)).sum();
        let counts: Vec<usize> = (0..ranks).map(of).collect();
        let all = self.others.gather(own, &counts)?;
        let mut rest = &all[..];
        let mut parts: Vec<&[f64]> = Vec::with_capacity(ranks);
        for &count in &counts {
            let (part, after) = rest.split_at(count);
            parts.push(part);
            rest = after;
        }
        let numbers = |i: usize| {
            let mut numbers = Vec::new();
            for (rank, part) in parts.iter_mut().enumerate() {
                let (own, after) = part.split_at(count(i, rank));
                numbers.extend(own);
                *part = after;
            }
            numbers
        };
        Ok((0..self.members.len()).map(numbers).collect())
    }

    /// Sums over each of those leaves, which are split, of what `of` sums over a block.
    fn sums<F: Scalar, const N: usize>(
        &mut self,
        which: &[bool],
        flat: &mut [Flat<'_, F>],
        power: f64,
        of: OfBlock<'_, F, N>,
    ) -> Result<Vec<[Sum; N]>, Error> {
        let members = self.members;
        let here = (0..members.len()).filter(|&i| members[i].is_flat());
        let mut own = Vec::new();
        for (i, leaf) in here.zip(flat).filter(|(i, _)| which[*i]) {
            let mut rest = leaf.stretch.reborrow();
            while !rest.w.is_empty() {
                let n = BLOCK.min(rest.w.len());
                let (block, after) = rest.split_at(n);
                own.extend(of(i, power, block));
                rest = after;
            }
        }
        let all = self.gather(&own, &|i, rank| {
            if which[i] { N * members[i].len_of(rank).div_ceil(BLOCK) } else { 0 }
        })?;
        let sums = |numbers: Vec<f64>| {
            std::array::from_fn(|i| {
                let blocks: Vec<f64> = numbers.iter().skip(i).step_by(N).copied().collect();
                reduce::sum_blocks(&blocks)
            })
        };
        Ok(all.into_iter().map(sums).collect())
    }

    /// The norms over each of those leaves whose squares `of` sums, also where these overflow or vanish.
    fn norms<F: Scalar, const N: usize>(
        &mut self,
        which: &[bool],
        flat: &mut [Flat<'_, F>],
        of: OfBlock<'_, F, N>,
    ) -> Result<Vec<[Norm; N]>, Error> {
        let plain = self.sums(which, flat, 1.0, of)?;
        let mut powers = Vec::new();
        let those = || plain.iter().zip(which).filter(|(_, which)| **which);
        for sum in those().flat_map(|(sums, _)| sums) {
            let _ = Norm::from_sums(sum.value(), |ScaledSquare(power)| {
                if !powers.contains(&power) {
                    powers.push(power);
                }
                0.0
            });
        }
        // The same on all ranks, of which some have none of the leaves.
        powers.sort_unstable_by(f64::total_cmp);
        let mut scaled = Vec::new();
        for power in powers {
            scaled.push((power, self.sums(which, flat, power, of)?));
        }
        let norms = |i: usize| {
            std::array::from_fn(|j| {
                Norm::from_sums(plain[i][j].value(), |ScaledSquare(power)| {
                    let sums = scaled.iter().find(|(other, _)| *other == power);
                    sums.map_or(0.0, |(_, sums)| sums[i][j].value())
                })
            })
        };
        Ok((0..plain.len()).map(norms).collect())
    }

    /// The sums that the rule wants over the whole tree.
    fn totals<F: Scalar>(
        &mut self,
        lists: &mut Lists<'_, F>,
        scratch: &Scratch<F>,
    ) -> Result<[f64; SUMS], Error> {
        let (constants, how) = (scratch.constants(), self.how);
        let each: Vec<Sums> = if self.others.is_split() {
            let places: Vec<usize> = lists.flat.iter().map(|leaf| leaf.constants).collect();
            let mut here = Vec::with_capacity(self.members.len());
            let mut next = places.into_iter();
            here.extend(self.members.iter().map(|member| {
                if member.is_here { next.next().unwrap_or(member.cohort) } else { member.cohort }
            }));
            let which = vec![true; self.members.len()];
            self.sums(&which, &mut lists.flat, 1.0, &mut |i, _, block| {
                constants.measure(here[i], Quantities::OfTree, how.simd, block)
            })?
        } else {
            let (mut flat, mut strided) = (lists.flat.iter_mut(), lists.strided.iter_mut());
            let mut own = Vec::new();
            for member in self.members.iter().filter(|member| member.is_here) {
                let sums = if member.has_units {
                    strided.next().map(|leaf| {
                        let place = leaf.constants;
                        let leaf = leaf.reborrow().with_factors(&scratch.factors);
                        strided::measure(constants, place, Quantities::OfTree, how, leaf)
                    })
                } else {
                    flat.next().map(|leaf| {
                        let stretch = leaf.stretch.reborrow();
                        sweep::measure(constants, leaf.constants, Quantities::OfTree, how, stretch)
                    })
                };
                own.extend(sums.unwrap_or_default().into_iter().flat_map(Sum::parts));
            }
            let (members, width) = (self.members, 2 * SUMS);
            let all =
                self.gather(&own, &|i, rank| width * usize::from(members[i].len_of(rank) > 0))?;
            let sums = |numbers: Vec<f64>| {
                std::array::from_fn(|i| match numbers.get(2 * i..2 * i + 2) {
                    Some(&[high, low]) => Sum::of_parts([high, low]),
                    _ => Sum::default(),
                })
            };
            all.into_iter().map(sums).collect()
        };
        Ok(std::array::from_fn(|i| {
            let with = |units: bool| {
                let those = self.members.iter().zip(&each);
                those.filter(move |(member, _)| member.has_units == units).map(|(_, sums)| sums[i])
            };
            let flat: Vec<Sum> = with(false).collect();
            with(true).fold(sweep::add_up(&flat), Sum::add).value()
        }))
    }

    /// Tells all ranks what clocks of single leaves carry, each of which one rank has measured.
    fn tell_clocks<F: Scalar>(
        &mut self,
        courses: &[Course<F>],
        cohorts: &mut [Cohort],
    ) -> Result<(), Error> {
        let members = self.members;
        let owns =
            |i: usize| courses[cohorts[members[i].cohort].course].program().about().leaf_clocks;
        let owns: Vec<bool> = (0..members.len()).map(owns).collect();
        if !owns.contains(&true) {
            return Ok(());
        }
        let here = members.iter().zip(&owns).filter(|(member, owns)| member.is_here && **owns);
        let own: Vec<f64> =
            here.flat_map(|(member, _)| *cohorts[member.cohort].clock.carried()).collect();
        let all =
            self.gather(&own, &|i, rank| 2 * usize::from(owns[i] && members[i].len_of(rank) > 0))?;
        for (member, numbers) in members.iter().zip(all) {
            if let [first, second] = numbers[..] {
                *cohorts[member.cohort].clock.carried() = [first, second];
            }
        }
        Ok(())
    }

    /// Finds the factor of cautious updates of each leaf, whose constants are complete.
    fn find_caution<F: Scalar>(
        &mut self,
        courses: &[Course<F>],
        cohorts: &[Cohort],
        lists: &mut Lists<'_, F>,
        scratch: &mut Scratch<F>,
        of_totals: bool,
    ) -> Result<(), Error> {
        let (members, how) = (self.members, self.how);
        let is_cautious = |member: &Member| {
            if member.of_rows.is_some() {
                return false;
            }
            let course = &courses[cohorts[member.cohort].course];
            let about = course.program().about();
            course.settings.cautious && about.has_totals() == of_totals
        };
        let cautious: Vec<bool> = members.iter().map(is_cautious).collect();
        if !cautious.contains(&true) {
            return Ok(());
        }
        let Scratch { kernel, outer, .. } = scratch;
        let constants = Loop { kernel: &**kernel, outer };
        let here = (0..members.len()).filter(|&i| members[i].is_flat());
        let mut places = vec![0; members.len()];
        here.zip(&lists.flat).for_each(|(i, leaf)| places[i] = leaf.constants);
        let counts = self.sums(&cautious, &mut lists.flat, 1.0, &mut |i, _, block| {
            constants.measure(places[i], Quantities::Agreeing, how.simd, block)
        })?;
        for i in (0..members.len()).filter(|&i| cautious[i] && members[i].is_here) {
            let share = counts[i][0].value() / members[i].len() as f64;
            outer[places[i]].caution = Some(F::from_f64(share.max(LEAST_SHARE).recip()));
        }
        Ok(())
    }

    /// As [`couple`](couple::couple), of leaves that are split.
    fn couple<F: Scalar>(
        &mut self,
        courses: &[Course<F>],
        cohorts: &mut [Cohort],
        lists: &mut Lists<'_, F>,
        scratch: &mut Scratch<F>,
        scale: Scale<F>,
    ) -> Result<(), Error> {
        let (members, how, flat) = (self.members, self.how, &mut lists.flat);
        let course = |i: usize| &courses[cohorts[members[i].cohort].course];
        let couples = |i: usize| members[i].of_rows.is_none() && course(i).traits.couples;
        let of = |wants: &dyn Fn(&Course<F>) -> bool| -> Vec<bool> {
            (0..members.len()).map(|i| couples(i) && wants(course(i))).collect()
        };
        let any = |which: &[bool]| which.contains(&true);
        let Scratch { kernel, outer, factors, .. } = scratch;
        factors.clear();

        // What a norm of the gradient or of the parameter scales.
        let adaptive = of(&|course| course.settings.clip_adaptive.is_some());
        let clipped = of(&|course| {
            course.settings.clip_leaf_norm.is_some() || course.settings.clip_adaptive.is_some()
        });
        let square = |x: &[F], power| match power {
            1.0 => reduce::sum_block(x, Square, how),
            power => reduce::sum_block(x, ScaledSquare(power), how),
        };
        let none = Norm::from_sums(0.0, |_| 0.0);
        let (mut of_g, mut of_w) = (vec![[none]; members.len()], vec![[none]; members.len()]);
        if any(&clipped) {
            of_g = self.norms(&clipped, flat, &mut |_, power, block| [square(block.g, power)])?;
        }
        if any(&adaptive) {
            of_w = self.norms(&adaptive, flat, &mut |_, power, block| [square(block.w, power)])?;
        }
        let mut places = vec![0; members.len()];
        for (i, member) in members.iter().enumerate() {
            let (course, settings) = (course(i), &course(i).settings);
            places[i] = member.cohort;
            if !couples(i) {
                continue;
            }
            let mut own = scale;
            if let Some(limit) = settings.clip_leaf_norm {
                own = own.within(limit, of_g[i][0]);
            }
            if let Some(clip) = settings.clip_adaptive {
                own = own.within(clip.limit(of_w[i][0].value()), of_g[i][0]);
            }
            places[i] = kernel.repeat(member.cohort);
            let mut around = outer[member.cohort];
            if own != scale {
                let rate = course.learning_rate;
                around = around.scaled(settings, course.traits.is_plain, rate, own);
            }
            outer.push(around);
        }

        let normed = of(&|course| course.program().about().norms);
        if any(&normed) {
            let constants = Loop { kernel: &**kernel, outer };
            let norms: Vec<[Norm; 2]> = self.norms(&normed, flat, &mut |i, power, block| {
                let power = F::from_f64(power);
                // The squares of any `f32` are neither too large nor too small.
                let helps = power > F::zero() && power.is_finite();
                let power = if helps { power } else { F::one() };
                let [first, second, ..] =
                    constants.measure(places[i], Quantities::OfRule { power }, how.simd, block);
                [first, second]
            })?;
            for i in (0..members.len()).filter(|&i| normed[i]) {
                let cohort = &mut cohorts[members[i].cohort];
                let program = courses[cohort.course].program();
                let norms = norms[i].map(Norm::value);
                kernel.of_leaf(places[i], program, norms, &mut cohort.clock);
            }
        }
        let here = (0..members.len()).filter(|&i| members[i].is_flat());
        here.zip(flat).for_each(|(i, leaf)| leaf.constants = places[i]);
        self.find_caution(courses, cohorts, lists, scratch, false)
    }

    /// The leaves whose gradients are arrays.
    fn all_of_arrays(&self) -> Vec<bool> {
        self.members.iter().map(|member| member.of_rows.is_none()).collect()
    }
}
