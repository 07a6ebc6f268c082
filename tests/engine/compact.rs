//! State in fewer bits: against a transcription in `f64`, over long runs, in memory and in checkpoints.

use crate::LOSS;
use crate::counting::peak_of;
use ndarray::{Array1, Array2, ArrayD, Axis, array};
use thalweg::params::Rows;
use thalweg::{
    Adam, AdamW, ErrorKind, Momentum, NonFinite, Optimizer, Precision, Scalar, Settings, State,
    catalog,
};

const COMPACT: [Precision; 2] = [Precision::BFloat16, Precision::Int8];

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

    /// Numbers of both signs, of a block.
    pub(super) fn block(numbers: &mut [f32], w: &[f32], key: u32) {
        const C: f32 = 17.0 / 4096.0;
        let scale = numbers.iter().fold(0.0_f32, |s, x| s.max(x.abs()));
        for (x, w) in numbers.iter_mut().zip(w) {
            let mut h = (w.to_bits() ^ key).wrapping_mul(0x85eb_ca6b);
            h ^= h >> 15;
            let chance = f64::from((h & 0xffff) * 8 + 7) / 524_288.0;
            let y = f64::from((*x * ((1.0 - C) / scale)).abs() + C);
            let last = 2.0_f64.powf(y.log2().floor() - 4.0);
            let (whole, part) = ((y / last).floor(), (y / last).fract());
            let up = if part + chance >= 1.0 { 1.0 } else { 0.0 };
            let y = ((whole + up) * last).min(1.0) as f32;
            *x = ((y - C) * (1.0 / (1.0 - C)) * scale).copysign(*x);
        }
    }
}

fn momentum_is_its_transcription(precision: Precision) {
    let n = 700;
    let mut w = Array1::from_iter((0..n).map(|i| number(i) as f32));
    let mut momentum = Momentum::new(0.25).momentum(0.5).state_precision(precision);
    let (mut expected, mut velocity) = (w.to_vec(), vec![0.0_f32; n as usize]);
    for step in 1..=20_u64 {
        let g = Array1::from_iter((0..n).map(|i| number(i * 31 + step * 1000) as f32));
        momentum.step_with_loss(&mut w, &g, LOSS).unwrap();
        let key = transcribed::key(step);
        for i in 0..n as usize {
            velocity[i] = 0.5 * velocity[i] - 0.25 * g[i];
            expected[i] += velocity[i];
            if precision == Precision::BFloat16 {
                velocity[i] = transcribed::rounded(velocity[i].into(), expected[i], key) as f32;
            }
        }
        if precision == Precision::Int8 {
            let blocks = velocity.chunks_mut(32).zip(expected.chunks(32));
            blocks.for_each(|(velocity, w)| transcribed::block(velocity, w, key));
        }
        assert_eq!(w.as_slice().unwrap(), expected, "{step}");
        assert_eq!(momentum.slot("", "velocity").unwrap().as_slice().unwrap(), velocity, "{step}");
    }
}

#[test]
fn momentum_of_16_bits_is_its_transcription() {
    momentum_is_its_transcription(Precision::BFloat16);
}

#[test]
fn momentum_of_8_bits_is_its_transcription() {
    momentum_is_its_transcription(Precision::Int8);
}

/// To the nearest, an average whose gradients get small stays where it was.
fn an_average_goes_on_falling<F: Scalar>(precision: Precision) {
    // Of every two neighbours the gradient of one falls.
    let n = 256;
    let mut adam = Adam::new(1e-4).state_precision(precision);
    let mut w = Array1::from_iter((0..n).map(|i| F::from_f64(number(i))));
    let mut g = Array1::from_elem(n as usize, F::one());
    let v = |adam: &Adam<F>, i: usize| adam.slot("", "v").unwrap()[[i]].into_f64();
    for _ in 0..2_000 {
        adam.step_with_loss(&mut w, &g, LOSS).unwrap();
    }
    let first = 1.0 - 0.999_f64.powi(2_000);
    let mean: f64 = (0..n as usize).map(|i| v(&adam, i)).sum::<f64>() / n as f64;
    assert!((mean / first - 1.0).abs() < 0.02, "{mean} and not {first}");
    g.slice_mut(ndarray::s![1..;2]).fill(F::from_f64(0.01));
    for _ in 0..20_000 {
        adam.step_with_loss(&mut w, &g, LOSS).unwrap();
    }
    let those = || (1..n as usize).step_by(2);
    let mean: f64 = those().map(|i| v(&adam, i)).sum::<f64>() / those().count() as f64;
    let truth = 1e-4 + (first - 1e-4) * 0.999_f64.powi(20_000);
    assert!((mean / truth - 1.0).abs() < 0.1, "{mean} and not {truth}");
    assert!(those().all(|i| v(&adam, i) > 0.2 * truth));
}

#[test]
fn an_average_goes_on_falling_in_f32() {
    COMPACT.into_iter().for_each(an_average_goes_on_falling::<f32>);
}

#[test]
fn an_average_goes_on_falling_in_f64() {
    COMPACT.into_iter().for_each(an_average_goes_on_falling::<f64>);
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
    let full = largest(Precision::Full);
    for precision in COMPACT {
        let compact = largest(precision);
        assert!(compact < 5.0 && compact < 1.25 * full, "{precision:?}: {compact} beside {full}");
    }
}

/// Slots at 16 or 8 bits, all that the first step makes room for.
#[test]
fn adams_state_takes_four_bytes_a_parameter_or_two_and_a_quarter() {
    let n = 1_000_000;
    let (mut w, g) = (Array1::<f32>::zeros(n), Array1::<f32>::ones(n));
    for (precision, bytes) in [(Precision::Full, 8.0), (COMPACT[0], 4.0), (COMPACT[1], 2.25)] {
        let mut adam = Adam::new(1e-3).state_precision(precision);
        let peak = peak_of(|| _ = adam.step_with_loss(&mut w, &g, LOSS).unwrap());
        let each = peak as f64 / n as f64;
        assert!((each - bytes).abs() < 0.05, "{each} and not {bytes}");
    }
}

/// Of elements near each other, those that are NaN or infinite are it alone; of a block, the others may be
/// rounded otherwise.
fn what_is_not_finite_stays_where_it_is<F: Scalar>(precision: Precision) {
    let n = 100;
    let bad = [(3, F::nan()), (40, F::infinity()), (41, F::neg_infinity())];
    for entry in catalog::<F>().iter().filter(|entry| !entry.couples) {
        let mut settings = settings(precision);
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
            let shares = precision == Precision::Int8 && i < 64;
            let is_same = found[i] == good[i] || (shares && found[i].is_finite());
            assert!(is_bad || is_same, "{} at {i}", entry.name);
        }
    }
    let mut adam = Adam::new(0.1).state_precision(precision).non_finite(NonFinite::Propagate);
    adam.step_with_loss(&mut array![F::one(), F::one()], &array![F::nan(), F::one()], LOSS)
        .unwrap();
    let m = adam.slot("", "m").unwrap();
    assert!(m[[0]].is_nan() && m[[1]].is_finite());
    let mut adam = Adam::new(0.1).state_precision(precision);
    let error = adam.step_with_loss(&mut array![F::one()], &array![F::nan()], LOSS).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NonFiniteGradient { .. }));
}

#[test]
fn what_is_not_finite_stays_where_it_is_in_f32() {
    COMPACT.into_iter().for_each(what_is_not_finite_stays_where_it_is::<f32>);
}

#[test]
fn what_is_not_finite_stays_where_it_is_in_f64() {
    COMPACT.into_iter().for_each(what_is_not_finite_stays_where_it_is::<f64>);
}

/// Gradients too small for an `f32`'s square: nothing divides by ε alone.
#[test]
fn small_numbers_of_f64_do_not_become_0() {
    for precision in COMPACT {
        let mut adam = Adam::new(1.0).epsilon(1e-150).state_precision(precision);
        let mut w = Array1::<f64>::zeros(50);
        for step in 0..50 {
            let g = Array1::from_iter((0..50).map(|i| 1e-120 * number(i + step * 50)));
            adam.step_with_loss(&mut w, &g, LOSS).unwrap();
        }
        assert!(adam.slot("", "v").unwrap().iter().all(|&v| v > 0.0));
        assert!(w.iter().all(|w| w.is_finite() && w.abs() < 300.0));
    }
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

fn close<F: Scalar>(a: F, b: F, relative: f64, absolute: f64) -> bool {
    (a - b).abs().into_f64() <= relative * b.abs().into_f64() + absolute
}

/// A state goes on in the precision that an optimizer is built with, rounded to the nearest.
fn a_state_goes_on_in_another_precision<F: Scalar>() {
    let all = [Precision::Full, Precision::BFloat16, Precision::Int8];
    for (from, to) in all.into_iter().flat_map(|from| all.map(|to| (from, to))) {
        let (saved, w) = trained::<F>(from, 5);
        let state = saved.state();
        let mut other = AdamW::new(0.01).state_precision(to);
        other.load_state(&state).unwrap();
        assert_eq!(other.steps(), 5);
        for slot in ["m", "v"] {
            let (a, b) = (other.slot("", slot).unwrap(), saved.slot("", slot).unwrap());
            let largest = b.iter().fold(0.0_f64, |a, b| a.max(b.abs().into_f64()));
            let (relative, absolute) = match to {
                _ if to == from => (0.0, 0.0),
                Precision::Int8 => (1.0 / 32.0, largest / 8000.0),
                Precision::BFloat16 => (1.0 / 256.0, 0.0),
                _ => (0.0, 0.0),
            };
            let mut pairs = a.iter().zip(&b);
            assert!(pairs.all(|(&a, &b)| close(a, b, relative, absolute)), "{to:?} {slot}");
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
    for precision in COMPACT {
        for column_major in [false, true] {
            let (saved, w) = trained::<f32>(Precision::Full, 5);
            let saved = saved.average(thalweg::Average::ema(0.9));
            let mut layout = Array2::zeros(ndarray::ShapeBuilder::set_f((7, 30), column_major));
            layout.assign(&w);
            let (mut straight, mut w) = (saved, layout);
            straight.step_with_loss(&mut w, &gradient::<f32>(5), LOSS).unwrap();
            let mut changed = straight.clone().state_precision(precision);
            let mut bad = gradient::<f32>(6);
            bad[[3, 3]] = f32::NAN;
            changed.step_with_loss(&mut w.clone(), &bad, LOSS).unwrap_err();
            let mut back = changed.state_precision(Precision::Full);
            let (mut here, mut there) = (w.clone(), w);
            for step in 6..9 {
                back.step_with_loss(&mut here, &gradient::<f32>(step), LOSS).unwrap();
                straight.step_with_loss(&mut there, &gradient::<f32>(step), LOSS).unwrap();
            }
            assert_eq!(here, there);
            assert_eq!(back.state(), straight.state());
        }
    }
}

#[test]
fn groups_have_precisions_of_their_own() {
    let mut adam = Adam::new(0.1)
        .state_precision(Precision::BFloat16)
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
    assert_eq!(full.state().version(), 2);
    for (precision, version) in COMPACT.into_iter().zip([3, 5]) {
        let (compact, _) = trained::<f32>(precision, 2);
        assert_eq!(compact.state().version(), version);
        let m = slot::<f32>(&compact.state(), "AdamW", "m");
        assert_eq!(m, compact.slot("", "m").unwrap());
    }
}

/// A gradient of rows updates these alone, as a table of them would be; rows of parts of blocks are refused.
#[test]
fn rows_of_whole_blocks_are_a_table_of_their_own() {
    for width in [32, 64, 320] {
        let rows = [3_usize, 11, 4, 0, 19];
        let table = Array2::from_shape_fn((20, width), |(i, j)| number((i * width + j) as u64));
        let (mut w, mut chosen) = (table.clone(), table.select(Axis(0), &rows));
        let build = || AdamW::<f64>::new(0.01).state_precision(Precision::Int8).clip_value(0.5);
        let (mut of_rows, mut alone) = (build(), build());
        for step in 0..4 {
            let g = Array2::from_shape_fn((5, width), |(i, j)| {
                number((i * width + j) as u64 + step * 9999)
            });
            of_rows.step(&mut w, &Rows { rows: &rows[..], values: g.clone() }).unwrap();
            alone.step(&mut chosen, &g).unwrap();
            assert_eq!(w.select(Axis(0), &rows), chosen, "{width}");
        }
        let untouched: Vec<usize> = (0..20).filter(|i| !rows.contains(i)).collect();
        assert_eq!(w.select(Axis(0), &untouched), table.select(Axis(0), &untouched));
    }
    let mut w = Array2::<f32>::zeros((4, 20));
    let g = Rows { rows: &[1_usize][..], values: Array2::ones((1, 20)) };
    let mut adam = Adam::new(0.1).state_precision(Precision::Int8);
    let error = adam.step(&mut w, &g).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NeedsAllRows { .. }), "{error}");
    assert_eq!(w, Array2::<f32>::zeros((4, 20)));
}
