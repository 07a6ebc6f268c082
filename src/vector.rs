//! Arithmetic on whole vectors, for what couples elements: dot products and combinations.
//!
//! Sums are the same bits whatever the instruction set and the number of threads; see [`reduce`](crate::reduce).

use crate::reduce::{BLOCK, How, Sum};
use crate::scalar::Scalar;
use crate::simd::Work;
use crate::threads::join;

/// Fewer elements than this are worked on by one thread.
const PARALLEL_ABOVE: usize = 1 << 19;

pub(crate) fn how() -> How {
    How { parallel_above: PARALLEL_ABOVE, ..How::default() }
}

pub(crate) struct BlockDot<'a, F>(pub(crate) &'a [F], pub(crate) &'a [F]);

impl<F: Scalar> Work for BlockDot<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        const LANES: usize = 16;
        let mut lanes = [0.0; LANES];
        let (xs, x_rest) = self.0.as_chunks::<LANES>();
        let (ys, y_rest) = self.1.as_chunks::<LANES>();
        for (x, y) in xs.iter().zip(ys) {
            for i in 0..LANES {
                lanes[i] += x[i].into_f64() * y[i].into_f64();
            }
        }
        for i in 0..x_rest.len() {
            lanes[i] += x_rest[i].into_f64() * y_rest[i].into_f64();
        }
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
            width /= 2;
        }
        lanes[0]
    }
}

fn dot_sum<F: Scalar>(x: &[F], y: &[F], how: How) -> Sum {
    if x.len() <= BLOCK {
        return Sum::of(how.simd.run(BlockDot(x, y)));
    }
    let at = x.len().div_ceil(BLOCK) / 2 * BLOCK;
    let ((x0, x1), (y0, y1)) = (x.split_at(at), y.split_at(at));
    let parallel = x.len() > how.parallel_above;
    let (left, right) = join(parallel, || dot_sum(x0, y0, how), || dot_sum(x1, y1, how));
    left.add(right)
}

/// xᵀy, accumulated in `f64`. Both have one length.
pub(crate) fn dot<F: Scalar>(x: &[F], y: &[F]) -> f64 {
    dot_sum(x, &y[..x.len()], how()).value()
}

/// ‖x‖₂, accumulated in `f64`.
pub(crate) fn norm<F: Scalar>(x: &[F]) -> f64 {
    let square = dot(x, x);
    if square > 1e-280 && square < 1e300 || x.is_empty() {
        return square.sqrt();
    }
    // The squares overflow or vanish: the largest element brings them back.
    let largest = norm_max(x);
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let scaled = x.iter().map(|x| (x.into_f64() / largest).powi(2));
    scaled.sum::<f64>().sqrt() * largest
}

/// max|xᵢ|, NaN if an element is.
pub(crate) fn norm_max<F: Scalar>(x: &[F]) -> f64 {
    let mut largest = F::zero();
    for &x in x {
        if x.is_nan() {
            return f64::NAN;
        }
        largest = largest.max(x.abs());
    }
    largest.into_f64()
}

struct Combine<'a, F>(F, &'a [F], F, &'a mut [F]);

impl<F: Scalar> Work for Combine<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Combine(a, x, b, y) = self;
        let x = &x[..y.len()];
        if b == F::one() {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = *y + a * x);
        } else if b == F::zero() {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = a * x);
        } else {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = b * *y + a * x);
        }
    }
}

fn combine_with<F: Scalar>(a: F, x: &[F], b: F, y: &mut [F], how: How) {
    if y.len() <= how.parallel_above || cfg!(not(feature = "rayon")) {
        return how.simd.run(Combine(a, x, b, y));
    }
    let at = y.len() / 2;
    let (x0, x1) = x.split_at(at);
    let (y0, y1) = y.split_at_mut(at);
    join(true, || combine_with(a, x0, b, y0, how), || combine_with(a, x1, b, y1, how));
}

/// y = a·x + b·y; b = 0 does not read y.
pub(crate) fn combine<F: Scalar>(a: f64, x: &[F], b: f64, y: &mut [F]) {
    combine_with(F::from_f64(a), &x[..y.len()], F::from_f64(b), y, how());
}

/// y += a·x
pub(crate) fn add_scaled<F: Scalar>(a: f64, x: &[F], y: &mut [F]) {
    combine(a, x, 1.0, y);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Simd;

    fn numbers(n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919 % 104_729) as f64 - 5e4) * 1e-3).collect()
    }

    #[test]
    fn a_dot_product_is_the_same_on_every_instruction_set_and_close_to_the_plain_sum() {
        for n in [0, 1, 17, 1024, 1025, 70_001] {
            let (x, y) = (numbers(n), numbers(n + 5));
            let plain: f64 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
            let size: f64 = x.iter().zip(&y).map(|(x, y)| (x * y).abs()).sum();
            let bits =
                |simd| dot_sum(&x, &y[..n], How { simd, ..How::default() }).value().to_bits();
            let all: Vec<u64> = Simd::available().into_iter().map(bits).collect();
            assert!(all.iter().all(|&bits| bits == all[0]), "{n}");
            assert!((dot(&x, &y) - plain).abs() <= 1e-14 * size, "{n}");
        }
    }

    #[test]
    fn a_norm_neither_overflows_nor_vanishes() {
        assert!((norm(&[3e200, 4e200]) / 5e200 - 1.0).abs() < 1e-15);
        assert!((norm(&[3e-200, 4e-200]) / 5e-200 - 1.0).abs() < 1e-15);
        assert_eq!(norm::<f32>(&[]), 0.0);
        assert_eq!(norm(&[0.0, 0.0]), 0.0);
        assert_eq!(norm(&[1.0, f64::NEG_INFINITY]), f64::INFINITY);
        assert!(norm(&[1.0, f64::NAN]).is_nan() && norm_max(&[f64::NAN, 1.0]).is_nan());
    }

    #[test]
    fn a_combination_reads_y_only_if_it_counts() {
        let mut y = [f64::NAN, 1.0];
        combine(2.0, &[1.0, 2.0], 0.0, &mut y);
        assert_eq!(y, [2.0, 4.0]);
        add_scaled(0.5, &[2.0, 2.0], &mut y);
        combine(1.0, &[1.0, 1.0], -1.0, &mut y);
        assert_eq!(y, [-2.0, -4.0]);
    }
}
