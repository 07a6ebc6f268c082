//! Trees made of the containers of the standard library and of `ndarray`.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use ndarray::{ArrayBase, Data, DataMut, Dimension};

use super::{Leaf, LeafMut, Params, ParamsMut, Path};
use crate::scalar::Scalar;

impl<F: Scalar, S: Data<Elem = F>, D: Dimension> Params<F> for ArrayBase<S, D, F> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        visit(path, self);
    }
}

impl<F: Scalar, S: DataMut<Elem = F>, D: Dimension> ParamsMut<F> for ArrayBase<S, D, F> {
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    ) {
        visit(path, self);
    }
}

macro_rules! through_a_pointer {
    ($($pointer:ty: $bound:ident),*) => {$(
        impl<F: Scalar, T: $bound<F> + ?Sized> Params<F> for $pointer {
            fn visit<'a>(
                &'a self,
                path: Path<'_>,
                visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>),
            ) {
                (**self).visit(path, visit);
            }
        }
    )*};
    (mut $($pointer:ty),*) => {$(
        impl<F: Scalar, T: ParamsMut<F> + ?Sized> ParamsMut<F> for $pointer {
            fn visit_mut<'a>(
                &'a mut self,
                path: Path<'_>,
                visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
            ) {
                (**self).visit_mut(path, visit);
            }
        }
    )*};
}

through_a_pointer!(&T: Params, &mut T: Params, Box<T>: Params);
through_a_pointer!(mut &mut T, Box<T>);

macro_rules! sequence {
    ($([$($generics:tt)*] $type:ty),*) => {$(
        impl<F: Scalar, T: Params<F>, $($generics)*> Params<F> for $type {
            fn visit<'a>(
                &'a self,
                path: Path<'_>,
                visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>),
            ) {
                T::visit_items(self, path, visit);
            }
        }

        impl<F: Scalar, T: ParamsMut<F>, $($generics)*> ParamsMut<F> for $type {
            fn visit_mut<'a>(
                &'a mut self,
                path: Path<'_>,
                visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
            ) {
                T::visit_items_mut(self, path, visit);
            }
        }
    )*};
}

sequence!([] Vec<T>, [const N: usize] [T; N]);

impl<F: Scalar, T: Params<F>> Params<F> for Option<T> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        if let Some(inner) = self {
            inner.visit(path, visit);
        }
    }
}

impl<F: Scalar, T: ParamsMut<F>> ParamsMut<F> for Option<T> {
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    ) {
        if let Some(inner) = self {
            inner.visit_mut(path, visit);
        }
    }
}

impl<F: Scalar, T: Params<F>> Params<F> for BTreeMap<String, T> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        for (key, item) in self {
            item.visit(path.name(key), visit);
        }
    }
}

impl<F: Scalar, T: ParamsMut<F>> ParamsMut<F> for BTreeMap<String, T> {
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    ) {
        for (key, item) in self {
            item.visit_mut(path.name(key), visit);
        }
    }
}

/// It has no leaf.
impl<F: Scalar, T: ?Sized> Params<F> for PhantomData<T> {
    fn visit<'a>(&'a self, _: Path<'_>, _: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {}
}

impl<F: Scalar, T: ?Sized> ParamsMut<F> for PhantomData<T> {
    fn visit_mut<'a>(
        &'a mut self,
        _: Path<'_>,
        _: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    ) {
    }
}

macro_rules! tuple {
    ($($item:ident $index:tt),+) => {
        impl<Scal: Scalar, $($item: Params<Scal>),+> Params<Scal> for ($($item,)+) {
            fn visit<'a>(
                &'a self,
                path: Path<'_>,
                visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<Scal>),
            ) {
                $(self.$index.visit(path.index($index), visit);)+
            }
        }

        impl<Scal: Scalar, $($item: ParamsMut<Scal>),+> ParamsMut<Scal> for ($($item,)+) {
            fn visit_mut<'a>(
                &'a mut self,
                path: Path<'_>,
                visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<Scal>),
            ) {
                $(self.$index.visit_mut(path.index($index), visit);)+
            }
        }
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10, M 11);
