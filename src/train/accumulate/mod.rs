//! Several small batches as one.

mod waiting;

use super::leaves::treatments;
use crate::engine::NonFinite;
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::optimizer::{Call, Optimizer, StepInfo, Treatment, forward, standing, step_by};
use crate::params::{Params, ParamsMut};
use crate::scalar::Scalar;
use crate::state::{Record, State, invalid, missing};
use waiting::Waiting;

const NAME: &str = "Accumulate";

/// An optimizer that steps once for every `count` calls, along the mean of their gradients.
///
/// ḡ = Σ cᵢgᵢ/Σ cᵢ. The first k-1 calls of [`step`](Optimizer::step) move no parameter and report
/// [`accumulating`](StepInfo::accumulating); the k-th is a step of the optimizer inside, with its
/// clipping, along ḡ. [`flush`](Self::flush) steps along what waits, at the end of an epoch, say.
///
/// Each gradient weighs cᵢ = 1, which is right for micro-batches of one size;
/// [`step_weighted`](Self::step_weighted) takes the number of examples or tokens instead. Gradients are
/// brought together along a binary tree, two means of weights a and b as ḡₐ + (ḡ_b - ḡₐ)·b/(a + b): where
/// they are finite, so is their mean, and [`DataParallel`](crate::distributed::DataParallel) with as many
/// shards on any number of ranks gives the same bits.
///
/// A gradient that is not finite follows a policy of its own at its own call: one that is skipped does
/// not count among the k. Gradients of leaves that are frozen are not looked at, and a leaf's mean is of
/// those that came while it was trained. Costs ⌈log₂ k⌉ + 1 copies of the gradients in memory, and about two
/// passes over them a call.
///
/// Gradients of [rows](crate::params::Rows) wait as rows: the step is along the rows that any of them has, and
/// their means have the bits of the means of whole arrays. A leaf that gets rows from one call and an array from
/// another waits as an array.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Sgd, train::Accumulate};
/// let mut w = array![0.0];
/// let mut optimizer = Accumulate::new(Sgd::new(1.0), 2);
/// assert!(optimizer.step(&mut w, &array![-1.0])?.accumulating);
/// assert!(!optimizer.step(&mut w, &array![-3.0])?.accumulating);
/// assert_eq!(w[0], 2.0);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Accumulate<F: Scalar, O> {
    inner: O,
    count: u64,
    non_finite: NonFinite,
    added: u64,
    skipped: u64,
    waiting: Option<Waiting<F>>,
    /// Of the leaves; their memory is kept.
    treatments: Vec<Treatment>,
}

impl<F: Scalar, O: Optimizer<F>> Accumulate<F, O> {
    /// Steps of `inner` along the mean of `count` gradients each, at least 1.
    pub fn new(inner: O, count: u64) -> Self {
        Self {
            inner,
            count,
            non_finite: NonFinite::Reject,
            added: 0,
            skipped: 0,
            waiting: None,
            treatments: Vec::new(),
        }
    }

    /// Sets what to do about a gradient that is NaN or infinite.
    #[must_use]
    pub fn non_finite(mut self, policy: NonFinite) -> Self {
        self.non_finite = policy;
        self
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// The optimizer inside, to set its learning rate by.
    pub fn inner_mut(&mut self) -> &mut O {
        &mut self.inner
    }

    /// How many gradients wait for the step to come.
    pub fn waiting(&self) -> u64 {
        self.added
    }

    /// As [`step`](Optimizer::step), for a gradient of that weight: the mean over a micro-batch of so
    /// many examples, or tokens. In (0, ∞); a step without a weight has the weight 1.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{Sgd, train::Accumulate};
    /// let mut w = array![0.0];
    /// let mut optimizer = Accumulate::new(Sgd::new(1.0), 2);
    /// optimizer.step_weighted(&mut w, &array![-1.0], 30.0)?;
    /// optimizer.step_weighted(&mut w, &array![-5.0], 10.0)?;
    /// assert_eq!(w[0], (30.0 * 1.0 + 10.0 * 5.0) / 40.0);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`] for a weight out of its range, and as
    /// [`step`](Optimizer::step).
    pub fn step_weighted(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        weight: f64,
    ) -> Result<StepInfo, Error> {
        let call = Call { averages: true, loss: None };
        self.take(params, grads, weight, call)
    }

    /// As [`step_weighted`](Self::step_weighted), with the loss of the micro-batch: the step inside gets
    /// the mean of the losses, weighted alike.
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
        self.take(params, grads, weight, Call { averages: true, loss: Some(loss) })
    }

    /// A step along the mean of the gradients that wait, however few; `None` where none does.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{Optimizer, Sgd, train::Accumulate};
    /// let mut w = array![0.0];
    /// let mut optimizer = Accumulate::new(Sgd::new(1.0), 4);
    /// optimizer.step(&mut w, &array![-1.0])?;
    /// optimizer.step(&mut w, &array![-2.0])?; // the epoch ends
    /// assert!(optimizer.flush(&mut w)?.is_some());
    /// assert_eq!((w[0], optimizer.waiting()), (1.5, 0));
    /// assert!(optimizer.flush(&mut w)?.is_none());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`step`](Optimizer::step); the gradients then still wait.
    pub fn flush(&mut self, params: &mut dyn ParamsMut<F>) -> Result<Option<StepInfo>, Error> {
        self.check_count()?;
        let Some(waiting) = self.waiting.as_mut().filter(|_| self.added > 0) else {
            return Ok(None);
        };
        waiting.leaves().check_any(&*params)?;
        let (mean, loss) = waiting.mean_with(None, &[])?;
        let info = step_by(&mut self.inner, params, mean, Call { averages: true, loss })?;
        waiting.clear();
        self.added = 0;
        Ok(Some(info))
    }

    /// Takes a gradient.
    fn take(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        weight: f64,
        Call { averages, loss }: Call,
    ) -> Result<StepInfo, Error> {
        self.check_count()?;
        Interval::POSITIVE.check::<f64>(NAME, "weight", weight)?;
        let mut first = None;
        let waiting = match &mut self.waiting {
            Some(waiting) => waiting,
            None => {
                self.inner.validate()?;
                first.insert(Waiting::of(&*params)?)
            }
        };
        waiting.leaves().check_any(&*params)?;
        self.inner.ready()?;
        if !waiting.has_room_for(weight) {
            let allowed = "weights whose sum is finite";
            return Err(Error::hyperparameter(NAME, "weight", weight, allowed));
        }
        treatments(&self.inner, waiting.leaves(), &mut self.treatments);
        let looks = self.non_finite != NonFinite::Propagate;
        let lost = loss.filter(|loss| looks && !loss.is_finite());
        let checked = waiting.check(grads, &self.treatments, looks);
        let checked = checked.and_then(|()| match lost {
            Some(value) => Err(ErrorKind::NonFiniteLoss { value }.into()),
            None => Ok(()),
        });
        if let Err(error) = checked {
            let skips = self.non_finite == NonFinite::Skip;
            let is_not_finite = matches!(
                error.kind(),
                ErrorKind::NonFiniteGradient { .. } | ErrorKind::NonFiniteLoss { .. }
            );
            if skips && is_not_finite {
                self.skipped += 1;
                return Ok(StepInfo { skipped: true, ..standing(&self.inner) });
            }
            return Err(error);
        }
        let info = if self.added.saturating_add(1) < self.count {
            waiting.add(grads, &self.treatments, (weight, loss))?;
            self.added += 1;
            None
        } else {
            // Those that wait are kept until the step has succeeded.
            let last = Some((grads, (weight, loss)));
            let (mean, loss) = waiting.mean_with(last, &self.treatments)?;
            let info = step_by(&mut self.inner, params, mean, Call { averages, loss })?;
            waiting.clear();
            self.added = 0;
            Some(info)
        };
        if let Some(first) = first {
            self.waiting = Some(first);
        }
        Ok(info.unwrap_or_else(|| StepInfo { accumulating: true, ..standing(&self.inner) }))
    }

    fn check_count(&self) -> Result<(), Error> {
        if self.count == 0 {
            return Err(Error::hyperparameter(NAME, "count", 0.0, "a whole number >= 1"));
        }
        Ok(())
    }

    fn record(&self, added: u64, skipped: u64, waiting: Option<&Waiting<F>>) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.count("count", self.count);
        record.text("non_finite", format!("{:?}", self.non_finite));
        record.count("added", added);
        record.count("skipped", skipped);
        if let Some(waiting) = waiting {
            waiting.save(&mut record);
        }
        record
    }
}

crate::optimizer::display!([O: Optimizer<F>] Accumulate<F, O>);

impl<F: Scalar, O: Optimizer<F>> Optimizer<F> for Accumulate<F, O> {
    forward! {
        self, self.inner;
        rates treatment steps average_again has_ascended ready swap_average
    }

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
        self.take(params, grads, 1.0, Call { averages: false, loss })
    }

    fn ascend(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<(), Error> {
        self.check_count()?;
        self.inner.ascend(params, grads)
    }

    fn validate(&self) -> Result<(), Error> {
        self.check_count()?;
        self.inner.validate()
    }

    fn skipped(&self) -> u64 {
        self.skipped.saturating_add(self.inner.skipped())
    }

    fn reset(&mut self) {
        self.inner.reset();
        (self.added, self.skipped, self.waiting) = (0, 0, None);
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn state(&self) -> State {
        let record = self.record(self.added, self.skipped, self.waiting.as_ref());
        self.inner.state().around(record)
    }

    /// The count may be another than that of the saved run: the step then comes after so many calls,
    /// those that wait included.
    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.check_count()?;
        let record = state.record::<F>(NAME)?;
        if record.get_count("count")? == 0 {
            return Err(invalid("`count`".to_owned(), "is 0".to_owned()));
        }
        record.compare_text("non_finite", &format!("{:?}", self.non_finite))?;
        let (added, skipped) = (record.get_counter("added")?, record.get_counter("skipped")?);
        let known = self.waiting.as_ref().map(Waiting::leaves);
        let mut waiting = Waiting::load(record, state.version(), added, known)?;
        if added > 0 && waiting.is_none() {
            return Err(missing("mean"));
        }
        if added == 0 && waiting.as_ref().is_some_and(Waiting::has_weight) {
            return Err(invalid("`added`".to_owned(), "is 0 beside weights".to_owned()));
        }
        if state.version() == 1 {
            let mut like = self.record(added, skipped, None);
            if let Some(waiting) = &waiting {
                like.tree("sum", waiting.leaves());
            }
            record.assert_like(&like)?;
        } else {
            record.assert_like(&self.record(added, skipped, waiting.as_ref()))?;
        }
        if let Some(waiting) = waiting.as_mut().filter(|_| added == 0) {
            waiting.clear();
        }
        self.inner.load_state(&state.inner()?)?;
        (self.added, self.skipped, self.waiting) = (added, skipped, waiting);
        Ok(())
    }
}
