//! How the leaves of a group are treated: rule, learning rate and settings.

use std::sync::Arc;

use super::pattern::Pattern;
use super::{Elementwise, Settings};
use crate::error::{Error, ErrorKind};
use crate::rule::Rule;
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// What is done to the leaves of a group.
#[derive(Clone)]
pub(super) struct Plan<R> {
    pub(super) rule: R,
    pub(super) schedule: Schedule,
    /// Hyperparameters that change with the step, by name.
    pub(super) scheduled: Vec<(String, Schedule)>,
    pub(super) settings: Settings,
    /// What all learning rates are multiplied by.
    pub(super) rate_scale: f64,
}

/// A plan in use.
#[derive(Clone)]
pub(super) struct Course<R> {
    pub(super) plan: Plan<R>,
    /// The rule with its scheduled values, of the last step or of the one being prepared; `None`
    /// where nothing is scheduled.
    pub(super) rule: Option<R>,
    pub(super) settings: Settings,
    /// The learning rate of the last step.
    pub(super) learning_rate: f64,
    /// What the rule carries from step to step.
    pub(super) carried: [f64; 2],
    /// Whether no group changes it.
    pub(super) is_base: bool,
    pub(super) traits: Traits,
    next: Next<R>,
}

/// What a step asks of its settings, found out once.
#[derive(Clone, Copy)]
pub(super) struct Traits {
    /// Whether nothing but the rule happens to an element, beside a global clip and an average.
    pub(super) is_plain: bool,
    /// Whether a norm or a count couples the elements of a leaf.
    pub(super) couples: bool,
    /// Whether units are brought within a bound.
    pub(super) bounds: bool,
}

impl Traits {
    fn of(settings: &Settings) -> Self {
        Self {
            is_plain: settings.is_plain(),
            couples: settings.couples(),
            bounds: settings.max_norm.is_some(),
        }
    }
}

/// What holds from the step on that is being prepared.
#[derive(Clone)]
struct Next<R> {
    learning_rate: f64,
    scheduled: Option<(R, Settings)>,
}

/// A change of the plan for the leaves of a pattern.
pub(super) struct Group<F: Scalar, R: Rule<F>> {
    pub(super) pattern: Pattern,
    pub(super) change: Change<F, R>,
}

pub(super) type Change<F, R> = Arc<dyn Fn(Elementwise<F, R>) -> Elementwise<F, R> + Send + Sync>;

impl<F: Scalar, R: Rule<F>> Clone for Group<F, R> {
    fn clone(&self) -> Self {
        Self { pattern: self.pattern.clone(), change: self.change.clone() }
    }
}

impl<R> Plan<R> {
    /// Whether everything is in its range, as far as that can be known before the step.
    pub(super) fn check<F: Scalar>(&self) -> Result<(), Error>
    where
        R: Rule<F>,
    {
        self.rule.validate()?;
        self.settings.check::<F>()?;
        self.schedule.validate()?;
        for (name, schedule) in &self.scheduled {
            schedule.validate()?;
            let (mut rule, mut settings) = (self.rule.clone(), self.settings.clone());
            if assign::<F, R>(&mut rule, &mut settings, name, schedule.at(1)).is_err() {
                return Err(ErrorKind::UnknownHyperparameter {
                    owner: R::NAME,
                    name: name.clone(),
                    known: names::<F, R>(&self.rule),
                }
                .into());
            }
        }
        Ok(())
    }

    /// Rule and settings with their scheduled values of that step, checked.
    fn at<F: Scalar>(&self, step: u64) -> Result<(R, Settings), Error>
    where
        R: Rule<F>,
    {
        let (mut rule, mut settings) = (self.rule.clone(), self.settings.clone());
        for (name, schedule) in &self.scheduled {
            // The names were looked up when the plan was checked.
            let _ = assign::<F, R>(&mut rule, &mut settings, name, schedule.at(step));
        }
        rule.validate()?;
        settings.check::<F>()?;
        Ok((rule, settings))
    }

    /// The learning rate of a step, checked.
    #[inline]
    pub(super) fn learning_rate<F: Scalar>(&self, step: u64) -> Result<f64, Error> {
        let value = self.schedule.at(step);
        let rate = value * (self.settings.rate_factor * self.rate_scale);
        if value >= 0.0 && F::from_f64(rate).is_finite() {
            Ok(rate)
        } else {
            Err(ErrorKind::LearningRate { value, step }.into())
        }
    }

    /// The plan of the leaves that these groups are of.
    pub(super) fn changed<'g, F: Scalar>(
        &self,
        groups: impl Iterator<Item = &'g Group<F, R>>,
    ) -> Result<Self, Error>
    where
        R: Rule<F>,
    {
        let mut plan = self.clone();
        for Group { pattern, change } in groups {
            let changed = change(Elementwise::with_plan(plan));
            let stray = changed.plan.settings.differs_as_a_whole(&self.settings);
            let nested = (!changed.groups.is_empty()).then_some("group");
            if let Some(setting) = stray.or(nested) {
                return Err(ErrorKind::GroupSetting { group: pattern.to_string(), setting }.into());
            }
            plan = changed.plan;
        }
        Ok(plan)
    }
}

impl<R> Course<R> {
    pub(super) fn new(plan: Plan<R>, is_base: bool) -> Self {
        Self {
            rule: None,
            settings: plan.settings.clone(),
            learning_rate: 0.0,
            carried: [0.0; 2],
            is_base,
            traits: Traits::of(&plan.settings),
            next: Next { learning_rate: 0.0, scheduled: None },
            plan,
        }
    }

    /// The rule as it was in the last step.
    pub(super) fn rule(&self) -> &R {
        self.rule.as_ref().unwrap_or(&self.plan.rule)
    }

    /// Readies learning rate and hyperparameters for that step, and checks them.
    #[inline]
    pub(super) fn prepare<F: Scalar>(&mut self, step: u64) -> Result<f64, Error>
    where
        R: Rule<F>,
    {
        self.next.learning_rate = self.plan.learning_rate::<F>(step)?;
        if !self.plan.scheduled.is_empty() {
            self.next.scheduled = Some(self.plan.at::<F>(step)?);
        }
        Ok(self.next.learning_rate)
    }

    /// Makes what was readied the present.
    #[inline]
    pub(super) fn commit(&mut self) {
        self.learning_rate = self.next.learning_rate;
        if let Some((rule, settings)) = self.next.scheduled.take() {
            self.rule = Some(rule);
            self.traits = Traits::of(&settings);
            self.settings = settings;
        }
    }
}

/// The hyperparameters of settings that a schedule can drive.
const OF_SETTINGS: [&str; 5] = ["l1", "l2", "decoupled_decay", "shrink", "proximal_l1"];

/// The names that a schedule can drive.
fn names<F: Scalar, R: Rule<F>>(rule: &R) -> Vec<String> {
    let mut names = Vec::new();
    rule.clone().hyperparameters(&mut |name, _| names.push(name.to_owned()));
    names.extend(OF_SETTINGS.map(str::to_owned));
    names
}

/// Gives a hyperparameter of the rule, or else of the settings, a value.
fn assign<F: Scalar, R: Rule<F>>(
    rule: &mut R,
    settings: &mut Settings,
    name: &str,
    value: f64,
) -> Result<(), ()> {
    let mut found = false;
    rule.hyperparameters(&mut |own, number| {
        if own == name {
            *number = value;
            found = true;
        }
    });
    if found {
        return Ok(());
    }
    match name {
        "l1" => settings.penalty.l1 = value,
        "l2" => settings.penalty.l2 = value,
        "decoupled_decay" => match &mut settings.decoupled_decay {
            Some(decay) => *decay.number() = value,
            none => *none = Some(crate::regularize::Decay::Relative(value)),
        },
        "shrink" => settings.shrink = value,
        "proximal_l1" => settings.proximal_l1 = value,
        _ => return Err(()),
    }
    Ok(())
}
