//! The same step on all ranks, along the mean of all gradients.

use std::ops::Range;

use super::agree::agree;
use super::communicator::Communicator;
use super::exchange::{Exchange, Shard, Taken};
use super::overlap::ByLeaf;
use super::plan::Split;
use super::rounds::Target;
use crate::error::Error;
use crate::optimizer::{Call, Optimizer, StepInfo, forward, standing, step_by};
use crate::params::{Gradients, Params, ParamsMut, Snapshot};
use crate::scalar::Scalar;
use crate::state::State;

/// Any optimizer on many ranks, each of which has a part of every batch: all take the step of one process
/// along the mean of their gradients.
///
/// A batch has S [`shards`](Self::shards), by default one for each rank. Each rank calls
/// [`step`](Optimizer::step) for each of its [`own`](Self::own) shards with the gradient of the mean loss
/// over the shard's rows. Calls before the last report [`accumulating`](StepInfo::accumulating); the last
/// adds up the shards of all ranks, along a binary tree over the number of the shard, and steps. So the
/// bits depend on the number of shards alone: they are those of any number of ranks, and of
/// [`Accumulate`](crate::train::Accumulate) with S micro-batches. S should be a power of two that is a
/// multiple of the number of ranks, or more is sent.
///
/// A rank that has no gradient for a shard calls [`refuse`](Self::refuse) instead: its error is then
/// that of all ranks. So is the error of a call that has one on any rank, and nothing has changed on any
/// of them. The first step finds out whether all ranks have the same parameters.
///
/// Gradients of [rows](crate::params::Rows) are exchanged as rows: the step is along those that any shard has. All
/// shards of a step have rows of the same leaves.
///
/// With the feature `half`, parameters and gradients may be of 16 bits: the mean is of `f32`, and so is what travels.
///
/// Memory: the mean of the gradients beside what the optimizer inside has, and log₂(S/R) more where a rank
/// has several shards. A rank sends 2(R-1)/R times the gradients a step. Its [`state`](Optimizer::state)
/// is that of the optimizer inside: it goes on with any number of ranks, or without this wrapper. Shards
/// that wait are not in it.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::distributed::{DataParallel, Threads, rows_of};
/// use thalweg::{Adam, Optimizer};
///
/// let rows = [1.0, 2.0, 3.0, 6.0]; // the batch; the loss of a row is ½(w - row)²
/// let train = |ranks| {
///     let mut optimizer = DataParallel::new(Adam::new(0.1), ranks).shards(4);
///     let mut w = array![0.0];
///     for _ in 0..100 {
///         for shard in optimizer.own() {
///             let rows = &rows[rows_of(rows.len(), shard, 4)];
///             let gradient = array![w[0] - rows.iter().sum::<f64>() / rows.len() as f64];
///             optimizer.step(&mut w, &gradient)?;
///         }
///     }
///     Ok(w)
/// };
/// let alone = Threads::run(1, train)?.remove(0);
/// assert!((alone[0] - 3.0).abs() < 0.1);
/// assert!(Threads::run(4, train)?.iter().all(|w: &Array1<f64>| *w == alone)); // bit for bit
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DataParallel<F: Scalar, O, C> {
    inner: O,
    ranks: C,
    exchange: Exchange<F>,
    /// Of the gradients; its memory is kept.
    mean: Option<Gradients<F>>,
}

/// The step of the optimizer inside along the mean.
type Along<'s, F, O> = &'s mut dyn FnMut(
    &mut O,
    &mut dyn ParamsMut<F>,
    &Gradients<F>,
    Option<f64>,
) -> Result<StepInfo, Error>;

impl<F: Scalar, O: Optimizer<F>, C: Communicator> DataParallel<F, O, C> {
    /// Steps of `inner` on all ranks.
    pub fn new(inner: O, ranks: C) -> Self {
        let exchange = Exchange::new(Split::Elements).taking_rows().taking_sixteen();
        Self { inner, ranks, exchange, mean: None }
    }

    /// Sets S, the number of shards of a batch; at least the number of ranks.
    #[must_use]
    pub fn shards(mut self, shards: usize) -> Self {
        self.exchange.set_shards(shards);
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

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// The optimizer inside, to set its learning rate by: on all ranks alike.
    pub fn inner_mut(&mut self) -> &mut O {
        &mut self.inner
    }

    /// As [`step`](Optimizer::step), for a shard of that weight: its number of rows, or of tokens. In
    /// [0, ∞); the gradient of a shard whose weight is 0 does not count, whatever it is.
    ///
    /// # Errors
    /// As [`step`](Optimizer::step), and [`ErrorKind::EmptyBatch`](crate::ErrorKind::EmptyBatch) where
    /// all weights are 0.
    pub fn step_weighted(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        weight: f64,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, Shard { grads: Ok(grads), weight, loss: None }, true)
    }

    /// As [`step_weighted`](Self::step_weighted), with the shard's loss: the step is along the mean of
    /// the gradients, with the mean of the losses.
    ///
    /// # Errors
    /// As there, and as [`step_with_loss`](Optimizer::step_with_loss).
    pub fn step_weighted_with_loss(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        weight: f64,
        loss: f64,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, Shard { grads: Ok(grads), weight, loss: Some(loss) }, true)
    }

    /// In the place of [`step`](Optimizer::step), where there is no gradient for a shard, but an error.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::distributed::{Communicator, DataParallel, Threads};
    /// use thalweg::{Error, Optimizer, Sgd};
    /// let error = Threads::run(2, |ranks| {
    ///     let (rank, mut w) = (ranks.rank(), array![0.0]);
    ///     let mut optimizer = DataParallel::new(Sgd::new(0.1), ranks);
    ///     if rank == 1 {
    ///         optimizer.refuse(&mut w, Error::other("no data"))
    ///     } else {
    ///         optimizer.step(&mut w, &array![1.0])
    ///     }
    /// });
    /// assert_eq!(error.unwrap_err().to_string(), "rank 1: no data"); // on both
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// That error, or that of a lower rank, at the last of this rank's shards.
    pub fn refuse(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        error: Error,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, Shard { grads: Err(&error), weight: 0.0, loss: None }, true)
    }

    fn take_step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        shard: Shard<'_, F>,
        averages: bool,
    ) -> Result<StepInfo, Error> {
        self.take(params, shard, true, &mut |inner, params, mean, loss| {
            step_by(inner, params, mean, Call { averages, loss })
        })
    }

    fn take(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        shard: Shard<'_, F>,
        steps: bool,
        along: Along<'_, F, O>,
    ) -> Result<StepInfo, Error> {
        if let Taken::Waits = self.exchange.take(&self.ranks, &*params, shard) {
            return Ok(StepInfo { accumulating: true, ..standing(&self.inner) });
        }
        // A phase before the step is not a step; what it may not do it says itself.
        let ready = || if steps { self.inner.ready() } else { Ok(()) };
        let local = self.inner.validate().and_then(|()| ready());
        self.exchange.agree(&self.ranks, &self.inner, &*params, shard, local)?;
        let reduced = self.reduce(&*params, shard);
        self.along(params, reduced, along)
    }

    /// Brings the mean of all shards to all ranks.
    fn reduce(&mut self, params: &dyn Params<F>, shard: Shard<'_, F>) -> Result<(), Error> {
        let mut mean = self.room(params)?;
        let Self { exchange, ranks, .. } = self;
        let mut reduced = exchange.reduce(ranks, shard, Target::All, mean.arrays_mut());
        if reduced.is_ok() && !exchange.course.of_rows.is_empty() {
            reduced = exchange.reduce_rows(ranks).map(|all| {
                all.into_iter().for_each(|(leaf, rows)| mean.set(leaf, rows));
            });
        }
        self.mean = Some(mean);
        reduced
    }

    /// The memory of the mean, where those of frozen leaves are 0.
    fn room(&mut self, params: &dyn Params<F>) -> Result<Gradients<F>, Error> {
        let mut mean = match self.mean.take() {
            Some(mean) => mean,
            None => Gradients::of(Snapshot::zeros_of(params)?),
        };
        let active = self.exchange.course.active.iter();
        active.enumerate().filter(|(_, active)| !**active).for_each(|(leaf, _)| {
            mean.arrays_mut().slice_mut(leaf).fill(F::zero());
        });
        Ok(mean)
    }

    /// The step along the mean, or what has kept it from coming about.
    fn along(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        reduced: Result<(), Error>,
        along: Along<'_, F, O>,
    ) -> Result<StepInfo, Error> {
        let info = reduced.and_then(|()| match &self.mean {
            Some(mean) => along(&mut self.inner, params, mean, self.exchange.course.loss),
            None => Ok(StepInfo::default()),
        });
        if info.as_ref().is_ok_and(|info| !info.skipped) {
            self.exchange.settle();
        }
        self.exchange.clear();
        if self.exchange.plan.is_none() {
            self.mean = None;
        }
        info
    }
}

/// Gradients leaf by leaf, exchanged while others are still being computed.
impl<F: Scalar, O: Optimizer<F>, C: Communicator + Clone + 'static> DataParallel<F, O, C> {
    /// Begins the last of this rank's shards, of that weight, whose gradients come leaf by leaf by
    /// [`ready`](ByLeaf::ready); the step is taken by `finish`. All ranks call it.
    ///
    /// The exchange runs in a thread of its own, beginning with the last leaf, as a backward pass does:
    /// the step then waits for what was not yet sent alone. It pays where computing leaves a core, or
    /// the whole processor, free. Costs a copy of the gradients that wait.
    ///
    /// ```
    /// use ndarray::{Array1, Array2};
    /// use thalweg::distributed::{DataParallel, Threads};
    /// use thalweg::Adam;
    /// Threads::run(2, |ranks| {
    ///     let mut optimizer = DataParallel::new(Adam::new(0.1), ranks);
    ///     let mut w = (Array2::<f32>::ones((30, 40)), Array1::<f32>::ones(40));
    ///     let mut step = optimizer.begin(&w, 1.0)?;
    ///     step.ready("1", &w.1)?; // the last layer's gradient is there first
    ///     step.ready("0", &w.0)?;
    ///     assert_eq!(step.finish(&mut w)?.step, 1);
    ///     Ok(())
    /// })?;
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`step`](Optimizer::step), on all ranks; [`ErrorKind::OutOfTurn`](crate::ErrorKind::OutOfTurn)
    /// where it is not the last shard's turn.
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
        // In the place of the gradients, which are not there yet: they have the leaves of the parameters.
        let shard = Shard { grads: Ok(params), weight, loss };
        self.exchange.take_last(&self.ranks, params, shard)?;
        let local = self.inner.validate().and_then(|()| self.inner.ready());
        self.exchange.agree(&self.ranks, &self.inner, params, shard, local)?;
        let mean = self.room(params)?.take_arrays();
        let work = self.exchange.lend(Target::All, mean)?;
        let ranks = self.ranks.clone();
        ByLeaf::begin(self, ranks, work)
    }
}

impl<F: Scalar, O: Optimizer<F>, C: Communicator> ByLeaf<'_, F, DataParallel<F, O, C>> {
    /// Waits for the exchange, and steps.
    ///
    /// # Errors
    /// As [`step`](Optimizer::step); [`ErrorKind::Leaves`](crate::ErrorKind::Leaves) names leaves whose
    /// gradients were not handed in.
    pub fn finish(self, params: &mut dyn ParamsMut<F>) -> Result<StepInfo, Error> {
        let (optimizer, work, complete) = self.end()?;
        optimizer.exchange.take_back(work.nodes, work.buffers);
        optimizer.mean = Some(Gradients::of(work.mean));
        let (ranks, marks) = (&optimizer.ranks, complete.map(|()| []));
        let agreed = agree(ranks, marks, &[], &vec![0; ranks.size()]).map(drop);
        optimizer.along(params, agreed, &mut |inner, params, mean, loss| {
            step_by(inner, params, mean, Call { averages: true, loss })
        })
    }
}

crate::optimizer::display!([O: Optimizer<F>, C: Communicator] DataParallel<F, O, C>);

impl<F: Scalar, O: Optimizer<F>, C: Communicator> Optimizer<F> for DataParallel<F, O, C> {
    forward! {
        self, self.inner;
        rates treatment steps average_again has_ascended validate ready skipped name
        swap_average state
    }

    /// A call for one of this rank's shards: all ranks make one for each of theirs.
    ///
    /// # Errors
    /// Those of any rank, on all of them, and [`ErrorKind::RanksDiffer`](crate::ErrorKind::RanksDiffer);
    /// nothing has then changed on any. [`ErrorKind::Transport`](crate::ErrorKind::Transport), after
    /// which the run is over.
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        self.step_weighted(params, grads, 1.0)
    }

    fn step_with_loss(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: f64,
    ) -> Result<StepInfo, Error> {
        self.step_weighted_with_loss(params, grads, 1.0, loss)
    }

    fn step_before_average(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: Option<f64>,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, Shard { grads: Ok(grads), weight: 1.0, loss }, false)
    }

    fn ascend(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<(), Error> {
        let shard = Shard { grads: Ok(grads), weight: 1.0, loss: None };
        let info = self.take(params, shard, false, &mut |inner, params, mean, _| {
            inner.ascend(params, mean).map(|()| StepInfo::default())
        });
        info.map(drop)
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.exchange.forget();
        self.mean = None;
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.inner.load_state(state)?;
        self.exchange.clear();
        Ok(())
    }
}
