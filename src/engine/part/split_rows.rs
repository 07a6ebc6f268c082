//! What is measured of leaves whose gradients are of rows, and which are split.

use super::{Member, Whole};
use crate::engine::couple;
use crate::engine::ledger::Cohort;
use crate::engine::plan::Course;
use crate::engine::rows::{ARRAYS, Assembled};
use crate::engine::scale::Scale;
use crate::engine::scratch::{Lists, Scratch};
use crate::engine::settings::Settings;
use crate::engine::untouched::Untouched;
use crate::error::Error;
use crate::scalar::Scalar;

impl Whole<'_> {
    /// What is touched of leaves that are split, of all ranks, where it is to be measured: such rows are few.
    pub(super) fn assemble<F: Scalar>(
        &mut self,
        settings: &Settings,
        courses: &[Course<F>],
        cohorts: &[Cohort],
        lists: &Lists<'_, F>,
    ) -> Result<Vec<Option<Assembled<F>>>, Error> {
        let members = self.members;
        let couples = |member: &Member| courses[cohorts[member.cohort].course].traits.couples;
        let is_wanted = |member: &Member| {
            member.of_rows.is_some() && (settings.wants_norm() || couples(member))
        };
        let wanted: Vec<bool> = members.iter().map(is_wanted).collect();
        if !self.others.is_split() || !wanted.contains(&true) {
            return Ok(members.iter().map(|_| None).collect());
        }
        let (mut lens, mut numbers) = (Vec::new(), Vec::new());
        for (member, _) in members.iter().zip(&wanted).filter(|(_, wanted)| **wanted) {
            let touched = lists.touched.iter().find(|touched| touched.leaf == member.leaf);
            let told = touched
                .zip(lists.gathered.as_deref())
                .map(|(touched, gathered)| touched.tell(gathered, couples(member), &mut numbers));
            lens.extend(told.unwrap_or_default());
        }
        let lens = self.gather(&lens, &|i, _| if wanted[i] { ARRAYS } else { 0 })?;
        let of = |i: usize, rank: usize| &lens[i][rank * ARRAYS..(rank + 1) * ARRAYS];
        let count = |i: usize, rank: usize| match wanted[i] {
            true => of(i, rank).iter().sum::<f64>() as usize,
            false => 0,
        };
        let numbers = self.gather(&numbers, &count)?;
        let assembled = |(i, member): (usize, &Member)| {
            let [width, before] = member.of_rows.filter(|_| wanted[i])?;
            let (mut rest, mut told) = (&numbers[i][..], Vec::new());
            for rank in 0..member.bounds.len() - 1 {
                let (own, after) = rest.split_at(count(i, rank));
                told.push((of(i, rank), own));
                rest = after;
            }
            Some(Assembled::of(&told, width, before))
        };
        Ok(members.iter().enumerate().map(assembled).collect())
    }

    /// As [`couple`](Self::couple), of leaves whose gradients are of rows.
    pub(super) fn couple_rows<F: Scalar>(
        &self,
        courses: &[Course<F>],
        cohorts: &mut [Cohort],
        lists: &mut Lists<'_, F>,
        scratch: &mut Scratch<F>,
        scale: Scale<F>,
        touched: &mut [Option<Assembled<F>>],
    ) {
        for (member, touched) in self.members.iter().zip(touched) {
            let (cohort, Some(touched)) = (&mut cohorts[member.cohort], touched) else { continue };
            let course = &courses[cohort.course];
            let is_idle = touched.g.is_empty() && course.settings.untouched == Untouched::Lazy;
            if !course.traits.couples || is_idle {
                continue;
            }
            let place = touched.lend(course.traits.coding, |leaf| {
                let cohort = (member.cohort, &mut cohort.clock);
                couple::own(course, cohort, leaf, scratch, scale, self.how)
            });
            let own = lists.touched.iter_mut().find(|touched| touched.leaf == member.leaf);
            own.into_iter().for_each(|own| own.constants = place);
        }
    }
}
