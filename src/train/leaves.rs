//! What a wrapper finds out about the leaves of the optimizer inside.

use crate::error::{Error, ErrorKind, Tree};
use crate::optimizer::{Optimizer, Treatment};
use crate::params::{Leaf, Params, Snapshot, copy_of};
use crate::reduce::{How, all_finite_slice, all_finite_view, first_non_finite};
use crate::scalar::Scalar;

/// How the optimizer treats each leaf of a snapshot, in its order.
pub(super) fn treatments<F: Scalar>(
    optimizer: &dyn Optimizer<F>,
    leaves: &Snapshot<F>,
    into: &mut Vec<Treatment>,
) {
    into.clear();
    let entries = leaves.entries().iter();
    into.extend(entries.map(|entry| optimizer.treatment(&entry.name, &entry.shape)));
}

/// That the gradients have the leaves of a snapshot, and, where `looks`, that those of trained leaves
/// are finite.
pub(super) fn check_gradients<F: Scalar>(
    leaves: &Snapshot<F>,
    treatments: &[Treatment],
    grads: &dyn Params<F>,
    looks: bool,
) -> Result<(), Error> {
    let mut first = None;
    leaves.each_leaf(grads, Tree::Gradients, |index, _, g| {
        if looks && first.is_none() && treatments[index].trained {
            first = non_finite(g).map(|found| (index, found));
        }
    })?;
    match first {
        None => Ok(()),
        Some((leaf, (index, value))) => {
            let leaf = leaves.entries()[leaf].name.clone();
            Err(ErrorKind::NonFiniteGradient { leaf, index, value }.into())
        }
    }
}

/// The first element of a leaf that is NaN or infinite: its index and value.
pub(super) fn non_finite<F: Scalar>(leaf: &dyn Leaf<F>) -> Option<(Vec<usize>, f64)> {
    let all_finite = match leaf.as_slice() {
        Some(slice) => all_finite_slice(slice, How::default()),
        None if leaf.is_sixteen() => all_finite_view(&copy_of(leaf).view()),
        None => all_finite_view(&leaf.view()),
    };
    if all_finite { None } else { first_non_finite(leaf) }
}
