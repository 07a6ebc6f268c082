//! Whether parameters move at all, and where to.

use half::{bf16, f16};
use ndarray::{Array1, Array2};
use thalweg::{Adam, Average, Optimizer, Rounding, Sgd};

use thalweg_tests_support::sixteen::Sixteen;

/// Steps of 1e-4 of the parameter, each less than half its last digit.
fn moved<E: Sixteen>(rounding: Rounding, steps: usize) -> Vec<f64>
where
    Array1<E>: thalweg::ParamsMut<f32>,
{
    let n = 2000;
    let mut w = Array1::from_elem(n, E::of(1.0));
    // Steps that differ by more than the last digit of an `f32`, so that each has a chance of its own.
    let g = Array1::from_iter((0..n).map(|i| 1.0 + (i as f32 + 0.5) / n as f32 - 0.5));
    let mut sgd = Sgd::<f32>::new(1e-4).parameter_rounding(rounding);
    for _ in 0..steps {
        sgd.step(&mut w, &g).unwrap();
    }
    w.iter().map(|w| f64::from(w.number())).collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

#[test]
fn to_the_nearest_a_parameter_stands_still() {
    assert!(moved::<bf16>(Rounding::Nearest, 500).iter().all(|&w| w == 1.0));
    assert!(moved::<f16>(Rounding::Nearest, 500).iter().all(|&w| w == 1.0));
}

#[test]
fn by_chance_it_moves_in_the_mean() {
    // A step to a neighbour, 1/256 below 1 of `bf16` and 1/2048 of `f16`, comes by its share of the steps: the
    // variance of the sum of n steps of d is at most n·d·last.
    for (w, last) in [
        (moved::<bf16>(Rounding::Stochastic, 500), 1.0 / 256.0),
        (moved::<f16>(Rounding::Stochastic, 500), 1.0 / 2048.0),
    ] {
        let sigma = (500.0 * 1e-4 * last / w.len() as f64).sqrt();
        assert!((mean(&w) - 0.95).abs() <= 5.0 * sigma, "{} {sigma}", mean(&w));
    }
}

#[test]
fn with_what_is_left_it_is_the_nearest_number() {
    for (i, w) in moved::<bf16>(Rounding::Compensated, 500).into_iter().enumerate() {
        let exact = 1.0 - 0.05 * (1.0 + (i as f64 + 0.5) / 2000.0 - 0.5);
        assert!((w - exact).abs() <= 1.0 / 512.0 + 5e-5, "{w} {exact}");
    }
    for (i, w) in moved::<f16>(Rounding::Compensated, 500).into_iter().enumerate() {
        let exact = 1.0 - 0.05 * (1.0 + (i as f64 + 0.5) / 2000.0 - 0.5);
        assert!((w - exact).abs() <= 1.0 / 4096.0 + 5e-5, "{w} {exact}");
    }
}

#[test]
fn the_average_is_of_full_numbers() {
    let (mut w, mut full) =
        (Array2::from_elem((3, 40), bf16::ONE), Array2::from_elem((3, 40), 1.0));
    let g = Array2::from_elem((3, 40), bf16::from_f32(0.5));
    let adam = || {
        Adam::<f32>::new(1e-4).average(Average::ema(0.9)).parameter_rounding(Rounding::Compensated)
    };
    let (mut half, mut other) = (adam(), adam());
    for _ in 0..50 {
        half.step(&mut w, &g).unwrap();
        other.step(&mut full, &g.map(|g| g.to_f32())).unwrap();
    }
    assert_eq!(half.average_of("").unwrap(), other.average_of("").unwrap());
    assert!(half.average_of("").unwrap()[[1, 2]] < 0.9965);
}
