//! Many steps of each rank's own, and then one of all.

use super::agree::agree;
use super::communicator::Communicator;
use super::exchange::{Exchange, MARKS, Shard, TOLD, Taken};
use super::plan::Split;
use super::rounds::Target;
use crate::error::{Error, Tree};
use crate::optimizer::{Call, Optimizer, StepInfo, forward, step_by};
use crate::params::{Params, ParamsMut, Snapshot};
use crate::scalar::Scalar;
use crate::state::{Record, State, invalid, missing};

const NAME: &str = "LocalSteps";

/// **DiLoCo**: each rank takes H steps of its own on its own data; then an outer optimizer takes one
/// step of all, along the mean of how far the ranks have come.
///
/// Every H-th call is a meeting: with φ where the last one has left the parameters, the outer optimizer
/// steps from φ along the gradient φ - w, averaged over the ranks, and all go on from where that leads.
/// What is sent is 1/H of what [`DataParallel`](super::DataParallel) sends.
///
/// | outer optimizer | |
/// |---|---|
/// | [`Nesterov::new`](crate::Nesterov::new)`(0.7)` | DiLoCo's |
/// | [`Sgd::new`](crate::Sgd::new)`(1.0)` | the mean of the parameters: local SGD, federated averaging |
///
/// Where H steps take longer than a meeting, a slow network does. It is another algorithm than that of
/// one process: what it comes to depends on the number of ranks, and is to be tried. The state of the
/// optimizer inside is each rank's own; rank r of R goes on from what rank r of R has saved, and between
/// meetings its parameters are its own too.
///
/// An error of one rank is its own at once, and that of all ranks at the next meeting, where all return to
/// φ. Every call counts among the H, whatever comes of it: where there is no gradient, call
/// [`refuse`](Self::refuse).
///
/// Source: Douillard et al., "DiLoCo: Distributed low-communication training of language models", 2023.
///
/// ```
/// use ndarray::array;
/// use thalweg::distributed::{Communicator, LocalSteps, Threads};
/// use thalweg::{Optimizer, Sgd};
/// let ends = Threads::run(2, |ranks| {
///     let target = [0.0, 4.0][ranks.rank()];
///     let mut optimizer = LocalSteps::new(Sgd::new(0.5), Sgd::new(1.0), 3, ranks);
///     let mut w = array![1.0];
///     assert_eq!(optimizer.to_string(), "LocalSteps: learning rate 0.5, 0 steps");
///     for _ in 0..30 {
///         let gradient = &w - target; // each rank goes its own way, and they meet in the middle
///         optimizer.step(&mut w, &gradient)?;
///     }
///     Ok(w[0])
/// })?;
/// assert!((ends[0] - 2.0_f64).abs() < 1e-6 && ends[0] == ends[1]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LocalSteps<F: Scalar, I, O, C> {
    inner: I,
    outer: O,
    period: u64,
    ranks: C,
    since: u64,
    /// φ; `None` before the first call.
    start: Option<Snapshot<F>>,
    /// How far this rank has come, and the mean of all.
    way: Option<[Snapshot<F>; 2]>,
    /// The first error since the last meeting.
    trouble: Option<Error>,
    exchange: Exchange<F>,
}

impl<F: Scalar, I: Optimizer<F>, O: Optimizer<F>, C: Communicator> LocalSteps<F, I, O, C> {
    /// Meetings of `outer` after every `period` steps of `inner`, at least 1.
    pub fn new(inner: I, outer: O, period: u64, ranks: C) -> Self {
        Self {
            inner,
            outer,
            period,
            ranks,
            since: 0,
            start: None,
            way: None,
            trouble: None,
            exchange: Exchange::new(Split::Elements),
        }
    }

    /// The optimizer of the local steps.
    pub fn inner(&self) -> &I {
        &self.inner
    }

    /// The optimizer of the meetings.
    pub fn outer(&self) -> &O {
        &self.outer
    }

    /// The optimizer of the meetings, to set its learning rate by: on all ranks alike.
    pub fn outer_mut(&mut self) -> &mut O {
        &mut self.outer
    }

    /// The ranks.
    pub fn ranks(&self) -> &C {
        &self.ranks
    }

    /// Calls since the last meeting: all ranks have the same parameters where it is 0.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// In the place of [`step`](Optimizer::step), where there is no gradient, but an error.
    ///
    /// # Errors
    /// That error; at a meeting that of the first rank that has one since the last.
    pub fn refuse(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        error: Error,
    ) -> Result<StepInfo, Error> {
        self.count(params, Err(error))
    }

    fn check(&self) -> Result<(), Error> {
        if self.period == 0 {
            return Err(Error::hyperparameter(NAME, "period", 0.0, "a whole number >= 1"));
        }
        Ok(())
    }

    fn local(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: Option<f64>,
    ) -> Result<StepInfo, Error> {
        match &self.start {
            Some(start) => start.check(&*params)?,
            None => self.start = Some(Snapshot::of(&*params)?),
        }
        self.outer.ready()?;
        step_by(&mut self.inner, params, grads, Call { averages: true, loss })
    }

    /// Counts a call, and meets the others where it is time.
    fn count(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        stepped: Result<StepInfo, Error>,
    ) -> Result<StepInfo, Error> {
        self.check()?;
        if let Err(error) = &stepped {
            self.trouble.get_or_insert_with(|| error.clone());
        }
        self.since += 1;
        if self.since < self.period {
            return stepped;
        }
        self.since = 0;
        self.meet(params)?;
        stepped
    }

    /// A step of all, from where the last one has led.
    fn meet(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        let met = self.find_way(&*params).and_then(|()| self.exchange_ways());
        let Some(start) = &mut self.start else {
            self.exchange.clear();
            return met;
        };
        // Whatever comes of it, all are where they were; parameters of other leaves are an error here.
        let back = start.restore(params);
        let stepped = met.and(back).and_then(|()| match &self.way {
            Some([_, mean]) => self.outer.step(params, mean).map(drop),
            None => Ok(()),
        });
        if stepped.is_ok() {
            self.exchange.settle();
            start.take(&*params)?;
        }
        self.exchange.clear();
        stepped
    }

    /// How far this rank has come.
    fn find_way(&mut self, params: &dyn Params<F>) -> Result<(), Error> {
        if self.trouble.is_some() {
            return Ok(());
        }
        let found = self.start.as_ref().map(|start| {
            let [way, _] = self.way.get_or_insert_with(|| [start.zeros_like(), start.zeros_like()]);
            way.take(start)?;
            way.each(params, Tree::Parameters, |start, w| *start = *start - w)
        });
        if let Some(Err(error)) = found {
            self.trouble = Some(error);
        }
        Ok(())
    }

    fn exchange_ways(&mut self) -> Result<(), Error> {
        let Self { ranks, exchange, start, way, trouble, outer, .. } = self;
        let trouble = trouble.take();
        let (Some(start), Some([way, mean])) = (start, way) else {
            // There were no parameters to begin at: it is all that the others need to know.
            let error = trouble.unwrap_or_else(|| missing("start"));
            let none: Result<[_; MARKS], Error> = Err(error);
            return agree(ranks, none, &[], &vec![TOLD; ranks.size()]).map(drop);
        };
        let shard = match &trouble {
            None => Shard { grads: Ok(way), weight: 1.0, loss: None },
            Some(error) => Shard { grads: Err(error), weight: 1.0, loss: None },
        };
        let Taken::Last = exchange.take(ranks, start, shard) else { return Ok(()) };
        let local = outer.validate().and_then(|()| outer.ready());
        exchange.agree(ranks, outer, start, shard, local)?;
        exchange.reduce(ranks, shard, Target::All, mean)
    }

    fn record(&self, start: Option<&Snapshot<F>>, since: u64, outer: u64) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.count("period", self.period);
        record.count("since", since);
        record.count("ranks", self.ranks.size() as u64);
        record.count("rank", self.ranks.rank() as u64);
        record.count("outer", outer);
        if let Some(start) = start {
            record.tree("start", start);
        }
        record
    }
}

crate::optimizer::display!(
    [I: Optimizer<F>, O: Optimizer<F>, C: Communicator] LocalSteps<F, I, O, C>
);

impl<F, I, O, C> Optimizer<F> for LocalSteps<F, I, O, C>
where
    F: Scalar,
    I: Optimizer<F>,
    O: Optimizer<F>,
    C: Communicator,
{
    forward!(self, self.inner; rates treatment steps skipped);

    /// A step of this rank's own; every H-th call is a meeting besides.
    ///
    /// # Errors
    /// Those of the optimizer inside, at once; at a meeting those of any rank since the last, on all.
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        self.check()?;
        let stepped = self.local(params, grads, None);
        self.count(params, stepped)
    }

    /// The loss is for the optimizer inside; that of the meetings has none.
    fn step_with_loss(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: f64,
    ) -> Result<StepInfo, Error> {
        self.check()?;
        let stepped = self.local(params, grads, Some(loss));
        self.count(params, stepped)
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()?;
        self.inner.validate()?;
        self.outer.validate()
    }

    fn ready(&self) -> Result<(), Error> {
        self.outer.ready()?;
        self.inner.ready()
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.outer.reset();
        self.exchange.forget();
        (self.since, self.start, self.way, self.trouble) = (0, None, None, None);
    }

    fn name(&self) -> &'static str {
        NAME
    }

    /// The average of the outer optimizer, over meetings: the same on all ranks.
    fn swap_average(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.outer.swap_average(params)
    }

    /// This rank's own: with its parameters, rank r of R goes on from it.
    fn state(&self) -> State {
        let outer = self.outer.state();
        let record = self.record(self.start.as_ref(), self.since, outer.len());
        outer.followed_by(self.inner.state()).around(record)
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.check()?;
        let record = state.record::<F>(NAME)?;
        record.compare_count("period", self.period)?;
        record.compare_count("ranks", self.ranks.size() as u64)?;
        record.compare_count("rank", self.ranks.rank() as u64)?;
        let since = record.get_count("since")?;
        let start = record.get_snapshot("start", self.start.as_ref())?;
        if since >= self.period || (since > 0 && start.is_none()) {
            let problem = format!("is {since}, of a period of {}", self.period);
            return Err(invalid("`since`".to_owned(), problem));
        }
        let count = record.get_count("outer")?;
        record.assert_like(&self.record(start.as_ref(), since, count))?;
        let (outer, inner) = state.inner()?.split(count)?;
        let before = self.outer.state();
        self.outer.load_state(&outer)?;
        if let Err(error) = self.inner.load_state(&inner) {
            // What was loaded is taken back; it was saved here.
            self.outer.load_state(&before)?;
            return Err(error);
        }
        self.exchange.forget();
        (self.since, self.start, self.way, self.trouble) = (since, start, None, None);
        Ok(())
    }
}
