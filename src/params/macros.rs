//! `params!`: a struct of arrays as a tree.

use ndarray::{ArrayBase, RawData};

/// The key of a field: its name, of which `r#` is no part.
#[doc(hidden)]
pub const fn key(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// A field of a struct whose list says nothing of the number.
#[doc(hidden)]
#[derive(Debug)]
pub struct Field<'a, T: ?Sized>(pub &'a T);

impl<S: RawData, D> Field<'_, ArrayBase<S, D>> {
    #[doc(hidden)]
    pub fn made_of_f32(&self)
    where
        S::Elem: TheNumberOfTheList,
    {
    }
}

/// Of a field that is no array, the list asks nothing.
#[doc(hidden)]
pub trait FieldOfAnotherType {
    fn made_of_f32(&self) {}
}

impl<T: ?Sized> FieldOfAnotherType for Field<'_, T> {}

#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`params!(Name {{ .. }})` is for arrays of `f32`, and this field's are of `{Self}`",
    label = "an array of `{Self}`",
    note = "write `thalweg::params!(Name: {Self} {{ .. }})`, or `#[derive(thalweg::Params)]`, which finds the number by itself"
)]
pub trait TheNumberOfTheList {}

impl TheNumberOfTheList for f32 {}

#[cfg(feature = "half")]
impl TheNumberOfTheList for half::bf16 {}

#[cfg(feature = "half")]
impl TheNumberOfTheList for half::f16 {}

/// Makes a struct a tree of parameters without a procedural macro: implements
/// [`Params`](trait@crate::Params) and [`ParamsMut`](crate::ParamsMut) by listing the fields to train.
///
/// `#[derive(Params)]` (feature `derive`, on by default) does it from the types alone.
///
/// A field is any tree itself: an array of any rank, a `Vec` of layers, an `Option`, another such
/// struct. A field that is not listed is left alone. Names join by dots (`layers.0.weight`).
///
/// Arrays of `f32` need no more than the list; for `f64`, or for a struct generic over the scalar,
/// say so:
///
/// ```
/// use ndarray::{Array1, Array2};
///
/// struct Layer { weight: Array2<f32>, bias: Array1<f32> }
/// thalweg::params!(Layer { weight, bias });
///
/// struct Mlp { layers: Vec<Layer>, temperature: f32 }
/// thalweg::params!(Mlp { layers });
///
/// struct Line { slope: Array1<f64> }
/// thalweg::params!(Line: f64 { slope });
///
/// struct Generic<F> { weight: Array2<F> }
/// thalweg::params!(Generic<F> { weight });
///
/// use thalweg::{Adam, Optimizer};
/// let mut model = Generic { weight: Array2::from_elem((2, 3), 1.0) };
/// let gradient = Generic { weight: Array2::ones((2, 3)) };
/// Adam::new(0.1).step(&mut model, &gradient)?;
/// assert!(model.weight.iter().all(|&w: &f64| (w - 0.9).abs() < 1e-8));
/// # let _ = Mlp { layers: vec![Layer { weight: Array2::zeros((1, 1)), bias: Array1::zeros(1) }], temperature: 1.0 }.temperature;
/// # let _ = Line { slope: Array1::zeros(1) };
/// # Ok::<(), thalweg::Error>(())
/// ```
#[macro_export]
macro_rules! params {
    ($type:ident < $scalar:ident > { $($field:ident),+ $(,)? }) => {
        $crate::params!(@impl [$scalar: $crate::Scalar] $type<$scalar>, $scalar, $($field),+);
    };
    ($type:ty : $scalar:ty { $($field:ident),+ $(,)? }) => {
        $crate::params!(@impl [] $type, $scalar, $($field),+);
    };
    ($type:ident { $($field:ident),+ $(,)? }) => {
        const _: () = {
            #[allow(dead_code, unused_imports)]
            fn made_of_f32(of: &$type) {
                use $crate::params::{Field, FieldOfAnotherType};
                $(Field(&of.$field).made_of_f32();)+
            }
        };
        $crate::params!(@impl [] $type, f32, $($field),+);
    };
    (@impl [$($generics:tt)*] $type:ty, $scalar:ty, $($field:ident),+) => {
        impl<$($generics)*> $crate::Params<$scalar> for $type {
            fn visit<'a>(
                &'a self,
                path: $crate::params::Path<'_>,
                visit: &mut dyn FnMut($crate::params::Path<'_>, &'a dyn $crate::params::Leaf<$scalar>),
            ) {
                $($crate::Params::<$scalar>::visit(
                    &self.$field,
                    path.name($crate::params::key(stringify!($field))),
                    visit,
                );)+
            }
        }

        impl<$($generics)*> $crate::ParamsMut<$scalar> for $type {
            fn visit_mut<'a>(
                &'a mut self,
                path: $crate::params::Path<'_>,
                visit: &mut dyn FnMut(
                    $crate::params::Path<'_>,
                    &'a mut dyn $crate::params::LeafMut<$scalar>,
                ),
            ) {
                $($crate::ParamsMut::<$scalar>::visit_mut(
                    &mut self.$field,
                    path.name($crate::params::key(stringify!($field))),
                    visit,
                );)+
            }
        }
    };
}
