//! The leaves of one of the optimizers.

use super::Ledger;
use crate::params::{Leaf, LeafMut, Params, ParamsMut, Path};
use crate::scalar::Scalar;

/// The parameters of a member.
pub(super) struct Part<'l, 'a, F: Scalar> {
    pub(super) ledger: &'l Ledger<F>,
    pub(super) member: usize,
    pub(super) params: &'l mut [(usize, &'a mut dyn LeafMut<F>)],
}

/// The gradients of a member, in the order of the first step.
pub(super) struct PartGrads<'l, 'a, F: Scalar> {
    pub(super) ledger: &'l Ledger<F>,
    pub(super) member: usize,
    pub(super) grads: &'l [Option<&'a dyn Leaf<F>>],
}

impl<F: Scalar> Ledger<F> {
    /// The name of a leaf that the member has.
    fn name_for(&self, member: usize, index: usize) -> Option<&str> {
        (self.owners[index] == member).then(|| self.roster.entries()[index].name.as_str())
    }
}

impl<F: Scalar> Params<F> for Part<'_, '_, F> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        for (index, leaf) in &*self.params {
            if let Some(name) = self.ledger.name_for(self.member, *index) {
                visit(path.name(name), &**leaf);
            }
        }
    }
}

impl<F: Scalar> ParamsMut<F> for Part<'_, '_, F> {
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    ) {
        for (index, leaf) in &mut *self.params {
            if let Some(name) = self.ledger.name_for(self.member, *index) {
                visit(path.name(name), &mut **leaf);
            }
        }
    }
}

impl<F: Scalar> Params<F> for PartGrads<'_, '_, F> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        for (index, leaf) in self.grads.iter().enumerate() {
            if let (Some(leaf), Some(name)) = (leaf, self.ledger.name_for(self.member, index)) {
                visit(path.name(name), *leaf);
            }
        }
    }
}
