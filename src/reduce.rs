//! Sums over a leaf, the same bits whatever the threads and the instruction set.
//!
//! A slice is cut into fixed blocks; within a block sixteen running sums take turns, and the sums of
//! the blocks are added with their rounding errors kept, along a tree that depends on the length
//! alone.

use ndarray::ArrayViewD;

use crate::error::{Error, ErrorKind};
use crate::params::{Leaf, Params, Path};
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};
use crate::threads::join;

/// Elements that one block takes.
pub(crate) const BLOCK: usize = 1024;

/// Running sums of a block: the first takes every sixteenth element from the first on.
pub(crate) const LANES: usize = 16;

/// How a reduction is carried out; its value does not depend on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) simd: Simd,
    /// Slices longer than this are halved between threads.
    pub(crate) parallel_above: usize,
}

impl Default for How {
    fn default() -> Self {
        Self { simd: Simd::default(), parallel_above: usize::MAX }
    }
}

/// A sum and the rounding error it has left behind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    pub(crate) fn of(value: f64) -> Self {
        Self { high: value, low: 0.0 }
    }

    pub(crate) fn value(self) -> f64 {
        // The error is NaN where the sum overflowed.
        if self.high.is_finite() { self.high + self.low } else { self.high }
    }

    pub(crate) fn add(self, other: Self) -> Self {
        let high = self.high + other.high;
        let part = high - self.high;
        let error = (self.high - (high - part)) + (other.high - part);
        Self { high, low: self.low + other.low + error }
    }
}

/// What is summed over the elements.
pub(crate) trait Term: Copy + Send + Sync {
    fn term(self, x: f64) -> f64;
}

/// x
#[derive(Debug, Clone, Copy)]
pub(crate) struct Itself;

impl Term for Itself {
    #[inline(always)]
    fn term(self, x: f64) -> f64 {
        x
    }
}

/// x²
#[derive(Debug, Clone, Copy)]
pub(crate) struct Square;

impl Term for Square {
    #[inline(always)]
    fn term(self, x: f64) -> f64 {
        x * x
    }
}

/// (x·factor)², for values whose squares would overflow or vanish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScaledSquare(pub(crate) f64);

impl Term for ScaledSquare {
    #[inline(always)]
    fn term(self, x: f64) -> f64 {
        let x = x * self.0;
        x * x
    }
}

/// |x|
#[derive(Debug, Clone, Copy)]
pub(crate) struct Absolute;

impl Term for Absolute {
    #[inline(always)]
    fn term(self, x: f64) -> f64 {
        x.abs()
    }
}

struct BlockSum<'a, F, T>(&'a [F], T);

impl<F: Scalar, T: Term> Work for BlockSum<'_, F, T> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut lanes = [0.0; LANES];
        let (chunks, rest) = self.0.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                lanes[i] += self.1.term(chunk[i].into_f64());
            }
        }
        for i in 0..rest.len() {
            lanes[i] += self.1.term(rest[i].into_f64());
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

/// The sum of a term over a slice.
pub(crate) fn sum_slice<F: Scalar, T: Term>(x: &[F], term: T, how: How) -> Sum {
    if x.len() <= BLOCK {
        return Sum::of(how.simd.run(BlockSum(x, term)));
    }
    let (left, right) = x.split_at(x.len().div_ceil(BLOCK) / 2 * BLOCK);
    let (left, right) = join(
        x.len() > how.parallel_above,
        || sum_slice(left, term, how),
        || sum_slice(right, term, how),
    );
    left.add(right)
}

/// The sum of a term over a view that has gaps, in its own row-major order.
pub(crate) fn sum_view<F: Scalar, T: Term>(x: ArrayViewD<'_, F>, term: T, how: How) -> Sum {
    let mut block = [F::zero(); BLOCK];
    let mut filled = 0;
    let mut sum = x.fold(Sum::default(), |mut sum, &value| {
        block[filled] = value;
        filled += 1;
        if filled == BLOCK {
            sum = sum.add(sum_slice(&block, term, how));
            filled = 0;
        }
        sum
    });
    sum = sum.add(sum_slice(&block[..filled], term, how));
    sum
}

/// The sum of a term over every leaf of a tree.
pub(crate) fn sum_tree<F: Scalar, T: Term>(tree: &dyn Params<F>, term: T) -> f64 {
    let how = How::default();
    let mut sum = Sum::default();
    tree.visit(Path::ROOT, &mut |_, leaf| {
        sum = sum.add(match leaf.as_slice() {
            Some(slice) => sum_slice(slice, term, how),
            None => sum_view(leaf.view(), term, how),
        });
    });
    sum.value()
}

struct AllFinite<'a, F>(&'a [F]);

impl<F: Scalar> Work for AllFinite<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let largest = F::max_value();
        // No early exit: a branch an element would cost more than the rest of the piece. Four
        // streams: one alone does not fill the memory bus.
        let quarter = self.0.len() / 4;
        let (a, rest) = self.0.split_at(quarter);
        let (b, rest) = rest.split_at(quarter);
        let (c, rest) = rest.split_at(quarter);
        let (d, rest) = rest.split_at(quarter);
        let mut all = rest.iter().all(|x| x.abs() <= largest);
        for i in 0..quarter {
            all &= (a[i].abs() <= largest)
                & (b[i].abs() <= largest)
                & (c[i].abs() <= largest)
                & (d[i].abs() <= largest);
        }
        all
    }
}

/// Whether no element is NaN or infinite.
pub(crate) fn all_finite_slice<F: Scalar>(x: &[F], how: How) -> bool {
    if x.len() < 16 {
        return x.iter().all(|x| x.is_finite());
    }
    if x.len() <= how.parallel_above {
        // In pieces, so that the first bad one ends it; large ones, whose four streams lie apart.
        return x.chunks(1024 * BLOCK).all(|piece| how.simd.run(AllFinite(piece)));
    }
    let (left, right) = x.split_at(x.len() / 2);
    let (left, right) = join(true, || all_finite_slice(left, how), || all_finite_slice(right, how));
    left && right
}

/// Whether no element of a view that has gaps is NaN or infinite.
pub(crate) fn all_finite_view<F: Scalar>(x: &ArrayViewD<'_, F>) -> bool {
    x.fold(true, |all, value| all & value.is_finite())
}

/// The first NaN or infinite element in logical order: its index and value.
pub(crate) fn first_non_finite<F: Scalar>(leaf: &dyn Leaf<F>) -> Option<(Vec<usize>, f64)> {
    leaf.view()
        .indexed_iter()
        .find(|(_, value)| !value.is_finite())
        .map(|(index, value)| (ndarray::Dimension::slice(&index).to_vec(), value.into_f64()))
}

/// The error of the first NaN or infinite gradient among those leaves of a tree that count.
pub(crate) fn find_non_finite<F: Scalar>(
    grads: &dyn Params<F>,
    counts: impl Fn(Path<'_>) -> bool,
) -> Option<Error> {
    let mut first = None;
    grads.visit(Path::ROOT, &mut |path, leaf| {
        let finite = first.is_some()
            || !counts(path)
            || match leaf.as_slice() {
                Some(slice) => all_finite_slice(slice, How::default()),
                None => all_finite_view(&leaf.view()),
            };
        if !finite && let Some((index, value)) = first_non_finite(leaf) {
            first = Some(ErrorKind::NonFiniteGradient { leaf: path.to_string(), index, value });
        }
    });
    first.map(Error::from)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis, Slice};

    use super::*;

    fn numbers(n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919 % 104_729) as f64 - 5e4) * 1e-3).collect()
    }

    #[test]
    fn a_sum_is_the_same_on_every_instruction_set() {
        for n in [0, 1, 15, 16, 1000, 1024, 1025, 70_001] {
            let x = numbers(n);
            let sums: Vec<u64> = Simd::available()
                .into_iter()
                .map(|simd| sum_slice(&x, Square, How { simd, ..How::default() }).value().to_bits())
                .collect();
            assert!(sums.iter().all(|&sum| sum == sums[0]), "{n}");
        }
    }

    #[test]
    fn a_sum_over_a_strided_view_agrees_with_the_slice() {
        let x = Array2::from_shape_vec((300, 400), numbers(120_000)).unwrap();
        let every_second = x.slice_axis(Axis(1), Slice::new(0, None, 2));
        let packed: Vec<f64> = every_second.iter().copied().collect();
        let how = How::default();
        let a = sum_view(every_second.into_dyn(), Square, how).value();
        let b = sum_slice(&packed, Square, how).value();
        assert!((a / b - 1.0).abs() < 1e-15);
    }

    #[test]
    fn a_sum_of_a_million_equal_terms_keeps_its_digits() {
        let x = vec![0.1_f64; 1_000_000];
        let sum = sum_slice(&x, Absolute, How::default()).value();
        assert!((sum / 1e5 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn finite_means_neither_nan_nor_infinite() {
        let how = How::default();
        let mut x = vec![f32::MAX; 100_000];
        assert!(all_finite_slice(&x, how));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 65_535, 65_536, 99_999] {
                x[at] = bad;
                assert!(!all_finite_slice(&x, how));
                x[at] = 0.0;
            }
        }
    }
}
