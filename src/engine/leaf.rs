//! What is kept of one leaf.

use ndarray::{ArrayD, ArrayViewD, CowArray, IxDyn};

use super::average::{Average, averaged};
use super::codes::{Codes, Coding};
use super::settings::Settings;
use super::sixteen::{Encoding, Given, Held, Rounding};
use super::slot::Slot;
use crate::params::{Fit, Leaf, LeafMut, Order};
use crate::regularize::MaxNorm;
use crate::rule::{MOST, Slices};
use crate::scalar::Scalar;
use crate::state::Numbers;

/// Slots as they were.
pub(super) struct Kept<F> {
    slots: [Slot<F>; MOST],
    codes: [Slot<u16>; MOST],
    coding: [Coding; MOST],
    order: Order,
}

/// The state of a leaf, and how the parameter lies in memory.
#[derive(Clone)]
pub(super) struct LeafState<F: Scalar> {
    pub(super) shape: Vec<usize>,
    /// The order that the slots are in: the parameter's own, or row-major where numbers of a slot share a scale.
    pub(super) order: Order,
    /// Empty where the leaf has never been trained, and from the first on that the rule does not have.
    pub(super) slots: [Slot<F>; MOST],
    /// Those that are kept in fewer bits, which are empty there.
    pub(super) codes: [Slot<u16>; MOST],
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
    /// How the slots are kept.
    pub(super) coding: [Coding; MOST],
    /// What is left of a parameter of 16 bits, in 65,536ths of its last digit; empty where that is not kept.
    pub(super) remainders: Slot<u16>,
}

impl<F: Scalar> LeafState<F> {
    /// The state of a leaf that has taken no step.
    pub(super) fn new(shape: &[usize], order: Order) -> Self {
        Self {
            packed: order.packed(shape),
            shape: shape.to_vec(),
            order,
            slots: Default::default(),
            codes: Default::default(),
            average: Slot::default(),
            cohort: 0,
            is_direct: false,
            is_placed: true,
            keeps: [false; 2],
            coding: Default::default(),
            remainders: Slot::default(),
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
        let is_whole = |i: usize| match self.coding[i] {
            Coding::Full => self.slots[i].len() == len,
            coding => self.codes[i].len() == coding.words(len),
        };
        self.keeps[0] && (0..count).all(is_whole)
    }

    pub(super) fn has_average(&self) -> bool {
        self.keeps[1] && self.average.len() == self.len()
    }

    /// Makes so many slots, for a parameter at `address`, kept as `coding` says.
    pub(super) fn make_slots(
        &mut self,
        initial: [F; MOST],
        count: usize,
        coding: [Coding; MOST],
        address: usize,
    ) {
        let len = self.len();
        self.drop_slots();
        self.find_order(coding);
        self.coding = coding;
        for (i, value) in initial.into_iter().take(count).enumerate() {
            if coding[i].is_full() {
                self.slots[i] = Slot::filled(value, len, address);
            } else if value == F::zero() {
                self.codes[i] = Slot::filled(0, coding[i].words(len), address);
            } else {
                self.codes[i] = encoded(coding[i], &vec![value; len], address);
            }
        }
        self.keeps[0] = true;
    }

    /// Whether the slots are kept like that.
    pub(super) fn is_as(&self, coding: [Coding; MOST]) -> bool {
        !self.keeps[0] || self.coding == coding
    }

    /// Brings what is kept into the order that blocks are in.
    fn find_order(&mut self, coding: [Coding; MOST]) {
        if coding.iter().any(|coding| coding.is_blocked()) {
            let order = Order::row_major(self.shape.len());
            if order != self.order {
                self.reorder(order);
            }
        }
    }

    /// Brings the slots into these bits, rounding to the nearest; returns them as they were.
    pub(super) fn convert(&mut self, coding: [Coding; MOST]) -> Kept<F> {
        let (slots, codes) = (self.slots.clone(), self.codes.clone());
        let before = Kept { slots, codes, coding: self.coding, order: self.order.clone() };
        self.decode_where(|i, own| own != coding[i]);
        self.find_order(coding);
        for (i, &coding) in coding.iter().enumerate() {
            let (slot, codes) = (&mut self.slots[i], &mut self.codes[i]);
            if !coding.is_full() && slot.len() > 0 {
                *codes = encoded(coding, slot.as_slice(), slot.as_slice().as_ptr().addr());
                *slot = Slot::default();
            }
        }
        self.coding = coding;
        self.misplace();
        before
    }

    /// Goes back to slots as they were.
    pub(super) fn take_back(&mut self, kept: Kept<F>) {
        if kept.order != self.order {
            // What is kept beside the slots.
            (self.slots, self.codes) = Default::default();
            self.reorder(kept.order);
        }
        (self.slots, self.codes, self.coding) = (kept.slots, kept.codes, kept.coding);
        self.misplace();
    }

    pub(super) fn make_average(&mut self, address: usize) {
        self.average = Slot::filled(F::zero(), self.len(), address);
        self.keeps[1] = true;
    }

    pub(super) fn drop_slots(&mut self) {
        self.slots = Default::default();
        self.codes = Default::default();
        (self.keeps[0], self.coding) = (false, Default::default());
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

    /// The codes of all elements.
    #[inline(always)]
    pub(super) fn codes(codes: &mut [Slot<u16>; MOST], coding: [Coding; MOST]) -> Codes<'_> {
        let [a, b, c, d] = codes;
        let slices = [a.as_mut_slice(), b.as_mut_slice(), c.as_mut_slice(), d.as_mut_slice()];
        Codes { slices, coding }
    }

    /// Whether no slot is kept in fewer bits.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.coding.iter().all(|coding| coding.is_full())
    }

    /// Whether numbers of a slot share a scale.
    pub(super) fn is_blocked(&self) -> bool {
        self.coding.iter().any(|coding| coding.is_blocked())
    }

    /// The numbers of codes, where those are asked for, in the place of the codes.
    fn decode_where(&mut self, which: impl Fn(usize, Coding) -> bool) {
        let len = self.len();
        for (i, coding) in self.coding.iter_mut().enumerate() {
            let codes = &mut self.codes[i];
            if !coding.is_full() && codes.len() > 0 && which(i, *coding) {
                let mut slot = Slot::filled(F::zero(), len, codes.as_slice().as_ptr().addr());
                coding.decode(codes.as_slice(), slot.as_mut_slice());
                (self.slots[i], *codes, *coding) = (slot, Slot::default(), Coding::Full);
            }
        }
    }

    /// Brings the slots into the order of the parameter, and to its place. A parameter rarely
    /// changes its layout, but it may.
    pub(super) fn settle(&mut self, w: &dyn Leaf<F>, settings: &Settings) {
        if !self.is_placed {
            let address = w.as_slice().map_or(0, |slice| slice.as_ptr().addr());
            let slots = self.slots.iter_mut().chain([&mut self.average]);
            slots.for_each(|slot| slot.place(address));
            self.codes.iter_mut().for_each(|codes| codes.place(address));
            self.is_placed = true;
            self.find_direct(settings);
        }
        if !self.is_blocked() && self.order.fit(w.shape(), w.strides()) == Fit::Differs {
            self.reorder(Order::of(w.shape(), w.strides()));
        }
    }

    /// Makes room for what is left of a parameter of 16 bits, where that is to be kept: nothing yet.
    pub(super) fn keep_remainders(&mut self, w: &dyn Leaf<F>, settings: &Settings) {
        let keeps = settings.parameter_rounding == Rounding::Compensated;
        if keeps && self.remainders.len() != self.len() && w.is_sixteen() {
            self.remainders = Slot::filled(0, self.len(), 0);
        }
    }

    /// Brings the units of a parameter of 16 bits within their bound.
    pub(super) fn bound(&mut self, bound: MaxNorm, encoding: Encoding, w: &mut dyn LeafMut<F>) {
        let Self { order, shape, remainders, .. } = self;
        let remainders = match encoding.rounding {
            Rounding::Compensated => remainders.as_mut_slice(),
            _ => &mut [],
        };
        Held::of(w, order).rewrite(encoding, remainders, |numbers| {
            let Some(array) = order.logical(numbers, shape) else { return };
            let mut array = array.to_owned();
            bound.apply_leaf(&mut array);
            let moved = order.arrange(array.view());
            numbers.iter_mut().zip(&moved).for_each(|(to, &from)| *to = from);
        });
    }

    /// What is left of a parameter of 16 bits, row by row, where it is kept.
    pub(super) fn remainders(&self) -> Option<Vec<F>> {
        if self.remainders.len() != self.len() || self.is_empty() {
            return None;
        }
        let remainders = self.order.logical(self.remainders.as_slice(), &self.shape)?;
        Some(remainders.iter().map(|&left| F::from_f64(f64::from(left as i16))).collect())
    }

    /// Goes on from what was left; whether it is possible.
    pub(super) fn set_remainders(&mut self, values: ArrayViewD<'_, F>) -> bool {
        let fits = |x: f64| x == f64::from(x as i16);
        if !values.iter().all(|x| fits(x.into_f64())) {
            return false;
        }
        let mut remainders = Slot::filled(0, self.len(), 0);
        let arranged = self.order.arrange(values);
        let pairs = remainders.as_mut_slice().iter_mut().zip(&arranged);
        pairs.for_each(|(to, from)| *to = from.into_f64() as i16 as u16);
        self.remainders = remainders;
        true
    }

    pub(super) fn drop_remainders(&mut self) {
        self.remainders = Slot::default();
    }

    /// Lets the average, which has so many terms, take the parameter as it is.
    pub(super) fn take_term(&mut self, average: Average, terms: u64, w: &dyn Leaf<F>) {
        let rate = F::from_f64(average.rate(terms));
        let take = |(average, &w): (&mut F, &F)| *average = averaged(*average, w, rate);
        let is_packed = self.order.fit(w.shape(), w.strides()) == Fit::Packed;
        let averages = self.average.as_mut_slice().iter_mut();
        match w.as_slice().filter(|_| is_packed) {
            Some(w) => averages.zip(w).for_each(take),
            None => Given::of(w, &self.order).visit(|w| {
                averages.zip(w).for_each(|(average, w)| take((average, &w)));
            }),
        }
    }

    fn reorder(&mut self, order: Order) {
        let Self { shape, order: old, .. } = &*self;
        let orders = [old.clone(), order.clone()];
        let shape = shape.clone();
        let slots = self.slots.iter_mut().chain([&mut self.average]);
        slots.for_each(|slot| slot.reorder(&shape, &orders));
        let codes = self.codes.iter_mut().chain([&mut self.remainders]);
        codes.for_each(|codes| codes.reorder(&shape, &orders));
        self.packed = order.packed(&self.shape);
        self.order = order;
    }

    pub(super) fn find_direct(&mut self, settings: &Settings) {
        let more = settings.frozen || settings.max_norm.is_some();
        let is_plain = self.is_placed && !more && settings.clip_adaptive.is_none();
        // One without elements is not among the leaves that are summed over.
        self.is_direct = is_plain && !self.is_empty();
    }

    /// Whether it keeps its slots, and that one among them.
    pub(super) fn has_slot(&self, index: usize) -> bool {
        self.keeps[0] && index < MOST
    }

    /// A slot in the leaf's logical shape; `None` where the leaf has none.
    pub(super) fn slot(&self, index: usize) -> Option<CowArray<'_, F, IxDyn>> {
        if !self.has_slot(index) {
            return None;
        }
        let (coding, codes) = (self.coding[index], self.codes[index].as_slice());
        match coding {
            Coding::Full => {
                self.order.logical(self.slots[index].as_slice(), &self.shape).map(CowArray::from)
            }
            Coding::BFloat16 => {
                let codes = self.order.logical(codes, &self.shape)?;
                Some(codes.mapv(F::of_bfloat16).into())
            }
            Coding::Signed8 | Coding::NonNegative8 => {
                // These are row-major.
                let mut numbers = vec![F::zero(); self.len()];
                coding.decode(codes, &mut numbers);
                ArrayD::from_shape_vec(&self.shape[..], numbers).ok().map(CowArray::from)
            }
        }
    }

    /// A slot as a state holds it; `None` where the leaf has none.
    pub(super) fn numbers(&self, index: usize) -> Option<Numbers> {
        if !self.has_slot(index) {
            return None;
        }
        let (coding, codes) = (self.coding[index], self.codes[index].as_slice());
        match coding {
            Coding::Full => self.slot(index).map(|slot| Numbers::of(slot.view())),
            Coding::BFloat16 => {
                let codes = self.order.logical(codes, &self.shape)?;
                Some(Numbers::BFloat16(codes.iter().copied().collect()))
            }
            Coding::Signed8 | Coding::NonNegative8 => {
                let is_signed = coding == Coding::Signed8;
                Some(Numbers::Int8 { is_signed, len: self.len(), words: codes.to_vec() })
            }
        }
    }

    /// The average in the leaf's logical shape, where it is kept.
    pub(super) fn average(&self) -> Option<ArrayViewD<'_, F>> {
        let average = Some(&self.average).filter(|_| self.keeps[1])?;
        self.order.logical(average.as_slice(), &self.shape)
    }
}

/// Codes of numbers of a parameter at `address`, each rounded to the nearest.
fn encoded<F: Scalar>(coding: Coding, numbers: &[F], address: usize) -> Slot<u16> {
    let mut codes = Slot::filled(0, coding.words(numbers.len()), address);
    coding.encode(numbers, codes.as_mut_slice());
    codes
}
