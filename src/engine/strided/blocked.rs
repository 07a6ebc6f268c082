//! Leaves whose slots share scales, in the order of their index: pieces of them are whole blocks.

use super::{Each, Strided};
use crate::engine::around::Sums;
use crate::engine::codes::range_of;
use crate::engine::program::Stretch;
use crate::engine::sixteen::{Encoding, Given, Held, Stored};
use crate::engine::sweep;
use crate::engine::view::Source;
use crate::int8;
use crate::reduce::How;
use crate::scalar::Scalar;
use crate::simd::Simd;
use crate::sixteen::Sixteen;
use crate::threads::join;

/// Elements that are copied at a time; a whole number of blocks.
const TILE: usize = 512;

/// As for other leaves, where a block ends with an index of the slowest axis.
pub(super) fn halve<F: Scalar>(
    leaf: Strided<'_, F>,
    how: How,
    largest: usize,
    write: Option<Encoding>,
    each: Each<'_, F>,
) -> Sums {
    let (slowest, len) = (leaf.shape().first().copied().unwrap_or(1), leaf.len());
    let inner = len / slowest.max(1);
    let step = int8::BLOCK >> inner.trailing_zeros().min(int8::BLOCK.trailing_zeros());
    let at = (slowest / 2).next_multiple_of(step);
    if len <= largest || at == 0 || at >= slowest {
        return tiles(leaf, how.simd, write, each);
    }
    let (left, right) = leaf.split_at(at);
    let (left, right) = join(
        len > how.parallel_above,
        || halve(left, how, largest, write, each),
        || halve(right, how, largest, write, each),
    );
    sweep::added(left, right)
}

/// An iterator that need not be said the type of.
type Elements<'i, T> = &'i mut dyn Iterator<Item = T>;

fn tiles<F: Scalar>(
    leaf: Strided<'_, F>,
    simd: Simd,
    write: Option<Encoding>,
    each: Each<'_, F>,
) -> Sums {
    let Strided { w, g, slots, codes, average, remainders, factors, .. } = leaf;
    let rest = Stretch { w: &mut [], g: &[], slots, codes, average };
    let with = With { g, factors, remainders, rest, simd, write, each };
    match w {
        Held::Own(w) => w.visit(|w| with.copied(w)),
        Held::Half(Sixteen::BFloat16(w)) => w.visit(|w| with.copied(w)),
        Held::Half(Sixteen::Float16(w)) => w.visit(|w| with.copied(w)),
    }
}

/// What is beside the parameter.
struct With<'a, 'e, F: Scalar> {
    g: Given<'a, F>,
    factors: Source<'a, F>,
    remainders: &'a mut [u16],
    rest: Stretch<'a, F>,
    simd: Simd,
    write: Option<Encoding>,
    each: Each<'e, F>,
}

impl<F: Scalar> With<'_, '_, F> {
    /// What `each` finds in tiles of the leaf.
    fn copied<E: Stored<F>>(self, w: Elements<'_, &mut E>) -> Sums {
        let Self { g, factors, remainders, rest, simd, write, each } = self;
        let by = By { remainders, rest, simd, write, each };
        g.visit(|g| match &factors {
            Source::Slice(_) => by.copied(w, g, None),
            factors => factors.visit(|factors| by.copied(w, g, Some(factors))),
        })
    }
}

/// What is beside parameter, gradient and factors.
struct By<'a, 'e, F: Scalar> {
    remainders: &'a mut [u16],
    rest: Stretch<'a, F>,
    simd: Simd,
    write: Option<Encoding>,
    each: Each<'e, F>,
}

impl<F: Scalar> By<'_, '_, F> {
    fn copied<E: Stored<F>>(
        self,
        w: Elements<'_, &mut E>,
        g: Elements<'_, F>,
        mut factors: Option<Elements<'_, &F>>,
    ) -> Sums {
        let Self { remainders, rest, simd, write, each } = self;
        let Stretch { mut slots, mut codes, average, .. } = rest;
        let mut places = [const { None::<&mut E> }; TILE];
        let (mut w_tile, mut g_tile) = ([F::zero(); TILE], [F::zero(); TILE]);
        let (mut at, mut sums) = (0, Sums::default());
        loop {
            let mut n = 0;
            for (w, g) in (&mut *w).zip(&mut *g).take(TILE) {
                (w_tile[n], g_tile[n], places[n]) = (w.number(), g, Some(w));
                n += 1;
            }
            if n == 0 {
                return sums;
            }
            if let Some(factors) = &mut factors {
                g_tile[..n].iter_mut().zip(factors).for_each(|(g, &factor)| *g = *g * factor);
            }
            let end = at + n;
            let range = if average.is_empty() { 0..0 } else { at..end };
            let left = if remainders.is_empty() { 0..0 } else { at..end };
            if !left.is_empty() {
                E::restore(simd, &mut w_tile[..n], &remainders[left.clone()]);
            }
            let stretch = Stretch {
                w: &mut w_tile[..n],
                g: &g_tile[..n],
                slots: range_of(&mut slots, at, end),
                codes: codes.range(at, end),
                average: &mut average[range],
            };
            sums = sweep::added(sums, each(stretch));
            if let Some(encoding) = write {
                E::round(encoding, simd, &mut w_tile[..n], &mut remainders[left]);
                for (place, &moved) in places[..n].iter_mut().zip(&w_tile) {
                    if let Some(w) = place.take() {
                        *w = E::of(moved);
                    }
                }
            }
            at = end;
        }
    }
}
