//! One array of a tree, whatever its rank and layout.

use ndarray::{ArrayBase, ArrayViewD, ArrayViewMutD, Data, DataMut, Dimension};

use crate::scalar::Scalar;

/// An array to read: a leaf of [`Params`](super::Params).
///
/// It is implemented for every array of `ndarray`: owned, view or shared, of any dimension.
pub trait Leaf<F: Scalar> {
    /// Length of each axis.
    fn shape(&self) -> &[usize];

    /// Stride of each axis in elements; it may be negative, and 0 in a broadcast view.
    fn strides(&self) -> &[isize];

    /// The elements in memory order, lowest address first, where they leave no gap.
    ///
    /// Two leaves of one shape are in the same order only if their strides are equal too, on
    /// every axis longer than 1.
    fn as_slice(&self) -> Option<&[F]>;

    /// A view of it with the rank at run time.
    fn view(&self) -> ArrayViewD<'_, F>;
}

/// An array to write: a leaf of [`ParamsMut`](super::ParamsMut).
pub trait LeafMut<F: Scalar>: Leaf<F> {
    /// The elements in memory order, where they leave no gap.
    fn as_slice_mut(&mut self) -> Option<&mut [F]>;

    /// A mutable view of it with the rank at run time.
    fn view_mut(&mut self) -> ArrayViewMutD<'_, F>;
}

impl<F: Scalar, S: Data<Elem = F>, D: Dimension> Leaf<F> for ArrayBase<S, D> {
    fn shape(&self) -> &[usize] {
        ArrayBase::shape(self)
    }

    fn strides(&self) -> &[isize] {
        ArrayBase::strides(self)
    }

    fn as_slice(&self) -> Option<&[F]> {
        self.as_slice_memory_order()
    }

    fn view(&self) -> ArrayViewD<'_, F> {
        (**self).view().into_dyn()
    }
}

impl<F: Scalar, S: DataMut<Elem = F>, D: Dimension> LeafMut<F> for ArrayBase<S, D> {
    fn as_slice_mut(&mut self) -> Option<&mut [F]> {
        self.as_slice_memory_order_mut()
    }

    fn view_mut(&mut self) -> ArrayViewMutD<'_, F> {
        (**self).view_mut().into_dyn()
    }
}
