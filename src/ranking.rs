//! The order of a list, by a sort that is compiled once.

use std::cmp::Ordering;

/// The places 0 to `len` - 1 in the order of that comparison; what is equal stays in order.
///
/// The comparison is an object: a sort for each closure would be some thousand lines of code each.
pub(crate) fn ranked(len: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|&i, &j| compare(i, j));
    order
}
