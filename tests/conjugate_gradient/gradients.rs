//! Checks of gradients where parameters differ in size: exact derivatives, right and spoilt.

use ndarray::{Array1, array};
use thalweg::solvers::{
    CentralDifferences, GradientVerdict, Lbfgs, Objective, Stop, check_gradient,
    check_gradient_with_sizes, minimize,
};
use thalweg::{ErrorKind, Scalar};
use thalweg_tests_support::Judged;

/// What a check says of f's gradient with each element times its factor.
fn verdict<F: Judged>(
    at: &[F],
    factors: &[f64],
    f: impl Fn(&[F]) -> (F, Vec<F>),
) -> GradientVerdict {
    F::verdict(at, factors, &f)
}

/// The right gradient is right; with any one element doubled, reversed, or off by a tenth it is not.
fn holds<F: Judged>(what: &str, at: &[F], f: impl Fn(&[F]) -> (F, Vec<F>) + Copy) {
    let ones = vec![1.0; at.len()];
    assert_eq!(verdict(at, &ones, f), GradientVerdict::Right, "{what}");
    let (_, gradient) = f(at);
    for i in (0..at.len()).filter(|&i| gradient[i] != F::zero()) {
        for factor in [2.0, 0.5, -1.0, 1.1] {
            let mut factors = ones.clone();
            factors[i] = factor;
            let found = verdict(at, &factors, f);
            assert_eq!(found, GradientVerdict::Wrong, "{what}: element {i} times {factor}");
        }
    }
}

#[test]
fn sizes_that_differ_by_powers_of_ten_hide_nothing() {
    for scale in [1e3_f64, 1e6, 1e9] {
        holds("(x - s)² + sin y", &[scale, 0.5], |w: &[f64]| {
            ((w[0] - scale).powi(2) + w[1].sin(), vec![2.0 * (w[0] - scale), w[1].cos()])
        });
        holds("ln y + x/s", &[0.3 * scale, 1e-3], |w: &[f64]| {
            (w[1].ln() + w[0] / scale, vec![1.0 / scale, 1.0 / w[1]])
        });
        holds("(x/s)² + y² + z²", &[0.31 * scale, 0.5, -0.3], |w: &[f64]| {
            let s = w[0] / scale;
            let value = s * s + w[1] * w[1] + w[2] * w[2];
            (value, vec![2.0 * s / scale, 2.0 * w[1], 2.0 * w[2]])
        });
        holds("exp(-s·x) + y", &[0.7 / scale, 2.0], |w: &[f64]| {
            let e = (-scale * w[0]).exp();
            (e + w[1], vec![-scale * e, 1.0])
        });
    }
}

#[test]
fn in_single_precision_too() {
    holds("(x/s)² + y² + z²", &[3.1e5_f32, 0.5, -0.3], |w: &[f32]| {
        let s = w[0] / 3.1e5;
        (s * s + w[1] * w[1] + w[2] * w[2], vec![2.0 * s / 3.1e5, 2.0 * w[1], 2.0 * w[2]])
    });
    holds("ln y + x/s", &[2e4_f32, 1e-2], |w: &[f32]| {
        (w[1].ln() + w[0] / 2e4, vec![1.0 / 2e4, 1.0 / w[1]])
    });
    holds("sines", &[0.3_f32, -2.0, 5.0, 100.0], |w: &[f32]| {
        (w.iter().map(|w| w.sin()).sum(), w.iter().map(|w| w.cos()).collect())
    });
}

#[test]
fn a_minimum_is_right_and_a_gradient_that_is_none_there_is_wrong() {
    let rosenbrock = |w: &[f64]| {
        let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
        (a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * w[0] * b, 200.0 * b])
    };
    assert_eq!(verdict(&[1.0, 1.0], &[1.0; 2], rosenbrock), GradientVerdict::Right);
    let bowl = |w: &[f64]| (w.iter().map(|w| w * w).sum(), w.iter().map(|w| 2.0 * w).collect());
    assert_eq!(verdict(&[0.0; 5], &[1.0; 5], bowl), GradientVerdict::Right);
    let offset =
        |w: &[f64]| (w.iter().map(|w| w * w).sum(), w.iter().map(|w| 2.0 * w + 1e-3).collect());
    assert_eq!(verdict(&[0.0; 5], &[1.0; 5], offset), GradientVerdict::Wrong);
    let never_written = |w: &[f64]| (w.iter().map(|w| w * w).sum(), vec![0.0; w.len()]);
    assert_eq!(verdict(&[3.0, -2.0], &[1.0; 2], never_written), GradientVerdict::Wrong);
}

#[test]
fn what_rounding_hides_cannot_be_told() {
    // Of 1e20, the other element's part is lost.
    let f = |w: &[f64]| (1e20 * w[0] * w[0] + w[1], vec![2e20 * w[0], 1.0]);
    for factors in [[1.0, 1.0], [1.0, 2.0], [1.0, -1.0]] {
        assert_eq!(verdict(&[1.0, 1.0], &factors, f), GradientVerdict::CannotTell);
    }
    assert_eq!(verdict(&[1.0, 1.0], &[2.0, 1.0], f), GradientVerdict::Wrong);
    // Values that are not defined anywhere near.
    let nan = |w: &[f64]| (f64::NAN, vec![1.0; w.len()]);
    assert_eq!(verdict(&[1.0], &[1.0], nan), GradientVerdict::CannotTell);
    // Values with an error of their own, larger than rounding.
    let noisy = |w: &[f64]| ((w[0] + 1e9) - 1e9 + w[0].sin() * 1e-9, vec![1.0 + 1e-9 * w[0].cos()]);
    assert_ne!(verdict(&[0.3], &[1.0], noisy), GradientVerdict::Wrong);
    assert_ne!(verdict(&[0.3], &[2.0], noisy), GradientVerdict::Right);
}

#[test]
fn the_worst_element_is_named_in_a_small_leaf_and_in_a_large_one() {
    for n in [3, 50, 5000] {
        let at = n * 2 / 3;
        let mut w = (Array1::from_elem(2, 1e6), Array1::from_shape_fn(n, |i| (i as f64).sin()));
        let mut f = |w: &(Array1<f64>, Array1<f64>)| {
            let value = w.0.sum() * 1e-6 + w.1.mapv(|x| x.exp() - x).sum();
            let mut gradient = w.1.mapv(|x| x.exp() - 1.0);
            gradient[at] *= -1.0;
            (value, (Array1::from_elem(2, 1e-6), gradient))
        };
        let check = check_gradient(&mut w, &mut f).unwrap();
        let worst = check.worst.as_ref().unwrap();
        assert_eq!((worst.leaf.as_str(), worst.index.as_slice()), ("1", &[at][..]), "{n}\n{check}");
        let right = (at as f64).sin().exp() - 1.0;
        assert!((worst.quotient / right - 1.0).abs() < 1e-5, "{n}: {worst:?} {right}");
        assert_eq!(worst.gradient, -right);
    }
}

#[test]
fn the_sizes_may_be_given() {
    let f = |scale: f64| {
        move |w: &Array1<f64>| {
            let t = 1e14 * w[0];
            (t.sin() + w[1], array![scale * 1e14 * t.cos(), 1.0])
        }
    };
    let mut w = array![0.0, 2.0];
    assert!(check_gradient_with_sizes(&mut w, &mut f(1.0), &[1e-14, 1.0]).unwrap().is_right());
    assert!(check_gradient_with_sizes(&mut w, &mut f(1.1), &[1e-14, 1.0]).unwrap().is_wrong());
    let short = check_gradient_with_sizes(&mut w, &mut f(1.0), &[1.0]).unwrap_err();
    assert!(matches!(short.kind(), ErrorKind::Size { found: 1, expected: 2, .. }));
    for bad in [0.0, -1.0, f64::NAN] {
        assert!(check_gradient_with_sizes(&mut w, &mut f(1.0), &[1.0, bad]).is_err());
    }
}

#[test]
fn differences_take_steps_of_the_parameters_own_sizes_and_stay_on_the_side_that_is_defined() {
    let largest = |objective: &mut dyn Objective<f64, Array1<f64>>, w: &[f64]| {
        let mut w = Array1::from(w.to_vec());
        let stop = Stop::never().evaluations(1);
        minimize(&mut Lbfgs::new(), &mut w, objective, stop).unwrap().gradient_max
    };
    for x in [1e-5, 1e-6, 1e-9] {
        let mut log = CentralDifferences::new(|w: &Array1<f64>| w[0].ln()).typical(x);
        assert!((largest(&mut log, &[x]) * x - 1.0).abs() < 1e-8, "{x:e}");
        let mut narrow =
            CentralDifferences::new(|w: &Array1<f64>| w[0].ln()).relative_step(x * 1e-4);
        assert!((largest(&mut narrow, &[x]) * x - 1.0).abs() < 1e-2, "{x:e}");
    }
    // At the edge of where the root is defined, -∞ on one side: f = x + x², at 0.
    for side in [1.0, -1.0] {
        let mut edge = CentralDifferences::new(|w: &Array1<f64>| {
            let x = side * w[0];
            if x < 0.0 { f64::NAN } else { 3.0 * x + x * x }
        });
        assert!((largest(&mut edge, &[0.0]) - 3.0).abs() < 1e-8);
    }
    let mut wrong = CentralDifferences::new(|w: &Array1<f64>| w[0]).typical_sizes(&[1.0, 1.0]);
    let mut w = array![1.0];
    let error = minimize(&mut Lbfgs::new(), &mut w, &mut wrong, Stop::default()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Size { .. }));
    let mut wrong = CentralDifferences::new(|w: &Array1<f64>| w[0]).relative_step(0.0);
    assert!(minimize(&mut Lbfgs::new(), &mut w, &mut wrong, Stop::default()).is_err());
}

/// Σ cᵢφ(wᵢ/sᵢ) of random sizes s and weights c, φ one of four.
#[allow(clippy::type_complexity)]
fn random_sum<F: Scalar>(seed: u64) -> (Vec<F>, impl Fn(&[F]) -> (F, Vec<F>)) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let n = 2 + (uniform() * 5.0) as usize;
    let decades = if F::NAME == "f32" { 4.0 } else { 6.0 };
    let mut draw = |low: f64, high: f64| low + (high - low) * uniform();
    let sizes: Vec<f64> = (0..n).map(|_| 10.0_f64.powf(draw(-decades, decades))).collect();
    let weights: Vec<f64> = (0..n).map(|_| 10.0_f64.powf(draw(-1.0, 1.0))).collect();
    let kinds: Vec<usize> = (0..n).map(|_| draw(0.0, 4.0) as usize).collect();
    let at = sizes.iter().map(|s| F::from_f64(s * draw(0.2, 2.0))).collect();
    let f = move |w: &[F]| {
        let (mut value, mut gradient) = (F::zero(), Vec::new());
        for i in 0..n {
            let t = w[i] / F::from_f64(sizes[i]);
            let (phi, slope) = match kinds[i] {
                0 => (t.sin(), t.cos()),
                1 => (t.exp(), t.exp()),
                2 => (t.ln(), F::one() / t),
                _ => (t * t, t + t),
            };
            value = value + F::from_f64(weights[i]) * phi;
            gradient.push(F::from_f64(weights[i]) * slope / F::from_f64(sizes[i]));
        }
        (value, gradient)
    };
    (at, f)
}

/// No verdict is false; returns how often there was none.
fn no_false_verdict<F: Judged>(seeds: u64) -> (usize, usize) {
    let mut untold = (0, 0);
    for seed in 0..seeds {
        let (at, f) = random_sum::<F>(seed + 1);
        let mut factors = vec![1.0; at.len()];
        let right = verdict(&at, &factors, &f);
        assert_ne!(right, GradientVerdict::Wrong, "seed {seed}");
        untold.0 += usize::from(right == GradientVerdict::CannotTell);
        for (i, factor) in (0..at.len()).zip([2.0, -1.0, 0.0, 0.5, 1.2, 2.0, -1.0]) {
            // Where the slope of an element is rounding of the cosine, there is nothing to spoil.
            let (_, gradient) = f(&at);
            if (gradient[i] * at[i]).into_f64().abs() < 0.01 {
                continue;
            }
            factors[i] = factor;
            let wrong = verdict(&at, &factors, &f);
            assert_ne!(wrong, GradientVerdict::Right, "seed {seed}, element {i} times {factor}");
            untold.1 += usize::from(wrong == GradientVerdict::CannotTell);
            factors[i] = 1.0;
        }
    }
    untold
}

#[test]
fn no_verdict_is_false_over_random_sizes() {
    let untold = no_false_verdict::<f64>(500);
    println!("f64: {untold:?} of 500 and some 2000");
    assert!(untold.0 <= 5 && untold.1 <= 20, "{untold:?}");
    let untold = no_false_verdict::<f32>(500);
    println!("f32: {untold:?} of 500 and some 2000");
    assert!(untold.0 <= 50 && untold.1 <= 200, "{untold:?}");
}
