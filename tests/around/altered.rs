//! What happens to gradients before all else: their means are taken off, and noise is added.

use ndarray::{Array1, Array2, ArrayD, Axis, array};
use thalweg::params::Rows;
use thalweg::regularize::{GradientNoise, Penalty, Units};
use thalweg::{Adam, ErrorKind, Momentum, NonFinite, Optimizer, Schedule, Sgd, catalog};

use super::{Model, assert_close, matrix, norm, numbers};

const UNITS: [Units; 3] = [Units::LastAxis, Units::FirstAxis, Units::Leaf];

/// The authors' `x.add_(-x.mean(dim = all but the output's, keepdim = True))`, where x has two axes or more.
fn transcribed(g: &ArrayD<f64>, units: Units) -> ArrayD<f64> {
    let rank = g.ndim();
    if rank < 2 {
        return g.clone();
    }
    let output = match units {
        Units::LastAxis => rank - 1,
        Units::FirstAxis => 0,
        Units::Leaf => return g - g.mean().unwrap(),
    };
    let mut mean = g.clone();
    for axis in (0..rank).filter(|&axis| axis != output) {
        mean = mean.mean_axis(Axis(axis)).unwrap().insert_axis(Axis(axis));
    }
    g - &mean.broadcast(g.raw_dim()).unwrap()
}

#[test]
fn a_centralized_gradient_is_the_one_of_the_paper_for_every_rule_that_has_no_norm() {
    for shape in [&[5, 7][..], &[4, 3, 5], &[2, 3, 1, 4], &[6], &[], &[1, 3], &[2, 2, 2, 1, 3]] {
        let len = shape.iter().product();
        let array = |seed| ArrayD::from_shape_vec(shape, numbers(len, seed)).unwrap();
        for units in UNITS {
            for entry in catalog::<f64>().iter().filter(|entry| !entry.couples) {
                let build = |units| {
                    let mut settings = thalweg::Settings::default();
                    settings.centralized = units;
                    entry.build(entry.learning_rate, settings)
                };
                let (mut ours, mut plain) = (build(Some(units)), build(None));
                let (mut w, mut expected) = (array(1), array(1));
                // Rules that go by the sign of an element may turn where it is 0 but for rounding.
                let by_sign = matches!(entry.name, "sign-sgd" | "signum" | "lion" | "rprop");
                for seed in 2..if by_sign { 3 } else { 7 } {
                    let g = array(seed);
                    ours.step(&mut w, &g).unwrap();
                    plain.step(&mut expected, &transcribed(&g, units)).unwrap();
                }
                if by_sign && shape.contains(&1) {
                    continue;
                }
                for (a, b) in w.iter().zip(&expected) {
                    let near = (a - b).abs() <= 1e-9 * b.abs().max(1.0);
                    assert!(near, "{} {units:?} {shape:?}: {a} and not {b}", entry.name);
                }
            }
        }
    }
}

#[test]
fn what_feeds_a_unit_keeps_its_sum_and_biases_are_left_alone() {
    let (mut w, g) = (Model::new(1), Model::new(2));
    let start = w.clone();
    Sgd::new(0.1).centralized(Units::LastAxis).step(&mut w, &g).unwrap();
    let sums = |of: &Array2<f64>| of.sum_axis(Axis(0)).to_vec();
    assert_close(&sums(&w.weight), &sums(&start.weight));
    assert_close(&sums(&w.head), &sums(&start.head));
    assert_close((&start.bias - &w.bias).as_slice().unwrap(), (&g.bias * 0.1).as_slice().unwrap());
}

#[test]
fn means_are_taken_off_before_clipping_and_without_the_penalty() {
    let g = matrix(5, 4, 3).into_dyn();
    let mean_free = transcribed(&g, Units::LastAxis);
    let limit = 0.5 * norm(&mean_free);
    let mut w = ArrayD::ones(g.raw_dim());
    let mut sgd =
        Sgd::new(1.0).centralized(Units::LastAxis).clip_norm(limit).penalty(Penalty::l2(0.25));
    let info = sgd.step(&mut w, &g).unwrap();
    let expected = 1.0 - 0.25 - mean_free.clone() * 0.5;
    assert_close(w.as_slice().unwrap(), expected.as_slice().unwrap());
    assert!((info.grad_norm.unwrap() - norm(&mean_free)).abs() < 1e-12);
}

#[test]
fn a_group_has_its_own_units_and_noise() {
    let (mut w, g) = (Model::new(1), Model::new(2));
    let start = w.clone();
    let mut sgd = Sgd::new(1.0)
        .group("head", |head| head.centralized(Units::FirstAxis))
        .group("bias", |bias| bias.gradient_noise(GradientNoise::annealed(1.0, 0.0)));
    sgd.step(&mut w, &g).unwrap();
    assert_eq!(w.weight, &start.weight - &g.weight);
    let head = &start.head.into_dyn() - &transcribed(&g.head.into_dyn(), Units::FirstAxis);
    assert_close(w.head.as_slice().unwrap(), head.as_slice().unwrap());
    assert!(w.bias.iter().zip(&(&start.bias - &g.bias)).all(|(a, b)| (a - b).abs() > 1e-6));
}

#[test]
fn the_element_that_is_not_finite_is_named_and_nothing_happens() {
    for settings in [true, false] {
        let mut g = Model::new(2);
        g.head[[3, 1]] = f64::NAN;
        let mut w = Model::new(1);
        let adam = Adam::new(0.1);
        let mut adam = match settings {
            true => adam.centralized(Units::LastAxis),
            false => adam.gradient_noise(GradientNoise::annealed(0.1, 0.5)),
        };
        let error = adam.step(&mut w, &g).unwrap_err();
        let ErrorKind::NonFiniteGradient { leaf, index, .. } = error.kind() else {
            panic!("{error}")
        };
        assert_eq!((leaf.as_str(), &index[..]), ("head", &[3, 1][..]));
        assert_eq!((&w, adam.steps()), (&Model::new(1), 0));
        let mut skips = adam.non_finite(NonFinite::Skip);
        assert!(skips.step(&mut w, &g).unwrap().skipped);
    }
    // Numbers whose difference is none.
    let mut adam = Sgd::new(0.1).centralized(Units::LastAxis);
    let (mut w, g) =
        (Array2::<f64>::zeros((4, 1)), array![[f64::MAX], [-f64::MAX], [-f64::MAX], [-f64::MAX]]);
    let error = adam.step(&mut w, &g).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NonFiniteGradient { .. }), "{error}");
    assert_eq!(w, Array2::<f64>::zeros((4, 1)));
}

#[test]
fn gradients_of_rows_are_refused_and_arrays_of_other_leaves_are_not() {
    let noise = GradientNoise::annealed(0.1, 0.5);
    for sgd in [Sgd::new(0.1).centralized(Units::LastAxis), Sgd::new(0.1).gradient_noise(noise)] {
        let mut sgd = sgd;
        let mut w = matrix(5, 3, 1);
        let g = Rows { rows: vec![1_usize, 4], values: matrix(2, 3, 2) };
        let error = sgd.step(&mut w, &g).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NeedsAllRows { .. }), "{error}");
        assert_eq!((&w, sgd.steps()), (&matrix(5, 3, 1), 0));
        sgd.step(&mut w, &matrix(5, 3, 2)).unwrap();
        assert!(sgd.step(&mut w, &g).is_err());
    }
    let mut sgd = Sgd::new(0.1).group("1", |group| group.centralized(Units::LastAxis));
    let mut w = (matrix(5, 3, 1), matrix(2, 2, 1));
    sgd.step(&mut w, &(Rows { rows: vec![1_usize, 4], values: matrix(2, 3, 2) }, matrix(2, 2, 5)))
        .unwrap();
}

/// What is drawn: w of SGD of rate -1 from 0.
fn drawn(noise: GradientNoise, steps: usize, n: usize) -> Vec<Array1<f64>> {
    let mut sgd = Sgd::new(1.0).maximize(true).gradient_noise(noise);
    let zero = Array1::zeros(n);
    let step = |_| {
        let mut w = Array1::zeros(n);
        sgd.step(&mut w, &zero).unwrap();
        w
    };
    (0..steps).map(step).collect()
}

#[test]
fn the_variance_of_annealed_noise_falls_as_it_is_told() {
    const N: usize = 20_000;
    let n = N as f64;
    for (eta, gamma) in [(0.3, 0.55), (1.0, 1.0), (0.01, 0.0)] {
        let all = drawn(GradientNoise::annealed(eta, gamma), 40, N);
        for (t, of_step) in all.iter().enumerate() {
            let expected = eta / (1.0 + t as f64).powf(gamma);
            let (mean, square) = (of_step.sum() / n, of_step.dot(of_step) / n);
            assert!(mean.abs() <= 5.0 * (expected / n).sqrt(), "{t}: {mean}");
            // The variance of a square is 2σ⁴.
            assert!(
                (square - expected).abs() <= 5.0 * expected * (2.0 / n).sqrt(),
                "{t}: {square}"
            );
        }
        // Steps, neighbours and seeds know nothing of each other.
        let other = drawn(GradientNoise::annealed(eta, gamma).seed(1), 1, N);
        for other in [&all[1], &other[0]] {
            let product = all[0].dot(other) / (all[0].dot(&all[0]) * other.dot(other)).sqrt();
            assert!(product.abs() <= 5.0 / n.sqrt(), "{product}");
        }
    }
    let same = || drawn(GradientNoise::annealed(0.1, 0.5).seed(9), 3, 100);
    assert_eq!(same(), same());
}

/// The numbers themselves, so that another version or machine draws the same: by `tests/golden/noise.py`, of
/// SplitMix64 and the percentage points of Python's `statistics`.
#[test]
fn the_numbers_of_a_seed_are_those_of_every_machine() {
    let all = drawn(GradientNoise::annealed(1.0, 0.0).seed(7), 2, 4);
    let expected = [
        [0.277741304826709, -0.22965611676844866, 2.720129332833821, -1.2736543214747957],
        [-0.9621702991188804, -1.6221554550483606, -0.7309827048125468, -0.49902701347978096],
    ];
    for (found, expected) in all.iter().zip(expected) {
        assert_close(found.as_slice().unwrap(), &expected);
    }
}

#[test]
fn langevin_samples_the_normal_distribution() {
    const N: usize = 20_000;
    let n = N as f64;
    // Many chains of U = ½λw², which a step of α makes a process of variance 1/(λ(1 - αλ/2)) in the long run.
    for (alpha, lambda, seed) in [(0.2, 2.0, 1), (0.05, 4.0, 2), (0.5, 0.5, 3)] {
        let mut langevin = Sgd::langevin(alpha, seed);
        let mut w = Array1::from_elem(N, 3.0);
        let burn_in = (40.0 / (alpha * lambda)) as usize;
        for _ in 0..burn_in {
            let g = &w * lambda;
            langevin.step(&mut w, &g).unwrap();
        }
        let expected = 1.0 / (lambda * (1.0 - alpha * lambda / 2.0));
        let before = w.clone();
        let g = &w * lambda;
        langevin.step(&mut w, &g).unwrap();
        let (mean, square, fourth) =
            (w.sum() / n, w.dot(&w) / n, w.iter().map(|w| w.powi(4)).sum::<f64>() / n);
        assert!(mean.abs() <= 5.0 * (expected / n).sqrt(), "{mean}");
        assert!((square - expected).abs() <= 5.0 * expected * (2.0 / n).sqrt(), "{square}");
        assert!(
            (fourth / (3.0 * expected * expected) - 1.0).abs() <= 5.0 * (96.0 / 9.0 / n).sqrt()
        );
        // Neighbours in time are correlated by 1 - αλ.
        let product = w.dot(&before) / n / expected;
        assert!((product - (1.0 - alpha * lambda)).abs() <= 5.0 * (2.0 / n).sqrt(), "{product}");
    }
    // The penalty is a prior: of U = 0 what is left.
    let mut langevin = Sgd::langevin(0.1, 4).penalty(Penalty::l2(2.0));
    let mut w = Array1::<f32>::zeros(N);
    for _ in 0..200 {
        langevin.step(&mut w, &Array1::<f32>::zeros(N)).unwrap();
    }
    let square = f64::from(w.dot(&w)) / n;
    let expected = 1.0 / (2.0 * 0.9);
    assert!((square - expected).abs() <= 5.0 * expected * (2.0 / n).sqrt(), "{square}");
}

#[test]
fn langevin_goes_by_the_rate_of_its_step_and_may_not_be_clipped() {
    // √(2α) ξ with the ξ of the step, for a schedule and for a group's own factor.
    let schedule = Schedule::linear(0.5, 0.0, 4);
    let mut langevin =
        Sgd::langevin(schedule.clone(), 3).group("1", |group| group.rate_factor(0.25));
    let unit = drawn(GradientNoise::annealed(1.0, 0.0).seed(3), 5, 20);
    for (step, unit) in (1..).zip(&unit) {
        let mut w = (Array1::<f64>::zeros(8), Array1::<f64>::zeros(12));
        langevin.step(&mut w, &(Array1::zeros(8), Array1::zeros(12))).unwrap();
        for (i, found) in w.0.iter().chain(&w.1).enumerate() {
            let rate = schedule.at(step) * if i < 8 { 1.0 } else { 0.25 };
            let expected = -(2.0 * rate).sqrt() * unit[i];
            assert!((found - expected).abs() <= 1e-14, "{step} {i}: {found} and not {expected}");
        }
    }
    for clipped in [
        Sgd::<f64>::langevin(0.1, 1).clip_norm(1.0),
        Sgd::langevin(0.1, 1).clip_value(1.0),
        Sgd::langevin(0.1, 1).clip_leaf_norm(1.0),
        Sgd::langevin(0.1, 1).cautious(true),
    ] {
        let error = clipped.validate().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Conflict { first: "langevin", .. }), "{error}");
    }
    for (eta, gamma) in
        [(0.0, 0.5), (-1.0, 0.5), (f64::NAN, 0.5), (1.0, -0.1), (1.0, f64::INFINITY)]
    {
        let sgd = Sgd::<f64>::new(0.1).gradient_noise(GradientNoise::annealed(eta, gamma));
        assert!(sgd.validate().is_err(), "{eta} {gamma}");
    }
}

#[test]
fn a_run_that_is_saved_draws_what_it_would_have_drawn() {
    let build = || {
        let noise = GradientNoise::annealed(0.3, 0.55).seed(2);
        Momentum::new(0.1).gradient_noise(noise).centralized(Units::LastAxis)
    };
    let (mut whole, mut first) = (build(), build());
    let (mut w, mut v) = (Model::new(1), Model::new(1));
    for seed in 0..6 {
        whole.step(&mut w, &Model::new(seed)).unwrap();
        if seed == 3 {
            let mut second = build();
            second.load_state(&first.state()).unwrap();
            first = second;
        }
        first.step(&mut v, &Model::new(seed)).unwrap();
    }
    assert_eq!(w, v);
    let noise = GradientNoise::annealed(0.3, 0.55).seed(3);
    let mut other = Momentum::<f64>::new(0.1).gradient_noise(noise).centralized(Units::LastAxis);
    let error = other.load_state(&whole.state()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StateDiffers { .. }), "{error}");
}
