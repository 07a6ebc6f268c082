//! The nearest orthogonal matrix, roughly, by Newton-Schulz iteration; and the product of matrices
//! that it needs.
//!
//! An element of a product is summed in one order, without fused operations: the same bits whatever
//! the instruction set and the number of threads. A product allocates nothing.

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

/// Memory for the iteration, kept from one to the next.
#[derive(Debug)]
pub(crate) struct Workspace<F> {
    /// The matrix, row-major; no more rows than columns.
    pub(crate) x: Vec<F>,
    /// A second one of its size.
    pub(crate) y: Vec<F>,
    gram: Vec<F>,
    polynomial: Vec<F>,
    panels: Vec<F>,
}

impl<F> Default for Workspace<F> {
    fn default() -> Self {
        let none = Vec::new;
        Self { x: none(), y: none(), gram: none(), polynomial: none(), panels: none() }
    }
}

impl<F: Scalar> Workspace<F> {
    /// Makes `x` and `y` large enough for `rows` × `columns`.
    pub(crate) fn reserve(&mut self, rows: usize, columns: usize) {
        let grow = |list: &mut Vec<F>, len: usize| {
            if list.len() < len {
                list.resize(len, F::zero());
            }
        };
        grow(&mut self.x, rows * columns);
        grow(&mut self.y, rows * columns);
        grow(&mut self.gram, rows * rows);
        grow(&mut self.polynomial, rows * rows);
        let padded = |n: usize| n.next_multiple_of(width::<F>());
        grow(&mut self.panels, (columns * padded(rows)).max(rows * padded(columns)));
    }

    /// x = a·x + (b·A + c·A²)·x of A = x·xᵀ, `steps` times; `x` is `rows` × `columns`.
    pub(crate) fn iterate(
        &mut self,
        (rows, columns): (usize, usize),
        [a, b, c]: [f64; 3],
        steps: u32,
        how: How,
    ) {
        let [a, b, c] = [a, b, c].map(F::from_f64);
        let Self { x, y, gram, polynomial, panels } = self;
        let gram = &mut gram[..rows * rows];
        let polynomial = &mut polynomial[..rows * rows];
        for _ in 0..steps {
            let (x_now, y_now) = (&x[..rows * columns], &mut y[..rows * columns]);
            let panel = pack(panels, columns, rows, |p, j| x_now[j * columns + p]);
            product(
                Product {
                    a: x_now,
                    panels: panel,
                    inner: columns,
                    n: rows,
                    c: gram,
                    factor: F::one(),
                    plus: None,
                },
                how,
            );
            let panel = pack(panels, rows, rows, |p, j| gram[p * rows + j]);
            let plus = Some((b, &*gram));
            product(
                Product {
                    a: gram,
                    panels: panel,
                    inner: rows,
                    n: rows,
                    c: polynomial,
                    factor: c,
                    plus,
                },
                how,
            );
            let panel = pack(panels, rows, columns, |p, j| x_now[p * columns + j]);
            let plus = Some((a, x_now));
            product(
                Product {
                    a: polynomial,
                    panels: panel,
                    inner: rows,
                    n: columns,
                    c: y_now,
                    factor: F::one(),
                    plus,
                },
                how,
            );
            std::mem::swap(x, y);
        }
    }
}

/// Lays the `inner` × `n` matrix of those elements out in panels of a few columns, row after row.
fn pack<F: Scalar>(
    panels: &mut [F],
    inner: usize,
    n: usize,
    element: impl Fn(usize, usize) -> F,
) -> &[F] {
    let width = width::<F>();
    let panels = &mut panels[..inner * n.next_multiple_of(width)];
    for (panel, first) in panels.chunks_exact_mut(inner * width).zip((0..).step_by(width)) {
        for (p, row) in panel.chunks_exact_mut(width).enumerate() {
            for (j, to) in row.iter_mut().enumerate() {
                *to = if first + j < n { element(p, first + j) } else { F::zero() };
            }
        }
    }
    panels
}

/// c = factor·a·B + plus.0·plus.1, row-major: `a` is m × `inner`, B `inner` × `n`, in panels.
struct Product<'a, F> {
    a: &'a [F],
    panels: &'a [F],
    inner: usize,
    n: usize,
    c: &'a mut [F],
    factor: F,
    plus: Option<(F, &'a [F])>,
}

fn product<F: Scalar>(task: Product<'_, F>, how: How) {
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
            let mut panels = vec![0.0; inner * n.next_multiple_of(width::<f64>())];
            let panels = pack(&mut panels, inner, n, |p, j| b[p * n + j]);
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
