//! Eigenvalues of the small symmetric matrices that Lanczos makes of a large one.
//!
//! Householder's reduction and implicit QR with Wilkinson's shift: Golub & Van Loan, "Matrix
//! computations", 4th edition, §8.3.

/// A symmetric tridiagonal matrix: `diagonal` of n, `off` of n - 1.
pub(crate) struct Tridiagonal {
    pub(crate) diagonal: Vec<f64>,
    pub(crate) off: Vec<f64>,
}

/// Eigenvalues, ascending, and for each the chosen rows of its eigenvector.
pub(crate) struct Eigen {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: Vec<Vec<f64>>,
}

impl Tridiagonal {
    /// Eigenvalues and the rows of the eigenvectors that `rows` begins with: the columns of an
    /// orthogonal matrix by which the eigenvectors are multiplied from the left.
    fn solve(mut self, mut rows: Vec<Vec<f64>>) -> Eigen {
        let (d, e) = (&mut self.diagonal, &mut self.off);
        let mut high = d.len().saturating_sub(1);
        // Two or three sweeps an eigenvalue are usual; the limit ends it whatever the input.
        for _ in 0..60 * d.len() {
            let negligible = |d: &[f64], e: &[f64], i: usize| {
                e[i].abs() <= 0.5 * f64::EPSILON * (d[i].abs() + d[i + 1].abs())
                    || e[i].abs() < f64::MIN_POSITIVE
            };
            while high > 0 && negligible(d, e, high - 1) {
                e[high - 1] = 0.0;
                high -= 1;
            }
            if high == 0 {
                break;
            }
            let mut low = high - 1;
            while low > 0 && !negligible(d, e, low - 1) {
                low -= 1;
            }
            sweep(d, e, low, high, &mut rows);
        }
        let mut order: Vec<usize> = (0..d.len()).collect();
        order.sort_by(|&i, &j| d[i].total_cmp(&d[j]));
        Eigen {
            values: order.iter().map(|&i| d[i]).collect(),
            vectors: order.iter().map(|&i| std::mem::take(&mut rows[i])).collect(),
        }
    }

    /// Eigenvalues and whole eigenvectors.
    pub(crate) fn eigen(self) -> Eigen {
        let n = self.diagonal.len();
        self.solve((0..n).map(|i| unit(n, i)).collect())
    }

    /// Eigenvalues and one row of the eigenvectors, in n² operations.
    pub(crate) fn eigen_row(self, row: usize) -> Eigen {
        let n = self.diagonal.len();
        self.solve((0..n).map(|i| vec![if i == row { 1.0 } else { 0.0 }]).collect())
    }
}

fn unit(n: usize, i: usize) -> Vec<f64> {
    let mut unit = vec![0.0; n];
    unit[i] = 1.0;
    unit
}

/// One implicit QR sweep over the unreduced block from `low` to `high`.
fn sweep(d: &mut [f64], e: &mut [f64], low: usize, high: usize, rows: &mut [Vec<f64>]) {
    let (half, last) = (0.5 * (d[high - 1] - d[high]), e[high - 1]);
    let shift = d[high] - last * (last / (half + half.hypot(last).copysign(half)));
    let (mut x, mut z) = (d[low] - shift, e[low]);
    for k in low..high {
        let r = x.hypot(z);
        let (c, s) = if r == 0.0 { (1.0, 0.0) } else { (x / r, z / r) };
        if k > low {
            e[k - 1] = r;
        }
        let (a, b, f) = (d[k], e[k], d[k + 1]);
        d[k] = c * c * a + 2.0 * c * s * b + s * s * f;
        d[k + 1] = s * s * a - 2.0 * c * s * b + c * c * f;
        e[k] = c * s * (f - a) + (c * c - s * s) * b;
        x = e[k];
        if k + 1 < high {
            z = s * e[k + 1];
            e[k + 1] *= c;
        }
        let (left, right) = rows.split_at_mut(k + 1);
        for (p, q) in left[k].iter_mut().zip(&mut right[0]) {
            (*p, *q) = (c * *p + s * *q, c * *q - s * *p);
        }
    }
}

/// Eigenvalues and eigenvectors of a symmetric matrix of n rows, of which the lower half is read.
pub(crate) fn symmetric(mut a: Vec<f64>, n: usize) -> Eigen {
    // Row i of `q` is column i of the orthogonal matrix.
    let mut q: Vec<Vec<f64>> = (0..n).map(|i| unit(n, i)).collect();
    let (mut v, mut p) = (vec![0.0; n], vec![0.0; n]);
    for k in 0..n.saturating_sub(2) {
        let largest = (k + 1..n).map(|i| a[i * n + k].abs()).fold(0.0, f64::max);
        let below = (k + 2..n).any(|i| a[i * n + k] != 0.0);
        if !below || largest == 0.0 {
            continue;
        }
        // I - βvvᵀ takes the column below the diagonal to a multiple of the first unit vector.
        let mut square = 0.0;
        for i in k + 1..n {
            v[i] = a[i * n + k] / largest;
            square += v[i] * v[i];
        }
        let length = square.sqrt().copysign(v[k + 1]);
        square += length * v[k + 1];
        v[k + 1] += length;
        let beta = 1.0 / square;
        let mut across = 0.0;
        for i in k + 1..n {
            let below: f64 = (i + 1..n).map(|j| a[j * n + i] * v[j]).sum();
            p[i] = beta * ((k + 1..=i).map(|j| a[i * n + j] * v[j]).sum::<f64>() + below);
            across += p[i] * v[i];
        }
        let correction = 0.5 * beta * across;
        (k + 1..n).for_each(|i| p[i] -= correction * v[i]);
        for i in k + 1..n {
            for j in k + 1..=i {
                a[i * n + j] -= v[i] * p[j] + p[i] * v[j];
            }
        }
        a[(k + 1) * n + k] = -length * largest;
        (k + 2..n).for_each(|i| a[i * n + k] = 0.0);
        // Q(I - βvvᵀ), column by column.
        p[..n].fill(0.0);
        for i in k + 1..n {
            (0..n).for_each(|r| p[r] += q[i][r] * v[i]);
        }
        for i in k + 1..n {
            let factor = beta * v[i];
            (0..n).for_each(|r| q[i][r] -= factor * p[r]);
        }
    }
    let diagonal = (0..n).map(|i| a[i * n + i]).collect();
    let off = (1..n).map(|i| a[i * n + i - 1]).collect();
    Tridiagonal { diagonal, off }.solve(q)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A symmetric matrix of mixed sizes, with exact zeros.
    fn matrix(n: usize, seed: usize) -> Vec<f64> {
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let x = ((i * 7919 + j * 104_729 + seed * 31) % 2003) as f64 / 1000.0 - 1.0;
                let x = if (i + j + seed).is_multiple_of(5) {
                    0.0
                } else {
                    x * 10.0_f64.powi((j % 4) as i32)
                };
                (a[i * n + j], a[j * n + i]) = (x, x);
            }
        }
        a
    }

    #[test]
    fn eigenpairs_of_a_small_matrix_satisfy_their_equation() {
        for n in [0, 1, 2, 3, 8, 41] {
            for seed in 0..5 {
                let a = matrix(n, seed);
                let norm = a.iter().map(|x| x * x).sum::<f64>().sqrt();
                let eigen = symmetric(a.clone(), n);
                assert!(eigen.values.is_sorted());
                for (k, (value, v)) in eigen.values.iter().zip(&eigen.vectors).enumerate() {
                    for i in 0..n {
                        let av: f64 = (0..n).map(|j| a[i * n + j] * v[j]).sum();
                        assert!((av - value * v[i]).abs() <= 1e-14 * norm, "{n} {seed} {i}");
                    }
                    for (l, u) in eigen.vectors.iter().enumerate() {
                        let dot: f64 = u.iter().zip(v).map(|(u, v)| u * v).sum();
                        assert!((dot - f64::from(u8::from(k == l))).abs() < 1e-13);
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_of_the_eigenvectors_is_that_of_the_whole() {
        let n = 30;
        let make = || Tridiagonal {
            diagonal: (0..n).map(|i| (i as f64 * 1.7).sin()).collect(),
            off: (1..n).map(|i| (i as f64 * 0.3).cos() * 0.1_f64.powi(i % 20)).collect(),
        };
        let (whole, first) = (make().eigen(), make().eigen_row(0));
        assert_eq!(whole.values, first.values);
        for (a, b) in whole.vectors.iter().zip(&first.vectors) {
            assert_eq!(a[0], b[0]);
        }
    }
}
