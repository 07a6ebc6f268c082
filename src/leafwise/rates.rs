//! The learning rate of an optimizer: its schedule, and what was set since.

use crate::error::{Error, ErrorKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::state::{Record, compare};

/// A schedule, or the rate in its place, and what it is multiplied by.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    pub(crate) schedule: Schedule,
    pub(crate) set: Option<f64>,
    pub(crate) scale: f64,
}

impl Rates {
    pub(crate) fn new(schedule: Schedule) -> Self {
        Self { schedule, set: None, scale: 1.0 }
    }

    /// The learning rate of a step.
    pub(crate) fn at(&self, step: u64) -> f64 {
        self.value(step, None) * self.scale
    }

    fn value(&self, step: u64, own: Option<&Schedule>) -> f64 {
        match own {
            Some(schedule) => schedule.at(step),
            None => self.set.unwrap_or_else(|| self.schedule.at(step)),
        }
    }

    /// The learning rate of a step.
    ///
    /// # Errors
    /// [`ErrorKind::LearningRate`] unless it is finite and ≥ 0.
    pub(crate) fn checked<F: Scalar>(&self, step: u64) -> Result<f64, Error> {
        self.checked_of::<F>(step, None, 1.0)
    }

    /// As [`checked`](Self::checked), of leaves with that schedule and factor.
    pub(crate) fn checked_of<F: Scalar>(
        &self,
        step: u64,
        own: Option<&Schedule>,
        factor: f64,
    ) -> Result<f64, Error> {
        let value = self.value(step, own);
        let rate = value * (factor * self.scale);
        if value >= 0.0 && F::from_f64(rate).is_finite() {
            Ok(rate)
        } else {
            Err(ErrorKind::LearningRate { value, step }.into())
        }
    }

    /// These with a rate in the place of the schedule, which is checked for that step.
    pub(crate) fn with_set<F: Scalar>(&self, rate: f64, step: u64) -> Result<Self, Error> {
        let rates = Self { set: Some(rate), ..self.clone() };
        rates.checked::<F>(step).map(|_| rates)
    }

    /// These times a factor, checked for that step.
    pub(crate) fn scaled<F: Scalar>(&self, factor: f64, step: u64) -> Result<Self, Error> {
        let rates = Self { scale: self.scale * factor, ..self.clone() };
        if !(factor >= 0.0 && rates.scale.is_finite()) {
            let value = rates.at(step);
            return Err(ErrorKind::LearningRate { value, step }.into());
        }
        rates.checked::<F>(step).map(|_| rates)
    }

    pub(crate) fn save(&self, record: &mut Record) {
        record.schedule("learning_rate", self.schedule.clone());
        record.number("rate.scale", self.scale);
        if let Some(rate) = self.set {
            record.number("rate.set", rate);
        }
    }

    /// Those of a saved run, whose schedule must be this one.
    pub(crate) fn load<F: Scalar>(&self, record: &Record) -> Result<Self, Error> {
        let mut schedule = record.get_schedule("learning_rate")?.clone();
        schedule.adopt(&self.schedule);
        schedule.validate()?;
        let (saved, here) = (format!("{schedule:?}"), format!("{:?}", self.schedule));
        compare("learning_rate", &saved, &here)?;
        let scale = record.get_number("rate.scale")?;
        let rates = Self { scale, set: record.get_number("rate.set").ok(), schedule };
        rates.checked::<F>(1).map(|_| rates)
    }
}
