//! Parameters and gradients of strided leaves, as slices or views.
//!
//! A view whose rank is known at run time alone allocates from five axes on. So arrays of five and six axes
//! are kept as what they are, where their type tells the rank.

use ndarray::{
    ArrayView, ArrayViewD, ArrayViewMut, ArrayViewMutD, Axis, Dimension, Ix5, Ix6, IxDyn,
    ShapeBuilder,
};

use crate::params::{Leaf, LeafMut, Order};
use crate::reduce::{self, How, Sum, Term};
use crate::scalar::Scalar;

/// A parameter, arranged in the order of its slots.
pub(super) enum Target<'a, E> {
    Slice(&'a mut [E]),
    View(ArrayViewMutD<'a, E>),
    Five(ArrayViewMut<'a, E, Ix5>),
    Six(ArrayViewMut<'a, E, Ix6>),
}

/// A gradient, arranged likewise.
pub(super) enum Source<'a, E> {
    Slice(&'a [E]),
    View(ArrayViewD<'a, E>),
    Five(ArrayView<'a, E, Ix5>),
    Six(ArrayView<'a, E, Ix6>),
}

fn pair<T, U>((a, b): (T, T), of: impl Fn(T) -> U) -> [U; 2] {
    [of(a), of(b)]
}

impl<'a, F: Scalar> Target<'a, F> {
    /// A view of a parameter.
    pub(super) fn of(w: &'a mut dyn LeafMut<F>, order: &Order) -> Self {
        match w.fixed_rank() {
            Some(5) => w.five_mut().map(|view| Target::Five(order.arrange_mut(view))),
            Some(6) => w.six_mut().map(|view| Target::Six(order.arrange_mut(view))),
            _ => Some(Target::View(order.arrange_mut(w.view_mut()))),
        }
        // A leaf that says what it is not would have been refused.
        .unwrap_or(Target::Slice(&mut []))
    }
}

impl<'a, E> Target<'a, E> {
    /// A slice as an array of that shape.
    pub(super) fn grid(shape: &[usize], slice: &'a mut [E]) -> Self {
        ArrayViewMutD::from_shape(shape, slice)
            .map_or_else(|_| Target::Slice(&mut []), Target::View)
    }

    pub(super) fn reborrow(&mut self) -> Target<'_, E> {
        match self {
            Target::Slice(slice) => Target::Slice(slice),
            Target::View(view) => Target::View(view.view_mut()),
            Target::Five(view) => Target::Five((**view).view_mut()),
            Target::Six(view) => Target::Six((**view).view_mut()),
        }
    }

    /// The same to read.
    pub(super) fn read(&self) -> Source<'_, E> {
        match self {
            Target::Slice(slice) => Source::Slice(slice),
            Target::View(view) => Source::View(view.view()),
            Target::Five(view) => Source::Five((**view).view()),
            Target::Six(view) => Source::Six((**view).view()),
        }
    }

    /// The parts before and after `index` of the slowest axis, `at` elements after the first.
    pub(super) fn split_at(self, at: usize, index: usize) -> [Self; 2] {
        match self {
            Target::Slice(slice) => pair(slice.split_at_mut(at), Target::Slice),
            Target::View(view) => pair(view.split_at(Axis(0), index), Target::View),
            Target::Five(view) => pair(view.split_at(Axis(0), index), Target::Five),
            Target::Six(view) => pair(view.split_at(Axis(0), index), Target::Six),
        }
    }

    /// Calls `with` with the elements, in their order.
    pub(super) fn visit<R>(self, with: impl FnOnce(&mut dyn Iterator<Item = &mut E>) -> R) -> R {
        match self {
            Target::Slice(slice) => with(&mut slice.iter_mut()),
            Target::View(view) => with(&mut view.into_iter()),
            Target::Five(view) => with(&mut view.into_iter()),
            Target::Six(view) => with(&mut view.into_iter()),
        }
    }
}

impl<'a, F: Scalar> Source<'a, F> {
    /// A view of a gradient.
    pub(super) fn of(g: &'a dyn Leaf<F>, order: &Order) -> Self {
        match g.fixed_rank() {
            Some(5) => g.five().map(|view| Source::Five(order.arrange(view))),
            Some(6) => g.six().map(|view| Source::Six(order.arrange(view))),
            _ => None,
        }
        .unwrap_or_else(|| Source::View(order.arrange(g.view())))
    }
}

impl<'a, E> Source<'a, E> {
    /// A slice as an array of that shape.
    pub(super) fn grid(shape: &[usize], slice: &'a [E]) -> Self {
        ArrayViewD::from_shape(shape, slice).map_or_else(|_| Source::Slice(&[]), Source::View)
    }

    /// Calls `with` with the elements, in their order.
    pub(super) fn visit<R>(&self, with: impl FnOnce(&mut dyn Iterator<Item = &E>) -> R) -> R {
        match self {
            Source::Slice(slice) => with(&mut slice.iter()),
            Source::View(view) => with(&mut view.iter()),
            Source::Five(view) => with(&mut view.iter()),
            Source::Six(view) => with(&mut view.iter()),
        }
    }

    /// A value for each index along an axis, in that shape.
    pub(super) fn along(axis: usize, shape: &[usize], values: &'a [E]) -> Option<Self> {
        fn view<'a, F, D: Dimension>(
            axis: usize,
            shape: &[usize],
            values: &'a [F],
        ) -> Option<ArrayView<'a, F, D>> {
            let (mut lengths, mut strides) = (D::zeros(shape.len()), D::zeros(shape.len()));
            lengths.slice_mut().copy_from_slice(shape);
            strides.slice_mut()[axis] = 1;
            ArrayView::from_shape(lengths.strides(strides), values).ok()
        }
        match shape.len() {
            5 => view::<E, Ix5>(axis, shape, values).map(Source::Five),
            6 => view::<E, Ix6>(axis, shape, values).map(Source::Six),
            _ => view::<E, IxDyn>(axis, shape, values).map(Source::View),
        }
    }

    pub(super) fn reborrow(&self) -> Source<'_, E> {
        match self {
            Source::Slice(slice) => Source::Slice(slice),
            Source::View(view) => Source::View(view.view()),
            Source::Five(view) => Source::Five((**view).view()),
            Source::Six(view) => Source::Six((**view).view()),
        }
    }

    /// As [`Target::split_at`]; a slice may be shorter, and is then empty.
    pub(super) fn split_at(self, at: usize, index: usize) -> [Self; 2] {
        match self {
            Source::Slice(slice) => pair(slice.split_at(at.min(slice.len())), Source::Slice),
            Source::View(view) => pair(view.split_at(Axis(0), index), Source::View),
            Source::Five(view) => pair(view.split_at(Axis(0), index), Source::Five),
            Source::Six(view) => pair(view.split_at(Axis(0), index), Source::Six),
        }
    }

    /// What has one index of an axis.
    pub(super) fn at(&self, axis: usize, index: usize) -> Source<'_, E> {
        match self {
            Source::Slice(slice) => Source::Slice(slice),
            Source::View(view) => Source::View(view.index_axis(Axis(axis), index)),
            Source::Five(view) => Source::View(view.index_axis(Axis(axis), index).into_dyn()),
            Source::Six(view) => Source::Five(view.index_axis(Axis(axis), index)),
        }
    }
}

impl<F: Scalar> Source<'_, F> {
    /// The largest |x|, as [`Scalar::size`] tells it.
    pub(super) fn largest(&self, how: How) -> F::Size {
        match self {
            Source::Slice(slice) => reduce::largest_slice(slice, how),
            Source::View(view) => reduce::largest_view(view),
            _ => self.planes(F::Size::default(), &|plane| plane.largest(how), Ord::max),
        }
    }

    pub(super) fn sum<T: Term>(&self, term: T, how: How) -> Sum {
        match self {
            Source::Slice(slice) => reduce::sum_slice(slice, term, how),
            Source::View(view) => reduce::sum_view(view.view(), term, how),
            _ => self.planes(Sum::default(), &|plane| plane.sum(term, how), Sum::add),
        }
    }

    /// Brings together what `of` finds for each index of the slowest axis.
    fn planes<R>(&self, none: R, of: &dyn Fn(Source<'_, F>) -> R, add: fn(R, R) -> R) -> R {
        let len = self.shape().and_then(|shape| shape.first()).copied().unwrap_or(0);
        (0..len).fold(none, |found, index| add(found, of(self.at(0, index))))
    }
}

macro_rules! axes {
    ($type:ident) => {
        impl<F> $type<'_, F> {
            /// The shape of a view.
            pub(super) fn shape(&self) -> Option<&[usize]> {
                match self {
                    $type::Slice(_) => None,
                    $type::View(view) => Some(view.shape()),
                    $type::Five(view) => Some(view.shape()),
                    $type::Six(view) => Some(view.shape()),
                }
            }

            /// Whether an axis and the next are one in memory.
            pub(super) fn joins(&self, axis: usize) -> bool {
                let strides = match self {
                    $type::Slice(_) => return true,
                    $type::View(view) => view.strides(),
                    $type::Five(view) => view.strides(),
                    $type::Six(view) => view.strides(),
                };
                let next = self.shape().map_or(0, |shape| shape[axis + 1] as isize);
                strides[axis] == next * strides[axis + 1]
            }

            pub(super) fn join_axis(mut self, axis: usize) -> Self {
                let (of, into) = (Axis(axis), Axis(axis + 1));
                match &mut self {
                    $type::Slice(_) => true,
                    $type::View(view) => view.merge_axes(of, into),
                    $type::Five(view) => view.merge_axes(of, into),
                    $type::Six(view) => view.merge_axes(of, into),
                };
                self.drop_axis(axis)
            }

            pub(super) fn drop_axis(self, axis: usize) -> Self {
                let axis = Axis(axis);
                match self {
                    $type::View(view) => $type::View(view.index_axis_move(axis, 0)),
                    $type::Five(view) => $type::View(view.index_axis_move(axis, 0).into_dyn()),
                    $type::Six(view) => $type::Five(view.index_axis_move(axis, 0)),
                    slice => slice,
                }
            }
        }
    };
}

axes!(Target);
axes!(Source);
