//! An average of the parameters around any optimizer.

use crate::engine::Average;
use crate::error::{Error, ErrorKind, Tree};
use crate::optimizer::{Call, Optimizer, StepInfo, forward, step_by, steps_by_call};
use crate::params::{Params, ParamsMut, Snapshot};
use crate::scalar::Scalar;
use crate::state::{Record, State, compare, invalid, missing};

const NAME: &str = "Averaged";

/// **Averaged**: an [`Average`] of the parameters around an optimizer that keeps none by itself, such as
/// [`Soap`](crate::Soap), [`Adafactor`](crate::Adafactor) or [`Muon`](crate::Muon).
///
/// Elementwise optimizers keep theirs inside the sweep, by
/// [`average`](crate::Elementwise::average), which costs less. All leaves have their terms together: a leaf that
/// is frozen is averaged as it stands. Costs a copy of the parameters, and a pass over both.
///
/// A [`Lookahead`](crate::train::Lookahead) or a [`Projected`](crate::train::Projected) around it moves the
/// parameters first, and then lets it take its term.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Average, Optimizer, Sm3, train::Averaged};
/// let mut w = array![[1.0, -1.0]];
/// let mut sm3 = Averaged::new(Sm3::new(0.1), Average::swa());
/// let mut sum = array![[0.0, 0.0]];
/// for _ in 0..4 {
///     let gradient = &w * 2.0;
///     sm3.step(&mut w, &gradient)?;
///     sum += &w;
/// }
/// let last = w.clone();
/// sm3.swap_average(&mut w)?; // to evaluate
/// assert!((&w - &(sum / 4.0)).iter().all(|off: &f64| off.abs() < 1e-15));
/// sm3.swap_average(&mut w)?; // to go on
/// assert_eq!(w, last);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Averaged<F: Scalar, O> {
    inner: O,
    average: Average,
    /// Where the average is in the place of the parameters, these.
    mean: Option<Snapshot<F>>,
    terms: u64,
    is_in_place: bool,
    /// Whether the last step has left a term out.
    is_due: bool,
    /// Whether all is forgotten once the parameters are back.
    forgets: bool,
}

impl<F: Scalar, O: Optimizer<F>> Averaged<F, O> {
    /// That average around `inner`.
    pub fn new(inner: O, average: Average) -> Self {
        let (mean, terms) = (None, 0);
        Self { inner, average, mean, terms, is_in_place: false, is_due: false, forgets: false }
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// The optimizer inside, to set its learning rate or its groups by.
    pub fn inner_mut(&mut self) -> &mut O {
        &mut self.inner
    }

    /// The average; `None` before its first term, and while it is in the place of the parameters.
    pub fn mean(&self) -> Option<&Snapshot<F>> {
        self.mean.as_ref().filter(|_| self.terms > 0 && !self.is_in_place)
    }

    /// The average that begins at these parameters; `None` where there is one of the same leaves.
    fn first_of(&self, params: &dyn Params<F>) -> Result<Option<Snapshot<F>>, Error> {
        self.average.check()?;
        match &self.mean {
            Some(mean) => mean.check(params).map(|()| None),
            None => Snapshot::of(params).map(Some),
        }
    }

    fn out_of_place(&self) -> Result<(), Error> {
        if self.is_in_place { Err(ErrorKind::AverageInPlace.into()) } else { Ok(()) }
    }

    fn take_term(&mut self, params: &dyn Params<F>) -> Result<(), Error> {
        let Some(mean) = &mut self.mean else { return Ok(()) };
        let rate = F::from_f64(self.average.rate(self.terms));
        if self.terms == 0 {
            mean.take(params)?;
        } else {
            mean.each(params, Tree::Parameters, |mean, w| *mean = *mean + rate * (w - *mean))?;
        }
        self.terms += 1;
        self.is_due = false;
        Ok(())
    }

    fn take_step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
    ) -> Result<StepInfo, Error> {
        self.out_of_place()?;
        let first = self.first_of(&*params)?;
        let before = self.inner.steps();
        let info = step_by(&mut self.inner, params, grads, call)?;
        if let Some(first) = first {
            self.mean = Some(first);
        }
        let steps = self.inner.steps();
        if steps != before {
            let takes = self.average.takes(steps);
            self.is_due = takes && !call.averages;
            if takes && call.averages {
                self.take_term(&*params)?;
            }
        }
        Ok(info)
    }
}

impl<F: Scalar, O> Averaged<F, O> {
    fn told(&self) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.text("average", format!("{:?}", self.average));
        record.count("terms", self.terms);
        record.count("in_place", u64::from(self.is_in_place));
        record.count("due", u64::from(self.is_due));
        record.count("forgets", u64::from(self.forgets));
        if let Some(mean) = &self.mean {
            record.tree("mean", mean);
        }
        record
    }
}

crate::optimizer::display!([O: Optimizer<F>] Averaged<F, O>);

impl<F: Scalar, O: Optimizer<F>> Optimizer<F> for Averaged<F, O> {
    forward!(self, self.inner; rates treatment steps has_ascended skipped);

    steps_by_call!(self);

    fn ascend(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<(), Error> {
        self.out_of_place()?;
        let first = self.first_of(&*params)?;
        self.inner.ascend(params, grads)?;
        if let Some(first) = first {
            self.mean = Some(first);
        }
        Ok(())
    }

    fn ready(&self) -> Result<(), Error> {
        self.out_of_place()?;
        self.inner.ready()
    }

    fn validate(&self) -> Result<(), Error> {
        self.average.check()?;
        self.inner.validate()
    }

    fn reset(&mut self) {
        self.inner.reset();
        if self.is_in_place {
            self.forgets = true;
        } else {
            (self.mean, self.terms, self.is_due) = (None, 0, false);
        }
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn swap_average(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        if self.inner.has_ascended() == Some(true) {
            let what = "the parameters are at the point that `ascend` went to";
            return Err(ErrorKind::OutOfTurn { what }.into());
        }
        if !self.is_in_place {
            // Before its first term it is the parameters themselves.
            match &mut self.mean {
                None => self.mean = Some(Snapshot::of(&*params)?),
                Some(mean) if self.terms == 0 => mean.take(&*params)?,
                Some(_) => {}
            }
        }
        if let Some(mean) = &mut self.mean {
            mean.swap(params)?;
            self.is_in_place = !self.is_in_place;
        }
        if self.forgets && !self.is_in_place {
            (self.mean, self.terms) = (None, 0);
            (self.is_due, self.forgets) = (false, false);
        }
        Ok(())
    }

    fn average_again(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        if self.is_due {
            self.take_term(&*params)?;
        }
        self.inner.average_again(params)
    }

    fn state(&self) -> State {
        self.inner.state().around(self.told())
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.average.check()?;
        let record = state.record::<F>(NAME)?;
        compare("the average", record.get_text("average")?, &format!("{:?}", self.average))?;
        let mean = record.get_snapshot("mean", self.mean.as_ref())?;
        let terms = record.get_counter("terms")?;
        let is_in_place = record.get_flag("in_place")?;
        let (is_due, forgets) = (record.get_flag("due")?, record.get_flag("forgets")?);
        if mean.is_none() && (terms > 0 || is_in_place) {
            return Err(missing("mean"));
        }
        if forgets && !is_in_place {
            let problem = "is 1, and the parameters are where they belong".to_owned();
            return Err(invalid("`forgets`".to_owned(), problem));
        }
        let average = self.average;
        let loaded = Averaged { inner: (), average, mean, terms, is_in_place, is_due, forgets };
        record.assert_like(&loaded.told())?;
        self.inner.load_state(&state.inner()?)?;
        let Averaged { mean, .. } = loaded;
        (self.mean, self.terms) = (mean, terms);
        (self.is_in_place, self.is_due, self.forgets) = (is_in_place, is_due, forgets);
        Ok(())
    }
}
