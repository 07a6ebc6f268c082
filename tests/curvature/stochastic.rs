//! Random estimates: what they state is what they hold.

use ndarray::Array2;
use rand::RngExt;
use thalweg::curvature::{
    Diagonal, Filters, LinearOperator, Quadrature, Trace, filter_normalized, operator_fn,
};
use thalweg::params::Flatten;
use thalweg_tests_support::{Matrix, Optimized};

use super::planted::{Planted, normal, rng};

/// A matrix whose diagonal does not say it all.
fn matrix(n: usize) -> Matrix {
    let values = (0..n).map(|i| if i < 3 { 40.0 } else { 0.1 * i as f64 }).collect();
    Matrix(Planted::new(values, &mut rng(41)).matrix())
}

/// How many of 1,000 seeds have the truth in their interval.
fn coverage(mut holds: impl FnMut(u64) -> bool) -> usize {
    (0..1000).filter(|&seed| holds(seed)).count()
}

#[test]
fn traces_lie_in_their_intervals_as_often_as_stated() {
    let mut a = matrix(40);
    let exact = a.0.diag().sum();
    // Samples that do not depend on what comes out, and the stopping rule.
    for (what, trace, low, high) in [
        ("fixed", Trace::hutchinson().tolerance(0.0).max_samples(64), 930, 970),
        ("stopping", Trace::hutchinson().tolerance(0.05).max_samples(4096), 925, 970),
        ("hutch++, fixed", Trace::hutch_plus_plus(5).tolerance(0.0).max_samples(64), 930, 970),
        ("hutch++, stopping", Trace::hutch_plus_plus(5).tolerance(0.01), 925, 970),
    ] {
        let count = coverage(|seed| {
            let (low, high) = trace.optimized(&mut a, &mut rng(seed)).unwrap().interval();
            low <= exact && exact <= high
        });
        println!("trace, {what}: {count} of 1000");
        assert!((low..=high).contains(&count), "{what}: {count}");
    }
}

#[test]
fn the_stopping_rule_is_honoured() {
    let mut a = matrix(40);
    for tolerance in [0.1, 0.02, 0.005] {
        let trace = Trace::hutchinson().tolerance(tolerance).max_samples(1 << 16);
        let found = trace.optimized(&mut a, &mut rng(1)).unwrap();
        assert!(found.converged && found.standard_error <= tolerance * found.value);
        let diagonal = Diagonal::new().tolerance(tolerance).max_samples(1 << 16);
        let found = diagonal.optimized(&mut a, &mut rng(1)).unwrap();
        let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!(length(&found.standard_errors) <= tolerance * length(&found.values));
    }
    let few = Trace::hutchinson().tolerance(1e-9).max_samples(40);
    let found = few.optimized(&mut a, &mut rng(1)).unwrap();
    assert!(!found.converged && found.samples == 40 && found.products == 40);
    assert!(Trace::hutchinson().max_samples(1).estimate(&mut a, &mut rng(1)).is_err());
    assert!(Trace::hutchinson().tolerance(-1.0).estimate(&mut a, &mut rng(1)).is_err());
}

#[test]
fn hutch_plus_plus_needs_fewer_products_where_few_eigenvalues_make_the_trace() {
    let mut a = Planted::new((0..300).map(|i| 0.8_f64.powi(i)).collect(), &mut rng(42));
    let plain = Trace::hutchinson().tolerance(1e-3).max_samples(1 << 20);
    let plain = plain.optimized(&mut a, &mut rng(2)).unwrap();
    let better = Trace::hutch_plus_plus(30).tolerance(1e-3);
    let better = better.optimized(&mut a, &mut rng(2)).unwrap();
    assert!((better.value - 5.0).abs() < 6.0 * better.standard_error + 1e-9);
    assert!(better.converged && 20 * better.products < plain.products);
    // A sketch of the whole space leaves nothing to chance.
    let whole = Trace::hutch_plus_plus(500).estimate(&mut a, &mut rng(3)).unwrap();
    assert!((whole.value - 5.0).abs() < 1e-10 && whole.standard_error < 1e-10);
}

#[test]
fn diagonals_lie_in_their_errors_as_often_as_stated() {
    let mut a = matrix(30);
    let exact = a.0.diag().to_owned();
    let diagonal = Diagonal::new().tolerance(0.0).max_samples(64);
    let mut inside = 0;
    for seed in 0..1000 {
        let found = diagonal.optimized(&mut a, &mut rng(seed)).unwrap();
        let entries = found.values.iter().zip(&found.standard_errors).zip(&exact);
        inside += entries
            .filter(|((value, error), exact)| (**value - **exact).abs() <= 2.0 * **error)
            .count();
    }
    // Two standard errors of a mean of 64 hold the truth in 95 of 100 cases.
    println!("diagonal: {inside} of 30000");
    assert!((28_000..29_100).contains(&inside), "{inside}");
}

#[test]
fn the_moments_of_a_density_are_those_of_the_spectrum() {
    let mut a = matrix(60);
    let eigenvalues: Vec<f64> =
        (0..60).map(|i| if i < 3 { 40.0 } else { 0.1 * i as f64 }).collect();
    // A quadrature of 8 steps is exact up to the power of 15: what is left is the vectors'.
    let densities: Vec<_> = (0..1000)
        .map(|seed| Quadrature::new(8, 16).optimized(&mut a, &mut rng(seed)).unwrap())
        .collect();
    for power in [1, 2, 3] {
        let exact = eigenvalues.iter().map(|x| x.powi(power)).sum::<f64>() / 60.0;
        let count = coverage(|seed| {
            let mean = densities[seed as usize].mean(|x| x.powi(power)).unwrap();
            let (low, high) = mean.interval();
            low <= exact && exact <= high
        });
        println!("moment {power}: {count} of 1000");
        assert!((915..=975).contains(&count), "moment {power}: {count}");
    }
}

#[test]
fn a_density_agrees_with_the_dense_one_within_its_error() {
    let n = 400;
    let mut rng = rng(43);
    let values: Vec<f64> = (0..n).map(|i| if i < 8 { 5.0 } else { normal(&mut rng) }).collect();
    let mut a = Planted::new(values.clone(), &mut rng);
    let density = Quadrature::new(60, 30).optimized(&mut a, &mut rng).unwrap();
    assert!(
        density.probes().iter().all(|p| (p.iter().map(|p| p.1).sum::<f64>() - 1.0).abs() < 1e-12)
    );
    let places: Vec<f64> = (0..90).map(|i| -3.0 + 0.1 * f64::from(i)).collect();
    let width = 0.25;
    let mut beyond = 0;
    for (place, found) in places.iter().zip(density.density(&places, width).unwrap()) {
        let kernel = |x: &f64| (-0.5 * ((place - x) / width).powi(2)).exp();
        let exact = values.iter().map(kernel).sum::<f64>()
            / (n as f64 * width * std::f64::consts::TAU.sqrt());
        let off = (found.value - exact).abs();
        assert!(off <= 5.0 * found.standard_error + 1e-4, "{place}: {} {exact}", found.value);
        beyond += usize::from(off > 2.0 * found.standard_error + 1e-4);
    }
    assert!(beyond <= 14, "{beyond} of 90");
    let (low, high) = density.range();
    assert!(low >= a.eigenvalues[0] - 1e-9 && high <= 5.0 + 1e-9);
    let below = density.mean(|x| f64::from(u8::from(x < 4.0))).unwrap();
    assert!((below.value - 0.98).abs() <= 4.0 * below.standard_error);
}

#[test]
fn a_bad_operator_and_bad_settings_are_refused() {
    let nan = || {
        operator_fn(3, |_: &[f64], y: &mut [f64]| {
            y.fill(f64::NAN);
            Ok(())
        })
    };
    let mut rng = rng(44);
    assert!(Trace::hutchinson().estimate(&mut nan(), &mut rng).is_err());
    assert!(Trace::hutch_plus_plus(2).estimate(&mut nan(), &mut rng).is_err());
    assert!(Diagonal::new().estimate(&mut nan(), &mut rng).is_err());
    assert!(Quadrature::new(3, 3).run(&mut nan(), &mut rng).is_err());
    let mut none = Array2::<f64>::zeros((0, 0));
    assert!(Trace::hutchinson().estimate(&mut none, &mut rng).is_err());
    assert!(Quadrature::new(3, 3).run(&mut none, &mut rng).is_err());
    let mut skew = Array2::from_shape_fn((9, 9), |(i, j)| if i < j { 1.0 } else { 0.0 });
    assert!(Quadrature::new(5, 3).run(&mut skew, &mut rng).is_err());
    let mut one = ndarray::array![[2.5]];
    let density = Quadrature::new(7, 2).run(&mut one, &mut rng).unwrap();
    assert_eq!(density.probes(), [[(2.5, 1.0)], [(2.5, 1.0)]]);
    assert!(density.density(&[0.0], 0.0).is_err() && density.mean(f64::ln_1p).is_ok());
    assert!(density.mean(|x| (x - 3.0).ln()).is_err());
    assert!(Quadrature::new(0, 2).run(&mut one, &mut rng).is_err());
    assert!(Quadrature::new(1, 1).run(&mut one, &mut rng).is_err());
    let exact = Trace::hutchinson().estimate(&mut one, &mut rng).unwrap();
    assert_eq!((exact.value, exact.standard_error), (2.5, 0.0));
}

#[test]
fn a_filter_normalized_direction_has_the_lengths_of_the_point() {
    let mut rng = rng(45);
    let weight = Array2::from_shape_simple_fn((5, 3), || rng.random_range(-1.0..1.0));
    let model = (weight.clone(), ndarray::array![1.0, 2.0, 3.0]);
    let flatten = Flatten::of::<f64>(&model).unwrap();
    let mut x = vec![0.0; flatten.len()];
    flatten.gather(&model, &mut x).unwrap();
    for (filters, axis) in [(Filters::FirstAxis, 0), (Filters::LastAxis, 1)] {
        let direction = filter_normalized(&flatten, &x, filters, &mut rng).unwrap();
        let d = flatten.leaf(&direction, 0).unwrap().into_dimensionality().unwrap();
        let square = |a: &Array2<f64>| (a * a).sum_axis(ndarray::Axis(1 - axis));
        let apart = square(&d.to_owned()) - square(&weight);
        assert!(apart.iter().all(|d: &f64| d.abs() < 1e-12));
        assert!(direction[15..].iter().all(|&d| d == 0.0));
    }
    let mut sum = vec![0.0; 18];
    for _ in 0..100 {
        let direction = filter_normalized(&flatten, &x, Filters::LastAxis, &mut rng).unwrap();
        sum.iter_mut().zip(direction).for_each(|(s, d)| *s += d);
    }
    assert!(sum.iter().all(|s| s.abs() < 60.0));
    let mut y = vec![0.0; 18];
    assert!(Array2::<f64>::eye(18).apply(&sum, &mut y).is_ok());
}
