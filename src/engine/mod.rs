//! The engine: what every elementwise optimizer shares, written once.
//!
//! A step goes through seven stages, and writes in the last alone:
//!
//! 1. hyperparameters and learning rates are checked (`plan`: one course for each set of groups);
//! 2. parameters and gradients are paired by name (`enlist`) with the state of each leaf (`ledger`);
//! 3. each pair becomes a job: slices where parameter and gradient lie in one order (`sweep`), tiles
//!    otherwise (`strided`);
//! 4. the gradients are looked through for NaN and ∞, or their norm is computed (`inspect`);
//! 5. the rule computes the constants of the step, and what is done around it is added (`around`);
//! 6. where a norm couples a leaf, it is measured (`couple`);
//! 7. the one loop (`kernel`) runs over all jobs.

mod around;
mod asked;
mod average;
mod builder;
mod couple;
mod enlist;
mod inspect;
mod kernel;
mod ledger;
mod pattern;
mod plan;
mod run;
mod scratch;
mod settings;
mod state;
mod strided;
mod sweep;

use std::fmt;

use ndarray::ArrayViewD;

use crate::error::{Error, ErrorKind, Tree};
use crate::optimizer::{Optimizer, StepInfo, Treatment};
use crate::params::{Params, ParamsMut, Path};
use crate::reduce;
use crate::rule::Rule;
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::state::State;
pub use average::Average;
use ledger::Ledger;
pub use pattern::Pattern;
use plan::{Group, Plan};
use run::Halt;
use scratch::Scratch;
pub(crate) use scratch::recycle;
pub use settings::{NonFinite, Settings};

/// The optimizer that a [`Rule`] makes: [`Adam<F>`](crate::Adam) is `Elementwise<F, rules::Adam>`.
///
/// It owns what all of them share: state by name and shape, the step counter, learning rate and
/// schedules, groups, clipping, penalties and weight decay, averages, the guard against NaN and ∞,
/// SIMD, threads, checkpoints. A step is one pass over memory and allocates nothing once the leaves
/// are known; a norm or the guard reads the gradients once more. Two runs of the same steps give the
/// same bits whatever the instruction set, the number of threads and the layout of the arrays;
/// between machines they may differ by the last digit of the logarithms and exponentials in a step's
/// constants, which are the system's.
///
/// What happens to an element, in this order: the gradient is scaled by [`clip_norm`](Self::clip_norm),
/// [`clip_leaf_norm`](Self::clip_leaf_norm) and [`clip_adaptive`](Self::clip_adaptive), cut by
/// [`clip_value`](Self::clip_value), and gets the [`penalty`](Self::penalty)'s gradient; the parameter
/// loses its [`decoupled_decay`](Self::decoupled_decay); the rule updates it, where
/// [`cautious`](Self::cautious) allows; [`shrink`](Self::shrink) and
/// [`proximal_l1`](Self::proximal_l1) follow; the [`average`](Self::average) takes what came out.
///
/// ```
/// use ndarray::{array, Array2};
/// use thalweg::{Momentum, Optimizer};
///
/// let (mut weight, mut bias) = (Array2::<f32>::zeros((2, 3)), array![0.0, 0.0]);
/// let (dweight, dbias) = (Array2::<f32>::ones((2, 3)), array![1.0, -1.0]);
/// let mut optimizer = Momentum::new(0.1).clip_norm(1.0);
/// let info = optimizer.step(&mut (&mut weight, &mut bias), &(&dweight, &dbias))?;
/// assert_eq!(info.grad_norm, Some(8.0_f64.sqrt()));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct Elementwise<F: Scalar, R: Rule<F>> {
    plan: Plan<R>,
    groups: Vec<Group<F, R>>,
    /// Whether plan and groups were checked, and assigned to the leaves, since they last changed.
    checked: bool,
    counters: Counters,
    ledger: Ledger<F, R>,
    scratch: Scratch<F, R>,
    /// Whether the last step has left a term of the average out.
    term_due: bool,
}

/// What is counted.
#[derive(Debug, Clone, Copy, Default)]
struct Counters {
    steps: u64,
    skipped: u64,
    /// Terms of the average.
    averaged: u64,
    /// Whether the average is in the place of the parameters.
    swapped: bool,
}

impl<F: Scalar, R: Rule<F>> Clone for Elementwise<F, R> {
    fn clone(&self) -> Self {
        Self {
            plan: self.plan.clone(),
            groups: self.groups.clone(),
            checked: self.checked,
            counters: self.counters,
            ledger: self.ledger.clone(),
            scratch: Scratch::default(),
            term_due: false,
        }
    }
}

impl<F: Scalar, R: Rule<F>> Elementwise<F, R> {
    /// An optimizer of that rule; the learning rate is a number or a schedule.
    pub fn with_rule(rule: R, learning_rate: impl Into<Schedule>) -> Self {
        Self::with_plan(Plan {
            rule,
            schedule: learning_rate.into(),
            scheduled: Vec::new(),
            settings: Settings::default(),
            rate_scale: 1.0,
        })
    }

    fn with_plan(plan: Plan<R>) -> Self {
        Self {
            plan,
            groups: Vec::new(),
            checked: false,
            counters: Counters::default(),
            ledger: Ledger::default(),
            scratch: Scratch::default(),
            term_due: false,
        }
    }

    /// The rule and its hyperparameters.
    pub fn rule(&self) -> &R {
        &self.plan.rule
    }

    /// A slot of the state of a leaf, such as `"m"` of `"layers.0.weight"`, in the leaf's shape.
    ///
    /// `None` before the first step, for a frozen leaf, and for names that do not exist. A lone
    /// array's name is `""`.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{AdaGrad, Optimizer};
    /// let mut w = array![1.0, 1.0];
    /// let mut adagrad = AdaGrad::new(0.1);
    /// adagrad.step(&mut w, &array![3.0, 0.0])?;
    /// assert_eq!(adagrad.slot("", "s").unwrap(), array![9.0, 0.0].into_dyn());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn slot(&self, leaf: &str, slot: &str) -> Option<ArrayViewD<'_, F>> {
        let slot = R::SLOTS.iter().position(|&name| name == slot)?;
        self.ledger.leaf(leaf)?.slot(slot)
    }

    /// The average of a leaf, in its shape; `None` where none is kept, and before its first term.
    pub fn average_of(&self, leaf: &str) -> Option<ArrayViewD<'_, F>> {
        let leaf = self.ledger.leaf(leaf).filter(|_| self.counters.averaged > 0)?;
        leaf.average()
    }

    /// Replaces each parameter by what the function that `of` makes of the rule and the learning
    /// rate of the last step makes of it and of one of its slots; does nothing before the first step.
    pub(crate) fn each_slot<U: Fn(F, F) -> F>(
        &self,
        slot: usize,
        params: &mut dyn ParamsMut<F>,
        of: impl Fn(&R, f64) -> U,
    ) -> Result<(), Error> {
        if self.ledger.is_empty() {
            return Ok(());
        }
        let Ledger { roster, leaves, courses } = &self.ledger;
        roster.meet(&*params, Tree::Parameters, |_, _| {})?;
        roster.meet_mut(params, Tree::Parameters, |index, w| {
            let course = &courses[leaves[index].course];
            let update = of(course.rule(), course.learning_rate);
            if let Some(slot) = leaves[index].slot(slot) {
                w.view_mut().zip_mut_with(&slot, |w, &slot| *w = update(*w, slot));
            }
        })
    }

    /// What can be checked without the leaves.
    fn check(&self) -> Result<(), Error> {
        self.plan.check()?;
        for group in &self.groups {
            self.plan.changed(std::iter::once(group))?.check()?;
        }
        Ok(())
    }
}

impl<F: Scalar, R: Rule<F> + Default> Default for Elementwise<F, R> {
    fn default() -> Self {
        Self::with_rule(R::default(), R::LEARNING_RATE)
    }
}

impl<F: Scalar, R: Rule<F>> Optimizer<F> for Elementwise<F, R> {
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, grads, true)
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()?;
        self.plan.learning_rate::<F>(self.counters.steps + 1).map(|_| ())
    }

    fn learning_rate(&self) -> f64 {
        let plan = &self.plan;
        plan.schedule.at(self.counters.steps + 1) * (plan.settings.rate_factor * plan.rate_scale)
    }

    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        let previous = std::mem::replace(&mut self.plan.schedule, learning_rate.into());
        let step = self.counters.steps + 1;
        if let Err(error) = self.plan.learning_rate::<F>(step) {
            self.plan.schedule = previous;
            return Err(error);
        }
        if self.groups.is_empty() {
            // Schedulers that call this for every step should not cost a new assignment of leaves.
            for course in &mut self.ledger.courses {
                course.plan.schedule = self.plan.schedule.clone();
            }
        } else {
            self.checked = false;
        }
        Ok(())
    }

    fn scale_rate(&mut self, factor: f64) -> Result<(), Error> {
        self.scale_rates(factor)
    }

    fn treatment(&self, leaf: &str, _shape: &[usize]) -> Treatment {
        self.treatment_of(leaf)
    }

    fn ready(&self) -> Result<(), Error> {
        if self.counters.swapped { Err(ErrorKind::AverageInPlace.into()) } else { Ok(()) }
    }

    fn step_before_average(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, grads, false)
    }

    fn average_again(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.take_term(params)
    }

    fn steps(&self) -> u64 {
        self.counters.steps
    }

    fn skipped(&self) -> u64 {
        self.counters.skipped
    }

    fn reset(&mut self) {
        self.ledger = Ledger::default();
        self.counters = Counters::default();
        self.term_due = false;
    }

    fn name(&self) -> &'static str {
        R::NAME
    }

    fn swap_average(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        if self.plan.settings.average.is_none() {
            return Err(ErrorKind::NoAverage.into());
        }
        let Ledger { roster, leaves, .. } = &mut self.ledger;
        if !leaves.is_empty() {
            roster.meet(&*params, Tree::Parameters, |_, _| {})?;
        }
        if self.counters.averaged > 0 {
            roster.meet_mut(params, Tree::Parameters, |index, w| {
                let leaf = &mut leaves[index];
                let average = leaf.average.as_mut_slice();
                if !average.is_empty() {
                    let mut w = leaf.order.arrange_mut(w.view_mut());
                    w.iter_mut().zip(average).for_each(|(w, average)| std::mem::swap(w, average));
                }
            })?;
        }
        self.counters.swapped = !self.counters.swapped;
        Ok(())
    }

    fn state(&self) -> State {
        self.save()
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.load(state)
    }
}

impl<F: Scalar, R: Rule<F>> Elementwise<F, R> {
    /// A step; `averages` says whether the average takes its term at once.
    fn take_step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        averages: bool,
    ) -> Result<StepInfo, Error> {
        Optimizer::<F>::ready(self)?;
        let mut opened = None;
        if !self.checked || self.ledger.is_empty() {
            opened = Some(self.open(&*params)?);
        }
        let ledger = opened.as_mut().unwrap_or(&mut self.ledger);
        let step = self.counters.steps + 1;
        let learning_rate = run::prepare(ledger, &self.plan, step)?;

        let mut unaveraged = None;
        let settings = if averages {
            &self.plan.settings
        } else {
            let settings = unaveraged.insert(self.plan.settings.clone());
            settings.average = None;
            settings
        };
        match run::run(ledger, &mut self.scratch, settings, self.counters, params, grads) {
            Err(Halt::Failed(error)) => Err(error),
            Err(Halt::NotFinite { skip: false }) => {
                let trained = |path: Path<'_>| ledger.is_trained(&path.to_string());
                Err(reduce::find_non_finite(grads, trained)
                    .unwrap_or_else(|| ErrorKind::NoLeaves.into()))
            }
            Err(Halt::NotFinite { skip: true }) => {
                self.counters.skipped += 1;
                Ok(StepInfo { step: self.counters.steps, learning_rate, ..StepInfo::skipped() })
            }
            Ok(grad_norm) => {
                if let Some(opened) = opened {
                    self.ledger = opened;
                    self.checked = true;
                }
                self.counters.steps = step;
                self.term_due =
                    self.plan.settings.average.is_some_and(|average| average.takes(step));
                if averages && self.term_due {
                    self.counters.averaged += 1;
                    self.term_due = false;
                }
                Ok(StepInfo { step, learning_rate, grad_norm, ..StepInfo::default() })
            }
        }
    }

    /// The ledger of a first step, or of one after plan or groups have changed.
    #[cold]
    fn open(&self, params: &dyn Params<F>) -> Result<Ledger<F, R>, Error> {
        self.check()?;
        if self.ledger.is_empty() {
            return Ledger::open(params, &self.plan, &self.groups);
        }
        let mut ledger = self.ledger.clone();
        ledger.assign(&self.plan, &self.groups)?;
        ledger.make_room(params)?;
        Ok(ledger)
    }
}

impl<F: Scalar, R: Rule<F>> fmt::Debug for Elementwise<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns: Vec<&Pattern> = self.groups.iter().map(|group| &group.pattern).collect();
        f.debug_struct(R::NAME)
            .field("rule", &self.plan.rule)
            .field("schedule", &self.plan.schedule)
            .field("scheduled", &self.plan.scheduled)
            .field("settings", &self.plan.settings)
            .field("groups", &patterns)
            .field("steps", &self.counters.steps)
            .field("skipped", &self.counters.skipped)
            .field("leaves", &self.ledger.leaves.len())
            .finish()
    }
}
