//! Parameters and gradients of 16 bits, against `f32` and the rounding by itself.

mod refusals;
mod rounding;
mod trees;

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};
use thalweg::regularize::MaxNorm;
use thalweg::{Optimizer, Precision, Rounding, Settings, catalog};

use crate::LOSS;
use crate::laws::support::{array, settings};
use thalweg_tests_support::sixteen::{
    Laid, RATE, STEPS, Sixteen, WAYS, all_settings, assert_alike, by_chance, compensated_in,
    gradients_in, halved, nearest, numbers_of, parameters_in, told,
};

#[test]
fn gradients_of_16_bits_are_those_numbers() {
    for entry in catalog::<f32>() {
        for (settings, coupled) in all_settings() {
            gradients_in::<bf16>(entry, &settings, coupled);
        }
        gradients_in::<f16>(entry, &Settings::default(), false);
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
