//! Lists that live for one step and whose memory is kept for the next.

use std::mem;

use super::around::Loop;
use super::outer::Outer;
use super::program::Kernel;
use super::rows::{Gathered, Touched};
use super::strided::Strided;
use super::sweep::Flat;
use crate::params::{Leaf, LeafMut};
use crate::rule::Clock;
use crate::scalar::Scalar;

/// The lists of a step, empty between steps.
pub(super) struct Scratch<F: Scalar> {
    /// The constants of the rule: those of each cohort, and then those of each leaf that has its own.
    pub(super) kernel: Box<dyn Kernel<F>>,
    /// What is around the rule, by the same places.
    pub(super) outer: Vec<Outer<F>>,
    /// Of the gradients of units.
    pub(super) factors: Vec<F>,
    /// The clocks as they were, where a step may yet be taken back.
    pub(super) clocks: Vec<Clock>,
    // Trait objects would make the whole optimizer `!Send`; numbers of the same size keep their
    // memory.
    grads: Vec<[usize; 2]>,
    late: Vec<[usize; 3]>,
    flat: Vec<Flat<'static, F>>,
    strided: Vec<Strided<'static, F>>,
    touched: Vec<Touched<'static, F>>,
    gathered: Option<Box<Gathered<F>>>,
}

/// The lists of one step, borrowing from parameters and gradients.
pub(super) struct Lists<'a, F: Scalar> {
    /// Of each leaf, by its index.
    pub(super) grads: Vec<Option<&'a dyn Leaf<F>>>,
    /// Parameters that are not in the order of the leaves, by index.
    pub(super) late: Vec<(usize, &'a mut dyn LeafMut<F>)>,
    pub(super) flat: Vec<Flat<'a, F>>,
    pub(super) strided: Vec<Strided<'a, F>>,
    /// Leaves of whose gradient there are rows, and what was found of them.
    pub(super) touched: Vec<Touched<'a, F>>,
    pub(super) gathered: Option<Box<Gathered<F>>>,
    /// More elements of rows than this are wanted in the order of memory.
    pub(super) ordered_above: usize,
    /// Whether a gradient is of rows, or left out.
    pub(super) is_partial: bool,
}

impl<F: Scalar> Scratch<F> {
    pub(super) fn new(kernel: Box<dyn Kernel<F>>) -> Self {
        Self {
            kernel,
            outer: Vec::new(),
            factors: Vec::new(),
            clocks: Vec::new(),
            grads: Vec::new(),
            late: Vec::new(),
            flat: Vec::new(),
            strided: Vec::new(),
            touched: Vec::new(),
            gathered: None,
        }
    }

    pub(super) fn constants(&self) -> Loop<'_, F> {
        Loop { kernel: &*self.kernel, outer: &self.outer }
    }

    #[inline]
    pub(super) fn lend<'a>(&mut self) -> Lists<'a, F> {
        Lists {
            grads: recycle(mem::take(&mut self.grads)),
            late: recycle_rare(&mut self.late),
            flat: recycle(mem::take(&mut self.flat)),
            strided: recycle_rare(&mut self.strided),
            touched: recycle_rare(&mut self.touched),
            gathered: self.gathered.take(),
            ordered_above: 0,
            is_partial: false,
        }
    }

    #[inline]
    pub(super) fn take_back(&mut self, mut lists: Lists<'_, F>) {
        self.grads = recycle(mem::take(&mut lists.grads));
        self.flat = recycle(mem::take(&mut lists.flat));
        if lists.late.capacity() > 0 {
            self.late = recycle_rare(&mut lists.late);
        }
        if lists.strided.capacity() > 0 {
            self.strided = recycle_rare(&mut lists.strided);
        }
        if lists.touched.capacity() > 0 {
            self.touched = recycle_rare(&mut lists.touched);
        }
        self.gathered = lists.gathered.take();
        // Nothing is left in them: looking at each once more is not for nothing.
        mem::forget(lists);
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

/// As [`recycle`], of a list that is rarely used: moving its three words costs more than a look.
#[inline]
fn recycle_rare<A, B>(vector: &mut Vec<A>) -> Vec<B> {
    #[cold]
    fn used<A, B>(vector: Vec<A>) -> Vec<B> {
        recycle(vector)
    }
    if vector.capacity() == 0 { Vec::new() } else { used(mem::take(vector)) }
}
