//! Gradients of rows, cut where the parts of ranks begin.

use std::ops::Range;

use super::super::communicator::Communicator;
use super::super::plan::{Place, Plan, Split};
use super::super::rounds::gather_round;
use super::shape::shape_of;
use crate::error::Error;
use crate::params::{Leaf, LeafMut, Snapshot, Summed};
use crate::scalar::Scalar;

/// The rows of a leaf that are touched, on all ranks, in pieces of which none is of two ranks.
#[derive(Debug, Clone)]
pub(super) struct CutRows<F> {
    pub(super) leaf: usize,
    pub(super) rows: Summed<F>,
    /// Whether no other row of the leaf is looked at or moves.
    pub(super) is_alone: bool,
    /// How many elements a piece has.
    len: usize,
    /// Where each begins in the leaf, in the order of the memory.
    starts: Vec<usize>,
    /// Their gradients.
    values: Vec<F>,
}

impl<F: Scalar> CutRows<F> {
    pub(super) fn of(plan: &Plan, leaf: usize, rows: Summed<F>, is_alone: bool) -> Self {
        let (place, shape) = (&plan.places[leaf], &plan.roster.entries()[leaf].shape);
        let (len, [before, all, after]) = (place.piece(shape), place.around_rows(shape));
        let is_reversed = place.order.is_reversed(0);
        let mut starts = Vec::with_capacity(rows.values().len() / len);
        let mut of_row = |i: usize, row: usize| {
            let row = if is_reversed { all - 1 - row } else { row };
            let start = (i * all + row) * after;
            starts.extend((start..start + after).step_by(len));
        };
        for i in 0..before {
            let touched = rows.rows().iter().copied();
            if is_reversed {
                touched.rev().for_each(|row| of_row(i, row));
            } else {
                touched.for_each(|row| of_row(i, row));
            }
        }
        let values = place.order.arrange(rows.view());
        let values = values.iter().copied().collect();
        Self { leaf, rows, is_alone, len, starts, values }
    }

    /// Which pieces are a rank's.
    fn of_rank(&self, place: &Place, rank: usize) -> Range<usize> {
        let own = place.of(rank);
        let before = |end: usize| self.starts.partition_point(|&start| start < end);
        before(own.start)..before(own.end)
    }

    /// The rank's own, as rows of its part.
    pub(super) fn own(&self, plan: &Plan, rank: usize, split: Split) -> Summed<F> {
        let place = &plan.places[self.leaf];
        let shape = shape_of(plan, self.leaf, rank, split);
        if split == Split::Leaves && shape == plan.roster.entries()[self.leaf].shape {
            return self.rows.clone();
        }
        let (pieces, start) = (self.of_rank(place, rank), place.bounds[rank]);
        let rows: Vec<usize> =
            self.starts[pieces.clone()].iter().map(|at| (at - start) / self.len).collect();
        let mut own = Summed::default();
        own.assign(&shape, &rows, &self.values[pieces.start * self.len..pieces.end * self.len]);
        own
    }

    /// Takes of a rank's part of the leaf what is touched, as it is.
    pub(super) fn read(&self, place: &Place, rank: usize, leaf: &dyn Leaf<F>, part: &mut [F]) {
        let start = place.bounds[rank];
        for &at in &self.starts[self.of_rank(place, rank)] {
            let to = &mut part[at - start..at - start + self.len];
            place.read(leaf, at..at + self.len, to);
        }
    }
}

/// Gives all ranks what is touched of the parameters of all parts, of leaves of which nothing else moves.
pub(super) fn touched_to_all<F: Scalar>(
    ranks: &dyn Communicator,
    plan: &Plan,
    rows: &[CutRows<F>],
    own: &Snapshot<F>,
    leaves: &mut [&mut dyn LeafMut<F>],
    gathered: &mut Vec<F>,
) -> Result<(), Error> {
    let alone = || rows.iter().filter(|rows| rows.is_alone);
    if alone().next().is_none() {
        return Ok(());
    }
    let (rank, mut sent) = (ranks.rank(), Vec::new());
    for rows in alone() {
        let place = &plan.places[rows.leaf];
        let (part, start) = (own.slice(rows.leaf), place.bounds[rank]);
        for &at in &rows.starts[rows.of_rank(place, rank)] {
            sent.extend_from_slice(&part[at - start..at - start + rows.len]);
        }
    }
    let len_of = |rank: usize| {
        alone().map(|rows| rows.of_rank(&plan.places[rows.leaf], rank).len() * rows.len).sum()
    };
    let lens: Vec<usize> = (0..ranks.size()).map(len_of).collect();
    gather_round(ranks, &lens, &sent, gathered)?;
    let mut rest = &gathered[..];
    for rank in 0..ranks.size() {
        for rows in alone() {
            let place = &plan.places[rows.leaf];
            for &at in &rows.starts[rows.of_rank(place, rank)] {
                let (from, after) = rest.split_at(rows.len);
                place.write(&mut *leaves[rows.leaf], at..at + rows.len, from);
                rest = after;
            }
        }
    }
    Ok(())
}
