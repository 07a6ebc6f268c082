//! What of a leaf, or of the tree, depends on all of its elements.

use super::{Member, Whole};
use crate::engine::around::{Loop, Quantities, Sums};
use crate::engine::couple::LEAST_SHARE;
use crate::engine::ledger::Cohort;
use crate::engine::plan::Course;
use crate::engine::scale::{Norm, Scale};
use crate::engine::scratch::{Lists, Scratch};
use crate::engine::{strided, sweep};
use crate::error::Error;
use crate::reduce::{self, ScaledSquare, Square, Sum};
use crate::rule::SUMS;
use crate::scalar::Scalar;

impl Whole<'_> {
    /// The sums that the rule wants over the whole tree.
    pub(super) fn totals<F: Scalar>(
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
    pub(super) fn tell_clocks<F: Scalar>(
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
    pub(super) fn find_caution<F: Scalar>(
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

    /// As [`couple`](super::couple::couple), of leaves that are split.
    pub(super) fn couple<F: Scalar>(
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
}
