//! Pairs of a weight and its unit's bias: their moments, and the inverse of each block.

use ndarray::{Array2, ArrayRef2, Axis};

use super::layer::row_major;
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};

/// E(δ²(a - μ)²), μ = E(δ²a)/E(δ²) (in×out) and E(δ²) (1×out) of inputs a (n×in) and δ (n×out); μ = 0
/// where there is no bias.
///
/// A pair's block of the Fisher matrix is [[spread + total·mean², total·mean], [total·mean, total]];
/// kept so, nothing that must be positive is a difference.
pub(super) fn moments<F: Scalar>(
    a: &ArrayRef2<F>,
    deltas: &ArrayRef2<F>,
    samples: usize,
    bias: bool,
) -> [Array2<f64>; 3] {
    let share = F::from_f64(1.0 / samples as f64);
    // A square with no digits left to lose counts as 0: subnormal numbers are slow.
    let least = F::min_positive_value() / F::epsilon();
    let square = |d: F| d * d * share;
    let square = |d: F| if square(d) < least { F::zero() } else { square(d) };
    let squares = row_major(deltas.mapv(square));
    let totals = squares.sum_axis(Axis(0));
    let mut means = Array2::zeros((a.ncols(), deltas.ncols()));
    if bias {
        means = a.t().dot(&squares);
        for mut row in means.rows_mut() {
            // Not by 1/total: of a subnormal number that is ∞.
            row.zip_mut_with(&totals, |sum, &total| {
                *sum = if total > F::zero() { *sum / total } else { F::zero() };
            });
        }
    }
    let mut spreads = Array2::zeros(means.raw_dim());
    let means = means.as_standard_layout();
    let turned = a.t().as_standard_layout().into_owned();
    if let (Some(spreads), Some(a), Some(squares), Some(means)) =
        (spreads.as_slice_mut(), turned.as_slice(), squares.as_slice(), means.as_slice())
    {
        let outputs = deltas.ncols();
        Simd::default().run(Spreads { spreads, a, squares, means, outputs });
    }
    let totals = totals.insert_axis(Axis(0)).mapv(F::into_f64);
    [spreads.mapv(F::into_f64), means.mapv(F::into_f64), totals]
}

/// spread = Σ δ²(a - μ)², all matrices row-major, a turned (in×n).
struct Spreads<'a, F> {
    spreads: &'a mut [F],
    a: &'a [F],
    squares: &'a [F],
    means: &'a [F],
    outputs: usize,
}

impl<F: Scalar> Work for Spreads<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { spreads, a, squares, means, outputs } = self;
        if outputs == 0 || squares.is_empty() {
            return;
        }
        let rows = spreads.chunks_exact_mut(outputs).zip(means.chunks_exact(outputs));
        for ((spread, mean), a) in rows.zip(a.chunks_exact(squares.len() / outputs)) {
            let mut at = 0;
            at = columns::<F, 32>(spread, mean, a, squares, at);
            at = columns::<F, 8>(spread, mean, a, squares, at);
            columns::<F, 1>(spread, mean, a, squares, at);
        }
    }
}

/// The columns from `at` on, so many at a time; where it ended.
#[inline(always)]
fn columns<F: Scalar, const LANES: usize>(
    spread: &mut [F],
    mean: &[F],
    a: &[F],
    squares: &[F],
    mut at: usize,
) -> usize {
    let outputs = spread.len();
    while let (Some(to), Some(mean)) =
        (spread[at..].first_chunk_mut::<LANES>(), mean[at..].first_chunk::<LANES>())
    {
        let mut sums = [F::zero(); LANES];
        for (&a, squares) in a.iter().zip(squares.chunks_exact(outputs)) {
            let Some(squares) = squares[at..].first_chunk::<LANES>() else { break };
            for i in 0..LANES {
                let away = a - mean[i];
                // In this order 0·∞ cannot come up.
                sums[i] = sums[i] + squares[i] * away * away;
            }
        }
        *to = sums;
        at += LANES;
    }
    at
}

/// Spread, mean and total of the union of two weighted sets, in the place of the new ones.
pub(super) fn merge(old: &[Array2<f64>], new: &mut [Array2<f64>], kept: f64) {
    for (old, new) in old.chunks_exact(3).zip(new.chunks_exact_mut(3)) {
        let [spread, mean, total] = new else { continue };
        let outputs = total.len();
        let (mut between, mut share) = (vec![0.0; outputs], vec![0.0; outputs]);
        for (j, (total, &old)) in total.iter_mut().zip(&old[2]).enumerate() {
            let (a, b) = (kept * old, (1.0 - kept) * *total);
            if a + b > 0.0 {
                (between[j], share[j]) = (a * b / (a + b), b / (a + b));
            }
            *total = a + b;
        }
        if let (Some(spread), Some(mean), Some(old_spread), Some(old_mean)) =
            (spread.as_slice_mut(), mean.as_slice_mut(), old[0].as_slice(), old[1].as_slice())
        {
            let (between, share) = (&between[..], &share[..]);
            Simd::default().run(Union { spread, mean, old_spread, old_mean, between, share, kept });
        }
    }
}

/// Of matrices that are row-major, and constants of each column.
struct Union<'a> {
    spread: &'a mut [f64],
    mean: &'a mut [f64],
    old_spread: &'a [f64],
    old_mean: &'a [f64],
    between: &'a [f64],
    share: &'a [f64],
    kept: f64,
}

impl Work for Union<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { spread, mean, old_spread, old_mean, between, share, kept } = self;
        let n = between.len();
        if n == 0 {
            return;
        }
        let new = spread.chunks_exact_mut(n).zip(mean.chunks_exact_mut(n));
        let old = old_spread.chunks_exact(n).zip(old_mean.chunks_exact(n));
        for ((spread, mean), (old_spread, old_mean)) in new.zip(old) {
            let share = &share[..n];
            for j in 0..n {
                let apart = mean[j] - old_mean[j];
                spread[j] =
                    kept * old_spread[j] + (1.0 - kept) * spread[j] + between[j] * apart * apart;
                mean[j] = old_mean[j] + share[j] * apart;
            }
        }
    }
}

/// The share F₀₀/(F₀₀ + λ) of a bias that is its own; 0 where it has nothing.
pub(super) fn own_share(total: f64, damping: f64) -> f64 {
    if total > 0.0 { total / (total + damping) } else { 0.0 }
}

/// The inverse of a pair's damped block, as an elimination has it: d = (g - ratio·g₀)/rest for the
/// weight, then g₀/(F₀₀ + λ) - ratio·d for the bias.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    /// F₀ᵢ/(F₀₀ + λ)
    pub(super) ratio: f64,
    /// Fᵢᵢ + λ - F₀ᵢ²/(F₀₀ + λ), each term of it ≥ 0.
    pub(super) rest: f64,
}

impl Pair {
    /// By the bias's [`own_share`]; without a bias the mean is 0.
    #[inline(always)]
    pub(super) fn of(spread: f64, mean: f64, own_share: f64, damping: f64) -> Self {
        let ratio = own_share * mean;
        Self { ratio, rest: damping + spread + ratio * mean * damping }
    }
}
