//! The order of a leaf's elements in memory.

use ndarray::{ArrayBase, ArrayD, ArrayView, ArrayViewD, ArrayViewMut, Axis, Dimension, RawData};
use num_traits::Zero;

use crate::ranking::ranked;

/// The axes of a leaf from the slowest to the fastest, and which of them run backwards.
///
/// It is what two leaves of one shape must share for their elements to be in the same order.
/// Axes of length 1 do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    axes: Vec<usize>,
    /// For each axis of the leaf, not of `axes`.
    reversed: Vec<bool>,
}

/// What [`Order::fit`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// In this order, without gaps: its slice is in this order too.
    Packed,
    /// In this order, with gaps.
    WithGaps,
    /// In another order.
    Differs,
}

impl Order {
    /// The order of a leaf of that shape and those strides.
    pub(crate) fn of(shape: &[usize], strides: &[isize]) -> Self {
        // An axis of length 1 may have any stride: it goes first, where it splits nothing.
        let stride = |axis: usize| match shape[axis] {
            1 => usize::MAX,
            _ => strides[axis].unsigned_abs(),
        };
        let axes = ranked(shape.len(), &|a, b| stride(b).cmp(&stride(a)));
        let reversed = shape.iter().zip(strides).map(|(&n, &stride)| n > 1 && stride < 0).collect();
        Self { axes, reversed }
    }

    /// The order of a row-major leaf.
    pub(crate) fn row_major(rank: usize) -> Self {
        Self { axes: (0..rank).collect(), reversed: vec![false; rank] }
    }

    /// The strides of an array of that shape in this order without gaps.
    pub(crate) fn packed(&self, shape: &[usize]) -> Vec<isize> {
        let (mut strides, mut product) = (vec![0; shape.len()], 1);
        for &axis in self.axes.iter().rev() {
            strides[axis] = if self.reversed[axis] { -product } else { product };
            product *= shape[axis] as isize;
        }
        strides
    }

    /// Whether an axis of the leaf runs backwards in memory.
    pub(crate) fn is_reversed(&self, axis: usize) -> bool {
        self.reversed.get(axis).copied().unwrap_or(false)
    }

    /// The place in this order of an axis of the leaf.
    pub(crate) fn place_of(&self, axis: usize) -> Option<usize> {
        self.axes.iter().position(|&other| other == axis)
    }

    /// The number of elements of the axes before one in this order, of that axis, and of those after it.
    pub(crate) fn around(&self, place: usize, shape: &[usize]) -> [usize; 3] {
        let product = |axes: &[usize]| axes.iter().map(|&axis| shape[axis]).product();
        let (before, rest) = self.axes.split_at(place);
        [product(before), product(&rest[..1]), product(&rest[1..])]
    }

    /// How a leaf of that shape and those strides lies in memory, seen from this order.
    #[inline]
    pub(crate) fn fit(&self, shape: &[usize], strides: &[isize]) -> Fit {
        let (mut faster, mut product, mut packed) = (0, 1, true);
        for &axis in self.axes.iter().rev() {
            let (len, stride) = (shape[axis], strides[axis].unsigned_abs());
            match len {
                0 => return Fit::Packed,
                1 => continue,
                _ if stride < faster || self.reversed[axis] != (strides[axis] < 0) => {
                    return Fit::Differs;
                }
                _ => {}
            }
            packed &= stride == product;
            product *= len;
            faster = stride;
        }
        if packed { Fit::Packed } else { Fit::WithGaps }
    }

    /// The view with its axes in this order, so that row-major traversal follows the memory.
    pub(crate) fn arrange<'a, F, D: Dimension>(
        &self,
        view: ArrayView<'a, F, D>,
    ) -> ArrayView<'a, F, D> {
        let mut view = view.permuted_axes(self.axes_of::<D>());
        self.reverse(&mut view, |i| self.axes[i]);
        view
    }

    /// As [`arrange`](Order::arrange), to write.
    pub(crate) fn arrange_mut<'a, F, D: Dimension>(
        &self,
        view: ArrayViewMut<'a, F, D>,
    ) -> ArrayViewMut<'a, F, D> {
        let mut view = view.permuted_axes(self.axes_of::<D>());
        self.reverse(&mut view, |i| self.axes[i]);
        view
    }

    fn axes_of<D: Dimension>(&self) -> D {
        let mut axes = D::zeros(self.axes.len());
        axes.slice_mut().copy_from_slice(&self.axes);
        axes
    }

    /// The index of the element at that place of a leaf of that shape.
    pub(crate) fn index_of(&self, place: usize, shape: &[usize]) -> Vec<usize> {
        let (mut index, mut rest) = (vec![0; shape.len()], place);
        for &axis in self.axes.iter().rev() {
            let (len, i) = (shape[axis].max(1), rest % shape[axis].max(1));
            index[axis] = if self.reversed[axis] { len - 1 - i } else { i };
            rest /= len;
        }
        index
    }

    /// Whether the elements of a leaf of that shape are in this order row by row.
    pub(crate) fn is_row_major(&self, shape: &[usize]) -> bool {
        let long = |axis: &&usize| shape[**axis] > 1;
        self.axes.iter().filter(long).is_sorted()
            && self.axes.iter().filter(long).all(|&axis| !self.reversed[axis])
    }

    /// The place, row by row, of the element at that place of a leaf of that shape.
    pub(crate) fn row_major_place(&self, place: usize, shape: &[usize]) -> usize {
        let (mut logical, mut rest) = (0, place);
        for &axis in self.axes.iter().rev() {
            let len = shape[axis].max(1);
            let i = rest % len;
            let i = if self.reversed[axis] { len - 1 - i } else { i };
            logical += i * shape[axis + 1..].iter().product::<usize>();
            rest /= len;
        }
        logical
    }

    /// `flat`, which holds a leaf of that shape in this order, as an array of that shape.
    pub(crate) fn logical<'a, F>(
        &self,
        flat: &'a [F],
        shape: &[usize],
    ) -> Option<ArrayViewD<'a, F>> {
        let arranged: Vec<usize> = self.axes.iter().map(|&axis| shape[axis]).collect();
        let view = ArrayViewD::from_shape(arranged, flat).ok()?;
        let mut inverse = vec![0; self.axes.len()];
        for (i, &axis) in self.axes.iter().enumerate() {
            inverse[axis] = i;
        }
        let mut view = view.permuted_axes(inverse);
        self.reverse(&mut view, |axis| axis);
        Some(view)
    }

    /// An array of that shape in this order, all zero, whose memory is not written yet.
    pub(crate) fn zeros<F: Copy + Zero>(&self, shape: &[usize]) -> ArrayD<F> {
        let arranged: Vec<usize> = self.axes.iter().map(|&axis| shape[axis]).collect();
        let mut inverse = vec![0; self.axes.len()];
        for (i, &axis) in self.axes.iter().enumerate() {
            inverse[axis] = i;
        }
        let mut zeros = ArrayD::zeros(arranged).permuted_axes(inverse);
        self.reverse(&mut zeros, |axis| axis);
        zeros
    }

    fn reverse<S: RawData, D: Dimension>(
        &self,
        view: &mut ArrayBase<S, D>,
        axis_of: impl Fn(usize) -> usize,
    ) {
        for i in 0..view.ndim() {
            if self.reversed[axis_of(i)] {
                view.invert_axis(Axis(i));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, ArrayD, Slice};

    use super::*;

    #[test]
    fn a_leaf_written_in_its_order_reads_back() {
        let a = Array::from_shape_fn((2, 3, 1, 4), |(i, j, _, k)| i * 100 + j * 10 + k).into_dyn();
        let mut views =
            vec![a.view(), a.view().reversed_axes(), a.view().permuted_axes(vec![1, 3, 0, 2])];
        let mut back = a.view();
        back.invert_axis(Axis(1));
        views.push(back);
        views.push(a.slice_axis(Axis(1), Slice::new(0, None, -2)));
        views.push(a.slice_axis(Axis(3), Slice::new(1, None, 2)));
        for view in views {
            let order = Order::of(view.shape(), view.strides());
            let flat: Vec<usize> = order.arrange(view.view()).iter().copied().collect();
            let memory = view.as_slice_memory_order();
            let fit = if memory.is_some() { Fit::Packed } else { Fit::WithGaps };
            assert_eq!(order.fit(view.shape(), view.strides()), fit);
            assert!(memory.is_none_or(|memory| memory == flat));
            let counted = |&axis: &usize| view.shape()[axis] > 1;
            let strides = |of: &[isize]| -> Vec<isize> {
                (0..view.ndim()).filter(counted).map(|axis| of[axis]).collect()
            };
            let packed = strides(&order.packed(view.shape())) == strides(view.strides());
            assert_eq!(packed, fit == Fit::Packed);
            assert_eq!(order.logical(&flat, view.shape()).unwrap(), view);
            let rows: Vec<usize> = view.iter().copied().collect();
            let placed = |at: usize| rows[order.row_major_place(at, view.shape())];
            assert!(flat.iter().enumerate().all(|(at, &x)| placed(at) == x));
            assert_eq!(order.is_row_major(view.shape()), rows == flat);
        }
    }

    #[test]
    fn a_transposed_or_reversed_leaf_is_in_another_order() {
        let a = ArrayD::<f32>::zeros(vec![3, 4]);
        let order = Order::of(a.shape(), a.strides());
        let square = ArrayD::<f32>::zeros(vec![3, 3]).reversed_axes();
        assert_eq!(order.fit(square.shape(), square.strides()), Fit::Differs);
        let mut reversed = a.view();
        reversed.invert_axis(Axis(0));
        assert_eq!(order.fit(reversed.shape(), reversed.strides()), Fit::Differs);
        let single = ArrayD::<f32>::zeros(vec![3, 1, 4]);
        let order = Order::of(single.shape(), single.strides());
        assert_eq!(order.fit(&[3, 1, 4], &[4, -77, 1]), Fit::Packed);
    }
}
