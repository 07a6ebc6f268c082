//! The product of matrices.
//!
//! An element is summed in one order, without fused operations: the same bits whatever the instruction
//! set and the number of threads. A product allocates nothing once there is room for its panels.

use crate::reduce::How;
use crate::scalar::Scalar;
use crate::simd::Work;
use crate::threads::join;

/// Rows that a tile of a product has: with its columns as many sums as fit the registers.
const ROWS: usize = 4;

/// Fewer multiplications than this are done by one thread.
const PARALLEL_ABOVE: usize = 1 << 20;

/// Columns that a panel has: two AVX vectors.
const fn width<F>() -> usize {
    64 / size_of::<F>()
}

/// The right factor of a product, in panels of a few columns, row after row; the memory is kept.
#[derive(Debug)]
pub(crate) struct Panels<F>(Vec<F>);

impl<F> Default for Panels<F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<F: Scalar> Panels<F> {
    /// Makes room for an `inner` × `n` matrix.
    pub(crate) fn reserve(&mut self, inner: usize, n: usize) {
        let len = inner * n.next_multiple_of(width::<F>());
        if self.0.len() < len {
            self.0.resize(len, F::zero());
        }
    }

    /// Lays out the `inner` × `n` matrix of those elements.
    pub(crate) fn pack(
        &mut self,
        inner: usize,
        n: usize,
        element: impl Fn(usize, usize) -> F,
    ) -> &[F] {
        self.reserve(inner, n);
        let width = width::<F>();
        let panels = &mut self.0[..inner * n.next_multiple_of(width)];
        if inner == 0 {
            return panels;
        }
        for (panel, first) in panels.chunks_exact_mut(inner * width).zip((0..).step_by(width)) {
            for (p, row) in panel.chunks_exact_mut(width).enumerate() {
                for (j, to) in row.iter_mut().enumerate() {
                    *to = if first + j < n { element(p, first + j) } else { F::zero() };
                }
            }
        }
        panels
    }

    /// c = a·B, row after row, of the `inner` × `n` matrix B of those elements.
    pub(crate) fn multiply(
        &mut self,
        a: &[F],
        (inner, n): (usize, usize),
        element: impl Fn(usize, usize) -> F,
        c: &mut [F],
        how: How,
    ) {
        let panels = self.pack(inner, n, element);
        product(Product { a, panels, inner, n, c, factor: F::one(), plus: None }, how);
    }
}

/// c = factor·a·B + plus.0·plus.1, row-major: `a` is m × `inner`, B `inner` × `n`, in panels.
pub(crate) struct Product<'a, F> {
    pub(crate) a: &'a [F],
    pub(crate) panels: &'a [F],
    pub(crate) inner: usize,
    pub(crate) n: usize,
    pub(crate) c: &'a mut [F],
    pub(crate) factor: F,
    pub(crate) plus: Option<(F, &'a [F])>,
}

/// Computes it.
pub(crate) fn product<F: Scalar>(task: Product<'_, F>, how: How) {
    if task.c.is_empty() {
        return;
    }
    let rows = task.c.len() / task.n;
    if rows < 2 * ROWS
        || rows * task.inner * task.n <= PARALLEL_ABOVE
        || cfg!(not(feature = "rayon"))
    {
        return how.simd.run(task);
    }
    let at = (rows / 2).next_multiple_of(ROWS);
    let Product { a, panels, inner, n, c, factor, plus } = task;
    let (a0, a1) = a.split_at(at * inner);
    let (c0, c1) = c.split_at_mut(at * n);
    let (plus0, plus1) = match plus {
        Some((scale, d)) => {
            let (d0, d1) = d.split_at(at * n);
            (Some((scale, d0)), Some((scale, d1)))
        }
        None => (None, None),
    };
    join(
        true,
        || product(Product { a: a0, panels, inner, n, c: c0, factor, plus: plus0 }, how),
        || product(Product { a: a1, panels, inner, n, c: c1, factor, plus: plus1 }, how),
    );
}

impl<F: Scalar> Work for Product<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        if width::<F>() == 16 { self.by_panels::<16>() } else { self.by_panels::<8>() }
    }
}

impl<F: Scalar> Product<'_, F> {
    /// Panel by panel, so that one stays in the first cache while all rows pass.
    #[inline(always)]
    fn by_panels<const W: usize>(&mut self) {
        let rows = self.c.len() / self.n;
        if self.inner == 0 {
            return self.c.fill(F::zero());
        }
        for (panel, first) in self.panels.chunks_exact(self.inner * W).zip((0..).step_by(W)) {
            let (panel, _) = panel.as_chunks::<W>();
            let mut row = 0;
            while row + ROWS <= rows {
                self.tile::<ROWS, W>(panel, row, first);
                row += ROWS;
            }
            while row < rows {
                self.tile::<1, W>(panel, row, first);
                row += 1;
            }
        }
    }

    #[inline(always)]
    fn tile<const R: usize, const W: usize>(&mut self, panel: &[[F; W]], row: usize, first: usize) {
        let a: [&[F]; R] =
            std::array::from_fn(|r| &self.a[(row + r) * self.inner..][..panel.len()]);
        let mut sums = [[F::zero(); W]; R];
        for (p, b) in panel.iter().enumerate() {
            for r in 0..R {
                let factor = a[r][p];
                for j in 0..W {
                    sums[r][j] = sums[r][j] + factor * b[j];
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let start = (row + r) * self.n + first;
            let end = start + W.min(self.n - first);
            let c = &mut self.c[start..end];
            match self.plus {
                Some((scale, d)) => {
                    for ((c, &d), &sum) in c.iter_mut().zip(&d[start..end]).zip(sums) {
                        *c = scale * d + self.factor * sum;
                    }
                }
                None => c.iter_mut().zip(sums).for_each(|(c, &sum)| *c = self.factor * sum),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::simd::Simd;

    fn numbers(n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919 % 104_729) as f64 - 5e4) * 1e-5).collect()
    }

    #[test]
    fn a_product_agrees_with_ndarray_and_is_the_same_on_every_instruction_set() {
        for (m, inner, n) in [(1, 1, 1), (4, 8, 16), (5, 3, 17), (9, 40, 7), (64, 33, 50)] {
            let (a, b, d) = (numbers(m * inner), numbers(inner * n), numbers(m * n));
            let mut panels = Panels::default();
            let panels = panels.pack(inner, n, |p, j| b[p * n + j]);
            let run = |simd| {
                let mut c = vec![f64::NAN; m * n];
                let plus = Some((-0.5, d.as_slice()));
                let task = Product { a: &a, panels, inner, n, c: &mut c, factor: 2.0, plus };
                product(task, How { simd, ..How::default() });
                c
            };
            let all: Vec<Vec<f64>> = Simd::available().into_iter().map(run).collect();
            assert!(all.iter().all(|c| *c == all[0]), "{m} {inner} {n}");
            let shaped = |list: &[f64], rows, columns| {
                Array2::from_shape_vec((rows, columns), list.to_vec()).unwrap()
            };
            let expected =
                2.0 * shaped(&a, m, inner).dot(&shaped(&b, inner, n)) - 0.5 * shaped(&d, m, n);
            for (found, expected) in all[0].iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-13, "{m} {inner} {n}");
            }
        }
    }
}
