//! How leaves are treated: rule, learning rate and settings, and their course through the steps.

use std::sync::Arc;

use super::codes::Coding;
use super::program::Program;
use super::settings::Settings;
use crate::error::{Error, ErrorKind};
use crate::optimizer;
use crate::params::Pattern;
use crate::rule::MOST;
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// What is done to the leaves of a group.
pub(crate) struct Plan<F: Scalar> {
    pub(super) program: Box<dyn Program<F>>,
    pub(super) schedule: Schedule,
    /// Whether the schedule is a group's own, and not that of the optimizer.
    pub(super) has_own_schedule: bool,
    /// Hyperparameters that change with the step, by name.
    pub(super) scheduled: Vec<(String, Schedule)>,
    pub(super) settings: Settings,
}

impl<F: Scalar> Clone for Plan<F> {
    fn clone(&self) -> Self {
        Self {
            program: self.program.boxed(),
            schedule: self.schedule.clone(),
            has_own_schedule: self.has_own_schedule,
            scheduled: self.scheduled.clone(),
            settings: self.settings.clone(),
        }
    }
}

/// What was set from outside upon the schedules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rates {
    /// The learning rate in the place of the optimizer's schedule.
    pub(super) set: Option<f64>,
    /// What every learning rate is multiplied by.
    pub(super) scale: f64,
}

impl Default for Rates {
    fn default() -> Self {
        Self { set: None, scale: 1.0 }
    }
}

/// The value of a schedule times a factor, if that can be a learning rate.
#[inline]
pub(super) fn checked_rate<F: Scalar>(step: u64, value: f64, factor: f64) -> Result<f64, Error> {
    let rate = value * factor;
    if value >= 0.0 && F::from_f64(rate).is_finite() {
        Ok(rate)
    } else {
        Err(ErrorKind::LearningRate { value, step }.into())
    }
}

/// A plan in use.
#[derive(Clone)]
pub(super) struct Course<F: Scalar> {
    pub(super) plan: Plan<F>,
    pub(super) settings: Settings,
    /// The learning rate of the last step.
    pub(super) learning_rate: f64,
    /// Whether no group changes it.
    pub(super) is_base: bool,
    pub(super) traits: Traits,
    /// What holds from the step on that is being prepared; what held before, once it has begun.
    next_rate: f64,
    /// Where hyperparameters follow a schedule.
    scheduled: Option<Scheduled<F>>,
}

/// Rule and settings with their scheduled values.
struct Scheduled<F: Scalar> {
    /// Of the last step.
    now: Box<dyn Program<F>>,
    /// Of the step that is being prepared.
    next: Box<dyn Program<F>>,
    next_settings: Settings,
}

impl<F: Scalar> Clone for Scheduled<F> {
    fn clone(&self) -> Self {
        let next_settings = self.next_settings.clone();
        Self { now: self.now.boxed(), next: self.next.boxed(), next_settings }
    }
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
    /// Which slots are kept in fewer bits.
    pub(super) coding: [Coding; MOST],
    /// The largest |g| that the rule's state can keep.
    pub(super) largest_gradient: f64,
}

impl Traits {
    fn of<F: Scalar>(program: &dyn Program<F>, settings: &Settings) -> Self {
        let limit = program.largest_gradient();
        // What cuts a gradient to less leaves nothing to look for; what a unit's norm does is not known
        // before.
        let cut = settings.clip_value.into_iter().chain(settings.clip_leaf_norm);
        let is_cut = settings.clip_adaptive.is_some() || cut.into_iter().any(|cut| cut <= limit);
        Self {
            is_plain: settings.is_plain(),
            couples: settings.couples() || program.about().norms,
            bounds: settings.max_norm.is_some(),
            coding: settings.state_precision.coding(&program.about()),
            largest_gradient: if settings.frozen || is_cut { f64::INFINITY } else { limit },
        }
    }
}

/// A change of the plan for the leaves of a pattern.
pub(super) struct Group<F: Scalar> {
    pub(super) pattern: Pattern,
    pub(super) change: Change<F>,
    /// What it was made of, where it came to an optimizer as it stood: that goes into its state.
    pub(super) since: Option<optimizer::Change>,
    /// What a saved run had instead of what the change makes.
    pub(super) adopted: Vec<Adopted>,
}

/// Values of a saved run, for the leaves that are of these groups.
#[derive(Clone)]
pub(super) struct Adopted {
    /// The groups up to the one that it belongs to.
    path: Vec<usize>,
    numbers: Vec<(&'static str, f64)>,
    scheduled: Vec<(String, Schedule)>,
    /// The learning rate, and whether it is the group's own.
    rate: Option<(Schedule, bool)>,
}

impl Adopted {
    /// What a saved plan has other than the one that these groups make; `None` where that is nothing.
    fn of<F: Scalar>(path: Vec<usize>, made: &Plan<F>, saved: &Plan<F>) -> Option<Self> {
        let mut numbers = Vec::new();
        saved.numbers(|name, number| numbers.push((name, number)));
        let mut kept = Vec::new();
        made.numbers(|name, number| {
            let other =
                |&&(of, saved): &&(&str, f64)| of == name && saved.to_bits() != number.to_bits();
            kept.extend(numbers.iter().find(other).copied());
        });
        let others = saved.scheduled.iter().filter(|other| !made.scheduled.contains(other));
        let rate = |plan: &Plan<F>| (plan.schedule.clone(), plan.has_own_schedule);
        let adopted = Self {
            path,
            numbers: kept,
            scheduled: others.cloned().collect(),
            rate: (rate(made) != rate(saved)).then(|| rate(saved)),
        };
        let is_empty = adopted.numbers.is_empty() && adopted.scheduled.is_empty();
        (!is_empty || adopted.rate.is_some()).then_some(adopted)
    }

    fn apply<F: Scalar>(&self, plan: &mut Plan<F>) {
        plan.program.hyperparameters(&mut |name, number| {
            if let Some((_, adopted)) = self.numbers.iter().find(|(of, _)| *of == name) {
                *number = *adopted;
            }
        });
        for (name, schedule) in &self.scheduled {
            plan.scheduled.retain(|(other, _)| other != name);
            plan.scheduled.push((name.clone(), schedule.clone()));
        }
        if let Some((schedule, is_own)) = &self.rate {
            (plan.schedule, plan.has_own_schedule) = (schedule.clone(), *is_own);
        }
    }
}

/// Makes another plan of a plan; the flag says whether it has groups of its own.
pub(super) type Change<F> = Arc<dyn Fn(Plan<F>) -> (Plan<F>, bool) + Send + Sync>;

impl<F: Scalar> Clone for Group<F> {
    fn clone(&self) -> Self {
        Self {
            pattern: self.pattern.clone(),
            change: self.change.clone(),
            since: self.since.clone(),
            adopted: self.adopted.clone(),
        }
    }
}

impl<F: Scalar> Group<F> {
    pub(super) fn new(pattern: Pattern, change: Change<F>) -> Self {
        Self { pattern, change, since: None, adopted: Vec::new() }
    }

    /// What it is known by, in its copies too.
    fn key(&self) -> usize {
        Arc::as_ptr(&self.change).cast::<()>().addr()
    }
}

/// Keeps what a saved plan has other than the one that the groups of a leaf make: with the last of
/// them, so that a group that is added later goes on from it.
pub(super) fn adopt<F: Scalar>(
    groups: &mut [Group<F>],
    of: &[usize],
    made: &Plan<F>,
    saved: &Plan<F>,
) {
    let Some(&last) = of.last() else { return };
    let path: Vec<usize> = of.iter().map(|&i| groups[i].key()).collect();
    if let Some(adopted) = Adopted::of(path, made, saved) {
        groups[last].adopted.push(adopted);
    }
}

impl<F: Scalar> Plan<F> {
    /// Whether everything is in its range, as far as that can be known before the step.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.program.validate()?;
        self.settings.check::<F>()?;
        self.schedule.validate()?;
        let settings = &self.settings;
        let is_penalty = |(name, _): &(String, Schedule)| matches!(name.as_str(), "l1" | "l2");
        let is_scheduled = self.scheduled.iter().any(is_penalty);
        if let Some(reason) = settings.not_exact(self.program.rests(), is_scheduled) {
            return Err(ErrorKind::NotExact { rule: self.program.about().name, reason }.into());
        }
        for (name, schedule) in &self.scheduled {
            schedule.validate()?;
            let (mut program, mut settings) = (self.program.boxed(), self.settings.clone());
            if assign(&mut *program, &mut settings, name, schedule.at(1)).is_err() {
                return Err(ErrorKind::UnknownHyperparameter {
                    owner: self.program.about().name,
                    name: name.clone(),
                    known: names(&*self.program),
                }
                .into());
            }
        }
        Ok(())
    }

    /// The learning rate of a step, checked, where the optimizer's own is `base`.
    #[inline]
    fn learning_rate(&self, step: u64, base: f64, scale: f64) -> Result<f64, Error> {
        let value = if self.has_own_schedule { self.schedule.at(step) } else { base };
        checked_rate::<F>(step, value, self.settings.rate_factor * scale)
    }

    /// The plan of the leaves that these groups are of.
    pub(super) fn changed<'g>(
        &self,
        groups: impl Iterator<Item = &'g Group<F>>,
    ) -> Result<Self, Error> {
        let mut plan = Self { has_own_schedule: false, ..self.clone() };
        let mut path = Vec::new();
        for group in groups {
            let pattern = &group.pattern;
            let (changed, has_groups) = (group.change)(plan);
            let stray = changed.settings.differs_as_a_whole(&self.settings);
            let nested = has_groups.then_some("group");
            if let Some(setting) = stray.or(nested) {
                return Err(ErrorKind::GroupSetting { group: pattern.to_string(), setting }.into());
            }
            plan = changed;
            path.push(group.key());
            let adopted = group.adopted.iter().filter(|adopted| adopted.path == path);
            adopted.for_each(|adopted| adopted.apply(&mut plan));
        }
        Ok(plan)
    }

    /// Calls `visit` with each hyperparameter of the rule.
    pub(super) fn numbers(&self, mut visit: impl FnMut(&'static str, f64)) {
        self.program.boxed().hyperparameters(&mut |name, number| visit(name, *number));
    }
}

impl<F: Scalar> Course<F> {
    pub(super) fn new(plan: Plan<F>, is_base: bool) -> Self {
        let scheduled = (!plan.scheduled.is_empty()).then(|| Scheduled {
            now: plan.program.boxed(),
            next: plan.program.boxed(),
            next_settings: plan.settings.clone(),
        });
        Self {
            settings: plan.settings.clone(),
            learning_rate: 0.0,
            is_base,
            traits: Traits::of(&*plan.program, &plan.settings),
            next_rate: 0.0,
            scheduled,
            plan,
        }
    }

    /// The rule as it was in the last step.
    pub(super) fn program(&self) -> &dyn Program<F> {
        self.scheduled.as_ref().map_or(&*self.plan.program, |scheduled| &*scheduled.now)
    }

    /// The learning rate of the step that was [prepared](Self::prepare).
    pub(super) fn rate_to_come(&self) -> f64 {
        self.next_rate
    }

    /// Whether hyperparameters follow a schedule.
    pub(super) fn is_scheduled(&self) -> bool {
        self.scheduled.is_some()
    }

    /// Takes over a rule as the rule of the last step, where hyperparameters follow a schedule.
    pub(super) fn go_on_from(&mut self, learning_rate: f64, program: &dyn Program<F>) {
        self.learning_rate = learning_rate;
        if let Some(scheduled) = &mut self.scheduled {
            scheduled.now = program.boxed();
        }
    }

    /// Readies learning rate and hyperparameters for that step, and checks them.
    #[inline]
    pub(super) fn prepare(&mut self, step: u64, base: f64, scale: f64) -> Result<f64, Error> {
        self.next_rate = self.plan.learning_rate(step, base, scale)?;
        if let Some(scheduled) = &mut self.scheduled {
            scheduled.prepare(&self.plan, step)?;
        }
        Ok(self.next_rate)
    }

    /// Makes what was readied the present, or, once more, goes back to what was the present before.
    #[inline]
    pub(super) fn commit(&mut self) {
        std::mem::swap(&mut self.learning_rate, &mut self.next_rate);
        if let Some(Scheduled { now, next, next_settings }) = &mut self.scheduled {
            std::mem::swap(now, next);
            std::mem::swap(&mut self.settings, next_settings);
            self.traits = Traits::of(&**now, &self.settings);
        }
    }
}

impl<F: Scalar> Scheduled<F> {
    fn prepare(&mut self, plan: &Plan<F>, step: u64) -> Result<(), Error> {
        self.next_settings.clone_from(&plan.settings);
        for (name, schedule) in &plan.scheduled {
            // The names were looked up when the plan was checked.
            let value = schedule.at(step);
            let _ = assign(&mut *self.next, &mut self.next_settings, name, value);
        }
        self.next.validate()?;
        self.next_settings.check::<F>()
    }
}

/// The hyperparameters of settings that a schedule can drive.
const OF_SETTINGS: [&str; 5] = ["l1", "l2", "decoupled_decay", "shrink", "proximal_l1"];

/// The names that a schedule can drive.
fn names<F: Scalar>(program: &dyn Program<F>) -> Vec<String> {
    let mut names = Vec::new();
    program.boxed().hyperparameters(&mut |name, _| names.push(name.to_owned()));
    names.extend(OF_SETTINGS.map(str::to_owned));
    names
}

/// Gives a hyperparameter of the rule, or else of the settings, a value.
pub(super) fn assign<F: Scalar>(
    program: &mut dyn Program<F>,
    settings: &mut Settings,
    name: &str,
    value: f64,
) -> Result<(), ()> {
    let mut found = false;
    program.hyperparameters(&mut |own, number| {
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
