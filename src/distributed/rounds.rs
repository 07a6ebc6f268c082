//! The exchange itself: a bucket of all gradients at a time.

use std::ops::Range;

use super::communicator::Communicator;
use super::messages::Messages;
use super::plan::{Piece, Plan, Walk, by_message, len_of};
use super::writing::{Writing, take};
use crate::error::Error;
use crate::mean::{blend, blend_into, blend_to};
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

/// Where the gradients of the last shard are read.
pub(super) trait Source<F> {
    /// Waits for those of a leaf.
    fn wait(&mut self, leaf: usize);

    /// Elements of a leaf, where they lie as in the plan.
    fn slice(&self, plan: &Plan, piece: &Piece) -> Option<&[F]>;

    /// A copy of them.
    fn read(&self, plan: &Plan, piece: &Piece, to: &mut [F]);
}

/// Memory that is kept from one exchange to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers<F> {
    sent: Vec<F>,
    received: Vec<F>,
    own: Vec<F>,
    pub(super) gathered: Vec<F>,
}

/// What a round has made of the mean, which is to go to all ranks.
struct Made<'m, F> {
    pieces: Vec<Vec<Piece>>,
    /// This rank's own, by message; `None` where it is of several pieces, which are together in a buffer.
    own: Vec<Option<&'m [F]>>,
}

impl<'m, F> Made<'m, F> {
    /// This rank's own messages.
    fn messages(&self, rank: usize, mut rest: &'m [F]) -> Vec<&'m [F]> {
        let messages = by_message(&self.pieces[rank]).zip(&self.own).map(|(pieces, own)| {
            own.unwrap_or_else(|| {
                let (first, after) = rest.split_at(len_of(pieces));
                rest = after;
                first
            })
        });
        messages.collect()
    }
}

/// Makes the mean, round by round. What a round has made travels with the gradients of the next: ranks wait
/// for each other once a round.
pub(super) fn rounds<F: Scalar>(
    ranks: &dyn Communicator,
    (plan, course): (&Plan, &Course),
    nodes: &[Node<F>],
    (buffers, target): (&mut Buffers<F>, Target),
    source: &mut dyn Source<F>,
    mean: &mut Snapshot<F>,
) -> Result<(), Error> {
    let Course { chain, counts, arrays, .. } = course;
    let Buffers { sent, received, own, gathered } = buffers;
    let (rank, size) = (ranks.rank(), ranks.size());
    let last = Last { nodes, apart: nodes.len() - chain.len(), chain };
    // Of each element of this rank's, how many the others send, and how many there are to be joined.
    let sent_here = counts.iter().sum::<usize>() - counts[rank];
    let joined = sent_here + last.apart;
    let mut to = match target {
        Target::All => Writing::all(plan, mean),
        Target::Part => Writing::part(plan, rank, mean),
    };
    let (mut walk, mut made) = (Walk::new(plan, arrays, size), None::<Made<'_, F>>);
    loop {
        let goes_on = walk.next(bucket(plan.len, size, target));
        if !goes_on && made.is_none() {
            return Ok(());
        }
        let pieces = &walk.pieces[rank];
        walk.pieces.iter().flatten().for_each(|piece| source.wait(piece.leaf));
        received.resize(joined * walk.lens[rank], F::zero());
        let mut messages = Messages::default();
        last.send(&walk, rank, &*source, sent, &mut messages);
        let mut rest = &mut received[..];
        for pieces in by_message(pieces) {
            let len = len_of(pieces);
            for (other, count) in counts.iter().enumerate().filter(|(other, _)| *other != rank) {
                messages.receive(other, take(&mut rest, count * len));
            }
            take(&mut rest, last.apart * len);
        }
        if let Some(made) = &made {
            let own = made.messages(rank, own);
            messages.spread(&made.pieces, (rank, &own), (&mut to, gathered));
        }
        messages.pass(ranks)?;
        if let Some(made) = made.take() {
            to.write_spread(&made.pieces, rank, gathered);
        }
        if !goes_on {
            return Ok(());
        }
        let packed = by_message(pieces).filter(|pieces| !to.is_one(pieces));
        own.resize(packed.map(len_of).sum(), F::zero());
        let (mut rest, mut room) = (&mut received[..], &mut own[..]);
        let mut places = Vec::new();
        for pieces in by_message(pieces) {
            let len = len_of(pieces);
            let received = take(&mut rest, joined * len);
            let mut copies = &mut received[sent_here * len..];
            for node in &nodes[..last.apart] {
                pieces.iter().for_each(|piece| copy_of(plan, node, piece, &mut copies));
            }
            let mut make = |into: &mut [F]| {
                let at_home = last.place(plan, pieces, &*source);
                if at_home.is_none() {
                    last.read(plan, pieces, &*source, into);
                }
                course.join(rank, (received, at_home), into);
            };
            places.push(match to.next(rank, pieces) {
                Some(place) => {
                    make(place);
                    Some(&*place)
                }
                None => {
                    let into = take(&mut room, len);
                    make(into);
                    to.write(rank, pieces, into);
                    None
                }
            });
        }
        if target == Target::All && size > 1 {
            made = Some(Made { pieces: walk.pieces.clone(), own: places });
        }
    }
}

/// Elements of a node, into the first of what is left.
fn copy_of<F: Scalar>(plan: &Plan, node: &Node<F>, piece: &Piece, rest: &mut &mut [F]) {
    take(rest, piece.range.len()).copy_from_slice(&node.values[plan.within(piece)]);
}

/// The last shard of a rank, and the nodes that it is brought together with.
struct Last<'n, F> {
    nodes: &'n [Node<F>],
    /// Nodes that it is not.
    apart: usize,
    chain: &'n [(usize, f64)],
}

impl<F: Scalar> Last<'_, F> {
    /// Reads what comes of it.
    fn read(&self, plan: &Plan, pieces: &[Piece], source: &dyn Source<F>, to: &mut [F]) {
        let mut rest = to;
        for piece in pieces {
            let to = take(&mut rest, piece.range.len());
            source.read(plan, piece, to);
            for &(i, share) in self.chain {
                blend_into(&self.nodes[i].values[plan.within(piece)], to, share);
            }
        }
    }

    /// Where it lies, if it is there as it is to be.
    fn place<'m>(
        &self,
        plan: &Plan,
        pieces: &[Piece],
        source: &'m dyn Source<F>,
    ) -> Option<&'m [F]> {
        match pieces {
            [piece] if self.chain.is_empty() => source.slice(plan, piece),
            _ => None,
        }
    }

    /// Sends the others what is theirs, from where it lies if that can be.
    fn send<'m>(
        &self,
        walk: &Walk<'m>,
        rank: usize,
        source: &'m dyn Source<F>,
        sent: &'m mut Vec<F>,
        messages: &mut Messages<'m>,
    ) {
        let plan = walk.plan;
        let is_alone = self.apart == 0;
        let place = |pieces: &[Piece]| self.place(plan, pieces, source).filter(|_| is_alone);
        let others = || walk.pieces.iter().enumerate().filter(|(other, _)| *other != rank);
        let copied = others().flat_map(|(_, pieces)| by_message(pieces));
        let copied = copied.filter(|pieces| place(pieces).is_none()).map(len_of).sum::<usize>();
        sent.resize((self.apart + 1) * copied, F::zero());
        let mut rest = &mut sent[..];
        for (other, pieces) in others() {
            for pieces in by_message(pieces) {
                let message = place(pieces).unwrap_or_else(|| {
                    let len = len_of(pieces);
                    let message = take(&mut rest, (self.apart + 1) * len);
                    let (mut copies, last) = message.split_at_mut(self.apart * len);
                    for node in &self.nodes[..self.apart] {
                        pieces.iter().for_each(|piece| copy_of(plan, node, piece, &mut copies));
                    }
                    self.read(plan, pieces, source, last);
                    message
                });
                messages.send(other, message);
            }
        }
    }
}

impl Course {
    /// Brings the nodes of all ranks together: `received` has those of the others and then this rank's but
    /// the last, which is at home, or else where the mean is to be.
    fn join<F: Scalar>(
        &self,
        rank: usize,
        (received, mut at_home): (&mut [F], Option<&[F]>),
        into: &mut [F],
    ) {
        let (len, all) = (into.len(), self.counts.iter().sum::<usize>());
        let (first, mine) = (self.counts[..rank].iter().sum::<usize>(), self.counts[rank]);
        let place = |node: usize| match node {
            node if node < first => Some(node),
            node if node + 1 < first + mine => Some(all - mine + node - first),
            node if node < first + mine => None,
            node => Some(node - mine),
        };
        let mut places: Vec<Option<usize>> = (0..all).map(place).collect();
        for &(a, b, share) in &self.joins {
            match (places[a], places[b]) {
                (Some(from), None) => {
                    let from = &received[from * len..][..len];
                    match at_home.take() {
                        Some(own) => blend_to(from, own, into, share),
                        None => blend_into(from, into, share),
                    }
                    places[a] = None;
                }
                (None, Some(b)) => {
                    let to = &received[b * len..][..len];
                    match at_home.take() {
                        Some(own) => blend_to(own, to, into, share),
                        None => blend(into, to, share),
                    }
                }
                (Some(a), Some(b)) if a < b => {
                    let (left, right) = received.split_at_mut(b * len);
                    blend(&mut left[a * len..][..len], &right[..len], share);
                }
                (Some(a), Some(b)) => {
                    let (left, right) = received.split_at_mut(a * len);
                    blend(&mut right[..len], &left[b * len..][..len], share);
                }
                // No two nodes are at one place.
                (None, None) => {}
            }
        }
        if let Some(own) = at_home {
            into.copy_from_slice(own);
        }
    }
}

/// Elements of each rank that are moved at once: few enough to lie in a cache, and so many that the time
/// to begin a message does not count. Where memory is to be saved, buffers are a small part of all.
pub(super) fn bucket(elements: usize, ranks: usize, target: Target) -> usize {
    let part = match target {
        Target::All => elements / 8,
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
