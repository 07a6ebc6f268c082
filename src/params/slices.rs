//! Numbers, and what holds a row of them: leaves without `ndarray`.

use std::collections::BTreeMap;
use std::slice;
use std::sync::{PoisonError, RwLock};

use ndarray::{ArrayView1, ArrayViewD, ArrayViewMut1, ArrayViewMutD, Axis};

use super::{Leaf, LeafMut, Params, ParamsMut, Path};
use crate::scalar::Scalar;

/// The shape of a row of that length. A row has no room for it, and a leaf lends its own: those of up to 1024
/// are there, and of longer ones one is kept for each length that ever was.
fn shape_of(len: usize) -> &'static [usize] {
    const SHORT: usize = 1025;
    static SHAPES: [[usize; 1]; SHORT] = {
        let mut shapes = [[0]; SHORT];
        let mut i = 0;
        while i < SHORT {
            shapes[i] = [i];
            i += 1;
        }
        shapes
    };
    static LONG: RwLock<BTreeMap<usize, &'static [usize; 1]>> = RwLock::new(BTreeMap::new());
    if let Some(shape) = SHAPES.get(len) {
        return shape;
    }
    if let Some(shape) = LONG.read().unwrap_or_else(PoisonError::into_inner).get(&len) {
        return *shape;
    }
    let mut long = LONG.write().unwrap_or_else(PoisonError::into_inner);
    *long.entry(len).or_insert_with(|| Box::leak(Box::new([len])))
}

/// What holds a row of `T`, to be visited item by item, or as one leaf where the items are numbers.
#[doc(hidden)]
pub trait Items<T> {
    fn items(&self) -> &[T];

    fn leaf(&self) -> &dyn Leaf<T>
    where
        T: Scalar;
}

/// As [`Items`], to write.
#[doc(hidden)]
pub trait ItemsMut<T>: Items<T> {
    fn items_mut(&mut self) -> &mut [T];

    fn leaf_mut(&mut self) -> &mut dyn LeafMut<T>
    where
        T: Scalar;
}

/// A leaf of numbers without a gap.
macro_rules! leaf {
    ($numbers:ident, $rank:literal, $slice:expr) => {
        fn shape(&self) -> &[usize] {
            let $numbers = self;
            if $rank == 1 { shape_of($slice.len()) } else { &[] }
        }

        fn strides(&self) -> &[isize] {
            &[1; $rank]
        }

        fn as_slice(&self) -> Option<&[F]> {
            let $numbers = self;
            Some($slice)
        }

        fn view(&self) -> ArrayViewD<'_, F> {
            let $numbers = self;
            let row = ArrayView1::from($slice);
            if $rank == 1 { row.into_dyn() } else { row.remove_axis(Axis(0)).into_dyn() }
        }

        fn fixed_rank(&self) -> Option<usize> {
            Some($rank)
        }

        fn contradiction(&self) -> Option<&'static str> {
            None
        }
    };
}

macro_rules! leaf_mut {
    ($numbers:ident, $rank:literal, $slice:expr) => {
        fn as_slice_mut(&mut self) -> Option<&mut [F]> {
            let $numbers = self;
            Some($slice)
        }

        fn view_mut(&mut self) -> ArrayViewMutD<'_, F> {
            let $numbers = self;
            let row = ArrayViewMut1::from($slice);
            if $rank == 1 { row.into_dyn() } else { row.remove_axis(Axis(0)).into_dyn() }
        }

        fn contradiction_mut(&mut self) -> Option<&'static str> {
            None
        }
    };
}

macro_rules! row {
    ($([$($generics:tt)*] $row:ty),*) => {$(
        impl<$($generics)* F> Items<F> for $row {
            fn items(&self) -> &[F] {
                &self[..]
            }

            fn leaf(&self) -> &dyn Leaf<F>
            where
                F: Scalar,
            {
                self
            }
        }

        impl<$($generics)* F: Scalar> Leaf<F> for $row {
            leaf!(row, 1, &row[..]);
        }
    )*};
    (mut $([$($generics:tt)*] $row:ty),*) => {$(
        row!([$($generics)*] $row);

        impl<$($generics)* F> ItemsMut<F> for $row {
            fn items_mut(&mut self) -> &mut [F] {
                &mut self[..]
            }

            fn leaf_mut(&mut self) -> &mut dyn LeafMut<F>
            where
                F: Scalar,
            {
                self
            }
        }

        impl<$($generics)* F: Scalar> LeafMut<F> for $row {
            leaf_mut!(row, 1, &mut row[..]);
        }
    )*};
}

row!(['s,] &'s [F]);
row!(mut [] Vec<F>, [] Box<[F]>, ['s,] &'s mut [F], [const N: usize,] [F; N]);

/// Trees that a row of any trees is: of numbers one leaf, else the items by their places.
macro_rules! tree {
    ($([$($generics:tt)*] $scalar:ty, $row:ty);*) => {$(
        impl<$($generics)* T: Params<$scalar>> Params<$scalar> for $row {
            fn visit<'a>(
                &'a self,
                path: Path<'_>,
                visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<$scalar>),
            ) {
                T::visit_items(self, path, visit);
            }
        }
    )*};
    (mut $([$($generics:tt)*] $scalar:ty, $row:ty);*) => {$(
        tree!([$($generics)*] $scalar, $row);

        impl<$($generics)* T: ParamsMut<$scalar>> ParamsMut<$scalar> for $row {
            fn visit_mut<'a>(
                &'a mut self,
                path: Path<'_>,
                visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<$scalar>),
            ) {
                T::visit_items_mut(self, path, visit);
            }
        }
    )*};
}

// Each for itself: those of both at once would overlap with the pointers' to any tree.
tree!(['s,] f32, &'s [T]; ['s,] f64, &'s [T]);
tree!(mut ['s,] f32, &'s mut [T]; ['s,] f64, &'s mut [T]; [] f32, Box<[T]>; [] f64, Box<[T]>);

macro_rules! number {
    ($($scalar:ident),*) => {$(
        const _: () = {
            type F = $scalar;

            impl Leaf<F> for F {
                leaf!(number, 0, slice::from_ref(number));
            }

            impl LeafMut<F> for F {
                leaf_mut!(number, 0, slice::from_mut(number));
            }

            /// A leaf without axes.
            impl Params<F> for F {
                fn visit<'a>(
                    &'a self,
                    path: Path<'_>,
                    visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>),
                ) {
                    visit(path, self);
                }

                fn visit_items<'a, C: Items<F>>(
                    items: &'a C,
                    path: Path<'_>,
                    visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>),
                ) where
                    F: 'a,
                {
                    visit(path, items.leaf());
                }
            }

            impl ParamsMut<F> for F {
                fn visit_mut<'a>(
                    &'a mut self,
                    path: Path<'_>,
                    visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
                ) {
                    visit(path, self);
                }

                fn visit_items_mut<'a, C: ItemsMut<F>>(
                    items: &'a mut C,
                    path: Path<'_>,
                    visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
                ) where
                    F: 'a,
                {
                    visit(path, items.leaf_mut());
                }
            }
        };
    )*};
}

number!(f32, f64);
