//! Tiles: elements of rows beside each other, to be updated or measured by the loop of any others.

use std::ops::Range;

use ndarray::{ArrayView, ArrayViewMut, Axis, Dimension, RemoveAxis};

use super::table::{Grid, Table};
use crate::engine::codes::{Codes, Coding};
use crate::engine::program::Stretch;
use crate::engine::sixteen::{Encoding, Held, Stored};
use crate::engine::view::Target;
use crate::reduce::BLOCK;
use crate::rule::MOST;
use crate::scalar::Scalar;
use crate::simd::Simd;
use crate::sixteen::{Sixteen, bf16, f16};

/// Elements of rows beside each other.
pub(super) struct Tile<F> {
    pub(super) w: [F; BLOCK],
    slots: [[F; BLOCK]; MOST],
    codes: [[u16; BLOCK]; MOST],
    average: [F; BLOCK],
    remainders: [u16; BLOCK],
}

impl<F: Scalar> Tile<F> {
    pub(super) fn new() -> Self {
        let zeros = [F::zero(); BLOCK];
        let codes = [[0; BLOCK]; MOST];
        Self { w: zeros, slots: [zeros; MOST], codes, average: zeros, remainders: [0; BLOCK] }
    }

    /// Takes a range of the rows' elements, no more than there is room for; parameters as the step goes on from them.
    pub(super) fn gather(
        &mut self,
        table: &Table<'_, F>,
        rows: &[usize],
        range: Range<usize>,
        simd: Simd,
    ) {
        let grid = &table.grid;
        self.gather_numbers(table, rows, range.clone(), simd);
        for (to, from) in self.slots.iter_mut().zip(&table.slots) {
            take(grid, rows, range.clone(), from, to);
        }
        for (i, to) in self.codes.iter_mut().enumerate() {
            let (grid, range) = of_codes(grid, range.clone(), table.codes.coding[i]);
            take(&grid, rows, range, table.codes.slices[i], to);
        }
        take(grid, rows, range, table.average, &mut self.average);
    }

    /// Takes parameters alone, as one reads them.
    pub(super) fn gather_parameters(
        &mut self,
        table: &Table<'_, F>,
        rows: &[usize],
        range: Range<usize>,
        simd: Simd,
    ) {
        let (grid, w) = (&table.grid, &mut self.w);
        match &table.w {
            Held::Own(from) => decode(grid, rows, range, from, w, simd),
            Held::Half(Sixteen::BFloat16(from)) => decode(grid, rows, range, from, w, simd),
            Held::Half(Sixteen::Float16(from)) => decode(grid, rows, range, from, w, simd),
        }
    }

    /// As the step goes on from them: with what was left of those of 16 bits.
    pub(super) fn gather_numbers(
        &mut self,
        table: &Table<'_, F>,
        rows: &[usize],
        range: Range<usize>,
        simd: Simd,
    ) {
        let len = range.len();
        self.gather_parameters(table, rows, range.clone(), simd);
        if table.remainders.is_empty() {
            return;
        }
        take(&table.grid, rows, range, table.remainders, &mut self.remainders);
        let (w, remainders) = (&mut self.w[..len], &self.remainders[..len]);
        match &table.w {
            Held::Own(_) => {}
            Held::Half(Sixteen::BFloat16(_)) => bf16::restore(simd, w, remainders),
            Held::Half(Sixteen::Float16(_)) => f16::restore(simd, w, remainders),
        }
    }

    /// Puts back what was taken.
    pub(super) fn scatter(
        &mut self,
        table: &mut Table<'_, F>,
        rows: &[usize],
        range: Range<usize>,
        simd: Simd,
        encoding: Encoding,
    ) {
        self.scatter_numbers(table, rows, range.clone(), simd, encoding);
        let grid = &table.grid;
        for (from, to) in self.slots.iter().zip(&mut table.slots) {
            put(grid, rows, range.clone(), from, to);
        }
        for (i, from) in self.codes.iter().enumerate() {
            let (grid, range) = of_codes(grid, range.clone(), table.codes.coding[i]);
            put(&grid, rows, range, from, table.codes.slices[i]);
        }
        put(grid, rows, range, &self.average, table.average);
    }

    /// Puts back parameters alone, rounded to what they are of.
    pub(super) fn scatter_numbers(
        &mut self,
        table: &mut Table<'_, F>,
        rows: &[usize],
        range: Range<usize>,
        simd: Simd,
        encoding: Encoding,
    ) {
        let grid = &table.grid;
        let kept = if table.remainders.is_empty() { 0 } else { range.len() };
        let (from, left) = (&mut self.w, &mut self.remainders[..kept]);
        let place = (grid, rows, range.clone());
        match &mut table.w {
            Held::Own(to) => encode(place, from, left, to, simd, encoding),
            Held::Half(Sixteen::BFloat16(to)) => {
                encode(place, from, left, to, simd, encoding);
            }
            Held::Half(Sixteen::Float16(to)) => {
                encode(place, from, left, to, simd, encoding);
            }
        }
        put(grid, rows, range, &self.remainders, table.remainders);
    }

    /// What was taken, to be updated by these gradients.
    pub(super) fn stretch<'s>(&'s mut self, table: &Table<'_, F>, g: &'s [F]) -> Stretch<'s, F> {
        fn taken<'s, T>(tile: &'s mut [T; BLOCK], of: &[T], len: usize) -> &'s mut [T] {
            if of.is_empty() { &mut [] } else { &mut tile[..len] }
        }
        let (len, [a, b, c, d], [x, y, z, u]) = (g.len(), &mut self.slots, &mut self.codes);
        let ([e, f, h, i], [p, q, r, s]) = (&table.slots, &table.codes.slices);
        let coding = table.codes.coding;
        let words = coding.map(|coding| coding.words(len));
        let codes = [
            taken(x, p, words[0]),
            taken(y, q, words[1]),
            taken(z, r, words[2]),
            taken(u, s, words[3]),
        ];
        Stretch {
            w: &mut self.w[..len],
            g,
            slots: [taken(a, e, len), taken(b, f, len), taken(c, h, len), taken(d, i, len)],
            codes: Codes { slices: codes, coding },
            average: taken(&mut self.average, table.average, len),
        }
    }
}

/// The rows of a slot's codes, and those of a range of elements: blocks are within rows.
pub(super) fn of_codes(grid: &Grid, range: Range<usize>, coding: Coding) -> (Grid, Range<usize>) {
    let grid = Grid { after: coding.words(grid.after), ..*grid };
    (grid, coding.words(range.start)..coding.words(range.end))
}

fn take<T: Copy>(
    grid: &Grid,
    rows: &[usize],
    range: Range<usize>,
    from: &[T],
    to: &mut [T; BLOCK],
) {
    if from.is_empty() {
        return;
    }
    if grid.after == 1 {
        return grid.pieces(rows, range, |at, place, _| to[place] = from[at]);
    }
    grid.pieces(rows, range, |at, place, len| {
        to[place..place + len].copy_from_slice(&from[at..at + len]);
    });
}

fn put<T: Copy>(grid: &Grid, rows: &[usize], range: Range<usize>, from: &[T; BLOCK], to: &mut [T]) {
    if to.is_empty() {
        return;
    }
    if grid.after == 1 {
        return grid.pieces(rows, range, |at, place, _| to[at] = from[place]);
    }
    grid.pieces(rows, range, |at, place, len| {
        to[at..at + len].copy_from_slice(&from[place..place + len]);
    });
}

/// The numbers of a range of the rows' elements.
fn decode<E: Stored<F>, F: Scalar>(
    grid: &Grid,
    rows: &[usize],
    range: Range<usize>,
    from: &Target<'_, E>,
    to: &mut [F; BLOCK],
    simd: Simd,
) {
    match from {
        Target::Slice(from) => match E::lend(from) {
            Some(from) => take(grid, rows, range, from, to),
            None => {
                let (len, mut codes) = (range.len(), [E::of(F::zero()); BLOCK]);
                take(grid, rows, range, from, &mut codes);
                E::decode(simd, &codes[..len], &mut to[..len]);
            }
        },
        Target::View(view) => read(grid, rows, range, view.view(), to),
        Target::Five(view) => read(grid, rows, range, (**view).view(), to),
        Target::Six(view) => read(grid, rows, range, (**view).view(), to),
    }
}

/// Rounds numbers, and puts them where they belong.
fn encode<E: Stored<F>, F: Scalar>(
    (grid, rows, range): (&Grid, &[usize], Range<usize>),
    from: &mut [F; BLOCK],
    remainders: &mut [u16],
    to: &mut Target<'_, E>,
    simd: Simd,
    encoding: Encoding,
) {
    let len = range.len();
    if let Target::Slice(to) = to {
        if let Some(to) = E::lend_mut(to) {
            return put(grid, rows, range, from, to);
        }
        let mut codes = [E::of(F::zero()); BLOCK];
        E::write(encoding, simd, &mut from[..len], remainders, &mut codes[..len]);
        return put(grid, rows, range, &codes, to);
    }
    E::round(encoding, simd, &mut from[..len], remainders);
    match to {
        Target::Slice(_) => {}
        Target::View(view) => write(grid, rows, range, from, view.view_mut()),
        Target::Five(view) => write(grid, rows, range, from, (**view).view_mut()),
        Target::Six(view) => write(grid, rows, range, from, (**view).view_mut()),
    }
}

fn read<E: Stored<F>, F: Scalar, D: Dimension + RemoveAxis>(
    grid: &Grid,
    rows: &[usize],
    range: Range<usize>,
    from: ArrayView<'_, E, D>,
    to: &mut [F; BLOCK],
) {
    grid.parts(rows, range, |row, part, place| {
        let row = from.index_axis(Axis(grid.axis), row);
        let (to, from) = (&mut to[place..place + part.len()], row.iter().skip(part.start));
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from.number());
    });
}

fn write<E: Stored<F>, F: Scalar, D: Dimension + RemoveAxis>(
    grid: &Grid,
    rows: &[usize],
    range: Range<usize>,
    from: &[F; BLOCK],
    mut to: ArrayViewMut<'_, E, D>,
) {
    grid.parts(rows, range, |row, part, place| {
        let mut row = to.index_axis_mut(Axis(grid.axis), row);
        let (to, from) = (row.iter_mut().skip(part.start), &from[place..place + part.len()]);
        to.zip(from).for_each(|(to, &from)| *to = E::of(from));
    });
}
