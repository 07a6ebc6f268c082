//! Sums and norms over leaves of which ranks have parts.

use super::{Member, Whole};
use crate::engine::program::Stretch;
use crate::engine::rows::{self, Assembled};
use crate::engine::scale::Norm;
use crate::engine::scratch::Lists;
use crate::engine::sweep::{self, Flat};
use crate::error::Error;
use crate::reduce::{self, BLOCK, ScaledSquare, Square, Sum, Term};
use crate::scalar::Scalar;

/// What is summed over a block of the leaf at that place, squares times the square of a power of two.
type OfBlock<'o, F, const N: usize> = &'o mut dyn FnMut(usize, f64, Stretch<'_, F>) -> [f64; N];

impl Whole<'_> {
    /// ‖g‖₂ over all leaves.
    pub(super) fn norm<F: Scalar>(
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

    pub(super) fn sum_of_all<F: Scalar, T: Term>(
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
    pub(super) fn sums_of_owners<F: Scalar, T: Term>(
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
    pub(super) fn gather(
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
    pub(super) fn sums<F: Scalar, const N: usize>(
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
    pub(super) fn norms<F: Scalar, const N: usize>(
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

    /// The leaves whose gradients are arrays.
    pub(super) fn all_of_arrays(&self) -> Vec<bool> {
        self.members.iter().map(|member| member.of_rows.is_none()).collect()
    }
}
