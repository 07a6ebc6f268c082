//! Leaves whose elements lie in one order without gaps.

use super::kernel::{Kernel, Quantities};
use crate::reduce::{self, BLOCK, How, Sum, Term};
use crate::rule::Slots;
use crate::scalar::Scalar;
use crate::threads::join;

/// A stretch of elements in one order: parameter, gradient, slots, and average where it is kept.
pub(super) struct Stretch<'a, F: Scalar, S: Slots<F>> {
    pub(super) w: &'a mut [F],
    pub(super) g: &'a [F],
    pub(super) slots: S::Slices<'a>,
    /// Empty where no average is kept.
    pub(super) average: &'a mut [F],
}

impl<'a, F: Scalar, S: Slots<F>> Stretch<'a, F, S> {
    #[inline]
    pub(super) fn reborrow(&mut self) -> Stretch<'_, F, S> {
        Stretch { w: self.w, g: self.g, slots: S::reborrow(&mut self.slots), average: self.average }
    }

    #[inline]
    pub(super) fn split_at(self, at: usize) -> (Self, Self) {
        let (w0, w1) = self.w.split_at_mut(at);
        let (g0, g1) = self.g.split_at(at);
        let (s0, s1) = S::split_at(self.slots, at);
        let (a0, a1) = self.average.split_at_mut(at.min(self.average.len()));
        (
            Self { w: w0, g: g0, slots: s0, average: a0 },
            Self { w: w1, g: g1, slots: s1, average: a1 },
        )
    }
}

/// A leaf, or a piece of one, whose parameter, gradient and slots are slices in one order.
pub(super) struct Flat<'a, F: Scalar, S: Slots<F>> {
    /// The place of its course.
    pub(super) course: usize,
    /// The place of its constants.
    pub(super) constants: usize,
    pub(super) stretch: Stretch<'a, F, S>,
}

/// Updates every leaf, halving the work between threads where there is enough.
pub(super) fn sweep<F: Scalar, S: Slots<F>>(
    kernel: &dyn Kernel<F, S>,
    how: How,
    leaves: &mut [Flat<'_, F, S>],
) {
    let total: usize = leaves.iter().map(|leaf| leaf.stretch.w.len()).sum();
    if total <= how.parallel_above || cfg!(not(feature = "rayon")) {
        for leaf in leaves {
            kernel.update(leaf.constants, how, leaf.stretch.reborrow());
        }
        return;
    }
    if let [Flat { course, constants: own, stretch }] = leaves {
        // A multiple of every vector's width, so that only the last piece has a tail.
        let (course, own, len) = (*course, *own, stretch.w.len());
        let at = (len / 2).next_multiple_of(64).min(len);
        let (left, right) = stretch.reborrow().split_at(at);
        let half = |stretch| Flat { course, constants: own, stretch };
        let (mut left, mut right) = (half(left), half(right));
        join(
            at < len,
            || sweep(kernel, how, std::slice::from_mut(&mut left)),
            || sweep(kernel, how, std::slice::from_mut(&mut right)),
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
    join(true, || sweep(kernel, how, left), || sweep(kernel, how, right));
}

/// The sums of the squares of two quantities over a stretch.
pub(super) fn measure<F: Scalar, S: Slots<F>>(
    kernel: &dyn Kernel<F, S>,
    constants: usize,
    quantities: Quantities<F>,
    how: How,
    stretch: Stretch<'_, F, S>,
) -> [Sum; 2] {
    let len = stretch.w.len();
    if len <= BLOCK {
        return kernel.measure(constants, quantities, how, stretch).map(Sum::of);
    }
    let (left, right) = stretch.split_at(len.div_ceil(BLOCK) / 2 * BLOCK);
    let ([a, b], [c, d]) = join(
        len > how.parallel_above,
        || measure(kernel, constants, quantities, how, left),
        || measure(kernel, constants, quantities, how, right),
    );
    [a.add(c), b.add(d)]
}

/// Whether every gradient is finite.
pub(super) fn all_finite<F: Scalar, S: Slots<F>>(leaves: &[Flat<'_, F, S>], how: How) -> bool {
    match leaves {
        [] => true,
        [leaf] => reduce::all_finite_slice(leaf.stretch.g, how),
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            let (left, right) =
                join(is_large(leaves, how), || all_finite(left, how), || all_finite(right, how));
            left && right
        }
    }
}

/// The sum of a term over every gradient; the tree of sums depends on the number of leaves alone.
pub(super) fn sum<F: Scalar, S: Slots<F>, T: Term>(
    leaves: &[Flat<'_, F, S>],
    term: T,
    how: How,
) -> Sum {
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

fn is_large<F: Scalar, S: Slots<F>>(leaves: &[Flat<'_, F, S>], how: How) -> bool {
    cfg!(feature = "rayon")
        && leaves.iter().map(|leaf| leaf.stretch.g.len()).sum::<usize>() > how.parallel_above
}
