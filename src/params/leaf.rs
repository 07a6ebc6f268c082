//! One array of a tree, whatever its rank and layout.

use ndarray::{
    ArrayBase, ArrayRef, ArrayView, ArrayView5, ArrayView6, ArrayViewD, ArrayViewMut,
    ArrayViewMut5, ArrayViewMut6, ArrayViewMutD, Data, DataMut, Dimension,
};

use super::RowNumbers;
use crate::scalar::Scalar;
use crate::sixteen::{Sixteen, bf16, f16};

/// What contradicts the view of a leaf of 16 bits where numbers of the tree's own are asked for.
pub(crate) const HOLDS_SIXTEEN: &str = "its numbers have 16 bits";

/// The slice of a leaf of 16 bits.
pub(crate) type SixteenSlice<'a> = Sixteen<&'a [bf16], &'a [f16]>;

/// That to write.
pub(crate) type SixteenSliceMut<'a> = Sixteen<&'a mut [bf16], &'a mut [f16]>;

/// A view of such a leaf.
pub(crate) type SixteenView<'a> = Sixteen<ArrayViewD<'a, bf16>, ArrayViewD<'a, f16>>;

/// That to write.
pub(crate) type SixteenViewMut<'a> = Sixteen<ArrayViewMutD<'a, bf16>, ArrayViewMutD<'a, f16>>;

/// A view of five axes of such a leaf.
pub(crate) type SixteenFive<'a> = Sixteen<ArrayView5<'a, bf16>, ArrayView5<'a, f16>>;

/// That to write.
pub(crate) type SixteenFiveMut<'a> = Sixteen<ArrayViewMut5<'a, bf16>, ArrayViewMut5<'a, f16>>;

/// A view of six axes of such a leaf.
pub(crate) type SixteenSix<'a> = Sixteen<ArrayView6<'a, bf16>, ArrayView6<'a, f16>>;

/// That to write.
pub(crate) type SixteenSixMut<'a> = Sixteen<ArrayViewMut6<'a, bf16>, ArrayViewMut6<'a, f16>>;

/// An array to read: a leaf of [`Params`](super::Params).
///
/// It is implemented for every array of `ndarray`, owned, view or shared, of any dimension; for numbers, without
/// axes; and for rows of numbers in a `Vec`, an array or a slice.
///
/// With the feature `half`, arrays of `half::bf16` and `half::f16` are leaves of trees of `f32`. They have no
/// `f32` to lend: `as_slice` is `None`, and `view` has no elements.
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

    /// The elements in memory order, where they are of 16 bits and leave no gap.
    #[doc(hidden)]
    fn sixteen_slice(&self) -> Option<SixteenSlice<'_>> {
        None
    }

    /// A view of them, where they are of 16 bits.
    #[doc(hidden)]
    fn sixteen_view(&self) -> Option<SixteenView<'_>> {
        None
    }

    /// Whether they are of 16 bits.
    #[doc(hidden)]
    #[inline]
    fn is_sixteen(&self) -> bool {
        false
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

    /// As [`five`](Self::five), where they are of 16 bits.
    #[doc(hidden)]
    fn sixteen_five(&self) -> Option<SixteenFive<'_>> {
        None
    }

    /// As [`six`](Self::six), where they are of 16 bits.
    #[doc(hidden)]
    fn sixteen_six(&self) -> Option<SixteenSix<'_>> {
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

    /// As [`sixteen_slice`](Leaf::sixteen_slice), to write.
    #[doc(hidden)]
    fn sixteen_slice_mut(&mut self) -> Option<SixteenSliceMut<'_>> {
        None
    }

    /// As [`sixteen_view`](Leaf::sixteen_view), to write.
    #[doc(hidden)]
    fn sixteen_view_mut(&mut self) -> Option<SixteenViewMut<'_>> {
        None
    }

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

    /// As [`sixteen_five`](Leaf::sixteen_five), to write.
    #[doc(hidden)]
    fn sixteen_five_mut(&mut self) -> Option<SixteenFiveMut<'_>> {
        None
    }

    /// As [`sixteen_six`](Leaf::sixteen_six), to write.
    #[doc(hidden)]
    fn sixteen_six_mut(&mut self) -> Option<SixteenSixMut<'_>> {
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

/// The slice of an array without gaps, in memory order.
#[inline]
pub(super) fn packed<S: Data, D: Dimension>(array: &ArrayBase<S, D>) -> Option<&[S::Elem]> {
    // Of a row-major array of more than four axes the first allocates nothing.
    ArrayRef::as_slice(array).or_else(|| array.as_slice_memory_order())
}

#[inline]
pub(super) fn packed_mut<S: DataMut, D: Dimension>(
    array: &mut ArrayBase<S, D>,
) -> Option<&mut [S::Elem]> {
    if array.is_standard_layout() {
        ArrayRef::as_slice_mut(array)
    } else {
        array.as_slice_memory_order_mut()
    }
}

/// A view of that rank, where the type tells that it is the array's: known while compiling, so that arrays of other
/// ranks have nothing to compile of it.
#[inline]
pub(super) fn of_rank<const N: usize, S: Data, D: Dimension, E: Dimension>(
    array: &ArrayBase<S, D>,
) -> Option<ArrayView<'_, S::Elem, E>> {
    if const { is_rank(D::NDIM, N) } { array.view().into_dimensionality().ok() } else { None }
}

/// As [`of_rank`], to write.
#[inline]
pub(super) fn of_rank_mut<const N: usize, S: DataMut, D: Dimension, E: Dimension>(
    array: &mut ArrayBase<S, D>,
) -> Option<ArrayViewMut<'_, S::Elem, E>> {
    if const { is_rank(D::NDIM, N) } { array.view_mut().into_dimensionality().ok() } else { None }
}

const fn is_rank(known: Option<usize>, rank: usize) -> bool {
    matches!(known, Some(known) if known == rank)
}

impl<F: Scalar, S: Data<Elem = F>, D: Dimension> Leaf<F> for ArrayBase<S, D, F> {
    fn shape(&self) -> &[usize] {
        ArrayBase::shape(self)
    }

    fn strides(&self) -> &[isize] {
        ArrayBase::strides(self)
    }

    fn as_slice(&self) -> Option<&[F]> {
        packed(self)
    }

    fn view(&self) -> ArrayViewD<'_, F> {
        (**self).view().into_dyn()
    }

    fn fixed_rank(&self) -> Option<usize> {
        D::NDIM
    }

    fn five(&self) -> Option<ArrayView5<'_, F>> {
        of_rank::<5, _, _, _>(self)
    }

    fn six(&self) -> Option<ArrayView6<'_, F>> {
        of_rank::<6, _, _, _>(self)
    }

    #[inline]
    fn contradiction(&self) -> Option<&'static str> {
        None
    }
}

impl<F: Scalar, S: DataMut<Elem = F>, D: Dimension> LeafMut<F> for ArrayBase<S, D, F> {
    fn as_slice_mut(&mut self) -> Option<&mut [F]> {
        packed_mut(self)
    }

    fn view_mut(&mut self) -> ArrayViewMutD<'_, F> {
        (**self).view_mut().into_dyn()
    }

    fn five_mut(&mut self) -> Option<ArrayViewMut5<'_, F>> {
        of_rank_mut::<5, _, _, _>(self)
    }

    fn six_mut(&mut self) -> Option<ArrayViewMut6<'_, F>> {
        of_rank_mut::<6, _, _, _>(self)
    }

    #[inline]
    fn contradiction_mut(&mut self) -> Option<&'static str> {
        None
    }
}
