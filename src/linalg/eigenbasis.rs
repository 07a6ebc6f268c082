//! The eigenpairs of a symmetric matrix, A = QΛQᵀ, without faer, and its powers.
//!
//! Householder's reflections make it tridiagonal, implicit QR does the rest (`tridiagonal`): Golub & Van
//! Loan, "Matrix computations", 4th edition, §8.3. The same bits whatever the instruction set and the
//! number of threads.

use super::product::Panels;
use super::tridiagonal::Tridiagonal;
use crate::reduce::How;
use crate::vector::{add_scaled, dot, norm};

/// Λ, ascending, and Q.
#[derive(Debug, Clone)]
pub(crate) struct Eigenbasis {
    pub(crate) values: Vec<f64>,
    /// The eigenvectors, one after the other.
    pub(crate) vectors: Vec<Vec<f64>>,
}

impl Eigenbasis {
    /// The eigenpairs of an n×n matrix, of which the lower half is read; `None` where an entry is not
    /// finite.
    pub(crate) fn factor(a: &[f64], n: usize) -> Option<Self> {
        if a.iter().any(|entry| !entry.is_finite()) {
            return None;
        }
        // A power of two, so that squares of the entries neither overflow nor vanish.
        let largest = a.iter().fold(0.0_f64, |largest, entry| largest.max(entry.abs()));
        let scale =
            if largest > 0.0 { largest.log2().floor().clamp(-1000.0, 1000.0).exp2() } else { 1.0 };
        let mut rows: Vec<f64> = a.iter().map(|entry| entry / scale).collect();
        let (tridiagonal, reflections) = reduce(&mut rows, n);
        let basis = basis(&reflections, n);
        let eigen = tridiagonal.eigen_in(basis, n);
        let values: Vec<f64> = eigen.values.iter().map(|value| value * scale).collect();
        let fine = values.iter().chain(eigen.vectors.iter().flatten()).all(|x| x.is_finite());
        fine.then_some(Self { values, vectors: eigen.vectors })
    }

    /// Q f(Λ) Qᵀ: with λ^(-1/p) for f, the inverse p-th root.
    pub(crate) fn of(
        &self,
        f: impl Fn(f64) -> f64,
        panels: &mut Panels<f64>,
        to: &mut [f64],
        how: How,
    ) {
        let n = self.values.len();
        let mut scaled = vec![0.0; n * n];
        for (k, (vector, &value)) in self.vectors.iter().zip(&self.values).enumerate() {
            let f = f(value);
            vector.iter().enumerate().for_each(|(i, x)| scaled[i * n + k] = f * x);
        }
        panels.multiply(&scaled, (n, n), |k, j| self.vectors[k][j], to, how);
        // Rounding has left a difference between the halves.
        for i in 0..n {
            for j in 0..i {
                let mean = 0.5 * (to[i * n + j] + to[j * n + i]);
                (to[i * n + j], to[j * n + i]) = (mean, mean);
            }
        }
    }
}

/// QᵀAQ = T, and the vectors v of the reflections I - vvᵀ that Q is the product of; ‖v‖² = 2.
fn reduce(a: &mut [f64], n: usize) -> (Tridiagonal, Vec<Vec<f64>>) {
    let mut reflections = Vec::with_capacity(n.saturating_sub(2));
    let (mut diagonal, mut off) = (vec![0.0; n], vec![0.0; n.saturating_sub(1)]);
    for i in 0..n {
        for j in i + 1..n {
            a[i * n + j] = a[j * n + i];
        }
    }
    for k in 0..n {
        diagonal[k] = a[k * n + k];
        if k + 1 == n {
            break;
        }
        let mut v = a[k * n + k + 1..(k + 1) * n].to_vec();
        let size = norm(&v);
        off[k] = if v[0] > 0.0 { -size } else { size };
        if norm(&v[1..]) == 0.0 {
            // It is as it shall be; the last one has nothing beside it.
            off[k] = v[0];
            reflections.push(Vec::new());
            continue;
        }
        v[0] -= off[k];
        let scale = std::f64::consts::SQRT_2 / norm(&v);
        v.iter_mut().for_each(|v| *v *= scale);
        // B - vqᵀ - qvᵀ of the rest B, with p = Bv and q = p - (pᵀv/2)v.
        let start = k + 1;
        let row = |i: usize| i * n + start..(i + 1) * n;
        let mut q: Vec<f64> = (start..n).map(|i| dot(&a[row(i)], &v)).collect();
        let along = 0.5 * dot(&q, &v);
        add_scaled(-along, &v, &mut q);
        for i in start..n {
            let b = &mut a[row(i)];
            add_scaled(-v[i - start], &q, b);
            add_scaled(-q[i - start], &v, b);
        }
        reflections.push(v);
    }
    (Tridiagonal { diagonal, off }, reflections)
}

/// The columns of Q, one after the other.
fn basis(reflections: &[Vec<f64>], n: usize) -> Vec<f64> {
    // Row by row of Qᵀ, the last reflection first: Qᵀ grows from its lower right corner.
    let mut rows = vec![0.0; n * n];
    rows.iter_mut().step_by(n + 1).for_each(|entry| *entry = 1.0);
    for (k, v) in reflections.iter().enumerate().rev().filter(|(_, v)| !v.is_empty()) {
        let start = k + 1;
        for row in rows.chunks_exact_mut(n).skip(start) {
            let row = &mut row[start..];
            let along = dot(row, v);
            add_scaled(-along, v, row);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(n: usize, rank: usize, seed: u64) -> Vec<f64> {
        let entry = |i: usize, k: usize| ((i * i + 7 * k + 1) as f64 * (seed + 1) as f64).sin();
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                a[i * n + j] = (0..rank).map(|k| entry(i, k) * entry(j, k)).sum();
            }
        }
        a
    }

    #[test]
    fn a_matrix_is_the_product_of_its_factors() {
        for n in [1_usize, 2, 3, 5, 20, 33] {
            for (rank, seed) in [(n, 1), (n.div_ceil(2), 2), (1, 3), (0, 4)] {
                for scale in [1.0, 1e-200, 1e150] {
                    let mut a = matrix(n, rank, seed);
                    a.iter_mut().for_each(|a| *a *= scale);
                    let size = a.iter().fold(0.0_f64, |size, a| size.max(a.abs()));
                    let eigen = Eigenbasis::factor(&a, n).unwrap();
                    assert!(eigen.values.windows(2).all(|pair| pair[0] <= pair[1]));
                    for i in 0..n {
                        for j in 0..n {
                            let sum = |f: &dyn Fn(usize) -> f64| {
                                let of = |k: usize| eigen.vectors[k][i] * eigen.vectors[k][j];
                                (0..n).map(|k| f(k) * of(k)).sum::<f64>()
                            };
                            let off = sum(&|k| eigen.values[k]) - a[i * n + j];
                            assert!(off.abs() <= 1e-13 * n as f64 * size, "{n} {rank}: {off:e}");
                            let unit = sum(&|_| 1.0) - f64::from(u8::from(i == j));
                            assert!(unit.abs() < 1e-13 * n as f64, "{n} {rank}: {unit:e}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn eigenvalues_of_the_second_difference_are_known() {
        let n = 30;
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            a[i * n + i] = 2.0;
            if i > 0 {
                (a[i * n + i - 1], a[(i - 1) * n + i]) = (-1.0, -1.0);
            }
        }
        let eigen = Eigenbasis::factor(&a, n).unwrap();
        for (k, value) in eigen.values.iter().enumerate() {
            let angle = std::f64::consts::PI * (k + 1) as f64 / (2 * (n + 1)) as f64;
            assert!((value - 4.0 * angle.sin().powi(2)).abs() < 1e-14, "{k}");
        }
    }

    #[test]
    fn a_root_of_a_matrix_raised_to_its_power_is_the_inverse() {
        let n = 12;
        let mut a = matrix(n, n, 5);
        a.iter_mut().step_by(n + 1).for_each(|a| *a += 1.0);
        let eigen = Eigenbasis::factor(&a, n).unwrap();
        let (mut root, mut panels) = (vec![0.0; n * n], Panels::default());
        eigen.of(|value| value.powf(-0.25), &mut panels, &mut root, How::default());
        let times = |a: &[f64], b: &[f64]| {
            let mut c = vec![0.0; n * n];
            Panels::default().multiply(a, (n, n), |k, j| b[k * n + j], &mut c, How::default());
            c
        };
        let square = times(&root, &root);
        let unit = times(&times(&square, &square), &a);
        for (at, unit) in unit.iter().enumerate() {
            assert!((unit - f64::from(u8::from(at % (n + 1) == 0))).abs() < 1e-11, "{unit}");
        }
    }

    #[test]
    fn what_is_not_finite_has_no_eigenvalues() {
        assert!(Eigenbasis::factor(&[1.0, f64::NAN, f64::NAN, 1.0], 2).is_none());
        assert!(Eigenbasis::factor(&[f64::INFINITY], 1).is_none());
    }
}
