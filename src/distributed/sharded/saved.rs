//! The state of one process, cut into parts and brought together.

use std::sync::Arc;

use super::super::agree::{Hash, agree, gather};
use super::super::communicator::Communicator;
use super::super::plan::{Plan, Split};
use super::super::rounds::{Target, bucket, gather_round};
use super::shape::shape_of;
use super::{NAME, Sharded};
use crate::error::{Error, ErrorKind};
use crate::optimizer::{Optimizer, Wholes};
use crate::scalar::Scalar;
use crate::state::{LeafRecord, Numbers, Record, State, invalid, unexpected};

impl State {
    /// A rank's part of the state of one process.
    pub(super) fn cut<F: Scalar>(
        &self,
        plan: &Plan,
        rank: usize,
        split: Split,
    ) -> Result<Self, Error> {
        self.check_roster(&plan.roster)?;
        self.map_leaves(&mut |leaf: &LeafRecord| {
            let Some(at) = plan.roster.index_of(&leaf.name) else {
                return Err(unexpected(format!("the leaf `{}`", leaf.name)));
            };
            let place = &plan.places[at];
            let mut cut = LeafRecord {
                name: leaf.name.clone(),
                shape: shape_of(plan, at, rank, split),
                arrays: Default::default(),
            };
            for (name, numbers) in &leaf.arrays {
                if numbers.own_shape().is_some() {
                    if split == Split::Elements {
                        let problem = "is no array of elements".to_owned();
                        return Err(invalid(format!("`{name}` of leaf `{}`", leaf.name), problem));
                    }
                    let is_own = cut.shape == plan.roster.entries()[at].shape;
                    let none = || Numbers::shaped(&[], Vec::<F>::new());
                    let own = if is_own { numbers.clone() } else { none() };
                    cut.arrays.insert(name.clone(), own);
                    continue;
                }
                let whole = leaf.array::<F>(name, numbers)?;
                if whole.shape() != plan.roster.entries()[at].shape {
                    let problem = format!("has shape {:?}", whole.shape());
                    return Err(invalid(format!("`{name}` of leaf `{}`", leaf.name), problem));
                }
                let numbers = match split {
                    Split::Elements => {
                        let mut part = vec![F::zero(); place.of(rank).len()];
                        place.read(&whole, place.of(rank), &mut part);
                        numbers.alike(part)
                    }
                    // Whole leaves are in the state as they are.
                    Split::Leaves if cut.shape == whole.shape() => numbers.clone(),
                    Split::Leaves => numbers.alike(Vec::<F>::new()),
                };
                cut.arrays.insert(name.clone(), numbers);
            }
            Ok(cut)
        })
    }
}

/// An array of a leaf, from the parts of all ranks, which begin at those bounds.
fn joined<F: Scalar>(
    ranks: &dyn Communicator,
    bounds: &[usize],
    own: &[F],
) -> Result<Vec<F>, Error> {
    let (rank, size) = (ranks.rank(), ranks.size());
    let part = |rank: usize| bounds[rank]..bounds[rank + 1];
    let mut whole = vec![F::zero(); bounds[size]];
    let longest = (0..size).map(|rank| part(rank).len()).max().unwrap_or(0);
    let step = bucket(usize::MAX, size, Target::Part);
    let mut all = Vec::new();
    for start in (0..longest).step_by(step) {
        let within = |rank: usize| {
            let part = part(rank);
            (part.start + start).min(part.end)..(part.start + start + step).min(part.end)
        };
        let lens: Vec<usize> = (0..size).map(|rank| within(rank).len()).collect();
        let own_start = within(rank).start - bounds[rank];
        gather_round(ranks, &lens, &own[own_start..own_start + lens[rank]], &mut all)?;
        let mut rest = &all[..];
        for rank in 0..size {
            let (from, after) = rest.split_at(lens[rank]);
            whole[within(rank)].copy_from_slice(from);
            rest = after;
        }
    }
    Ok(whole)
}

/// An array in a shape of its own, which one rank has, if any.
fn of_owner<F: Scalar>(ranks: &dyn Communicator, own: &Numbers) -> Result<Numbers, Error> {
    let values = own.as_slice::<F>().unwrap_or_default();
    let shape = own.own_shape().filter(|_| !values.is_empty()).unwrap_or_default();
    let shape: Vec<u64> = shape.iter().map(|&len| len as u64).collect();
    // What each rank has: how many elements, and how many axes.
    let sizes = [values.len() as u64, shape.len() as u64];
    let sizes = gather(ranks, &sizes, &vec![2; ranks.size()])?;
    let (sizes, _) = sizes.as_chunks::<2>();
    let axes: Vec<usize> = sizes.iter().map(|&[_, axes]| axes as usize).collect();
    let shape = gather(ranks, &shape, &axes)?;
    let mut bounds = vec![0];
    for &[len, _] in sizes {
        bounds.push(bounds[bounds.len() - 1] + len as usize);
    }
    let shape: Vec<usize> = shape.into_iter().map(|len| len as usize).collect();
    Ok(Numbers::shaped(&shape, joined(ranks, &bounds, values)?))
}

impl<F: Scalar, O: Optimizer<F>, C: Communicator> Sharded<F, O, C> {
    /// The state of one process, brought together on every rank; all ranks call it.
    ///
    /// It is that of the optimizer inside, without this wrapper: it can be loaded by one, by a `Sharded`
    /// of any number of ranks and any split, or by a [`DataParallel`](super::super::DataParallel). Shards
    /// that wait are not in it. One rank writes it, as [`on_first`](super::super::on_first) does.
    ///
    /// # Errors
    /// [`ErrorKind::RanksDiffer`](crate::ErrorKind::RanksDiffer),
    /// [`ErrorKind::Transport`](crate::ErrorKind::Transport).
    pub fn gather_state(&self) -> Result<State, Error> {
        let ranks: &dyn Communicator = &self.ranks;
        let own = self.inner.state();
        // Before the first step there is no part of anything.
        let plan = self.exchange.plan.as_ref().filter(|_| self.parts.is_some() && !self.is_whole);
        let mut names = Hash::new().number(u64::from(plan.is_some())).number(self.inner.steps());
        own.map_leaves(&mut |leaf| {
            let arrays = leaf.arrays.keys();
            names = arrays.fold(names.bytes(leaf.name.as_bytes()), |h, n| h.bytes(n.as_bytes()));
            Ok(LeafRecord { arrays: Default::default(), ..leaf.clone() })
        })?;
        let marks = [("the states", names.value())];
        agree(ranks, Ok(marks), &[], &vec![0; ranks.size()])?;
        let Some(plan) = plan else { return Ok(own) };
        own.map_leaves(&mut |leaf: &LeafRecord| {
            let Some(at) = plan.roster.index_of(&leaf.name) else {
                return Err(unexpected(format!("the leaf `{}`", leaf.name)));
            };
            let (place, shape) = (&plan.places[at], &plan.roster.entries()[at].shape);
            let mut whole = LeafRecord {
                name: leaf.name.clone(),
                shape: shape.clone(),
                arrays: Default::default(),
            };
            for (name, numbers) in &leaf.arrays {
                if numbers.own_shape().is_some() {
                    whole.arrays.insert(name.clone(), of_owner::<F>(ranks, numbers)?);
                    continue;
                }
                let part = numbers.decoded::<F>().unwrap_or_default();
                let all = joined(ranks, &place.bounds, &part)?;
                let all = match self.exchange.split() {
                    Split::Elements => {
                        let all = place.order.logical(&all, shape);
                        all.map(|all| numbers.alike(all.iter().copied().collect::<Vec<F>>()))
                    }
                    Split::Leaves => Some(numbers.alike(all)),
                };
                whole.arrays.extend(all.map(|all| (name.clone(), all)));
            }
            Ok(whole)
        })
    }

    fn record(&self) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.count("rank", self.ranks.rank() as u64);
        record.count("ranks", self.ranks.size() as u64);
        let split = self.exchange.plan.as_ref().map(|_| self.exchange.split());
        record.text("split", split.map_or("none".to_owned(), |split| format!("{split:?}")));
        for entry in self.exchange.plan.iter().flat_map(|plan| plan.roster.entries()) {
            record.leaf(&entry.name, &entry.shape);
        }
        record
    }

    pub(super) fn own_state(&self) -> State {
        if self.parts.is_none() || self.is_whole {
            // There is no part of anything yet.
            return self.inner.state();
        }
        self.inner.state().around(self.record())
    }

    pub(super) fn load(&mut self, state: &State) -> Result<(), Error> {
        if let Ok(record) = state.record::<F>(NAME) {
            return self.load_own(record, state);
        }
        match (&self.exchange.plan, &self.parts, self.inner.partwise()) {
            (Some(plan), Some(_), Some(partwise)) => {
                let cut = state.cut::<F>(plan, self.ranks.rank(), self.exchange.split())?;
                partwise.load_parts(&cut)?;
                self.is_whole = false;
            }
            (_, _, partwise) => {
                // The leaves are not known yet: the first step keeps what is this rank's.
                if let Some(partwise) = partwise {
                    partwise.set_wholes(None);
                    partwise.load_parts(state)?;
                }
                self.is_whole = true;
            }
        }
        self.exchange.clear();
        Ok(())
    }

    /// Goes on from this rank's own part.
    fn load_own(&mut self, record: &Record, state: &State) -> Result<(), Error> {
        record.compare_count("rank", self.ranks.rank() as u64)?;
        record.compare_count("ranks", self.ranks.size() as u64)?;
        let split = record.get_text("split")?;
        let known = [Split::Elements, Split::Leaves];
        let Some(split) = known.into_iter().find(|known| format!("{known:?}") == split) else {
            return Err(invalid("`split`".to_owned(), format!("is `{split}`")));
        };
        if let Some(plan) = &self.exchange.plan {
            record.compare_text("split", &format!("{:?}", self.exchange.split()))?;
            record.places(&plan.roster)?;
        }
        let inner = state.inner()?;
        let leaves = record.leaves().map(|(name, shape)| (name.to_owned(), shape.to_vec()));
        let wholes: Wholes = leaves.collect();
        let name = self.inner.name();
        let Some(partwise) = self.inner.partwise() else {
            return Err(ErrorKind::NotSplittable { optimizer: name }.into());
        };
        if split == Split::Elements {
            partwise.assert_splittable()?;
        }
        partwise.set_wholes(Some(Arc::new(wholes)));
        partwise.load_parts(&inner)?;
        self.is_whole = false;
        self.exchange.clear();
        Ok(())
    }
}
