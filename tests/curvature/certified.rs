//! Condition numbers of small random matrices: what is said to have converged holds the truth.

use ndarray::{Array2, array};
use rand::RngExt;
use thalweg::curvature::{Condition, LinearOperator, Shifted, operator_fn, stable_learning_rate};
use thalweg_tests_support::truth::jacobi;
use thalweg_tests_support::{Matrix, condition as condition_of, condition_with_basis};

use super::planted::{Planted, normal, rng};

/// A spectrum of a random kind: definite, indefinite, singular, clustered, of many sizes.
fn spectrum(case: usize, n: usize, rng: &mut rand::rngs::StdRng) -> Vec<f64> {
    let mut draw = |i: usize| match case % 7 {
        0 => normal(rng),
        1 => normal(rng).abs() + 0.01,
        2 => normal(rng) * f64::from(u8::from(!i.is_multiple_of(3))),
        3 => [1.0, 1.0 + 1e-9, -2.0][i % 3] + 1e-13 * normal(rng),
        4 => 10.0_f64.powf(-14.0 * i as f64 / n as f64) * normal(rng).signum(),
        5 => [3.0, 0.0, 1e-9, -1e-5][i % 4],
        _ => 10.0_f64.powf(-8.0 * i as f64 / n as f64),
    };
    (0..n).map(&mut draw).collect()
}

#[test]
fn a_range_that_has_converged_holds_the_truth_in_ten_thousand_random_matrices() {
    let mut rng = rng(81);
    let (mut converged, mut bounded) = (0, 0);
    for case in 0..10_000 {
        let n = rng.random_range(1..9);
        let size = 10.0_f64.powi(rng.random_range(-9..10));
        let values = spectrum(case, n, &mut rng).into_iter().map(|value| value * size).collect();
        let matrix = Planted::new(values, &mut rng).matrix();
        let exact = jacobi(matrix.clone());
        let norm = exact.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
        let least = exact.iter().fold(f64::INFINITY, |min, x| min.min(x.abs()));
        let condition = match case % 2 {
            0 => condition_of(&mut Matrix(matrix)).unwrap(),
            // Too few vectors for the whole space, at first.
            _ => condition_with_basis(&mut Matrix(matrix), n.min(6)).unwrap(),
        };
        converged += usize::from(condition.converged);
        // Jacobi's own rounding.
        let rounding = 1e-14 * norm;
        for (bounded, exact) in [
            (condition.lowest, exact[0]),
            (condition.highest, exact[n - 1]),
            (condition.smallest, least),
            (condition.largest, norm),
        ] {
            let off = (bounded.value - exact).abs();
            assert!(off <= bounded.bound + rounding, "{case}: {bounded:?} for {exact:e}");
            assert!(bounded.bound <= 1e-9 * norm, "{case}: {bounded:?} for {exact:e}");
        }
        let (low, high) = condition.absolute_range();
        // Where rounding can tell it, the range is of what the matrix holds to rounding.
        if norm > 0.0 {
            assert!(low <= norm / (least - rounding).max(0.0), "{case}: {low:e}");
            assert!(high >= norm / (least + rounding), "{case}: {high:e}");
        }
        if least > 1e-12 * norm {
            bounded += 1;
            let absolute = condition.absolute();
            assert!((absolute * least / norm - 1.0).abs() < 0.2, "{case}: {absolute:e}");
        }
        if least == 0.0 || least < 1e-16 * norm {
            assert_eq!(condition.absolute(), f64::INFINITY, "{case}");
        }
    }
    assert_eq!(converged, 10_000);
    assert!(bounded > 5_000, "{bounded}");
}

#[test]
fn a_singular_matrix_has_an_infinite_condition() {
    // Laplacian of a triangle and a lone row: 0, 1, 3, 3.
    let triangle = array![
        [2.0, -1.0, -1.0, 0.0],
        [-1.0, 2.0, -1.0, 0.0],
        [-1.0, -1.0, 2.0, 0.0],
        [0.0, 0.0, 0.0, 1.0]
    ];
    let condition = Condition::of(triangle.clone()).unwrap();
    assert_eq!((condition.absolute(), condition.converged), (f64::INFINITY, true));
    assert_eq!((condition.signed(), condition.absolute_range().1), (f64::INFINITY, f64::INFINITY));
    assert!(condition.momentum().is_none());
    let single = Condition::of(triangle.mapv(|x| x as f32)).unwrap();
    assert_eq!(single.absolute(), f64::INFINITY);
    let zero = Condition::of(Array2::<f64>::zeros((5, 5))).unwrap();
    assert_eq!(zero.absolute(), f64::INFINITY);

    // Paths of 30 and of 300: 4·sin²(πk/2n), where 0 is the lowest.
    for n in [30, 300] {
        let path = operator_fn(n, |x: &[f64], y: &mut [f64]| {
            for i in 0..n {
                let left = if i > 0 { x[i] - x[i - 1] } else { 0.0 };
                let right = if i + 1 < n { x[i] - x[i + 1] } else { 0.0 };
                y[i] = left + right;
            }
            Ok(())
        });
        assert_eq!(Condition::of(path).unwrap().absolute(), f64::INFINITY);
    }
    // Rank 5 of 3000 rows, more than any basis holds: the bound ends at rounding.
    let rank = operator_fn(3000, |x: &[f64], y: &mut [f64]| {
        y.fill(0.0);
        (0..5).for_each(|i| y[i] = (i + 1) as f64 * x[i]);
        Ok(())
    });
    let condition = Condition::of(rank).unwrap();
    assert_eq!((condition.absolute(), condition.converged), (f64::INFINITY, true));
    assert!(condition.absolute_range().0 > 1e12);
}

#[test]
fn the_smallest_between_both_signs_is_found() {
    let mut rng = rng(82);
    for (n, basis) in [(40, None), (200, None), (200, Some(60)), (300, None)] {
        // ± from 1e-4 to 1, the smallest a negative one.
        let value = |i: usize| {
            let size = 1e4_f64.powf(-(i as f64) / (n - 1) as f64);
            if (n - 1 - i).is_multiple_of(2) { -size } else { size }
        };
        let mut planted = Planted::new((0..n).map(value).collect(), &mut rng);
        let condition = match basis {
            None => condition_of(&mut planted),
            Some(basis) => condition_with_basis(&mut planted, basis),
        }
        .unwrap();
        assert!(condition.converged, "{n}");
        assert!((condition.absolute() / 1e4 - 1.0).abs() < 1e-8, "{n}: {condition:?}");
    }
    // Of 40 rows, half of the digits were lost to A².
    let value = |i: usize| if i == 0 { 2.5e-11 } else { f64::from(i as i32 % 2 * 2 - 1) };
    let mut planted = Planted::new((0..40).map(value).collect(), &mut rng);
    let absolute = condition_of(&mut planted).unwrap().absolute();
    assert!((absolute / 4e10 - 1.0).abs() < 1e-3, "{absolute:e}");
}

/// diag(d), counting its products.
fn counted(d: Vec<f64>, products: &mut usize) -> impl LinearOperator<f64> {
    operator_fn(d.len(), move |x: &[f64], y: &mut [f64]| {
        *products += 1;
        y.iter_mut().zip(x).zip(&d).for_each(|((y, x), d)| *y = d * x);
        Ok(())
    })
}

#[test]
fn between_both_signs_of_a_large_matrix_it_is_found_or_given_up_honestly() {
    // More rows than a basis of all: by A², to all digits of A.
    let n = 3000;
    let easy = |i: usize| f64::from(i as i32 % 2 * 2 - 1) * (0.1 + i as f64 / n as f64);
    let mut products = 0;
    let found = condition_of(&mut counted((0..n).map(easy).collect(), &mut products)).unwrap();
    assert!(found.converged && found.smallest.bound < 1e-8, "{found:?}");
    assert!((found.smallest.value - 0.1).abs() < 1e-9, "{found:?}");

    // From -1 to 1 in steps of 1/1500, without an end of its own beside 0.
    let hard = |i: usize| (i as f64 - 1499.6) / 1500.0;
    let found = condition_of(&mut counted((0..n).map(hard).collect(), &mut products)).unwrap();
    let (low, high) = found.absolute_range();
    let truth = hard(n - 1).max(-hard(0)) / 0.4 * 1500.0;
    assert!(low <= truth && truth <= high, "{low:e} {high:e} {truth:e}");
    assert!(!found.converged || high.is_finite());
}

#[test]
fn a_search_that_cannot_tell_the_lowest_from_zero_ends_early() {
    // 4·sin²(πk/2n): singular, and the gaps at the low end are 1e-7 of the norm.
    let n = 10_000;
    let sine = |k: usize| 4.0 * (std::f64::consts::PI * k as f64 / (2 * n) as f64).sin().powi(2);
    let mut products = 0;
    let found = condition_of(&mut counted((0..n).map(sine).collect(), &mut products)).unwrap();
    assert!(!found.converged);
    assert_eq!((found.absolute(), found.absolute_range().1), (f64::INFINITY, f64::INFINITY));
    assert!((found.highest.value - 4.0).abs() < 1e-3);
    assert!(products < 1500, "{products}");

    // As far from 0 as the products reach, it is found.
    let mut products = 0;
    let found =
        condition_of(&mut counted((1..=5000).map(f64::from).collect(), &mut products)).unwrap();
    assert!(found.converged && (found.absolute() / 5000.0 - 1.0).abs() < 1e-6, "{found:?}");
}

#[test]
fn the_stable_learning_rate_is_had_for_the_highest_eigenvalue_alone() {
    let n = 5000;
    let values: Vec<f64> =
        (0..n).map(|i| 10.0_f64.powf(1.0 - 12.0 * i as f64 / n as f64)).collect();
    let mut products = 0;
    let rate = stable_learning_rate(counted(values, &mut products)).unwrap();
    assert!((rate / 0.2 - 1.0).abs() < 1e-9 && products < 400, "{rate} {products}");
    let negative = Shifted::new(Array2::<f64>::zeros((3, 3)), -1.0);
    assert_eq!(stable_learning_rate(negative).unwrap(), f64::INFINITY);
}
