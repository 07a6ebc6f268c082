//! Runs of parameters and gradients of 16 bits beside runs of `f32`.

use half::bf16;
use ndarray::ArrayD;
use thalweg::{Entry, Optimizer, Rounding, Settings, Simd};

use super::{Laid, Sixteen, WAYS, Way, halved, nearest, numbers_of};
use crate::LOSS;
use crate::numbers::{array, bits};
use crate::settings::{compact, compact8, coupled, everything, settings};

pub const RATE: f64 = 0.03;
pub const STEPS: u64 = 6;

/// What is around a rule, and whether a norm of more than one element goes into it.
pub fn all_settings() -> [(Settings, bool); 6] {
    let mut by_element = everything();
    by_element.clip_norm = None;
    [
        (Settings::default(), false),
        (by_element, false),
        (compact(), false),
        (compact8(), false),
        (everything(), true),
        (coupled(), true),
    ]
}

/// Equal to the last bit, or to the last digits where norms are summed in another order.
#[track_caller]
pub fn assert_alike(found: &ArrayD<f32>, expected: &ArrayD<f32>, exact: bool, what: &str) {
    for (index, &x) in found.indexed_iter() {
        let y = expected[&index];
        let near = !exact && (x - y).abs() <= 2e-5 * y.abs().max(1.0);
        assert!(bits(x) == bits(y) || near, "{what} at {index:?}: {x:e} and not {y:e}");
    }
}

pub fn gradients_in<E: Sixteen>(entry: &Entry<f32>, settings: &Settings, coupled: bool) {
    for shape in [&[23][..], &[5, 7], &[4, 3, 5], &[2, 3, 2, 2, 3], &[40, 70]] {
        let start = array::<f32>(shape, 1);
        let gs: Vec<ArrayD<E>> = (0..STEPS).map(|step| halved(&array(shape, 100 + step))).collect();
        let mut expected = start.clone();
        let mut full = entry.build(RATE, settings.clone());
        let mut finals = Vec::new();
        for g in &gs {
            full.step_with_loss(&mut expected, &numbers_of(g.view()), LOSS).unwrap();
            finals.push(expected.clone());
        }
        for (i, way) in WAYS.into_iter().enumerate() {
            let mut w = Laid::new(WAYS[(i * 3 + 1) % 5], start.view());
            let mut half = entry.build(RATE, settings.clone());
            for (g, expected) in gs.iter().zip(&finals) {
                let g = Laid::new(way, g.view());
                half.step_with_loss(&mut w.view_mut(), &*E::read(&g), LOSS).unwrap();
                let what = format!("{} {} {shape:?} {way:?}", entry.name, E::NAME);
                assert_alike(&w.view().to_owned(), expected, !coupled && !entry.couples, &what);
            }
        }
    }
}

/// How a step is carried out.
fn hows() -> Vec<Settings> {
    let mut all: Vec<Settings> =
        Simd::available().into_iter().map(|simd| settings(|s| s.simd = simd)).collect();
    all.push(settings(|s| s.parallel_above = 64));
    all
}

/// A parameter of 16 bits beside one of `f32` that is brought to what `round` says after each step.
pub fn parameters_in<E: Sixteen>(
    entry: &Entry<f32>,
    settings: &Settings,
    coupled: bool,
    round: &dyn Fn(f32, u64) -> f32,
) {
    let mut hows = hows().into_iter().cycle();
    for shape in [&[23][..], &[5, 7], &[4, 3, 5], &[2, 3, 2, 2, 3], &[40, 70]] {
        let start: ArrayD<E> = halved(&array(shape, 1));
        for (i, way) in WAYS.into_iter().enumerate() {
            let how = hows.next().unwrap_or_default();
            let with = |s: &Settings| {
                let mut s = s.clone();
                (s.simd, s.parallel_above) = (how.simd, how.parallel_above);
                s
            };
            let mut half = entry.build(RATE, with(settings));
            let mut full = entry.build(RATE, settings.clone());
            let mut w = Laid::new(way, start.view());
            let mut expected = numbers_of(start.view());
            for step in 1..=STEPS {
                let g: ArrayD<E> = halved(&array(shape, 100 + step));
                let laid = Laid::new(WAYS[(i * 2 + step as usize) % 5], g.view());
                let g = numbers_of(g.view());
                let gradient = E::read(&laid);
                half.step_with_loss(&mut *E::write(&mut w), &*gradient, LOSS).unwrap();
                full.step_with_loss(&mut expected, &g, LOSS).unwrap();
                expected.mapv_inplace(|x| round(x, step));
                let what = format!("{} {} {shape:?} {way:?} {step}", entry.name, E::NAME);
                let exact = !coupled && !entry.couples;
                if exact {
                    assert_alike(&numbers_of(w.view()), &expected, true, &what);
                    assert_eq!(half.state(), full.state(), "{what}");
                } else {
                    // A last digit may round otherwise; then both go on from what one has become.
                    for (x, y) in w.view().iter().zip(&expected) {
                        let last = y.abs().max(1e-2) * 2.0_f32.powi(1 - E::DIGITS);
                        assert!((x.number() - y).abs() <= last, "{what}: {x:?} {y}");
                    }
                    expected = numbers_of(w.view());
                }
            }
        }
    }
}

/// As the state of both is compared, both are told.
pub fn told(rounding: Rounding, mut settings: Settings) -> Settings {
    settings.parameter_rounding = rounding;
    settings
}

/// With what is left beside it, a `bf16` goes the way of an `f32`.
pub fn compensated_in(entry: &Entry<f32>, settings: &Settings, exact: bool) {
    let mut settings = told(Rounding::Compensated, settings.clone());
    // It goes by the norm of the parameters as one reads them.
    settings.clip_adaptive = None;
    for shape in [&[23][..], &[5, 7], &[4, 3, 5], &[40, 70]] {
        let start: ArrayD<bf16> = halved(&array(shape, 1));
        for way in WAYS {
            let mut half = entry.build(RATE, settings.clone());
            let mut full = entry.build(RATE, settings.clone());
            let mut w = Laid::new(way, start.view());
            let mut expected = numbers_of(start.view());
            for step in 1..=STEPS {
                let g: ArrayD<bf16> = halved(&array(shape, 100 + step));
                full.step_with_loss(&mut expected, &numbers_of(g.view()), LOSS).unwrap();
                half.step_with_loss(&mut *bf16::write(&mut w), &g, LOSS).unwrap();
                if step == STEPS / 2 {
                    // Saved, and gone on from in another layout.
                    let mut again = entry.build(RATE, settings.clone());
                    again.load_state(&half.state()).unwrap();
                    half = again;
                    w = Laid::new(Way::Columns, w.view());
                }
                let what = format!("{} {shape:?} {way:?} {step}", entry.name);
                let found = numbers_of(w.view());
                if exact {
                    assert_alike(&found, &expected.mapv(nearest::<bf16>), true, &what);
                } else {
                    // Of an update near 0 a last digit tells whether a cautious step takes it.
                    let far = |(x, y): &(&f32, &f32)| {
                        (**x - **y).abs() > y.abs().max(0.01) * 2.0_f32.powi(-7)
                    };
                    let count = found.iter().zip(&expected).filter(far).count();
                    assert!(count <= 1 + found.len() / 500, "{what}: {count}");
                }
            }
        }
    }
}

/// What is generic over the format, for both: nothing calls it, but by it they are compiled.
pub fn of_both() -> [*const (); 4] {
    [
        gradients_in::<half::bf16> as *const (),
        gradients_in::<half::f16> as *const (),
        parameters_in::<half::bf16> as *const (),
        parameters_in::<half::f16> as *const (),
    ]
}
