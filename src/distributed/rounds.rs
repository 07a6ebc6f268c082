//! The exchange itself: a bucket of all gradients at a time.

use std::ops::Range;

use super::communicator::Communicator;
use super::plan::{Piece, Plan, Walk};
use crate::error::Error;
use crate::mean::{blend, blend_into};
use crate::params::{Snapshot, Summed};
use crate::scalar::Scalar;

/// Shards that a rank has added up: a node of the tree of all.
#[derive(Debug, Clone)]
pub(super) struct Node<F> {
    pub(super) shards: Range<usize>,
    pub(super) weight: f64,
    /// The mean of their losses, where all have one.
    pub(super) loss: Option<f64>,
    pub(super) values: Vec<F>,
    /// Those of leaves whose gradients are of rows; none where no leaf's are.
    pub(super) rows: Vec<Option<Summed<F>>>,
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
    /// Those among them whose gradients are of rows: they travel by themselves.
    pub(super) of_rows: Vec<usize>,
    /// Those whose gradients are arrays.
    pub(super) arrays: Vec<bool>,
    /// The mean of the losses of all shards, where all have one.
    pub(super) loss: Option<f64>,
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
    ([sent, received], target): (&mut [Vec<F>; 2], Target),
    read: Read<'_, F>,
    each: Each<'_, F>,
) -> Result<(), Error> {
    let Course { chain, counts, joins, arrays, .. } = course;
    let (rank, size, width) = (ranks.rank(), ranks.size(), size_of::<F>());
    let apart = nodes.len() - chain.len();
    // This rank's own nodes do not travel: they lie behind those of the others.
    let (first, mine, all) =
        (counts[..rank].iter().sum::<usize>(), counts[rank], counts.iter().sum::<usize>());
    let place = |node: usize| match node {
        node if node < first => node,
        node if node < first + mine => all - mine + node - first,
        node => node - mine,
    };
    let mut walk = Walk::new(plan, arrays, size);
    while walk.next(bucket(plan.len, size, target)) {
        let own = walk.lens[rank];
        let others = walk.lens.iter().sum::<usize>() - own;
        sent.resize(mine * others, F::zero());
        received.resize(all * own, F::zero());
        let (from_others, from_self) = received.split_at_mut((all - mine) * own);
        let (mut away, mut here) = (&mut sent[..], from_self);
        for (to_rank, pieces) in walk.pieces.iter().enumerate() {
            let rest = if to_rank == rank { &mut here } else { &mut away };
            for node in &nodes[..apart] {
                for Piece { leaf, range } in pieces {
                    let start = plan.places[*leaf].start;
                    let within = start + range.start..start + range.end;
                    take(rest, range.len()).copy_from_slice(&node.values[within]);
                }
            }
            for piece in pieces {
                let to = take(rest, piece.range.len());
                read(plan, piece, to);
                let start = plan.places[piece.leaf].start;
                for &(i, share) in chain {
                    let within = start + piece.range.start..start + piece.range.end;
                    blend_into(&nodes[i].values[within], to, share);
                }
            }
        }
        if size > 1 {
            let travels = |len: usize, other: usize| if other == rank { 0 } else { len * width };
            let lens = walk.lens.iter().enumerate();
            let to: Vec<usize> = lens.map(|(other, len)| travels(len * mine, other)).collect();
            let from = counts.iter().enumerate();
            let from: Vec<usize> = from.map(|(other, count)| travels(count * own, other)).collect();
            ranks.all_to_all(F::bytes(sent), &to, F::bytes_mut(from_others), &from)?;
        }
        for &(a, b, share) in joins {
            let (a, b) = (place(a) * own, place(b) * own);
            let (left, right) = received.split_at_mut(a.max(b));
            if a < b {
                blend(&mut left[a..a + own], &right[..own], share);
            } else {
                blend(&mut right[..own], &left[b..b + own], share);
            }
        }
        let at = place(0) * own;
        each(plan, &walk, &received[at..at + own])?;
    }
    Ok(())
}

/// The first elements of what is left.
fn take<'a, F>(rest: &mut &'a mut [F], len: usize) -> &'a mut [F] {
    let (first, after) = std::mem::take(rest).split_at_mut(len);
    *rest = after;
    first
}

/// Elements of each rank that are moved at once: few enough to lie in a cache, and so many that the time
/// to begin a message does not count. Where memory is to be saved, buffers are a small part of all.
pub(super) fn bucket(elements: usize, ranks: usize, target: Target) -> usize {
    let part = match target {
        Target::All => elements / 16,
        Target::Part => elements / 64,
    };
    // With many ranks, what one gets of a bucket is not to become too small.
    let most = (1 << 18).max(ranks << 14);
    (part.clamp(1 << 14, most) / ranks).max(1)
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
        if ranks.size() > 1 {
            gather_round(ranks, &walk.lens, own, gathered)?;
        }
        let mut rest = if ranks.size() > 1 { &gathered[..] } else { own };
        for Piece { leaf, range } in walk.pieces.iter().flatten() {
            let (from, after) = rest.split_at(range.len());
            mean.slice_mut(*leaf)[range.clone()].copy_from_slice(from);
            rest = after;
        }
        Ok(())
    }
}
