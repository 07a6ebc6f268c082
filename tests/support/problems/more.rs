//! Problems of no number, that solvers are commonly compared on.

use super::{Number, Problem, Sum, problem};

/// Σ 100(xᵢ₊₁ - xᵢ²)² + (1 - xᵢ)², from (-1.2, 1, -1.2, 1, ...).
pub fn chained_rosenbrock(n: usize) -> Problem {
    let start: Vec<f64> = (0..n).map(|j| if j % 2 == 0 { -1.2 } else { 1.0 }).collect();
    problem!(0, "Chained Rosenbrock", chained, start).minimum_at(0.0, vec![1.0; n])
}

fn chained<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for j in 0..x.len() - 1 {
        f.sparse((x[j + 1] - x[j] * x[j]) * 10.0, [(j, x[j] * -20.0), (j + 1, T::from(10.0))]);
        f.sparse(-x[j] + 1.0, [(j, T::from(-1.0))]);
    }
}

/// ½ Σ λᵢxᵢ² with λ from 1 to κ in equal ratios, from (1, 1, ...); κ is 10, 100, 1e3 or 1e4.
pub fn quadratic(n: usize, condition: f64) -> Problem {
    let start = vec![1.0; n];
    match condition.log10().round() as i32 {
        1 => problem!(0, "Quadratic of condition 10", diagonal::<1, _>, start),
        2 => problem!(0, "Quadratic of condition 100", diagonal::<2, _>, start),
        3 => problem!(0, "Quadratic of condition 1e3", diagonal::<3, _>, start),
        4 => problem!(0, "Quadratic of condition 1e4", diagonal::<4, _>, start),
        _ => panic!("a condition of 10, 100, 1e3 or 1e4"),
    }
    .minimum_at(0.0, vec![0.0; n])
}

/// The curvature of the quadratic along each axis.
pub fn curvatures(n: usize, condition: f64) -> Vec<f64> {
    (0..n).map(|j| condition.powf(j as f64 / (n - 1) as f64)).collect()
}

fn diagonal<const POWER: i32, T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for (j, lambda) in curvatures(x.len(), 10.0_f64.powi(POWER)).into_iter().enumerate() {
        let root = (lambda / 2.0).sqrt();
        f.sparse(x[j] * root, [(j, T::from(root))]);
    }
}
