//! Leaves that are written piece by piece, each rank's part from its beginning on.

use super::plan::{Piece, Plan, by_message, len_of};
use crate::error::Error;
use crate::params::{LeafMut, ParamsMut, Snapshot};
use crate::scalar::Scalar;

/// Leaves into which goes what ranks have of them.
pub(super) struct Writing<'a, F: Scalar> {
    plan: &'a Plan,
    leaves: Vec<Written<'a, F>>,
}

enum Written<'a, F: Scalar> {
    /// Of a leaf that lies in the order of the plan, what is not yet written of each rank's part.
    Parts(Vec<&'a mut [F]>),
    Leaf(&'a mut dyn LeafMut<F>),
}

impl<'a, F: Scalar> Written<'a, F> {
    fn parts(mut rest: &'a mut [F], lens: impl Iterator<Item = usize>) -> Self {
        Self::Parts(lens.map(|len| take(&mut rest, len)).collect())
    }
}

impl<'a, F: Scalar> Writing<'a, F> {
    /// All of the leaves, which lie in the order of the plan.
    pub(super) fn all(plan: &'a Plan, leaves: &'a mut Snapshot<F>) -> Self {
        let leaves = plan.places.iter().zip(leaves.slices_mut()).map(|(place, leaf)| {
            Written::parts(leaf, place.bounds.windows(2).map(|part| part[1] - part[0]))
        });
        Self { plan, leaves: leaves.collect() }
    }

    /// A rank's parts alone.
    pub(super) fn part(plan: &'a Plan, rank: usize, parts: &'a mut Snapshot<F>) -> Self {
        let leaves = plan.places.iter().zip(parts.slices_mut()).map(|(place, part)| {
            let len = |other| if other == rank { place.of(rank).len() } else { 0 };
            Written::parts(part, (0..=rank).map(len))
        });
        Self { plan, leaves: leaves.collect() }
    }

    /// The leaves of a tree, whatever their layout.
    pub(super) fn tree(plan: &'a Plan, params: &'a mut dyn ParamsMut<F>) -> Result<Self, Error> {
        let leaves = plan.leaves_mut(params)?.into_iter().zip(&plan.places).map(|(leaf, place)| {
            if !place.is_slice(&*leaf) {
                return Written::Leaf(leaf);
            }
            let slice = leaf.as_slice_mut().unwrap_or_default();
            Written::parts(slice, place.bounds.windows(2).map(|part| part[1] - part[0]))
        });
        Ok(Self { plan, leaves: leaves.collect() })
    }

    /// Whether what comes next of a rank is to be written to one place.
    pub(super) fn is_one(&self, pieces: &[Piece]) -> bool {
        matches!(pieces, [piece] if matches!(self.leaves[piece.leaf], Written::Parts(_)))
    }

    /// That place.
    pub(super) fn next(&mut self, rank: usize, pieces: &[Piece]) -> Option<&'a mut [F]> {
        let [Piece { leaf, range }] = pieces else { return None };
        match &mut self.leaves[*leaf] {
            Written::Parts(parts) => Some(take(&mut parts[rank], range.len())),
            Written::Leaf(_) => None,
        }
    }

    /// Writes what was received apart from where it is to be.
    pub(super) fn write_spread(&mut self, pieces: &[Vec<Piece>], rank: usize, apart: &[F]) {
        let mut rest = apart;
        for (other, pieces) in pieces.iter().enumerate().filter(|(other, _)| *other != rank) {
            for pieces in by_message(pieces) {
                if !self.is_one(pieces) {
                    let (first, after) = rest.split_at(len_of(pieces));
                    self.write(other, pieces, first);
                    rest = after;
                }
            }
        }
    }

    /// Writes what comes next of a rank.
    pub(super) fn write(&mut self, rank: usize, pieces: &[Piece], from: &[F]) {
        let mut rest = from;
        for Piece { leaf, range } in pieces {
            let (first, after) = rest.split_at(range.len());
            match &mut self.leaves[*leaf] {
                Written::Parts(parts) => take(&mut parts[rank], range.len()).copy_from_slice(first),
                Written::Leaf(to) => self.plan.places[*leaf].write(&mut **to, range.clone(), first),
            }
            rest = after;
        }
    }
}

/// The first elements of what is left.
pub(super) fn take<'a, F>(rest: &mut &'a mut [F], len: usize) -> &'a mut [F] {
    let (first, after) = std::mem::take(rest).split_at_mut(len);
    *rest = after;
    first
}
