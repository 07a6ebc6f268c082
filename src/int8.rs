//! Numbers of 8 bits, in blocks that share a scale.
//!
//! A code is the upper part of an `f32`: its four highest bits of the fraction, and an exponent that is counted
//! from that of the block's largest number. So neighbours are in about the same ratio all along, and are found
//! by a shift, without a table.

use pulp::bytemuck;

use crate::bfloat16::NEAREST;
use crate::scalar::Scalar;

/// Elements of a block.
pub(crate) const BLOCK: usize = 32;
/// What a block takes, in words of 16 bits: its scale, and a code for each element.
pub(crate) const WORDS: usize = 2 + BLOCK / 2;
const BYTES: usize = 2 * WORDS;
const SCALE: usize = 4;

/// Bits of an `f32` that a code does not have.
const CUT: u32 = 19;
const ONE: u32 = 1.0_f32.to_bits() >> CUT;

/// The codes of a size from 0 to 1: 0 and 127. The sign is the highest bit.
const SIGNED: u32 = ONE - LARGEST_SIGNED;
const LARGEST_SIGNED: u32 = 127;
/// The code of what is not finite: it would be -0.
const SIGNED_NAN: u8 = 0x80;
/// What is added to sizes of both signs: near 0 their codes are equidistant.
const OFFSET: f32 = f32::from_bits(SIGNED << CUT);
/// What is left of 1 beside it, and the number that brings 1 back.
const SHARE: f32 = 1.0 - OFFSET;
const BACK: f32 = 1.0 / SHARE;

/// Codes of numbers that are not negative: 0 is 0, and 1 is 254.
const UNSIGNED: u32 = ONE - LARGEST_UNSIGNED;
const LARGEST_UNSIGNED: u32 = 254;
const UNSIGNED_NAN: u8 = 255;

const NAN: u32 = f32::NAN.to_bits();
const NO_SIGN: u32 = u32::MAX >> 1;

/// How many words so many elements take.
pub(crate) fn words(len: usize) -> usize {
    len.div_ceil(BLOCK) * WORDS
}

/// The share of the scale that a code is.
#[inline(always)]
fn share<const IS_SIGNED: bool>(code: u8) -> f32 {
    let code = u32::from(code);
    if IS_SIGNED {
        let size = (f32::from_bits((SIGNED + (code & 0x7f)) << CUT) - OFFSET) * BACK;
        let bits = size.to_bits() | (code & 0x80) << 24;
        f32::from_bits(if code == u32::from(SIGNED_NAN) { NAN } else { bits })
    } else {
        let bits = if code == 0 { 0 } else { (UNSIGNED + code) << CUT };
        f32::from_bits(if code == u32::from(UNSIGNED_NAN) { NAN } else { bits })
    }
}

/// What is added before the cut: the largest number, which may have lost a last digit to its scale, is always
/// the largest again, and what a code can say is kept.
#[inline(always)]
fn part(dither: u32) -> u32 {
    (dither & 0xffff) << (CUT - 16) | 7
}

/// The code of a number times [`SHARE`].
#[inline(always)]
fn of_signed(share: f32, dither: u32) -> u8 {
    let (bits, sign) = (share.to_bits() & NO_SIGN, share.to_bits() >> 31);
    let size = f32::from_bits(bits) + OFFSET;
    let code = (size.to_bits().wrapping_add(part(dither)) >> CUT).wrapping_sub(SIGNED);
    let code = code.min(LARGEST_SIGNED);
    let signed = code | sign << 7;
    (if code == 0 { 0 } else { signed }) as u8
}

#[inline(always)]
fn of_unsigned(share: f32, dither: u32, least: i32) -> u8 {
    let bits = share.to_bits() & NO_SIGN;
    let code = (bits.wrapping_add(part(dither)) >> CUT) as i32 - UNSIGNED as i32;
    code.max(least).min(LARGEST_UNSIGNED as i32) as u8
}

/// The code below which numbers of that scale would be subnormal, which are 0 to a rule.
#[inline(always)]
fn least<F: Scalar>(scale: f32, inverse: F) -> i32 {
    const SMALL: f32 = 1e-30;
    if scale > SMALL {
        return 1;
    }
    let share = (F::min_positive_value() * inverse).into_f64() as f32;
    // A last digit more, and the next code: the product is rounded.
    let code = ((share.to_bits() + 8) >> CUT) as i32 + 1 - UNSIGNED as i32;
    code.clamp(1, LARGEST_UNSIGNED as i32)
}

/// The largest |x|, as [`Scalar::size`] tells it.
#[inline(always)]
fn largest<F: Scalar>(numbers: &[F; BLOCK]) -> F::Size {
    let mut sizes = [F::Size::default(); BLOCK];
    for i in 0..BLOCK {
        sizes[i] = numbers[i].size();
    }
    // By halves, which are vectors: one after the other would be as many steps as numbers.
    let mut half = BLOCK / 2;
    while half > 0 {
        for i in 0..half {
            sizes[i] = if sizes[i] > sizes[i + half] { sizes[i] } else { sizes[i + half] };
        }
        half /= 2;
    }
    sizes[0]
}

/// The scale of a block, within the range of an `f32`.
#[inline(always)]
fn scale<F: Scalar>(largest: F::Size) -> f32 {
    let scale = F::of_size(largest).into_f64() as f32;
    if largest == F::Size::default() { 0.0 } else { scale.clamp(f32::MIN_POSITIVE, f32::MAX) }
}

// Each loop is over arrays of its own: whether slices overlap would be asked anew for each block.
#[inline(always)]
fn encode_block<F: Scalar, const IS_SIGNED: bool>(
    numbers: &[F; BLOCK],
    dithers: &[u32; BLOCK],
    shift: u32,
    block: &mut [u8; BYTES],
) {
    let mut flushed = [F::zero(); BLOCK];
    for i in 0..BLOCK {
        flushed[i] = numbers[i].flushed();
    }
    let largest = largest(&flushed);
    if largest >= F::infinity().size() {
        return encode_not_finite::<F, IS_SIGNED>(numbers, dithers, shift, block);
    }
    let codes = encoded::<F, IS_SIGNED>(&flushed, dithers, shift, scale::<F>(largest), block);
    block[SCALE..].copy_from_slice(&codes);
}

/// Writes the scale, and returns the codes of numbers that are finite.
#[inline(always)]
fn encoded<F: Scalar, const IS_SIGNED: bool>(
    numbers: &[F; BLOCK],
    dithers: &[u32; BLOCK],
    shift: u32,
    scale: f32,
    block: &mut [u8; BYTES],
) -> [u8; BLOCK] {
    let one = if IS_SIGNED { F::from_f64(SHARE.into()) } else { F::one() };
    let inverse = if scale > 0.0 { one / F::from_f64(scale.into()) } else { F::zero() };
    let least = if IS_SIGNED { 0 } else { least(scale, inverse) };
    let mut codes = [0; BLOCK];
    for i in 0..BLOCK {
        let share = (numbers[i] * inverse).into_f64() as f32;
        let dither = dithers[i] >> shift;
        codes[i] = if IS_SIGNED {
            of_signed(share, dither)
        } else {
            let code = of_unsigned(share, dither, least);
            if numbers[i] > F::zero() { code } else { 0 }
        };
    }
    block[..SCALE].copy_from_slice(&scale.to_le_bytes());
    codes
}

/// As [`encode_block`]: what is not finite has a code of its own, and no part in the scale.
#[cold]
#[inline(never)]
fn encode_not_finite<F: Scalar, const IS_SIGNED: bool>(
    numbers: &[F; BLOCK],
    dithers: &[u32; BLOCK],
    shift: u32,
    block: &mut [u8; BYTES],
) {
    let finite = numbers.map(|x| if x.is_finite() { x.flushed() } else { F::zero() });
    let scale = scale::<F>(largest(&finite));
    let mut codes = encoded::<F, IS_SIGNED>(&finite, dithers, shift, scale, block);
    for (code, x) in codes.iter_mut().zip(numbers) {
        if !x.is_finite() {
            *code = if IS_SIGNED { SIGNED_NAN } else { UNSIGNED_NAN };
        }
    }
    block[SCALE..].copy_from_slice(&codes);
}

#[inline(always)]
fn decode_block<F: Scalar, const IS_SIGNED: bool>(block: &[u8; BYTES]) -> [F; BLOCK] {
    let [a, b, c, d, codes @ ..] = *block;
    let scale = F::from_f64(f32::from_le_bytes([a, b, c, d]).into());
    let mut numbers = [F::zero(); BLOCK];
    for i in 0..BLOCK {
        numbers[i] = F::from_f64(share::<IS_SIGNED>(codes[i]).into()) * scale;
    }
    numbers
}

/// Encodes numbers, each by its dither, which may have more bits than those; the last block may be short.
#[inline(always)]
pub(crate) fn encode<F: Scalar, const IS_SIGNED: bool>(
    numbers: &[F],
    dithers: &[u32],
    shift: u32,
    words: &mut [u16],
) {
    let (blocks, _) = bytemuck::cast_slice_mut::<u16, u8>(words).as_chunks_mut::<BYTES>();
    let ((whole, rest), (dithers, of_rest)) = (numbers.as_chunks(), dithers.as_chunks());
    let mut blocks = blocks.iter_mut();
    for ((numbers, dithers), block) in whole.iter().zip(dithers).zip(&mut blocks) {
        encode_block::<F, IS_SIGNED>(numbers, dithers, shift, block);
    }
    if let Some(block) = blocks.next().filter(|_| !rest.is_empty()) {
        let (mut numbers, mut dithers) = ([F::zero(); BLOCK], [0; BLOCK]);
        numbers.iter_mut().zip(rest).for_each(|(to, &x)| *to = x);
        dithers.iter_mut().zip(of_rest).for_each(|(to, &dither)| *to = dither);
        encode_block::<F, IS_SIGNED>(&numbers, &dithers, shift, block);
    }
}

/// As [`encode`], each rounded to the nearest.
pub(crate) fn encode_nearest<F: Scalar, const IS_SIGNED: bool>(numbers: &[F], words: &mut [u16]) {
    for (numbers, words) in numbers.chunks(BLOCK).zip(words.chunks_mut(WORDS)) {
        encode::<F, IS_SIGNED>(numbers, &[NEAREST; BLOCK][..numbers.len()], 0, words);
    }
}

/// The numbers of codes.
#[inline(always)]
pub(crate) fn decode<F: Scalar, const IS_SIGNED: bool>(words: &[u16], numbers: &mut [F]) {
    let (blocks, _) = bytemuck::cast_slice::<u16, u8>(words).as_chunks::<BYTES>();
    let (whole, rest) = numbers.as_chunks_mut::<BLOCK>();
    let at = whole.len();
    for (numbers, block) in whole.iter_mut().zip(blocks) {
        *numbers = decode_block::<F, IS_SIGNED>(block);
    }
    if let Some(block) = blocks.get(at).filter(|_| !rest.is_empty()) {
        let numbers = decode_block::<F, IS_SIGNED>(block);
        rest.iter_mut().zip(numbers).for_each(|(to, x)| *to = x);
    }
}

/// The bytes of the codes of so many elements, without what is left over of the last block.
#[cfg(any(feature = "serde", test))]
pub(crate) fn to_bytes(len: usize, words: &[u16]) -> &[u8] {
    let left_over = if len.is_multiple_of(BLOCK) { 0 } else { BLOCK - len % BLOCK };
    let bytes = bytemuck::cast_slice::<u16, u8>(words);
    &bytes[..bytes.len().saturating_sub(left_over)]
}

/// How many elements those bytes are of, and their words; `None` where they are of no number of elements.
#[cfg(any(feature = "serde", test))]
pub(crate) fn of_bytes(bytes: &[u8]) -> Option<(usize, Vec<u16>)> {
    let rest = bytes.len() % BYTES;
    if (1..=SCALE).contains(&rest) {
        return None;
    }
    let len = bytes.len() / BYTES * BLOCK + rest.saturating_sub(SCALE);
    let mut words = vec![0_u16; words(len)];
    bytemuck::cast_slice_mut::<u16, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
    Some((len, words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{first as hash, key};

    fn again<F: Scalar, const IS_SIGNED: bool>(numbers: &[F], dither: u32) -> (Vec<F>, Vec<u16>) {
        let mut codes = vec![0; words(numbers.len())];
        encode::<F, IS_SIGNED>(numbers, &vec![dither; numbers.len()], 0, &mut codes);
        let mut found = vec![F::zero(); numbers.len()];
        decode::<F, IS_SIGNED>(&codes, &mut found);
        (found, codes)
    }

    #[test]
    fn one_is_brought_back() {
        assert_eq!(SHARE * BACK, 1.0);
        assert_eq!(share::<true>(127), 1.0);
        assert_eq!(share::<true>(0xff), -1.0);
        assert_eq!((share::<true>(0), share::<false>(0), share::<false>(254)), (0.0, 0.0, 1.0));
    }

    /// The numbers that codes are, by arithmetic of `f64`.
    #[test]
    fn codes_are_the_numbers_that_their_definition_says() {
        for code in 1..=254_u32 {
            let exponent = f64::from((code + 1778) / 16) - 127.0;
            let expected = (1.0 + f64::from((code + 1778) % 16) / 16.0) * 2.0_f64.powf(exponent);
            assert_eq!(f64::from(share::<false>(code as u8)), expected);
        }
        for code in 0..=127_u32 {
            let exponent = f64::from((code + 1905) / 16) - 127.0;
            let y = (1.0 + f64::from((code + 1905) % 16) / 16.0) * 2.0_f64.powf(exponent);
            let expected = (y - 17.0 / 4096.0) / (1.0 - 17.0 / 4096.0);
            let found = f64::from(share::<true>(code as u8));
            assert!((found - expected).abs() <= 1e-7 * expected, "{code}: {found}, {expected}");
        }
    }

    fn what_codes_can_say_is_kept<F: Scalar, const IS_SIGNED: bool>() {
        for scale in [1.2e-38, 1e-36, 1e-30, 0.7, 1.0, 3.3e17, 3e38] {
            for first in 0..=255_u8 {
                // The largest, in a place of its own, keeps the scale.
                let top = if IS_SIGNED { 0xff } else { 254 };
                let code = |i: u8| if i == 5 { top } else { first.wrapping_add(i.wrapping_mul(7)) };
                let mut block = [0; BYTES];
                block[..SCALE].copy_from_slice(&(scale as f32).to_le_bytes());
                (0..32).for_each(|i| block[SCALE + usize::from(i)] = code(i));
                let numbers = decode_block::<F, IS_SIGNED>(&block);
                let mut found = [0; BYTES];
                encode_block::<F, IS_SIGNED>(&numbers, &[NEAREST; BLOCK], 0, &mut found);
                // What is subnormal is not kept, and no step makes it.
                if scale > 1e-32 {
                    assert_eq!(found, block, "{scale} {first}");
                }
                let numbers = decode_block::<F, IS_SIGNED>(&found);
                let mut twice = [0; BYTES];
                encode_block::<F, IS_SIGNED>(&numbers, &[NEAREST; BLOCK], 0, &mut twice);
                assert_eq!(found, twice, "{scale} {first}");
            }
        }
    }

    #[test]
    fn what_codes_can_say_is_kept_by_rounding_to_the_nearest() {
        what_codes_can_say_is_kept::<f32, true>();
        what_codes_can_say_is_kept::<f32, false>();
        what_codes_can_say_is_kept::<f64, true>();
        what_codes_can_say_is_kept::<f64, false>();
    }

    /// Over steps the mean of what a number becomes is that number, and it becomes its neighbours alone.
    fn numbers_are_themselves_in_the_mean<F: Scalar, const IS_SIGNED: bool>() {
        let steps = 4000_u64;
        let sizes = [1.0, 0.999, 0.77, 0.5001, 0.13, 0.03, 4.1e-3, 7e-4, 9e-5, 2e-5];
        let signs = if IS_SIGNED { [1.0, -1.0] } else { [1.0, 1.0] };
        let all: Vec<F> =
            sizes.iter().flat_map(|x| signs.map(|sign| F::from_f64(3.7 * sign * x))).collect();
        let (mut sums, mut squares) = (vec![0.0; all.len()], vec![0.0; all.len()]);
        let mut seen: Vec<Vec<u64>> = vec![Vec::new(); all.len()];
        for step in 0..steps {
            let mut codes = vec![0; words(all.len())];
            let dither = |i: usize| hash(key(step), (0.1 + i as f32).to_bits());
            let dithers: Vec<u32> = (0..all.len()).map(dither).collect();
            encode::<F, IS_SIGNED>(&all, &dithers, 0, &mut codes);
            let mut found = vec![F::zero(); all.len()];
            decode::<F, IS_SIGNED>(&codes, &mut found);
            for (i, x) in found.iter().enumerate() {
                let x = x.into_f64();
                (sums[i], squares[i]) = (sums[i] + x, squares[i] + x * x);
                if !seen[i].contains(&x.to_bits()) {
                    seen[i].push(x.to_bits());
                }
            }
        }
        for (i, x) in all.iter().enumerate() {
            let (x, n) = (x.into_f64(), steps as f64);
            assert!(seen[i].len() <= 2, "{x}");
            let mean = sums[i] / n;
            let sigma = (squares[i] / n - mean * mean).max(0.0).sqrt() / n.sqrt();
            assert!((mean - x).abs() <= 5.0 * sigma + 1e-4 * x.abs(), "{x}: {mean} ± {sigma}");
        }
    }

    #[test]
    fn in_the_mean_a_number_is_itself() {
        numbers_are_themselves_in_the_mean::<f32, true>();
        numbers_are_themselves_in_the_mean::<f32, false>();
        numbers_are_themselves_in_the_mean::<f64, true>();
        numbers_are_themselves_in_the_mean::<f64, false>();
    }

    fn only_zero_is_zero<F: Scalar>() {
        let sizes = [1e-300, 1.2e-38, 1e-37, 1e-20, 1e-9, 1.0, 1e20, 3e38, 1e300];
        for largest in sizes {
            for small in sizes {
                let numbers = [largest, small, 0.0].map(F::from_f64);
                // What is infinite or 0 in this type already is not meant.
                if !numbers[..2].iter().all(|x| x.is_normal()) {
                    continue;
                }
                for dither in [0, NEAREST, 0xffff] {
                    let (found, _) = again::<F, false>(&numbers, dither);
                    assert!(found[0].is_normal() && found[1].is_normal(), "{largest} {small}");
                    assert!(found[0] > F::zero() && found[1] > F::zero());
                    assert_eq!(found[2], F::zero());
                }
            }
        }
        let (found, _) = again::<F, true>(&[F::zero(), -F::zero()], NEAREST);
        assert!(found.iter().all(|x| *x == F::zero()));
    }

    #[test]
    fn of_what_is_not_negative_only_zero_is_zero() {
        only_zero_is_zero::<f32>();
        only_zero_is_zero::<f64>();
    }

    fn what_is_not_finite_is_nan_where_it_is<F: Scalar, const IS_SIGNED: bool>() {
        for bad in [F::nan(), F::infinity()] {
            let mut numbers = [F::from_f64(0.5); 40];
            numbers[3] = bad;
            let (found, codes) = again::<F, IS_SIGNED>(&numbers, NEAREST);
            for (i, x) in found.iter().enumerate() {
                assert!(if i == 3 { x.is_nan() } else { *x == numbers[i] }, "{i}");
            }
            assert_eq!(again::<F, IS_SIGNED>(&found, NEAREST).1, codes);
            let (found, _) = again::<F, IS_SIGNED>(&[bad; 5], NEAREST);
            assert!(found.iter().all(|x| x.is_nan()));
        }
    }

    #[test]
    fn what_is_not_finite_does_not_touch_its_neighbours() {
        what_is_not_finite_is_nan_where_it_is::<f32, true>();
        what_is_not_finite_is_nan_where_it_is::<f32, false>();
        what_is_not_finite_is_nan_where_it_is::<f64, true>();
        what_is_not_finite_is_nan_where_it_is::<f64, false>();
    }

    #[test]
    fn bytes_tell_how_many_elements_they_are_of() {
        for len in [0, 1, 31, 32, 33, 64, 95] {
            let numbers: Vec<f32> = (0..len).map(|i| 1.0 + i as f32).collect();
            let (_, codes) = again::<f32, true>(&numbers, NEAREST);
            let (found, words) = of_bytes(to_bytes(len, &codes)).unwrap();
            assert_eq!((found, words), (len, codes));
        }
        assert!([1, 4, 37, 40].iter().all(|&len| of_bytes(&vec![0; len]).is_none()));
    }
}
