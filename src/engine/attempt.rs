//! A step as the engine takes it: readied, attempted, and taken back where it fails.

use super::altered::{Alteration, Altered, Known};
use super::average::Average;
use super::core::Engine;
use super::ledger::{Before, Ledger};
use super::now::{Halt, Now};
use super::part;
use super::plan::{Rates, checked_rate};
use super::run;
use super::total::refused_loss;
use crate::error::{Error, ErrorKind};
use crate::optimizer::{Call, Optimizer, OtherRanks, StepInfo};
use crate::params::{Params, ParamsMut, Path};
use crate::reduce;
use crate::scalar::Scalar;

/// The learning rate of the step, and the norm of its gradients where that is wanted; or why it was not taken.
type Outcome = Result<(f64, Option<f64>), (f64, Halt)>;

impl<F: Scalar> Engine<F> {
    /// Readies the ledger for a first step, or for one after plan or groups have changed.
    #[cold]
    fn open(&mut self, params: &dyn Params<F>) -> Result<Option<Before<F>>, Error> {
        self.check()?;
        if self.ledger.is_empty() {
            self.ledger = Ledger::open(params, &self.plan, &self.groups, self.wholes.clone())?;
            return Ok(None);
        }
        let mut before = self.ledger.assign(&self.plan, &self.groups)?;
        match self.ledger.make_room(params, &mut before) {
            Ok(()) => Ok(Some(before)),
            Err(error) => {
                self.ledger.go_back(before);
                Err(error)
            }
        }
    }

    /// Forgets what was readied for a step that was not taken.
    #[cold]
    fn close(&mut self, before: Option<Before<F>>) {
        match before {
            Some(before) => self.ledger.go_back(before),
            None => self.ledger = Ledger::default(),
        }
    }

    /// Readies each course for that step. Returns the learning rate of the plan itself, to report.
    #[inline]
    fn prepare(&mut self, step: u64) -> Result<f64, Error> {
        let Rates { set, scale } = self.rates;
        let base = set.unwrap_or_else(|| self.plan.schedule.at(step));
        let mut reported = None;
        for course in &mut self.ledger.courses {
            let learning_rate = course.prepare(step, base, scale)?;
            if course.is_base {
                reported = Some(learning_rate);
            }
        }
        reported.map_or_else(|| self.base_rate(step, self.rates), Ok)
    }

    /// The learning rate of leaves that are of no group.
    pub(super) fn base_rate(&self, step: u64, Rates { set, scale }: Rates) -> Result<f64, Error> {
        let value = set.unwrap_or_else(|| self.plan.schedule.at(step));
        checked_rate::<F>(step, value, self.plan.settings.rate_factor * scale)
    }

    /// Changes the gradients that are to be changed, for that step.
    fn alter(
        &mut self,
        altered: &mut Altered<F>,
        step: u64,
        grads: &dyn Params<F>,
        others: Option<&dyn OtherRanks>,
    ) -> Result<(), Error> {
        self.prepare(step)?;
        let ledger = &self.ledger;
        let known = |index: usize| {
            let (entry, leaf) = (&ledger.roster.entries()[index], &ledger.leaves[index]);
            let course = ledger.course_of(leaf);
            let settings = &course.settings;
            let noise = settings.gradient_noise.map(|noise| (noise, step, course.rate_to_come()));
            let alteration = Alteration { centralized: settings.centralized, noise };
            Known {
                name: &entry.name,
                shape: ledger.shape_of(entry),
                alteration: if settings.frozen { Alteration::default() } else { alteration },
            }
        };
        altered.alter(grads, ledger.leaves.len(), &known, others)
    }

    /// As [`attempt`](Self::attempt), with gradients that are changed before; and the error of those, where it is
    /// they that are not as they must be.
    #[cold]
    #[inline(never)]
    fn attempt_altered(
        &mut self,
        step: u64,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
        others: Option<&mut dyn OtherRanks>,
    ) -> (Outcome, Option<Error>) {
        let mut altered = std::mem::take(&mut self.altered);
        let outcome = match self.alter(&mut altered, step, grads, others.as_deref()) {
            Ok(()) => self.attempt(step, params, &altered.tree(grads), call, others),
            Err(error) => Err((0.0, Halt::Failed(error))),
        };
        let refused = match &outcome {
            Err((_, Halt::NotFinite { skip: false })) => self.refusal(&altered.tree(grads)),
            _ => None,
        };
        self.altered = altered;
        (outcome, refused)
    }

    fn attempt(
        &mut self,
        step: u64,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        Call { averages, loss }: Call,
        others: Option<&mut dyn OtherRanks>,
    ) -> Outcome {
        let learning_rate = self.prepare(step).map_err(|error| (0.0, Halt::Failed(error)))?;
        let Self { ledger, scratch, plan, .. } = self;
        let average = plan.settings.average.filter(|average| averages && average.takes(step));
        let of_tree = self.about.has_totals().then(|| ledger.of_tree());
        let now = Now { step, average, loss, of_tree };
        let norm = match others {
            None => run::run(ledger, scratch, &plan.settings, now, params, grads),
            Some(others) => part::run(ledger, scratch, &plan.settings, now, params, grads, others),
        };
        norm.map(|norm| (learning_rate, norm)).map_err(|halt| (learning_rate, halt))
    }

    /// A step, of parts of leaves where there are `others`.
    pub(super) fn take_step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
        mut others: Option<&mut dyn OtherRanks>,
    ) -> Result<StepInfo, Error> {
        self.ready()?;
        if self.about.loss && call.loss.is_none() {
            return Err(ErrorKind::NeedsLoss { optimizer: self.about.name }.into());
        }
        let opens = !self.checked || self.ledger.is_empty();
        let before = if opens { self.open(&*params)? } else { None };
        let step = self.counters.steps + 1;
        let asked = others.as_mut().map(|others| &mut **others as &mut dyn OtherRanks);
        let (outcome, of_altered) =
            match self.ledger.courses.iter().any(|course| course.settings.alters()) {
                false => (self.attempt(step, params, grads, call, asked), None),
                true => self.attempt_altered(step, params, grads, call, asked),
            };
        match outcome {
            Ok((learning_rate, grad_norm)) => {
                if opens {
                    self.ledger.drop_averages();
                    self.checked = true;
                }
                self.counters.steps = step;
                let takes = |average: Average| average.takes(step);
                self.term_is_due = !call.averages && self.plan.settings.average.is_some_and(takes);
                Ok(StepInfo { step, learning_rate, grad_norm, ..StepInfo::default() })
            }
            Err((learning_rate, halt)) => {
                let error = match halt {
                    Halt::Failed(error) => Some(error),
                    Halt::NotFinite { skip: false } => {
                        let error = self.refusal(grads).or(of_altered);
                        let error = error.or_else(|| refused_loss(call.loss));
                        Some(match others {
                            None => error.unwrap_or_else(|| ErrorKind::NoLeaves.into()),
                            Some(others) => others.refusal(error),
                        })
                    }
                    Halt::NotFinite { skip: true } => None,
                };
                if opens {
                    self.close(before);
                }
                if let Some(error) = error {
                    return Err(error);
                }
                self.counters.skipped += 1;
                Ok(StepInfo { step: self.counters.steps, learning_rate, ..StepInfo::skipped() })
            }
        }
    }

    /// The error of the first gradient that is not as it must be.
    #[cold]
    fn refusal(&self, grads: &dyn Params<F>) -> Option<Error> {
        let limit = |path: Path<'_>| {
            let course = self.ledger.course_of(self.ledger.leaf(&path.to_string())?);
            (!course.settings.frozen).then_some(course.traits.largest_gradient)
        };
        reduce::find_beyond(grads, limit)
    }
}
