//! A leaf as a table of rows, and how they lie in memory.

use std::ops::Range;

use crate::engine::codes::Codes;
use crate::engine::program::split_slots;
use crate::engine::sixteen::Held;
use crate::rule::Slices;
use crate::scalar::Scalar;

/// A leaf, or the part of one from a row on.
pub(super) struct Table<'a, F> {
    pub(super) grid: Grid,
    pub(super) w: Held<'a, F>,
    pub(super) slots: Slices<'a, F>,
    pub(super) codes: Codes<'a>,
    /// Empty where no average is kept.
    pub(super) average: &'a mut [F],
    /// What is left of parameters of 16 bits; empty where nothing is kept of it.
    pub(super) remainders: &'a mut [u16],
}

/// How the rows of a leaf lie in memory, seen from the order of its slots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    /// Elements of the axes that are slower than that of the rows.
    pub(super) before: usize,
    pub(super) rows: usize,
    /// Elements of those that are faster.
    pub(super) after: usize,
    /// The place of the axis of the rows.
    pub(super) axis: usize,
    /// The first row that is here.
    pub(super) first: usize,
}

impl<F: Scalar> Table<'_, F> {
    /// Whether each row is one run of a slice.
    pub(super) fn is_whole_rows(&self) -> bool {
        self.grid.before == 1 && self.w.is_slice()
    }

    /// The parts before a row, and from it on, of a table of whole rows.
    pub(super) fn split_at(self, row: usize) -> (Self, Self) {
        let grid = self.grid;
        let at = (row - grid.first) * grid.after;
        let [w0, w1] = self.w.split_at(at, row - grid.first);
        let (s0, s1) = split_slots(self.slots, at);
        let (c0, c1) = self.codes.split_at(at);
        let (a0, a1) = self.average.split_at_mut(at.min(self.average.len()));
        let (r0, r1) = self.remainders.split_at_mut(at.min(self.remainders.len()));
        let rest = Grid { first: row, ..grid };
        (
            Self { grid, w: w0, slots: s0, codes: c0, average: a0, remainders: r0 },
            Self { grid: rest, w: w1, slots: s1, codes: c1, average: a1, remainders: r1 },
        )
    }
}

impl Grid {
    /// Elements of a row.
    pub(super) fn width(&self) -> usize {
        self.before * self.after
    }

    /// Calls `each` with what is in one piece of rows: where in the slots, where in the gradient, how long.
    #[inline]
    pub(super) fn runs(&self, rows: &[usize], mut each: impl FnMut(usize, usize, usize)) {
        let &Grid { before, rows: len, after, first, .. } = self;
        if before > 1 {
            for (n, &row) in rows.iter().enumerate() {
                for i in 0..before {
                    each((i * len + row) * after, (n * before + i) * after, after);
                }
            }
            return;
        }
        let mut start = 0;
        while start < rows.len() {
            let mut end = start + 1;
            while end < rows.len() && rows[end] == rows[end - 1] + 1 {
                end += 1;
            }
            each((rows[start] - first) * after, start * after, (end - start) * after);
            start = end;
        }
    }

    /// As [`runs`](Self::runs), of a range of the rows' elements.
    #[inline]
    pub(super) fn pieces(
        &self,
        rows: &[usize],
        range: Range<usize>,
        mut each: impl FnMut(usize, usize, usize),
    ) {
        let &Grid { before, rows: len, after, first, .. } = self;
        let (run, mut within) = (range.start / after, range.start % after);
        let (mut n, mut i) = (run / before, run % before);
        let (mut at, count) = (0, range.len());
        while at < count {
            let piece = (after - within).min(count - at);
            each((i * len + rows[n] - first) * after + within, at, piece);
            (at, within, i) = (at + piece, 0, i + 1);
            if i == before {
                (n, i) = (n + 1, 0);
            }
        }
    }

    /// Calls `each` with the parts of rows that a range of their elements is made of: the row, which of its
    /// elements, and where in the range.
    pub(super) fn parts(
        &self,
        rows: &[usize],
        range: Range<usize>,
        mut each: impl FnMut(usize, Range<usize>, usize),
    ) {
        let width = self.width();
        let mut at = range.start;
        while at < range.end {
            let (n, within) = (at / width, at % width);
            let end = width.min(within + range.end - at);
            each(rows[n], within..end, at - range.start);
            at += end - within;
        }
    }
}
