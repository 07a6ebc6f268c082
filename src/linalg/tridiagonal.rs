//! Eigenvalues of the small symmetric matrices that Lanczos makes of a large one.
//!
//! Implicit QR with Wilkinson's shift: Golub & Van Loan, "Matrix computations", 4th edition, §8.3.
//! The arrow that a restart leaves becomes tridiagonal by plane rotations: Gragg & Harwood, "The
//! numerically stable reconstruction of Jacobi matrices from spectral data", 1984.

use crate::ranking::ranked;
use crate::simd::Work;
use crate::vector::how;

/// A symmetric tridiagonal matrix: `diagonal` of n, `off` of n - 1.
#[derive(Clone)]
pub(crate) struct Tridiagonal {
    pub(crate) diagonal: Vec<f64>,
    pub(crate) off: Vec<f64>,
}

/// A symmetric matrix that is diagonal in its first rows, which the row after them crosses, and
/// tridiagonal from there on.
pub(crate) struct Arrow<'a> {
    pub(crate) tridiagonal: Tridiagonal,
    /// Couples each of the first rows with the one after them.
    pub(crate) arrow: &'a [f64],
}

/// Eigenvalues, ascending, and for each the chosen rows of its eigenvector.
pub(crate) struct Eigen {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: Vec<Vec<f64>>,
}

/// The columns of an orthogonal matrix, or some rows of it: column i begins at i·width.
struct Columns {
    width: usize,
    all: Vec<f64>,
}

impl Columns {
    fn unit(n: usize) -> Self {
        let mut all = vec![0.0; n * n];
        all.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
        Self { width: n, all }
    }

    /// One row of the unit matrix.
    fn row(n: usize, row: usize) -> Self {
        Self { width: 1, all: (0..n).map(|i| f64::from(u8::from(i == row))).collect() }
    }

    /// Rotates the columns from `first` on, each with the next one.
    fn rotate(&mut self, first: usize, rotations: &[(f64, f64)]) {
        let range = first * self.width..(first + rotations.len() + 1) * self.width;
        how().simd.run(Rotate(&mut self.all[range], self.width, rotations));
    }
}

struct Rotate<'a>(&'a mut [f64], usize, &'a [(f64, f64)]);

impl Work for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(columns, width, rotations) = self;
        for (k, &(c, s)) in rotations.iter().enumerate() {
            let (left, right) = columns[k * width..(k + 2) * width].split_at_mut(width);
            for i in 0..width {
                (left[i], right[i]) = (c * left[i] + s * right[i], c * right[i] - s * left[i]);
            }
        }
    }
}

/// (c, s, r) with c·x + s·z = r and c·z = s·x.
fn givens(x: f64, z: f64) -> (f64, f64, f64) {
    let r = (x * x + z * z).sqrt();
    if r == 0.0 { (1.0, 0.0, 0.0) } else { (x / r, z / r, r) }
}

impl Tridiagonal {
    /// The block of the first rows.
    #[cfg(feature = "rand")]
    pub(crate) fn leading(&self, rows: usize) -> Self {
        let off = self.off[..rows.saturating_sub(1)].to_vec();
        Self { diagonal: self.diagonal[..rows].to_vec(), off }
    }

    /// Scales by a power of two to a size whose squares neither overflow nor matter where they
    /// vanish; returns what undoes it.
    fn scale(&mut self) -> f64 {
        let all = || self.diagonal.iter().chain(&self.off);
        let largest = all().fold(0.0_f64, |max, x| max.max(x.abs()));
        if !(largest > 0.0 && largest.is_finite()) {
            return 1.0;
        }
        let scale = largest.log2().floor().clamp(-1000.0, 1000.0).exp2();
        self.diagonal.iter_mut().chain(&mut self.off).for_each(|x| *x /= scale);
        scale
    }

    /// Rotates rows p and p + 1 by p' = c·p + s·q, q' = c·q - s·p, within their block.
    fn turn(&mut self, p: usize, c: f64, s: f64) {
        let (a, b, f) = (self.diagonal[p], self.off[p], self.diagonal[p + 1]);
        self.diagonal[p] = c * c * a + 2.0 * c * s * b + s * s * f;
        self.diagonal[p + 1] = s * s * a - 2.0 * c * s * b + c * c * f;
        self.off[p] = c * s * (f - a) + (c * c - s * s) * b;
    }

    /// The eigenvalues, and the eigenvectors of an orthogonal matrix times this one.
    fn solve(mut self, mut columns: Columns) -> Eigen {
        let scale = self.scale();
        let mut high = self.diagonal.len().saturating_sub(1);
        let mut rotations = Vec::with_capacity(high);
        // Two or three sweeps an eigenvalue are usual; the limit ends it whatever the input.
        for _ in 0..60 * self.diagonal.len() {
            let (d, e) = (&self.diagonal, &mut self.off);
            let negligible = |e: &[f64], i: usize| {
                e[i].abs() <= 0.5 * f64::EPSILON * (d[i].abs() + d[i + 1].abs())
                    || e[i].abs() < f64::MIN_POSITIVE
            };
            while high > 0 && negligible(e, high - 1) {
                e[high - 1] = 0.0;
                high -= 1;
            }
            if high == 0 {
                break;
            }
            let mut low = high - 1;
            while low > 0 && !negligible(e, low - 1) {
                low -= 1;
            }
            self.sweep(low, high, &mut rotations);
            columns.rotate(low, &rotations);
        }
        let d = &self.diagonal;
        let order = ranked(d.len(), &|i, j| d[i].total_cmp(&d[j]));
        let column = |i: usize| columns.all[i * columns.width..][..columns.width].to_vec();
        Eigen {
            values: order.iter().map(|&i| d[i] * scale).collect(),
            vectors: order.iter().map(|&i| column(i)).collect(),
        }
    }

    /// One implicit QR sweep over the unreduced block from `low` to `high`.
    fn sweep(&mut self, low: usize, high: usize, rotations: &mut Vec<(f64, f64)>) {
        rotations.clear();
        let (d, e) = (&self.diagonal, &self.off);
        let (half, last) = (0.5 * (d[high - 1] - d[high]), e[high - 1]);
        let shift = d[high] - last * (last / (half + half.hypot(last).copysign(half)));
        let (mut x, mut z) = (d[low] - shift, e[low]);
        for k in low..high {
            let (c, s, r) = givens(x, z);
            if k > low {
                self.off[k - 1] = r;
            }
            self.turn(k, c, s);
            x = self.off[k];
            if k + 1 < high {
                z = s * self.off[k + 1];
                self.off[k + 1] *= c;
            }
            rotations.push((c, s));
        }
    }

    /// Eigenvalues, and the eigenvectors of QTQᵀ, of the n columns of Q, one after the other.
    pub(crate) fn eigen_in(self, columns: Vec<f64>, n: usize) -> Eigen {
        self.solve(Columns { width: n, all: columns })
    }

    /// Eigenvalues and one row of the eigenvectors, in n² operations.
    #[cfg(feature = "rand")]
    pub(crate) fn eigen_row(self, row: usize) -> Eigen {
        let n = self.diagonal.len();
        self.solve(Columns::row(n, row))
    }
}

impl Arrow<'_> {
    /// Eigenvalues and whole eigenvectors.
    pub(crate) fn eigen(self) -> Eigen {
        let n = self.tridiagonal.diagonal.len();
        self.solve(Columns::unit(n))
    }

    /// Eigenvalues and one row of the eigenvectors, in n² operations.
    pub(crate) fn eigen_row(self, row: usize) -> Eigen {
        let n = self.tridiagonal.diagonal.len();
        self.solve(Columns::row(n, row))
    }

    fn solve(self, mut columns: Columns) -> Eigen {
        let Self { tridiagonal: mut t, arrow } = self;
        // The arrow is rotated into its last element, an element at a time; what that leaves
        // beside the tridiagonal is chased up and out of it.
        let mut tip = arrow.first().copied().unwrap_or(0.0);
        for (i, &next) in arrow.iter().enumerate().skip(1) {
            let (c, s, r) = scaled_givens(next, tip);
            tip = r;
            let (mut c, mut s) = (c, -s);
            for p in (0..i).rev() {
                t.turn(p, c, s);
                columns.rotate(p, &[(c, s)]);
                if p == 0 {
                    break;
                }
                let bulge = -s * t.off[p - 1];
                t.off[p - 1] *= c;
                let (across, along, r) = scaled_givens(t.off[p], bulge);
                (c, s) = (across, -along);
                t.off[p] = r;
            }
        }
        if let (Some(last), true) = (arrow.len().checked_sub(1), t.off.len() >= arrow.len()) {
            t.off[last] = tip;
        }
        t.solve(columns)
    }
}

/// As [`givens`], for numbers whose squares may overflow or vanish.
fn scaled_givens(x: f64, z: f64) -> (f64, f64, f64) {
    let size = x.abs().max(z.abs());
    if size == 0.0 {
        return (1.0, 0.0, 0.0);
    }
    let (c, s, r) = givens(x / size, z / size);
    (c, s, r * size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(i: usize, seed: usize) -> f64 {
        ((i * 7919 + seed * 104_729) % 2003) as f64 / 1000.0 - 1.0
    }

    /// Of mixed sizes, with exact zeros.
    fn sized(i: usize, seed: usize) -> f64 {
        let x = number(i, seed) * 10.0_f64.powi((i % 4) as i32);
        if (i + seed).is_multiple_of(5) { 0.0 } else { x }
    }

    /// n rows, of which the first `kept` are diagonal, and the arrow.
    fn example(n: usize, kept: usize, seed: usize) -> (Tridiagonal, Vec<f64>) {
        let diagonal = (0..n).map(|i| sized(i, seed)).collect();
        let off = |i: usize| if i < kept { 0.0 } else { sized(i, seed + 7) };
        let off = (0..n.saturating_sub(1)).map(off).collect();
        let decay = |i: usize| 10.0_f64.powi(-((i * 5 % 40) as i32));
        let arrow = (0..kept).map(|i| number(i, seed + 3) * decay(i)).collect();
        (Tridiagonal { diagonal, off }, arrow)
    }

    /// The matrix row by row.
    fn whole(t: &Tridiagonal, arrow: &[f64]) -> Vec<f64> {
        let n = t.diagonal.len();
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            a[i * n + i] = t.diagonal[i];
            if i > arrow.len() {
                (a[i * n + i - 1], a[(i - 1) * n + i]) = (t.off[i - 1], t.off[i - 1]);
            }
        }
        for (i, &x) in arrow.iter().enumerate().filter(|_| n > arrow.len()) {
            (a[i * n + arrow.len()], a[arrow.len() * n + i]) = (x, x);
        }
        a
    }

    #[test]
    fn eigenpairs_of_a_small_matrix_satisfy_their_equation() {
        for n in [0, 1, 2, 3, 8, 41, 90] {
            for (kept, seed) in (0..5).map(|seed| (seed * n / 5, seed)) {
                let (t, arrow) = example(n, kept, seed);
                let a = whole(&t, &arrow);
                let norm = a.iter().map(|x| x * x).sum::<f64>().sqrt();
                let eigen = Arrow { tridiagonal: t, arrow: &arrow }.eigen();
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
        for (kept, row) in [(0, 0), (0, 29), (12, 29)] {
            let (t, arrow) = example(n, kept, 1);
            let make = || Arrow { tridiagonal: t.clone(), arrow: &arrow };
            let (whole, one) = (make().eigen(), make().eigen_row(row));
            assert_eq!(whole.values, one.values);
            for (a, b) in whole.vectors.iter().zip(&one.vectors) {
                assert_eq!(a[row], b[0]);
            }
        }
    }

    #[test]
    fn sizes_whose_squares_overflow_or_vanish_change_nothing() {
        let (t, arrow) = example(20, 8, 2);
        let plain = Arrow { tridiagonal: t.clone(), arrow: &arrow }.eigen();
        for factor in [600.0_f64, -600.0].map(f64::exp2) {
            let times = |x: &[f64]| x.iter().map(|x| x * factor).collect::<Vec<_>>();
            let t = Tridiagonal { diagonal: times(&t.diagonal), off: times(&t.off) };
            let scaled = Arrow { tridiagonal: t, arrow: &times(&arrow) }.eigen();
            assert_eq!(scaled.values, times(&plain.values));
            assert_eq!(scaled.vectors, plain.vectors);
        }
    }
}
