//! Groups of leaves, and how each leaf is treated.

use super::rule::Object;
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::optimizer::Change;
use crate::params::Pattern;
use crate::regularize::Decay;
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// A change for the leaves of a pattern.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) leaves: Pattern,
    pub(super) change: Change,
}

/// How a leaf is treated.
#[derive(Debug)]
pub(super) struct Own<F: Scalar> {
    pub(super) frozen: bool,
    pub(super) factor: f64,
    pub(super) schedule: Option<Schedule>,
    pub(super) decay: Decay,
    /// Hyperparameters that a group has set: a schedule does not reach them.
    pub(super) set: Vec<String>,
    /// Whether the rule may keep other slots than the leaf has, by what schedules have set since.
    pub(super) turned: bool,
    pub(super) rule: Box<dyn Object<F>>,
}

impl<F: Scalar> Clone for Own<F> {
    fn clone(&self) -> Self {
        let (schedule, set) = (self.schedule.clone(), self.set.clone());
        Self { schedule, set, rule: self.rule.boxed(), ..*self }
    }
}

impl<F: Scalar> Own<F> {
    /// Takes a change on.
    pub(super) fn apply(&mut self, change: &Change) -> Result<(), Error> {
        let owner = self.rule.name();
        if let Some(factor) = change.rate_factor {
            Interval::NON_NEGATIVE.check::<F>(owner, "rate_factor", factor)?;
            self.factor = factor;
        }
        if let Some(schedule) = &change.schedule {
            schedule.validate()?;
            self.schedule = Some(schedule.clone());
        }
        self.frozen = change.frozen.unwrap_or(self.frozen);
        for (name, value) in &change.numbers {
            self.assign(name, *value).map_err(|()| self.unknown(name))?;
            self.set.push(name.clone());
        }
        self.decay.check::<F>(owner)?;
        self.rule.validate()
    }

    /// Gives a hyperparameter a value; whether it has begun or ceased to be 0, by which a rule may keep a slot.
    pub(super) fn assign(&mut self, name: &str, value: f64) -> Result<bool, ()> {
        let mut before = None;
        if name == "weight_decay" {
            before = Some(std::mem::replace(self.decay.number(), value));
        }
        self.rule.hyperparameters(&mut |own, number| {
            if own == name {
                before = Some(std::mem::replace(number, value));
            }
        });
        before.map(|before| (before == 0.0) != (value == 0.0)).ok_or(())
    }

    #[cold]
    pub(super) fn unknown(&mut self, name: &str) -> Error {
        let mut known = Vec::new();
        self.rule.hyperparameters(&mut |own, _| known.push(own.to_owned()));
        known.push("weight_decay".to_owned());
        let (owner, name) = (self.rule.name(), name.to_owned());
        ErrorKind::UnknownHyperparameter { owner, name, known }.into()
    }

    /// Gives the hyperparameters that follow a schedule their values of a step, and checks them.
    pub(super) fn follow(
        &mut self,
        scheduled: &[(String, Schedule)],
        step: u64,
    ) -> Result<(), Error> {
        for (name, schedule) in scheduled {
            if !self.set.contains(name) {
                self.turned |= self.assign(name, schedule.at(step)).unwrap_or(false);
            }
        }
        self.decay.check::<F>(self.rule.name())?;
        self.rule.validate()
    }
}
