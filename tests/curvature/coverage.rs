//! Intervals of stochastic quadrature, against exact sums over the spectrum.

use thalweg::curvature::{Estimate, LinearOperator, Quadrature, operator_fn};
use thalweg_tests_support::Optimized;

use super::planted::{Planted, rng};

type Function = (&'static str, fn(f64) -> f64);

const FUNCTIONS: [Function; 5] = [
    ("1/λ", |x| 1.0 / x),
    ("log λ", f64::ln),
    ("√λ", f64::sqrt),
    ("|λ - ½|", |x| (x - 0.5).abs()),
    ("λ³", |x| x * x * x),
];

/// Of how many seeds the interval of each function holds the truth, and the widths over the truth.
fn coverage(
    operator: &mut dyn LinearOperator<f64>,
    eigenvalues: &[f64],
    (steps, probes): (usize, usize),
    seeds: u64,
    functions: &[Function],
) -> Vec<(usize, f64)> {
    let mut found = vec![(0, 0.0); functions.len()];
    for seed in 0..seeds {
        let spectrum = Quadrature::new(steps, probes).optimized(operator, &mut rng(seed)).unwrap();
        for ((_, f), (count, width)) in functions.iter().zip(&mut found) {
            let exact = eigenvalues.iter().map(|&x| f(x)).sum::<f64>() / eigenvalues.len() as f64;
            let mean: Estimate = spectrum.mean(f).unwrap();
            let (low, high) = mean.interval();
            *count += usize::from(low <= exact && exact <= high);
            *width += (high - low) / exact.abs() / seeds as f64;
        }
    }
    found
}

#[test]
fn an_interval_holds_the_truth_in_95_of_100_runs_whatever_the_function() {
    let n = 48;
    let at = |i: usize| (i + 1) as f64 / n as f64;
    let spectra: [(&str, Vec<f64>); 3] = [
        ("uniform", (0..n).map(at).collect()),
        ("decades", (0..n).map(|i| 10.0_f64.powf(-5.0 * (1.0 - at(i)))).collect()),
        ("clusters", (0..n).map(|i| [0.001, 0.3, 1.0][i % 3] * (1.0 + 0.1 * at(i))).collect()),
    ];
    let mut generator = rng(91);
    for (name, values) in spectra {
        let mut planted = Planted::new(values.clone(), &mut generator);
        for sizes in [(8, 10), (20, 10), (12, 24)] {
            let found = coverage(&mut planted, &values, sizes, 400, &FUNCTIONS);
            for ((function, _), (count, width)) in FUNCTIONS.iter().zip(found) {
                println!("{name} {sizes:?} {function}: {count} of 400, width {width:.1e}");
                // 95 %, less three standard deviations of 400 runs.
                assert!(count >= 367, "{name} {sizes:?} {function}: {count}");
            }
        }
    }
}

/// Random signs give the exact trace of a diagonal matrix: all that is off is the quadrature.
#[test]
fn where_nothing_is_random_the_error_of_the_quadrature_alone_is_covered() {
    for n in [100, 700] {
        for condition in [10.0_f64, 1e3, 1e6] {
            let value = |i: usize| condition.powf(-(i as f64) / (n - 1) as f64);
            let geometric: Vec<f64> = (0..n).map(value).collect();
            // Without an eigenvalue that is alone beside the pole.
            let least = (1.0 / condition).max(1.0 / n as f64);
            let linear = (0..n).map(|i| least + i as f64 / n as f64).collect();
            for values in [geometric, linear] {
                let mut diagonal = operator_fn(n, |x: &[f64], y: &mut [f64]| {
                    y.iter_mut().zip(x).zip(&values).for_each(|((y, x), d)| *y = d * x);
                    Ok(())
                });
                for steps in [3, 5, 8, 13, 20, 34, 55] {
                    let found = coverage(&mut diagonal, &values, (steps, 2), 1, &FUNCTIONS);
                    for ((function, _), (count, _)) in FUNCTIONS.iter().zip(found) {
                        assert_eq!(count, 1, "{function}, {steps} of {n}, {condition:e}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_room_for_the_quadrature_is_small_where_the_function_is_smooth() {
    let values: Vec<f64> = (0..200).map(|i| 0.5 + f64::from(i) / 400.0).collect();
    let mut planted = Planted::new(values.clone(), &mut rng(92));
    let spectrum = Quadrature::new(30, 10).run(&mut planted, &mut rng(1)).unwrap();
    for f in [|x: f64| 1.0 / x, f64::ln, |x: f64| x * x] {
        let mean = spectrum.mean(f).unwrap();
        assert!(mean.bias <= 1e-6 * mean.standard_error, "{mean:?}");
    }
    // One step tells a mean of λ, and nothing of its error.
    let one = Quadrature::new(1, 10).run(&mut planted, &mut rng(1)).unwrap();
    assert_eq!(one.mean(|x| 1.0 / x).unwrap().bias, f64::INFINITY);
}

#[test]
fn counts_that_no_memory_holds_are_refused() {
    let mut diagonal = operator_fn(3, |x: &[f64], y: &mut [f64]| {
        y.copy_from_slice(x);
        Ok(())
    });
    for probes in [usize::MAX, 1 << 40] {
        assert!(Quadrature::new(1, probes).run(&mut diagonal, &mut rng(1)).is_err());
    }
    assert!(Quadrature::new(usize::MAX, 2).run(&mut diagonal, &mut rng(1)).is_ok());
}
