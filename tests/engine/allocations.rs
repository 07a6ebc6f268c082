//! A step that has seen its leaves before allocates nothing.

use crate::LOSS;
use crate::counting::allocations_of;
use ndarray::{
    Array, Array1, Array2, Array4, ArrayD, Axis, Dimension, Ix5, Ix6, ShapeBuilder, Slice,
};
use thalweg::regularize::{AdaptiveClip, Decay, GradientNoise, MaxNorm, Penalty, Units};
use thalweg::{Average, NonFinite, Params, ParamsMut, Precision, Scalar, Settings, catalog};

struct Layer<F> {
    weight: Array2<F>,
    bias: Array1<F>,
}

thalweg::params!(Layer<F> { weight, bias });

struct Net<F> {
    layers: Vec<Layer<F>>,
}

thalweg::params!(Net<F> { layers });

impl<F: Scalar> Net<F> {
    fn filled(layers: usize, value: f64) -> Self {
        let value = F::from_f64(value);
        let layer = |i| Layer {
            weight: Array2::from_elem((3 + i % 5, 7), value),
            bias: Array1::from_elem(7, value),
        };
        Self { layers: (0..layers).map(layer).collect() }
    }
}

fn all_settings() -> Vec<Settings> {
    let mut all = Vec::new();
    for non_finite in [NonFinite::Reject, NonFinite::Skip, NonFinite::Propagate] {
        let mut plain = Settings::default();
        plain.non_finite = non_finite;
        let mut busy = plain.clone();
        busy.clip_norm = Some(1e-3);
        busy.penalty = Penalty::elastic_net(1e-3, 1e-3);
        let mut busiest = busy.clone();
        busiest.average = Some(Average::ema(0.9));
        busiest.centralized = Some(Units::LastAxis);
        busiest.gradient_noise = Some(GradientNoise::annealed(0.01, 0.55));
        busiest.clip_value = Some(0.1);
        busiest.clip_leaf_norm = Some(1e-3);
        busiest.clip_adaptive = Some(AdaptiveClip::new(0.1));
        busiest.cautious = true;
        busiest.decoupled_decay = Some(Decay::Relative(0.1));
        busiest.shrink = 0.99;
        busiest.proximal_l1 = 1e-3;
        busiest.max_norm = Some(MaxNorm::whole(1.0));
        let mut compact = busiest.clone();
        compact.state_precision = Precision::BFloat16;
        let mut compact8 = compact.clone();
        compact8.state_precision = Precision::Int8;
        all.extend([plain, busy, busiest, compact, compact8]);
    }
    all
}

/// Where a step goes is shown by a few, what grows with their number by ten.
fn assert_steady<F: Scalar>(what: &str, steps: usize, w: &mut dyn ParamsMut<F>, g: &dyn Params<F>) {
    for entry in catalog::<F>() {
        for settings in all_settings() {
            let mut optimizer = entry.build(entry.learning_rate, settings);
            optimizer.step_with_loss(w, g, LOSS).unwrap();
            let calls = allocations_of(|| {
                for _ in 0..steps {
                    optimizer.step_with_loss(w, g, LOSS).unwrap();
                }
            });
            assert_eq!(calls, 0, "{} on {what}", entry.name);
        }
    }
}

fn no_kind_of_leaf_allocates<F: Scalar>() {
    let ones = |n| Array1::from_elem(n, F::one());
    assert_steady("one leaf", 10, &mut ones(1000), &ones(1000));
    assert_steady("a large leaf", 2, &mut ones(70_000), &ones(70_000));

    assert_steady("100 leaves", 2, &mut vec![ones(10); 100], &vec![ones(10); 100]);
    assert_steady("a struct", 2, &mut Net::<F>::filled(50, 1.0), &Net::filled(50, 0.5));
    let (mut a, mut b) = (ones(3), ones(5));
    assert_steady("a tuple", 10, &mut (&mut a, &mut b), &(&ones(3), &ones(5)));

    let every_second = Slice::new(0, None, 2);
    let mut w = Array2::from_elem((60, 80), F::one());
    let g = Array2::from_elem((60, 80), F::one());
    assert_steady(
        "columns",
        2,
        &mut w.slice_axis_mut(Axis(1), every_second),
        &g.slice_axis(Axis(1), every_second),
    );
    let mut w = Array4::from_elem((4, 5, 6, 7), F::one());
    let g = Array4::from_elem((7, 6, 5, 4), F::one()).reversed_axes();
    assert_steady("four axes in two orders", 2, &mut w, &g);
    let ones = |shape: Vec<usize>| ArrayD::from_elem(shape, F::one());
    assert_steady("seven axes", 2, &mut ones(vec![2; 7]), &ones(vec![2; 7]));
}

/// An array of ones that lies in memory in one of six ways.
fn laid<F: Scalar, D: Dimension>(shape: D, way: usize) -> Array<F, D> {
    let rank = shape.ndim();
    let mut larger = shape.clone();
    larger.slice_mut().iter_mut().for_each(|n| *n *= 2);
    let turned = {
        let mut axes = shape.clone();
        axes.slice_mut().iter_mut().enumerate().for_each(|(i, axis)| *axis = (i + 2) % rank);
        axes
    };
    match way {
        0 => Array::from_elem(shape, F::one()),
        1 => Array::from_elem(shape.f(), F::one()),
        2 => Array::from_elem(shape, F::one()).permuted_axes(turned),
        3 => {
            let mut array = Array::from_elem(shape, F::one());
            (0..rank).step_by(2).for_each(|axis| array.invert_axis(Axis(axis)));
            array
        }
        4 => {
            let mut array = Array::from_elem(larger, F::one());
            (0..rank).for_each(|i| array.slice_axis_inplace(Axis(i), Slice::new(0, None, 2)));
            array
        }
        _ => {
            let mut array = Array::from_elem(larger.f(), F::one());
            (0..rank).for_each(|i| array.slice_axis_inplace(Axis(i), Slice::new(0, None, -2)));
            array
        }
    }
}

/// A view of five axes and more has memory of its own, unless its type tells their number.
fn no_layout_of_five_and_six_axes_allocates<F: Scalar>() {
    for way in 0..36 {
        let what = format!("five axes in the ways {} and {}", way % 6, way / 6);
        let mut w = laid::<F, _>(Ix5(2, 2, 2, 2, 2), way % 6);
        assert_steady(&what, 2, &mut w, &laid(Ix5(2, 2, 2, 2, 2), way / 6));
    }
    for way in [1, 4, 6, 10, 20, 28] {
        let what = format!("six axes in the ways {} and {}", way % 6, way / 6);
        let mut w = laid::<F, _>(Ix6(2, 2, 2, 2, 2, 2), way % 6);
        assert_steady(&what, 2, &mut w, &laid(Ix6(2, 2, 2, 2, 2, 2), way / 6));
    }
}

#[test]
fn no_layout_of_five_and_six_axes_allocates_in_f32() {
    no_layout_of_five_and_six_axes_allocates::<f32>();
}

#[test]
fn no_layout_of_five_and_six_axes_allocates_in_f64() {
    no_layout_of_five_and_six_axes_allocates::<f64>();
}

#[test]
fn a_steady_state_step_allocates_nothing_in_f32() {
    no_kind_of_leaf_allocates::<f32>();
}

#[test]
fn a_steady_state_step_allocates_nothing_in_f64() {
    no_kind_of_leaf_allocates::<f64>();
}

#[test]
fn the_first_step_is_seen_to_allocate() {
    let entry = &catalog::<f32>()[8];
    let mut optimizer = entry.build(0.1, Settings::default());
    let (mut w, g) = (Array1::<f32>::ones(10), Array1::<f32>::ones(10));
    assert!(allocations_of(|| _ = optimizer.step_with_loss(&mut w, &g, LOSS).unwrap()) > 0);
}
