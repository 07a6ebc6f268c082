//! What the linear solver says, against residuals and solutions computed here.

use ndarray::{Array1, Array2, array};
use thalweg::Scalar;
use thalweg::solvers::{LinearConjugateGradient, LinearSolution, LinearStatus};
use thalweg_tests_support::{self as optimized, Matrix};

/// A = QDQᵀ with a Householder reflection Q, and its D: from 1 to `condition`, by powers.
fn definite(n: usize, condition: f64) -> Array2<f64> {
    let v: Array1<f64> = (0..n).map(|i| (1.3 * i as f64 + 0.4).sin()).collect();
    let square = v.dot(&v);
    let reflect = Array2::from_shape_fn((n, n), |(i, j)| {
        f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / square
    });
    let d = (0..n).map(|i| condition.powf(i as f64 / (n.max(2) - 1) as f64));
    let a = reflect.dot(&Array2::from_diag(&d.collect::<Array1<f64>>())).dot(&reflect);
    (&a + &a.t()) / 2.0
}

fn length(x: &Array1<f64>) -> f64 {
    let largest = x.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
    if largest == 0.0 { 0.0 } else { largest * (x / largest).mapv(|x| x * x).sum().sqrt() }
}

fn solve<F: Scalar>(
    solver: &LinearConjugateGradient,
    a: &Array2<F>,
    b: &[F],
) -> (LinearSolution, Array1<f64>) {
    let mut x = vec![F::zero(); b.len()];
    let solution = solver.solve(&mut a.clone(), b, &mut x).unwrap();
    (solution, x.into_iter().map(F::into_f64).collect())
}

#[test]
fn without_a_tolerance_it_goes_to_the_precision_and_says_so() {
    let solver = LinearConjugateGradient::new().relative(0.0);
    let diagonal = |d: &[f64]| Array2::from_diag(&Array1::from(d.to_vec()));
    for (a, b, x) in [
        (diagonal(&[1.0, 2.0, 3.0]), vec![-1.0; 3], vec![1.0, 0.5, 1.0 / 3.0]),
        (array![[1.0, 0.3], [0.3, 3.0]], vec![-1.3, -3.3], vec![1.0, 1.0]),
        (diagonal(&[1e-8, 1.0, 1e8]), vec![-1.0; 3], vec![1e8, 1.0, 1e-8]),
        (diagonal(&[5.0]), vec![-1.0], vec![0.2]),
        (
            definite(30, 10.0),
            (-definite(30, 10.0).sum_axis(ndarray::Axis(1))).to_vec(),
            vec![1.0; 30],
        ),
    ] {
        let (solution, found) = solve(&solver, &a, &b);
        assert!(
            matches!(solution.status, LinearStatus::Converged | LinearStatus::Stagnated),
            "{solution:?}"
        );
        for (found, x) in found.iter().zip(&x) {
            assert!((found / x - 1.0).abs() < 1e-7, "{found} for {x}");
        }
        let narrow: Vec<f32> = b.iter().map(|b| *b as f32).collect();
        let (solution, _) = solve(&solver, &a.mapv(|a| a as f32), &narrow);
        assert!(
            matches!(solution.status, LinearStatus::Converged | LinearStatus::Stagnated),
            "{solution:?}"
        );
    }
}

#[test]
fn the_size_of_the_right_hand_side_changes_nothing() {
    let a = definite(20, 50.0);
    let b: Array1<f64> = (0..20).map(|i| (i as f64).cos()).collect();
    let solver = LinearConjugateGradient::new();
    let (plain, x) = solve(&solver, &a, b.as_slice().unwrap());
    for size in [1e-300, 1e-200, 1e-160, 1e-100, 1e100, 1e200, 1e290] {
        let (solution, found) = solve(&solver, &a, (&b * size).as_slice().unwrap());
        assert_eq!((solution.status, plain.status), (LinearStatus::Converged, plain.status));
        assert!(solution.iterations.abs_diff(plain.iterations) <= 1, "{size:e}");
        for (found, x) in found.iter().zip(&x) {
            assert!((found / size - x).abs() < 1e-8, "{size:e}");
        }
    }
    let (solution, x) = solve(&solver, &Array2::<f64>::eye(2), &[-1e-200; 2]);
    assert_eq!((solution.status, x), (LinearStatus::Converged, array![1e-200, 1e-200]));
    let single = LinearConjugateGradient::new().relative(1e-5);
    for size in [1e-30_f32, 1e-20, 1e20, 1e30] {
        let (solution, x) = solve(&single, &Array2::from_diag(&array![1.0_f32, 2.0]), &[-size; 2]);
        assert_eq!(solution.status, LinearStatus::Converged, "{size:e}");
        assert!((x[1] / f64::from(size) - 0.5).abs() < 1e-4, "{size:e}");
    }
}

#[test]
fn converged_is_by_the_residual_itself_and_definite_matrices_are_never_called_otherwise() {
    let mut converged = 0;
    for exponent in 0..=14 {
        for n in [2, 10, 60] {
            let a = definite(n, 10.0_f64.powi(exponent));
            let b: Array1<f64> = (0..n).map(|i| (0.7 * i as f64).cos()).collect();
            for tolerance in [0.0, 1e-14, 1e-10, 1e-6] {
                let solver = LinearConjugateGradient::new().relative(tolerance).iterations(3000);
                let mut x = Array1::zeros(n);
                let (right, found) = (b.as_slice().unwrap(), x.as_slice_mut().unwrap());
                let solution =
                    optimized::solve(&solver, &mut Matrix(a.clone()), right, found).unwrap();
                let what = format!("1e{exponent}, {n} rows, {tolerance:e}: {:?}", solution.status);
                let residual = length(&(a.dot(&x) + &b));
                // The sums here have another order: that is of the size of ε‖A‖‖x‖.
                let rounding = 1e-15 * 10.0_f64.powi(exponent) * length(&x);
                let last = *solution.residuals.last().unwrap();
                match solution.status {
                    LinearStatus::Converged => {
                        converged += 1;
                        assert!(last <= tolerance * length(&b), "{what}");
                        assert!((residual - last).abs() <= rounding, "{what}: {residual:e}");
                    }
                    LinearStatus::Stagnated => {
                        assert!((residual - last).abs() <= rounding, "{what}: {residual:e}");
                        assert!(last <= 1e3 * rounding, "{what}: {last:e}");
                    }
                    LinearStatus::IterationLimit => assert!(exponent > 5, "{what}"),
                    _ => panic!("{what}"),
                }
            }
        }
    }
    assert!(converged > 60, "{converged}");
}

#[test]
fn an_indefinite_or_singular_matrix_is_called_so() {
    for n in [2, 10, 50] {
        let mut a = definite(n, 100.0);
        a = a - Array2::<f64>::eye(n) * 2.0;
        let (solution, _) = solve(&LinearConjugateGradient::new(), &a, &vec![1.0; n]);
        let LinearStatus::NotPositiveDefinite { curvature } = solution.status else {
            panic!("{solution:?}");
        };
        assert!((-1.001..0.0).contains(&curvature), "{curvature}");
    }
    let zero = Array2::<f64>::zeros((3, 3));
    let (solution, _) = solve(&LinearConjugateGradient::new(), &zero, &[1.0; 3]);
    assert_eq!(solution.status, LinearStatus::NotPositiveDefinite { curvature: 0.0 });
}
