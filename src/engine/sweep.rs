//! Leaves whose elements lie in one order without gaps.

use super::around::{Loop, Quantities, Sums};
use super::program::Stretch;
use crate::reduce::{self, BLOCK, How, Sum, Term};
use crate::scalar::Scalar;
use crate::threads::join;

/// A leaf, or a piece of one, whose parameter, gradient and slots are slices in one order.
pub(super) struct Flat<'a, F> {
    /// The place of its cohort.
    pub(super) cohort: usize,
    /// The place of its constants.
    pub(super) constants: usize,
    pub(super) stretch: Stretch<'a, F>,
}

/// Updates every leaf, halving the work between threads where there is enough.
pub(super) fn sweep<F: Scalar>(constants: Loop<'_, F>, how: How, leaves: &mut [Flat<'_, F>]) {
    let total: usize = leaves.iter().map(|leaf| leaf.stretch.w.len()).sum();
    if total <= how.parallel_above || cfg!(not(feature = "rayon")) {
        for leaf in leaves {
            constants.update(leaf.constants, how.simd, &mut leaf.stretch);
        }
        return;
    }
    if let [Flat { cohort, constants: own, stretch }] = leaves {
        // A multiple of every vector's width, so that only the last piece has a tail.
        let (cohort, own, len) = (*cohort, *own, stretch.w.len());
        let at = (len / 2).next_multiple_of(64).min(len);
        let (left, right) = stretch.reborrow().split_at(at);
        let half = |stretch| Flat { cohort, constants: own, stretch };
        let (mut left, mut right) = (half(left), half(right));
        join(
            at < len,
            || sweep(constants, how, std::slice::from_mut(&mut left)),
            || sweep(constants, how, std::slice::from_mut(&mut right)),
        );
        return;
    }
    let mut passed = 0;
    let half = leaves.iter().take_while(|leaf| {
        passed += leaf.stretch.w.len();
        passed <= total / 2
    });
    let at = half.count().clamp(1, leaves.len() - 1);
    let (left, right) = leaves.split_at_mut(at);
    join(true, || sweep(constants, how, left), || sweep(constants, how, right));
}

/// The sums of quantities over a stretch.
pub(super) fn measure<F: Scalar>(
    constants: Loop<'_, F>,
    place: usize,
    quantities: Quantities<F>,
    how: How,
    stretch: Stretch<'_, F>,
) -> Sums {
    let len = stretch.w.len();
    if len <= BLOCK {
        return constants.measure(place, quantities, how.simd, stretch).map(Sum::of);
    }
    let (left, right) = stretch.split_at(len.div_ceil(BLOCK) / 2 * BLOCK);
    let (left, right) = join(
        len > how.parallel_above,
        || measure(constants, place, quantities, how, left),
        || measure(constants, place, quantities, how, right),
    );
    added(left, right)
}

/// Sums of two parts as those of both.
pub(in crate::engine) fn added(left: Sums, right: Sums) -> Sums {
    std::array::from_fn(|i| left[i].add(right[i]))
}

/// The sums of quantities over every leaf; the tree of sums depends on the number of leaves alone.
pub(super) fn measure_all<F: Scalar>(
    constants: Loop<'_, F>,
    quantities: Quantities<F>,
    how: How,
    leaves: &mut [Flat<'_, F>],
) -> Sums {
    match leaves {
        [] => Sums::default(),
        [leaf] => measure(constants, leaf.constants, quantities, how, leaf.stretch.reborrow()),
        _ => {
            let large = is_large(leaves, how);
            let (left, right) = leaves.split_at_mut(leaves.len() / 2);
            let (left, right) = join(
                large,
                || measure_all(constants, quantities, how, left),
                || measure_all(constants, quantities, how, right),
            );
            added(left, right)
        }
    }
}

/// The largest |g|, as [`Scalar::size`] tells it: above that of the largest number where one is NaN or
/// infinite.
///
/// The last leaves are looked at first: the cache then holds those that are updated first.
pub(super) fn largest<F: Scalar>(leaves: &[Flat<'_, F>], how: How) -> F::Size {
    match leaves {
        [] => F::Size::default(),
        [leaf] => reduce::largest_slice(leaf.stretch.g, how),
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            let (right, left) =
                join(is_large(leaves, how), || largest(right, how), || largest(left, how));
            left.max(right)
        }
    }
}

/// The sum of a term over every gradient; the tree of sums depends on the number of leaves alone.
pub(super) fn sum<F: Scalar, T: Term>(leaves: &[Flat<'_, F>], term: T, how: How) -> Sum {
    match leaves {
        [] => Sum::default(),
        [leaf] => reduce::sum_slice(leaf.stretch.g, term, how),
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            let (left, right) =
                join(is_large(leaves, how), || sum(left, term, how), || sum(right, term, how));
            left.add(right)
        }
    }
}

/// The sum of the sums of leaves: that of [`sum`].
pub(super) fn add_up(leaves: &[Sum]) -> Sum {
    match leaves {
        [] => Sum::default(),
        [sum] => *sum,
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            add_up(left).add(add_up(right))
        }
    }
}

fn is_large<F: Scalar>(leaves: &[Flat<'_, F>], how: How) -> bool {
    cfg!(feature = "rayon")
        && leaves.iter().map(|leaf| leaf.stretch.g.len()).sum::<usize>() > how.parallel_above
}
