//! Tiles: elements of rows beside each other, to be updated or measured by the loop of any others.

use std::ops::Range;

use ndarray::{ArrayView, ArrayViewMut, Axis, Dimension, RemoveAxis};

use super::table::{Grid, Table};
use crate::engine::compact::{Codes, Coding};
use crate::engine::program::Stretch;
use crate::engine::view::Target;
use crate::reduce::BLOCK;
use crate::rule::MOST;
use crate::scalar::Scalar;

/// Elements of rows beside each other.
pub(super) struct Tile<F> {
    pub(super) w: [F; BLOCK],
    slots: [[F; BLOCK]; MOST],
    codes: [[u16; BLOCK]; MOST],
    average: [F; BLOCK],
}

impl<F: Scalar> Tile<F> {
    pub(super) fn new() -> Self {
        let zeros = [F::zero(); BLOCK];
        Self { w: zeros, slots: [zeros; MOST], codes: [[0; BLOCK]; MOST], average: zeros }
    }

    /// Takes a range of the rows' elements, no more than there is room for.
    pub(super) fn gather(&mut self, table: &Table<'_, F>, rows: &[usize], range: Range<usize>) {
        let grid = &table.grid;
        self.gather_parameters(table, rows, range.clone());
        for (to, from) in self.slots.iter_mut().zip(&table.slots) {
            take(grid, rows, range.clone(), from, to);
        }
        for (i, to) in self.codes.iter_mut().enumerate() {
            let (grid, range) = of_codes(grid, range.clone(), table.codes.coding[i]);
            take(&grid, rows, range, table.codes.slices[i], to);
        }
        take(grid, rows, range, table.average, &mut self.average);
    }

    pub(super) fn gather_parameters(
        &mut self,
        table: &Table<'_, F>,
        rows: &[usize],
        range: Range<usize>,
    ) {
        let (grid, w) = (&table.grid, &mut self.w);
        match &table.w {
            Target::Slice(from) => take(grid, rows, range, from, w),
            Target::View(view) => read(grid, rows, range, view.view(), w),
            Target::Five(view) => read(grid, rows, range, (**view).view(), w),
            Target::Six(view) => read(grid, rows, range, (**view).view(), w),
        }
    }

    /// Puts back what was taken.
    pub(super) fn scatter(&self, table: &mut Table<'_, F>, rows: &[usize], range: Range<usize>) {
        let (grid, w) = (&table.grid, &self.w);
        match &mut table.w {
            Target::Slice(to) => put(grid, rows, range.clone(), w, to),
            Target::View(view) => write(grid, rows, range.clone(), w, view.view_mut()),
            Target::Five(view) => write(grid, rows, range.clone(), w, (**view).view_mut()),
            Target::Six(view) => write(grid, rows, range.clone(), w, (**view).view_mut()),
        }
        for (from, to) in self.slots.iter().zip(&mut table.slots) {
            put(grid, rows, range.clone(), from, to);
        }
        for (i, from) in self.codes.iter().enumerate() {
            let (grid, range) = of_codes(grid, range.clone(), table.codes.coding[i]);
            put(&grid, rows, range, from, table.codes.slices[i]);
        }
        put(grid, rows, range, &self.average, table.average);
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

fn read<F: Copy, D: Dimension + RemoveAxis>(
    grid: &Grid,
    rows: &[usize],
    range: Range<usize>,
    from: ArrayView<'_, F, D>,
    to: &mut [F; BLOCK],
) {
    grid.parts(rows, range, |row, part, place| {
        let row = from.index_axis(Axis(grid.axis), row);
        let (to, from) = (&mut to[place..place + part.len()], row.iter().skip(part.start));
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
    });
}

fn write<F: Copy, D: Dimension + RemoveAxis>(
    grid: &Grid,
    rows: &[usize],
    range: Range<usize>,
    from: &[F; BLOCK],
    mut to: ArrayViewMut<'_, F, D>,
) {
    grid.parts(rows, range, |row, part, place| {
        let mut row = to.index_axis_mut(Axis(grid.axis), row);
        let (to, from) = (row.iter_mut().skip(part.start), &from[place..place + part.len()]);
        to.zip(from).for_each(|(to, &from)| *to = from);
    });
}
