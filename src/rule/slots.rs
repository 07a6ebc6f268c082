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

    /// Replaces each of the first `n` of `w` and its slots by what `update` makes of them and of `g`.
    #[doc(hidden)]
    fn sweep(
        n: usize,
        w: &mut [F],
        g: &[F],
        slices: Self::Slices<'_>,
        update: impl Fn(F, F, Self) -> (F, Self),
    );

    /// As [`sweep`](Slots::sweep), with an average of each `w` beside the slots.
    #[doc(hidden)]
    fn sweep_averaged(
        n: usize,
        w: &mut [F],
        g: &[F],
        average: &mut [F],
        slices: Self::Slices<'_>,
        update: impl Fn(F, F, F, Self) -> (F, F, Self),
    );

    /// The sums of the squares of two quantities of each element.
    #[doc(hidden)]
    fn sum_squares(
        w: &[F],
        g: &[F],
        slices: Self::Slices<'_>,
        quantities: impl Fn(F, F, Self) -> [F; 2],
    ) -> [f64; 2];
}

/// The sum of sixteen running sums.
#[inline(always)]
fn fold(mut lanes: [f64; 16]) -> f64 {
    let mut width = lanes.len() / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
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
                n: usize,
                w: &mut [F],
                g: &[F],
                slices: Self::Slices<'_>,
                update: impl Fn(F, F, Self) -> (F, Self),
            ) {
                let (w, g) = (&mut w[..n], &g[..n]);
                let [$($slot),*] = slices;
                $(let $slot = &mut $slot[..n];)*
                for i in 0..n {
                    let (moved, [$($other),*]) = update(w[i], g[i], [$($slot[i]),*]);
                    w[i] = moved;
                    $($slot[i] = $other;)*
                }
            }

            #[inline(always)]
            fn sweep_averaged(
                n: usize,
                w: &mut [F],
                g: &[F],
                average: &mut [F],
                slices: Self::Slices<'_>,
                update: impl Fn(F, F, F, Self) -> (F, F, Self),
            ) {
                let (w, g, average) = (&mut w[..n], &g[..n], &mut average[..n]);
                let [$($slot),*] = slices;
                $(let $slot = &mut $slot[..n];)*
                for i in 0..n {
                    let (moved, mean, [$($other),*]) =
                        update(w[i], g[i], average[i], [$($slot[i]),*]);
                    w[i] = moved;
                    average[i] = mean;
                    $($slot[i] = $other;)*
                }
            }

            #[inline(always)]
            fn sum_squares(
                w: &[F],
                g: &[F],
                slices: Self::Slices<'_>,
                quantities: impl Fn(F, F, Self) -> [F; 2],
            ) -> [f64; 2] {
                const LANES: usize = 16;
                let n = w.len();
                let g = &g[..n];
                let [$($slot),*] = slices;
                $(let $slot = &$slot[..n];)*
                let (mut p, mut q) = ([0.0; LANES], [0.0; LANES]);
                let whole = n / LANES * LANES;
                for start in (0..whole).step_by(LANES) {
                    for lane in 0..LANES {
                        let i = start + lane;
                        let [x, y] = quantities(w[i], g[i], [$($slot[i]),*]).map(F::into_f64);
                        p[lane] += x * x;
                        q[lane] += y * y;
                    }
                }
                for i in whole..n {
                    let [x, y] = quantities(w[i], g[i], [$($slot[i]),*]).map(F::into_f64);
                    p[i - whole] += x * x;
                    q[i - whole] += y * y;
                }
                [p, q].map(fold)
            }
        }
    };
}

slots!(0:);
slots!(1: a x);
slots!(2: a x, b y);
slots!(3: a x, b y, c z);
slots!(4: a x, b y, c z, d u);
