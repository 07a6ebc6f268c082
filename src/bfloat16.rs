//! Numbers of 16 bits: the upper half of an `f32`, rounded up or down by chance.
//!
//! An average that moves by less than half a last digit a step stands still where it is rounded to the
//! nearest. Rounded up with the probability of what is cut off, it is right in the mean.

/// Bits of the fraction that a code does not have.
const CUT: u32 = 16;
const CUT_F64: u32 = 52 - 7;
/// The code of ∞, and that of the largest number.
const INFINITY: u32 = 0x7f80;
const LARGEST: u32 = INFINITY - 1;

/// The code that a dither of 16 bits rounds a number to: up where the dither and the part that is cut off come to 1.
/// The largest numbers are cut, so that what is finite stays so; NaN, of an operation, and ∞ are kept.
#[inline(always)]
pub(crate) fn of_f32(x: f32, dither: u32) -> u16 {
    let bits = x.to_bits();
    let part = if bits & 0x7fff_ffff < LARGEST << CUT { dither & 0xffff } else { 0 };
    (bits.wrapping_add(part) >> CUT) as u16
}

/// As [`of_f32`]. What is beyond the range of an `f32` is brought to its ends, so that only 0 is 0.
#[inline(always)]
pub(crate) fn of_f64(x: f64, dither: u32) -> u16 {
    let bits = x.to_bits();
    let (sign, size) = (bits & (1 << 63), bits & !(1 << 63));
    let part = u64::from(dither & 0xffff) << (CUT_F64 - 16);
    // What checks for overflow is not vectorized.
    let rounded = size.wrapping_add(part) >> CUT_F64;
    // The exponent's bias is another.
    const BIAS: u64 = (1023 - 127) << 7;
    const LEAST: u64 = 0x80;
    let least = if rounded < BIAS + LEAST { LEAST } else { rounded.wrapping_sub(BIAS) };
    let finite = if least > LARGEST as u64 { LARGEST as u64 } else { least };
    let beyond = if size > f64::INFINITY.to_bits() { INFINITY | 0x40 } else { INFINITY };
    let code = if size < f64::INFINITY.to_bits() { finite } else { u64::from(beyond) };
    let code = if size == 0 { 0 } else { code };
    (sign >> 48 | code) as u16
}

/// The number of a code, exactly.
#[inline(always)]
pub(crate) fn to_f32(code: u16) -> f32 {
    f32::from_bits(u32::from(code) << CUT)
}

/// The dither that rounds to the nearest, and halves away from 0.
pub(crate) const NEAREST: u32 = 1 << 15;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{first, key, next};

    fn dithers(key: u32, parameter: u32) -> [u32; 4] {
        let x = first(key, parameter);
        let y = next(x);
        [x & 0xffff, x >> 16, y & 0xffff, y >> 16]
    }

    /// Numbers of the scale of bf16 beside x, and the probability of the upper one, by arithmetic of `f64`.
    fn neighbours(x: f64) -> (f64, f64, f64) {
        let size = x.abs();
        let last = 2.0_f64.powi((size.log2().floor() as i32).max(-126) - 7);
        let below = (size / last).floor() * last;
        let share = (size - below) / last;
        (below.copysign(x), (below + last).copysign(x), share)
    }

    fn numbers() -> Vec<f64> {
        let mantissas = [1.0, 1.0039, 1.1, 1.2345, 1.5, 1.99, 1.9999];
        let exponents = [-125, -60, -20, -1, 0, 1, 7, 60, 126];
        let sizes = exponents.iter().flat_map(|e| mantissas.map(|m| m * 2.0_f64.powi(*e)));
        sizes.flat_map(|x| [x, -x]).collect()
    }

    #[test]
    fn a_code_is_a_neighbour_and_the_number_itself_in_the_mean() {
        let steps = 4000;
        for x in numbers() {
            for single in [true, false] {
                let x = if single { f64::from(x as f32) } else { x };
                let (below, above, share) = neighbours(x);
                let mut ups = 0.0;
                for step in 0..steps {
                    let dither = dithers(key(step), 0x3f12_3456)[step as usize % 4];
                    let code = match single {
                        true => of_f32(x as f32, dither),
                        false => of_f64(x, dither),
                    };
                    let found = f64::from(to_f32(code));
                    assert!(found == below || found == above, "{x} became {found}");
                    ups += f64::from(u8::from(found == above && above != below));
                }
                let (mean, n) = (ups / steps as f64, steps as f64);
                let sigma = (share * (1.0 - share) / n).sqrt();
                assert!((mean - share).abs() <= 5.0 * sigma + 1e-4, "{x}: {mean}, {share}");
            }
        }
    }

    #[test]
    fn over_elements_of_one_step_the_mean_is_right_too() {
        let n = 100_000_u32;
        for slot in [0.1_f32, 1e-3, 0.77] {
            let (below, above, share) = neighbours(f64::from(slot));
            for place in 0..4 {
                let code = |i: u32| {
                    let parameter = (0.5 + i as f32 * 1e-6).to_bits();
                    of_f32(slot, dithers(key(7), parameter)[place])
                };
                let sum: f64 = (0..n).map(|i| f64::from(to_f32(code(i)))).sum();
                let mean = (sum / f64::from(n) - below) / (above - below);
                let sigma = (share * (1.0 - share) / f64::from(n)).sqrt();
                assert!((mean - share).abs() <= 5.0 * sigma, "{slot}: {mean}, {share}");
            }
        }
    }

    #[test]
    fn what_a_code_can_say_is_kept_by_every_dither() {
        for code in 0..=u16::MAX {
            let x = to_f32(code);
            for dither in [0, 1, NEAREST, 0x1234, 0xffff] {
                for found in [of_f32(x, dither), of_f64(f64::from(x), dither)] {
                    let subnormal = code & 0x7f80 == 0 && code & 0x7fff != 0;
                    if x.is_nan() {
                        // Those of an operation, which are quiet.
                        assert!(to_f32(found).is_nan() || code & 0x40 == 0, "{code:x}");
                    } else if !subnormal {
                        assert_eq!(found, code, "{dither:x}");
                    }
                }
            }
        }
    }

    #[test]
    fn only_zero_is_zero_and_finite_numbers_stay_finite() {
        for dither in [0, NEAREST, 0xffff] {
            for x in [1e-300, f64::MIN_POSITIVE / 8.0, 1e300, f64::MAX, 3.4e38, 1.2e-38] {
                for x in [x, -x] {
                    let found = to_f32(of_f64(x, dither));
                    assert!(found != 0.0 && found.is_finite(), "{x} became {found}");
                    assert_eq!(found < 0.0, x < 0.0);
                }
            }
            for x in [f32::MAX, f32::MIN_POSITIVE, -f32::MAX] {
                let found = to_f32(of_f32(x, dither));
                assert!(found != 0.0 && found.is_finite(), "{x} became {found}");
            }
            assert_eq!(of_f64(-0.0, dither), 0x8000);
            assert!(to_f32(of_f32(f32::NAN, dither)).is_nan());
            assert!(to_f32(of_f32(-f32::NAN, dither)).is_nan());
            assert!(to_f32(of_f64(f64::NAN, dither)).is_nan());
            assert_eq!(to_f32(of_f64(f64::NEG_INFINITY, dither)), f32::NEG_INFINITY);
        }
    }
}
