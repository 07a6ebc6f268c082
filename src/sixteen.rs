//! The numbers of 16 bits that parameters and gradients may be of, and what becomes of an `f32` in them.

#[cfg(feature = "half")]
pub(crate) use half::{bf16, f16};

/// In the place of the numbers of the crate `half`, where that is left out: there are none, so that what is written
/// for them compiles to nothing.
#[cfg(not(feature = "half"))]
mod absent {
    macro_rules! absent {
        ($name:ident) => {
            #[doc(hidden)]
            #[allow(non_camel_case_types)]
            #[derive(Debug, Clone, Copy)]
            pub enum $name {}

            impl $name {
                pub(super) fn from_bits(_: u16) -> Self {
                    unreachable!("what makes numbers of 16 bits is given some")
                }
                pub(super) fn to_bits(self) -> u16 {
                    match self {}
                }
            }
        };
    }
    absent!(bf16);
    absent!(f16);
}

#[cfg(not(feature = "half"))]
pub(crate) use absent::{bf16, f16};

use crate::bfloat16;

/// One of two formats.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub enum Sixteen<B, H> {
    /// Of `half::bf16`.
    BFloat16(B),
    /// Of `half::f16`.
    Float16(H),
}

/// A format of 16 bits.
pub(crate) trait Format: Copy + Send + Sync + 'static {
    /// The number, exactly.
    fn decoded(self) -> f32;

    /// The number that a dither of 16 bits rounds to: up where the dither and the part that is cut off come to
    /// 1. What is finite stays so.
    fn encoded(x: f32, dither: u32) -> Self;

    /// The bits.
    fn code(self) -> u16;

    /// Of these bits.
    fn of_code(code: u16) -> Self;

    /// What is left of x beside the nearest number `near`, in 65,536ths of the last digit of that.
    fn remainder(x: f32, near: f32) -> i16;

    /// The number that was left so much of.
    fn restored(near: f32, remainder: i16) -> f32;

    /// The nearest number; of two the even one.
    #[inline(always)]
    fn nearest(x: f32) -> Self {
        let below = Self::encoded(x, 0);
        Self::encoded(x, 0x7fff + u32::from(below.code() & 1))
    }
}

const SIGN: u32 = 1 << 31;
const INFINITY: u32 = 0x7f80_0000;

/// Adds so many of the last digits of an `f32` to its size; what is not finite, or 0, stays what it is.
#[inline(always)]
fn moved(near: f32, digits: i32) -> f32 {
    let (sign, size) = (near.to_bits() & SIGN, near.to_bits() & !SIGN);
    let moved = (size as i32).wrapping_add(digits);
    let moved = if moved > 0 { moved as u32 } else { 0 };
    f32::from_bits(sign | if size >= INFINITY { size } else { moved })
}

/// By how many last digits the size of x is larger.
#[inline(always)]
fn digits_beyond(x: f32, near: f32) -> i32 {
    let (x, near) = ((x.to_bits() & !SIGN) as i32, (near.to_bits() & !SIGN) as i32);
    x.wrapping_sub(near)
}

/// The largest numbers are cut, not rounded, and leave more than a remainder can say.
#[inline(always)]
fn within(digits: i32) -> i16 {
    let digits = if digits > 0x7fff { 0x7fff } else { digits };
    (if digits < -0x8000 { -0x8000 } else { digits }) as i16
}

impl Format for bf16 {
    #[inline(always)]
    fn decoded(self) -> f32 {
        bfloat16::to_f32(self.to_bits())
    }

    #[inline(always)]
    fn encoded(x: f32, dither: u32) -> Self {
        Self::from_bits(bfloat16::of_f32(x, dither))
    }

    #[inline(always)]
    fn code(self) -> u16 {
        self.to_bits()
    }

    #[inline(always)]
    fn of_code(code: u16) -> Self {
        Self::from_bits(code)
    }

    #[inline(always)]
    fn remainder(x: f32, near: f32) -> i16 {
        within(digits_beyond(x, near))
    }

    #[inline(always)]
    fn restored(near: f32, remainder: i16) -> f32 {
        moved(near, i32::from(remainder))
    }
}

/// The least normal number of `f16`, 2⁻¹⁴, in the bits of an `f32`.
const LEAST_F16: u32 = (127 - 14) << 23;
/// Bits of the fraction of an `f32` that an `f16` does not have.
const CUT_F16: u32 = 23 - 10;
/// The code of the largest `f16`, and that of ∞.
const LARGEST_F16: u32 = INFINITY_F16 - 1;
const INFINITY_F16: u32 = 0x7c00;
/// By how much the bias of the exponent is less.
const BIAS: u32 = 127 - 15;
/// The last digit of what is below the least normal `f16` is 2⁻²⁴, and a 65,536th of that is 2⁻⁴⁰.
const LAST: f32 = 1.0 / (1 << 24) as f32;
const FINEST: f32 = 1.0 / (1_u64 << 40) as f32;

impl Format for f16 {
    #[inline(always)]
    fn decoded(self) -> f32 {
        let code = u32::from(self.to_bits());
        let (sign, size) = ((code & 0x8000) << 16, code & 0x7fff);
        let normal = (size << CUT_F16).wrapping_add(BIAS << 23);
        let small = (size as i32 as f32 * LAST).to_bits();
        let finite = if size < 1 << 10 { small } else { normal };
        let special = size << CUT_F16 | INFINITY;
        f32::from_bits(sign | if size < INFINITY_F16 { finite } else { special })
    }

    #[inline(always)]
    fn encoded(x: f32, dither: u32) -> Self {
        let bits = x.to_bits();
        let (sign, size) = (bits >> 16 & 0x8000, bits & !SIGN);
        let dither = dither & 0xffff;
        let up = size.wrapping_add(dither >> (16 - CUT_F16));
        let normal = (up >> CUT_F16).wrapping_sub(BIAS << 10);
        let normal = if normal > LARGEST_F16 { LARGEST_F16 } else { normal };
        // In 65,536ths of the last digit, of which there are less than 2²⁶.
        let least = if size < LEAST_F16 { size } else { 0 };
        let parts = (f32::from_bits(least) / FINEST) as i32 as u32;
        let small = parts.wrapping_add(dither) >> 16;
        let finite = if size < LEAST_F16 { small } else { normal };
        let special = INFINITY_F16 | if size > INFINITY { 0x200 } else { 0 };
        let code = if size < INFINITY { finite } else { special };
        Self::from_bits((sign | code) as u16)
    }

    #[inline(always)]
    fn code(self) -> u16 {
        self.to_bits()
    }

    #[inline(always)]
    fn of_code(code: u16) -> Self {
        Self::from_bits(code)
    }

    #[inline(always)]
    fn remainder(x: f32, near: f32) -> i16 {
        let digits = digits_beyond(x, near);
        let digits = if digits > 0xfff { 0xfff } else { digits };
        let normal = within((if digits < -0x1000 { -0x1000 } else { digits }) << 3);
        let small = within(((x.abs() - near.abs()) / FINEST) as i32);
        // Below the least normal number the next one is as far as above it.
        if near.to_bits() & !SIGN <= LEAST_F16 { small } else { normal }
    }

    #[inline(always)]
    fn restored(near: f32, remainder: i16) -> f32 {
        let normal = moved(near, i32::from(remainder) >> 3);
        let small = near.abs() + f32::from(remainder) * FINEST;
        let small = if small > 0.0 { small } else { 0.0 };
        if near.to_bits() & !SIGN <= LEAST_F16 { small.copysign(near) } else { normal }
    }
}

/// The numbers of codes.
#[inline(always)]
pub(crate) fn decode<E: Format>(codes: &[E], numbers: &mut [f32]) {
    let n = numbers.len().min(codes.len());
    let (codes, numbers) = (&codes[..n], &mut numbers[..n]);
    for i in 0..n {
        numbers[i] = codes[i].decoded();
    }
}

#[cfg(all(test, feature = "half"))]
mod tests {
    use super::*;
    use crate::bfloat16::NEAREST;

    fn finite<E: Format>(of: fn(u16) -> E) -> impl Iterator<Item = E> {
        (0..=u16::MAX).map(of).filter(|x| x.decoded().is_finite())
    }

    #[test]
    fn each_code_is_the_number_that_the_crate_half_says_and_comes_back() {
        for code in 0..=u16::MAX {
            let (b, h) = (bf16::from_bits(code), f16::from_bits(code));
            for (found, expected) in [(b.decoded(), b.to_f32()), (h.decoded(), h.to_f32())] {
                assert!(found.to_bits() == expected.to_bits() || found.is_nan(), "{code:x}");
                assert_eq!(found.is_nan(), expected.is_nan(), "{code:x}");
            }
            for dither in [0, 1, 0x7fff, NEAREST, 0xffff] {
                let (again_b, again_h) =
                    (bf16::encoded(b.decoded(), dither), f16::encoded(h.decoded(), dither));
                assert!(again_b == b || b.is_nan() && again_b.is_nan(), "{code:x}");
                assert!(again_h == h || h.is_nan() && again_h.is_nan(), "{code:x}");
            }
        }
    }

    /// Numbers between and at those of 16 bits, of any size that is finite in both.
    fn numbers() -> Vec<f32> {
        let of = |i: u32| f32::from_bits(i.wrapping_mul(0x9e37_79b1));
        let any = (0..200_000).map(of).filter(|x| x.abs() < 65_504.0);
        let small = (0..60_000_u32).map(|i| i as f32 * 0.37 * FINEST * 65_536.0 / 100.0);
        any.chain(small.flat_map(|x| [x, -x])).collect()
    }

    #[test]
    fn the_nearest_number_is_that_of_the_crate_half() {
        for x in numbers() {
            assert_eq!(bf16::nearest(x).to_bits(), bf16::from_f32(x).to_bits(), "{x:e}");
            // `f16` from an `f32` below its own smallest is 0 either way.
            assert_eq!(f16::nearest(x).to_bits(), f16::from_f32(x).to_bits(), "{x:e}");
        }
    }

    fn rounds_to_a_neighbour_and_right_in_the_mean<E: Format>(of: fn(u16) -> E) {
        let mut ladder: Vec<f32> = finite(of).map(Format::decoded).collect();
        ladder.sort_by(f32::total_cmp);
        for x in numbers().into_iter().step_by(997).filter(|x| *x != 0.0) {
            let at = ladder.partition_point(|&y| y <= x);
            let (below, above) = (ladder[at - 1], ladder[at]);
            let (mut sum, n) = (0.0, 256);
            for i in 0..n {
                let found = E::encoded(x, 256 * i + 128).decoded();
                assert!(found == below || found == above, "{x:e}: {found:e}");
                sum +=
                    (f64::from(found) - f64::from(below)) / (f64::from(above) - f64::from(below));
            }
            let share = (f64::from(x) - f64::from(below)) / (f64::from(above) - f64::from(below));
            assert!((sum / f64::from(n) - share).abs() <= 1.0 / 256.0, "{x:e}: {sum} {share}");
        }
    }

    #[test]
    fn a_number_becomes_a_neighbour_with_the_probability_of_its_place_between_them() {
        rounds_to_a_neighbour_and_right_in_the_mean(bf16::from_bits);
        rounds_to_a_neighbour_and_right_in_the_mean(f16::from_bits);
    }

    #[test]
    fn what_is_finite_stays_so_and_what_is_not_too() {
        for dither in [0, NEAREST, 0xffff] {
            for x in [65_505.0, 1e6, f32::MAX] {
                assert_eq!(f16::encoded(x, dither), f16::MAX);
                assert_eq!(f16::encoded(-x, dither), f16::MIN);
                assert!(bf16::encoded(x, dither).is_finite());
            }
            assert_eq!(f16::encoded(f32::INFINITY, dither), f16::INFINITY);
            assert_eq!(f16::encoded(f32::NEG_INFINITY, dither), f16::NEG_INFINITY);
            assert!(f16::encoded(f32::NAN, dither).is_nan());
        }
    }

    #[test]
    fn a_number_and_what_is_left_of_it_are_the_whole_number() {
        for x in numbers() {
            let near = bf16::encoded(x, NEAREST).decoded();
            let again = bf16::restored(near, bf16::remainder(x, near));
            assert_eq!(again.to_bits(), x.to_bits(), "{x:e}");
            let near = f16::encoded(x, NEAREST).decoded();
            let again = f16::restored(near, f16::remainder(x, near));
            let error = (again - x).abs();
            // Below the least normal number half a last digit is the largest that can be said, but for one part.
            let allowed = if x.abs() < 2.0_f32.powi(-14) { 1.001 * FINEST } else { 0.0 };
            assert!(error <= allowed, "{x:e} became {again:e}");
        }
    }

    #[test]
    fn a_remainder_that_is_of_another_number_makes_no_other_kind_of_it() {
        for code in 0..=u16::MAX {
            for remainder in [i16::MIN, -1, 0, 1, i16::MAX] {
                let near = bf16::from_bits(code).decoded();
                let found = bf16::restored(near, remainder);
                assert_eq!(found.is_finite(), near.is_finite(), "{code:x}");
                assert_eq!(found.is_sign_negative(), near.is_sign_negative(), "{code:x}");
                let near = f16::from_bits(code).decoded();
                let found = f16::restored(near, remainder);
                assert_eq!(found.is_finite(), near.is_finite(), "{code:x}");
                assert_eq!(found.is_sign_negative(), near.is_sign_negative(), "{code:x}");
            }
        }
    }
}
