//! Arithmetic on whole vectors, for what couples elements: dot products and combinations.
//!
//! Sums are the same bits whatever the instruction set and the number of threads; see [`reduce`](crate::reduce).

use crate::reduce::{BLOCK, How, LANES, Sum, fold};
use crate::scalar::{Scalar, compiled_once};
use crate::simd::Work;
use crate::threads::join;

/// Fewer elements than this are worked on by one thread.
const PARALLEL_ABOVE: usize = 1 << 19;

pub(crate) fn how() -> How {
    How { parallel_above: PARALLEL_ABOVE, ..How::default() }
}

compiled_once! {
    /// xᵀy, accumulated in `f64`. Both have one length.
    pub(crate) fn dot<F>(x: &[F], y: &[F]) -> f64 = dot_of;

    /// max|xᵢ|, NaN if an element is.
    pub(crate) fn norm_max<F>(x: &[F]) -> f64 = norm_max_of;

    /// (xᵀx, xᵀy), accumulated in `f64`. Both have one length.
    pub(crate) fn square_and_dot<F>(x: &[F], y: &[F]) -> (f64, f64) = square_and_dot_of;

    /// (xᵀy, max|xᵢ|), the latter NaN if an element of x is. Both have one length; y is finite.
    pub(crate) fn dot_and_max<F>(x: &[F], y: &[F]) -> (f64, f64) = dot_and_max_of;

    /// y = a·x + b·y; b = 0 does not read y.
    pub(crate) fn combine<F>(a: f64, x: &[F], b: f64, y: &mut [F]) = combine_of;

    /// out = x + a·d; whether that has changed an element of it.
    pub(crate) fn shifted<F>(x: &[F], a: f64, d: &[F], out: &mut [F]) -> bool = shifted_of;
}

pub(crate) struct BlockDot<'a, F>(pub(crate) &'a [F], pub(crate) &'a [F]);

impl<F: Scalar> Work for BlockDot<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
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
        fold(lanes)
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

fn dot_of<F: Scalar>(x: &[F], y: &[F]) -> f64 {
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

struct BlockMax<'a, F>(&'a [F]);

impl<F: Scalar> Work for BlockMax<'_, F> {
    type Output = (F, bool);

    #[inline(always)]
    fn run(self) -> (F, bool) {
        const LANES: usize = 16;
        let mut lanes = [F::zero(); LANES];
        let mut finite = true;
        let (xs, rest) = self.0.as_chunks::<LANES>();
        for x in xs {
            for i in 0..LANES {
                let size = x[i].abs();
                finite &= size <= F::max_value();
                lanes[i] = if size > lanes[i] { size } else { lanes[i] };
            }
        }
        for &x in rest {
            finite &= x.abs() <= F::max_value();
            lanes[0] = if x.abs() > lanes[0] { x.abs() } else { lanes[0] };
        }
        (lanes.into_iter().fold(F::zero(), F::max), finite)
    }
}

fn norm_max_of<F: Scalar>(x: &[F]) -> f64 {
    let (largest, finite) = how().simd.run(BlockMax(x));
    if !finite && x.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    largest.into_f64()
}

/// Two sums and a maximum over pairs of elements, in one pass.
#[derive(Debug, Clone, Copy)]
struct Pass {
    square: Sum,
    dot: Sum,
    largest: f64,
}

struct BlockPass<'a, F, const SQUARE: bool, const LARGEST: bool>(&'a [F], &'a [F]);

impl<F: Scalar, const SQUARE: bool, const LARGEST: bool> Work
    for BlockPass<'_, F, SQUARE, LARGEST>
{
    type Output = Pass;

    #[inline(always)]
    fn run(self) -> Pass {
        const LANES: usize = 16;
        let (mut squares, mut dots, mut sizes) = ([0.0; LANES], [0.0; LANES], [0.0_f64; LANES]);
        let (xs, x_rest) = self.0.as_chunks::<LANES>();
        let (ys, y_rest) = self.1.as_chunks::<LANES>();
        for (x, y) in xs.iter().zip(ys) {
            for i in 0..LANES {
                let (x, y) = (x[i].into_f64(), y[i].into_f64());
                dots[i] += x * y;
                if SQUARE {
                    squares[i] += x * x;
                }
                if LARGEST {
                    sizes[i] = if x.abs() > sizes[i] { x.abs() } else { sizes[i] };
                }
            }
        }
        for i in 0..x_rest.len() {
            let (x, y) = (x_rest[i].into_f64(), y_rest[i].into_f64());
            dots[i] += x * y;
            squares[i] += x * x;
            sizes[i] = if x.abs() > sizes[i] { x.abs() } else { sizes[i] };
        }
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                dots[i] += dots[i + width];
                squares[i] += squares[i + width];
                sizes[i] = sizes[i].max(sizes[i + width]);
            }
            width /= 2;
        }
        Pass { square: Sum::of(squares[0]), dot: Sum::of(dots[0]), largest: sizes[0] }
    }
}

fn pass<F: Scalar, const SQUARE: bool, const LARGEST: bool>(x: &[F], y: &[F], how: How) -> Pass {
    if x.len() <= BLOCK {
        return how.simd.run(BlockPass::<F, SQUARE, LARGEST>(x, y));
    }
    let at = x.len().div_ceil(BLOCK) / 2 * BLOCK;
    let ((x0, x1), (y0, y1)) = (x.split_at(at), y.split_at(at));
    let parallel = x.len() > how.parallel_above;
    let left = || pass::<F, SQUARE, LARGEST>(x0, y0, how);
    let right = || pass::<F, SQUARE, LARGEST>(x1, y1, how);
    let (left, right) = join(parallel, left, right);
    Pass {
        square: left.square.add(right.square),
        dot: left.dot.add(right.dot),
        largest: left.largest.max(right.largest),
    }
}

fn square_and_dot_of<F: Scalar>(x: &[F], y: &[F]) -> (f64, f64) {
    let Pass { square, dot, .. } = pass::<F, true, false>(x, &y[..x.len()], how());
    (square.value(), dot.value())
}

fn dot_and_max_of<F: Scalar>(x: &[F], y: &[F]) -> (f64, f64) {
    let Pass { dot, largest, .. } = pass::<F, false, true>(x, &y[..x.len()], how());
    let dot = dot.value();
    // An element of x that is not finite shows in the product.
    (dot, if dot.is_finite() { largest } else { norm_max(x) })
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

fn combine_of<F: Scalar>(a: f64, x: &[F], b: f64, y: &mut [F]) {
    combine_with(F::from_f64(a), &x[..y.len()], F::from_f64(b), y, how());
}

/// y += a·x
pub(crate) fn add_scaled<F: Scalar>(a: f64, x: &[F], y: &mut [F]) {
    combine(a, x, 1.0, y);
}

struct Shifted<'a, F>(&'a [F], F, &'a [F], &'a mut [F]);

impl<F: Scalar> Work for Shifted<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Shifted(x, a, d, out) = self;
        let (x, d) = (&x[..out.len()], &d[..out.len()]);
        let mut changed = false;
        // What was there is on its way into the cache to be overwritten: to read it costs nothing.
        for i in 0..out.len() {
            let moved = x[i] + a * d[i];
            changed |= moved != out[i];
            out[i] = moved;
        }
        changed
    }
}

fn shifted_with<F: Scalar>(x: &[F], a: F, d: &[F], out: &mut [F], how: How) -> bool {
    if out.len() <= how.parallel_above || cfg!(not(feature = "rayon")) {
        return how.simd.run(Shifted(x, a, d, out));
    }
    let at = out.len() / 2;
    let ((x0, x1), (d0, d1)) = (x.split_at(at), d.split_at(at));
    let (out0, out1) = out.split_at_mut(at);
    let left = || shifted_with(x0, a, d0, out0, how);
    let right = || shifted_with(x1, a, d1, out1, how);
    let (left, right) = join(true, left, right);
    left | right
}

fn shifted_of<F: Scalar>(x: &[F], a: f64, d: &[F], out: &mut [F]) -> bool {
    shifted_with(x, F::from_f64(a), d, out, how())
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
    fn one_pass_gives_what_the_single_sums_give() {
        for n in [0, 1, 17, 1024, 5000] {
            let (x, y) = (numbers(n), numbers(n + 3));
            let y = &y[3..];
            assert_eq!(square_and_dot(&x, y), (dot(&x, &x), dot(&x, y)));
            assert_eq!(dot_and_max(&x, y), (dot(&x, y), norm_max(&x)));
        }
        assert!(dot_and_max(&[f64::NAN, 1.0], &[1.0, 1.0]).1.is_nan());
        assert_eq!(dot_and_max(&[f64::NEG_INFINITY, 1.0], &[0.0, 1.0]).1, f64::INFINITY);
    }

    #[test]
    fn a_shift_says_whether_it_changes_anything() {
        let (x, d) = (numbers(100), numbers(100));
        let mut out = vec![0.0; 100];
        assert!(shifted(&x, 0.5, &d, &mut out));
        assert!(!shifted(&x, 0.5, &d, &mut out));
        assert!(out.iter().zip(&x).all(|(out, x)| *out == x + 0.5 * x));
        out[99] = f64::NAN;
        assert!(shifted(&x, 0.5, &d, &mut out));
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
