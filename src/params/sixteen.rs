//! Arrays of numbers of 16 bits as leaves of trees of `f32`.

use half::{bf16, f16};
use ndarray::{
    ArrayBase, ArrayView1, ArrayViewD, ArrayViewMut1, ArrayViewMutD, Data, DataMut, Dimension,
};

use super::leaf::{
    HOLDS_SIXTEEN, SixteenFive, SixteenFiveMut, SixteenSix, SixteenSixMut, SixteenSlice,
    SixteenSliceMut, SixteenView, SixteenViewMut, of_rank, of_rank_mut, packed, packed_mut,
};
use super::{Leaf, LeafMut, Params, ParamsMut, Path};
use crate::sixteen::Sixteen;

macro_rules! leaf {
    ($($kind:ident: $number:ty),*) => {$(
        impl<S: Data<Elem = $number>, D: Dimension> Leaf<f32> for ArrayBase<S, D, $number> {
            fn shape(&self) -> &[usize] {
                ArrayBase::shape(self)
            }

            fn strides(&self) -> &[isize] {
                ArrayBase::strides(self)
            }

            fn as_slice(&self) -> Option<&[f32]> {
                None
            }

            fn view(&self) -> ArrayViewD<'_, f32> {
                ArrayView1::from(&[]).into_dyn()
            }

            fn sixteen_slice(&self) -> Option<SixteenSlice<'_>> {
                packed(self).map(Sixteen::$kind)
            }

            fn sixteen_view(&self) -> Option<SixteenView<'_>> {
                Some(Sixteen::$kind((**self).view().into_dyn()))
            }

            fn fixed_rank(&self) -> Option<usize> {
                D::NDIM
            }

            fn sixteen_five(&self) -> Option<SixteenFive<'_>> {
                of_rank::<5, _, _, _>(self).map(Sixteen::$kind)
            }

            fn sixteen_six(&self) -> Option<SixteenSix<'_>> {
                of_rank::<6, _, _, _>(self).map(Sixteen::$kind)
            }

            #[inline]
            fn is_sixteen(&self) -> bool {
                true
            }

            fn contradiction(&self) -> Option<&'static str> {
                Some(HOLDS_SIXTEEN)
            }
        }

        impl<S: Data<Elem = $number>, D: Dimension> Params<f32> for ArrayBase<S, D, $number> {
            fn visit<'a>(
                &'a self,
                path: Path<'_>,
                visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<f32>),
            ) {
                visit(path, self);
            }
        }

        impl<S: DataMut<Elem = $number>, D: Dimension> LeafMut<f32> for ArrayBase<S, D, $number> {
            fn as_slice_mut(&mut self) -> Option<&mut [f32]> {
                None
            }

            fn view_mut(&mut self) -> ArrayViewMutD<'_, f32> {
                ArrayViewMut1::from(&mut []).into_dyn()
            }

            fn sixteen_slice_mut(&mut self) -> Option<SixteenSliceMut<'_>> {
                packed_mut(self).map(Sixteen::$kind)
            }

            fn sixteen_view_mut(&mut self) -> Option<SixteenViewMut<'_>> {
                Some(Sixteen::$kind((**self).view_mut().into_dyn()))
            }

            fn sixteen_five_mut(&mut self) -> Option<SixteenFiveMut<'_>> {
                of_rank_mut::<5, _, _, _>(self).map(Sixteen::$kind)
            }

            fn sixteen_six_mut(&mut self) -> Option<SixteenSixMut<'_>> {
                of_rank_mut::<6, _, _, _>(self).map(Sixteen::$kind)
            }

            fn contradiction_mut(&mut self) -> Option<&'static str> {
                Some(HOLDS_SIXTEEN)
            }
        }

        impl<S: DataMut<Elem = $number>, D: Dimension> ParamsMut<f32>
            for ArrayBase<S, D, $number>
        {
            fn visit_mut<'a>(
                &'a mut self,
                path: Path<'_>,
                visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<f32>),
            ) {
                visit(path, self);
            }
        }
    )*};
}

leaf!(BFloat16: bf16, Float16: f16);
