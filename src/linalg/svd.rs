//! The singular values of a tall matrix: A = U S Vᵀ, by Householder's reflections and Jacobi's rotations.

use crate::vector::{dot, norm};

/// Sweeps of rotations; six to ten are usual.
const SWEEPS: usize = 40;

/// Columns that are kept one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    rows: usize,
    entries: Vec<f64>,
}

impl Columns {
    /// A matrix of that size, from its entries column after column.
    pub(crate) fn new(rows: usize, entries: Vec<f64>) -> Self {
        Self { rows, entries }
    }

    fn identity(n: usize) -> Self {
        let mut entries = vec![0.0; n * n];
        entries.iter_mut().step_by(n + 1).for_each(|entry| *entry = 1.0);
        Self { rows: n, entries }
    }

    pub(crate) fn count(&self) -> usize {
        self.entries.len() / self.rows.max(1)
    }

    pub(crate) fn column(&self, j: usize) -> &[f64] {
        &self.entries[j * self.rows..(j + 1) * self.rows]
    }

    pub(crate) fn column_mut(&mut self, j: usize) -> &mut [f64] {
        &mut self.entries[j * self.rows..(j + 1) * self.rows]
    }

    /// Two of them, i < j.
    fn pair_mut(&mut self, i: usize, j: usize) -> (&mut [f64], &mut [f64]) {
        let (left, right) = self.entries.split_at_mut(j * self.rows);
        (&mut left[i * self.rows..(i + 1) * self.rows], &mut right[..self.rows])
    }

    fn swap(&mut self, i: usize, j: usize) {
        if i != j {
            let (a, b) = self.pair_mut(i.min(j), i.max(j));
            a.swap_with_slice(b);
        }
    }

    /// The sum of the columns, each times its coefficient.
    pub(crate) fn times(&self, coefficients: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.rows];
        for (j, &c) in coefficients.iter().enumerate() {
            sum.iter_mut().zip(self.column(j)).for_each(|(sum, a)| *sum += c * a);
        }
        sum
    }
}

/// A = U S Vᵀ with as many rows as columns or more: S ≥ 0 falls.
#[derive(Debug, Clone)]
pub(crate) struct Svd {
    /// Below the diagonal, and on it, the vectors of Householder's reflections.
    reflections: Columns,
    /// U in the space of the first n rows that the reflections lead to.
    left: Columns,
    values: Vec<f64>,
    right: Columns,
}

impl Svd {
    /// The singular values and vectors of A; a matrix with fewer rows than columns gets rows of 0.
    ///
    /// Columns of very different sizes cost no accuracy: the rotations see each beside its own size.
    pub(crate) fn factor(mut a: Columns) -> Self {
        let n = a.count();
        if a.rows < n {
            let mut tall = Columns::new(n, vec![0.0; n * n]);
            (0..n).for_each(|j| tall.column_mut(j)[..a.rows].copy_from_slice(a.column(j)));
            a = tall;
        }
        let (order, diagonal) = reflect(&mut a);
        // Rᵀ, whose columns a rotation makes orthogonal in fewer sweeps than R's.
        let mut turned = Columns::new(n, vec![0.0; n * n]);
        for i in 0..n {
            let column = turned.column_mut(i);
            column[i] = diagonal[i];
            (i + 1..n).for_each(|j| column[j] = a.column(j)[i]);
        }
        let mut rotations = Columns::identity(n);
        rotate(&mut turned, &mut rotations);
        let mut values: Vec<f64> = (0..n).map(|j| norm(turned.column(j))).collect();
        for j in 0..n {
            let largest = (j..n).fold(j, |m, i| if values[i] > values[m] { i } else { m });
            values.swap(j, largest);
            turned.swap(j, largest);
            rotations.swap(j, largest);
        }
        let mut right = Columns::new(n, vec![0.0; n * n]);
        for (j, &value) in values.iter().enumerate() {
            if value > 0.0 {
                let from = turned.column(j);
                let to = right.column_mut(j);
                order.iter().zip(from).for_each(|(&at, &entry)| to[at] = entry / value);
            }
        }
        Self { reflections: a, left: rotations, values, right }
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// How many singular values are more than rounding beside the largest.
    pub(crate) fn rank(&self) -> usize {
        let size = self.reflections.rows.max(1) as f64;
        let least = size.sqrt() * self.values.len() as f64 * f64::EPSILON * self.largest();
        self.values.iter().take_while(|&&value| value > least).count()
    }

    fn largest(&self) -> f64 {
        self.values.first().copied().unwrap_or(0.0)
    }

    /// Uᵀb, and the length of what of b no column reaches.
    pub(crate) fn project(&self, b: &[f64]) -> (Vec<f64>, f64) {
        let n = self.values.len();
        let mut b = b.to_vec();
        b.resize(self.reflections.rows, 0.0);
        for j in 0..n {
            mirror(&self.reflections.column(j)[j..], &mut b[j..]);
        }
        let onto = |i: usize| dot(self.left.column(i), &b[..n]);
        ((0..n).map(onto).collect(), norm(&b[n..]))
    }

    /// V c.
    pub(crate) fn expand(&self, c: &[f64]) -> Vec<f64> {
        self.right.times(c)
    }

    /// The columns of V.
    pub(crate) fn right(&self, j: usize) -> &[f64] {
        self.right.column(j)
    }
}

/// A P = Q R, the largest column that is left first: the order P, and R's diagonal. R lies above the
/// diagonal of what was A, and the reflections, of length √2, below it.
fn reflect(a: &mut Columns) -> (Vec<usize>, Vec<f64>) {
    let n = a.count();
    let mut order: Vec<usize> = (0..n).collect();
    let mut diagonal = vec![0.0; n];
    for k in 0..n {
        let left = |a: &Columns, j: usize| norm(&a.column(j)[k..]);
        let sizes: Vec<f64> = (k..n).map(|j| left(a, j)).collect();
        let largest = (0..n - k).fold(0, |m, i| if sizes[i] > sizes[m] { i } else { m });
        a.swap(k, k + largest);
        order.swap(k, k + largest);
        let size = sizes[largest];
        let v = &mut a.column_mut(k)[k..];
        if size == 0.0 || !size.is_finite() {
            v.fill(0.0);
            continue;
        }
        let to = if v[0] > 0.0 { -size } else { size };
        diagonal[k] = to;
        v[0] -= to;
        let scale = std::f64::consts::SQRT_2 / norm(v);
        v.iter_mut().for_each(|v| *v *= scale);
        for j in k + 1..n {
            let (v, column) = a.pair_mut(k, j);
            mirror(&v[k..], &mut column[k..]);
        }
    }
    (order, diagonal)
}

/// b - v·vᵀb, for ‖v‖² = 2.
fn mirror(v: &[f64], b: &mut [f64]) {
    let along = dot(v, b);
    b.iter_mut().zip(v).for_each(|(b, v)| *b -= along * v);
}

/// Turns pairs of columns until all are orthogonal, and the rows of what they stand for with them.
fn rotate(a: &mut Columns, rotations: &mut Columns) {
    let n = a.count();
    let tolerance = f64::EPSILON * (n as f64).sqrt();
    for _ in 0..SWEEPS {
        let mut turned = false;
        let mut squares: Vec<f64> = (0..n).map(|j| norm(a.column(j)).powi(2)).collect();
        for i in 0..n {
            for j in i + 1..n {
                let (p, q) = a.pair_mut(i, j);
                let pq = dot(p, q);
                let (mut pp, mut qq) = (squares[i], squares[j]);
                // Where they differ by much, or vanish, what is left of a square after turns is rounding.
                let alike = pp.min(qq) > 1e-8 * pp.max(qq) && pp.min(qq) > 1e-250;
                if !alike {
                    (pp, qq) = (norm(p).powi(2), norm(q).powi(2));
                }
                if pq == 0.0 || pq.abs() <= tolerance * pp.sqrt() * qq.sqrt() {
                    continue;
                }
                turned = true;
                // The smaller root of t² + 2ζt - 1.
                let zeta = 0.5 * ((qq - pp) / pq);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = t.hypot(1.0).recip();
                turn(p, q, cosine, cosine * t);
                (squares[i], squares[j]) = (pp - t * pq, qq + t * pq);
                let (p, q) = rotations.pair_mut(i, j);
                turn(p, q, cosine, cosine * t);
            }
        }
        if !turned {
            return;
        }
    }
}

fn turn(p: &mut [f64], q: &mut [f64], cosine: f64, sine: f64) {
    for (p, q) in p.iter_mut().zip(q) {
        (*p, *q) = (cosine * *p - sine * *q, sine * *p + cosine * *q);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, columns: usize, seed: u64) -> Columns {
        let entry = |i: u64| ((i * i + 3 * seed + 1) as f64 * 0.737).sin();
        Columns::new(rows, (0..(rows * columns) as u64).map(entry).collect())
    }

    /// max|A - U S Vᵀ|, with U's columns from A V S⁻¹.
    fn check(a: &Columns, tolerance: f64) {
        let svd = Svd::factor(a.clone());
        let n = a.count();
        // A = U S Vᵀ says that Uᵀ a_j = S (row j of V).
        for j in 0..n {
            let (c, rest) = svd.project(a.column(j));
            let size = norm(a.column(j));
            assert!(rest <= tolerance * size, "column {j}: {rest:e} beside {size:e}");
            for (i, (c, value)) in c.iter().zip(svd.values()).enumerate() {
                let expected = value * svd.right(i)[j];
                assert!((c - expected).abs() <= tolerance * size, "{i}, {j}");
            }
        }
        assert!(svd.values().windows(2).all(|pair| pair[0] >= pair[1]));
    }

    #[test]
    fn a_matrix_is_the_product_of_its_factors() {
        for (rows, columns) in [(1, 1), (5, 1), (4, 4), (30, 7), (9, 8), (3, 5)] {
            for seed in 0..20 {
                check(&matrix(rows, columns, seed), 1e-13);
            }
        }
    }

    #[test]
    fn columns_of_different_sizes_keep_their_digits() {
        for seed in 0..20 {
            let mut a = matrix(12, 5, seed);
            for j in 0..5 {
                a.column_mut(j).iter_mut().for_each(|entry| *entry *= 10f64.powi(-40 * j as i32));
            }
            check(&a, 1e-12);
        }
    }

    #[test]
    fn singular_values_are_those_of_hilberts_matrix() {
        // To ten digits: Fettis & Caslin 1967, and the trace 563/315 - ….
        let hilbert = (0..25).map(|at| 1.0 / (at / 5 + at % 5 + 1) as f64).collect();
        let svd = Svd::factor(Columns::new(5, hilbert));
        let known =
            [1.567_050_691_1, 0.208_534_218_6, 0.011_407_491_6, 3.058_980_4e-4, 3.287_93e-6];
        for (value, known) in svd.values().iter().zip(known) {
            assert!((value / known - 1.0).abs() < 2e-6, "{value} for {known}");
        }
    }

    #[test]
    fn a_column_that_is_a_sum_of_others_lowers_the_rank() {
        for seed in 0..20 {
            let mut a = matrix(20, 6, seed);
            let sum: Vec<f64> = (0..20).map(|i| a.column(1)[i] - 3.0 * a.column(4)[i]).collect();
            a.column_mut(2).copy_from_slice(&sum);
            let svd = Svd::factor(a);
            assert_eq!(svd.rank(), 5, "{:?}", svd.values());
        }
        assert_eq!(Svd::factor(Columns::new(4, vec![0.0; 12])).rank(), 0);
    }
}
