//! Eigenvalues against planted ones.

use ndarray::{Array1, Array2, ArrayView1};
use rand::RngExt;
use thalweg::curvature::{
    Condition, Eigenpair, Lanczos, LinearOperator, Preconditioned, Scaled, Shifted, operator_fn,
};
use thalweg_tests_support as optimized;

use super::planted::{Planted, normal, rng, spectra};

/// Every pair against the eigenvalue of its rank, both to the limit and to the pair's own bound.
fn check(
    what: &str,
    pairs: &[Eigenpair<f64>],
    exact: impl Iterator<Item = f64>,
    all: &[f64],
    norm: f64,
) {
    for (pair, exact) in pairs.iter().zip(exact) {
        assert!((pair.value - exact).abs() <= 1e-10 * norm, "{what}: {} for {exact}", pair.value);
        let off = nearest(all, pair.value);
        assert!(off <= pair.bound, "{what}: off by {off:e}, bound {:e}", pair.bound);
        assert!(pair.bound <= 2e-10 * norm, "{what}: bound {:e}", pair.bound);
    }
}

#[test]
fn both_ends_of_planted_spectra_are_found_with_one_copy_of_each() {
    let mut rng = rng(1);
    for n in [10, 100, 1000] {
        for (name, values) in spectra(n, &mut rng) {
            let what = format!("{name}, n = {n}");
            let mut planted = Planted::new(values, &mut rng);
            let mut lanczos = Lanczos::ends(3, 3);
            if name == "decades" {
                // A low end whose gaps are 1e-12 of the norm takes the whole space.
                lanczos = lanczos.basis(n);
            }
            let found = optimized::lanczos(&lanczos, &mut planted).unwrap();
            assert!(found.converged, "{what}");
            let (exact, norm) = (planted.eigenvalues.clone(), planted.norm());
            check(&what, &found.lowest, exact.iter().copied(), &exact, norm);
            check(&what, &found.highest, exact.iter().rev().copied(), &exact, norm);
        }
    }
}

#[cfg(feature = "linalg")]
#[test]
fn all_eigenvalues_of_a_dense_matrix_are_the_planted_ones() {
    let mut rng = rng(2);
    for (name, values) in spectra(150, &mut rng) {
        let planted = Planted::new(values, &mut rng);
        let dense = thalweg::curvature::Dense::from_matrix(&planted.matrix()).unwrap();
        let (found, vectors) = dense.eigenpairs().unwrap();
        for (i, exact) in planted.eigenvalues.iter().enumerate() {
            assert!((found[i] - exact).abs() < 1e-13 * planted.norm(), "{name}");
            let v = vectors.column(i);
            let residual = dense.matrix().dot(&v) - &v * found[i];
            assert!(residual.iter().all(|r| r.abs() < 1e-13 * planted.norm()), "{name}");
        }
        assert!(
            found
                .iter()
                .zip(dense.eigenvalues().unwrap())
                .all(|(a, b)| (a - b).abs() < 1e-12 * planted.norm())
        );
    }
}

/// The distance to the nearest eigenvalue.
fn nearest(eigenvalues: &[f64], value: f64) -> f64 {
    eigenvalues.iter().map(|exact| (exact - value).abs()).fold(f64::INFINITY, f64::min)
}

#[test]
fn the_bounds_hold_in_a_thousand_random_cases() {
    let mut rng = rng(3);
    for case in 0..1000 {
        let n = rng.random_range(2..60);
        let spectra = spectra(n, &mut rng);
        let (name, values) = spectra[case % spectra.len()].clone();
        let size = 10.0_f64.powi(rng.random_range(-8..9));
        let values = values.into_iter().map(|value| value * size).collect();
        let mut planted = Planted::new(values, &mut rng);
        let (low, high) = (rng.random_range(0..3.min(n)), rng.random_range(1..3.min(n + 1)));
        // Stopped early as a rule: large residuals must be bounded too.
        let lanczos = Lanczos::ends(low, high)
            .basis(n.min(low + high + 4))
            .max_products(rng.random_range(1..40))
            .tolerance(10.0_f64.powi(rng.random_range(-14..0)));
        let found = optimized::lanczos(&lanczos, &mut planted).unwrap();
        for pair in found.lowest.iter().chain(&found.highest) {
            let off = nearest(&planted.eigenvalues, pair.value);
            assert!(
                off <= pair.bound,
                "case {case}, {name}, n = {n}: off by {off:e}, bound {:e}",
                pair.bound
            );
        }
    }
}

#[test]
fn an_eigenvector_has_the_residual_that_the_bound_says() {
    let mut rng = rng(4);
    for (name, values) in spectra(300, &mut rng) {
        let mut planted = Planted::new(values, &mut rng);
        let lanczos = Lanczos::ends(2, 2).vectors(true).max_products(400);
        let found = optimized::lanczos(&lanczos, &mut planted).unwrap();
        for pair in found.lowest.iter().chain(&found.highest) {
            let v = pair.vector.as_ref().unwrap();
            let mut av = vec![0.0; 300];
            planted.apply(v, &mut av).unwrap();
            let square = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
            assert!((square(v) - 1.0).abs() < 1e-12);
            av.iter_mut().zip(v).for_each(|(av, v)| *av -= pair.value * v);
            assert!(square(&av) <= pair.bound, "{name}: {:e} {:e}", square(&av), pair.bound);
        }
    }
}

#[test]
fn the_largest_by_magnitude_are_taken_from_both_ends() {
    let mut rng = rng(5);
    let values = (0..200).map(|i| if i % 2 == 0 { 1.1_f64 } else { -1.0 } * 0.95_f64.powi(i));
    let mut planted = Planted::new(values.collect(), &mut rng);
    let found = Lanczos::largest_magnitude(5).run(&mut planted).unwrap();
    let mut exact: Vec<f64> = planted.eigenvalues.clone();
    exact.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
    assert_eq!((found.lowest.len(), found.highest.len()), (2, 3));
    for (pair, exact) in found.by_magnitude().into_iter().zip(exact) {
        assert!((pair.value - exact).abs() <= pair.bound);
    }
}

#[test]
fn a_scaled_operator_has_the_same_spectrum_scaled_down_to_the_smallest_numbers() {
    let mut rng = rng(6);
    let mut planted = Planted::new((0..50).map(f64::from).collect(), &mut rng);
    let plain = Lanczos::ends(2, 2).run(&mut planted).unwrap();
    for factor in [1e-150, 1e-30, 1e30, 1e120] {
        let scaled = Lanczos::ends(2, 2).run(&mut Scaled::new(&mut planted, factor)).unwrap();
        for (a, b) in plain.highest.iter().zip(&scaled.highest) {
            assert!((b.value / factor - a.value).abs() < 1e-10, "{factor}");
        }
    }
}

/// The Laplacian of a cycle: 4·sin²(πk/n), each but the ends twice.
#[test]
fn copies_of_a_multiple_eigenvalue_are_claimed_of_a_complete_basis_alone() {
    for n in [20_usize, 40, 200, 500] {
        let mut cycle = operator_fn(n, |x: &[f64], y: &mut [f64]| {
            for i in 0..n {
                y[i] = 2.0 * x[i] - x[(i + 1) % n] - x[(i + n - 1) % n];
            }
            Ok(())
        });
        let sine = |k: usize| 4.0 * (std::f64::consts::PI * k as f64 / n as f64).sin().powi(2);
        let mut exact: Vec<f64> = (0..n).map(sine).collect();
        exact.sort_by(|a, b| b.total_cmp(a));
        let found = optimized::lanczos(&Lanczos::ends(0, 5), &mut cycle).unwrap();
        assert!(found.converged);
        assert_eq!(found.complete, n <= 50, "{n}");
        let copies = |pair: &Eigenpair<f64>| {
            found.highest.iter().filter(|p| (p.value - pair.value).abs() < 1e-8).count()
        };
        for (pair, rank) in found.highest.iter().zip(0..) {
            assert!(nearest(&exact, pair.value) <= pair.bound, "{n}");
            if found.complete {
                assert!((pair.value - exact[rank]).abs() <= pair.bound, "{n}, {rank}");
                assert_eq!(copies(pair), if rank == 0 { 1 } else { 2 }, "{n}, {rank}");
            }
        }
        assert!((found.highest[0].value - 4.0).abs() <= found.highest[0].bound, "{n}");
    }
}

/// Of a matrix of low rank the products lead to an end: each subspace that they use up holds one more copy of every
/// eigenvalue.
#[test]
fn a_low_rank_takes_a_product_for_each_distinct_eigenvalue_and_each_copy() {
    let n = 2000;
    let v = Array1::from_shape_fn(n, |i| (1.3 * i as f64 + 0.4).sin());
    let v = &v / v.dot(&v).sqrt();
    // 1 to 5 behind a reflection, and 0.
    let mut operator = operator_fn(n, |x: &[f64], y: &mut [f64]| {
        let reflected = |x: ArrayView1<'_, f64>| &x - &(&v * (2.0 * v.dot(&x)));
        let mut z = reflected(ArrayView1::from(x));
        z.iter_mut().enumerate().for_each(|(i, z)| *z *= if i < 5 { i as f64 + 1.0 } else { 0.0 });
        y.copy_from_slice(reflected(z.view()).as_slice().unwrap());
        Ok(())
    });
    // Six of the first subspace, one for each other copy of 0, and the probe.
    for (k, products) in [(1, 7), (3, 9), (5, 11)] {
        let found = Lanczos::ends(k, k).vectors(true).run(&mut operator).unwrap();
        assert!(found.converged && !found.complete, "{k}");
        assert!(found.products <= products + 1, "{k}: {}", found.products);
        for (i, pair) in found.lowest.iter().enumerate() {
            assert!(pair.value.abs() <= pair.bound && pair.bound < 1e-10, "{k}, {i}");
        }
        for (i, pair) in found.highest.iter().enumerate() {
            assert!((pair.value - (5 - i) as f64).abs() <= pair.bound, "{k}, {i}");
        }
    }
    // A start that lies along one eigenvector sees no other.
    let start = Array1::from_shape_fn(n, |i| f64::from(u8::from(i == 4)));
    let start = &start - &(&v * (2.0 * v.dot(&start)));
    let found = Lanczos::ends(1, 1).run_from(&mut operator, start.as_slice().unwrap()).unwrap();
    assert!(found.converged && found.lowest[0].value.abs() <= found.lowest[0].bound);
    assert!((found.highest[0].value - 5.0).abs() <= found.highest[0].bound);
}

#[test]
fn single_precision_bounds_hold_too() {
    let mut rng = rng(7);
    for n in [20, 200, 800] {
        let planted = Planted::new((0..n).map(|i| (f64::from(i) * 0.1).sin()).collect(), &mut rng);
        let mut matrix = planted.matrix().mapv(|x| x as f32);
        let found = optimized::lanczos_f32(&Lanczos::ends(1, 1), &mut matrix).unwrap();
        let (low, high) = (&found.lowest[0], &found.highest[0]);
        assert!((low.value - planted.eigenvalues[0]).abs() <= low.bound && low.bound < 1e-3);
        assert!((high.value - planted.eigenvalues[n as usize - 1]).abs() <= high.bound);
        assert!(found.converged);
    }
}

/// Also over threads, with the feature `rayon`: long enough to be shared between them.
#[cfg(feature = "rayon")]
#[test]
fn one_thread_and_two_give_the_same_bits() {
    let n = (1 << 20) + 333;
    let diagonal = || {
        operator_fn(n, move |x: &[f64], y: &mut [f64]| {
            y.iter_mut().zip(x).enumerate().for_each(|(i, (y, x))| *y = (i as f64).sqrt() * x);
            Ok(())
        })
    };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let lanczos = Lanczos::ends(1, 2).basis(8).max_products(12).vectors(true);
        pool.install(|| optimized::lanczos(&lanczos, &mut diagonal()).unwrap())
    };
    assert!(run(1) == run(2));
}

#[test]
fn the_condition_number_of_a_known_spectrum() {
    let mut rng = rng(8);
    let mut definite = Planted::new((0..100).map(|i| 2.0 + f64::from(i)).collect(), &mut rng);
    let condition = Condition::of(&mut definite).unwrap();
    assert!((condition.signed() - 50.5).abs() < 1e-7);
    assert_eq!(condition.signed(), condition.absolute());
    let (low, high) = condition.absolute_range();
    assert!(low <= 50.5 && 50.5 <= high && high - low < 1e-6);
    assert!(condition.stable_learning_rate() <= 2.0 / 101.0);

    // ±(0.3, 0.4, ...): 0 lies between.
    let both = |i: i32| f64::from(i % 2 * 2 - 1) * (0.3 + 0.1 * f64::from(i / 2));
    let mut indefinite = Planted::new((0..40).map(both).collect(), &mut rng);
    let condition = Condition::of(&mut indefinite).unwrap();
    assert!((condition.signed() + 1.0).abs() < 1e-8);
    assert!((condition.absolute() - 2.2 / 0.3).abs() < 1e-6, "{condition:?}");
    assert!(condition.momentum().is_none());

    let singular = Condition::of(Shifted::new(&mut definite, -2.0)).unwrap();
    assert_eq!(singular.absolute_range().1, f64::INFINITY);
}

/// Polyak's rates, run: no step is faster, and 2/λ_max is where descent stops to converge.
#[test]
fn learning_rates_do_what_they_promise() {
    let eigenvalues = [1.0, 3.0, 10.0, 40.0];
    let condition = Condition::of_eigenvalues(&eigenvalues, 0.0).unwrap();
    let descend = |learning_rate: f64, momentum: f64, steps: i32| {
        let (mut w, mut moved) = ([1.0; 4], [0.0; 4]);
        for _ in 0..steps {
            for i in 0..4 {
                moved[i] = momentum * moved[i] - learning_rate * eigenvalues[i] * w[i];
                w[i] += moved[i];
            }
        }
        w.iter().fold(0.0_f64, |max, w| max.max(w.abs()))
    };
    let limit = condition.stable_learning_rate();
    assert!(descend(0.999 * limit, 0.0, 10_000) < 1e-3);
    assert!(descend(1.001 * limit, 0.0, 10_000) > 1e3);

    let best = condition.momentum().unwrap();
    let rate = descend(best.learning_rate, best.momentum, 300).powf(1.0 / 300.0);
    assert!((rate - best.rate).abs() < 0.02, "{rate} {}", best.rate);
    for (a, g) in [(0.8, 1.0), (1.2, 1.0), (1.0, 0.9), (1.0, 1.1)] {
        let other = descend(a * best.learning_rate, g * best.momentum, 300);
        assert!(other > descend(best.learning_rate, best.momentum, 300), "{a} {g}");
    }
}

#[test]
fn the_right_diagonal_undoes_a_bad_scaling() {
    let mut rng = rng(9);
    let n = 60;
    let base = Planted::new((0..n).map(|i| 1.0 + f64::from(i) / 60.0).collect(), &mut rng).matrix();
    let scale: Vec<f64> = (0..n).map(|_| 10.0_f64.powf(normal(&mut rng))).collect();
    let at = |i: usize, j: usize| base[[i, j]] * scale[i] * scale[j];
    let size = n as usize;
    let matrix = Array2::from_shape_fn((size, size), |(i, j)| at(i, j));
    let before = Condition::with_basis(matrix.clone(), size).unwrap().signed();
    let diagonal: Vec<f64> = scale.iter().map(|s| s * s).collect();
    let after = Condition::of(Preconditioned::new(matrix, &diagonal).unwrap()).unwrap().signed();
    assert!(before > 1e3 && (after - (1.0 + 59.0 / 60.0)).abs() < 1e-9, "{before} {after}");
}
