//! Products of tall matrices of gradients, each read once.

#[cfg(feature = "linalg")]
use ndarray::{Array2, Axis, linalg::general_mat_mul};

use crate::scalar::Scalar;
use crate::simd::{Simd, Work};

/// MMᵀ, block by block of the upper triangle, and column chunk by column chunk: a chunk stays in cache
/// while all its blocks are summed.
#[cfg(feature = "linalg")]
pub(super) fn gram<F: Scalar>(m: &Array2<F>) -> Array2<F> {
    const ROWS: usize = 32;
    const COLUMNS: usize = 1024;
    let (n, p) = m.dim();
    let mut product = Array2::zeros((n, n));
    for left in (0..p).step_by(COLUMNS) {
        let chunk = m.slice_axis(Axis(1), (left..(left + COLUMNS).min(p)).into());
        for top in (0..n).step_by(ROWS) {
            let rest = chunk.slice_axis(Axis(0), (top..).into());
            let block = (..ROWS.min(n - top)).into();
            let mut part = product.slice_axis_mut(Axis(1), (top..).into());
            let mut part = part.slice_axis_mut(Axis(0), (top..).into());
            let mut part = part.slice_axis_mut(Axis(0), block);
            let rows = rest.slice_axis(Axis(0), block);
            general_mat_mul(F::one(), &rows, &rest.t(), F::one(), &mut part);
        }
    }
    for i in 0..n {
        for j in 0..i {
            product[[i, j]] = product[[j, i]];
        }
    }
    product
}

/// y = Mᵀz of a row-major matrix M with y.len() columns.
pub(super) fn combine_rows<F: Scalar>(matrix: &[F], z: &[F], y: &mut [F]) {
    Simd::default().run(CombineRows { matrix, z, y });
}

struct CombineRows<'a, F> {
    matrix: &'a [F],
    z: &'a [F],
    y: &'a mut [F],
}

impl<F: Scalar> Work for CombineRows<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        // A chunk of y that stays in the first cache while the rows pass by, four at a time.
        const CHUNK: usize = 1024;
        let Self { matrix, z, y } = self;
        let columns = y.len();
        if columns == 0 {
            return;
        }
        for (at, y) in y.chunks_mut(CHUNK).enumerate() {
            y.fill(F::zero());
            let len = y.len();
            let part = |row: usize| &matrix[row * columns + at * CHUNK..][..len];
            let mut row = 0;
            while let Some(&[z0, z1, z2, z3]) = z[row..].first_chunk() {
                let (a, b, c, d) = (part(row), part(row + 1), part(row + 2), part(row + 3));
                for i in 0..len {
                    y[i] = y[i] + ((z0 * a[i] + z1 * b[i]) + (z2 * c[i] + z3 * d[i]));
                }
                row += 4;
            }
            for row in row..z.len() {
                let (z, a) = (z[row], part(row));
                for i in 0..len {
                    y[i] = y[i] + z * a[i];
                }
            }
        }
    }
}
