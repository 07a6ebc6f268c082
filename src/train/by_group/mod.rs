//! Another optimizer for a group of leaves.

mod saved;
mod step;
mod together;
mod tree;

use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::leafwise::Lists;
use crate::optimizer::{Change, Optimizer, Treatment, steps_by_call};
use crate::params::{ParamsMut, Pattern, Roster, Snapshot, matches_nothing};
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::state::State;

const NAME: &str = "ByGroup";

/// **Another optimizer for a group of leaves**: each leaf is moved by the last group whose pattern it
/// matches, and by the first optimizer where it matches none.
///
/// Use it where one rule does not fit all: rows of an embedding by [`AdaGrad`](crate::AdaGrad) and the rest by
/// [`AdamW`](crate::AdamW), or matrices by [`Lion`](crate::Lion) and vectors by [`Sgd`](crate::Sgd). Where only numbers
/// differ, a learning rate or a weight decay, a group of one optimizer does
/// ([`Elementwise::group`](crate::Elementwise::group)); [`Muon`](crate::Muon) has its own AdamW inside.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Adam, Optimizer, Sgd, train::ByGroup};
///
/// let mut optimizer = ByGroup::new(Adam::new(0.1)).group("1", Sgd::new(0.5));
/// let mut w = (array![1.0], array![1.0]);
/// optimizer.step(&mut w, &(array![1.0], array![1.0]))?;
/// assert!((w.0[0] - 0.9_f64).abs() < 1e-6); // Adam: by its rate
/// assert_eq!(w.1[0], 0.5); // SGD: by its rate times the gradient
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// A step is all or nothing for all of them together: if one of them fails or skips a step, the others
/// are taken back. So a step keeps a copy of parameters and state of all groups but the largest until
/// that has succeeded too, and allocates that state. A state that one of them refuses is loaded into none, and a change
/// of leaves or rates that one cannot make is made by none.
///
/// The learning rate is the first optimizer's: [`set_learning_rate`](Optimizer::set_learning_rate) and
/// [`set_schedule`](Optimizer::set_schedule) leave the groups' own; [`scale_rate`](Optimizer::scale_rate)
/// reaches all. What clips by a norm does so by the norm of its own leaves. Averages are each optimizer's own:
/// [`swap_average`](Optimizer::swap_average) swaps the leaves of those that have one.
///
/// A [`Sam`](super::Sam) goes around it, not inside. Like optax's `multi_transform`.
#[derive(Debug)]
pub struct ByGroup<F: Scalar> {
    /// The first one has what no pattern matches.
    members: Vec<Member<F>>,
    ledger: Option<Ledger<F>>,
    steps: u64,
    skipped: u64,
    lists: Lists,
}

#[derive(Debug)]
struct Member<F: Scalar> {
    leaves: Option<Pattern>,
    optimizer: Box<dyn Optimizer<F>>,
}

/// The leaves of the first step.
#[derive(Debug)]
struct Ledger<F: Scalar> {
    roster: Roster,
    /// The member that has each leaf.
    owners: Vec<usize>,
    /// The members that have leaves, those with the fewest elements first.
    order: Vec<usize>,
    /// Memory for the parameters of all but the last of these.
    kept: Vec<Snapshot<F>>,
}

impl<F: Scalar> ByGroup<F> {
    /// All leaves by one optimizer, as long as no group has been added.
    pub fn new(optimizer: impl Optimizer<F> + 'static) -> Self {
        let first = Member { leaves: None, optimizer: Box::new(optimizer) };
        Self { members: vec![first], ledger: None, steps: 0, skipped: 0, lists: Lists::default() }
    }

    /// The leaves that match, by another optimizer; a later group comes before an earlier one.
    ///
    /// A pattern that no leaf matches is an error of the first step.
    #[must_use]
    pub fn group(
        mut self,
        leaves: impl Into<Pattern>,
        optimizer: impl Optimizer<F> + 'static,
    ) -> Self {
        let leaves = Some(leaves.into());
        self.members.push(Member { leaves, optimizer: Box::new(optimizer) });
        self
    }

    /// The optimizers inside, the first one first and then the groups in their order.
    pub fn inner(&self) -> impl ExactSizeIterator<Item = &dyn Optimizer<F>> {
        self.members.iter().map(|member| &*member.optimizer)
    }

    /// The optimizers inside, to set their learning rates or their own groups by.
    pub fn inner_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Box<dyn Optimizer<F>>> {
        self.members.iter_mut().map(|member| &mut member.optimizer)
    }

    fn owner(&self, leaf: &str, shape: &[usize]) -> usize {
        let matches = |member: &Member<F>| {
            member.leaves.as_ref().is_none_or(|leaves| leaves.matches(leaf, shape))
        };
        self.members.iter().rposition(matches).unwrap_or(0)
    }

    /// Who has which leaves.
    ///
    /// # Errors
    /// For a pattern that no leaf matches.
    fn open(&self, roster: Roster) -> Result<Ledger<F>, Error> {
        let entries = roster.entries();
        for leaves in self.members.iter().filter_map(|member| member.leaves.as_ref()) {
            if !entries.iter().any(|entry| leaves.matches(&entry.name, &entry.shape)) {
                return Err(matches_nothing(leaves, entries));
            }
        }
        let owners: Vec<usize> =
            entries.iter().map(|entry| self.owner(&entry.name, &entry.shape)).collect();
        let mut elements = vec![0; self.members.len()];
        for (entry, &owner) in entries.iter().zip(&owners) {
            elements[owner] += entry.shape.iter().product::<usize>();
        }
        let mut order: Vec<usize> =
            (0..self.members.len()).filter(|member| owners.contains(member)).collect();
        order.sort_by_key(|&member| elements[member]);
        Ok(Ledger { roster, owners, order, kept: Vec::new() })
    }
}

crate::optimizer::display!([] ByGroup<F>);

impl<F: Scalar> Optimizer<F> for ByGroup<F> {
    steps_by_call!(self);

    fn validate(&self) -> Result<(), Error> {
        self.inner().try_for_each(Optimizer::validate)
    }

    fn ready(&self) -> Result<(), Error> {
        self.inner().try_for_each(Optimizer::ready)
    }

    fn treatment(&self, leaf: &str, shape: &[usize]) -> Treatment {
        self.members[self.owner(leaf, shape)].optimizer.treatment(leaf, shape)
    }

    /// The first optimizer's.
    fn learning_rate(&self) -> f64 {
        self.members[0].optimizer.learning_rate()
    }

    /// Replaces the first optimizer's; the groups have their own.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        self.members[0].optimizer.set_learning_rate(learning_rate)
    }

    fn scale_rate(&mut self, factor: f64) -> Result<(), Error> {
        let all: Vec<usize> = (0..self.members.len()).collect();
        self.all_or_none(&all, |_, optimizer| optimizer.scale_rate(factor))
    }

    /// Replaces the first optimizer's; the groups have their own.
    fn set_schedule(&mut self, schedule: Schedule) -> Result<(), Error> {
        self.members[0].optimizer.set_schedule(schedule)
    }

    /// Is handed on to the optimizer that has the leaves; leaves of several can be frozen and have a factor.
    ///
    /// Who has them is known from the first step on. Before it, give the group to the optimizer inside.
    fn change_group(&mut self, leaves: Pattern, change: Change) -> Result<(), Error> {
        let Some(ledger) = &self.ledger else {
            let what = "a change of a group before its first step; the optimizers inside do";
            return Err(ErrorKind::Unsupported { optimizer: NAME, what }.into());
        };
        let entries = ledger.roster.entries().iter().zip(&ledger.owners);
        let mut owners: Vec<usize> = entries
            .filter(|(entry, _)| leaves.matches(&entry.name, &entry.shape))
            .map(|(_, &owner)| owner)
            .collect();
        owners.sort_unstable();
        owners.dedup();
        if owners.is_empty() {
            return Err(matches_nothing(&leaves, ledger.roster.entries()));
        }
        if owners.len() > 1 && (change.schedule.is_some() || !change.numbers.is_empty()) {
            let what = "schedules and hyperparameters for leaves of several optimizers";
            return Err(ErrorKind::Unsupported { optimizer: NAME, what }.into());
        }
        if let Some(factor) = change.rate_factor {
            Interval::NON_NEGATIVE.check::<F>(NAME, "rate_factor", factor)?;
        }
        self.all_or_none(&owners, |_, optimizer| {
            optimizer.change_group(leaves.clone(), change.clone())
        })
    }

    fn changes(&self, marks: &mut Vec<usize>) {
        self.inner().for_each(|inner| inner.changes(marks));
    }

    fn forget_changes(&mut self, marks: &mut dyn Iterator<Item = usize>) {
        self.members.iter_mut().for_each(|member| member.optimizer.forget_changes(marks));
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn reset(&mut self) {
        self.members.iter_mut().for_each(|member| member.optimizer.reset());
        self.ledger = None;
        (self.steps, self.skipped) = (0, 0);
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn swap_average(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.swap(params)
    }

    fn average_again(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.each_part(params, |optimizer, part| optimizer.average_again(part))
    }

    fn state(&self) -> State {
        self.save()
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.load(state)
    }
}
