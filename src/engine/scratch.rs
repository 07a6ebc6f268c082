//! Lists that live for one step and whose memory is kept for the next.

use std::mem;

use super::around::Constants;
use super::ledger::Pair;
use super::strided::Strided;
use super::sweep::Flat;
use crate::rule::{Rule, Slots};
use crate::scalar::Scalar;

/// The lists of a step, empty between steps.
pub(super) struct Scratch<F: Scalar, R: Rule<F>> {
    /// Those of each course, and then those of each leaf that has its own.
    pub(super) constants: Vec<Constants<F, R>>,
    /// Of the gradients of units.
    pub(super) factors: Vec<F>,
    // A pair holds trait objects, which would make the whole optimizer `!Send`; numbers of the
    // same size keep its memory.
    pairs: Vec<[usize; 5]>,
    flat: Vec<Flat<'static, F, R::State>>,
    strided: Vec<Strided<'static, F, R::State>>,
}

/// The lists of one step, borrowing from parameters and gradients.
pub(super) struct Lists<'a, F: Scalar, S: Slots<F>> {
    pub(super) pairs: Vec<Pair<'a, F>>,
    pub(super) flat: Vec<Flat<'a, F, S>>,
    pub(super) strided: Vec<Strided<'a, F, S>>,
}

impl<F: Scalar, R: Rule<F>> Scratch<F, R> {
    #[inline]
    pub(super) fn lend<'a>(&mut self) -> Lists<'a, F, R::State> {
        Lists {
            pairs: recycle(mem::take(&mut self.pairs)),
            flat: recycle(mem::take(&mut self.flat)),
            strided: recycle(mem::take(&mut self.strided)),
        }
    }

    #[inline]
    pub(super) fn take_back(&mut self, lists: Lists<'_, F, R::State>) {
        self.pairs = recycle(lists.pairs);
        self.flat = recycle(lists.flat);
        self.strided = recycle(lists.strided);
    }
}

/// An empty vector in the memory of another: collecting in place keeps the allocation where the
/// types have one size and alignment.
#[inline]
pub(crate) fn recycle<A, B>(mut vector: Vec<A>) -> Vec<B> {
    const {
        assert!(size_of::<A>() == size_of::<B>() && align_of::<A>() == align_of::<B>());
    }
    if vector.capacity() == 0 {
        return Vec::new();
    }
    vector.clear();
    vector.into_iter().filter_map(|_| None).collect()
}

impl<F: Scalar, R: Rule<F>> Default for Scratch<F, R> {
    fn default() -> Self {
        Self {
            constants: Vec::new(),
            factors: Vec::new(),
            pairs: Vec::new(),
            flat: Vec::new(),
            strided: Vec::new(),
        }
    }
}
