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
    pub(super) fn reorder(&mut self, order: Order) {
        for slot in S::vectors_mut(&mut self.slots) {
            let reordered = self
                .order
                .logical(slot, &self.shape)
                .map(|view| order.arrange(view).iter().copied().collect());
            if let Some(reordered) = reordered {
                *slot = reordered;
            }
        }
        self.order = order;
    }

    /// A slot in the leaf's logical shape.
    pub(super) fn slot(&self, index: usize) -> Option<ArrayViewD<'_, F>> {
        self.order.logical(S::vectors(&self.slots).get(index)?, &self.shape)
    }
}

/// A parameter and its gradient, found for one leaf of the ledger.
pub(super) struct Pair<'a, F: Scalar> {
    pub(super) w: Option<&'a mut dyn LeafMut<F>>,
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
                slots: initial.filled(leaf.shape().iter().product()),
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

    /// Pairs parameters and gradients by name, one pair for each leaf; checks names and shapes.
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
    pub(super) fn find_params<'a>(
        &self,
        params: &'a mut dyn ParamsMut<F>,
        pairs: &mut Vec<Pair<'a, F>>,
    ) -> Result<(), Error> {
        pairs.clear();
        pairs.resize_with(self.leaves.len(), || Pair { w: None, g: None });
        let mut found = Found::default();
        params.visit_mut(Path::ROOT, &mut |path, leaf| {
            if let Some(i) = self.find(&path, &mut found)
                && pairs[i].w.replace(leaf).is_some()
            {
                found.twice.get_or_insert(path.to_string());
            }
        });
        self.settle(found, Tree::Parameters, |i| pairs[i].w.is_some())?;
        let changed = |(leaf, pair): (&LeafState<F, S>, &Pair<'a, F>)| {
            let now = pair.w.as_ref()?.shape();
            (now != leaf.shape).then(|| ErrorKind::ShapeChanged {
                leaf: leaf.name.clone(),
                was: leaf.shape.clone(),
                now: now.to_vec(),
            })
        };
        self.leaves.iter().zip(&*pairs).find_map(changed).map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn find_grads<'a>(
        &self,
        grads: &'a dyn Params<F>,
        pairs: &mut [Pair<'a, F>],
    ) -> Result<(), Error> {
        let mut found = Found::default();
        grads.visit(Path::ROOT, &mut |path, leaf| {
            if let Some(i) = self.find(&path, &mut found)
                && pairs[i].g.replace(leaf).is_some()
            {
                found.twice.get_or_insert(path.to_string());
            }
        });
        self.settle(found, Tree::Gradients, |i| pairs[i].g.is_some())?;
        let differs = |(leaf, pair): (&LeafState<F, S>, &Pair<'a, F>)| {
            let gradient = pair.g?.shape();
            (gradient != leaf.shape).then(|| ErrorKind::GradientShape {
                leaf: leaf.name.clone(),
                parameter: leaf.shape.clone(),
                gradient: gradient.to_vec(),
            })
        };
        self.leaves.iter().zip(&*pairs).find_map(differs).map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// The leaf of that path: the next one of the ledger as a rule, else looked up.
    fn find(&self, path: &Path<'_>, found: &mut Found) -> Option<usize> {
        let next = self.leaves.get(found.next).filter(|leaf| path.is(&leaf.name));
        let index = match next {
            Some(_) => found.next,
            None => {
                let name = path.to_string();
                match self.by_name.get(&name) {
                    Some(&index) => index,
                    None => {
                        found.unexpected.push(name);
                        return None;
                    }
                }
            }
        };
        found.next = index + 1;
        Some(index)
    }

    /// The error of a visit that met other leaves than the ledger's, or one twice.
    fn settle(&self, found: Found, tree: Tree, met: impl Fn(usize) -> bool) -> Result<(), Error> {
        if let Some(leaf) = found.twice {
            return Err(ErrorKind::DuplicateLeaf { tree, leaf }.into());
        }
        let names = || self.leaves.iter().enumerate();
        if found.unexpected.is_empty() && names().all(|(i, _)| met(i)) {
            return Ok(());
        }
        let missing =
            names().filter(|&(i, _)| !met(i)).map(|(_, leaf)| leaf.name.clone()).collect();
        Err(ErrorKind::Leaves { tree, missing, unexpected: found.unexpected }.into())
    }
}

/// What a visit has met so far.
#[derive(Default)]
struct Found {
    next: usize,
    unexpected: Vec<String>,
    twice: Option<String>,
}
