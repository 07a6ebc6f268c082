//! What is kept of the leaves.

use super::groups::Own;
use super::rule::{Object, Slot};
use crate::params::{Entry, Roster};
use crate::scalar::Scalar;

/// The leaves of the first step, in its order.
#[derive(Debug, Clone)]
pub(super) struct Ledger<F: Scalar> {
    pub(super) roster: Roster,
    pub(super) leaves: Vec<LeafState<F>>,
    /// How each leaf is treated.
    pub(super) own: Vec<Own<F>>,
}

/// The state of a leaf.
#[derive(Debug, Clone)]
pub(super) struct LeafState<F> {
    /// Length of each axis of the whole leaf.
    pub(super) shape: Vec<usize>,
    /// Whether it has elements and is here, not another rank's.
    pub(super) is_here: bool,
    pub(super) steps: u64,
    /// `None` before its first step.
    pub(super) slots: Option<Vec<Slot<F>>>,
}

impl<F: Scalar> LeafState<F> {
    /// Of a leaf that has taken no step.
    pub(super) fn new(entry: &Entry, whole: &[usize]) -> Self {
        let is_here = entry.shape == whole && !whole.contains(&0);
        Self { shape: whole.to_vec(), is_here, steps: 0, slots: None }
    }

    /// The slots before the first step; their names alone where the leaf is another rank's.
    pub(super) fn fresh(&self, rule: &dyn Object<F>) -> Vec<Slot<F>> {
        let mut slots = rule.slots(&self.shape);
        if !self.is_here {
            slots.iter_mut().for_each(|slot| slot.values = Vec::new());
        }
        slots
    }

    /// The slots, which are made where there are none.
    pub(super) fn begun(&mut self, rule: &dyn Object<F>) -> &mut Vec<Slot<F>> {
        let fresh = if self.slots.is_none() { self.fresh(rule) } else { Vec::new() };
        self.slots.get_or_insert(fresh)
    }

    /// Gives it the slots that a rule has, those that it had with what is in them.
    pub(super) fn conform(&mut self, rule: &dyn Object<F>) {
        let Some(before) = self.slots.take() else { return };
        let mut slots = self.fresh(rule);
        for slot in &mut slots {
            let is_it = |old: &&Slot<F>| old.name == slot.name && old.shape == slot.shape;
            if let Some(old) = before.iter().find(is_it) {
                slot.values.clone_from(&old.values);
            }
        }
        self.slots = Some(slots);
    }
}
