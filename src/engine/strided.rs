//! The loop for leaves with gaps, or whose gradient lies in another order than the parameter.
//!
//! Tiles of such a leaf are copied to a buffer, updated there by the same loop as any other, and
//! copied back: the arithmetic is the same, so the bits are.

mod blocked;
mod tiles;

use super::around::{Loop, Quantities, Sums};
use super::codes::Codes;
use super::program::{Stretch, split_slots};
use super::scale::Norm;
use super::sixteen::{Encoding, Given, Held};
use super::sweep;
use super::view::Source;
use crate::reduce::{How, Square, Sum, Term};
use crate::regularize::AdaptiveClip;
use crate::rule::Slices;
use crate::scalar::Scalar;
use crate::threads::join;
use tiles::tiles;

/// Elements of a tile.
const TILE: usize = 1024;
/// Side of a tile that is copied across the order of its memory: that many cache lines at a time.
const SIDE: usize = 32;
/// A measured leaf is halved above this many elements, whatever the threads: so are its sums.
const MEASURED: usize = 16 * TILE;

/// A leaf, or a piece of one. At least one of `w` and `g` is a view; it tells the shape.
pub(super) struct Strided<'a, F> {
    /// The place of its cohort.
    pub(super) cohort: usize,
    /// The place of its constants.
    pub(super) constants: usize,
    pub(super) w: Held<'a, F>,
    pub(super) g: Given<'a, F>,
    pub(super) slots: Slices<'a, F>,
    /// Of the slots that are kept in fewer bits.
    pub(super) codes: Codes<'a>,
    /// Empty where no average is kept.
    pub(super) average: &'a mut [F],
    /// What is left of parameters of 16 bits; empty where nothing is kept of it.
    pub(super) remainders: &'a mut [u16],
    /// A factor of each gradient, in the leaf's shape; a slice means there is none.
    pub(super) factors: Source<'a, F>,
    /// The units that are to have factors.
    pub(super) units: Option<Units>,
}

/// The units of a leaf: what shares an index of an axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Units {
    /// Of the leaf as it is arranged.
    axis: usize,
    /// Where their factors begin among all leaves'.
    start: usize,
}

impl Units {
    /// Units along an axis of the leaf as it is arranged.
    pub(super) fn along(axis: usize) -> Self {
        Self { axis, start: 0 }
    }
}

impl<'a, F: Scalar> Strided<'a, F> {
    /// The largest |g|, as [`Scalar::size`] tells it.
    pub(super) fn largest(&self, how: How) -> F::Size {
        self.g.largest(how)
    }

    pub(super) fn sum<T: Term>(&self, term: T, how: How) -> Sum {
        self.g.sum(term, how)
    }

    /// Drops axes of length 1 and joins neighbours that are one in memory: the longer the rows,
    /// the fewer of them.
    pub(super) fn flattened(mut self) -> Self {
        let mut axis = self.shape().len();
        while axis > 0 && self.shape().len() > 1 {
            axis -= 1;
            if self.shape()[axis] == 1 {
                self =
                    self.map(|w| w.drop_axis(axis), |g| g.drop_axis(axis), |f| f.drop_axis(axis));
            } else if axis + 1 < self.shape().len()
                && self.w.joins(axis)
                && self.g.joins(axis)
                && self.factors.joins(axis)
            {
                self =
                    self.map(|w| w.join_axis(axis), |g| g.join_axis(axis), |f| f.join_axis(axis));
            }
        }
        self
    }

    fn map(
        self,
        w: impl FnOnce(Held<'a, F>) -> Held<'a, F>,
        g: impl FnOnce(Given<'a, F>) -> Given<'a, F>,
        factors: impl FnOnce(Source<'a, F>) -> Source<'a, F>,
    ) -> Self {
        Self { w: w(self.w), g: g(self.g), factors: factors(self.factors), ..self }
    }

    /// ‖g‖₂
    pub(super) fn grad_norm(&self, how: How) -> Norm {
        norm(&self.g, how)
    }

    /// ‖w‖₂
    pub(super) fn param_norm(&self, how: How) -> Norm {
        norm(&self.w.read(), how)
    }

    /// Appends the factors of this leaf's units, whose gradients are first scaled by `scale`.
    pub(super) fn find_factors(
        &mut self,
        clip: AdaptiveClip,
        scale: f64,
        how: How,
        factors: &mut Vec<F>,
    ) {
        let (Some(units), w, g) = (&mut self.units, self.w.read(), &self.g) else { return };
        units.start = factors.len();
        let len = w.shape().map_or(0, |shape| shape[units.axis]);
        for i in 0..len {
            let (w, g) = (norm(&w.at(units.axis, i), how), norm(&g.at(units.axis, i), how));
            let (limit, norm) = (clip.limit(w.value()), g.value() * scale);
            let clips = norm > limit && norm.is_finite();
            factors.push(if clips { F::from_f64(limit / norm) } else { F::one() });
        }
    }

    /// The leaf with the factors of its units, where it has units, and its axes joined.
    pub(super) fn with_factors(mut self, all: &'a [F]) -> Self {
        if let Some(Units { axis, start }) = self.units {
            let shape = self.shape();
            let own = &all[start..start + shape[axis]];
            if let Some(factors) = Source::along(axis, shape, own) {
                self.factors = factors;
            }
        }
        self.flattened()
    }

    pub(super) fn has_units(&self) -> bool {
        self.units.is_some()
    }

    /// The same leaf for a shorter time.
    pub(super) fn reborrow(&mut self) -> Strided<'_, F> {
        Strided {
            cohort: self.cohort,
            constants: self.constants,
            w: self.w.reborrow(),
            g: self.g.reborrow(),
            slots: self.slots.each_mut().map(|slot| &mut **slot),
            codes: self.codes.reborrow(),
            average: self.average,
            remainders: self.remainders,
            factors: self.factors.reborrow(),
            units: self.units,
        }
    }

    pub(super) fn shape(&self) -> &[usize] {
        self.w.shape().or(self.g.shape()).unwrap_or_default()
    }

    /// The parts before and after `index` of the slowest axis.
    fn split_at(self, index: usize) -> (Self, Self) {
        let at = index * self.shape().iter().skip(1).product::<usize>();
        let [w0, w1] = self.w.split_at(at, index);
        let [g0, g1] = self.g.split_at(at, index);
        let [f0, f1] = self.factors.split_at(at, index);
        let (s0, s1) = split_slots(self.slots, at);
        let (c0, c1) = self.codes.split_at(at);
        let (a0, a1) = self.average.split_at_mut(at.min(self.average.len()));
        let (r0, r1) = self.remainders.split_at_mut(at.min(self.remainders.len()));
        let (cohort, constants, units) = (self.cohort, self.constants, self.units);
        (
            Self {
                cohort,
                constants,
                w: w0,
                g: g0,
                slots: s0,
                codes: c0,
                average: a0,
                remainders: r0,
                factors: f0,
                units,
            },
            Self {
                cohort,
                constants,
                w: w1,
                g: g1,
                slots: s1,
                codes: c1,
                average: a1,
                remainders: r1,
                factors: f1,
                units,
            },
        )
    }
}

/// ‖x‖₂
fn norm<F: Scalar>(x: &Given<'_, F>, how: How) -> Norm {
    Norm::from_sums(x.sum(Square, how).value(), |term| x.sum(term, how).value())
}

/// Updates a strided leaf, halving it between threads where it is large.
pub(super) fn sweep<F: Scalar>(constants: Loop<'_, F>, how: How, leaf: Strided<'_, F>) {
    let place = leaf.constants;
    let largest = if cfg!(feature = "rayon") { how.parallel_above } else { usize::MAX };
    let write = Some(constants.outer[place].encoding);
    halve(leaf, how, largest, write, &|mut stretch| {
        constants.update(place, how.simd, &mut stretch);
        Sums::default()
    });
}

/// The sums of quantities over a strided leaf.
pub(super) fn measure<F: Scalar>(
    constants: Loop<'_, F>,
    place: usize,
    quantities: Quantities<F>,
    how: How,
    leaf: Strided<'_, F>,
) -> Sums {
    halve(leaf, how, MEASURED, None, &|stretch| {
        sweep::measure(constants, place, quantities, how, stretch)
    })
}

/// What is done to a stretch, and what it sums up to.
type Each<'e, F> = &'e (dyn Fn(Stretch<'_, F>) -> Sums + Sync);

/// Halves a leaf until its pieces have at most two axes and no more than `largest` elements, or one
/// row, and calls `each` with their stretches; `write` says how to copy the parameters back, if at all.
fn halve<F: Scalar>(
    leaf: Strided<'_, F>,
    how: How,
    largest: usize,
    write: Option<Encoding>,
    each: Each<'_, F>,
) -> Sums {
    if leaf.codes.is_blocked() {
        return blocked::halve(leaf, how, largest, write, each);
    }
    let shape = leaf.shape();
    let (rank, len) = (shape.len(), shape.iter().product::<usize>());
    let slowest = shape.first().copied().unwrap_or(1);
    if rank > 2 && slowest == 1 {
        let leaf = leaf.map(|w| w.drop_axis(0), |g| g.drop_axis(0), |f| f.drop_axis(0));
        return halve(leaf, how, largest, write, each);
    }
    if rank > 2 || (len > largest && slowest > 1) {
        let (left, right) = leaf.split_at(slowest / 2);
        let (left, right) = join(
            len > how.parallel_above,
            || halve(left, how, largest, write, each),
            || halve(right, how, largest, write, each),
        );
        return sweep::added(left, right);
    }
    match leaf.grid() {
        Some((rows, columns)) => tiles(leaf, rows, columns, how.simd, write, each),
        None => Sums::default(),
    }
}

impl<F: Scalar> Strided<'_, F> {
    fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Rows and columns of a leaf of at most two axes.
    fn grid(&self) -> Option<(usize, usize)> {
        match *self.shape() {
            [] => Some((1, 1)),
            [columns] => Some((1, columns)),
            [rows, columns] => Some((rows, columns)),
            _ => None,
        }
    }
}
