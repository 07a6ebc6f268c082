//! An orthonormal basis of the columns of a square matrix: the Q of A = QR, by Householder's reflections.

use crate::vector::{add_scaled, dot, norm};

/// Q in the place of A, whose columns stand one after the other; each of them begins with n entries.
///
/// Columns that depend on others are replaced by what completes the basis.
pub(crate) fn factor(columns: &mut [f64], n: usize) {
    // The vector of a reflection I - vvᵀ stands where its column was, from the diagonal on.
    for k in 0..n {
        let (done, rest) = columns.split_at_mut((k + 1) * n);
        let v = &mut done[k * n + k..];
        let size = norm(v);
        if size == 0.0 || !size.is_finite() {
            v.fill(0.0);
            continue;
        }
        v[0] += if v[0] > 0.0 { size } else { -size };
        let scale = std::f64::consts::SQRT_2 / norm(v);
        v.iter_mut().for_each(|v| *v *= scale);
        for column in rest.chunks_exact_mut(n) {
            let along = dot(v, &column[k..]);
            add_scaled(-along, v, &mut column[k..]);
        }
    }
    // The columns of the product of the reflections, the last first: from the corner that is done.
    for k in (0..n).rev() {
        let (done, rest) = columns.split_at_mut((k + 1) * n);
        let v = &mut done[k * n + k..];
        for column in rest.chunks_exact_mut(n) {
            let along = dot(v, &column[k..]);
            add_scaled(-along, v, &mut column[k..]);
        }
        let first = -v[0];
        v.iter_mut().for_each(|v| *v *= first);
        v[0] += 1.0;
        done[k * n..k * n + k].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_orthonormal_and_span_those_of_the_matrix() {
        for n in [1_usize, 2, 3, 8, 25] {
            for rank in [n, n.div_ceil(2)] {
                let entry = |i: usize, k: usize| ((i * i + 5 * k + 2) as f64 * 0.37).sin();
                let column = |j: usize| (0..n).map(move |i| entry(i, j % rank));
                let a: Vec<f64> = (0..n).flat_map(column).collect();
                let mut q = a.clone();
                factor(&mut q, n);
                let of = |columns: &[f64], j: usize| columns[j * n..(j + 1) * n].to_vec();
                for i in 0..n {
                    for j in 0..n {
                        let unit = dot(&of(&q, i), &of(&q, j));
                        let expected = f64::from(u8::from(i == j));
                        assert!((unit - expected).abs() < 1e-14, "{n} {rank}: {unit}");
                        // A = QR: a column has no share of those of Q after it.
                        let share = dot(&of(&q, i), &of(&a, j));
                        assert!(i <= j || share.abs() < 1e-13, "{n} {rank} {i} {j}: {share}");
                    }
                }
            }
        }
    }
}
