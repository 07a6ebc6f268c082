//! Gradients of shards become the mean of all shards, a piece on each rank.

use std::ops::Range;

use super::agree::{Hash, Mark, agree};
use super::around::{check_weight, mark_of_values, shards_of};
use super::communicator::Communicator;
use super::overlap::Work;
use super::plan::{Piece, Plan, Split};
use super::rounds::{Buffers, Course, Node, Source, Target, rounds};
use super::rows::gather_rows;
use crate::error::{Error, ErrorKind, Tree};
use crate::mean::{are_branches, between, blend, joins, nodes_within, share};
use crate::optimizer::Optimizer;
use crate::params::{Leaf, Params, Room, Snapshot, Summed, Taken as TakenRows};
use crate::scalar::Scalar;

/// What becomes of a call with a shard.
pub(super) enum Taken {
    /// OtherRanks of this rank's are to come.
    Waits,
    /// It was the last.
    Last,
}

/// The gradients of this rank's shards on their way into the mean.
#[derive(Debug, Clone)]
pub(super) struct Exchange<F> {
    /// How many shards a batch has; as many as ranks unless set.
    shards: Option<usize>,
    split: Split,
    by_index: bool,
    pub(super) plan: Option<Plan>,
    /// Whether a step was taken with that plan.
    is_settled: bool,
    /// Whether gradients may be of rows.
    takes_rows: bool,
    /// Whether parameters may be of 16 bits.
    takes_sixteen: bool,
    /// The rows of the last shard, and of which leaves all shards of this step have rows.
    rows: TakenRows<F>,
    of_rows: Vec<bool>,
    /// Own shards that were taken, and the first error among them.
    taken: usize,
    trouble: Option<Error>,
    nodes: Vec<Node<F>>,
    free: Vec<Vec<F>>,
    /// Of this step, once ranks agree.
    pub(super) course: Course,
    pub(super) buffers: Buffers<F>,
}

/// Numbers of a node that ranks tell each other: weight, loss, and whether there is one.
pub(super) const TOLD: usize = 3;

/// What ranks compare before a step; one that has nothing but an error tells as many.
pub(super) const MARKS: usize = 7;

/// The nodes that the last shard is brought together with and at which share; weight and loss of all.
type Chain = (Vec<(usize, f64)>, f64, Option<f64>);

/// A call with a shard: where its gradients are, or why there are none.
#[derive(Clone, Copy)]
pub(super) struct Shard<'g, F: Scalar> {
    pub(super) grads: Result<&'g dyn Params<F>, &'g Error>,
    pub(super) weight: f64,
    /// The loss, where it is known.
    pub(super) loss: Option<f64>,
}

/// The mean of two losses; a share of 0 or 1 is that of one alone.
fn mean_loss(from: Option<f64>, to: Option<f64>, share: f64) -> Option<f64> {
    match share {
        0.0 => from,
        1.0 => to,
        share => Some(between(from?, to?, share)),
    }
}

impl<F: Scalar> Exchange<F> {
    pub(super) fn new(split: Split) -> Self {
        Self {
            shards: None,
            split,
            by_index: false,
            plan: None,
            is_settled: false,
            takes_rows: false,
            takes_sixteen: false,
            rows: TakenRows::default(),
            of_rows: Vec::new(),
            taken: 0,
            trouble: None,
            nodes: Vec::new(),
            free: Vec::new(),
            course: Course::default(),
            buffers: Buffers::default(),
        }
    }

    /// The same, of gradients that may be of rows.
    pub(super) fn taking_rows(mut self) -> Self {
        self.takes_rows = true;
        self
    }

    /// The same, of parameters that may be of 16 bits.
    pub(super) fn taking_sixteen(mut self) -> Self {
        self.takes_sixteen = true;
        self
    }

    pub(super) fn set_shards(&mut self, shards: usize) {
        self.shards = Some(shards);
    }

    /// `by_index` says whether leaves are split in the order of their index rather than that of memory.
    pub(super) fn set_split(&mut self, split: Split, by_index: bool) {
        (self.split, self.by_index) = (split, by_index);
        self.plan = None;
    }

    pub(super) fn split(&self) -> Split {
        self.split
    }

    pub(super) fn shards(&self, ranks: &dyn Communicator) -> usize {
        self.shards.unwrap_or(ranks.size())
    }

    /// The shards of this rank; where there are fewer than ranks, one, so that every rank hears of it.
    pub(super) fn own(&self, ranks: &dyn Communicator) -> Range<usize> {
        let shards = self.shards(ranks);
        if shards < ranks.size() { 0..1 } else { shards_of(ranks.rank(), ranks.size(), shards) }
    }

    /// Finds out the leaves, where no step has.
    pub(super) fn open(
        &mut self,
        ranks: &dyn Communicator,
        params: &dyn Params<F>,
    ) -> Result<(), Error> {
        if self.plan.is_none() {
            self.plan = Some(Plan::in_order(params, ranks.size(), self.split, self.by_index)?);
            self.is_settled = false;
        }
        Ok(())
    }

    /// Takes a shard. What is wrong with it is said by [`agree`](Self::agree), on all ranks.
    pub(super) fn take(
        &mut self,
        ranks: &dyn Communicator,
        params: &dyn Params<F>,
        shard: Shard<'_, F>,
    ) -> Taken {
        let own = self.own(ranks);
        let checked = match self.trouble {
            None => self.check(ranks, params, shard),
            Some(_) => Ok(()),
        };
        if let Err(error) = checked {
            self.trouble.get_or_insert(error);
        }
        let at = own.start + self.taken;
        self.taken += 1;
        if self.taken >= own.len() {
            return Taken::Last;
        }
        if let (None, Ok(grads)) = (&self.trouble, shard.grads) {
            self.add(self.shards(ranks), at, grads, shard);
        }
        Taken::Waits
    }

    /// As [`take`](Self::take), of the last shard alone.
    pub(super) fn take_last(
        &mut self,
        ranks: &dyn Communicator,
        params: &dyn Params<F>,
        shard: Shard<'_, F>,
    ) -> Result<(), Error> {
        if self.taken + 1 < self.own(ranks).len() {
            let what = "shards before the last are for `step`; `begin` takes the last alone";
            return Err(ErrorKind::OutOfTurn { what }.into());
        }
        self.take(ranks, params, shard);
        Ok(())
    }

    fn check(
        &mut self,
        ranks: &dyn Communicator,
        params: &dyn Params<F>,
        shard: Shard<'_, F>,
    ) -> Result<(), Error> {
        let (shards, size) = (self.shards(ranks), ranks.size());
        if shards < size {
            let allowed = "a number of at least that of the ranks";
            return Err(Error::hyperparameter("distributed", "shards", shards as f64, allowed));
        }
        let grads = shard.grads.map_err(Clone::clone)?;
        check_weight(shard.weight)?;
        self.open(ranks, params)?;
        if let Some(plan) = &self.plan {
            match self.takes_sixteen {
                true => plan.roster.meet_any(params, Tree::Parameters, |_, _| {})?,
                false => plan.roster.meet(params, Tree::Parameters, |_, _| {})?,
            }
            if !self.takes_rows {
                return plan.roster.meet(grads, Tree::Gradients, |_, _| {});
            }
            // The rows of a shard that weighs nothing do not count, whatever they are.
            self.rows.take(&plan.roster, grads, |_| shard.weight > 0.0)?;
            if self.taken == 0 {
                self.of_rows.clear();
                self.of_rows.extend(self.rows.of_rows());
            } else if let Some(leaf) =
                self.rows.of_rows().zip(&self.of_rows).position(|(a, b)| a != *b)
            {
                let leaf = plan.roster.entries()[leaf].name.clone();
                return Err(ErrorKind::WholeArrays { leaf }.into());
            }
        }
        Ok(())
    }

    /// Adds a shard that is not the last.
    fn add(&mut self, shards: usize, at: usize, grads: &dyn Params<F>, shard: Shard<'_, F>) {
        let Shard { weight, loss, .. } = shard;
        let Self { plan: Some(plan), nodes, free, rows, .. } = self else { return };
        let own = at..at + 1;
        let mut values = match nodes.last_mut() {
            Some(last) if are_branches(shards, &last.shards, &own) => {
                let part = share(last.weight, weight);
                (last.weight, last.shards.end) = (last.weight + weight, own.end);
                last.loss = mean_loss(last.loss, loss, part);
                // The leaves were met.
                let mut piece = Vec::new();
                let _ = plan.roster.meet_gradients(grads, |index, leaf| {
                    if leaf.rows().is_some() {
                        return;
                    }
                    let place = &plan.places[index];
                    let last = &mut last.values[place.start..place.start + place.len];
                    for (i, last) in last.chunks_mut(PIECE).enumerate() {
                        let range = i * PIECE..i * PIECE + last.len();
                        piece.resize(last.len(), F::zero());
                        place.read(leaf, range, &mut piece);
                        blend(last, &piece, part);
                    }
                });
                let new = rows.lend();
                blend_rows(&mut last.rows, &new, part, &mut rows.room);
                None
            }
            _ => Some(free.pop().unwrap_or_else(|| vec![F::zero(); plan.len])),
        };
        if let Some(values) = &mut values {
            let _ = plan.roster.meet_gradients(grads, |index, leaf| {
                if leaf.rows().is_none() {
                    let place = &plan.places[index];
                    let within = place.start..place.start + place.len;
                    place.read(leaf, 0..place.len, &mut values[within]);
                }
            });
        }
        let new = |values| Node { shards: own, weight, loss, values, rows: rows.lend() };
        nodes.extend(values.map(new));
        while let [.., left, right] = &mut nodes[..]
            && are_branches(shards, &left.shards, &right.shards)
        {
            let part = share(left.weight, right.weight);
            blend(&mut left.values, &right.values, part);
            blend_rows(&mut left.rows, &right.rows, part, &mut rows.room);
            left.loss = mean_loss(left.loss, right.loss, part);
            (left.weight, left.shards.end) = (left.weight + right.weight, right.shards.end);
            free.extend(nodes.pop().map(|node| node.values));
        }
    }

    /// Forgets the shards of this step.
    pub(super) fn clear(&mut self) {
        self.free.extend(self.nodes.drain(..).map(|node| node.values));
        self.of_rows.clear();
        (self.taken, self.trouble) = (0, None);
        if !self.is_settled {
            self.forget();
        }
    }

    /// Forgets the leaves.
    pub(super) fn forget(&mut self) {
        (self.plan, self.is_settled) = (None, false);
        self.nodes.clear();
        self.free.clear();
        (self.taken, self.trouble) = (0, None);
    }

    /// A step was taken: its leaves are those of all steps to come.
    pub(super) fn settle(&mut self) {
        self.is_settled = true;
    }

    /// Which nodes the last shard, the one at that place, is brought together with; weight and loss of what
    /// comes out.
    fn chain(&self, shards: usize, at: usize, last: Shard<'_, F>) -> Chain {
        let Shard { weight, mut loss, .. } = last;
        let (mut own, mut total, mut chain) = (at..at + 1, weight, Vec::new());
        for (i, node) in self.nodes.iter().enumerate().rev() {
            if !are_branches(shards, &node.shards, &own) {
                break;
            }
            let part = share(node.weight, total);
            chain.push((i, part));
            loss = mean_loss(node.loss, loss, part);
            (own.start, total) = (node.shards.start, total + node.weight);
        }
        (chain, total, loss)
    }

    /// That all is well on all ranks, and that they agree; `local` is what this rank finds beside its
    /// shards. After an error the shards are forgotten, on all ranks.
    pub(super) fn agree(
        &mut self,
        ranks: &dyn Communicator,
        optimizer: &dyn Optimizer<F>,
        params: &dyn Params<F>,
        shard: Shard<'_, F>,
        local: Result<(), Error>,
    ) -> Result<(), Error> {
        let agreed = self.agreed(ranks, optimizer, params, shard, local);
        agreed.inspect_err(|_| self.clear())
    }

    fn agreed(
        &mut self,
        ranks: &dyn Communicator,
        optimizer: &dyn Optimizer<F>,
        params: &dyn Params<F>,
        shard: Shard<'_, F>,
        local: Result<(), Error>,
    ) -> Result<(), Error> {
        let shards = self.shards(ranks);
        let marks = match self.trouble.take() {
            Some(error) => Err(error),
            None => local.and_then(|()| self.marks(shards, optimizer, params)),
        };
        let last = self.own(ranks).end - 1;
        let (chain, weight, loss) = self.chain(shards, last, shard);
        let apart = self.nodes.len() - chain.len();
        // Of each node weight, loss, and whether there is one.
        let told = |weight: f64, loss: Option<f64>| {
            [weight, loss.unwrap_or(0.0), f64::from(u8::from(loss.is_some()))]
        };
        let nodes = self.nodes[..apart].iter().map(|node| told(node.weight, node.loss));
        let mut own: Vec<f64> = nodes.chain([told(weight, loss)]).flatten().collect();
        let of = |rank| nodes_within(shards, shards_of(rank, ranks.size(), shards));
        let nodes: Vec<Vec<Range<usize>>> = (0..ranks.size()).map(of).collect();
        let counts: Vec<usize> = nodes.iter().map(Vec::len).collect();
        // An error of one rank may have kept it from adding up anything.
        own.resize(TOLD * counts[ranks.rank()], 0.0);
        let numbers: Vec<usize> = counts.iter().map(|count| TOLD * count).collect();
        let all = agree(ranks, marks, &own, &numbers)?;
        let (all, _) = all.as_chunks::<TOLD>();
        let of = |&[weight, loss, known]: &[f64; TOLD]| (weight, (known > 0.0).then_some(loss));
        let mut all: Vec<(f64, Option<f64>)> = all.iter().map(of).collect();
        self.course.joins.clear();
        for (a, b) in joins(shards, &nodes.concat()) {
            let ((weight, loss), (other, other_loss)) = (all[a], all[b]);
            let part = share(weight, other);
            self.course.joins.push((a, b, part));
            all[a] = (weight + other, mean_loss(loss, other_loss, part));
        }
        (self.course.chain, self.course.counts) = (chain, counts);
        self.course.loss = all.first().and_then(|&(_, loss)| loss);
        match all.first() {
            Some(&(weight, _)) if weight > 0.0 && weight.is_finite() => Ok(()),
            _ => Err(ErrorKind::EmptyBatch { owner: "distributed" }.into()),
        }
    }

    /// What must be the same on all ranks.
    fn marks(
        &mut self,
        shards: usize,
        optimizer: &dyn Optimizer<F>,
        params: &dyn Params<F>,
    ) -> Result<[Mark; MARKS], Error> {
        let Some(plan) = &self.plan else { return Err(ErrorKind::NoLeaves.into()) };
        let [leaves, layouts] = plan.marks(params)?;
        let treatments = plan.roster.entries().iter();
        let treatments = treatments.map(|entry| optimizer.treatment(&entry.name, &entry.shape));
        self.course.active.clear();
        self.course.active.extend(treatments.map(|treatment| treatment.trained));
        let treated =
            Hash::new().numbers(self.course.active.iter().map(|&active| u64::from(active)));
        self.course.of_rows.clear();
        self.course.arrays.clear();
        for (leaf, &active) in self.course.active.iter().enumerate() {
            let of_rows = self.of_rows.get(leaf).is_some_and(|of_rows| *of_rows);
            self.course.arrays.push(active && !of_rows);
            if active && of_rows {
                self.course.of_rows.push(leaf);
            }
        }
        let of_rows = Hash::new().numbers(self.course.of_rows.iter().map(|&leaf| leaf as u64));
        let values = if self.is_settled { 0 } else { mark_of_values(params) };
        Ok([
            ("the leaves", leaves),
            ("the memory layouts of the parameters", layouts),
            ("the frozen leaves", treated.value()),
            ("the leaves whose gradients are rows", of_rows.value()),
            ("the counts of shards", shards as u64),
            ("the counts of steps", optimizer.steps()),
            ("the parameters", values),
        ])
    }

    /// Makes the mean of all shards and brings it to where it goes.
    pub(super) fn reduce(
        &mut self,
        ranks: &dyn Communicator,
        shard: Shard<'_, F>,
        target: Target,
        mean: &mut Snapshot<F>,
    ) -> Result<(), Error> {
        let grads = shard.grads.map_err(Clone::clone)?;
        let Self { plan: Some(plan), nodes, course, buffers, .. } = self else {
            return Err(ErrorKind::NoLeaves.into());
        };
        let mut leaves = Leaves(plan.gradients(grads)?);
        rounds(ranks, (plan, course), nodes, (buffers, target), &mut leaves, mean)
    }

    /// The rows of the mean of all shards, of each leaf that has any, on all ranks.
    pub(super) fn reduce_rows(
        &mut self,
        ranks: &dyn Communicator,
    ) -> Result<Vec<(usize, Summed<F>)>, Error> {
        let Self { plan: Some(plan), nodes, course, rows, .. } = self else {
            return Err(ErrorKind::NoLeaves.into());
        };
        let apart = nodes.len() - course.chain.len();
        let mut own = Vec::new();
        for &leaf in &course.of_rows {
            let of = |node: &Node<F>| node.rows.get(leaf).cloned().flatten().unwrap_or_default();
            own.extend(nodes[..apart].iter().map(of));
            let mut last = rows.rows(leaf).cloned().unwrap_or_default();
            for &(i, share) in &course.chain {
                last.blend(&of(&nodes[i]), share, true, &mut rows.room);
            }
            own.push(last);
        }
        let shapes = course.of_rows.iter().map(|&leaf| &plan.roster.entries()[leaf].shape[..]);
        let all = gather_rows(ranks, &course.counts, &shapes.collect::<Vec<_>>(), &own)?;
        let joined = course.of_rows.iter().zip(all).map(|(&leaf, mut nodes)| {
            for &(a, b, share) in &course.joins {
                let other = std::mem::take(&mut nodes[b]);
                nodes[a].blend(&other, share, false, &mut rows.room);
            }
            (leaf, nodes.swap_remove(0))
        });
        Ok(joined.collect())
    }

    /// What a thread needs to do so, to which the last shard's gradients are handed leaf by leaf.
    pub(super) fn lend(&mut self, target: Target, mean: Snapshot<F>) -> Result<Work<F>, Error> {
        let Self { plan: Some(plan), nodes, course, buffers, .. } = self else {
            return Err(ErrorKind::NoLeaves.into());
        };
        let (plan, course) = (plan.clone(), course.clone());
        let (nodes, buffers) = (std::mem::take(nodes), std::mem::take(buffers));
        self.taken = 0;
        Ok(Work { plan, course, nodes, buffers, mean, target })
    }

    /// Takes back what the thread has worked with.
    pub(super) fn take_back(&mut self, nodes: Vec<Node<F>>, buffers: Buffers<F>) {
        (self.nodes, self.buffers) = (nodes, buffers);
    }
}

/// Gradients that are there.
struct Leaves<'g, F: Scalar>(Vec<&'g dyn Leaf<F>>);

impl<F: Scalar> Source<F> for Leaves<'_, F> {
    fn wait(&mut self, _leaf: usize) {}

    fn slice(&self, plan: &Plan, Piece { leaf, range }: &Piece) -> Option<&[F]> {
        plan.places[*leaf].slice(self.0[*leaf])?.get(range.clone())
    }

    fn read(&self, plan: &Plan, Piece { leaf, range }: &Piece, to: &mut [F]) {
        plan.places[*leaf].read(self.0[*leaf], range.clone(), to);
    }
}

/// Brings the rows of each leaf together.
fn blend_rows<F: Scalar>(
    to: &mut [Option<Summed<F>>],
    from: &[Option<Summed<F>>],
    share: f64,
    room: &mut Room<F>,
) {
    for (to, from) in to.iter_mut().zip(from) {
        if let (Some(to), Some(from)) = (to, from) {
            to.blend(from, share, false, room);
        }
    }
}

/// Elements of a leaf that are brought together at once.
const PIECE: usize = 1 << 12;
