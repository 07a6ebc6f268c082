//! Orthogonal bases: a vector less its part along them, in one pass over the basis.
//!
//! A basis of k vectors is the traffic of k vectors each time it is read. So a pass takes a tile of
//! all the vectors at a time, subtracts the parts that are known, and projects what is left while
//! the tile is still in the cache.

use crate::reduce::{BLOCK, How, Sum};
use crate::scalar::{Scalar, compiled_once};
use crate::simd::Work;
use crate::threads::join;
use crate::vector::{BlockDot, how};

/// Elements of each vector that are worked on together.
const TILE: usize = 8 * BLOCK;

compiled_once! {
    /// w = w - Σ cᵢqᵢ; then, where `projections` is given, its entries are qᵢᵀw of the new w, for all of
    /// the basis. Returns ‖w‖² of the new w. Sums are accumulated in `f64`.
    pub(crate) fn subtract<F>(
        basis: &[Vec<F>],
        coefficients: &[f64],
        w: &mut [F],
        projections: Option<&mut [f64]>,
        partial: &mut Partial
    ) -> f64 = subtract_of;

    /// Replaces the first vectors of a basis by combinations of all: qⱼ = Σᵢ columns[j][i]·qᵢ.
    pub(crate) fn rotate<F>(basis: &mut [Vec<F>], columns: &[Vec<f64>]) = rotate_of;
}

struct SubtractFour<'a, F>([F; 4], [&'a [F]; 4], &'a mut [F]);

impl<F: Scalar> Work for SubtractFour<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self([a, b, c, d], [p, q, r, s], w) = self;
        let n = w.len();
        let (p, q, r, s) = (&p[..n], &q[..n], &r[..n], &s[..n]);
        for i in 0..n {
            w[i] = w[i] - ((a * p[i] + b * q[i]) + (c * r[i] + d * s[i]));
        }
    }
}

/// Sums by tile: the same bits whatever the threads. Kept from pass to pass.
#[derive(Debug, Clone, Default)]
pub(crate) struct Partial(Vec<f64>);

struct Pass<'a, F> {
    basis: &'a [Vec<F>],
    coefficients: &'a [f64],
    project: bool,
    /// Numbers a tile leaves behind: the projections, if any, and the square.
    stride: usize,
    how: How,
}

impl<F: Scalar> Pass<'_, F> {
    fn tile(&self, at: usize, w: &mut [F], partial: &mut [f64]) {
        let simd = self.how.simd;
        let range = at..at + w.len();
        let used = |&i: &usize| self.coefficients[i] != 0.0;
        let mut chosen = (0..self.coefficients.len()).filter(used);
        while let Some(first) = chosen.next() {
            let mut factors = [F::zero(); 4];
            let mut vectors = [&self.basis[first][range.clone()]; 4];
            factors[0] = F::from_f64(self.coefficients[first]);
            for (lane, i) in (1..4).zip(chosen.by_ref()) {
                factors[lane] = F::from_f64(self.coefficients[i]);
                vectors[lane] = &self.basis[i][range.clone()];
            }
            simd.run(SubtractFour(factors, vectors, w));
        }
        let dot = |x: &[F]| -> f64 {
            let blocks = x.chunks(BLOCK).zip(w.chunks(BLOCK));
            blocks.map(|(x, w)| simd.run(BlockDot(x, w))).sum()
        };
        if self.project {
            for (sum, q) in partial.iter_mut().zip(self.basis) {
                *sum = dot(&q[range.clone()]);
            }
        }
        partial[self.stride - 1] = dot(w);
    }

    fn run(&self, at: usize, w: &mut [F], partial: &mut [f64]) {
        if w.len() <= TILE {
            return self.tile(at, w, partial);
        }
        let tiles = w.len().div_ceil(TILE) / 2;
        let (left, right) = w.split_at_mut(tiles * TILE);
        let (sums_left, sums_right) = partial.split_at_mut(tiles * self.stride);
        join(
            left.len() > self.how.parallel_above / 2,
            || self.run(at, left, sums_left),
            || self.run(at + tiles * TILE, right, sums_right),
        );
    }
}

fn subtract_of<F: Scalar>(
    basis: &[Vec<F>],
    coefficients: &[f64],
    w: &mut [F],
    projections: Option<&mut [f64]>,
    Partial(partial): &mut Partial,
) -> f64 {
    let stride = projections.as_ref().map_or(0, |p| p.len()) + 1;
    let tiles = w.len().div_ceil(TILE);
    partial.resize(partial.len().max(tiles * stride), 0.0);
    let partial = &mut partial[..tiles * stride];
    let project = projections.is_some();
    Pass { basis, coefficients, project, stride, how: how() }.run(0, w, partial);
    let sum = |i: usize| {
        let sums = partial.chunks(stride).map(|sums| Sum::of(sums[i]));
        sums.fold(Sum::default(), Sum::add).value()
    };
    if let Some(projections) = projections {
        projections.iter_mut().enumerate().for_each(|(i, p)| *p = sum(i));
    }
    sum(stride - 1)
}

/// Elements of each combination that are summed at a time, in registers.
const STRIP: usize = 32;

/// A stretch of all vectors and of all their combinations.
struct Rotate<'a, 'b, F> {
    basis: &'a [&'b mut [F]],
    columns: &'a [Vec<F>],
    at: usize,
    /// `columns` times as many elements.
    rotated: &'a mut [F],
    stretch: usize,
}

impl<F: Scalar> Work for Rotate<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { basis, columns, at, rotated, stretch } = self;
        let whole = stretch / STRIP * STRIP;
        for strip in (0..whole).step_by(STRIP) {
            for (j, column) in columns.iter().enumerate() {
                let mut sums = [F::zero(); STRIP];
                for (&factor, q) in column.iter().zip(basis) {
                    let q = &q[at + strip..at + strip + STRIP];
                    for i in 0..STRIP {
                        sums[i] = sums[i] + factor * q[i];
                    }
                }
                rotated[j * stretch + strip..][..STRIP].copy_from_slice(&sums);
            }
        }
        for (j, column) in columns.iter().enumerate() {
            let to = &mut rotated[j * stretch..(j + 1) * stretch];
            to[whole..].fill(F::zero());
            for (&factor, q) in column.iter().zip(basis) {
                for i in whole..stretch {
                    to[i] = to[i] + factor * q[at + i];
                }
            }
        }
    }
}

fn rotate_of<F: Scalar>(basis: &mut [Vec<F>], columns: &[Vec<f64>]) {
    let mut slices: Vec<&mut [F]> = basis.iter_mut().map(Vec::as_mut_slice).collect();
    let cast = |column: &Vec<f64>| column.iter().map(|&x| F::from_f64(x)).collect();
    rotate_slices(&mut slices, &columns.iter().map(cast).collect::<Vec<_>>(), how());
}

fn rotate_slices<F: Scalar>(basis: &mut [&mut [F]], columns: &[Vec<F>], how: How) {
    let n = basis.first().map_or(0, |q| q.len());
    if n > how.parallel_above / 2 && cfg!(feature = "rayon") {
        // A multiple of a strip: what is summed in strips is so whatever the threads.
        let halves = basis.iter_mut().map(|q| q.split_at_mut(n / 2 / BLOCK * BLOCK));
        let (mut left, mut right): (Vec<_>, Vec<_>) = halves.unzip();
        join(
            true,
            || rotate_slices(&mut left, columns, how),
            || rotate_slices(&mut right, columns, how),
        );
        return;
    }
    let mut scratch = vec![F::zero(); columns.len() * BLOCK];
    for at in (0..n).step_by(BLOCK) {
        let stretch = BLOCK.min(n - at);
        let rotated = &mut scratch[..columns.len() * stretch];
        how.simd.run(Rotate { basis, columns, at, rotated: &mut *rotated, stretch });
        for (q, from) in basis.iter_mut().zip(rotated.chunks(stretch)).take(columns.len()) {
            q[at..at + stretch].copy_from_slice(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919 + seed * 613) % 104_729) as f64 * 1e-3 - 50.0).collect()
    }

    #[test]
    fn a_fused_pass_does_what_its_parts_do() {
        for n in [1, 1000, 8192, 8193, 40_000] {
            let basis: Vec<Vec<f64>> = (0..6).map(|seed| numbers(n, seed)).collect();
            let coefficients = [0.5, 0.0, -2.0, 1.0, 0.25, 3.0];
            let (mut w, mut h) = (numbers(n, 9), [0.0; 6]);
            let mut expected = w.clone();
            for (c, q) in coefficients.iter().zip(&basis) {
                expected.iter_mut().zip(q).for_each(|(w, q)| *w -= c * q);
            }
            let square =
                subtract(&basis, &coefficients, &mut w, Some(&mut h), &mut Partial::default());
            let size = crate::vector::norm_max(&expected);
            assert!(w.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-14 * size));
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-13 * n as f64 * size * size;
            assert!(close(square, crate::vector::dot(&w, &w)));
            assert!(basis.iter().zip(h).all(|(q, h)| close(h, crate::vector::dot(q, &w))));
        }
    }

    #[test]
    fn a_rotated_basis_is_the_combination() {
        for n in [3, 1024, 5000] {
            let mut basis: Vec<Vec<f64>> = (0..5).map(|seed| numbers(n, seed)).collect();
            let before = basis.clone();
            let columns = vec![vec![1.0, 2.0, 0.0, -1.0, 0.5], vec![0.0, 1.0, 1.0, 0.0, -3.0]];
            rotate(&mut basis, &columns);
            for (j, column) in columns.iter().enumerate() {
                for i in 0..n {
                    let sum: f64 = column.iter().zip(&before).map(|(c, q)| c * q[i]).sum();
                    assert!((basis[j][i] - sum).abs() < 1e-11);
                }
            }
            assert_eq!(basis[4], before[4]);
        }
    }
}
