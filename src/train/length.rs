//! The length of a vector that is given element by element.

use crate::reduce::{BLOCK, How, Square, Sum, sum_slice};

/// Sums squares of elements, in blocks as all sums over leaves are.
pub(super) struct Squares {
    sum: Sum,
    block: [f64; BLOCK],
    filled: usize,
}

impl Squares {
    pub(super) fn new() -> Self {
        Self { sum: Sum::default(), block: [0.0; BLOCK], filled: 0 }
    }

    #[inline]
    pub(super) fn add(&mut self, x: f64) {
        self.block[self.filled] = x;
        self.filled += 1;
        if self.filled == BLOCK {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        let block = &self.block[..self.filled];
        self.sum = self.sum.add(sum_slice(block, Square, How::default()));
        self.filled = 0;
    }

    pub(super) fn total(mut self) -> f64 {
        self.end_block();
        self.sum.value()
    }
}

/// A number as a fraction in [½, 1) and a power of two; 0 has the fraction 0.
pub(super) fn split(x: f64) -> (f64, i32) {
    if x == 0.0 || !x.is_finite() {
        return (x, 0);
    }
    let (x, shift) = if x.abs() < f64::MIN_POSITIVE { (x * EXPONENT_54, -54) } else { (x, 0) };
    let exponent = ((x.to_bits() >> 52) & 0x7ff) as i32 - 1022;
    let fraction = f64::from_bits(x.to_bits() & !(0x7ff << 52) | (1022 << 52));
    (fraction, exponent + shift)
}

/// 2⁵⁴
const EXPONENT_54: f64 = (1_u64 << 54) as f64;

/// x·2ⁿ
pub(super) fn scaled(x: f64, exponent: i32) -> f64 {
    // In parts that are numbers themselves.
    let mut rest = exponent.clamp(-3000, 3000);
    let mut x = x;
    while rest != 0 {
        let part = rest.clamp(-1000, 1000);
        x *= 2.0_f64.powi(part);
        rest -= part;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_fraction_times_its_power_of_two() {
        for x in [1.0, -0.75, 3e300, -2e-300, f64::MAX, f64::MIN_POSITIVE, 5e-324, -1.5e-310] {
            let (fraction, exponent) = split(x);
            assert!((0.5..1.0).contains(&fraction.abs()), "{x}: {fraction}");
            assert_eq!(scaled(fraction, exponent), x);
        }
        assert_eq!(split(0.0), (0.0, 0));
        assert_eq!((scaled(1.0, 5000), scaled(1.0, -5000)), (f64::INFINITY, 0.0));
    }

    #[test]
    fn squares_add_up_over_blocks() {
        let mut squares = Squares::new();
        (0..3000).for_each(|_| squares.add(0.5));
        assert_eq!(squares.total(), 750.0);
    }
}
