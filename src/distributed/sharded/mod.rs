//! A part of the state and of the update on each rank.

mod others;
mod parts;
mod rows;
mod saved;
mod shape;

use std::ops::Range;

use super::agree::agree;
use super::communicator::Communicator;
use super::exchange::{Exchange, Shard, Taken};
use super::overlap::ByLeaf;
use super::plan::Split;
use super::rounds::Target;
use crate::error::{Error, ErrorKind};
use crate::optimizer::{Call, Optimizer, StepInfo, forward, standing, step_agreed};
use crate::params::{Gradients, Params, ParamsMut, Snapshot};
use crate::scalar::Scalar;
use crate::state::State;
use others::Asked;
use parts::{Parts, own_to_all};

const NAME: &str = "Sharded";

/// An optimizer whose state is split over ranks: each has a part of it and updates a part of the
/// parameters.
///
/// It is called as [`DataParallel`](super::DataParallel) is, and takes the same steps, to the last bit:
/// those of one process, with any rule, clipping, groups and averages. Instead of all of the mean
/// gradient, each rank gets its part of it, takes its part of the step, and the parts of the parameters
/// go round (Rajbhandari et al., "ZeRO: memory optimizations toward training trillion parameter models",
/// 2020, stage 1). What is sent is the same; beside parameters and gradients a rank needs 1/R of the
/// state, of the mean gradient and of a copy of the parameters: for Adam in `f32` 8 + 16/R bytes an
/// element instead of 20.
///
/// How leaves are split says [`Split`]: by elements, unless something needs whole leaves, or as
/// [`split`](Self::split) says. The parameters' arrays that leave gaps in memory are summed in another
/// order where a norm is taken: it is then that of one process within 1e-15.
///
/// What is inside is an optimizer of a rule, or by whole leaves [`Muon`](crate::Muon) or a
/// [`Leafwise`](crate::Leafwise); other wrappers go around a `Sharded`.
///
/// Gradients may be of 16 bits; parameters are full numbers.
///
/// [`gather_state`](Self::gather_state) brings the state of one process together, which goes on with any
/// number of ranks, any split, or without a wrapper; [`state`](Optimizer::state) is this rank's part.
///
/// ```
/// use ndarray::{Array1, Array2};
/// use thalweg::distributed::{Communicator, Sharded, Threads, on_first};
/// use thalweg::{AdamW, Optimizer};
///
/// let train = |ranks: Threads| {
///     let adamw = AdamW::new(1e-2).clip_norm(1.0).group("1", |bias| bias.weight_decay(0.0));
///     let mut optimizer = Sharded::new(adamw, ranks).shards(4);
///     let mut w = (Array2::<f32>::ones((60, 50)), Array1::<f32>::ones(50));
///     for _ in 0..3 {
///         for shard in optimizer.own() {
///             let g = (&w.0 * (shard + 1) as f32, &w.1 * 0.5);
///             optimizer.step(&mut w, &g)?;
///         }
///     }
///     Ok((w, optimizer.gather_state()?))
/// };
/// let alone = Threads::run(1, train)?.remove(0);
/// assert!(Threads::run(3, train)?.iter().all(|run| *run == alone)); // bit for bit
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sharded<F: Scalar, O, C> {
    inner: O,
    ranks: C,
    split: Option<Split>,
    exchange: Exchange<F>,
    /// What of parameters and gradients is this rank's.
    parts: Option<Parts<F>>,
    /// Whether the optimizer inside has a state of whole leaves, of which a part is to be kept.
    is_whole: bool,
}

impl<F: Scalar, O: Optimizer<F>, C: Communicator> Sharded<F, O, C> {
    /// Steps of `inner`, split over the ranks.
    pub fn new(inner: O, ranks: C) -> Self {
        Self {
            inner,
            ranks,
            split: None,
            exchange: Exchange::new(Split::Elements).taking_rows(),
            parts: None,
            is_whole: false,
        }
    }

    /// Sets S, the number of shards of a batch; at least the number of ranks.
    #[must_use]
    pub fn shards(mut self, shards: usize) -> Self {
        self.exchange.set_shards(shards);
        self
    }

    /// Sets how leaves are split. What cannot be split by elements is an error of the first step.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::distributed::{Sharded, Solo, Split};
    /// use thalweg::{Muon, Optimizer};
    /// let mut optimizer = Sharded::new(Muon::new(0.02), Solo).split(Split::Elements);
    /// let error = optimizer.step(&mut array![[1.0]], &array![[1.0]]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "an orthogonalized matrix (`Muon`) cannot be split by elements; use `Split::Leaves`"
    /// );
    /// ```
    #[must_use]
    pub fn split(mut self, split: Split) -> Self {
        self.split = Some(split);
        self
    }

    /// The shards of every batch that are this rank's.
    pub fn own(&self) -> Range<usize> {
        self.exchange.own(&self.ranks)
    }

    /// The ranks.
    pub fn ranks(&self) -> &C {
        &self.ranks
    }

    /// The optimizer inside, which has a part of the state.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// As [`step`](Optimizer::step), for a shard of that weight: see
    /// [`DataParallel::step_weighted`](super::DataParallel::step_weighted).
    ///
    /// # Errors
    /// As there.
    pub fn step_weighted(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        weight: f64,
    ) -> Result<StepInfo, Error> {
        self.take(params, Shard { grads: Ok(grads), weight, loss: None }, true)
    }

    /// As [`step_weighted`](Self::step_weighted), with the shard's loss: see
    /// [`DataParallel::step_weighted_with_loss`](super::DataParallel::step_weighted_with_loss).
    ///
    /// # Errors
    /// As there.
    pub fn step_weighted_with_loss(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        weight: f64,
        loss: f64,
    ) -> Result<StepInfo, Error> {
        self.take(params, Shard { grads: Ok(grads), weight, loss: Some(loss) }, true)
    }

    /// In the place of [`step`](Optimizer::step), where there is no gradient for a shard, but an error:
    /// see [`DataParallel::refuse`](super::DataParallel::refuse).
    ///
    /// # Errors
    /// That error, or that of a lower rank, at the last of this rank's shards.
    pub fn refuse(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        error: Error,
    ) -> Result<StepInfo, Error> {
        self.take(params, Shard { grads: Err(&error), weight: 0.0, loss: None }, true)
    }

    fn take(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        shard: Shard<'_, F>,
        averages: bool,
    ) -> Result<StepInfo, Error> {
        let split = self.choose();
        if let Taken::Waits = self.exchange.take(&self.ranks, &*params, shard) {
            return Ok(StepInfo { accumulating: true, ..standing(&self.inner) });
        }
        let local = split.and_then(|()| self.inner.validate()).and_then(|()| self.inner.ready());
        let local = local.and_then(|()| self.open(&*params));
        let agreed = self.exchange.agree(&self.ranks, &self.inner, &*params, shard, local);
        let info = agreed.and_then(|()| self.step_parts(params, shard, averages));
        self.end(info)
    }

    /// Ends a step, however it came out.
    fn end(&mut self, info: Result<StepInfo, Error>) -> Result<StepInfo, Error> {
        if info.as_ref().is_ok_and(|info| !info.skipped) {
            self.exchange.settle();
        }
        self.exchange.clear();
        if self.exchange.plan.is_none() {
            self.parts = None;
        }
        info
    }

    /// Finds out how leaves are split, before they are.
    fn choose(&mut self) -> Result<(), Error> {
        if self.exchange.plan.is_some() {
            return Ok(());
        }
        let name = self.inner.name();
        let Some(partwise) = self.inner.partwise() else {
            return Err(ErrorKind::NotSplittable { optimizer: name }.into());
        };
        let splittable = partwise.assert_splittable();
        let split = match self.split {
            Some(Split::Elements) => splittable.map(|()| Split::Elements)?,
            None if splittable.is_ok() => Split::Elements,
            _ => Split::Leaves,
        };
        let by_index = split == Split::Elements && partwise.is_by_index();
        self.exchange.set_split(split, by_index);
        Ok(())
    }

    /// The step, once all ranks agree on it.
    fn step_parts(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        shard: Shard<'_, F>,
        averages: bool,
    ) -> Result<StepInfo, Error> {
        let Self { inner, ranks, exchange, parts: Some(parts), .. } = self else {
            return Err(ErrorKind::NoLeaves.into());
        };
        exchange.reduce(ranks, shard, Target::Part, parts.grads.arrays_mut())?;
        parts.rows.clear();
        if !exchange.course.of_rows.is_empty() {
            let (rows, split) = (exchange.reduce_rows(ranks)?, exchange.split());
            let (Some(plan), Some(partwise)) = (&exchange.plan, inner.partwise()) else {
                return Err(ErrorKind::NoLeaves.into());
            };
            let is_alone = |leaf: &str| partwise.moves_rows_alone(leaf);
            parts.take_rows(plan, ranks.rank(), split, rows, is_alone);
        }
        self.along(params, averages)
    }

    /// The step along this rank's part of the mean.
    fn along(&mut self, params: &mut dyn ParamsMut<F>, averages: bool) -> Result<StepInfo, Error> {
        let Self { inner, ranks, exchange, parts: Some(parts), .. } = self else {
            return Err(ErrorKind::NoLeaves.into());
        };
        let (split, Some(plan)) = (exchange.split(), &exchange.plan) else {
            return Err(ErrorKind::NoLeaves.into());
        };
        parts.read(plan, ranks.rank(), &*params)?;
        let name = inner.name();
        let Some(partwise) = inner.partwise() else {
            return Err(ErrorKind::NotSplittable { optimizer: name }.into());
        };
        let Parts { params: own, grads, rows } = parts;
        let call = Call { averages, loss: exchange.course.loss };
        let mut asked = Asked { ranks, plan, is_split: split == Split::Elements, grads, rows };
        let info = step_agreed(partwise, own, grads, call, &mut asked)?;
        if !info.skipped {
            let (active, gathered) = (&exchange.course.active, &mut exchange.buffers.gathered);
            own_to_all(ranks, plan, active, (own, rows), params, gathered)?;
        }
        Ok(info)
    }
}

/// Gradients leaf by leaf, exchanged while others are still being computed.
impl<F: Scalar, O: Optimizer<F>, C: Communicator + Clone + 'static> Sharded<F, O, C> {
    /// Begins the last of this rank's shards: see [`DataParallel::begin`](super::DataParallel::begin).
    ///
    /// # Errors
    /// As there.
    pub fn begin(
        &mut self,
        params: &dyn Params<F>,
        weight: f64,
    ) -> Result<ByLeaf<'_, F, Self>, Error> {
        self.begin_by(params, weight, None)
    }

    /// As [`begin`](Self::begin), with the loss of the shard.
    ///
    /// # Errors
    /// As there.
    pub fn begin_with_loss(
        &mut self,
        params: &dyn Params<F>,
        weight: f64,
        loss: f64,
    ) -> Result<ByLeaf<'_, F, Self>, Error> {
        self.begin_by(params, weight, Some(loss))
    }

    fn begin_by(
        &mut self,
        params: &dyn Params<F>,
        weight: f64,
        loss: Option<f64>,
    ) -> Result<ByLeaf<'_, F, Self>, Error> {
        let local = self.choose();
        let shard = Shard { grads: Ok(params), weight, loss };
        self.exchange.take_last(&self.ranks, params, shard)?;
        let local = local.and_then(|()| self.inner.validate()).and_then(|()| self.inner.ready());
        let local = local.and_then(|()| self.open(params));
        self.exchange.agree(&self.ranks, &self.inner, params, shard, local)?;
        let Some(parts) = &mut self.parts else { return Err(ErrorKind::NoLeaves.into()) };
        // The thread has it until `finish`.
        let grads = std::mem::replace(&mut parts.grads, Gradients::of(Snapshot::none()));
        let work = self.exchange.lend(Target::Part, grads.take_arrays())?;
        let ranks = self.ranks.clone();
        ByLeaf::begin(self, ranks, work)
    }
}

impl<F: Scalar, O: Optimizer<F>, C: Communicator> ByLeaf<'_, F, Sharded<F, O, C>> {
    /// Waits for the exchange, and steps.
    ///
    /// # Errors
    /// As [`step`](Optimizer::step); [`ErrorKind::Leaves`] names leaves whose gradients were not handed
    /// in.
    pub fn finish(self, params: &mut dyn ParamsMut<F>) -> Result<StepInfo, Error> {
        let (optimizer, work, complete) = self.end()?;
        optimizer.exchange.take_back(work.nodes, work.buffers);
        if let Some(parts) = &mut optimizer.parts {
            parts.grads = Gradients::of(work.mean);
            parts.rows.clear();
        }
        let (ranks, marks) = (&optimizer.ranks, complete.map(|()| []));
        let agreed = agree(ranks, marks, &[], &vec![0; ranks.size()]);
        let info = agreed.and_then(|_| optimizer.along(params, true));
        optimizer.end(info)
    }
}

crate::optimizer::display!([O: Optimizer<F>, C: Communicator] Sharded<F, O, C>);

impl<F: Scalar, O: Optimizer<F>, C: Communicator> Optimizer<F> for Sharded<F, O, C> {
    forward!(self, self.inner; rates treatment steps validate ready skipped);

    /// A call for one of this rank's shards: all ranks make one for each of theirs.
    ///
    /// # Errors
    /// As [`DataParallel`](super::DataParallel)'s; [`ErrorKind::NeedsWholeLeaves`] and
    /// [`ErrorKind::NotSplittable`] for what is inside.
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        self.take(params, Shard { grads: Ok(grads), weight: 1.0, loss: None }, true)
    }

    fn step_with_loss(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: f64,
    ) -> Result<StepInfo, Error> {
        self.take(params, Shard { grads: Ok(grads), weight: 1.0, loss: Some(loss) }, true)
    }

    fn step_before_average(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: Option<f64>,
    ) -> Result<StepInfo, Error> {
        self.take(params, Shard { grads: Ok(grads), weight: 1.0, loss }, false)
    }

    fn average_again(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        let (Some(parts), Some(plan)) = (&mut self.parts, &self.exchange.plan) else {
            return Ok(());
        };
        parts.rows.clear();
        parts.read(plan, self.ranks.rank(), &*params)?;
        self.inner.average_again(&mut parts.params)
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.exchange.forget();
        (self.parts, self.is_whole) = (None, false);
        if let Some(partwise) = self.inner.partwise() {
            partwise.set_wholes(None);
        }
    }

    fn name(&self) -> &'static str {
        NAME
    }

    /// All ranks call it.
    fn swap_average(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        let opened = self.choose();
        let opened = opened.and_then(|()| self.exchange.open(&self.ranks, &*params));
        let opened = opened.and_then(|()| self.open(&*params));
        let Self { inner, ranks, exchange, parts, .. } = self;
        let read = opened.and_then(|()| match (&mut *parts, &exchange.plan) {
            (Some(parts), Some(plan)) => {
                parts.rows.clear();
                parts.read(plan, ranks.rank(), &*params)
            }
            _ => Ok(()),
        });
        agree(ranks, read.map(|()| []), &[], &vec![0; ranks.size()])?;
        let (Some(parts), Some(plan)) = (parts, &exchange.plan) else { return Ok(()) };
        inner.swap_average(&mut parts.params)?;
        let all = vec![true; plan.places.len()];
        let gathered = &mut exchange.buffers.gathered;
        own_to_all(ranks, plan, &all, (&parts.params, &[]), params, gathered)
    }

    /// The state of this rank's part: it goes on with the same rank of as many.
    fn state(&self) -> State {
        self.own_state()
    }

    /// Takes the state of one process, as [`gather_state`](Sharded::gather_state) brings it together, or
    /// this rank's own.
    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.load(state)
    }
}
