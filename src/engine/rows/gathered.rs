//! The rows of all leaves of a step, and the sums of their gradients.

use super::Gradients;
use super::seen::{Seen, Times};
use super::table::Grid;
use crate::engine::view::Source;
use crate::error::{Error, ErrorKind};
use crate::params::RowNumbers;
use crate::scalar::Scalar;

/// What was found of the rows of all leaves; it is kept for the next step.
pub(in crate::engine) struct Gathered<F> {
    pub(super) rows: Vec<usize>,
    pub(super) sums: Vec<F>,
    /// Row and place in the gradient, as one number.
    keys: Vec<u64>,
    seen: Seen,
    /// Of the first leaf whose rows cannot be taken.
    pub(super) problem: Option<(usize, Problem)>,
}

/// Rows of as many elements have room beside them for what is remembered of each.
const WIDE: usize = 8;

pub(super) enum Problem {
    OutOfRange { row: usize, rows: usize },
    NeedsAll { what: &'static str, remedy: &'static str },
}

impl<F> Default for Gathered<F> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            sums: Vec::new(),
            keys: Vec::new(),
            seen: Seen::default(),
            problem: None,
        }
    }
}

impl<F: Scalar> Gathered<F> {
    pub(in crate::engine) fn clear(&mut self) {
        self.rows.clear();
        self.sums.clear();
        self.problem = None;
    }

    pub(super) fn gradients<'g>(&'g self, of: &'g Gradients<'_, F>) -> &'g [F] {
        match of {
            Gradients::Given(given) => given,
            Gradients::Sums(sums) => &self.sums[sums.clone()],
        }
    }

    /// What is wrong with the rows of a leaf, and which leaf it is.
    pub(in crate::engine) fn problem(&self, name: impl Fn(usize) -> String) -> Option<Error> {
        let (index, problem) = self.problem.as_ref()?;
        let leaf = name(*index);
        Some(Error::from(match *problem {
            Problem::OutOfRange { row, rows } => ErrorKind::RowOutOfRange { leaf, row, rows },
            Problem::NeedsAll { what, remedy } => ErrorKind::NeedsAllRows { leaf, what, remedy },
        }))
    }

    /// Appends rows of so many elements as they are given, of a table of `len`; whether each is there once. If
    /// not, nothing is appended.
    pub(super) fn take(
        &mut self,
        numbers: RowNumbers<'_>,
        len: usize,
        width: usize,
    ) -> Result<bool, Problem> {
        let start = self.rows.len();
        numbers.append_to(&mut self.rows);
        let rows = &self.rows[start..];
        let times = match rows.last() {
            Some(_) if !rows.is_sorted_by(|a, b| a < b) => self.seen.look(rows, len, width >= WIDE),
            Some(last) if *last >= len => Times::Beyond,
            _ => Times::Once,
        };
        if times == Times::Once {
            return Ok(true);
        }
        let beyond = rows.iter().find(|&&row| row >= len).copied();
        self.rows.truncate(start);
        match beyond {
            Some(row) => Err(Problem::OutOfRange { row, rows: len }),
            None => Ok(false),
        }
    }

    /// Sorts numbers of rows, of which there are `len`: those that are equal stay in their order.
    pub(super) fn sort(
        &mut self,
        numbers: RowNumbers<'_>,
        len: usize,
        reversed: bool,
    ) -> Result<(), Problem> {
        self.keys.clear();
        self.keys.reserve(numbers.len());
        let bits = usize::BITS - numbers.len().leading_zeros();
        let (mut beyond, mut place, mut last, mut sorted) = (None, 0, None, true);
        numbers.for_each(|number| {
            if number >= len {
                beyond = beyond.or(Some(number));
                return;
            }
            let row = if reversed { len - 1 - number } else { number };
            sorted &= last < Some(row);
            last = Some(row);
            // Of a leaf that is in memory, the two have room in 64 bits.
            self.keys.push((row as u64) << bits | place);
            place += 1;
        });
        if let Some(row) = beyond {
            return Err(Problem::OutOfRange { row, rows: len });
        }
        if !sorted {
            self.keys.sort_unstable();
        }
        Ok(())
    }

    /// Appends the rows that were sorted, each once, and the sums of their gradients.
    pub(super) fn sum(
        &mut self,
        g: &Source<'_, F>,
        packed: Option<&[F]>,
        grid: Grid,
        reversed: bool,
    ) {
        let (width, count) = (grid.width(), self.keys.len());
        let bits = usize::BITS - count.leading_zeros();
        let start = self.rows.len();
        self.rows.reserve(count);
        self.sums.reserve(count * width);
        for &key in &self.keys {
            let (row, place) = ((key >> bits) as usize, (key & ((1 << bits) - 1)) as usize);
            if self.rows[start..].last() == Some(&row) {
                let at = self.sums.len() - width;
                let mut sums = self.sums[at..].iter_mut();
                let mut add = |g: F| {
                    if let Some(sum) = sums.next() {
                        *sum = *sum + g;
                    }
                };
                match packed {
                    Some(g) => g[place * width..][..width].iter().for_each(|&g| add(g)),
                    None => each(&g.at(grid.axis, turned(place, count, reversed)), add),
                }
                continue;
            }
            self.rows.push(row);
            match packed {
                Some(g) => self.sums.extend_from_slice(&g[place * width..][..width]),
                None => {
                    each(&g.at(grid.axis, turned(place, count, reversed)), |g| self.sums.push(g))
                }
            }
        }
    }
}

fn turned(place: usize, count: usize, reversed: bool) -> usize {
    if reversed { count - 1 - place } else { place }
}

fn each<F: Scalar>(source: &Source<'_, F>, each: impl FnMut(F)) {
    match source {
        Source::Slice(slice) => slice.iter().copied().for_each(each),
        Source::View(view) => view.iter().copied().for_each(each),
        Source::Five(view) => view.iter().copied().for_each(each),
        Source::Six(view) => view.iter().copied().for_each(each),
    }
}
