//! Sums over a leaf, the same bits whatever the threads and the instruction set.
//!
//! A slice is cut into fixed blocks; within a block sixteen running sums take turns, and the sums of
//! the blocks are added with their rounding errors kept, along a tree that depends on the length
//! alone.

use ndarray::{ArrayView, ArrayViewD, Dimension};

use crate::error::{Error, ErrorKind};
use crate::params::{Leaf, Params, Path, copy_of, summed};
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

    /// Its two parts.
    pub(crate) fn parts(self) -> [f64; 2] {
        [self.high, self.low]
    }

    pub(crate) fn of_parts([high, low]: [f64; 2]) -> Self {
        Self { high, low }
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
        fold(lanes)
    }
}

/// The sum of running sums.
#[inline(always)]
pub(crate) fn fold(mut lanes: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The sum of a term over a block.
pub(crate) fn sum_block<F: Scalar, T: Term>(block: &[F], term: T, how: How) -> f64 {
    how.simd.run(BlockSum(block, term))
}

/// The sum of the sums of blocks: that of [`sum_slice`] over all of them.
pub(crate) fn sum_blocks(blocks: &[f64]) -> Sum {
    match blocks {
        [] => Sum::default(),
        [sum] => Sum::of(*sum),
        _ => {
            let (left, right) = blocks.split_at(blocks.len() / 2);
            sum_blocks(left).add(sum_blocks(right))
        }
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
pub(crate) fn sum_view<F: Scalar, T: Term, D: Dimension>(
    x: ArrayView<'_, F, D>,
    term: T,
    how: How,
) -> Sum {
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
            None if leaf.is_sixteen() => sum_view(copy_of(leaf).view(), term, how),
            None => sum_view(leaf.view(), term, how),
        });
    });
    sum.value()
}

struct Largest<'a, F>(&'a [F]);

impl<F: Scalar> Work for Largest<'_, F> {
    type Output = F::Size;

    #[inline(always)]
    fn run(self) -> F::Size {
        // Four streams: one alone does not fill the memory bus. No early exit: a branch an element
        // would cost more than the rest of the piece.
        let quarter = self.0.len() / 4 / WIDE * WIDE;
        let (a, rest) = self.0.split_at(quarter);
        let (b, rest) = rest.split_at(quarter);
        let (c, rest) = rest.split_at(quarter);
        let (d, rest) = rest.split_at(quarter);
        let mut lanes = [F::Size::default(); WIDE];
        for i in (0..quarter).step_by(WIDE) {
            let (a, b) = (&a[i..i + WIDE], &b[i..i + WIDE]);
            let (c, d) = (&c[i..i + WIDE], &d[i..i + WIDE]);
            for j in 0..WIDE {
                let (ab, cd) = (a[j].size().max(b[j].size()), c[j].size().max(d[j].size()));
                lanes[j] = lanes[j].max(ab.max(cd));
            }
        }
        let lanes = lanes.into_iter().fold(F::Size::default(), Ord::max);
        rest.iter().fold(lanes, |largest, x| largest.max(x.size()))
    }
}

/// Elements that are compared at once.
const WIDE: usize = 16;
/// Elements that are looked at before it is asked whether one was NaN or infinite.
const PIECE: usize = 64 * BLOCK;

/// The largest |x|, as [`Scalar::size`] tells it: above that of the largest number where an element is
/// NaN or infinite.
///
/// The last elements are looked at first, so that the cache holds the first in the end.
pub(crate) fn largest_slice<F: Scalar>(x: &[F], how: How) -> F::Size {
    if x.len() < WIDE {
        return x.iter().fold(F::Size::default(), |largest, x| largest.max(x.size()));
    }
    if x.len() <= how.parallel_above {
        let mut largest = F::Size::default();
        for piece in x.chunks(PIECE).rev() {
            largest = largest.max(how.simd.run(Largest(piece)));
            if !is_finite_size::<F>(largest) {
                break;
            }
        }
        return largest;
    }
    let (left, right) = x.split_at(x.len() / 2);
    let (left, right) = join(true, || largest_slice(left, how), || largest_slice(right, how));
    left.max(right)
}

/// The largest |x| of a view that has gaps.
pub(crate) fn largest_view<F: Scalar>(x: &ArrayViewD<'_, F>) -> F::Size {
    x.fold(F::Size::default(), |largest, x| largest.max(x.size()))
}

/// Whether it is of a number, neither NaN nor infinite.
pub(crate) fn is_finite_size<F: Scalar>(size: F::Size) -> bool {
    size <= F::max_value().size()
}

/// Whether no element is NaN or infinite.
pub(crate) fn all_finite_slice<F: Scalar>(x: &[F], how: How) -> bool {
    is_finite_size::<F>(largest_slice(x, how))
}

/// Whether no element of a view that has gaps is NaN or infinite.
pub(crate) fn all_finite_view<F: Scalar>(x: &ArrayViewD<'_, F>) -> bool {
    is_finite_size::<F>(largest_view(x))
}

/// The first NaN or infinite element in logical order: its index and value.
pub(crate) fn first_non_finite<F: Scalar>(leaf: &dyn Leaf<F>) -> Option<(Vec<usize>, f64)> {
    first_beyond(leaf, F::max_value().into_f64())
}

fn first_beyond<F: Scalar>(leaf: &dyn Leaf<F>, limit: f64) -> Option<(Vec<usize>, f64)> {
    match leaf.sixteen_view() {
        None => first_beyond_view(&leaf.view(), limit),
        Some(_) => first_beyond_view(&copy_of(leaf).view(), limit),
    }
}

/// The first element in logical order that is not at most `limit` in size: its index and value.
fn first_beyond_view<F: Scalar>(view: &ArrayViewD<'_, F>, limit: f64) -> Option<(Vec<usize>, f64)> {
    view.indexed_iter()
        .find(|(_, value)| value.is_nan() || value.into_f64().abs() > limit)
        .map(|(index, value)| (ndarray::Dimension::slice(&index).to_vec(), value.into_f64()))
}

/// The error of the first gradient that is NaN or infinite, or larger than the limit of its leaf;
/// `limit` is `None` for leaves that do not count.
pub(crate) fn find_beyond<F: Scalar>(
    grads: &dyn Params<F>,
    limit: impl Fn(Path<'_>) -> Option<f64>,
) -> Option<Error> {
    let mut first = None;
    grads.visit(Path::ROOT, &mut |path, leaf| {
        if first.is_some() {
            return;
        }
        let Some(limit) = limit(path) else { return };
        let within = limit.min(F::max_value().into_f64());
        if let Some(numbers) = leaf.rows() {
            let sums = summed(leaf, &numbers);
            let mut beyond = sums.iter().filter_map(|(&row, sum)| {
                let (index, value) = first_beyond_view(&sum.view(), within)?;
                Some((std::iter::once(row).chain(index).collect(), value))
            });
            first = beyond.next().map(|(index, value)| beyond_kind(path, index, value, within));
            return;
        }
        let largest = match leaf.as_slice() {
            Some(slice) => largest_slice(slice, How::default()),
            None if leaf.is_sixteen() => largest_view(&copy_of(leaf).view()),
            None => largest_view(&leaf.view()),
        };
        if is_finite_size::<F>(largest) && F::of_size(largest).into_f64() <= limit {
            return;
        }
        let beyond = first_beyond(leaf, within);
        first = beyond.map(|(index, value)| beyond_kind(path, index, value, within));
    });
    first.map(Error::from)
}

fn beyond_kind(path: Path<'_>, index: Vec<usize>, value: f64, limit: f64) -> ErrorKind {
    let leaf = path.to_string();
    if value.is_finite() {
        ErrorKind::LargeGradient { leaf, index, value, limit }
    } else {
        ErrorKind::NonFiniteGradient { leaf, index, value }
    }
}

/// The error of the first NaN or infinite gradient among those leaves of a tree that count.
pub(crate) fn find_non_finite<F: Scalar>(
    grads: &dyn Params<F>,
    counts: impl Fn(Path<'_>) -> bool,
) -> Option<Error> {
    find_beyond(grads, |path| counts(path).then_some(f64::INFINITY))
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
