//! The state of a rule: a few values for each element, each kind in a slot of its own.

use super::slot::Slot;
use crate::scalar::Scalar;

mod sealed {
    pub trait Sealed {}
}

/// The state of one element, `[F; N]` with N from 0 to 4, and how it is stored for a leaf.
///
/// The trait is sealed; a rule names one of the arrays as its `State`.
pub trait Slots<F: Scalar>: Copy + Send + Sync + sealed::Sealed + 'static {
    /// How many values an element has.
    const COUNT: usize;

    /// All zero.
    fn zeros() -> Self;

    /// The slots of a leaf.
    #[doc(hidden)]
    type Storage: AsRef<[Slot<F>]> + AsMut<[Slot<F>]> + Clone + Send + Sync + 'static;

    /// A stretch of the slots of a leaf: a slice each, all of one length.
    #[doc(hidden)]
    type Slices<'a>: Send + Sync;

    /// Slots of `len` elements for a parameter at `address`.
    #[doc(hidden)]
    fn filled(self, len: usize, address: usize) -> Self::Storage;

    #[doc(hidden)]
    fn slices(storage: &mut Self::Storage) -> Self::Slices<'_>;

    #[doc(hidden)]
    fn reborrow<'a>(slices: &'a mut Self::Slices<'_>) -> Self::Slices<'a>;

    #[doc(hidden)]
    fn split_at<'a>(slices: Self::Slices<'a>, at: usize) -> (Self::Slices<'a>, Self::Slices<'a>);

    #[doc(hidden)]
    fn range<'a>(slices: &'a mut Self::Slices<'_>, start: usize, end: usize) -> Self::Slices<'a>;

    /// Replaces each `w` and its slots by what `update` makes of them and of `g`.
    #[doc(hidden)]
    fn sweep(
        w: &mut [F],
        g: &[F],
        slices: Self::Slices<'_>,
        update: impl Fn(F, F, Self) -> (F, Self),
    );
}

// Each slot is a binding of its own in `sweep`: a loop over an array of slices is not vectorized.
macro_rules! slots {
    ($count:literal: $($slot:ident $other:ident),*) => {
        impl<F: Scalar> sealed::Sealed for [F; $count] {}

        impl<F: Scalar> Slots<F> for [F; $count] {
            const COUNT: usize = $count;

            fn zeros() -> Self {
                std::array::from_fn(|_| F::zero())
            }

            type Storage = [Slot<F>; $count];
            type Slices<'a> = [&'a mut [F]; $count];

            fn filled(self, len: usize, address: usize) -> Self::Storage {
                self.map(|value| Slot::filled(value, len, address))
            }

            #[inline]
            fn slices(storage: &mut Self::Storage) -> Self::Slices<'_> {
                storage.each_mut().map(Slot::as_mut_slice)
            }

            #[inline]
            fn reborrow<'a>(slices: &'a mut Self::Slices<'_>) -> Self::Slices<'a> {
                slices.each_mut().map(|slot| &mut **slot)
            }

            #[inline]
            #[allow(unused_variables)]
            fn split_at<'a>(
                slices: Self::Slices<'a>,
                at: usize,
            ) -> (Self::Slices<'a>, Self::Slices<'a>) {
                let [$($slot),*] = slices;
                $(let ($slot, $other) = $slot.split_at_mut(at);)*
                ([$($slot),*], [$($other),*])
            }

            #[inline]
            fn range<'a>(
                slices: &'a mut Self::Slices<'_>,
                start: usize,
                end: usize,
            ) -> Self::Slices<'a> {
                slices.each_mut().map(|slot| &mut slot[start..end])
            }

            #[inline(always)]
            fn sweep(
                w: &mut [F],
                g: &[F],
                slices: Self::Slices<'_>,
                update: impl Fn(F, F, Self) -> (F, Self),
            ) {
                let n = w.len();
                let g = &g[..n];
                let [$($slot),*] = slices;
                $(let $slot = &mut $slot[..n];)*
                for i in 0..n {
                    let (moved, [$($other),*]) = update(w[i], g[i], [$($slot[i]),*]);
                    w[i] = moved;
                    $($slot[i] = $other;)*
                }
            }
        }
    };
}

slots!(0:);
slots!(1: a x);
slots!(2: a x, b y);
slots!(3: a x, b y, c z);
slots!(4: a x, b y, c z, d u);
