//! Rows of a table, each once and in their order: what gradients of rows are brought together as.

use std::mem;

use ndarray::{ArrayD, ArrayView1, ArrayViewD, Axis};

use super::rows::HOLDS_ROWS;
use super::{HasRowNumbers, Leaf, RowNumbers};
use crate::error::ErrorKind;
use crate::mean::between;
use crate::scalar::Scalar;

/// The gradient of a table by rows that are in their order, each there once.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Summed<F> {
    rows: Vec<usize>,
    values: Vec<F>,
    /// That of the values.
    shape: Vec<usize>,
}

impl<F: Clone> Clone for Summed<F> {
    fn clone(&self) -> Self {
        let (rows, values) = (self.rows.clone(), self.values.clone());
        Self { rows, values, shape: self.shape.clone() }
    }

    /// In the memory that it has.
    fn clone_from(&mut self, other: &Self) {
        self.rows.clone_from(&other.rows);
        self.values.clone_from(&other.values);
        self.shape.clone_from(&other.shape);
    }
}

/// What rows are brought in order and together with; its memory is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Room<F> {
    keys: Vec<(usize, usize)>,
    other: Summed<F>,
}

impl<F: Scalar> Summed<F> {
    /// No rows of a table of that shape.
    pub(crate) fn clear(&mut self, table: &[usize]) {
        self.rows.clear();
        self.values.clear();
        self.shape.clear();
        self.shape.extend_from_slice(table);
        self.close();
    }

    /// The shape of the values is that of the rows that are there.
    fn close(&mut self) {
        if let Some(len) = self.shape.first_mut() {
            *len = self.rows.len();
        }
    }

    fn width(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    pub(crate) fn rows(&self) -> &[usize] {
        &self.rows
    }

    pub(crate) fn values(&self) -> &[F] {
        &self.values
    }

    /// Becomes the sums of a gradient of rows of a table of that shape, those of a row in the order in which
    /// they come.
    ///
    /// # Errors
    /// [`ErrorKind::RowOutOfRange`].
    pub(crate) fn take(
        &mut self,
        g: &dyn Leaf<F>,
        numbers: RowNumbers<'_>,
        (name, table): (&str, &[usize]),
        room: &mut Room<F>,
    ) -> Result<(), ErrorKind> {
        let (keys, len) = (&mut room.keys, table[0]);
        keys.clear();
        numbers.for_each(|row| keys.push((row, keys.len())));
        keys.sort_unstable();
        self.clear(table);
        if let Some(&(row, _)) = keys.iter().find(|&&(row, _)| row >= len) {
            return Err(ErrorKind::RowOutOfRange { leaf: name.to_owned(), row, rows: len });
        }
        let (width, view) = (self.width(), g.view());
        let packed = view.as_slice();
        for &(row, place) in keys.iter() {
            let again = self.rows.last() == Some(&row);
            if !again {
                self.rows.push(row);
            }
            match packed.map(|g| &g[place * width..(place + 1) * width]) {
                Some(g) if !again => self.values.extend_from_slice(g),
                Some(g) => add(&mut self.values, g.iter(), width),
                None if !again => self.values.extend(view.index_axis(Axis(0), place).iter()),
                None => add(&mut self.values, view.index_axis(Axis(0), place).iter(), width),
            }
        }
        self.close();
        Ok(())
    }

    /// Becomes the rows of an array at which `is_there` says so.
    pub(crate) fn take_of(&mut self, array: &ArrayD<F>, is_there: &[bool]) {
        self.clear(array.shape());
        for (row, _) in is_there.iter().enumerate().filter(|(_, is_there)| **is_there) {
            self.rows.push(row);
            self.values.extend(array.index_axis(Axis(0), row).iter());
        }
        self.close();
    }

    /// Becomes rows that are in order, and their values.
    pub(crate) fn assign(&mut self, table: &[usize], rows: &[usize], values: &[F]) {
        self.clear(table);
        self.rows.extend_from_slice(rows);
        self.values.extend_from_slice(values);
        self.close();
    }

    /// The first element that is NaN or infinite: its index in the table, and what it is.
    pub(crate) fn first_non_finite(&self) -> Option<(Vec<usize>, f64)> {
        // Without a way out of the loop it is vectorized.
        if self.values.iter().fold(true, |all, value| all & value.is_finite()) {
            return None;
        }
        let at = self.values.iter().position(|value| !value.is_finite())?;
        let (width, value) = (self.width(), self.values[at].into_f64());
        let mut index = vec![0; self.shape.len()];
        let mut within = at % width;
        for axis in (1..self.shape.len()).rev() {
            index[axis] = within % self.shape[axis];
            within /= self.shape[axis];
        }
        index[0] = self.rows[at / width];
        Some((index, value))
    }

    /// Becomes the number between itself and another, or, where `before`, between the other and itself: rows
    /// that one of them does not have are 0 there.
    pub(crate) fn blend(&mut self, other: &Self, share: f64, before: bool, room: &mut Room<F>) {
        let (from, to) = if before { (other, &*self) } else { (&*self, other) };
        if share == 0.0 || share == 1.0 {
            // What weighs nothing does not count, nor do its rows.
            if (share == 1.0) != before {
                self.clone_from(other);
            }
            return;
        }
        let (made, width, zero) = (&mut room.other, self.width(), F::zero());
        made.clear(&self.shape);
        let (mut i, mut j) = (0, 0);
        while i < from.rows.len() || j < to.rows.len() {
            let (a, b) = (from.rows.get(i).copied(), to.rows.get(j).copied());
            // None is after all rows.
            let row = a.unwrap_or(usize::MAX).min(b.unwrap_or(usize::MAX));
            let x = &from.values[i * width..(i + usize::from(a == Some(row))) * width];
            let y = &to.values[j * width..(j + usize::from(b == Some(row))) * width];
            made.rows.push(row);
            match (a == Some(row), b == Some(row)) {
                (true, true) => {
                    made.values.extend(x.iter().zip(y).map(|(&x, &y)| between(x, y, share)));
                }
                (true, false) => made.values.extend(x.iter().map(|&x| between(x, zero, share))),
                _ => made.values.extend(y.iter().map(|&y| between(zero, y, share))),
            }
            i += usize::from(a == Some(row));
            j += usize::from(b == Some(row));
        }
        made.close();
        mem::swap(self, made);
    }

    /// Makes an array the number between itself and these rows, or the other way round; rows that are not
    /// there are 0.
    pub(crate) fn blend_into(&self, array: &mut ArrayD<F>, share: f64, before: bool) {
        let (width, mut n) = (self.width(), 0);
        let of = |own: F, row: F| match before {
            true => between(row, own, share),
            false => between(own, row, share),
        };
        for (row, mut own) in array.outer_iter_mut().enumerate() {
            if self.rows.get(n) == Some(&row) {
                let values = &self.values[n * width..(n + 1) * width];
                own.iter_mut().zip(values).for_each(|(own, &row)| *own = of(*own, row));
                n += 1;
            } else {
                own.iter_mut().for_each(|own| *own = of(*own, F::zero()));
            }
        }
    }

    /// Makes an array these rows, and 0 where there are none.
    pub(crate) fn write(&self, array: &mut ArrayD<F>) {
        array.fill(F::zero());
        let width = self.width();
        for (n, &row) in self.rows.iter().enumerate() {
            let values = &self.values[n * width..(n + 1) * width];
            let mut own = array.index_axis_mut(Axis(0), row);
            own.iter_mut().zip(values).for_each(|(own, &value)| *own = value);
        }
    }
}

/// Adds to the last of the sums.
fn add<'g, F: Scalar>(sums: &mut [F], g: impl Iterator<Item = &'g F>, width: usize) {
    let start = sums.len() - width;
    sums[start..].iter_mut().zip(g).for_each(|(sum, &g)| *sum = *sum + g);
}

impl<F: Scalar> Leaf<F> for Summed<F> {
    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn strides(&self) -> &[isize] {
        &[]
    }

    fn as_slice(&self) -> Option<&[F]> {
        Some(&self.values)
    }

    fn view(&self) -> ArrayViewD<'_, F> {
        let view = ArrayViewD::from_shape(&self.shape[..], &self.values);
        view.unwrap_or_else(|_| ArrayView1::from(&[][..]).into_dyn())
    }

    fn rows(&self) -> Option<RowNumbers<'_>> {
        Some(self.rows.row_numbers())
    }

    fn contradiction(&self) -> Option<&'static str> {
        Some(HOLDS_ROWS)
    }
}
