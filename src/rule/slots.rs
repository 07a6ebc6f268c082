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
    #[allow(clippy::too_many_arguments)]
    fn sweep(
        n: usize,
        w: &mut [F],
        g: &[F],
        a: &mut [F],
        b: &mut [F],
        c: &mut [F],
        d: &mut [F],
        update: impl Fn(F, F, Self) -> (F, Self),
    );

    /// As [`sweep`](Slots::sweep), of slots that are kept in 16 bits.
    #[doc(hidden)]
    #[allow(clippy::too_many_arguments)]
    fn sweep_codes(
        n: usize,
        w: &mut [F],
        g: &[F],
        a: &mut [u16],
        b: &mut [u16],
        c: &mut [u16],
        d: &mut [u16],
        key: u32,
        update: impl Fn(F, F, Self) -> (F, Self),
    );

    /// Writes `count` terms of each of the first `n` elements.
    #[doc(hidden)]
    #[allow(clippy::too_many_arguments)]
    fn terms(
        n: usize,
        w: &[F],
        g: &[F],
        slots: [&[F]; MOST],
        count: usize,
        first: &mut [f64],
        second: &mut [f64],
        third: &mut [f64],
        fourth: &mut [f64],
        terms: impl Fn(F, F, Self) -> [f64; SUMS],
    );
}

// Each slot is a binding of its own in `sweep`: a loop over an array of slices is not vectorized.
macro_rules! slots {
    ($count:literal: $($slot:ident $other:ident $dither:ident),*; $($none:ident)*) => {
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
            #[allow(unused_variables)]
            fn sweep(
                n: usize,
                w: &mut [F],
                g: &[F],
                $($slot: &mut [F],)*
                $($none: &mut [F],)*
                update: impl Fn(F, F, Self) -> (F, Self),
            ) {
                let (w, g) = (&mut w[..n], &g[..n]);
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
                $($slot: &mut [u16],)*
                $($none: &mut [u16],)*
                key: u32,
                update: impl Fn(F, F, Self) -> (F, Self),
            ) {
                let (w, g) = (&mut w[..n], &g[..n]);
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
            fn terms(
                n: usize,
                w: &[F],
                g: &[F],
                slots: [&[F]; MOST],
                count: usize,
                first: &mut [f64],
                second: &mut [f64],
                third: &mut [f64],
                fourth: &mut [f64],
                terms: impl Fn(F, F, Self) -> [f64; SUMS],
            ) {
                let (w, g) = (&w[..n], &g[..n]);
                let [$($slot,)* ..] = slots;
                $(let $slot = &$slot[..n];)*
                let of = |to| if count > to { n } else { 0 };
                let (first, second) = (&mut first[..of(0)], &mut second[..of(1)]);
                let (third, fourth) = (&mut third[..of(2)], &mut fourth[..of(3)]);
                for i in 0..n {
                    let terms = terms(w[i], g[i], [$($slot[i]),*]);
                    if count > 0 {
                        first[i] = terms[0];
                    }
                    if count > 1 {
                        second[i] = terms[1];
                    }
                    if count > 2 {
                        third[i] = terms[2];
                    }
                    if count > 3 {
                        fourth[i] = terms[3];
                    }
                }
            }
        }
    };
}

slots!(0: ; a b c d);
slots!(1: a x p; b c d);
slots!(2: a x p, b y q; c d);
slots!(3: a x p, b y q, c z r; d);
slots!(4: a x p, b y q, c z r, d u s;);
