//! What happens to an element around its rule.
//!
//! What is more than a scale or a penalty of the gradient is done in tiles that fit the nearest cache,
//! before and after the loop of the rule: the same arithmetic, compiled once for all rules.

use super::codes::Codes;
use super::compact;
use super::outer::{Agreeing, Blend, Caution, Finish, Idle, Outer, Prepare};
use super::program::{Before, Kernel, RowsOf, Stretch};
use super::terms::sum;
use crate::reduce::{BLOCK, Sum};
use crate::rule::{MOST, SUMS};
use crate::scalar::Scalar;
use crate::simd::Simd;

/// Elements of a tile; a whole number of the widest vectors.
const TILE: usize = 512;

/// The constants of a step and the loops that take them, by place.
#[derive(Clone, Copy)]
pub(super) struct Loop<'c, F: Scalar> {
    pub(super) kernel: &'c dyn Kernel<F>,
    pub(super) outer: &'c [Outer<F>],
}

/// What is measured of an element.
#[derive(Debug, Clone, Copy)]
pub(super) enum Quantities<F> {
    /// 1 where the update would agree with the gradient, else 0; and nothing.
    Agreeing,
    /// Those whose norms the rule wants, times a power of two.
    OfRule { power: F },
    /// The terms that the rule wants summed over the tree.
    OfTree,
}

/// What is summed up over a leaf.
pub(in crate::engine) type Sums = [Sum; SUMS];

impl<F: Scalar> Loop<'_, F> {
    /// Updates a stretch of elements.
    #[inline]
    pub(super) fn update(&self, place: usize, simd: Simd, stretch: &mut Stretch<'_, F>) {
        let (kernel, outer) = (self.kernel, &self.outer[place]);
        if let Outer { before: Some(before), caution: None, rounding: None, .. } = outer
            && (stretch.average.is_empty() || outer.average.is_none())
        {
            return kernel.update(place, *before, simd, stretch);
        }
        match outer.rounding {
            None => update(kernel, place, outer, simd, stretch),
            Some(rounding) => {
                let mut stretch = stretch.reborrow();
                let averages = outer.average.is_some() && !stretch.average.is_empty();
                let factor = outer.factor().filter(|_| !averages);
                let done = factor.map_or(0, |factor| {
                    kernel.update_codes(place, factor, rounding.key, simd, &mut stretch)
                });
                let (_, rest) = stretch.split_at(done);
                compact::update(rounding, simd, rest, |mut tile| {
                    update(kernel, place, outer, simd, &mut tile);
                });
            }
        }
    }

    /// Updates rows of whole vectors in one loop, where little is done around the rule; whether it has.
    pub(super) fn update_rows(
        &self,
        place: usize,
        simd: Simd,
        rows: RowsOf<'_>,
        stretch: &mut Stretch<'_, F>,
    ) -> bool {
        let outer = &self.outer[place];
        let averages = outer.average.is_some() && !stretch.average.is_empty();
        let is_plain = outer.rounding.is_none() && !averages && simd.is_wide();
        let factor = outer.factor().filter(|_| is_plain);
        factor.is_some_and(|factor| {
            self.kernel.update_rows(place, factor, simd, rows, stretch);
            true
        })
    }

    /// Whether parameters whose gradient is 0 move all the same, where the rule leaves them as they are.
    pub(super) fn idles(&self, place: usize) -> bool {
        self.outer[place].around.idles()
    }

    /// Moves parameters whose gradient is 0.
    pub(super) fn idle(&self, place: usize, simd: Simd, w: &mut [F]) {
        simd.run(Idle { around: self.outer[place].around, w });
    }

    /// The sums of quantities over a stretch, which is short and not written to: of the squares, where
    /// there are two.
    pub(super) fn measure(
        &self,
        place: usize,
        quantities: Quantities<F>,
        simd: Simd,
        stretch: Stretch<'_, F>,
    ) -> [f64; SUMS] {
        let (kernel, outer) = (self.kernel, &self.outer[place]);
        let mut room;
        let stretch = if outer.rounding.is_none() {
            stretch
        } else {
            // A stretch is no longer than the room.
            room = compact::room::<F, BLOCK>();
            let Stretch { w, g, slots, codes, average } = stretch;
            let slots = compact::decoded(w.len(), simd, slots, &codes, &mut room);
            Stretch { w, g, slots, codes: Codes::default(), average }
        };
        match quantities {
            Quantities::Agreeing => {
                [count_agreeing(kernel, place, outer, simd, stretch), 0.0, 0.0, 0.0]
            }
            Quantities::OfRule { power } => prepared(outer, simd, stretch, |stretch| {
                sum(simd, stretch, |stretch, terms| {
                    kernel.squares(place, power, simd, stretch, terms)
                })
            }),
            Quantities::OfTree => prepared(outer, simd, stretch, |stretch| {
                sum(simd, stretch, |stretch, terms| kernel.terms(place, simd, stretch, terms))
            }),
        }
    }
}

/// Updates a stretch: the rule, and what is around it.
#[inline]
fn update<F: Scalar>(
    kernel: &dyn Kernel<F>,
    place: usize,
    outer: &Outer<F>,
    simd: Simd,
    stretch: &mut Stretch<'_, F>,
) {
    let rate = outer.average.filter(|_| !stretch.average.is_empty());
    match (outer.before, outer.caution, rate) {
        (Some(before), None, None) => kernel.update(place, before, simd, stretch),
        (Some(before), None, Some(rate)) => {
            let mut stretch = stretch.reborrow();
            while !stretch.w.is_empty() {
                let n = TILE.min(stretch.w.len());
                let (mut tile, rest) = stretch.split_at(n);
                kernel.update(place, before, simd, &mut tile);
                simd.run(Blend { rate, w: tile.w, average: tile.average });
                stretch = rest;
            }
        }
        _ => rarer(kernel, place, outer, rate, simd, stretch.reborrow()),
    }
}

#[cold]
fn rarer<F: Scalar>(
    kernel: &dyn Kernel<F>,
    place: usize,
    outer: &Outer<F>,
    rate: Option<F>,
    simd: Simd,
    mut stretch: Stretch<'_, F>,
) {
    let around = outer.around;
    let (mut gradients, mut kept) = ([F::zero(); TILE], [F::zero(); TILE]);
    let decay = kernel.decay(place);
    while !stretch.w.is_empty() {
        let n = TILE.min(stretch.w.len());
        let (Stretch { w, g, slots, codes, average }, rest) = stretch.split_at(n);
        simd.run(Prepare { around, w: &*w, g, gradients: &mut gradients, kept: &mut kept });
        w.copy_from_slice(&kept[..n]);
        let g = &gradients[..n];
        let mut inner = Stretch { w: &mut *w, g, slots, codes, average: &mut [] };
        kernel.update(place, Before::Nothing, simd, &mut inner);
        if let Some(factor) = outer.caution {
            let (kept, gradients) = (&kept[..n], &gradients[..n]);
            simd.run(Caution { decay, factor, w: &mut *w, kept, gradients });
        }
        simd.run(Finish { around, w: &mut *w });
        if let Some(rate) = rate {
            simd.run(Blend { rate, w: &*w, average });
        }
        stretch = rest;
    }
}

/// How many elements of a stretch, which is short, would move with their gradient.
fn count_agreeing<F: Scalar>(
    kernel: &dyn Kernel<F>,
    place: usize,
    outer: &Outer<F>,
    simd: Simd,
    mut stretch: Stretch<'_, F>,
) -> f64 {
    let around = outer.around;
    let (mut gradients, mut kept) = ([F::zero(); TILE], [F::zero(); TILE]);
    let (mut moved, mut copies) = ([F::zero(); TILE], [[F::zero(); TILE]; MOST]);
    let (decay, mut count) = (kernel.decay(place), 0.0);
    while !stretch.w.is_empty() {
        let n = TILE.min(stretch.w.len());
        let (Stretch { w, g, slots, codes, .. }, rest) = stretch.split_at(n);
        simd.run(Prepare { around, w, g, gradients: &mut gradients, kept: &mut kept });
        moved[..n].copy_from_slice(&kept[..n]);
        let [a, b, c, d] = &mut copies;
        let slots = {
            let mut copies = [a, b, c, d].into_iter();
            slots.map(|slot| match copies.next() {
                Some(copy) => {
                    copy[..slot.len()].copy_from_slice(slot);
                    &mut copy[..slot.len()]
                }
                None => &mut [],
            })
        };
        let (w, g) = (&mut moved[..n], &gradients[..n]);
        let mut inner = Stretch { w, g, slots, codes, average: &mut [] };
        kernel.update(place, Before::Nothing, simd, &mut inner);
        let (kept, gradients) = (&kept[..n], &gradients[..n]);
        count += simd.run(Agreeing { decay, moved: &moved[..n], kept, gradients });
        stretch = rest;
    }
    count
}

/// What `measure` finds in a stretch, which is short and not written to, as the rule gets it.
fn prepared<F: Scalar>(
    outer: &Outer<F>,
    simd: Simd,
    stretch: Stretch<'_, F>,
    measure: impl FnOnce(Stretch<'_, F>) -> [f64; SUMS],
) -> [f64; SUMS] {
    if matches!(outer.before, Some(Before::Nothing)) {
        return measure(stretch);
    }
    let (mut gradients, mut kept) = ([F::zero(); BLOCK], [F::zero(); BLOCK]);
    let Stretch { w, g, slots, codes, average } = stretch;
    let n = w.len();
    let around = outer.around;
    simd.run(Prepare { around, w, g, gradients: &mut gradients, kept: &mut kept });
    let (w, g) = (&mut kept[..n], &gradients[..n]);
    measure(Stretch { w, g, slots, codes, average })
}
