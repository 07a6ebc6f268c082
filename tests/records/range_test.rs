//! The range test leaves the parameters as they were, and finds where a quadratic diverges.

use ndarray::{Array1, array};
use thalweg::train::{RangeTest, range_test};
use thalweg::{Error, ErrorKind, Settings, Sgd, catalog};

/// ½Σλᵢwᵢ²: SGD shrinks element i by 1 - αλᵢ a step.
const CURVATURES: [f64; 3] = [0.5, 1.0, 8.0];

fn batch(w: &Array1<f64>) -> (f64, Array1<f64>) {
    let gradient = w * &Array1::from(CURVATURES.to_vec());
    (0.5 * w.dot(&gradient), gradient)
}

#[test]
fn every_optimizer_is_tested_and_no_parameter_moves() {
    let start = array![3.0, -2.0, 0.1];
    for entry in catalog::<f64>() {
        let mut w = start.clone();
        let test =
            range_test(entry.build(0.0, Settings::default()), &mut w, 1e-6..1e3, 60, |w, _| {
                Ok(batch(w))
            })
            .unwrap();
        assert_eq!(w, start, "{}", entry.name);
        assert_eq!(test.losses[0], batch(&start).0);
        for (i, rate) in test.rates.iter().enumerate() {
            let expected = 1e-6 * 10_f64.powf(9.0 * i as f64 / 59.0);
            assert!((rate / expected - 1.0).abs() < 1e-12);
        }
        let lowest = test.lowest().unwrap();
        if let Some(steepest) = test.steepest() {
            assert!(steepest < lowest, "{}: {test:#}", entry.name);
        }
    }
}

#[test]
fn sgd_diverges_beyond_two_over_the_largest_curvature() {
    let mut w = array![3.0, -2.0, 0.1];
    let test = range_test(Sgd::new(1.0), &mut w, 1e-5..1e2, 200, |w, _| Ok(batch(w))).unwrap();
    assert!(test.diverged);
    let (last, bound) = (*test.rates.last().unwrap(), 2.0 / 8.0);
    assert!(last > bound && test.lowest().unwrap() > 0.1 * bound, "{test:#}");
    assert!(test.steepest().unwrap() < bound, "{test:#}");
    // The smoothed loss is a weighted mean: by its definition, term by term.
    for i in 0..test.losses.len() {
        let weights: Vec<f64> = (0..=i).map(|j| 0.9_f64.powi((i - j) as i32)).collect();
        let sum: f64 = weights.iter().zip(&test.losses).map(|(a, b)| a * b).sum();
        let mean = sum / weights.iter().sum::<f64>();
        assert!((test.smoothed[i] / mean - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_loss_without_a_fall_has_no_steepest_rate() {
    let mut w = array![1.0];
    let constant = |_: &Array1<f64>, _| Ok((2.0, array![0.0]));
    let test = range_test(Sgd::new(1.0), &mut w, 1e-3..1.0, 10, constant).unwrap();
    assert_eq!((test.steepest(), test.diverged, test.rates.len()), (None, false, 10));
    assert_eq!(test.to_string(), "the loss falls at no rate");
}

#[test]
fn an_end_of_any_kind_gives_the_parameters_back() {
    let run = |range: std::ops::Range<f64>,
               steps,
               at: u64,
               loss: f64,
               gradient: f64,
               fail: bool| {
        let mut w = array![1.0];
        let result =
            range_test(Sgd::new(1.0), &mut w, range, steps, |w: &Array1<f64>, step| match step {
                _ if step < at => Ok((w[0], array![1.0])),
                _ if fail => Err(Error::hyperparameter("mine", "x", 1.0, "another number")),
                _ => Ok((loss, array![gradient])),
            });
        assert_eq!(w, array![1.0]);
        result
    };
    let nan = f64::NAN;
    for (loss, gradient) in [(nan, 1.0), (f64::INFINITY, 1.0), (0.0, nan), (0.0, f64::INFINITY)] {
        let test: RangeTest = run(1e-6..1e-3, 20, 7, loss, gradient, false).unwrap();
        assert!(test.diverged && test.rates.len() == 7, "{loss} {gradient}: {test:#}");
    }
    let refused = [
        run(0.0..1.0, 20, 7, 0.0, 0.0, false),
        run(nan..1.0, 20, 7, 0.0, 0.0, false),
        run(1.0..1.0, 20, 7, 0.0, 0.0, false),
        run(0.1..f64::INFINITY, 20, 7, 0.0, 0.0, false),
        run(0.1..nan, 20, 7, 0.0, 0.0, false),
        run(0.1..1.0, 1, 7, 0.0, 0.0, false),
        run(0.1..1.0, 20, 7, 0.0, 0.0, true),
    ];
    for result in refused {
        let error = result.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Hyperparameter { .. }), "{error}");
    }
}
