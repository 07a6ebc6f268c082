//! A tree of gradients of which each leaf is an array or rows of one.

use ndarray::ArrayD;

use super::{Leaf, Params, Path, Room, Roster, Snapshot, Summed, pairs_mut};
use crate::error::Error;
use crate::mean::between;
use crate::scalar::Scalar;

/// Gradients of known leaves: arrays, and of some leaves rows in their place.
#[derive(Debug, Clone)]
pub(crate) struct Gradients<F: Scalar> {
    arrays: Snapshot<F>,
    rows: Vec<Summed<F>>,
    /// Whether a leaf is of rows: its array is then anything.
    of_rows: Vec<bool>,
}

/// The rows of a call, summed, of the leaves that have any.
#[derive(Debug, Clone)]
pub(crate) struct Taken<F> {
    rows: Vec<Option<Summed<F>>>,
    free: Vec<Summed<F>>,
    pub(crate) room: Room<F>,
}

impl<F: Scalar> Default for Taken<F> {
    fn default() -> Self {
        Self { rows: Vec::new(), free: Vec::new(), room: Room::default() }
    }
}

impl<F: Scalar> Taken<F> {
    /// Sums the rows of gradients of these leaves, where they count.
    ///
    /// # Errors
    /// [`ErrorKind::RowOutOfRange`](crate::ErrorKind::RowOutOfRange).
    pub(crate) fn take(
        &mut self,
        roster: &Roster,
        grads: &dyn Params<F>,
        counts: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        let Self { rows, free, room } = self;
        free.extend(rows.drain(..).flatten());
        rows.resize(roster.entries().len(), None);
        let mut first = None;
        roster.meet_gradients(grads, |index, g| {
            let Some(numbers) = g.rows() else { return };
            let entry = &roster.entries()[index];
            let mut sums = free.pop().unwrap_or_default();
            sums.clear(&entry.shape);
            if counts(index)
                && let Err(error) = sums.take(g, numbers, (&entry.name, &entry.shape), room)
            {
                first.get_or_insert(error);
            }
            rows[index] = Some(sums);
        })?;
        first.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The rows of each leaf whose gradient is of rows, to keep.
    pub(crate) fn lend(&mut self) -> Vec<Option<Summed<F>>> {
        std::mem::take(&mut self.rows)
    }

    /// Of each leaf whether its gradient is of rows.
    pub(crate) fn of_rows(&self) -> impl Iterator<Item = bool> {
        self.rows.iter().map(Option::is_some)
    }

    /// The rows of a leaf, if its gradient is of rows.
    pub(crate) fn rows(&self, leaf: usize) -> Option<&Summed<F>> {
        self.rows.get(leaf)?.as_ref()
    }
}

impl<F: Scalar> Gradients<F> {
    /// Those of arrays.
    pub(crate) fn of(arrays: Snapshot<F>) -> Self {
        let len = arrays.entries().len();
        Self { rows: vec![Summed::default(); len], of_rows: vec![false; len], arrays }
    }

    /// All zero, as arrays.
    pub(crate) fn zeros_like(&self) -> Self {
        Self::of(self.arrays.zeros_like())
    }

    /// The leaves; the values of those that are of rows are anything.
    pub(crate) fn leaves(&self) -> &Snapshot<F> {
        &self.arrays
    }

    /// The rows of a leaf, where it is of rows.
    pub(crate) fn rows(&self, leaf: usize) -> Option<&Summed<F>> {
        self.of_rows[leaf].then(|| &self.rows[leaf])
    }

    /// The arrays, to be written; a leaf is of its array until it gets rows.
    pub(crate) fn arrays_mut(&mut self) -> &mut Snapshot<F> {
        self.of_rows.fill(false);
        &mut self.arrays
    }

    /// The arrays alone, while somebody else works with them.
    pub(crate) fn take_arrays(self) -> Snapshot<F> {
        self.arrays
    }

    /// Gives a leaf rows.
    pub(crate) fn set(&mut self, leaf: usize, rows: Summed<F>) {
        self.rows[leaf] = rows;
        self.of_rows[leaf] = true;
    }

    /// Makes those rows of a leaf, whose array has them, all that there is of it.
    pub(crate) fn set_rows(&mut self, leaf: usize, touched: &[bool]) {
        self.rows[leaf].take_of(self.arrays.array(leaf), touched);
        self.of_rows[leaf] = true;
    }

    /// A copy of a leaf, as an array.
    pub(crate) fn to_array(&self, leaf: usize) -> ArrayD<F> {
        let mut array = self.arrays.array(leaf).clone();
        if let Some(rows) = self.rows(leaf) {
            rows.write(&mut array);
        }
        array
    }

    /// Each leaf becomes that of a call; 0, or no rows, where it does not count.
    pub(crate) fn take(
        &mut self,
        grads: &dyn Params<F>,
        taken: &Taken<F>,
        counts: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        let Self { arrays, rows, of_rows } = self;
        arrays.change_by_gradients(grads, |index, array, g| {
            of_rows[index] = taken.rows(index).is_some();
            match taken.rows(index) {
                Some(new) => rows[index].clone_from(new),
                None if counts(index) => pairs_mut(array, g, |own, g| *own = g),
                None => array.fill(F::zero()),
            }
        })
    }

    /// Brings leaves together with those of a call, each by its share.
    pub(crate) fn add(
        &mut self,
        grads: &dyn Params<F>,
        taken: &mut Taken<F>,
        share: impl Fn(usize) -> Option<f64>,
    ) -> Result<(), Error> {
        let (Self { arrays, rows, of_rows }, Taken { rows: new, room, .. }) = (self, taken);
        arrays.change_by_gradients(grads, |index, array, g| {
            let Some(share) = share(index) else { return };
            let mut own = Own { array, rows: &mut rows[index], of_rows: &mut of_rows[index] };
            match &new[index] {
                Some(other) => own.blend_rows(other, share, false, room),
                None => own.blend_array(g, share, false),
            }
        })
    }

    /// Brings a leaf together with that of other gradients, which came after it or, where `before`, before it.
    pub(crate) fn blend(
        &mut self,
        leaf: usize,
        other: &Self,
        share: f64,
        before: bool,
        room: &mut Room<F>,
    ) {
        let (array, rows) = (self.arrays.array_mut(leaf), &mut self.rows[leaf]);
        let mut own = Own { array, rows, of_rows: &mut self.of_rows[leaf] };
        match other.rows(leaf) {
            Some(rows) => own.blend_rows(rows, share, before, room),
            None => own.blend_array(other.arrays.array(leaf), share, before),
        }
    }

    /// Becomes other gradients of the same leaves.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        for leaf in 0..self.of_rows.len() {
            self.of_rows[leaf] = other.of_rows[leaf];
            match other.rows(leaf) {
                Some(rows) => self.rows[leaf].clone_from(rows),
                None => {
                    let (own, other) = (self.arrays.array_mut(leaf), other.arrays.array(leaf));
                    pairs_mut(own, other, |own, other| *own = other);
                }
            }
        }
    }

    /// Each leaf becomes 0, as an array.
    pub(crate) fn clear(&mut self) {
        self.of_rows.fill(false);
        self.arrays.fill(F::zero());
    }
}

/// A leaf of them.
struct Own<'l, F> {
    array: &'l mut ArrayD<F>,
    rows: &'l mut Summed<F>,
    of_rows: &'l mut bool,
}

impl<F: Scalar> Own<'_, F> {
    fn blend_rows(&mut self, other: &Summed<F>, share: f64, before: bool, room: &mut Room<F>) {
        match *self.of_rows {
            true => self.rows.blend(other, share, before, room),
            false => other.blend_into(self.array, share, before),
        }
    }

    fn blend_array(&mut self, other: &dyn Leaf<F>, share: f64, before: bool) {
        if std::mem::take(self.of_rows) {
            self.rows.write(self.array);
        }
        match before {
            true => pairs_mut(self.array, other, |own, other| *own = between(other, *own, share)),
            false => pairs_mut(self.array, other, |own, other| *own = between(*own, other, share)),
        }
    }
}

impl<F: Scalar> Params<F> for Gradients<F> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        let mut leaves = (0..self.of_rows.len()).map(|leaf| self.rows(leaf));
        self.arrays.visit(path, &mut |path, array| match leaves.next().flatten() {
            Some(rows) => visit(path, rows),
            None => visit(path, array),
        });
    }
}
