//! Lookahead.

use crate::error::{Error, Tree};
use crate::interval::Interval;
use crate::optimizer::{Optimizer, StepInfo};
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
/// φ begins at the parameters of the first step. The state of the optimizer inside is not reset.
/// Steps that it skips do not count. Costs a copy of the parameters.
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
}

impl<F: Scalar, O: Optimizer<F>> Lookahead<F, O> {
    /// Lookahead over `inner`.
    pub fn new(inner: O) -> Self {
        Self { inner, alpha: 0.5, period: 6, slow: None }
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

    /// The slow weights φ; `None` before the first step.
    pub fn slow(&self) -> Option<&Snapshot<F>> {
        self.slow.as_ref()
    }

    fn record(&self, slow: Option<&Snapshot<F>>) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.count("period", self.period);
        record.number("alpha", self.alpha);
        record.count("begun", u64::from(slow.is_some()));
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

impl<F: Scalar, O: Optimizer<F>> Optimizer<F> for Lookahead<F, O> {
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        self.check()?;
        let first = match &self.slow {
            Some(slow) => {
                slow.check(&*params)?;
                None
            }
            None => Some(Snapshot::of(&*params)?),
        };
        let before = self.inner.steps();
        let info = self.inner.step(params, grads)?;
        let slow = match first {
            Some(first) => self.slow.insert(first),
            None => match &mut self.slow {
                Some(slow) => slow,
                None => return Ok(info),
            },
        };
        let now = self.inner.steps();
        if now > before && now.is_multiple_of(self.period) {
            let alpha = F::from_f64(self.alpha);
            slow.each_mut(params, Tree::Parameters, |slow, fast| {
                *slow = *slow + alpha * (*fast - *slow);
                *fast = *slow;
            })?;
        }
        Ok(info)
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()?;
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
        self.inner.skipped()
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.slow = None;
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn swap_average(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.inner.swap_average(params)
    }

    fn state(&self) -> State {
        self.inner.state().around(self.record(self.slow.as_ref()))
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
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
        record.assert_like(&self.record(slow.as_ref()))?;
        self.inner.load_state(&state.inner()?)?;
        self.slow = slow;
        Ok(())
    }
}
