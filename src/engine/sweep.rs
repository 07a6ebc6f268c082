//! The one loop: a rule over leaves whose elements lie in one order without gaps.

use super::prepare::Prepare;
use crate::reduce::{self, How, Sum, Term};
use crate::rule::{Rule, Slots};
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};
use crate::threads::join;

/// Elements of the widest vector: fewer are updated sooner by the baseline.
const WIDEST: usize = 16;

/// A step's constants, shared by all of its leaves.
pub(super) struct Kernel<'k, F: Scalar, R: Rule<F>, P> {
    pub(super) step: &'k R::Step,
    pub(super) prepare: P,
    pub(super) how: How,
}

impl<F: Scalar, R: Rule<F>, P: Prepare<F>> Kernel<'_, F, R, P> {
    /// Updates a stretch of elements; the slices have one length.
    #[inline(always)]
    pub(super) fn update<'a>(
        &self,
        w: &'a mut [F],
        g: &'a [F],
        slots: <R::State as Slots<F>>::Slices<'a>,
    ) {
        let stretch = Stretch::<F, R, P> { step: *self.step, prepare: self.prepare, w, g, slots };
        let simd = if stretch.w.len() < WIDEST { Simd::BASELINE } else { self.how.simd };
        simd.run(stretch);
    }
}

struct Stretch<'a, F: Scalar, R: Rule<F>, P> {
    step: R::Step,
    prepare: P,
    w: &'a mut [F],
    g: &'a [F],
    slots: <R::State as Slots<F>>::Slices<'a>,
}

impl<F: Scalar, R: Rule<F>, P: Prepare<F>> Work for Stretch<'_, F, R, P> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (step, prepare) = (self.step, self.prepare);
        R::State::sweep(
            self.w,
            self.g,
            self.slots,
            #[inline(always)]
            |w, g, state| R::update(&step, w, prepare.prepare(w, g), state),
        );
    }
}

/// A leaf, or a piece of one, whose parameter, gradient and slots are slices in one order.
pub(super) struct Flat<'a, F: Scalar, S: Slots<F>> {
    pub(super) w: &'a mut [F],
    pub(super) g: &'a [F],
    pub(super) slots: S::Slices<'a>,
}

/// Updates every leaf, halving the work between threads where there is enough.
pub(super) fn sweep<F: Scalar, R: Rule<F>, P: Prepare<F>>(
    kernel: &Kernel<'_, F, R, P>,
    leaves: &mut [Flat<'_, F, R::State>],
) {
    let total: usize = leaves.iter().map(|leaf| leaf.w.len()).sum();
    if total <= kernel.how.parallel_above || cfg!(not(feature = "rayon")) {
        for Flat { w, g, slots } in leaves {
            kernel.update(w, g, R::State::reborrow(slots));
        }
        return;
    }
    if let [Flat { w, g, slots }] = leaves {
        // A multiple of every vector's width, so that only the last piece has a tail.
        let (len, at) = (w.len(), (w.len() / 2).next_multiple_of(64).min(w.len()));
        let (w0, w1) = w.split_at_mut(at);
        let (g0, g1) = g.split_at(at);
        let (s0, s1) = R::State::split_at(R::State::reborrow(slots), at);
        join(
            at < len,
            || sweep(kernel, &mut [Flat { w: w0, g: g0, slots: s0 }]),
            || sweep(kernel, &mut [Flat { w: w1, g: g1, slots: s1 }]),
        );
        return;
    }
    let mut passed = 0;
    let half = leaves.iter().take_while(|leaf| {
        passed += leaf.w.len();
        passed <= total / 2
    });
    let at = half.count().clamp(1, leaves.len() - 1);
    let (left, right) = leaves.split_at_mut(at);
    join(true, || sweep(kernel, left), || sweep(kernel, right));
}

/// Whether every gradient is finite.
pub(super) fn all_finite<F: Scalar, S: Slots<F>>(leaves: &[Flat<'_, F, S>], how: How) -> bool {
    match leaves {
        [] => true,
        [leaf] => reduce::all_finite_slice(leaf.g, how),
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
        [leaf] => reduce::sum_slice(leaf.g, term, how),
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
        && leaves.iter().map(|leaf| leaf.g.len()).sum::<usize>() > how.parallel_above
}
