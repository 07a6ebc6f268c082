//! The state of a rule: a few values for each element, each kind in a slot of its own.

use super::SUMS;
use crate::hash;
use crate::scalar::Scalar;

mod sealed {
    pub trait Sealed {}
}

/// The most values of state that an element may have.
pub(crate) const MOST: usize = 4;

/// What a slot of a rule holds: by it the engine knows whether fewer bits will do.
///
/// ```
/// use thalweg::rule::SlotKind;
/// use thalweg::{Rule, rules};
/// let kinds = <rules::Adam as Rule<f32>>::SLOT_KINDS;
/// assert_eq!(kinds, [SlotKind::SignedMean, SlotKind::NonNegativeMean]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlotKind {
    /// An average, or a fading sum, of numbers of both signs.
    SignedMean,
    /// An average of numbers that are not negative, such as squares: 0 only where all were.
    NonNegativeMean,
    /// A sum of numbers that are not negative, which only grows.
    Sum,
    /// What has to be exact: it stays full.
    Exact,
}

/// The slots of a stretch of elements, a slice each; those that a rule does not have are empty.
pub(crate) type Slices<'a, F> = [&'a mut [F]; MOST];

/// The state of one element, `[F; N]` with N from 0 to 4.
///
/// The trait is sealed; a rule names one of the arrays as its `State`.
pub trait Slots<F: Scalar>: Copy + Send + Sync + sealed::Sealed + 'static {
    /// How many values an element has.
    const COUNT: usize;

    /// All zero.
    fn zeros() -> Self;

    /// The values, and zeros in the place of those that there are not.
    #[doc(hidden)]
    fn padded(self) -> [F; MOST];

    /// Each value without its subnormal numbers.
    #[doc(hidden)]
    fn flushed(self) -> Self;

    /// Replaces each of the first `n` of `w` and its slots by what `update` makes of them and of `g`.
    #[doc(hidden)]
    fn sweep(
        n: usize,
        w: &mut [F],
        g: &[F],
        slots: [&mut [F]; MOST],
        update: impl Fn(F, F, Self) -> (F, Self),
    );

    /// As [`sweep`](Slots::sweep), of slots that are kept in 16 bits.
    #[doc(hidden)]
    fn sweep_codes(
        n: usize,
        w: &mut [F],
        g: &[F],
        codes: [&mut [u16]; MOST],
        key: u32,
        update: impl Fn(F, F, Self) -> (F, Self),
    );

    /// The sums of the squares of two quantities of each element.
    #[doc(hidden)]
    fn sum_squares(
        w: &[F],
        g: &[F],
        slots: [&mut [F]; MOST],
        quantities: impl Fn(F, F, Self) -> [F; 2],
    ) -> [f64; 2];

    /// The sums of terms of each element.
    #[doc(hidden)]
    fn sum_terms(
        w: &[F],
        g: &[F],
        slots: [&mut [F]; MOST],
        terms: impl Fn(F, F, Self) -> [f64; SUMS],
    ) -> [f64; SUMS];
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
    ($count:literal: $($slot:ident $other:ident $dither:ident),*) => {
        impl<F: Scalar> sealed::Sealed for [F; $count] {}

        impl<F: Scalar> Slots<F> for [F; $count] {
            const COUNT: usize = $count;

            fn zeros() -> Self {
                std::array::from_fn(|_| F::zero())
            }

            fn padded(self) -> [F; MOST] {
                std::array::from_fn(|i| self.get(i).copied().unwrap_or(F::zero()))
            }

            #[inline(always)]
            fn flushed(self) -> Self {
                let [$($slot),*] = self;
                [$($slot.flushed()),*]
            }

            #[inline(always)]
            fn sweep(
                n: usize,
                w: &mut [F],
                g: &[F],
                slots: [&mut [F]; MOST],
                update: impl Fn(F, F, Self) -> (F, Self),
            ) {
                let (w, g) = (&mut w[..n], &g[..n]);
                let [$($slot,)* ..] = slots;
                $(let $slot = &mut $slot[..n];)*
                for i in 0..n {
                    let (moved, [$($other),*]) = update(w[i], g[i], [$($slot[i]),*]);
                    w[i] = moved;
                    $($slot[i] = $other;)*
                }
            }

            #[inline(always)]
            #[allow(unused_variables)]
            fn sweep_codes(
                n: usize,
                w: &mut [F],
                g: &[F],
                codes: [&mut [u16]; MOST],
                key: u32,
                update: impl Fn(F, F, Self) -> (F, Self),
            ) {
                let (w, g) = (&mut w[..n], &g[..n]);
                let [$($slot,)* ..] = codes;
                $(let $slot = &mut $slot[..n];)*
                for i in 0..n {
                    let (moved, [$($other),*]) =
                        update(w[i], g[i], [$(F::of_bfloat16($slot[i])),*]);
                    w[i] = moved;
                    let [$($dither,)* ..] = hash::dithers(key, moved.folded());
                    $($slot[i] = $other.to_bfloat16($dither);)*
                }
            }

            #[inline(always)]
            fn sum_squares(
                w: &[F],
                g: &[F],
                slots: [&mut [F]; MOST],
                quantities: impl Fn(F, F, Self) -> [F; 2],
            ) -> [f64; 2] {
                const LANES: usize = 16;
                let n = w.len();
                let g = &g[..n];
                let [$($slot,)* ..] = slots;
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

            #[inline(always)]
            fn sum_terms(
                w: &[F],
                g: &[F],
                slots: [&mut [F]; MOST],
                terms: impl Fn(F, F, Self) -> [f64; SUMS],
            ) -> [f64; SUMS] {
                const LANES: usize = 16;
                let n = w.len();
                let g = &g[..n];
                let [$($slot,)* ..] = slots;
                $(let $slot = &$slot[..n];)*
                let mut lanes = [[0.0; LANES]; SUMS];
                let whole = n / LANES * LANES;
                for start in (0..whole).step_by(LANES) {
                    for lane in 0..LANES {
                        let i = start + lane;
                        let terms = terms(w[i], g[i], [$($slot[i]),*]);
                        for j in 0..SUMS {
                            lanes[j][lane] += terms[j];
                        }
                    }
                }
                for i in whole..n {
                    let terms = terms(w[i], g[i], [$($slot[i]),*]);
                    for j in 0..SUMS {
                        lanes[j][i - whole] += terms[j];
                    }
                }
                lanes.map(fold)
            }
        }
    };
}

slots!(0:);
slots!(1: a x p);
slots!(2: a x p, b y q);
slots!(3: a x p, b y q, c z r);
slots!(4: a x p, b y q, c z r, d u s);
