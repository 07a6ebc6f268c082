//! One step of Muon.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use super::ledger::Ledger;
use super::{Muon, NAME};
use crate::engine::NonFinite;
use crate::error::{Error, ErrorKind};
use crate::leafwise::{Lists, is_finite, pair};
use crate::linalg::newton_schulz::Workspace;
use crate::optimizer::{
    Call, Change, Optimizer, OtherRanks, Partwise, StepInfo, Treatment, Wholes, step_agreed,
    step_by,
};
use crate::params::{Leaf, LeafMut, Params, ParamsMut, Path, Pattern, Roster};
use crate::reduce;
use crate::rule::bias_correction;
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::state::State;
use crate::vector;

/// Memory that is kept from step to step.
pub(super) struct Scratch<F: Scalar> {
    workspace: Workspace<F>,
    lists: Lists,
}

impl<F: Scalar> Default for Scratch<F> {
    fn default() -> Self {
        Self { workspace: Workspace::default(), lists: Lists::default() }
    }
}

/// The constants of a step.
struct Step {
    learning_rate: f64,
    decay: f64,
    /// μ and 1-μ, and the mixture of m and g.
    averaging: [f64; 4],
}

impl<F: Scalar> Muon<F> {
    /// What the momentum and the gradient are multiplied by to be orthogonalized.
    fn mixture(&self, step: u64) -> [f64; 2] {
        let correction =
            |step| if self.corrected { bias_correction(self.momentum, step) } else { 1.0 };
        if self.nesterov {
            [self.momentum / correction(step + 1), (1.0 - self.momentum) / correction(step)]
        } else {
            [correction(step).recip(), 0.0]
        }
    }

    /// Rows and columns of a leaf as a matrix.
    fn flattened(&self, shape: &[usize]) -> (usize, usize) {
        let split = if self.inputs_first { shape.len() - 1 } else { 1 };
        let (rows, columns) = shape.split_at(split);
        (rows.iter().product(), columns.iter().product())
    }

    /// Updates one matrix and its momentum.
    fn update(
        &self,
        step: &Step,
        w: &mut dyn LeafMut<F>,
        g: &dyn Leaf<F>,
        m: &mut [F],
        workspace: &mut Workspace<F>,
    ) {
        let (rows, columns) = self.flattened(w.shape());
        if m.is_empty() {
            return;
        }
        workspace.reserve(rows.min(columns), rows.max(columns));
        let u = &mut workspace.y[..m.len()];
        let [keep, take, of_m, of_g] = step.averaging.map(F::from_f64);
        for ((u, m), &g) in u.iter_mut().zip(m.iter_mut()).zip(g.view().iter()) {
            *m = keep * *m + take * g;
            // Without Nesterov's term an infinite gradient is not multiplied by 0.
            *u = if of_g == F::zero() { of_m * *m } else { of_m * *m + of_g * g };
        }

        let norm = vector::norm(u);
        let norm = if self.clamped { norm.max(self.epsilon) } else { norm + self.epsilon };
        let factor = F::from_f64(norm.recip());
        let x = &mut workspace.x[..m.len()];
        let tall = rows > columns;
        if tall {
            for (i, row) in u.chunks_exact(columns).enumerate() {
                row.iter().enumerate().for_each(|(j, &u)| x[j * rows + i] = u * factor);
            }
        } else {
            x.iter_mut().zip(&*u).for_each(|(x, &u)| *x = u * factor);
        }
        let shape = (rows.min(columns), rows.max(columns));
        workspace.iterate(shape, self.ns_coefficients, self.ns_steps, self.how);

        let (outputs, inputs) = if self.inputs_first { (columns, rows) } else { (rows, columns) };
        let alpha = F::from_f64(step.learning_rate * self.scale.factor(outputs, inputs));
        let decay = F::from_f64(step.decay);
        let x = &workspace.x[..m.len()];
        let moved = |w: F, x: F| (w - decay * w) - alpha * x;
        let mut view = w.view_mut();
        if tall {
            for (i, w) in view.iter_mut().enumerate() {
                *w = moved(*w, x[i % columns * rows + i / columns]);
            }
        } else {
            view.iter_mut().zip(x).for_each(|(w, &x)| *w = moved(*w, x));
        }
    }
}

/// The leaves that are AdamW's, with their gradients.
struct OthersMut<'l, 'a, F: Scalar> {
    ledger: &'l Ledger<F>,
    params: &'l mut [(usize, &'a mut dyn LeafMut<F>)],
}

struct Others<'l, 'a, F: Scalar> {
    ledger: &'l Ledger<F>,
    grads: &'l [Option<&'a dyn Leaf<F>>],
}

impl<F: Scalar> Ledger<F> {
    /// The name of a leaf that is AdamW's.
    fn other(&self, index: usize) -> Option<&str> {
        self.momenta[index].is_none().then(|| self.roster.entries()[index].name.as_str())
    }

    /// Whether a leaf is a matrix that is not frozen.
    fn trains(&self, index: usize) -> bool {
        self.momenta[index].is_some() && !self.own[index].frozen
    }

    fn has_others(&self) -> bool {
        self.momenta.iter().any(Option::is_none)
    }
}

impl<F: Scalar> Params<F> for OthersMut<'_, '_, F> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        for (index, leaf) in &*self.params {
            if let Some(name) = self.ledger.other(*index) {
                visit(path.name(name), &**leaf);
            }
        }
    }
}

impl<F: Scalar> ParamsMut<F> for OthersMut<'_, '_, F> {
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    ) {
        for (index, leaf) in &mut *self.params {
            if let Some(name) = self.ledger.other(*index) {
                visit(path.name(name), &mut **leaf);
            }
        }
    }
}

impl<F: Scalar> Params<F> for Others<'_, '_, F> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        for (index, leaf) in self.grads.iter().enumerate() {
            if let (Some(leaf), Some(name)) = (leaf, self.ledger.other(index)) {
                visit(path.name(name), *leaf);
            }
        }
    }
}

impl<F: Scalar> Muon<F> {
    /// A step, of the leaves that are this rank's where there are `others`.
    fn take_step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: Option<f64>,
        mut others: Option<&mut dyn OtherRanks>,
    ) -> Result<StepInfo, Error> {
        if !self.checked {
            self.check()?;
            self.checked = true;
        }
        let step = self.steps + 1;
        let learning_rate = self.rates.checked::<F>(step)?;
        // What is handed on to AdamW for a first step is taken back if there is none.
        let mut before = None;
        let mut ledger = match self.ledger.take() {
            Some(ledger) => ledger,
            None => {
                let ledger = self.open(Roster::of(&*params)?);
                if !self.groups.is_empty() {
                    before = Some((self.adamw.clone(), self.groups.clone()));
                }
                if let Err(error) = self.hand_on(&ledger) {
                    self.take_back(before);
                    return Err(error);
                }
                ledger
            }
        };
        let mut scratch = std::mem::take(&mut self.scratch);
        let (mut ws, mut gs) = scratch.lists.lend();

        let mut panicked = None;
        let paired = pair(&ledger.roster, params, grads, &mut ws, &mut gs);
        let paired = match &mut others {
            Some(others) => others.agree(paired),
            None => paired,
        };
        let outcome = paired.and_then(|()| {
            let is_good = |(i, g): (usize, &Option<&dyn Leaf<F>>)| {
                !ledger.trains(i) || g.is_none_or(|g| is_finite(g, self.how))
            };
            let looks = self.non_finite != NonFinite::Propagate;
            let is_lost = loss.is_some_and(|loss| !loss.is_finite());
            let mut is_bad = looks && (is_lost || !gs.iter().enumerate().all(is_good));
            if let Some(others) = others.as_mut().filter(|_| looks) {
                is_bad = others.largest(u64::from(is_bad))? > 0;
            }
            if is_bad {
                let place = |path: Path<'_>| ledger.roster.index_of(&path.to_string());
                let counts = |path: Path<'_>| place(path).is_some_and(|i| ledger.trains(i));
                if self.non_finite == NonFinite::Skip {
                    return Ok(false);
                }
                let error = reduce::find_non_finite(grads, counts);
                let lost = loss.filter(|loss| !loss.is_finite());
                let error =
                    error.or_else(|| lost.map(|value| ErrorKind::NonFiniteLoss { value }.into()));
                return match others.as_mut() {
                    Some(others) => Err(others.refusal(error)),
                    None => error.map_or(Ok(false), Err),
                };
            }
            // Whatever can still fail or be skipped is AdamW's, and comes before the first write.
            if ledger.has_others() {
                let mut params = OthersMut { ledger: &ledger, params: &mut ws };
                let grads = Others { ledger: &ledger, grads: &gs };
                // A panic of what the user gave, such as a schedule, must not lose the momenta.
                let call = Call { averages: true, loss };
                let step = AssertUnwindSafe(|| match (others.as_mut(), self.adamw.partwise()) {
                    (Some(others), Some(adamw)) => {
                        step_agreed(adamw, &mut params, &grads, call, &mut **others)
                    }
                    _ => step_by(&mut self.adamw, &mut params, &grads, call),
                });
                match panic::catch_unwind(step) {
                    Ok(info) => {
                        if info?.skipped {
                            return Ok(false);
                        }
                    }
                    Err(payload) => {
                        panicked = Some(payload);
                        return Ok(false);
                    }
                }
            }
            for &mut (index, ref mut w) in &mut ws {
                if !ledger.trains(index) {
                    continue;
                }
                let learning_rate = learning_rate * ledger.own[index].factor;
                if let (Some(m), Some(g)) = (&mut ledger.momenta[index], gs[index])
                    && let Some(m) = m.as_slice_mut()
                {
                    ledger.taken[index] += 1;
                    let [of_m, of_g] = self.mixture(ledger.taken[index]);
                    let averaging = [self.momentum, 1.0 - self.momentum, of_m, of_g];
                    let decay = self.decay.fraction(learning_rate);
                    let step = Step { learning_rate, decay, averaging };
                    self.update(&step, &mut **w, g, m, &mut scratch.workspace);
                }
            }
            Ok(true)
        });
        scratch.lists.take_back((ws, gs));
        self.scratch = scratch;
        if self.steps > 0 || matches!(outcome, Ok(true)) {
            self.ledger = Some(ledger);
        } else {
            self.take_back(before);
        }
        if let Some(payload) = panicked {
            panic::resume_unwind(payload);
        }

        let taken = outcome?;
        if taken {
            self.steps = step;
        } else {
            self.skipped += 1;
        }
        Ok(StepInfo { step: self.steps, learning_rate, skipped: !taken, ..StepInfo::default() })
    }
}

impl<F: Scalar> Partwise<F> for Muon<F> {
    fn assert_splittable(&self) -> Result<(), Error> {
        Err(ErrorKind::NeedsWholeLeaves { what: "an orthogonalized matrix (`Muon`)" }.into())
    }

    fn set_wholes(&mut self, wholes: Option<Arc<Wholes>>) {
        self.wholes.clone_from(&wholes);
        if let Some(adamw) = self.adamw.partwise() {
            adamw.set_wholes(wholes);
        }
    }

    fn load_parts(&mut self, state: &State) -> Result<(), Error> {
        let mut fresh = self.clone();
        fresh.ledger = None;
        fresh.adamw.reset();
        fresh.load(state)?;
        *self = fresh;
        Ok(())
    }

    fn step_parts(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
        others: &mut dyn OtherRanks,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, grads, call.loss, Some(others))
    }
}

crate::optimizer::display!([] Muon<F>);

impl<F: Scalar> Optimizer<F> for Muon<F> {
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

    fn partwise(&mut self) -> Option<&mut dyn Partwise<F>> {
        Some(self)
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()?;
        self.adamw.validate()?;
        self.rates.checked::<F>(self.steps + 1).map(|_| ())
    }

    /// The learning rate of the matrices.
    fn learning_rate(&self) -> f64 {
        self.rates.at(self.steps + 1)
    }

    /// Replaces the learning rate of the matrices; that of the other leaves is
    /// [`set_adamw_learning_rate`](Muon::set_adamw_learning_rate)'s, but in [`Muon::optax`], where both
    /// have one.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        let rates = self.rates.with_set::<F>(learning_rate, self.steps + 1)?;
        if self.has_one_rate {
            self.adamw.set_learning_rate(learning_rate)?;
        }
        self.rates = rates;
        Ok(())
    }

    fn scale_rate(&mut self, factor: f64) -> Result<(), Error> {
        let rates = self.rates.scaled::<F>(factor, self.steps + 1)?;
        self.adamw.scale_rate(factor)?;
        self.rates = rates;
        Ok(())
    }

    fn set_schedule(&mut self, schedule: Schedule) -> Result<(), Error> {
        schedule.validate()?;
        if self.has_one_rate {
            self.adamw.set_schedule(schedule.clone())?;
        }
        (self.rates.schedule, self.rates.set) = (schedule, None);
        Ok(())
    }

    /// Matrices can be frozen, and have a factor; the rest is for AdamW's leaves.
    fn change_group(&mut self, leaves: Pattern, change: Change) -> Result<(), Error> {
        self.add_group(leaves, change)
    }

    fn changes(&self, marks: &mut Vec<usize>) {
        marks.push(self.groups.len());
        marks.extend(self.groups.iter().map(|group| usize::from(group.is_handed_on)));
        self.adamw.changes(marks);
    }

    fn forget_changes(&mut self, marks: &mut dyn Iterator<Item = usize>) {
        self.groups.truncate(marks.next().unwrap_or(usize::MAX));
        for (group, handed_on) in self.groups.iter_mut().zip(&mut *marks) {
            group.is_handed_on = handed_on == 1;
        }
        self.adamw.forget_changes(marks);
    }

    fn ready(&self) -> Result<(), Error> {
        self.adamw.ready()
    }

    fn treatment(&self, leaf: &str, shape: &[usize]) -> Treatment {
        self.treat(leaf, shape)
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn reset(&mut self) {
        self.ledger = None;
        self.adamw.reset();
        self.steps = 0;
        self.skipped = 0;
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn state(&self) -> State {
        self.save()
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.load(state)
    }
}
