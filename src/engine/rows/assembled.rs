//! The touched rows of a leaf of which other ranks have parts, brought together to be measured as one process
//! measures them.

use super::gathered::Gathered;
use super::measure::Rows;
use super::table::{Grid, Table};
use super::{Touched, tile};
use crate::engine::codes::{Codes, Coding};
use crate::engine::couple::Coupled;
use crate::engine::sixteen::Held;
use crate::engine::view::Target;
use crate::rule::MOST;
use crate::scalar::Scalar;

/// How many arrays there are of a leaf: gradients, parameters, slots and their codes.
pub(in crate::engine) const ARRAYS: usize = 2 + 2 * MOST;

/// Gradients, parameters and state of all touched rows of a leaf, row after row.
pub(in crate::engine) struct Assembled<F> {
    pub(in crate::engine) g: Vec<F>,
    w: Vec<F>,
    slots: [Vec<F>; MOST],
    codes: [Vec<u16>; MOST],
    /// Their numbers here, and how many elements each has.
    rows: Vec<usize>,
    width: usize,
}

impl<F: Scalar> Touched<'_, F> {
    /// Appends what is here of a part to the numbers that all ranks get; returns how many there are of each array.
    /// Parameters and state are looked at where that is wanted.
    pub(in crate::engine) fn tell(
        &self,
        gathered: &Gathered<F>,
        with_state: bool,
        numbers: &mut Vec<f64>,
    ) -> [f64; ARRAYS] {
        let (rows, grid, table) = (&gathered.rows[self.rows.clone()], self.table.grid, &self.table);
        let mut lens = [0.0; ARRAYS];
        let g = gathered.gradients(&self.g);
        numbers.extend(g.iter().map(|x| x.into_f64()));
        lens[0] = g.len() as f64;
        if !with_state {
            return lens;
        }
        // A part lies in memory as it is.
        let Held::Own(Target::Slice(w)) = &table.w else { return lens };
        let mut tell = |array: usize, from: &[F]| {
            let before = numbers.len();
            if !from.is_empty() {
                grid.runs(rows, |at, _, len| {
                    numbers.extend(from[at..at + len].iter().map(|x| x.into_f64()));
                });
            }
            lens[array] = (numbers.len() - before) as f64;
        };
        tell(1, w);
        table.slots.iter().enumerate().for_each(|(i, slot)| tell(2 + i, slot));
        for (i, codes) in table.codes.slices.iter().enumerate() {
            let before = numbers.len();
            if !codes.is_empty() {
                let (grid, _) = tile::of_codes(&grid, 0..0, table.codes.coding[i]);
                grid.runs(rows, |at, _, len| {
                    numbers.extend(codes[at..at + len].iter().map(|&code| f64::from(code)));
                });
            }
            lens[2 + MOST + i] = (numbers.len() - before) as f64;
        }
        lens
    }
}

impl<F: Scalar> Assembled<F> {
    /// Brings together what ranks have told of a leaf whose rows have so many elements, of which `before` lie apart in
    /// memory: of each rank the lengths of the arrays and their numbers.
    pub(in crate::engine) fn of(told: &[(&[f64], &[f64])], width: usize, before: usize) -> Self {
        let mut arrays: [Vec<f64>; ARRAYS] = Default::default();
        for (lens, numbers) in told {
            let mut rest = *numbers;
            for (array, &len) in arrays.iter_mut().zip(*lens) {
                let (own, after) = rest.split_at(len as usize);
                array.extend(own);
                rest = after;
            }
        }
        let count = arrays[0].len() / width.max(1);
        if before > 1 {
            // All first parts lie before all second ones, whatever their rows.
            let after = width / before;
            for array in arrays.iter_mut().filter(|array| array.len() == count * width) {
                let of_row = |n: usize| (0..before).map(move |i| (i * count + n) * after);
                let starts = (0..count).flat_map(of_row);
                *array = starts.flat_map(|at| &array[at..at + after]).copied().collect();
            }
        }
        let mut arrays = arrays.into_iter();
        let mut next = || arrays.next().unwrap_or_default();
        let numbers = |array: Vec<f64>| array.into_iter().map(F::from_f64).collect();
        let codes = |array: Vec<f64>| array.into_iter().map(|code| code as u16).collect();
        Self {
            g: numbers(next()),
            w: numbers(next()),
            slots: std::array::from_fn(|_| numbers(next())),
            codes: std::array::from_fn(|_| codes(next())),
            rows: (0..count).collect(),
            width,
        }
    }

    /// Lends them as a leaf that can be measured.
    pub(in crate::engine) fn lend<R>(
        &mut self,
        coding: [Coding; MOST],
        with: impl FnOnce(&mut dyn Coupled<F>) -> R,
    ) -> R {
        let Self { g, w, slots, codes, rows, width } = self;
        let table = Table {
            grid: Grid { before: 1, rows: rows.len(), after: *width, axis: 0, first: 0 },
            w: Held::Own(Target::Slice(w)),
            slots: slots.each_mut().map(Vec::as_mut_slice),
            codes: Codes { slices: codes.each_mut().map(Vec::as_mut_slice), coding },
            average: &mut [],
            remainders: &mut [],
        };
        with(&mut Rows { table: &table, rows, g, by_rows: false })
    }
}
