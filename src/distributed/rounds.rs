//! The exchange itself: a bucket of all gradients at a time.

use std::ops::Range;

use super::communicator::Communicator;
use super::plan::{Piece, Plan, Walk};
use crate::error::Error;
use crate::mean::{blend, blend_into};
use crate::params::Snapshot;
use crate::scalar::Scalar;

/// Shards that a rank has added up: a node of the tree of all.
#[derive(Debug, Clone)]
pub(super) struct Node<F> {
    pub(super) shards: Range<usize>,
    pub(super) weight: f64,
    pub(super) values: Vec<F>,
}

/// How the mean comes about.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    /// The last nodes of this rank, which its last shard is brought together with, and at which share.
    pub(super) chain: Vec<(usize, f64)>,
    /// How many nodes each rank has.
    pub(super) counts: Vec<usize>,
    /// Of the nodes of all ranks: pairs that are brought together, and at which share.
    pub(super) joins: Vec<(usize, usize, f64)>,
    /// Leaves that are trained; the others do not travel.
    pub(super) active: Vec<bool>,
}

/// Reads elements of the last shard.
pub(super) type Read<'r, F> = &'r mut dyn FnMut(&Plan, &Piece, &mut [F]);

/// Is given what each rank has of the mean in a round, and this rank's own.
pub(super) type Each<'e, F> = &'e mut dyn FnMut(&Plan, &Walk<'_>, &[F]) -> Result<(), Error>;

/// Makes the mean, round by round.
pub(super) fn rounds<F: Scalar>(
    ranks: &dyn Communicator,
    (plan, course): (&Plan, &Course),
    nodes: &[Node<F>],
    [sent, received]: &mut [Vec<F>; 2],
    read: Read<'_, F>,
    each: Each<'_, F>,
) -> Result<(), Error> {
    let Course { chain, counts, joins, active } = course;
    let (rank, size, width) = (ranks.rank(), ranks.size(), size_of::<F>());
    let apart = nodes.len() - chain.len();
    let mut walk = Walk::new(plan, active, size);
    while walk.next(bucket(plan.len, size)) {
        let own = walk.lens[rank];
        sent.resize(counts[rank] * walk.lens.iter().sum::<usize>(), F::zero());
        let mut rest = &mut sent[..];
        for pieces in &walk.pieces {
            for node in &nodes[..apart] {
                for Piece { leaf, range } in pieces {
                    let (to, after) = rest.split_at_mut(range.len());
                    let start = plan.places[*leaf].start;
                    to.copy_from_slice(&node.values[start + range.start..start + range.end]);
                    rest = after;
                }
            }
            for piece in pieces {
                let (to, after) = rest.split_at_mut(piece.range.len());
                read(plan, piece, to);
                let start = plan.places[piece.leaf].start;
                for &(i, share) in chain {
                    let within = start + piece.range.start..start + piece.range.end;
                    blend_into(&nodes[i].values[within], to, share);
                }
                rest = after;
            }
        }
        if size == 1 {
            std::mem::swap(sent, received);
        } else {
            received.resize(own * counts.iter().sum::<usize>(), F::zero());
            let to: Vec<usize> = walk.lens.iter().map(|len| len * counts[rank] * width).collect();
            let from: Vec<usize> = counts.iter().map(|count| count * own * width).collect();
            ranks.all_to_all(F::bytes(sent), &to, F::bytes_mut(received), &from)?;
        }
        for &(a, b, share) in joins {
            let (left, right) = received.split_at_mut(b * own);
            blend(&mut left[a * own..(a + 1) * own], &right[..own], share);
        }
        each(plan, &walk, &received[..own])?;
    }
    Ok(())
}

/// Elements of each rank that are moved at once: buffers are a small part of all and lie in the cache, and
/// are not so small that the time to begin a message counts.
pub(super) fn bucket(elements: usize, ranks: usize) -> usize {
    ((elements / 32).clamp(1 << 14, 1 << 18) / ranks).max(1)
}

/// Gives all ranks what each has of a round.
pub(super) fn gather_round<F: Scalar>(
    ranks: &dyn Communicator,
    lens: &[usize],
    own: &[F],
    all: &mut Vec<F>,
) -> Result<(), Error> {
    all.resize(lens.iter().sum(), F::zero());
    if ranks.size() == 1 {
        all.copy_from_slice(own);
        return Ok(());
    }
    let counts: Vec<usize> = lens.iter().map(|len| len * size_of::<F>()).collect();
    ranks.all_gather(F::bytes(own), F::bytes_mut(all), &counts)
}

/// Where the mean goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// All of it to all ranks.
    All,
    /// To each rank its part.
    Part,
}

impl Target {
    /// Writes what a round has brought.
    pub(super) fn write<F: Scalar>(
        self,
        ranks: &dyn Communicator,
        plan: &Plan,
        walk: &Walk<'_>,
        own: &[F],
        (mean, gathered): (&mut Snapshot<F>, &mut Vec<F>),
    ) -> Result<(), Error> {
        let rank = ranks.rank();
        if self == Target::Part {
            let mut rest = own;
            for Piece { leaf, range } in &walk.pieces[rank] {
                let (from, after) = rest.split_at(range.len());
                let start = range.start - plan.places[*leaf].bounds[rank];
                mean.slice_mut(*leaf)[start..start + range.len()].copy_from_slice(from);
                rest = after;
            }
            return Ok(());
        }
        gather_round(ranks, &walk.lens, own, gathered)?;
        let mut rest = &gathered[..];
        for Piece { leaf, range } in walk.pieces.iter().flatten() {
            let (from, after) = rest.split_at(range.len());
            mean.slice_mut(*leaf)[range.clone()].copy_from_slice(from);
            rest = after;
        }
        Ok(())
    }
}
