//! Several small batches as one.

use crate::engine::NonFinite;
use crate::error::{Error, ErrorKind, Tree};
use crate::optimizer::{Optimizer, StepInfo};
use crate::params::{Params, ParamsMut, Snapshot};
use crate::reduce;
use crate::scalar::Scalar;
use crate::state::{Record, State, invalid, missing};

const NAME: &str = "Accumulate";

/// An optimizer that steps once for every `count` calls, along the mean of their gradients.
///
/// ḡ = (g₁ + … + g_k)/k. The first k-1 calls of [`step`](Optimizer::step) move no parameter and report
/// [`accumulating`](StepInfo::accumulating); the k-th is a step of the optimizer inside, with its
/// clipping, along ḡ. A gradient that is not finite follows a policy of its own at its own call: one
/// that is skipped does not count among the k. Costs a copy of the gradients in memory, two from the
/// first step on, and one pass over them a call.
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
    sum: Option<Snapshot<F>>,
    /// What the last step went along; its memory is kept.
    mean: Option<Snapshot<F>>,
}

impl<F: Scalar, O: Optimizer<F>> Accumulate<F, O> {
    /// Steps of `inner` along the mean of `count` gradients each, at least 1.
    pub fn new(inner: O, count: u64) -> Self {
        let non_finite = NonFinite::Reject;
        Self { inner, count, non_finite, added: 0, skipped: 0, sum: None, mean: None }
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

    fn check_count(&self) -> Result<(), Error> {
        if self.count == 0 {
            return Err(Error::hyperparameter(NAME, "count", 0.0, "a whole number >= 1"));
        }
        Ok(())
    }

    fn record(&self, added: u64, skipped: u64, sum: Option<&Snapshot<F>>) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.count("count", self.count);
        record.text("non_finite", format!("{:?}", self.non_finite));
        record.count("added", added);
        record.count("skipped", skipped);
        if let Some(sum) = sum {
            record.tree("sum", sum);
        }
        record
    }

    fn info(&self) -> StepInfo {
        StepInfo {
            step: self.inner.steps(),
            learning_rate: self.inner.learning_rate(),
            ..StepInfo::default()
        }
    }
}

impl<F: Scalar, O: Optimizer<F>> Optimizer<F> for Accumulate<F, O> {
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        self.check_count()?;
        if self.sum.is_none() {
            self.inner.validate()?;
            self.sum = Some(Snapshot::of(&*params)?.zeros_like());
        }
        let sum = self.sum.as_mut().ok_or(ErrorKind::NoLeaves)?;
        sum.check(&*params)?;
        sum.check_as(grads, Tree::Gradients)?;
        if self.non_finite != NonFinite::Propagate
            && let Some(error) = reduce::find_non_finite(grads, |_| true)
        {
            if self.non_finite == NonFinite::Reject {
                return Err(error);
            }
            self.skipped += 1;
            return Ok(StepInfo { skipped: true, ..self.info() });
        }
        if self.added + 1 < self.count {
            sum.each(grads, Tree::Gradients, |sum, g| *sum = *sum + g)?;
            self.added += 1;
            return Ok(StepInfo { accumulating: true, ..self.info() });
        }
        // The sum stays as it is until the step has succeeded.
        let mean = self.mean.get_or_insert_with(|| sum.clone());
        let share = F::from_f64(1.0 / self.count as f64);
        mean.take(&*sum)?;
        mean.each(grads, Tree::Gradients, |mean, g| *mean = (*mean + g) * share)?;
        let info = self.inner.step(params, &*mean)?;
        sum.fill(F::zero());
        self.added = 0;
        Ok(info)
    }

    fn validate(&self) -> Result<(), Error> {
        self.check_count()?;
        self.inner.validate()
    }

    fn learning_rate(&self) -> f64 {
        self.inner.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        self.inner.set_learning_rate(learning_rate)
    }

    fn steps(&self) -> u64 {
        self.inner.steps()
    }

    fn skipped(&self) -> u64 {
        self.skipped.saturating_add(self.inner.skipped())
    }

    fn reset(&mut self) {
        self.inner.reset();
        (self.added, self.skipped, self.sum, self.mean) = (0, 0, None, None);
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn swap_average(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.inner.swap_average(params)
    }

    fn state(&self) -> State {
        let record = self.record(self.added, self.skipped, self.sum.as_ref());
        self.inner.state().around(record)
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.check_count()?;
        let record = state.record::<F>(NAME)?;
        record.compare_count("count", self.count)?;
        record.compare_text("non_finite", &format!("{:?}", self.non_finite))?;
        let (added, skipped) = (record.get_count("added")?, record.get_counter("skipped")?);
        if added >= self.count {
            return Err(invalid("`added`".to_owned(), format!("is {added} of {}", self.count)));
        }
        let sum = record.get_snapshot("sum", self.sum.as_ref())?;
        if added > 0 && sum.is_none() {
            return Err(missing("sum"));
        }
        record.assert_like(&self.record(added, skipped, sum.as_ref()))?;
        self.inner.load_state(&state.inner()?)?;
        (self.added, self.skipped, self.sum, self.mean) = (added, skipped, sum, None);
        Ok(())
    }
}
