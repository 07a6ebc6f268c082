//! What is known of matrices and quadratics by other ways than the library's.

use ndarray::{Array1, Array2};

/// Eigenvalues by cyclic Jacobi rotations: Golub & Van Loan, 4th edition, §8.5.
pub fn jacobi(mut a: Array2<f64>) -> Vec<f64> {
    let n = a.nrows();
    let norm = a.iter().map(|x| x * x).sum::<f64>().sqrt();
    for _ in 0..60 {
        let mut largest = 0.0_f64;
        for p in 0..n {
            for q in p + 1..n {
                let b = a[[p, q]];
                if b.abs() <= 1e-18 * norm {
                    continue;
                }
                largest = largest.max(b.abs());
                let tau = (a[[q, q]] - a[[p, p]]) / (2.0 * b);
                let t = 1.0_f64.copysign(tau) / (tau.abs() + tau.hypot(1.0));
                let (c, s) = (1.0 / t.hypot(1.0), t / t.hypot(1.0));
                for k in 0..n {
                    let (x, y) = (a[[k, p]], a[[k, q]]);
                    (a[[k, p]], a[[k, q]]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[[p, k]], a[[q, k]]);
                    (a[[p, k]], a[[q, k]]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
        if largest == 0.0 {
            break;
        }
    }
    let mut values = a.diag().to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// The change of ½(w - m)ᵀH(w - m) from its minimum.
pub fn loss(hessian: &Array2<f64>, minimum: &[f64], w: &[f64]) -> f64 {
    let d: Array1<f64> = w.iter().zip(minimum).map(|(w, m)| w - m).collect();
    0.5 * d.dot(&hessian.dot(&d))
}

/// The lowest loss with these weights at 0: the others solve H_kk·d = -H_kq·d_q, here by descent.
pub fn best_without(hessian: &Array2<f64>, minimum: &[f64], zeros: &[usize], norm: f64) -> f64 {
    let mut w: Array1<f64> = minimum.iter().copied().collect();
    zeros.iter().for_each(|&q| w[q] = 0.0);
    for _ in 0..20_000 {
        let gradient = hessian.dot(&(&w - &Array1::from(minimum.to_vec())));
        for i in 0..w.len() {
            if !zeros.contains(&i) {
                w[i] -= gradient[i] / norm;
            }
        }
    }
    loss(hessian, minimum, w.as_slice().unwrap())
}
