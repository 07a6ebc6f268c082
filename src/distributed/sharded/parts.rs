//! What of parameters and gradients is a rank's.

use std::sync::Arc;

use ndarray::ArrayD;

use super::super::communicator::Communicator;
use super::super::messages::Messages;
use super::super::plan::{Piece, Plan, Split, Walk, by_message, len_of};
use super::super::rounds::{Target, bucket};
use super::super::writing::Writing;
use super::Sharded;
use super::rows::{CutRows, touched_to_all};
use super::shape::shape_of;
use crate::error::{Error, Tree};
use crate::optimizer::{Optimizer, Wholes};
use crate::params::{Gradients, Params, ParamsMut, Snapshot, Summed, copy_of};
use crate::scalar::Scalar;

/// A part of each leaf, and of its gradient. A part may be empty.
#[derive(Debug, Clone)]
pub(super) struct Parts<F: Scalar> {
    pub(super) params: Snapshot<F>,
    pub(super) grads: Gradients<F>,
    /// Of the leaves whose gradient is of rows.
    pub(super) rows: Vec<CutRows<F>>,
}

impl<F: Scalar> Parts<F> {
    fn of(plan: &Plan, params: &dyn Params<F>, rank: usize, split: Split) -> Result<Self, Error> {
        let leaves = plan.leaves(params, Tree::Parameters)?;
        let part = |(leaf, params): (usize, &&dyn crate::params::Leaf<F>)| {
            let shape = shape_of(plan, leaf, rank, split);
            // A leaf that is whole keeps its layout.
            let part = if shape == params.shape() && split == Split::Leaves {
                copy_of(*params)
            } else {
                ArrayD::zeros(shape)
            };
            (plan.roster.entries()[leaf].name.clone(), part)
        };
        let params = Snapshot::from_leaves(leaves.iter().enumerate().map(part).collect())?;
        Ok(Self { grads: Gradients::of(params.zeros_like()), params, rows: Vec::new() })
    }

    /// Takes the gradients of leaves that are of rows; `is_alone` says of which nothing else moves.
    pub(super) fn take_rows(
        &mut self,
        plan: &Plan,
        rank: usize,
        split: Split,
        rows: Vec<(usize, Summed<F>)>,
        is_alone: impl Fn(&str) -> bool,
    ) {
        for (leaf, rows) in rows {
            let is_alone = is_alone(&plan.roster.entries()[leaf].name);
            let rows = CutRows::of(plan, leaf, rows, is_alone);
            self.grads.set(leaf, rows.own(plan, rank, split));
            self.rows.push(rows);
        }
    }

    /// Takes the parameters as they are.
    pub(super) fn read(
        &mut self,
        plan: &Plan,
        rank: usize,
        params: &dyn Params<F>,
    ) -> Result<(), Error> {
        plan.roster.meet(params, Tree::Parameters, |_, _| {})?;
        plan.roster.meet(params, Tree::Parameters, |index, leaf| {
            let (place, part) = (&plan.places[index], self.params.slice_mut(index));
            match self.rows.iter().find(|rows| rows.leaf == index && rows.is_alone) {
                Some(rows) => rows.read(place, rank, leaf, part),
                None => place.read(leaf, place.of(rank), part),
            }
        })
    }
}

/// Gives all ranks the parameters of all parts.
pub(super) fn own_to_all<F: Scalar>(
    ranks: &dyn Communicator,
    plan: &Plan,
    active: &[bool],
    (own, rows): (&Snapshot<F>, &[CutRows<F>]),
    params: &mut dyn ParamsMut<F>,
    gathered: &mut Vec<F>,
) -> Result<(), Error> {
    let rank = ranks.rank();
    let mut moved = active.to_vec();
    rows.iter().filter(|rows| rows.is_alone).for_each(|rows| moved[rows.leaf] = false);
    let mut walk = Walk::new(plan, &moved, ranks.size());
    let (mut to, mut packed) = (Writing::tree(plan, &mut *params)?, Vec::new());
    while walk.next(bucket(plan.len, ranks.size(), Target::Part)) {
        let of = |Piece { leaf, range }: &Piece| {
            let start = range.start - plan.places[*leaf].bounds[rank];
            &own.slice(*leaf)[start..start + range.len()]
        };
        let pieces = &walk.pieces[rank];
        packed.clear();
        for pieces in by_message(pieces).filter(|pieces| pieces.len() > 1) {
            pieces.iter().for_each(|piece| packed.extend_from_slice(of(piece)));
        }
        let mut rest = &packed[..];
        let sent = by_message(pieces).map(|pieces| match pieces {
            [piece] => of(piece),
            pieces => {
                let (first, after) = rest.split_at(len_of(pieces));
                rest = after;
                first
            }
        });
        let sent: Vec<&[F]> = sent.collect();
        let mut messages = Messages::default();
        messages.spread(&walk.pieces, (rank, &sent), (&mut to, gathered));
        messages.pass(ranks)?;
        to.write_spread(&walk.pieces, rank, gathered);
        by_message(pieces).zip(sent).for_each(|(pieces, sent)| to.write(rank, pieces, sent));
    }
    let mut leaves = plan.leaves_mut(params)?;
    touched_to_all(ranks, plan, rows, own, &mut leaves, gathered)
}

impl<F: Scalar, O: Optimizer<F>, C: Communicator> Sharded<F, O, C> {
    /// Readies the parts, and the optimizer inside for them, before a first step.
    pub(super) fn open(&mut self, params: &dyn Params<F>) -> Result<(), Error> {
        // What is wrong with the parameters is said elsewhere.
        let Some(plan) = &self.exchange.plan else { return Ok(()) };
        let (rank, split) = (self.ranks.rank(), self.exchange.split());
        if self.parts.is_none() {
            self.parts = Some(Parts::of(plan, params, rank, split)?);
            let entries = plan.roster.entries().iter();
            let wholes: Wholes = entries.map(|e| (e.name.clone(), e.shape.clone())).collect();
            if let Some(partwise) = self.inner.partwise() {
                partwise.set_wholes(Some(Arc::new(wholes)));
            }
        }
        if let Some(parts) =
            self.parts.as_mut().filter(|parts| parts.grads.leaves().entries().is_empty())
        {
            // A step that was begun and not finished has not given it back.
            parts.grads = Gradients::of(parts.params.zeros_like());
        }
        if self.is_whole {
            let state = self.inner.state().cut::<F>(plan, rank, split)?;
            if let Some(partwise) = self.inner.partwise() {
                partwise.load_parts(&state)?;
            }
            self.is_whole = false;
        }
        Ok(())
    }
}
