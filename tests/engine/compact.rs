//! State in fewer bits: against a transcription in `f64`, over long runs, in memory and in checkpoints.

use crate::LOSS;
use crate::counting::peak_of;
use ndarray::{Array1, Array2, ArrayD, array};
use thalweg::{
    Adam, AdamW, ErrorKind, Momentum, NonFinite, Optimizer, Precision, Scalar, Settings, State,
    catalog,
};

const COMPACT: Precision = Precision::BFloat16;

fn settings(precision: Precision) -> Settings {
    let mut settings = Settings::default();
    settings.state_precision = precision;
    settings
}

/// Numbers in (-1, 1).
fn number(i: u64) -> f64 {
    let x = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// What the state says of a slot, decoded.
fn slot<F: Scalar>(state: &State, optimizer: &str, slot: &str) -> ArrayD<F> {
    let record = state.record::<F>(optimizer).unwrap();
    record.get_tree::<F>(&format!("slot.{slot}")).unwrap().remove(0).1
}

/// The hash and the rounding as the page of `Precision` has them, by arithmetic of numbers rather than bits.
mod transcribed {
    pub(super) fn key(step: u64) -> u32 {
        let mut x = (step + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) as u32
    }

    pub(super) fn rounded(x: f64, w: f32, key: u32) -> f64 {
        if x == 0.0 {
            return x;
        }
        let mut h = (w.to_bits() ^ key).wrapping_mul(0x85eb_ca6b);
        h ^= h >> 15;
        // The first slot's half.
        let chance = f64::from(h & 0xffff) / 65536.0;
        let last = 2.0_f64.powf(x.abs().log2().floor() - 7.0);
        let (whole, part) = ((x.abs() / last).floor(), (x.abs() / last).fract());
        let up = if part + chance >= 1.0 { 1.0 } else { 0.0 };
        ((whole + up) * last).copysign(x)
    }
}

#[test]
fn momentum_is_its_transcription() {
    let n = 700;
    let mut w = Array1::from_iter((0..n).map(|i| number(i) as f32));
    let mut momentum = Momentum::new(0.25).momentum(0.5).state_precision(COMPACT);
    let (mut expected, mut velocity) = (w.to_vec(), vec![0.0_f32; n as usize]);
    for step in 1..=20_u64 {
        let g = Array1::from_iter((0..n).map(|i| number(i * 31 + step * 1000) as f32));
        momentum.step_with_loss(&mut w, &g, LOSS).unwrap();
        let key = transcribed::key(step);
        for i in 0..n as usize {
            velocity[i] = 0.5 * velocity[i] - 0.25 * g[i];
            expected[i] += velocity[i];
            velocity[i] = transcribed::rounded(velocity[i].into(), expected[i], key) as f32;
        }
        assert_eq!(w.as_slice().unwrap(), expected, "{step}");
        assert_eq!(momentum.slot("", "velocity").unwrap().as_slice().unwrap(), velocity, "{step}");
    }
}

/// To the nearest, an average whose gradients get small stays where it was.
fn an_average_goes_on_falling<F: Scalar>() {
    // The last element's gradient falls; its neighbours' stays.
    let n = 64;
    let mut adam = Adam::new(1e-4).state_precision(COMPACT);
    let mut w = Array1::from_iter((0..n).map(|i| F::from_f64(number(i))));
    let mut g = Array1::from_elem(n as usize, F::one());
    let v = |adam: &Adam<F>, i: usize| adam.slot("", "v").unwrap()[[i]].into_f64();
    for _ in 0..2_000 {
        adam.step_with_loss(&mut w, &g, LOSS).unwrap();
    }
    let first = 1.0 - 0.999_f64.powi(2_000);
    let mean: f64 = (0..n as usize).map(|i| v(&adam, i)).sum::<f64>() / n as f64;
    assert!((mean / first - 1.0).abs() < 0.02, "{mean} and not {first}");
    g.slice_mut(ndarray::s![32..]).fill(F::from_f64(0.01));
    for _ in 0..20_000 {
        adam.step_with_loss(&mut w, &g, LOSS).unwrap();
    }
    let mean: f64 = (32..64).map(|i| v(&adam, i)).sum::<f64>() / 32.0;
    let truth = 1e-4 + (first - 1e-4) * 0.999_f64.powi(20_000);
    assert!((mean / truth - 1.0).abs() < 0.1, "{mean} and not {truth}");
    assert!((0..n as usize).all(|i| v(&adam, i) > 0.5 * truth));
}

#[test]
fn an_average_goes_on_falling_in_f32() {
    an_average_goes_on_falling::<f32>();
}

#[test]
fn an_average_goes_on_falling_in_f64() {
    an_average_goes_on_falling::<f64>();
}

/// Where v became 0 and m did not, an update would be m/ε: with gradients that come rarely and in all sizes
/// none is larger than five times the rate; that of full state is 3.5.
#[test]
fn no_update_of_adam_gets_large() {
    let n = 2_000_u64;
    let largest = |precision| {
        let mut adam = Adam::new(1.0).state_precision(precision);
        let mut w = Array1::<f32>::zeros(n as usize);
        let mut largest = 0.0_f32;
        for step in 0..400_u64 {
            let gradient = |i: u64| {
                let (x, size) = (number(i * 7919 + step * 104_729), number(i * 3 + 5));
                let is_here = number(i + step * 15_485_863) > 0.0;
                if is_here { (x * 10.0_f64.powf(size * 6.0)) as f32 } else { 0.0 }
            };
            let g = Array1::from_iter((0..n).map(gradient));
            let before = w.clone();
            adam.step_with_loss(&mut w, &g, LOSS).unwrap();
            largest = (&w - &before).iter().fold(largest, |a, d| a.max(d.abs()));
        }
        largest
    };
    let (full, compact) = (largest(Precision::Full), largest(COMPACT));
    assert!(compact < 5.0 && compact < 1.2 * full, "{compact} beside {full}");
}

/// Slots at 16 bits, all that the first step makes room for.
#[test]
fn adams_state_takes_four_bytes_a_parameter() {
    let n = 1_000_000;
    let (mut w, g) = (Array1::<f32>::zeros(n), Array1::<f32>::ones(n));
    for (precision, bytes) in [(Precision::Full, 8.0), (COMPACT, 4.0)] {
        let mut adam = Adam::new(1e-3).state_precision(precision);
        let peak = peak_of(|| _ = adam.step_with_loss(&mut w, &g, LOSS).unwrap());
        let each = peak as f64 / n as f64;
        assert!((each - bytes).abs() < 0.05, "{each} and not {bytes}");
    }
}

/// Of elements near each other, those that are NaN or infinite are it alone.
fn what_is_not_finite_stays_where_it_is<F: Scalar>() {
    let n = 100;
    let bad = [(3, F::nan()), (40, F::infinity()), (41, F::neg_infinity())];
    for entry in catalog::<F>().iter().filter(|entry| !entry.couples) {
        let mut settings = settings(COMPACT);
        settings.non_finite = NonFinite::Propagate;
        let run = |is_bad: bool| {
            let mut optimizer = entry.build(0.01, settings.clone());
            let mut w = Array1::from_iter((0..n).map(|i| F::from_f64(number(i))));
            for step in 0..4_u64 {
                let mut g = Array1::from_iter((0..n).map(|i| F::from_f64(number(i + step * n))));
                if is_bad && step == 1 {
                    bad.iter().for_each(|&(i, x)| g[i] = x);
                }
                optimizer.step_with_loss(&mut w, &g, LOSS).unwrap();
            }
            w
        };
        let (good, found) = (run(false), run(true));
        for i in 0..n as usize {
            let is_bad = bad.iter().any(|(at, _)| *at == i);
            assert!(is_bad || found[i] == good[i], "{} at {i}", entry.name);
        }
    }
    let mut adam = Adam::new(0.1).state_precision(COMPACT).non_finite(NonFinite::Propagate);
    adam.step_with_loss(&mut array![F::one(), F::one()], &array![F::nan(), F::one()], LOSS)
        .unwrap();
    let m = adam.slot("", "m").unwrap();
    assert!(m[[0]].is_nan() && m[[1]].is_finite());
    let mut adam = Adam::new(0.1).state_precision(COMPACT);
    let error = adam.step_with_loss(&mut array![F::one()], &array![F::nan()], LOSS).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NonFiniteGradient { .. }));
}

#[test]
fn what_is_not_finite_stays_where_it_is_in_f32() {
    what_is_not_finite_stays_where_it_is::<f32>();
}

#[test]
fn what_is_not_finite_stays_where_it_is_in_f64() {
    what_is_not_finite_stays_where_it_is::<f64>();
}

/// Gradients too small for an `f32`'s square: nothing divides by ε alone.
#[test]
fn small_numbers_of_f64_do_not_become_0() {
    let mut adam = Adam::new(1.0).epsilon(1e-150).state_precision(COMPACT);
    let mut w = Array1::<f64>::zeros(50);
    for step in 0..50 {
        let g = Array1::from_iter((0..50).map(|i| 1e-120 * number(i + step * 50)));
        adam.step_with_loss(&mut w, &g, LOSS).unwrap();
    }
    assert!(adam.slot("", "v").unwrap().iter().all(|&v| v > 0.0));
    assert!(w.iter().all(|w| w.is_finite() && w.abs() < 300.0));
}

fn trained<F: Scalar>(precision: Precision, steps: u64) -> (AdamW<F>, Array2<F>) {
    let mut adamw = AdamW::new(0.01).state_precision(precision);
    let mut w = Array2::from_shape_fn((7, 30), |(i, j)| F::from_f64(number((i * 30 + j) as u64)));
    (0..steps).for_each(|step| _ = adamw.step_with_loss(&mut w, &gradient(step), LOSS).unwrap());
    (adamw, w)
}

fn gradient<F: Scalar>(step: u64) -> Array2<F> {
    Array2::from_shape_fn((7, 30), |(i, j)| F::from_f64(number((i * 30 + j) as u64 + step * 999)))
}

fn close<F: Scalar>(a: F, b: F, relative: f64) -> bool {
    (a - b).abs().into_f64() <= relative * b.abs().into_f64()
}

/// A state goes on in the precision that an optimizer is built with, rounded to the nearest.
fn a_state_goes_on_in_another_precision<F: Scalar>() {
    for (from, to) in [(Precision::Full, COMPACT), (COMPACT, Precision::Full)] {
        let (saved, w) = trained::<F>(from, 5);
        let state = saved.state();
        let mut other = AdamW::new(0.01).state_precision(to);
        other.load_state(&state).unwrap();
        assert_eq!(other.steps(), 5);
        for slot in ["m", "v"] {
            let (a, b) = (other.slot("", slot).unwrap(), saved.slot("", slot).unwrap());
            let relative = if to == COMPACT { 1.0 / 256.0 } else { 0.0 };
            assert!(a.iter().zip(&b).all(|(&a, &b)| close(a, b, relative)), "{to:?} {slot}");
        }
        // So it does where it is changed between two steps.
        let mut changed = saved.clone().state_precision(to);
        let (mut here, mut there) = (w.clone(), w.clone());
        for step in 5..9 {
            changed.step_with_loss(&mut here, &gradient(step), LOSS).unwrap();
            other.step_with_loss(&mut there, &gradient(step), LOSS).unwrap();
        }
        assert_eq!(here, there);
        assert_eq!(changed.state(), other.state());
    }
}

#[test]
fn a_state_goes_on_in_another_precision_in_f32() {
    a_state_goes_on_in_another_precision::<f32>();
}

#[test]
fn a_state_goes_on_in_another_precision_in_f64() {
    a_state_goes_on_in_another_precision::<f64>();
}

#[test]
fn a_step_that_is_refused_gives_the_state_back_in_its_bits() {
    let (saved, w) = trained::<f32>(Precision::Full, 5);
    let mut changed = saved.clone().state_precision(COMPACT);
    let mut bad = gradient::<f32>(5);
    bad[[3, 3]] = f32::NAN;
    changed.step_with_loss(&mut w.clone(), &bad, LOSS).unwrap_err();
    let mut back = changed.state_precision(Precision::Full);
    let (mut here, mut there) = (w.clone(), w);
    let mut straight = saved;
    for step in 5..8 {
        back.step_with_loss(&mut here, &gradient(step), LOSS).unwrap();
        straight.step_with_loss(&mut there, &gradient(step), LOSS).unwrap();
    }
    assert_eq!(here, there);
}

#[test]
fn groups_have_precisions_of_their_own() {
    let mut adam = Adam::new(0.1)
        .state_precision(COMPACT)
        .group("1", |group| group.state_precision(Precision::Full));
    let (mut a, mut b) = (array![0.3_f32, 0.7], array![0.3_f32, 0.7]);
    let g = array![0.123_456_7_f32, 0.3];
    let mut full = Adam::new(0.1);
    let mut expected = b.clone();
    for _ in 0..3 {
        adam.step_with_loss(&mut (&mut a, &mut b), &(&g, &g), LOSS).unwrap();
        full.step_with_loss(&mut expected, &g, LOSS).unwrap();
    }
    assert_eq!((&b, a == b), (&expected, false));
    let codes = |leaf: &str| adam.slot(leaf, "v").unwrap().iter().all(|v| v.to_bits() << 16 == 0);
    assert!(codes("0") && !codes("1"));
}

#[test]
fn a_state_says_which_version_can_read_it() {
    let (full, _) = trained::<f32>(Precision::Full, 2);
    let (compact, _) = trained::<f32>(COMPACT, 2);
    assert_eq!((full.state().version(), compact.state().version()), (2, 3));
    let m = slot::<f32>(&compact.state(), "AdamW", "m");
    assert_eq!(m, compact.slot("", "m").unwrap());
}
