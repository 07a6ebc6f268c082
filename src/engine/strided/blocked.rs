//! Leaves whose slots share scales, in the order of their index: pieces of them are whole blocks.

use super::{Each, Strided};
use crate::engine::around::Sums;
use crate::engine::program::{Stretch, range_of};
use crate::engine::sweep;
use crate::engine::view::{Source, Target};
use crate::int8;
use crate::reduce::How;
use crate::scalar::Scalar;
use crate::threads::join;

/// Elements that are copied at a time; a whole number of blocks.
const TILE: usize = 512;

/// As for other leaves, where a block ends with an index of the slowest axis.
pub(super) fn halve<F: Scalar>(
    leaf: Strided<'_, F>,
    how: How,
    largest: usize,
    write: bool,
    each: Each<'_, F>,
) -> Sums {
    let (slowest, len) = (leaf.shape().first().copied().unwrap_or(1), leaf.len());
    let inner = len / slowest.max(1);
    let step = int8::BLOCK >> inner.trailing_zeros().min(int8::BLOCK.trailing_zeros());
    let at = (slowest / 2).next_multiple_of(step);
    if len <= largest || at == 0 || at >= slowest {
        return tiles(leaf, write, each);
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

fn tiles<F: Scalar>(leaf: Strided<'_, F>, write: bool, each: Each<'_, F>) -> Sums {
    let Strided { w, g, slots, codes, average, factors, .. } = leaf;
    let (mut a, mut b, mut c, mut d);
    let w: Elements<'_, &mut F> = match w {
        Target::Slice(slice) => {
            a = slice.iter_mut();
            &mut a
        }
        Target::View(view) => {
            b = view.into_iter();
            &mut b
        }
        Target::Five(view) => {
            c = view.into_iter();
            &mut c
        }
        Target::Six(view) => {
            d = view.into_iter();
            &mut d
        }
    };
    let (mut a, mut b, mut c, mut d);
    let g: Elements<'_, &F> = match &g {
        Source::Slice(slice) => {
            a = slice.iter();
            &mut a
        }
        Source::View(view) => {
            b = view.iter();
            &mut b
        }
        Source::Five(view) => {
            c = view.iter();
            &mut c
        }
        Source::Six(view) => {
            d = view.iter();
            &mut d
        }
    };
    let (mut b, mut c, mut d);
    let factors: Option<Elements<'_, &F>> = match &factors {
        Source::Slice(_) => None,
        Source::View(view) => {
            b = view.iter();
            Some(&mut b)
        }
        Source::Five(view) => {
            c = view.iter();
            Some(&mut c)
        }
        Source::Six(view) => {
            d = view.iter();
            Some(&mut d)
        }
    };
    let rest = Stretch { w: &mut [], g: &[], slots, codes, average };
    copied(w, g, factors, rest, write, each)
}

/// What `each` finds in tiles of a leaf, of which `kept` has what is beside parameter and gradient.
fn copied<F: Scalar>(
    w: Elements<'_, &mut F>,
    g: Elements<'_, &F>,
    mut factors: Option<Elements<'_, &F>>,
    kept: Stretch<'_, F>,
    write: bool,
    each: Each<'_, F>,
) -> Sums {
    let Stretch { mut slots, mut codes, average, .. } = kept;
    let mut places = [const { None::<&mut F> }; TILE];
    let (mut w_tile, mut g_tile) = ([F::zero(); TILE], [F::zero(); TILE]);
    let (mut at, mut sums) = (0, Sums::default());
    loop {
        let mut n = 0;
        for (w, g) in (&mut *w).zip(&mut *g).take(TILE) {
            (w_tile[n], g_tile[n], places[n]) = (*w, *g, Some(w));
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
        let stretch = Stretch {
            w: &mut w_tile[..n],
            g: &g_tile[..n],
            slots: range_of(&mut slots, at, end),
            codes: codes.range(at, end),
            average: &mut average[range],
        };
        sums = sweep::added(sums, each(stretch));
        if write {
            for (place, &moved) in places[..n].iter_mut().zip(&w_tile) {
                if let Some(w) = place.take() {
                    *w = moved;
                }
            }
        }
        at = end;
    }
}
