//! What is kept of one leaf.

use ndarray::ArrayViewD;

use super::average::{Average, averaged};
use super::settings::Settings;
use super::slot::Slot;
use super::view::Source;
use crate::params::{Fit, Leaf, Order};
use crate::rule::{MOST, Slices};
use crate::scalar::Scalar;

/// The state of a leaf, and how the parameter lies in memory.
#[derive(Clone)]
pub(super) struct LeafState<F: Scalar> {
    pub(super) shape: Vec<usize>,
    /// The order that the slots are in: the parameter's own.
    pub(super) order: Order,
    /// Empty where the leaf has never been trained, and from the first on that the rule does not have.
    pub(super) slots: [Slot<F>; MOST],
    /// Empty where no average is kept.
    pub(super) average: Slot<F>,
    /// The place of its cohort.
    pub(super) cohort: usize,
    /// Whether nothing but its layout can keep it from being swept as slices.
    pub(super) is_direct: bool,
    /// The strides of an array in this order without gaps.
    packed: Vec<isize>,
    /// Whether large slots lie where the parameter's place wants them.
    is_placed: bool,
    /// Whether slots and average are kept: of a leaf without elements their lengths do not tell.
    keeps: [bool; 2],
}

impl<F: Scalar> LeafState<F> {
    /// The state of a leaf that has taken no step.
    pub(super) fn new(shape: &[usize], order: Order) -> Self {
        Self {
            packed: order.packed(shape),
            shape: shape.to_vec(),
            order,
            slots: std::array::from_fn(|_| Slot::default()),
            average: Slot::default(),
            cohort: 0,
            is_direct: false,
            is_placed: true,
            keeps: [false; 2],
        }
    }

    /// Whether an array of this shape and of those strides is in this order without gaps; an empty
    /// one need not be known.
    #[inline]
    pub(super) fn is_packed(&self, strides: &[isize]) -> bool {
        let axes = strides.iter().zip(&self.packed).zip(&self.shape);
        strides.len() == self.packed.len()
            && axes.into_iter().all(|((stride, packed), &len)| stride == packed || len == 1)
    }

    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Whether it has all of the first so many slots.
    pub(super) fn has_slots(&self, count: usize) -> bool {
        let len = self.len();
        self.keeps[0] && self.slots[..count].iter().all(|slot| slot.len() == len)
    }

    pub(super) fn has_average(&self) -> bool {
        self.keeps[1] && self.average.len() == self.len()
    }

    /// Makes so many slots, for a parameter at `address`.
    pub(super) fn make_slots(&mut self, initial: [F; MOST], count: usize, address: usize) {
        let len = self.len();
        for (slot, value) in self.slots[..count].iter_mut().zip(initial) {
            *slot = Slot::filled(value, len, address);
        }
        self.keeps[0] = true;
    }

    pub(super) fn make_average(&mut self, address: usize) {
        self.average = Slot::filled(F::zero(), self.len(), address);
        self.keeps[1] = true;
    }

    pub(super) fn drop_slots(&mut self) {
        self.slots = std::array::from_fn(|_| Slot::default());
        self.keeps[0] = false;
    }

    pub(super) fn drop_average(&mut self) {
        self.average = Slot::default();
        self.keeps[1] = false;
    }

    /// Says that the slots may lie anywhere.
    pub(super) fn misplace(&mut self) {
        self.is_placed = false;
        self.is_direct = false;
    }

    /// The slots of all elements.
    #[inline(always)]
    pub(super) fn slices(slots: &mut [Slot<F>; MOST]) -> Slices<'_, F> {
        // By hand: an array's `map` is a call here, and what it returns is copied.
        let [a, b, c, d] = slots;
        [a.as_mut_slice(), b.as_mut_slice(), c.as_mut_slice(), d.as_mut_slice()]
    }

    /// Brings the slots into the order of the parameter, and to its place. A parameter rarely
    /// changes its layout, but it may.
    pub(super) fn settle(&mut self, w: &dyn Leaf<F>, settings: &Settings) {
        if !self.is_placed {
            let address = w.as_slice().map_or(0, |slice| slice.as_ptr().addr());
            let slots = self.slots.iter_mut().chain([&mut self.average]);
            slots.for_each(|slot| slot.place(address));
            self.is_placed = true;
            self.find_direct(settings);
        }
        if self.order.fit(w.shape(), w.strides()) == Fit::Differs {
            self.reorder(Order::of(w.shape(), w.strides()));
        }
    }

    /// Lets the average, which has so many terms, take the parameter as it is.
    pub(super) fn take_term(&mut self, average: Average, terms: u64, w: &dyn Leaf<F>) {
        let rate = F::from_f64(average.rate(terms));
        let take = |(average, &w): (&mut F, &F)| *average = averaged(*average, w, rate);
        let is_packed = self.order.fit(w.shape(), w.strides()) == Fit::Packed;
        let averages = self.average.as_mut_slice().iter_mut();
        match w.as_slice().filter(|_| is_packed) {
            Some(w) => averages.zip(w).for_each(take),
            None => match Source::of(w, &self.order) {
                Source::Slice(w) => averages.zip(w).for_each(take),
                Source::View(w) => averages.zip(&w).for_each(take),
                Source::Five(w) => averages.zip(&w).for_each(take),
                Source::Six(w) => averages.zip(&w).for_each(take),
            },
        }
    }

    fn reorder(&mut self, order: Order) {
        for slot in self.slots.iter_mut().chain([&mut self.average]) {
            if slot.len() == 0 {
                continue;
            }
            let mut reordered = slot.clone();
            if let Some(view) = self.order.logical(slot.as_slice(), &self.shape) {
                let from = order.arrange(view);
                reordered.as_mut_slice().iter_mut().zip(&from).for_each(|(to, &from)| *to = from);
            }
            *slot = reordered;
        }
        self.packed = order.packed(&self.shape);
        self.order = order;
    }

    pub(super) fn find_direct(&mut self, settings: &Settings) {
        let more = settings.frozen || settings.max_norm.is_some();
        self.is_direct = self.is_placed && !more && settings.clip_adaptive.is_none();
    }

    /// A slot in the leaf's logical shape; `None` where the leaf has none.
    pub(super) fn slot(&self, index: usize) -> Option<ArrayViewD<'_, F>> {
        let slot = self.slots.get(index).filter(|_| self.keeps[0])?;
        self.order.logical(slot.as_slice(), &self.shape)
    }

    /// The average in the leaf's logical shape, where it is kept.
    pub(super) fn average(&self) -> Option<ArrayViewD<'_, F>> {
        let average = Some(&self.average).filter(|_| self.keeps[1])?;
        self.order.logical(average.as_slice(), &self.shape)
    }
}
