//! The state of every leaf, kept by its name and shape.

use std::collections::BTreeMap;

use ndarray::ArrayViewD;

use crate::error::{Error, ErrorKind, Tree};
use crate::params::{Leaf, LeafMut, Order, Params, ParamsMut, Path};
use crate::rule::Slots;
use crate::scalar::Scalar;

/// What is kept of one leaf.
#[derive(Clone)]
pub(super) struct LeafState<F: Scalar, S: Slots<F>> {
    name: String,
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
    pub(super) leaves: Vec<LeafState<F, S>>,
    by_name: BTreeMap<String, usize>,
}

impl<F: Scalar, S: Slots<F>> Default for Ledger<F, S> {
    fn default() -> Self {
        Self { leaves: Vec::new(), by_name: BTreeMap::new() }
    }
}

impl<F: Scalar, S: Slots<F>> Ledger<F, S> {
    /// The ledger of a model that has taken no step.
    pub(super) fn open(params: &dyn Params<F>, initial: S) -> Result<Self, Error> {
        let mut ledger = Self::default();
        let mut twice = None;
        params.visit(Path::ROOT, &mut |path, leaf| {
            let name = path.to_string();
            if ledger.by_name.insert(name.clone(), ledger.leaves.len()).is_some() {
                twice.get_or_insert(name.clone());
            }
            ledger.leaves.push(LeafState {
                name,
                shape: leaf.shape().to_vec(),
                order: Order::of(leaf.shape(), leaf.strides()),
                slots: initial.filled(
                    leaf.shape().iter().product(),
                    leaf.as_slice().map_or(0, |slice| slice.as_ptr().addr()),
                ),
            });
        });
        if let Some(leaf) = twice {
            return Err(ErrorKind::DuplicateLeaf { tree: Tree::Parameters, leaf }.into());
        }
        if ledger.leaves.is_empty() {
            return Err(ErrorKind::NoLeaves.into());
        }
        Ok(ledger)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// A slot of a leaf, in the leaf's logical shape.
    pub(super) fn slot(&self, leaf: &str, index: usize) -> Option<ArrayViewD<'_, F>> {
        self.leaves[*self.by_name.get(leaf)?].slot(index)
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
        let mut visit = Visit::default();
        params.visit_mut(Path::ROOT, &mut |path, leaf| {
            if let Some(index) = self.find(path, leaf.shape(), &mut visit) {
                pairs.push(Pair { index, w: leaf, g: None });
            }
        });
        if visit.is_all_of(self.leaves.len()) {
            return Ok(());
        }
        pairs.sort_by_key(|pair| pair.index);
        self.settle(visit, Tree::Parameters)
    }

    /// Finds the gradient of each pair.
    #[inline]
    fn find_grads<'a>(
        &self,
        grads: &'a dyn Params<F>,
        pairs: &mut [Pair<'a, F>],
    ) -> Result<(), Error> {
        let mut visit = Visit::default();
        grads.visit(Path::ROOT, &mut |path, leaf| {
            if let Some(index) = self.find(path, leaf.shape(), &mut visit) {
                pairs[index].g = Some(leaf);
            }
        });
        if visit.is_all_of(self.leaves.len()) {
            Ok(())
        } else {
            self.settle(visit, Tree::Gradients)
        }
    }

    /// The leaf of that path: the next one of the ledger as a rule, else looked up.
    #[inline]
    fn find(&self, path: Path<'_>, shape: &[usize], visit: &mut Visit) -> Option<usize> {
        if visit.strays.is_none()
            && let Some(leaf) = self.leaves.get(visit.in_order)
            && path.is(&leaf.name)
            && same(shape, &leaf.shape)
        {
            visit.in_order += 1;
            return Some(visit.in_order - 1);
        }
        self.look_up(path, shape, visit)
    }

    #[cold]
    fn look_up(&self, path: Path<'_>, shape: &[usize], visit: &mut Visit) -> Option<usize> {
        let strays = visit.strays.get_or_insert_default();
        let name = path.to_string();
        let Some(&index) = self.by_name.get(&name) else {
            strays.unexpected.push(name);
            return None;
        };
        strays.met.push(index);
        if !same(shape, &self.leaves[index].shape) {
            strays.reshaped.get_or_insert_with(|| (index, shape.to_vec()));
        }
        Some(index)
    }

    /// The error of a visit that strayed from the ledger's order, if it did not meet each leaf once
    /// and in its shape.
    #[cold]
    fn settle(&self, visit: Visit, tree: Tree) -> Result<(), Error> {
        let Strays { mut met, unexpected, reshaped } =
            visit.strays.map(|strays| *strays).unwrap_or_default();
        met.extend(0..visit.in_order);
        met.sort_unstable();
        let name = |index: usize| self.leaves[index].name.clone();
        if let Some(twice) = met.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ErrorKind::DuplicateLeaf { tree, leaf: name(twice[0]) }.into());
        }
        let missing: Vec<String> = (0..self.leaves.len())
            .filter(|index| met.binary_search(index).is_err())
            .map(name)
            .collect();
        if !missing.is_empty() || !unexpected.is_empty() {
            return Err(ErrorKind::Leaves { tree, missing, unexpected }.into());
        }
        let Some((index, shape)) = reshaped else { return Ok(()) };
        let (leaf, known) = (name(index), self.leaves[index].shape.clone());
        Err(match tree {
            Tree::Parameters => ErrorKind::ShapeChanged { leaf, was: known, now: shape },
            Tree::Gradients => ErrorKind::GradientShape { leaf, parameter: known, gradient: shape },
        }
        .into())
    }
}

/// What a visit has met so far.
#[derive(Default)]
struct Visit {
    /// Leaves met in the ledger's order and shape before the first that was not.
    in_order: usize,
    strays: Option<Box<Strays>>,
}

/// What a visit met from the first leaf on that was not the ledger's next.
#[derive(Default)]
struct Strays {
    met: Vec<usize>,
    unexpected: Vec<String>,
    /// The first leaf of another shape than the ledger's.
    reshaped: Option<(usize, Vec<usize>)>,
}

impl Visit {
    /// Whether the visit met each of so many leaves once, in the ledger's order and shape.
    fn is_all_of(&self, leaves: usize) -> bool {
        self.strays.is_none() && self.in_order == leaves
    }
}

/// Equality of short lists, without the call that comparing slices makes.
#[inline]
fn same(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}
