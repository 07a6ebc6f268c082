//! Parameters and gradients of a step, leaf by leaf.

use std::mem;

use crate::engine::recycle;
use crate::error::{Error, Tree};
use crate::params::{Leaf, LeafMut, Params, ParamsMut, Roster};
use crate::reduce::{self, How};
use crate::scalar::Scalar;

/// Parameters, each with the index of its leaf.
pub(crate) type Targets<'a, F> = Vec<(usize, &'a mut dyn LeafMut<F>)>;

/// Gradients, each at the index of its leaf.
pub(crate) type Sources<'a, F> = Vec<Option<&'a dyn Leaf<F>>>;

/// The memory of the lists of a step, between steps.
///
/// Trait objects would make an optimizer `!Send`; numbers of their size keep their memory.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    params: Vec<[usize; 3]>,
    grads: Vec<[usize; 2]>,
}

impl Lists {
    pub(crate) fn lend<'a, F: Scalar>(&mut self) -> (Targets<'a, F>, Sources<'a, F>) {
        (recycle(mem::take(&mut self.params)), recycle(mem::take(&mut self.grads)))
    }

    pub(crate) fn take_back<F: Scalar>(&mut self, (ws, gs): (Targets<'_, F>, Sources<'_, F>)) {
        (self.params, self.grads) = (recycle(ws), recycle(gs));
    }
}

/// Finds parameters and gradients of all leaves.
pub(crate) fn pair<'a, F: Scalar>(
    roster: &Roster,
    params: &'a mut dyn ParamsMut<F>,
    grads: &'a dyn Params<F>,
    ws: &mut Targets<'a, F>,
    gs: &mut Sources<'a, F>,
) -> Result<(), Error> {
    roster.meet_mut(params, Tree::Parameters, |index, w| ws.push((index, w)))?;
    gs.resize(ws.len(), None);
    roster.meet(grads, Tree::Gradients, |index, g| gs[index] = Some(g))
}

/// The largest |x| of a leaf.
pub(crate) fn largest<F: Scalar>(leaf: &dyn Leaf<F>, how: How) -> F::Size {
    match leaf.as_slice() {
        Some(slice) => reduce::largest_slice(slice, how),
        None => reduce::largest_view(&leaf.view()),
    }
}

/// Whether no element of a leaf is NaN or infinite.
pub(crate) fn is_finite<F: Scalar>(leaf: &dyn Leaf<F>, how: How) -> bool {
    reduce::is_finite_size::<F>(largest(leaf, how))
}

/// Whether the elements lie row after row without a gap.
pub(crate) fn is_row_major(shape: &[usize], strides: &[isize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&len, &stride)| {
        let fits = len <= 1 || stride == expected;
        expected *= len.max(1) as isize;
        fits
    })
}
