//! A leaf cut into blocks along each axis.

use crate::scalar::Scalar;

/// The blocks of a leaf, numbered row after row. Axes of length 1 are left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid<'g> {
    /// Lengths of the axes that count; there is one at least.
    dims: &'g [usize],
    /// The longest that a block is along an axis.
    limit: usize,
}

/// The lengths of the axes that count.
pub(super) fn dims_of(shape: &[usize], dims: &mut Vec<usize>) {
    dims.clear();
    dims.extend(shape.iter().copied().filter(|&len| len != 1));
    if dims.is_empty() {
        dims.push(1);
    }
}

impl<'g> Grid<'g> {
    pub(super) fn new(dims: &'g [usize], limit: usize) -> Self {
        Self { dims, limit }
    }

    pub(super) fn order(self) -> usize {
        self.dims.len()
    }

    fn count(self, axis: usize) -> usize {
        self.dims[axis].div_ceil(self.limit)
    }

    pub(super) fn blocks(self) -> usize {
        (0..self.order()).map(|axis| self.count(axis)).product()
    }

    /// Where a block begins along an axis.
    fn start(self, block: usize, axis: usize) -> usize {
        let inner: usize = (axis + 1..self.order()).map(|axis| self.count(axis)).product();
        block / inner % self.count(axis) * self.limit
    }

    /// How long a block is along an axis.
    pub(super) fn len(self, block: usize, axis: usize) -> usize {
        self.limit.min(self.dims[axis] - self.start(block, axis))
    }

    /// The lengths of a block.
    pub(super) fn shape_of(self, block: usize, shape: &mut Vec<usize>) {
        shape.clear();
        shape.extend((0..self.order()).map(|axis| self.len(block, axis)));
    }

    /// Calls `visit` with where stretches of a block's neighbours begin in the leaf, and their length.
    fn stretches(self, block: usize, mut visit: impl FnMut(usize, usize)) {
        let last = self.order() - 1;
        let len = self.len(block, last);
        let rows: usize = (0..last).map(|axis| self.len(block, axis)).product();
        for row in 0..rows {
            let (mut at, mut stride) = (self.start(block, last), self.dims[last]);
            let mut rest = row;
            for axis in (0..last).rev() {
                let along = self.len(block, axis);
                at += (self.start(block, axis) + rest % along) * stride;
                rest /= along;
                stride *= self.dims[axis];
            }
            visit(at, len);
        }
    }

    /// Copies a block out of a leaf.
    pub(super) fn take<F: Scalar>(self, block: usize, leaf: &[F], to: &mut [F]) {
        let mut done = 0;
        self.stretches(block, |at, len| {
            to[done..done + len].copy_from_slice(&leaf[at..at + len]);
            done += len;
        });
    }

    /// Copies a block into a leaf.
    pub(super) fn put<F: Scalar>(self, block: usize, from: &[F], leaf: &mut [F]) {
        let mut done = 0;
        self.stretches(block, |at, len| {
            leaf[at..at + len].copy_from_slice(&from[done..done + len]);
            done += len;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_element_is_of_one_block_and_comes_back() {
        for shape in [vec![7], vec![1, 5], vec![4, 6], vec![5, 1, 7, 3], vec![], vec![1, 1]] {
            for limit in [1, 2, 3, 100] {
                let mut dims = Vec::new();
                dims_of(&shape, &mut dims);
                let grid = Grid::new(&dims, limit);
                let n: usize = shape.iter().product();
                let leaf: Vec<f64> = (0..n).map(|i| i as f64).collect();
                let (mut back, mut seen, mut own) = (vec![f64::NAN; n], 0, Vec::new());
                for block in 0..grid.blocks() {
                    grid.shape_of(block, &mut own);
                    assert!(own.iter().all(|&len| len >= 1 && len <= limit));
                    let mut part = vec![0.0; own.iter().product()];
                    grid.take(block, &leaf, &mut part);
                    grid.put(block, &part, &mut back);
                    seen += part.len();
                }
                assert_eq!((seen, back), (n, leaf), "{shape:?} {limit}");
            }
        }
    }
}
