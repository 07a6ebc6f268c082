//! The state of every leaf, kept by its name and shape.

use ndarray::ArrayViewD;

use crate::error::{Error, Tree};
use crate::params::{Leaf, LeafMut, Order, Params, ParamsMut, Path, Roster};
use crate::rule::Slots;
use crate::scalar::Scalar;

/// What is kept of one leaf.
#[derive(Clone)]
pub(super) struct LeafState<F: Scalar, S: Slots<F>> {
    shape: Vec<usize>,
    /// The order that the slots are in: the parameter's own.
    pub(super) order: Order,
    pub(super) slots: S::Storage,
}

impl<F: Scalar, S: Slots<F>> LeafState<F, S> {
    /// Brings the slots into another order. A parameter rarely changes its layout, but it may.
    #[cold]
    pub(super) fn reorder(&mut self, order: Order) {
        for slot in self.slots.as_mut() {
            let mut reordered = slot.clone();
            if let Some(view) = self.order.logical(slot.as_slice(), &self.shape) {
                let from = order.arrange(view);
                reordered.as_mut_slice().iter_mut().zip(&from).for_each(|(to, &from)| *to = from);
            }
            *slot = reordered;
        }
        self.order = order;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// A slot in the leaf's logical shape.
    pub(super) fn slot(&self, index: usize) -> Option<ArrayViewD<'_, F>> {
        self.order.logical(self.slots.as_ref().get(index)?.as_slice(), &self.shape)
    }
}

/// A parameter and its gradient, and the index of their leaf in the ledger.
pub(super) struct Pair<'a, F: Scalar> {
    index: usize,
    pub(super) w: &'a mut dyn LeafMut<F>,
    pub(super) g: Option<&'a dyn Leaf<F>>,
}

/// The leaves of the first step, in its order.
#[derive(Clone)]
pub(super) struct Ledger<F: Scalar, S: Slots<F>> {
    roster: Roster,
    pub(super) leaves: Vec<LeafState<F, S>>,
}

impl<F: Scalar, S: Slots<F>> Default for Ledger<F, S> {
    fn default() -> Self {
        Self { roster: Roster::default(), leaves: Vec::new() }
    }
}

impl<F: Scalar, S: Slots<F>> Ledger<F, S> {
    /// The ledger of a model that has taken no step.
    pub(super) fn open(params: &dyn Params<F>, initial: S) -> Result<Self, Error> {
        let mut ledger = Self { roster: Roster::of(params)?, leaves: Vec::new() };
        params.visit(Path::ROOT, &mut |_, leaf| {
            ledger.leaves.push(LeafState {
                shape: leaf.shape().to_vec(),
                order: Order::of(leaf.shape(), leaf.strides()),
                slots: initial.filled(
                    leaf.shape().iter().product(),
                    leaf.as_slice().map_or(0, |slice| slice.as_ptr().addr()),
                ),
            });
        });
        Ok(ledger)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// A slot of a leaf, in the leaf's logical shape.
    pub(super) fn slot(&self, leaf: &str, index: usize) -> Option<ArrayViewD<'_, F>> {
        self.leaves[self.roster.index_of(leaf)?].slot(index)
    }

    /// Pairs parameters and gradients by name: one pair for each leaf, in the ledger's order, all
    /// of one shape.
    pub(super) fn pair<'a>(
        &self,
        params: &'a mut dyn ParamsMut<F>,
        grads: &'a dyn Params<F>,
        pairs: &mut Vec<Pair<'a, F>>,
    ) -> Result<(), Error> {
        self.find_params(params, pairs)?;
        self.find_grads(grads, pairs)
    }

    /// Finds the parameter of each leaf.
    #[inline]
    pub(super) fn find_params<'a>(
        &self,
        params: &'a mut dyn ParamsMut<F>,
        pairs: &mut Vec<Pair<'a, F>>,
    ) -> Result<(), Error> {
        let (mut in_order, mut next) = (true, 0);
        self.roster.meet_mut(params, Tree::Parameters, |index, w| {
            in_order &= index == next;
            next = index + 1;
            pairs.push(Pair { index, w, g: None });
        })?;
        if !in_order {
            pairs.sort_by_key(|pair| pair.index);
        }
        Ok(())
    }

    /// Finds the gradient of each pair.
    #[inline]
    fn find_grads<'a>(
        &self,
        grads: &'a dyn Params<F>,
        pairs: &mut [Pair<'a, F>],
    ) -> Result<(), Error> {
        self.roster.meet(grads, Tree::Gradients, |index, leaf| pairs[index].g = Some(leaf))
    }
}
