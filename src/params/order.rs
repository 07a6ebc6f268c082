//! The order of a leaf's elements in memory.

use ndarray::{ArrayViewD, ArrayViewMutD, Axis, IxDyn, RawData};

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

impl Order {
    pub(crate) fn of(shape: &[usize], strides: &[isize]) -> Self {
        let mut axes: Vec<usize> = (0..shape.len()).collect();
        axes.sort_by_key(|&axis| {
            // An axis of length 1 may have any stride: it goes first, where it splits nothing.
            std::cmp::Reverse(if shape[axis] == 1 {
                usize::MAX
            } else {
                strides[axis].unsigned_abs()
            })
        });
        let reversed = shape.iter().zip(strides).map(|(&n, &stride)| n > 1 && stride < 0).collect();
        Self { axes, reversed }
    }

    /// Whether a leaf of that shape and those strides is in this order.
    pub(crate) fn is_of(&self, shape: &[usize], strides: &[isize]) -> bool {
        let mut slower = usize::MAX;
        self.axes.iter().filter(|&&axis| shape[axis] > 1).all(|&axis| {
            let stride = strides[axis].unsigned_abs();
            let fits = stride <= slower && self.reversed[axis] == (strides[axis] < 0);
            slower = stride;
            fits
        })
    }

    /// The view with its axes in this order, so that row-major traversal follows the memory.
    pub(crate) fn arrange<'a, F>(&self, view: ArrayViewD<'a, F>) -> ArrayViewD<'a, F> {
        let mut view = view.permuted_axes(IxDyn(&self.axes));
        self.reverse(&mut view, |i| self.axes[i]);
        view
    }

    /// As [`arrange`](Order::arrange), to write.
    pub(crate) fn arrange_mut<'a, F>(&self, view: ArrayViewMutD<'a, F>) -> ArrayViewMutD<'a, F> {
        let mut view = view.permuted_axes(IxDyn(&self.axes));
        self.reverse(&mut view, |i| self.axes[i]);
        view
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

    fn reverse<S: RawData>(
        &self,
        view: &mut ndarray::ArrayBase<S, IxDyn>,
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
    use ndarray::{Array, ArrayD, Dimension, Slice};

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
            assert!(order.is_of(view.shape(), view.strides()));
            let flat: Vec<usize> = order.arrange(view.view()).iter().copied().collect();
            if let Some(memory) = view.as_slice_memory_order() {
                assert_eq!(flat, memory);
            }
            assert_eq!(order.logical(&flat, view.shape()).unwrap(), view);
        }
    }

    #[test]
    fn a_transposed_or_reversed_leaf_is_in_another_order() {
        let a = ArrayD::<f32>::zeros(vec![3, 4]);
        let order = Order::of(a.shape(), a.strides());
        let square = ArrayD::<f32>::zeros(vec![3, 3]).reversed_axes();
        assert!(!order.is_of(square.shape(), square.strides()));
        let mut reversed = a.view();
        reversed.invert_axis(Axis(0));
        assert!(!order.is_of(reversed.shape(), reversed.strides()));
        assert_eq!(order, Order::of(a.shape(), a.raw_dim().default_strides_isize().as_slice()));
    }

    trait DefaultStrides {
        fn default_strides_isize(&self) -> Vec<isize>;
    }

    impl DefaultStrides for IxDyn {
        fn default_strides_isize(&self) -> Vec<isize> {
            let mut strides = vec![1; self.ndim()];
            for i in (0..self.ndim().saturating_sub(1)).rev() {
                strides[i] = strides[i + 1] * self[i + 1] as isize;
            }
            strides
        }
    }
}
