//! Leaves whose numbers have 16 bits: what they are decoded from, and rounded to.

mod kinds;

use std::marker::PhantomData;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::bfloat16::NEAREST;
use crate::hash;
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};
use crate::sixteen::{Format, bf16, decode, f16};

pub(super) use kinds::{Given, Held};

/// How a parameter of 16 bits (`half::bf16`, `half::f16`) takes the result of a step, which is an `f32`.
///
/// A step of α near 1e-3 of a parameter is less than half the last digit of a `bf16`, 2⁻⁹ of it: rounded to the
/// nearest number, the parameter would stand still. Parameters of `f32` and `f64` are as they are.
///
/// Sources: Zamirai, Zhang, Aberger & De Sa, "Revisiting BFloat16 training", 2020, on both ways.
#[cfg_attr(
    feature = "half",
    doc = "
```
use half::bf16;
use ndarray::Array1;
use thalweg::{Adam, Optimizer, Rounding};

let (mut w, g) = (Array1::from_elem(10_000, bf16::ONE), Array1::from_elem(10_000, bf16::ONE));
let mut adam = Adam::<f32>::new(1e-4).parameter_rounding(Rounding::Compensated);
for _ in 0..100 {
    adam.step(&mut w, &g)?;
}
assert!(w.iter().all(|w| (w.to_f32() - 0.99).abs() < 0.002));
# Ok::<(), thalweg::Error>(())
```
"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Rounding {
    /// To one of the two neighbours, the upper with the probability (x - below)/(above - below), so that the mean
    /// is x. The chance is a hash of the step and of the bits of x, the same whatever the instruction set, the
    /// threads, the layout and the split into leaves. It keeps nothing beside the parameter. Where x is the same
    /// to the last bit, so is the chance.
    #[default]
    Stochastic,
    /// To the nearest number, and what is left is kept beside it, in 16 bits an element of the optimizer's state:
    /// the next step goes on from both. So a `bf16`, and an `f16` in its normal range, steps as an `f32` would, to
    /// the last bit, and what one reads is the nearest number to that.
    Compensated,
    /// To the nearest number, and what is left is lost. Small updates are lost with it.
    Nearest,
}

/// What the rounding of parameters goes by in a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoding {
    pub(super) rounding: Rounding,
    step: u64,
}

impl Encoding {
    pub(super) fn of(rounding: Rounding, step: u64) -> Self {
        Self { rounding, step }
    }

    /// Computed where it is wanted: most parameters have no need of it.
    fn key(self) -> u32 {
        hash::key(self.step)
    }

    /// Makes numbers those of the format that they are to be, and keeps what is left.
    pub(super) fn round<E: Format, F: Scalar>(
        self,
        simd: Simd,
        numbers: &mut [F],
        remainders: &mut [u16],
    ) {
        let Some(numbers) = F::as_f32_mut(numbers) else { return };
        match self.rounding {
            Rounding::Compensated if remainders.len() == numbers.len() => {
                simd.run(Compensate::<E> { numbers, remainders, of: PhantomData });
            }
            Rounding::Stochastic => {
                simd.run(Dither::<E> { key: self.key(), numbers, of: PhantomData })
            }
            _ => simd.run(Round::<E> { numbers, of: PhantomData }),
        }
    }
}

struct Dither<'a, E> {
    key: u32,
    numbers: &'a mut [f32],
    of: PhantomData<E>,
}

impl<E: Format> Work for Dither<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for x in self.numbers {
            let dither = hash::of_parameter(hash::first(self.key, x.to_bits()));
            *x = E::encoded(*x, dither).decoded();
        }
    }
}

/// The same, written at once.
struct DitherTo<'a, E> {
    key: u32,
    numbers: &'a [f32],
    codes: &'a mut [E],
}

impl<E: Format> Work for DitherTo<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { key, numbers, codes } = self;
        let n = numbers.len();
        let codes = &mut codes[..n];
        for i in 0..n {
            let dither = hash::of_parameter(hash::first(key, numbers[i].to_bits()));
            codes[i] = E::encoded(numbers[i], dither);
        }
    }
}

struct Round<'a, E> {
    numbers: &'a mut [f32],
    of: PhantomData<E>,
}

impl<E: Format> Work for Round<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for x in self.numbers {
            *x = E::nearest(*x).decoded();
        }
    }
}

struct Compensate<'a, E> {
    numbers: &'a mut [f32],
    remainders: &'a mut [u16],
    of: PhantomData<E>,
}

impl<E: Format> Work for Compensate<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { numbers, remainders, .. } = self;
        let n = numbers.len();
        let remainders = &mut remainders[..n];
        for i in 0..n {
            // Halves go away from 0: what is left to both sides then fits 16 bits.
            let near = E::encoded(numbers[i], NEAREST).decoded();
            remainders[i] = E::remainder(numbers[i], near) as u16;
            numbers[i] = near;
        }
    }
}

/// What a leaf may be made of: numbers of the tree's own, or of 16 bits.
pub(super) trait Stored<F: Scalar>: Copy + Send + Sync + 'static {
    fn number(self) -> F;

    /// Of a number that is one of these.
    fn of(number: F) -> Self;

    /// The numbers themselves, where they are the tree's own.
    fn lend(slice: &[Self]) -> Option<&[F]>;

    fn lend_mut(slice: &mut [Self]) -> Option<&mut [F]>;

    /// Numbers that are to be of these, of which what is left is kept.
    fn round(encoding: Encoding, simd: Simd, numbers: &mut [F], remainders: &mut [u16]);

    /// Adds what was left.
    fn restore(simd: Simd, numbers: &mut [F], remainders: &[u16]);

    fn decode(simd: Simd, from: &[Self], to: &mut [F]);

    /// Of numbers that are some of these.
    fn encode(simd: Simd, from: &mut [F], to: &mut [Self]);

    /// Rounds numbers, keeps what is left, and writes them.
    fn write(
        encoding: Encoding,
        simd: Simd,
        from: &mut [F],
        remainders: &mut [u16],
        to: &mut [Self],
    ) {
        Self::round(encoding, simd, from, remainders);
        Self::encode(simd, from, to);
    }

    /// The largest |x| of some, as [`Scalar::size`] tells it.
    fn largest(simd: Simd, numbers: &[Self]) -> F::Size {
        let _ = simd;
        let sizes = numbers.iter().map(|x| x.number().size());
        sizes.max().unwrap_or_default()
    }

    /// As [`decode`](Self::decode), row by row.
    fn decode_view(simd: Simd, from: ArrayView2<'_, Self>, to: &mut [F]) {
        let width = from.ncols().max(1);
        for (from, to) in from.rows().into_iter().zip(to.chunks_exact_mut(width)) {
            match from.to_slice() {
                Some(from) => Self::decode(simd, from, to),
                None => to.iter_mut().zip(from).for_each(|(to, from)| *to = from.number()),
            }
        }
    }

    /// As [`encode`](Self::encode), row by row.
    fn encode_view(simd: Simd, from: &mut [F], mut to: ArrayViewMut2<'_, Self>) {
        let width = to.ncols().max(1);
        for (from, mut to) in from.chunks_exact_mut(width).zip(to.rows_mut()) {
            match to.as_slice_mut() {
                Some(to) => Self::encode(simd, from, to),
                None => to.iter_mut().zip(from).for_each(|(to, from)| *to = Self::of(*from)),
            }
        }
    }
}

impl<F: Scalar> Stored<F> for F {
    #[inline]
    fn number(self) -> F {
        self
    }

    #[inline]
    fn of(number: F) -> Self {
        number
    }

    #[inline]
    fn lend(slice: &[Self]) -> Option<&[F]> {
        Some(slice)
    }

    #[inline]
    fn lend_mut(slice: &mut [Self]) -> Option<&mut [F]> {
        Some(slice)
    }

    fn round(_: Encoding, _: Simd, _: &mut [F], _: &mut [u16]) {}

    fn restore(_: Simd, _: &mut [F], _: &[u16]) {}

    fn decode(_: Simd, from: &[Self], to: &mut [F]) {
        to.copy_from_slice(from);
    }

    fn encode(_: Simd, from: &mut [F], to: &mut [Self]) {
        to.copy_from_slice(from);
    }

    fn decode_view(_: Simd, from: ArrayView2<'_, Self>, to: &mut [F]) {
        if let Ok(mut to) = ArrayViewMut2::from_shape(from.raw_dim(), to) {
            to.assign(&from);
        }
    }

    fn encode_view(_: Simd, from: &mut [F], mut to: ArrayViewMut2<'_, Self>) {
        if let Ok(from) = ArrayView2::from_shape(to.raw_dim(), from) {
            to.assign(&from);
        }
    }
}

macro_rules! stored {
    ($($format:ident),*) => {$(
        impl<F: Scalar> Stored<F> for $format {
            #[inline]
            fn number(self) -> F {
                F::from_f64(f64::from(self.decoded()))
            }

            #[inline]
            fn of(number: F) -> Self {
                Self::encoded(number.into_f64() as f32, 0)
            }

            #[inline]
            fn lend(_: &[Self]) -> Option<&[F]> {
                None
            }

            #[inline]
            fn lend_mut(_: &mut [Self]) -> Option<&mut [F]> {
                None
            }

            fn round(encoding: Encoding, simd: Simd, numbers: &mut [F], remainders: &mut [u16]) {
                encoding.round::<Self, F>(simd, numbers, remainders);
            }

            fn restore(simd: Simd, numbers: &mut [F], remainders: &[u16]) {
                if let Some(numbers) = F::as_f32_mut(numbers) {
                    simd.run(Restore::<Self> { numbers, remainders, of: PhantomData });
                }
            }

            fn decode(simd: Simd, codes: &[Self], to: &mut [F]) {
                if let Some(to) = F::as_f32_mut(to) {
                    simd.run(Decode { codes, to });
                }
            }

            fn encode(simd: Simd, from: &mut [F], codes: &mut [Self]) {
                if let Some(from) = F::as_f32_mut(from) {
                    simd.run(Encode { from, codes });
                }
            }

            fn write(
                encoding: Encoding,
                simd: Simd,
                from: &mut [F],
                remainders: &mut [u16],
                codes: &mut [Self],
            ) {
                if encoding.rounding != Rounding::Stochastic {
                    <Self as Stored<F>>::round(encoding, simd, from, remainders);
                    return <Self as Stored<F>>::encode(simd, from, codes);
                }
                if let Some(numbers) = F::as_f32_mut(from) {
                    simd.run(DitherTo { key: encoding.key(), numbers, codes });
                }
            }

            fn largest(simd: Simd, numbers: &[Self]) -> F::Size {
                F::from_f64(f64::from(number_of::<Self>(simd.run(Largest { numbers })))).size()
            }
        }
    )*};
}

stored!(bf16, f16);

fn number_of<E: Format>(code: u16) -> f32 {
    E::of_code(code).decoded()
}

/// The largest code without its sign: codes are in the order of the sizes, NaN last.
struct Largest<'a, E> {
    numbers: &'a [E],
}

impl<E: Format> Work for Largest<'_, E> {
    type Output = u16;

    #[inline(always)]
    fn run(self) -> u16 {
        let sizes = self.numbers.iter().map(|x| x.code() & 0x7fff);
        sizes.fold(0, |largest, size| if size > largest { size } else { largest })
    }
}

/// Numbers that what was left of them is added to.
struct Restore<'a, E> {
    numbers: &'a mut [f32],
    remainders: &'a [u16],
    of: PhantomData<E>,
}

impl<E: Format> Work for Restore<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { numbers, remainders, .. } = self;
        let n = numbers.len();
        let remainders = &remainders[..n];
        for i in 0..n {
            numbers[i] = E::restored(numbers[i], remainders[i] as i16);
        }
    }
}

struct Decode<'a, E> {
    codes: &'a [E],
    to: &'a mut [f32],
}

impl<E: Format> Work for Decode<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        decode(self.codes, self.to);
    }
}

struct Encode<'a, E> {
    from: &'a [f32],
    codes: &'a mut [E],
}

impl<E: Format> Work for Encode<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { from, codes } = self;
        let n = from.len();
        let codes = &mut codes[..n];
        for i in 0..n {
            codes[i] = E::encoded(from[i], 0);
        }
    }
}
