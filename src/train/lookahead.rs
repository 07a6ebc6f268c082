//! Lookahead.

use super::leaves::treatments;
use crate::error::{Error, ErrorKind, Tree};
use crate::interval::Interval;
use crate::optimizer::{Call, Optimizer, StepInfo, Treatment, forward, step_by, steps_by_call};
use crate::params::{Params, ParamsMut, Snapshot};
use crate::scalar::Scalar;
use crate::state::{Record, State, invalid, missing};

const NAME: &str = "Lookahead";

/// **Lookahead**: after every k steps of an optimizer inside, the slow weights φ go a part of the way
/// to the fast ones, φ += α(w - φ), which go on from there, w = φ.
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `alpha` α | 0.5 | [0, 1] |
/// | `period` k | 6 | ≥ 1 |
///
/// φ begins at the parameters of the first step; where they are set from outside later (restored,
/// loaded), [`resync`](Self::resync) lets it begin anew. The state of the optimizer inside is not
/// reset. Steps that it skips do not count, nor do those that it took before. Its average takes the
/// parameters that the caller sees, after φ; a leaf that it has frozen stays where it is. Costs a copy
/// of the parameters.
///
/// Source: Zhang, Lucas, Hinton & Ba, "Lookahead optimizer: k steps forward, 1 step back", 2019.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Sgd, train::Lookahead};
/// let mut w = array![0.0];
/// let mut lookahead = Lookahead::new(Sgd::new(1.0)).period(2);
/// lookahead.step(&mut w, &array![-1.0])?;
/// lookahead.step(&mut w, &array![-1.0])?; // w = 2, and half of the way back
/// assert_eq!(w[0], 1.0);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lookahead<F: Scalar, O> {
    inner: O,
    alpha: f64,
    period: u64,
    slow: Option<Snapshot<F>>,
    /// Steps since the slow weights moved.
    since: u64,
    /// Of the leaves of `slow`; their memory is kept.
    treatments: Vec<Treatment>,
}

impl<F: Scalar, O: Optimizer<F>> Lookahead<F, O> {
    /// Lookahead over `inner`.
    pub fn new(inner: O) -> Self {
        Self { inner, alpha: 0.5, period: 6, slow: None, since: 0, treatments: Vec::new() }
    }

    /// Sets α, the part of the way that the slow weights go; in [0, 1].
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// Sets k, the steps between two of the slow weights; at least 1.
    #[must_use]
    pub fn period(mut self, steps: u64) -> Self {
        self.period = steps;
        self
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// The optimizer inside, to set its learning rate or its groups by.
    pub fn inner_mut(&mut self) -> &mut O {
        &mut self.inner
    }

    /// The slow weights φ; `None` before the first step.
    pub fn slow(&self) -> Option<&Snapshot<F>> {
        self.slow.as_ref()
    }

    /// Begins φ and its period anew at these parameters: after they were set from outside.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{Optimizer, Sgd, train::Lookahead};
    /// let (mut w, zero) = (array![1.0], array![0.0]);
    /// let mut lookahead = Lookahead::new(Sgd::new(1.0)).period(2);
    /// lookahead.step(&mut w, &zero)?;
    /// w.fill(101.0); // the best parameters so far, for one
    /// lookahead.resync(&w)?;
    /// for _ in 0..2 {
    ///     lookahead.step(&mut w, &zero)?;
    /// }
    /// assert_eq!(w[0], 101.0); // not half of the way back to 1
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`step`](Optimizer::step) for leaves that differ, and while the average is in their place.
    pub fn resync(&mut self, params: &dyn Params<F>) -> Result<(), Error> {
        if let Err(error) = self.inner.ready()
            && matches!(error.kind(), ErrorKind::AverageInPlace)
        {
            return Err(error);
        }
        if let Some(slow) = &mut self.slow {
            slow.take(params)?;
            self.since = 0;
        }
        Ok(())
    }

    fn record(&self, slow: Option<&Snapshot<F>>, since: u64) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.count("period", self.period);
        record.number("alpha", self.alpha);
        record.count("begun", u64::from(slow.is_some()));
        record.count("since", since);
        if let Some(slow) = slow {
            record.tree("slow", slow);
        }
        record
    }

    fn check(&self) -> Result<(), Error> {
        const SHARE: Interval = Interval::closed(0.0, 1.0, "a number in [0, 1]");
        SHARE.check::<F>(NAME, "alpha", self.alpha)?;
        if self.period == 0 {
            return Err(Error::hyperparameter(NAME, "period", 0.0, "a whole number >= 1"));
        }
        Ok(())
    }
}

impl<F: Scalar, O: Optimizer<F>> Lookahead<F, O> {
    /// The slow weights that begin at these parameters; `None` where they have begun.
    fn first_of(&self, params: &dyn Params<F>) -> Result<Option<Snapshot<F>>, Error> {
        self.check()?;
        match &self.slow {
            Some(slow) => slow.check(params).map(|()| None),
            None => Snapshot::of(params).map(Some),
        }
    }

    fn take_step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
    ) -> Result<StepInfo, Error> {
        let first = self.first_of(&*params)?;
        if first.is_some() && self.inner.has_ascended() == Some(true) {
            let what = "the parameters are not where φ begins: `ascend` is the `Lookahead`'s to \
                        call; `abandon` of the `Sam` inside brings them back";
            return Err(ErrorKind::OutOfTurn { what }.into());
        }
        let before = self.inner.steps();
        let moves = self.since.saturating_add(1) >= self.period;
        let averages = call.averages && !moves;
        let info = step_by(&mut self.inner, params, grads, Call { averages, ..call })?;
        if let Some(first) = first {
            self.slow = Some(first);
        }
        if self.inner.steps() == before {
            return Ok(info);
        }
        self.since += 1;
        if let Some(slow) = self.slow.as_mut().filter(|_| moves) {
            treatments(&self.inner, slow, &mut self.treatments);
            let (alpha, treatments) = (F::from_f64(self.alpha), &self.treatments);
            slow.each_mut(params, Tree::Parameters, |index| {
                let trained = treatments[index].trained;
                move |slow: &mut F, fast: &mut F| {
                    if trained {
                        *slow = *slow + alpha * (*fast - *slow);
                        *fast = *slow;
                    } else {
                        *slow = *fast;
                    }
                }
            })?;
            self.since = 0;
            if call.averages {
                self.inner.average_again(params)?;
            }
        }
        Ok(info)
    }
}

crate::optimizer::display!([O: Optimizer<F>] Lookahead<F, O>);

impl<F: Scalar, O: Optimizer<F>> Optimizer<F> for Lookahead<F, O> {
    forward! {
        self, self.inner;
        rates treatment steps average_again has_ascended ready skipped swap_average
    }

    steps_by_call!(self);

    fn ascend(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<(), Error> {
        let first = self.first_of(&*params)?;
        self.inner.ascend(params, grads)?;
        if let Some(first) = first {
            self.slow = Some(first);
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()?;
        self.inner.validate()
    }

    fn reset(&mut self) {
        self.inner.reset();
        (self.slow, self.since) = (None, 0);
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn state(&self) -> State {
        self.inner.state().around(self.record(self.slow.as_ref(), self.since))
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.check()?;
        let record = state.record::<F>(NAME)?;
        record.compare_count("period", self.period)?;
        record.compare_number("alpha", self.alpha)?;
        let slow = record.get_snapshot("slow", self.slow.as_ref())?;
        match (record.get_flag("begun")?, &slow) {
            (true, None) => return Err(missing("slow")),
            (false, Some(_)) => {
                return Err(invalid("`begun`".to_owned(), "is 0 beside slow weights".to_owned()));
            }
            _ => {}
        }
        // The first version went by the steps of the optimizer inside.
        let counted = state.version() > 1;
        let since = if counted { record.get_count("since")? } else { 0 };
        if since >= self.period || (since > 0 && slow.is_none()) {
            let problem = format!("is {since}, of a period of {}", self.period);
            return Err(invalid("`since`".to_owned(), problem));
        }
        let mut like = self.record(slow.as_ref(), since);
        if !counted {
            like.forget_count("since");
        }
        record.assert_like(&like)?;
        self.inner.load_state(&state.inner()?)?;
        self.since = if counted { since } else { self.inner.steps() % self.period };
        self.slow = slow;
        Ok(())
    }
}
