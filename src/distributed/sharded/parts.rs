//! What of parameters and gradients is a rank's.

use std::sync::Arc;

use ndarray::ArrayD;

use super::super::communicator::Communicator;
use super::super::plan::{Piece, Plan, Split, Walk};
use super::super::rounds::{Target, bucket, gather_round};
use super::Sharded;
use crate::error::{Error, Tree};
use crate::optimizer::{Optimizer, Wholes};
use crate::params::{Params, ParamsMut, Snapshot, copy_of};
use crate::scalar::Scalar;

/// A part of each leaf, and of its gradient. A part may be empty.
#[derive(Debug, Clone)]
pub(super) struct Parts<F: Scalar> {
    pub(super) params: Snapshot<F>,
    pub(super) grads: Snapshot<F>,
}

/// The shape of a rank's part of a leaf: a list of elements, or the leaf itself or none of it.
pub(super) fn shape_of(plan: &Plan, leaf: usize, rank: usize, split: Split) -> Vec<usize> {
    let (part, whole) = (plan.places[leaf].of(rank), &plan.roster.entries()[leaf].shape);
    match split {
        Split::Elements => vec![part.len()],
        Split::Leaves if plan.places[leaf].len == part.len() && !whole.contains(&0) => {
            whole.clone()
        }
        Split::Leaves if whole.is_empty() => vec![0],
        Split::Leaves => [&[0], &whole[1..]].concat(),
    }
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
        Ok(Self { grads: params.zeros_like(), params })
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
            let place = &plan.places[index];
            place.read(leaf, place.of(rank), self.params.slice_mut(index));
        })
    }
}

/// Gives all ranks the parameters of all parts.
pub(super) fn own_to_all<F: Scalar>(
    ranks: &dyn Communicator,
    plan: &Plan,
    active: &[bool],
    own: &Snapshot<F>,
    params: &mut dyn ParamsMut<F>,
    gathered: &mut Vec<F>,
) -> Result<(), Error> {
    let mut leaves = plan.leaves_mut(params)?;
    let rank = ranks.rank();
    let mut walk = Walk::new(plan, active, ranks.size());
    let mut sent = Vec::new();
    while walk.next(bucket(plan.len, ranks.size(), Target::Part)) {
        sent.clear();
        for Piece { leaf, range } in &walk.pieces[rank] {
            let start = range.start - plan.places[*leaf].bounds[rank];
            sent.extend_from_slice(&own.slice(*leaf)[start..start + range.len()]);
        }
        gather_round(ranks, &walk.lens, &sent, gathered)?;
        let mut rest = &gathered[..];
        for Piece { leaf, range } in walk.pieces.iter().flatten() {
            let (from, after) = rest.split_at(range.len());
            plan.places[*leaf].write(&mut *leaves[*leaf], range.clone(), from);
            rest = after;
        }
    }
    Ok(())
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
        if let Some(parts) = self.parts.as_mut().filter(|parts| parts.grads.entries().is_empty()) {
            // A step that was begun and not finished has not given it back.
            parts.grads = parts.params.zeros_like();
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
