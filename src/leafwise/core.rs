//! The engine of rules of whole leaves: one type for all of them, compiled once for each scalar.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::groups::Group;
use super::ledger::{LeafState, Ledger};
use super::pairs::Lists;
use super::rates::Rates;
use super::rule::{Object, Slot, Workspace};
use crate::engine::{Altered, NonFinite};
use crate::error::Error;
use crate::interval::Interval;
use crate::optimizer::{Change, Optimizer, Partwise, StepInfo, Treatment, Wholes};
use crate::params::{Entry, Params, ParamsMut, Pattern, Roster};
use crate::reduce::How;
use crate::regularize::{Decay, GradientNoise, Units};
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::simd::Simd;
use crate::state::State;

/// What all of them share.
pub(super) struct Engine<F: Scalar> {
    pub(super) rule: Box<dyn Object<F>>,
    pub(super) settings: Around,
    pub(super) rates: Rates,
    pub(super) groups: Vec<Group>,
    /// Hyperparameters that change with the step, by name.
    pub(super) scheduled: Vec<(String, Schedule)>,
    /// Whether everything was checked, and the leaves assigned, since it last changed.
    pub(super) checked: bool,
    pub(super) steps: u64,
    pub(super) skipped: u64,
    pub(super) ledger: Option<Ledger<F>>,
    pub(super) scratch: Scratch<F>,
    /// The shapes of the leaves, where some of these are other ranks'.
    pub(super) wholes: Option<Arc<Wholes>>,
}

/// What is around a rule.
#[derive(Debug, Clone)]
pub(crate) struct Around {
    pub(crate) decay: Decay,
    pub(crate) clip_norm: Option<f64>,
    pub(crate) non_finite: NonFinite,
    pub(crate) maximize: bool,
    pub(crate) centralized: Option<Units>,
    pub(crate) gradient_noise: Option<GradientNoise>,
    pub(crate) simd: Simd,
}

/// Memory that is kept from step to step.
#[derive(Debug, Default)]
pub(super) struct Scratch<F> {
    pub(super) lists: Lists,
    pub(super) altered: Altered<F>,
    /// Of each leaf: its learning rate, 0 where it is frozen.
    pub(super) rates: Vec<f64>,
    pub(super) w: Vec<F>,
    pub(super) g: Vec<F>,
    pub(super) workspace: Workspace<F>,
}

/// The engine as an object: what is left of it in the crates that use it.
pub(crate) trait Core<F: Scalar>: Optimizer<F> {
    fn boxed(&self) -> Box<dyn Core<F>>;
    fn rule(&self) -> &dyn Any;
    fn rule_mut(&mut self) -> &mut dyn Any;
    fn around_mut(&mut self) -> &mut Around;
    fn replace_schedule(&mut self, schedule: Schedule);
    fn set_scheduled(&mut self, hyperparameter: String, schedule: Schedule);
    /// Adds a group that is checked at the first step.
    fn put_group(&mut self, leaves: Pattern, change: Change);
    fn slot(&self, leaf: &str, slot: &str) -> Option<&Slot<F>>;
    fn state_len(&self) -> usize;
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<F: Scalar> Engine<F> {
    pub(super) fn new(rule: Box<dyn Object<F>>, schedule: Schedule) -> Self {
        Self {
            rule,
            settings: Around {
                decay: Decay::Relative(0.0),
                clip_norm: None,
                non_finite: NonFinite::default(),
                maximize: false,
                centralized: None,
                gradient_noise: None,
                simd: Simd::default(),
            },
            rates: Rates::new(schedule),
            groups: Vec::new(),
            scheduled: Vec::new(),
            checked: false,
            steps: 0,
            skipped: 0,
            ledger: None,
            scratch: Scratch::default(),
            wholes: None,
        }
    }

    pub(super) fn how(&self) -> How {
        How { simd: self.settings.simd, ..crate::vector::how() }
    }

    /// What can be checked without the leaves.
    pub(super) fn check(&self) -> Result<(), Error> {
        let owner = self.rule.name();
        self.rule.validate()?;
        self.settings.decay.check::<F>(owner)?;
        if let Some(limit) = self.settings.clip_norm {
            Interval::POSITIVE.check::<F>(owner, "clip_norm", limit)?;
        }
        if let Some(noise) = self.settings.gradient_noise {
            noise.check::<F>()?;
        }
        self.rates.schedule.validate()?;
        self.check_scheduled()?;
        self.check_groups()
    }

    /// The shape of a leaf, which may be another rank's.
    pub(super) fn shape_of<'e>(&'e self, entry: &'e Entry) -> &'e [usize] {
        let whole = self.wholes.as_ref().and_then(|wholes| wholes.get(&entry.name));
        whole.unwrap_or(&entry.shape)
    }

    /// The ledger of leaves that have taken no step.
    pub(super) fn open(&self, roster: Roster) -> Result<Ledger<F>, Error> {
        let own = self.assigned(roster.entries())?;
        let leaf = |entry| LeafState::new(entry, self.shape_of(entry));
        let leaves = roster.entries().iter().map(leaf).collect();
        Ok(Ledger { roster, leaves, own })
    }
}

impl<F: Scalar> Clone for Engine<F> {
    fn clone(&self) -> Self {
        Self {
            rule: self.rule.boxed(),
            settings: self.settings.clone(),
            rates: self.rates.clone(),
            groups: self.groups.clone(),
            scheduled: self.scheduled.clone(),
            ledger: self.ledger.clone(),
            scratch: Scratch::default(),
            wholes: self.wholes.clone(),
            ..*self
        }
    }
}

impl<F: Scalar> fmt::Debug for Engine<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.rule.name())
            .field("rule", &self.rule)
            .field("schedule", &self.rates.schedule)
            .field("settings", &self.settings)
            .field("steps", &self.steps)
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

impl<F: Scalar> Core<F> for Engine<F> {
    fn boxed(&self) -> Box<dyn Core<F>> {
        Box::new(self.clone())
    }

    fn rule(&self) -> &dyn Any {
        self.rule.rule()
    }

    fn rule_mut(&mut self) -> &mut dyn Any {
        self.checked = false;
        self.rule.rule_mut()
    }

    fn around_mut(&mut self) -> &mut Around {
        self.checked = false;
        &mut self.settings
    }

    fn replace_schedule(&mut self, schedule: Schedule) {
        self.checked = false;
        (self.rates.schedule, self.rates.set) = (schedule, None);
    }

    fn set_scheduled(&mut self, hyperparameter: String, schedule: Schedule) {
        self.checked = false;
        self.scheduled.retain(|(name, _)| *name != hyperparameter);
        self.scheduled.push((hyperparameter, schedule));
    }

    fn put_group(&mut self, leaves: Pattern, change: Change) {
        self.checked = false;
        self.groups.push(Group { leaves, change });
    }

    fn slot(&self, leaf: &str, slot: &str) -> Option<&Slot<F>> {
        let ledger = self.ledger.as_ref()?;
        let slots = ledger.leaves[ledger.roster.index_of(leaf)?].slots.as_ref()?;
        slots.iter().find(|other| other.name == slot)
    }

    fn state_len(&self) -> usize {
        let leaves = self.ledger.iter().flat_map(|ledger| &ledger.leaves);
        leaves.flat_map(|leaf| leaf.slots.iter().flatten()).map(|slot| slot.values.len()).sum()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl<F: Scalar> Optimizer<F> for Engine<F> {
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, grads, None, None)
    }

    fn step_with_loss(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: f64,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, grads, Some(loss), None)
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()?;
        self.rates.checked::<F>(self.steps + 1).map(drop)
    }

    fn treatment(&self, leaf: &str, shape: &[usize]) -> Treatment {
        self.treat(leaf, shape)
    }

    fn learning_rate(&self) -> f64 {
        self.rates.at(self.steps + 1)
    }

    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        self.rates = self.rates.with_set::<F>(learning_rate, self.steps + 1)?;
        Ok(())
    }

    fn scale_rate(&mut self, factor: f64) -> Result<(), Error> {
        self.rates = self.rates.scaled::<F>(factor, self.steps + 1)?;
        Ok(())
    }

    fn set_schedule(&mut self, schedule: Schedule) -> Result<(), Error> {
        schedule.validate()?;
        (self.rates.schedule, self.rates.set) = (schedule, None);
        Ok(())
    }

    fn change_group(&mut self, leaves: Pattern, change: Change) -> Result<(), Error> {
        self.add_group(leaves, change)
    }

    fn changes(&self, marks: &mut Vec<usize>) {
        marks.push(self.groups.len());
    }

    fn forget_changes(&mut self, marks: &mut dyn Iterator<Item = usize>) {
        self.groups.truncate(marks.next().unwrap_or(usize::MAX));
        self.checked = false;
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn reset(&mut self) {
        self.ledger = None;
        (self.steps, self.skipped) = (0, 0);
    }

    fn name(&self) -> &'static str {
        self.rule.name()
    }

    fn state(&self) -> State {
        self.record().into()
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.load(state)
    }

    fn partwise(&mut self) -> Option<&mut dyn Partwise<F>> {
        Some(self)
    }
}
