//! Products of an array with a matrix along one of its axes.

use crate::leafwise::room;
use crate::linalg::product::Panels;
use crate::reduce::How;
use crate::scalar::Scalar;

/// An axis of a row-major array: how many elements lie outside, along and inside of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) outer: usize,
    pub(super) len: usize,
    pub(super) inner: usize,
}

impl Axis {
    pub(super) fn of(shape: &[usize], axis: usize) -> Self {
        Self {
            outer: shape[..axis].iter().product(),
            len: shape[axis],
            inner: shape[axis + 1..].iter().product(),
        }
    }

    /// Elements of each index along it.
    fn across(self) -> usize {
        self.outer * self.inner
    }

    /// Calls `visit` with where stretches of neighbours are in the array, and where in the matrix whose
    /// rows are the indices along the axis.
    fn stretches(self, mut visit: impl FnMut(usize, usize)) {
        for i in 0..self.outer {
            for a in 0..self.len {
                visit((i * self.len + a) * self.inner, a * self.across() + i * self.inner);
            }
        }
    }

    /// The array as that matrix.
    pub(super) fn unfold<F: Copy>(self, x: &[F], to: &mut [F]) {
        self.stretches(|at, of| {
            to[of..of + self.inner].copy_from_slice(&x[at..at + self.inner]);
        });
    }

    /// The matrix as an array, whose row r is the index `row(r)` along the axis.
    pub(super) fn fold<F: Copy>(self, from: &[F], row: impl Fn(usize) -> usize, x: &mut [F]) {
        for i in 0..self.outer {
            for a in 0..self.len {
                let (at, of) =
                    ((i * self.len + a) * self.inner, row(a) * self.across() + i * self.inner);
                x[at..at + self.inner].copy_from_slice(&from[of..of + self.inner]);
            }
        }
    }
}

/// Memory for products along axes.
#[derive(Debug)]
pub(super) struct Buffers<'b, F> {
    pub(super) unfolded: &'b mut Vec<F>,
    pub(super) product: &'b mut Vec<F>,
    pub(super) panels: &'b mut Panels<F>,
    pub(super) how: How,
}

impl<F: Scalar> Buffers<'_, F> {
    /// The sums of products of the array's elements over all other axes: XXᵀ of its matrix X.
    pub(super) fn gram(&mut self, axis: Axis, x: &[F]) -> &[F] {
        let (n, across) = (axis.len, axis.across());
        let unfolded = room(self.unfolded, x.len());
        axis.unfold(x, unfolded);
        let gram = room(self.product, n * n);
        let element = |p: usize, j: usize| unfolded[j * across + p];
        self.panels.multiply(unfolded, (across, n), element, gram, self.how);
        gram
    }

    /// x = M·x along the axis; the n×n matrix M, row after row.
    pub(super) fn multiply(&mut self, axis: Axis, matrix: &[F], x: &mut [F]) {
        let (n, across) = (axis.len, axis.across());
        let unfolded = room(self.unfolded, x.len());
        axis.unfold(x, unfolded);
        let product = room(self.product, x.len());
        let element = |p: usize, j: usize| unfolded[p * across + j];
        self.panels.multiply(matrix, (n, across), element, product, self.how);
        axis.fold(product, |row| row, x);
    }

    /// The array with its indices along the axis in another order.
    pub(super) fn reorder(&mut self, axis: Axis, order: &[usize], x: &mut [F]) {
        let unfolded = room(self.unfolded, x.len());
        axis.unfold(x, unfolded);
        axis.fold(unfolded, |row| order[row], x);
    }
}
