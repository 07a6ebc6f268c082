//! One array of a tree, whatever its rank and layout.

use ndarray::{
    ArrayBase, ArrayRef, ArrayView5, ArrayView6, ArrayViewD, ArrayViewMut5, ArrayViewMut6,
    ArrayViewMutD, Data, DataMut, Dimension,
};

use super::RowNumbers;
use crate::scalar::Scalar;

/// An array to read: a leaf of [`Params`](super::Params).
///
/// It is implemented for every array of `ndarray`, owned, view or shared, of any dimension; for numbers, without
/// axes; and for rows of numbers in a `Vec`, an array or a slice.
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

    /// The numbers of the rows whose gradients it holds, where it is a gradient of [`Rows`](super::Rows):
    /// shape and view are then those of their values. `None` of an array.
    fn rows(&self) -> Option<RowNumbers<'_>> {
        None
    }

    /// The rank, where the type tells it: its views then need no memory of their own.
    #[doc(hidden)]
    fn fixed_rank(&self) -> Option<usize> {
        None
    }

    /// A view of five axes, where that is the fixed rank.
    #[doc(hidden)]
    fn five(&self) -> Option<ArrayView5<'_, F>> {
        None
    }

    /// A view of six axes, where that is the fixed rank.
    #[doc(hidden)]
    fn six(&self) -> Option<ArrayView6<'_, F>> {
        None
    }

    /// What of the others contradicts the view, if anything does: an array of `ndarray` is right by
    /// itself, a leaf of your own is looked at.
    fn contradiction(&self) -> Option<&'static str> {
        let view = self.view();
        if self.shape() != view.shape() {
            return Some("its view has another shape");
        }
        let axes = self.strides().iter().zip(view.strides()).zip(view.shape());
        if self.strides().len() != view.ndim()
            || (!view.is_empty() && axes.into_iter().any(|((a, b), &len)| a != b && len > 1))
        {
            return Some("its view has other strides");
        }
        match (self.as_slice(), view.as_slice_memory_order()) {
            (Some(own), Some(slice)) if own.as_ptr() == slice.as_ptr() || view.is_empty() => {
                (own.len() != slice.len()).then_some("its slice has another length than its view")
            }
            (None, None) => None,
            (None, Some(_)) => Some("it leaves no gap, and has no slice"),
            _ => Some("its slice is not that of its view"),
        }
    }
}

/// An array to write: a leaf of [`ParamsMut`](super::ParamsMut).
pub trait LeafMut<F: Scalar>: Leaf<F> {
    /// The elements in memory order, where they leave no gap.
    fn as_slice_mut(&mut self) -> Option<&mut [F]>;

    /// A mutable view of it with the rank at run time.
    fn view_mut(&mut self) -> ArrayViewMutD<'_, F>;

    /// As [`five`](Leaf::five), to write.
    #[doc(hidden)]
    fn five_mut(&mut self) -> Option<ArrayViewMut5<'_, F>> {
        None
    }

    /// As [`six`](Leaf::six), to write.
    #[doc(hidden)]
    fn six_mut(&mut self) -> Option<ArrayViewMut6<'_, F>> {
        None
    }

    /// As [`contradiction`](Leaf::contradiction), of what is written to as well.
    fn contradiction_mut(&mut self) -> Option<&'static str> {
        if let Some(problem) = self.contradiction() {
            return Some(problem);
        }
        let shape = self.view_mut().shape().to_vec();
        if self.shape() != shape {
            return Some("its mutable view has another shape");
        }
        let own = self.as_slice().map(|slice| (slice.as_ptr(), slice.len()));
        let to_write = self.as_slice_mut().map(|slice| (slice.as_ptr(), slice.len()));
        (own != to_write).then_some("its mutable slice is not its slice")
    }
}

impl<F: Scalar, S: Data<Elem = F>, D: Dimension> Leaf<F> for ArrayBase<S, D> {
    fn shape(&self) -> &[usize] {
        ArrayBase::shape(self)
    }

    fn strides(&self) -> &[isize] {
        ArrayBase::strides(self)
    }

    fn as_slice(&self) -> Option<&[F]> {
        // Of a row-major array of more than four axes this one allocates nothing.
        ArrayRef::as_slice(self).or_else(|| self.as_slice_memory_order())
    }

    fn view(&self) -> ArrayViewD<'_, F> {
        (**self).view().into_dyn()
    }

    fn fixed_rank(&self) -> Option<usize> {
        D::NDIM
    }

    // Known while compiling: arrays of other ranks have nothing to compile of this.
    fn five(&self) -> Option<ArrayView5<'_, F>> {
        if const { matches!(D::NDIM, Some(5)) } {
            (**self).view().into_dimensionality().ok()
        } else {
            None
        }
    }

    fn six(&self) -> Option<ArrayView6<'_, F>> {
        if const { matches!(D::NDIM, Some(6)) } {
            (**self).view().into_dimensionality().ok()
        } else {
            None
        }
    }

    #[inline]
    fn contradiction(&self) -> Option<&'static str> {
        None
    }
}

impl<F: Scalar, S: DataMut<Elem = F>, D: Dimension> LeafMut<F> for ArrayBase<S, D> {
    fn as_slice_mut(&mut self) -> Option<&mut [F]> {
        if self.is_standard_layout() {
            ArrayRef::as_slice_mut(self)
        } else {
            self.as_slice_memory_order_mut()
        }
    }

    fn view_mut(&mut self) -> ArrayViewMutD<'_, F> {
        (**self).view_mut().into_dyn()
    }

    fn five_mut(&mut self) -> Option<ArrayViewMut5<'_, F>> {
        if const { matches!(D::NDIM, Some(5)) } {
            (**self).view_mut().into_dimensionality().ok()
        } else {
            None
        }
    }

    fn six_mut(&mut self) -> Option<ArrayViewMut6<'_, F>> {
        if const { matches!(D::NDIM, Some(6)) } {
            (**self).view_mut().into_dimensionality().ok()
        } else {
            None
        }
    }

    #[inline]
    fn contradiction_mut(&mut self) -> Option<&'static str> {
        None
    }
}
