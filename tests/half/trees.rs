//! Trees of several kinds of numbers, and what is around an optimizer.

use half::{bf16, f16};
use ndarray::{Array, Array1, Array2, ArrayD, Axis, Dimension, Ix2, Ix5, Ix6, Slice, array};
use thalweg::params::Snapshot;
use thalweg::regularize::GradientNoise;
use thalweg::train::Accumulate;
use thalweg::{Adam, Change, Momentum, Optimizer, ParamsMut, Pattern, Rounding, Sgd};

use crate::counting::allocations_of;
use crate::laws::support::{array as numbers, settings};
use thalweg_tests_support::sixteen::{Laid, WAYS, halved};

type Model = (Array2<bf16>, Array2<f32>, Array1<f16>);

fn model(seed: u64) -> Model {
    let two = |seed| numbers::<f32>(&[6, 7], seed).into_dimensionality().unwrap();
    let one: Array1<f32> = numbers(&[30], seed + 1).into_dimensionality().unwrap();
    (halved(&two(seed)), two(seed + 2), halved(&one))
}

/// The same in `f32`.
fn full(of: &Model) -> (Array2<f32>, Array2<f32>, Array1<f32>) {
    (of.0.map(|x| x.to_f32()), of.1.clone(), of.2.map(|x| x.to_f32()))
}

#[test]
fn kinds_of_numbers_stand_beside_each_other() {
    let mut adam = Adam::<f32>::new(0.01).clip_norm(0.5);
    let mut same = adam.clone();
    let (mut w, mut v) = (model(1), model(1));
    for step in 2..8 {
        let g = model(step * 10);
        let a = adam.step(&mut w, &g).unwrap();
        // Gradients of `f32` for parameters of 16 bits.
        let b = same.step(&mut v, &full(&g)).unwrap();
        assert_eq!(w, v);
        assert_eq!(a, b);
        assert!(a.grad_norm.unwrap() > 0.5);
    }
    let mut other = full(&model(1));
    Adam::<f32>::new(0.01).step(&mut other, &model(20)).unwrap();
    assert_ne!(other.1, model(1).1);
}

#[test]
fn it_is_inferred_from_the_parameters() {
    let (mut w, g) = (array![bf16::ONE], array![bf16::ONE]);
    let mut adam = Adam::new(0.5);
    adam.step(&mut w, &g).unwrap();
    assert!((w[0].to_f32() - 0.5).abs() < 0.01);
    let mut views = (w.view_mut(), array![f16::ONE].into_shared());
    Adam::new(0.5).step(&mut views, &(g.view(), array![f16::ONE])).unwrap();
}

#[cfg(feature = "derive")]
#[test]
fn a_struct_has_them_as_fields() {
    #[derive(thalweg::Params)]
    struct Layer {
        weight: Array2<bf16>,
        bias: Array1<f32>,
    }
    #[derive(thalweg::Params)]
    struct Halves {
        weight: Array2<bf16>,
        bias: Array1<f16>,
    }
    let mut layer = Layer { weight: Array2::from_elem((2, 3), bf16::ONE), bias: Array1::ones(3) };
    let g = Halves {
        weight: Array2::from_elem((2, 3), bf16::ONE),
        bias: Array1::from_elem(3, f16::ONE),
    };
    thalweg::AdamW::new(0.5)
        .group("bias", |group| group.weight_decay(0.0))
        .step(&mut layer, &g)
        .unwrap();
    assert!(layer.weight.iter().all(|w| w.to_f32() < 0.6));
    assert!(layer.bias.iter().all(|&w| (w - 0.5).abs() < 1e-6));
    let mut halves = Halves {
        weight: Array2::from_elem((2, 3), bf16::ONE),
        bias: Array1::from_elem(3, f16::ONE),
    };
    thalweg::AdamW::new(0.5).step(&mut halves, &g).unwrap();
    assert!(halves.bias.iter().all(|w| w.to_f32() < 0.6));
}

struct Listed {
    weight: Array2<bf16>,
    bias: Array1<f32>,
}
thalweg::params!(Listed { weight, bias });

#[test]
fn a_listed_struct_too() {
    let new = || Listed { weight: Array2::from_elem((2, 3), bf16::ONE), bias: Array1::ones(3) };
    let mut listed = new();
    Sgd::new(0.5).step(&mut listed, &new()).unwrap();
    assert_eq!((listed.weight[[1, 2]].to_f32(), listed.bias[2]), (0.5, 0.5));
}

#[test]
fn a_step_allocates_nothing() {
    let way = |way| Laid::new(way, halved::<bf16, _, _>(&numbers::<f32>(&[40, 70], 1)).view());
    for of_w in WAYS {
        for of_g in WAYS {
            for rounding in [Rounding::Stochastic, Rounding::Compensated] {
                let mut adam = Adam::<f32>::new(0.01).clip_norm(0.5).parameter_rounding(rounding);
                let (mut w, g) = (way(of_w), way(of_g));
                let (mut w, g) = (w.view_mut(), g.view());
                adam.step(&mut w, &g).unwrap();
                adam.step(&mut w, &g).unwrap();
                let count = allocations_of(|| _ = adam.step(&mut w, &g).unwrap());
                assert_eq!(count, 0, "{of_w:?} {of_g:?} {rounding:?}");
            }
        }
    }
}

/// An array of two elements an axis, in one of several layouts.
fn of_rank<D: Dimension>(rank: usize, way: usize) -> Array<bf16, D> {
    let ones = |len| {
        let ones = ArrayD::from_elem(vec![len; rank], bf16::ONE);
        ones.into_dimensionality::<D>().unwrap()
    };
    let mut array = ones(if way < 3 { 2 } else { 4 });
    match way {
        0 => {}
        1 => array = array.reversed_axes(),
        2 => (0..rank).step_by(2).for_each(|axis| array.invert_axis(Axis(axis))),
        _ => (0..rank).for_each(|i| array.slice_axis_inplace(Axis(i), Slice::new(0, None, 2))),
    }
    array
}

/// A view of five axes and more has memory of its own, unless its type tells their number.
fn no_layout_allocates<D: Dimension>(rank: usize) {
    let noise = GradientNoise::annealed(0.01, 0.55);
    let all = [
        settings(|s| s.clip_norm = Some(0.5)),
        settings(|s| s.gradient_noise = Some(noise)),
        settings(|s| s.parameter_rounding = Rounding::Compensated),
    ];
    for way in 0..16 {
        for settings in &all {
            let mut adam = Adam::<f32>::new(0.01).with_settings(settings.clone());
            let (mut w, g) = (of_rank::<D>(rank, way % 4), of_rank::<D>(rank, way / 4));
            adam.step(&mut w, &g).unwrap();
            let count = allocations_of(|| _ = adam.step(&mut w, &g).unwrap());
            assert_eq!(count, 0, "{rank} axes in the ways {} and {}", way % 4, way / 4);
        }
    }
}

#[test]
fn no_layout_of_few_or_many_axes_allocates() {
    no_layout_allocates::<Ix2>(2);
    no_layout_allocates::<Ix5>(5);
    no_layout_allocates::<Ix6>(6);
}

#[test]
fn a_frozen_one_stays_and_another_rounding_goes_on() {
    let mut adam = Momentum::<f32>::new(0.01)
        .group("0", |group| group.frozen(true))
        .group("2", |group| group.parameter_rounding(Rounding::Compensated));
    let mut w = model(1);
    for step in 2..6 {
        adam.step(&mut w, &model(step)).unwrap();
    }
    assert_eq!(w.0, model(1).0);
    assert_ne!(w.2, model(1).2);
    adam.change_group(Pattern::from("0"), Change::new().frozen(false)).unwrap();
    adam.step(&mut w, &model(9)).unwrap();
    assert_ne!(w.0, model(1).0);
    let mut nearest = adam.parameter_rounding(Rounding::Nearest);
    nearest.step(&mut w, &model(9)).unwrap();
}

#[test]
fn gradients_are_accumulated_as_full_numbers() {
    let build = || Accumulate::new(Momentum::<f32>::new(0.1).momentum(0.5), 2);
    let (mut half, mut same) = (build(), build());
    let (mut w, mut v) = (model(1), model(1));
    for step in 2..8 {
        half.step(&mut w, &model(step)).unwrap();
        same.step(&mut v, &full(&model(step))).unwrap();
        assert_eq!(w, v);
    }
    assert_ne!(w.0, model(1).0);
}

#[test]
fn a_snapshot_takes_their_numbers_where_it_is_of_full_ones() {
    let w = model(1);
    let mut copy = Snapshot::of(&full(&w)).unwrap();
    copy.take(&model(2)).unwrap();
    assert_eq!(copy.leaf("0").unwrap(), full(&model(2)).0.into_dyn());
}

#[test]
fn an_empty_leaf_is_nothing_and_one_of_no_axes_a_number() {
    let mut w = (Array2::from_elem((0, 3), bf16::ONE), ndarray::arr0(bf16::ONE));
    let g = w.clone();
    for rounding in [Rounding::Stochastic, Rounding::Compensated, Rounding::Nearest] {
        let mut sgd = Sgd::<f32>::new(0.25).parameter_rounding(rounding).clip_norm(10.0);
        sgd.step(&mut w, &g).unwrap();
        let mut again = Sgd::<f32>::new(0.25).parameter_rounding(rounding).clip_norm(10.0);
        again.load_state(&sgd.state()).unwrap();
    }
    assert_eq!(w.1[[]], bf16::from_f32(0.25));
}

/// A tree whose kind of numbers changes from step to step.
#[test]
fn a_parameter_may_become_one_of_another_kind() {
    let mut adam = Adam::<f32>::new(0.1).parameter_rounding(Rounding::Compensated);
    let g = Array1::from_elem(40, 0.5_f32);
    let mut half = Array1::from_elem(40, bf16::ONE);
    let mut full = Array1::from_elem(40, 1.0_f32);
    let steps: [&mut dyn ParamsMut<f32>; 2] = [&mut half, &mut full];
    for w in steps {
        adam.step(w, &g).unwrap();
    }
    adam.step(&mut half, &g).unwrap();
    assert!(half[0] < bf16::ONE && full[0] < 1.0);
    assert_eq!(adam.steps(), 3);
}
