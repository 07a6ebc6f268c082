//! Parameters and gradients of 16 bits, against `f32` and the rounding by itself.

mod refusals;
mod rounding;
mod support;
mod trees;

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};
use thalweg::regularize::MaxNorm;
use thalweg::{Entry, Optimizer, Precision, Rounding, Settings, Simd, catalog};

use crate::LOSS;
use crate::laws::support::{array, bits, compact, compact8, coupled, everything, settings};
use support::{Laid, Sixteen, WAYS, Way, by_chance, halved, nearest, numbers_of};

const RATE: f64 = 0.03;
const STEPS: u64 = 6;

/// What is around a rule, and whether a norm of more than one element goes into it.
fn all_settings() -> [(Settings, bool); 6] {
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
fn assert_alike(found: &ArrayD<f32>, expected: &ArrayD<f32>, exact: bool, what: &str) {
    for (index, &x) in found.indexed_iter() {
        let y = expected[&index];
        let near = !exact && (x - y).abs() <= 2e-5 * y.abs().max(1.0);
        assert!(bits(x) == bits(y) || near, "{what} at {index:?}: {x:e} and not {y:e}");
    }
}

fn gradients_in<E: Sixteen>(entry: &Entry<f32>, settings: &Settings, coupled: bool) {
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

#[test]
fn gradients_of_16_bits_are_those_numbers() {
    for entry in catalog::<f32>() {
        for (settings, coupled) in all_settings() {
            gradients_in::<bf16>(entry, &settings, coupled);
        }
        gradients_in::<f16>(entry, &Settings::default(), false);
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
fn parameters_in<E: Sixteen>(
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

#[test]
fn a_parameter_is_rounded_by_chance_as_the_page_says() {
    for entry in catalog::<f32>() {
        for (settings, coupled) in all_settings() {
            if settings.max_norm.is_none() {
                parameters_in::<bf16>(entry, &settings, coupled, &by_chance::<bf16>);
            }
        }
        parameters_in::<f16>(entry, &Settings::default(), false, &by_chance::<f16>);
    }
}

/// As the state of both is compared, both are told.
fn told(rounding: Rounding, mut settings: Settings) -> Settings {
    settings.parameter_rounding = rounding;
    settings
}

#[test]
fn or_to_the_nearest_number() {
    // The crate `half` brings halves to the even number.
    let of = |settings| told(Rounding::Nearest, settings);
    for entry in catalog::<f32>() {
        for (settings, coupled) in all_settings().into_iter().take(3) {
            let nearest = |x: f32, _| bf16::from_f32(x).to_f32();
            parameters_in::<bf16>(entry, &of(settings), coupled, &nearest);
        }
        let nearest = |x: f32, _| f16::from_f32(x).to_f32();
        parameters_in::<f16>(entry, &of(Settings::default()), false, &nearest);
    }
}

/// With what is left beside it, a `bf16` goes the way of an `f32`.
fn compensated_in(entry: &Entry<f32>, settings: &Settings, exact: bool) {
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

#[test]
fn or_so_that_it_goes_the_way_of_an_f32() {
    for entry in catalog::<f32>() {
        for (settings, coupled) in all_settings() {
            compensated_in(entry, &settings, !coupled && !entry.couples);
        }
    }
}

#[test]
fn an_f16_goes_that_way_too() {
    for entry in catalog::<f32>().iter().filter(|entry| !entry.couples) {
        let settings = told(Rounding::Compensated, Settings::default());
        let (mut half, mut full) =
            (entry.build(0.01, settings.clone()), entry.build(0.01, settings));
        // Far from where the numbers of an `f16` get sparse.
        let start: ArrayD<f16> = halved(&array(&[6, 50], 1).mapv(|x: f32| x.abs() + 8.0));
        let (mut w, mut expected) = (start.clone(), numbers_of(start.view()));
        for step in 1..=STEPS {
            let g: ArrayD<f16> = halved(&array(&[6, 50], 100 + step));
            full.step_with_loss(&mut expected, &numbers_of(g.view()), LOSS).unwrap();
            half.step_with_loss(&mut w, &g, LOSS).unwrap();
            let near = expected.mapv(nearest::<f16>);
            assert_alike(&numbers_of(w.view()), &near, true, entry.name);
        }
    }
}

#[test]
fn a_bound_of_norms_holds_up_to_the_last_digit() {
    let bounded = settings(|s| s.max_norm = Some(MaxNorm::whole(3.0)));
    for rounding in [Rounding::Stochastic, Rounding::Nearest, Rounding::Compensated] {
        for way in WAYS {
            let mut adam = catalog::<f32>()[8].build(0.5, told(rounding, bounded.clone()));
            let start: ArrayD<bf16> = halved(&array(&[5, 7], 1));
            let mut w = Laid::new(way, start.view());
            for step in 1..=STEPS {
                let g: ArrayD<f32> = array(&[5, 7], 100 + step);
                adam.step_with_loss(&mut *bf16::write(&mut w), &g, LOSS).unwrap();
                let norm =
                    w.view().iter().map(|w| f64::from(w.to_f32()).powi(2)).sum::<f64>().sqrt();
                assert!(norm <= 3.0 * (1.0 + 1.0 / 128.0), "{rounding:?} {norm}");
            }
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_how_the_tree_is_split() {
    let n = 4000;
    let start: ArrayD<bf16> = halved(&array(&[n], 1));
    for entry in catalog::<f32>().iter().filter(|entry| !entry.couples) {
        for rounding in [Rounding::Stochastic, Rounding::Compensated] {
            for precision in [Precision::Full, Precision::BFloat16] {
                let settings = told(rounding, settings(|s| s.state_precision = precision));
                let mut whole = entry.build(RATE, settings.clone());
                let mut parts = entry.build(RATE, settings);
                let (mut w, mut v) = (start.clone(), start.clone());
                for step in 1..=3 {
                    let g: ArrayD<bf16> = halved(&array(&[n], 100 + step));
                    whole.step_with_loss(&mut w, &g, LOSS).unwrap();
                    let (mut a, rest) = v.view_mut().split_at(ndarray::Axis(0), 77);
                    let (mut b, mut c) = rest.split_at(ndarray::Axis(0), 2100);
                    let (ga, rest) = g.view().split_at(ndarray::Axis(0), 77);
                    let (gb, gc) = rest.split_at(ndarray::Axis(0), 2100);
                    let gc = gc.into_shape_with_order(IxDyn(&[n - 2177])).unwrap();
                    parts
                        .step_with_loss(&mut (&mut a, &mut b, &mut c), &(ga, gb, gc), LOSS)
                        .unwrap();
                    assert_eq!(w, v, "{} {step}", entry.name);
                }
            }
        }
    }
}
