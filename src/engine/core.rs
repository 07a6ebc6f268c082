//! The engine itself: one type for all rules, compiled once for each scalar.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayViewD, CowArray, IxDyn};

use super::altered::Altered;
use super::ledger::Ledger;
use super::object::{Changed, Core, Factors};
use super::plan::{Change, Group, Plan, Rates, assign};
use super::program::{About, Program};
use super::scratch::Scratch;
use super::settings::{Precedence, Settings};
use crate::error::{Error, ErrorKind, Tree};
use crate::optimizer::{self, Call, Optimizer, Partwise, StepInfo, Treatment, Wholes};
use crate::params::{Params, ParamsMut, Pattern, matches_nothing};
use crate::scalar::{ByScalar, Scalar};
use crate::schedule::Schedule;
use crate::state::State;

/// What every elementwise optimizer shares.
pub(super) struct Engine<F: Scalar> {
    pub(super) plan: Plan<F>,
    /// What is true of the rule, whatever its hyperparameters.
    pub(super) about: About,
    pub(super) groups: Vec<Group<F>>,
    pub(super) rates: Rates,
    /// Whose values win where a saved run was built in another way; the last that fits counts.
    pub(super) precedence: Vec<(Option<String>, Precedence)>,
    /// Whether plan and groups were checked, and assigned to the leaves, since they last changed.
    pub(super) checked: bool,
    pub(super) counters: Counters,
    pub(super) ledger: Ledger<F>,
    pub(super) scratch: Scratch<F>,
    pub(super) altered: Altered<F>,
    /// Whether the last step has left a term of the average out.
    pub(super) term_is_due: bool,
    /// The shapes of the leaves, where what is stepped are parts of them.
    pub(super) wholes: Option<Arc<Wholes>>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counters {
    pub(super) steps: u64,
    pub(super) skipped: u64,
    pub(super) place: Place,
    /// Whether all is forgotten once the average is taken out of the place of the parameters.
    pub(super) forgets: bool,
}

/// Where the parameters are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// Where gradients are taken.
    #[default]
    Training,
    /// Their average is in their place.
    Averaged,
    /// At the point to evaluate.
    Settled,
}

/// What makes an engine of a plan.
pub(crate) struct MakeEngine;

impl ByScalar for MakeEngine {
    type For<F: Scalar> = fn(Box<dyn Program<F>>, Schedule) -> Box<dyn Core<F>>;

    #[inline(never)]
    fn f32() -> Self::For<f32> {
        make
    }

    #[inline(never)]
    fn f64() -> Self::For<f64> {
        make
    }
}

fn make<F: Scalar>(program: Box<dyn Program<F>>, schedule: Schedule) -> Box<dyn Core<F>> {
    let (scheduled, settings) = (Vec::new(), Settings::default());
    let plan = Plan { program, schedule, has_own_schedule: false, scheduled, settings };
    Box::new(Engine::new(plan))
}

impl<F: Scalar> Engine<F> {
    pub(super) fn new(plan: Plan<F>) -> Self {
        let scratch = Scratch::new(plan.program.kernel());
        Self {
            about: plan.program.about(),
            plan,
            groups: Vec::new(),
            rates: Rates::default(),
            precedence: Vec::new(),
            checked: false,
            counters: Counters::default(),
            ledger: Ledger::default(),
            scratch,
            altered: Altered::default(),
            term_is_due: false,
            wholes: None,
        }
    }

    fn regroup(&mut self, pattern: Pattern, change: Change<F>) {
        self.groups.push(Group::new(pattern, change));
        self.checked = false;
    }

    /// What can be checked without the leaves.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.plan.check()?;
        for group in &self.groups {
            self.plan.changed(std::iter::once(group))?.check()?;
        }
        Ok(())
    }

    /// Moves parameters by their first slot: w ← w - a·(b·s), or w + a·(b·s) to come back.
    fn shift(
        &self,
        params: &mut dyn ParamsMut<F>,
        settles: bool,
        factors: Factors<'_, F>,
    ) -> Result<(), Error> {
        if self.ledger.is_empty() {
            return Ok(());
        }
        let Ledger { roster, leaves, .. } = &self.ledger;
        roster.meet(&*params, Tree::Parameters, |_, _| {})?;
        roster.meet_mut(params, Tree::Parameters, |index, w| {
            let course = self.ledger.course_of(&leaves[index]);
            let [a, b] = factors(course.program().rule(), course.learning_rate);
            let a = if settles { a } else { -a };
            if let Some(slot) = leaves[index].slot(0).filter(|slot| slot.shape() == w.shape()) {
                w.view_mut().zip_mut_with(&slot, |w, &slot| *w = *w - a * (b * slot));
            }
        })
    }
}

impl<F: Scalar> Optimizer<F> for Engine<F> {
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, grads, Call { averages: true, loss: None }, None)
    }

    fn step_with_loss(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: f64,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, grads, Call { averages: true, loss: Some(loss) }, None)
    }

    fn step_before_average(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: Option<f64>,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, grads, Call { averages: false, loss }, None)
    }

    fn average_again(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        let due = self.plan.settings.average.filter(|_| self.term_is_due);
        if let Some(average) = due {
            self.ledger.take_term(average, params)?;
            self.term_is_due = false;
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()?;
        self.base_rate(self.counters.steps + 1, self.rates).map(|_| ())
    }

    fn ready(&self) -> Result<(), Error> {
        match self.counters.place {
            Place::Training => Ok(()),
            Place::Averaged => Err(ErrorKind::AverageInPlace.into()),
            Place::Settled => Err(ErrorKind::Settled.into()),
        }
    }

    fn treatment(&self, leaf: &str, shape: &[usize]) -> Treatment {
        let of = |settings: &Settings| Treatment {
            trained: !settings.frozen,
            maximize: settings.maximize,
        };
        if self.checked
            && let Some(leaf) = self.ledger.leaf(leaf)
        {
            return of(&self.ledger.course_of(leaf).settings);
        }
        let groups = self.groups.iter().filter(|group| group.pattern.matches(leaf, shape));
        // What is wrong with a group is said by the step.
        self.plan.changed(groups).map_or_else(|_| Treatment::default(), |plan| of(&plan.settings))
    }

    fn learning_rate(&self) -> f64 {
        let base = self.plan.schedule.at(self.counters.steps + 1);
        let Rates { set, scale } = self.rates;
        set.unwrap_or(base) * self.plan.settings.rate_factor * scale
    }

    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        let rates = Rates { set: Some(learning_rate), ..self.rates };
        self.base_rate(self.counters.steps + 1, rates)?;
        self.rates = rates;
        Ok(())
    }

    fn scale_rate(&mut self, factor: f64) -> Result<(), Error> {
        let rates = Rates { scale: self.rates.scale * factor, ..self.rates };
        let step = self.counters.steps + 1;
        if !(factor >= 0.0 && rates.scale.is_finite()) {
            let value = self.learning_rate() * factor;
            return Err(ErrorKind::LearningRate { value, step }.into());
        }
        self.base_rate(step, rates)?;
        self.rates = rates;
        Ok(())
    }

    fn set_schedule(&mut self, schedule: Schedule) -> Result<(), Error> {
        schedule.validate()?;
        self.replace_schedule(schedule);
        Ok(())
    }

    fn change_group(&mut self, leaves: Pattern, change: optimizer::Change) -> Result<(), Error> {
        let since = change.clone();
        let apply = move |mut plan: Plan<F>| {
            let result = apply(&change, &mut plan);
            (plan, result)
        };
        // Now is when a mistake can be said.
        let (plan, result) = apply(self.plan.clone());
        result?;
        plan.check()?;
        if !self.ledger.is_empty() && !self.ledger.has_any(&leaves) {
            return Err(matches_nothing(&leaves, self.ledger.roster.entries()));
        }
        self.regroup(leaves, Arc::new(move |plan| (apply(plan).0, false)));
        if let Some(group) = self.groups.last_mut() {
            group.since = Some(since);
        }
        Ok(())
    }

    fn changes(&self, marks: &mut Vec<usize>) {
        marks.push(self.groups.len());
    }

    fn forget_changes(&mut self, marks: &mut dyn Iterator<Item = usize>) {
        self.groups.truncate(marks.next().unwrap_or(usize::MAX));
        self.checked = false;
    }

    fn steps(&self) -> u64 {
        self.counters.steps
    }

    fn skipped(&self) -> u64 {
        self.counters.skipped
    }

    fn reset(&mut self) {
        if self.counters.place == Place::Averaged {
            // The parameters are in the place of the average, and come out of it first.
            self.counters.forgets = true;
            (self.counters.steps, self.counters.skipped) = (0, 0);
            return;
        }
        self.ledger = Ledger::default();
        self.counters = Counters::default();
        self.term_is_due = false;
    }

    fn name(&self) -> &'static str {
        self.about.name
    }

    fn swap_average(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        match self.counters.place {
            Place::Settled => return Err(ErrorKind::Settled.into()),
            Place::Training if self.plan.settings.average.is_none() => {
                return Err(ErrorKind::NoAverage.into());
            }
            Place::Training | Place::Averaged => {}
        }
        let Ledger { roster, leaves, cohorts, .. } = &mut self.ledger;
        if !leaves.is_empty() {
            roster.meet(&*params, Tree::Parameters, |_, _| {})?;
            roster.meet_mut(params, Tree::Parameters, |index, w| {
                let leaf = &mut leaves[index];
                let average = leaf.average.as_mut_slice();
                if cohorts[leaf.cohort].terms > 0 && !average.is_empty() {
                    let mut w = leaf.order.arrange_mut(w.view_mut());
                    w.iter_mut().zip(average).for_each(|(w, average)| std::mem::swap(w, average));
                }
            })?;
        }
        self.counters.place = match self.counters.place {
            Place::Averaged => Place::Training,
            _ => Place::Averaged,
        };
        if self.counters.forgets && self.counters.place == Place::Training {
            self.reset();
        }
        Ok(())
    }

    fn state(&self) -> State {
        self.save()
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.load(state)
    }

    fn partwise(&mut self) -> Option<&mut dyn Partwise<F>> {
        Some(self)
    }
}

/// Applies a change to the plan of a group.
fn apply<F: Scalar>(change: &optimizer::Change, plan: &mut Plan<F>) -> Result<(), Error> {
    if let Some(frozen) = change.frozen {
        plan.settings.frozen = frozen;
    }
    if let Some(factor) = change.rate_factor {
        plan.settings.rate_factor = factor;
    }
    if let Some(schedule) = &change.schedule {
        plan.schedule = schedule.clone();
        plan.has_own_schedule = true;
    }
    for (name, value) in &change.numbers {
        if assign(&mut *plan.program, &mut plan.settings, name, *value).is_err() {
            let mut known = Vec::new();
            plan.numbers(|name, _| known.push(name.to_owned()));
            let (owner, name) = (plan.program.about().name, name.clone());
            return Err(ErrorKind::UnknownHyperparameter { owner, name, known }.into());
        }
    }
    Ok(())
}

impl<F: Scalar> Core<F> for Engine<F> {
    fn boxed(&self) -> Box<dyn Core<F>> {
        Box::new(Self {
            about: self.about,
            plan: self.plan.clone(),
            groups: self.groups.clone(),
            rates: self.rates,
            precedence: self.precedence.clone(),
            checked: self.checked,
            counters: self.counters,
            ledger: self.ledger.clone(),
            altered: Altered::default(),
            scratch: Scratch::new(self.plan.program.kernel()),
            term_is_due: self.term_is_due,
            wholes: self.wholes.clone(),
        })
    }

    fn into_plan(self: Box<Self>) -> (Plan<F>, bool) {
        (self.plan, !self.groups.is_empty())
    }

    fn rule(&self) -> &dyn Any {
        self.plan.program.rule()
    }

    fn rule_mut(&mut self) -> &mut dyn Any {
        self.checked = false;
        self.plan.program.rule_mut()
    }

    fn settings_mut(&mut self) -> &mut Settings {
        self.checked = false;
        &mut self.plan.settings
    }

    fn replace_schedule(&mut self, schedule: Schedule) {
        self.plan.schedule = schedule;
        // Of a group it is its own; of the optimizer itself nobody asks.
        self.plan.has_own_schedule = true;
        self.rates.set = None;
        self.checked = false;
    }

    fn set_scheduled(&mut self, hyperparameter: String, schedule: Schedule) {
        self.plan.scheduled.retain(|(other, _)| *other != hyperparameter);
        self.plan.scheduled.push((hyperparameter, schedule));
        self.checked = false;
    }

    fn add_group(&mut self, leaves: Pattern, change: Changed<F>) {
        let change = move |plan| change(Box::new(Engine::new(plan))).into_plan();
        self.regroup(leaves, Arc::new(change));
    }

    fn set_precedence(&mut self, name: Option<String>, precedence: Precedence) {
        self.precedence.push((name, precedence));
    }

    fn slot(&self, leaf: &str, slot: &str) -> Option<CowArray<'_, F, IxDyn>> {
        let slot = self.about.slots.iter().position(|&name| name == slot)?;
        self.ledger.leaf(leaf)?.slot(slot)
    }

    fn carried(&self) -> [f64; 4] {
        self.ledger.of_tree()
    }

    fn average_of(&self, leaf: &str) -> Option<ArrayViewD<'_, F>> {
        let leaf = self.ledger.leaf(leaf)?;
        let has_terms = self.ledger.cohorts[leaf.cohort].terms > 0;
        leaf.average().filter(|_| has_terms)
    }

    fn settle(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        settled: bool,
        factors: Factors<'_, F>,
    ) -> Result<(), Error> {
        let from = if settled { Place::Training } else { Place::Settled };
        let to = if settled { Place::Settled } else { Place::Training };
        if self.counters.place != from {
            return match self.counters.place {
                Place::Averaged => Err(ErrorKind::AverageInPlace.into()),
                Place::Settled => Err(ErrorKind::Settled.into()),
                Place::Training => {
                    let what = "the parameters are where gradients are taken; `unsettle` comes \
                                after `settle`";
                    Err(ErrorKind::OutOfTurn { what }.into())
                }
            };
        }
        self.shift(params, settled, factors)?;
        self.counters.place = to;
        Ok(())
    }

    fn settle_copy(
        &self,
        params: &mut dyn ParamsMut<F>,
        factors: Factors<'_, F>,
    ) -> Result<(), Error> {
        self.ready()?;
        self.shift(params, true, factors)
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns: Vec<&Pattern> = self.groups.iter().map(|group| &group.pattern).collect();
        let mut f = f.debug_struct(self.name());
        f.field("rule", &self.plan.program).field("schedule", &self.plan.schedule);
        if !self.plan.scheduled.is_empty() {
            f.field("scheduled", &self.plan.scheduled);
        }
        for (name, value) in super::described::changed(&self.plan.settings) {
            f.field(name, &format_args!("{value}"));
        }
        if !patterns.is_empty() {
            f.field("groups", &patterns);
        }
        f.field("steps", &self.counters.steps)
            .field("skipped", &self.counters.skipped)
            .field("leaves", &self.ledger.leaves.len())
            .finish()
    }
}

impl<F: Scalar> fmt::Debug for Engine<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)
    }
}
