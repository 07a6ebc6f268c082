//! Rows of tables whose numbers have 16 bits.

use half::{bf16, f16};
use ndarray::{ArrayD, Axis};
use thalweg::params::Rows;
use thalweg::regularize::{Decay, MaxNorm};
use thalweg::train::Accumulate;
use thalweg::{AdaGrad, Adam, Ftrl, Optimizer, Rounding, Settings, Sgd, Untouched};
use thalweg_tests_support::sixteen::{Laid, Sixteen, WAYS, Way, halved, numbers_of};

use super::support::*;
use crate::counting::allocations_of;

const ROUNDINGS: [Rounding; 3] = [Rounding::Stochastic, Rounding::Compensated, Rounding::Nearest];

fn bits_of<E: Sixteen>(array: &Laid<E>) -> ArrayD<u32> {
    numbers_of(array.view()).mapv(f32::to_bits)
}

/// A table of which some rows are touched, beside a table of those rows whose gradient is an array.
fn rows_are_a_table_of_their_own<E: Sixteen>() {
    for (i, entry) in taking_rows::<f32>().enumerate() {
        for (kind, settings) in variants().into_iter().enumerate() {
            for (j, &shape) in [&[13, 7][..], &[9, 40], &[37], &[4, 2, 32]].iter().enumerate() {
                let rounding = ROUNDINGS[(i + kind + j) % 3];
                // Norms of rows are summed row by row.
                let sums = settings.clip_norm.or(settings.clip_leaf_norm).is_some()
                    || (settings.report_norm, settings.cautious) != (false, false)
                    || settings.clip_adaptive.is_some()
                    || entry.couples;
                let way = if sums { Way::Rows } else { WAYS[(i + 2 * kind + j) % 5] };
                let what = format!("{} {kind} {shape:?} {rounding:?} {way:?}", entry.name);
                let mut settings = settings.clone();
                settings.parameter_rounding = rounding;
                let has_bound = settings.max_norm.is_some();
                let mut large = shape.to_vec();
                large[0] = 3 * shape[0] + 5;
                let touched: Vec<usize> = (0..shape[0]).map(|i| 3 * i + i % 3).collect();
                let start: ArrayD<E> = halved(&array(&large, 1));
                let own = start.select(Axis(0), &touched);
                let (mut table, mut own) =
                    (Laid::new(way, start.view()), Laid::new(way, own.view()));
                let mut dense = entry.build(RATE, settings.clone());
                settings.parallel_above = if kind % 2 == 0 { 16 } else { settings.parallel_above };
                let mut of_rows = entry.build(RATE, settings);
                for step in 0..5 {
                    let g = array::<f32>(shape, 100 + step);
                    let order = shuffled(shape[0], step);
                    let rows: Vec<usize> = order.iter().map(|&i| touched[i]).collect();
                    let g_rows = Rows { rows, values: chosen(&g, &order) };
                    let laid = Laid::new(way, g.view());
                    let a = dense.step(&mut *E::write(&mut own), &laid.view()).unwrap();
                    let b = of_rows.step(&mut *E::write(&mut table), &g_rows).unwrap();
                    assert_eq!(a.grad_norm, b.grad_norm, "{what} {step}");
                    let found = bits_of(&table);
                    assert_eq!(found.select(Axis(0), &touched), bits_of(&own), "{what} {step}");
                    let others: Vec<usize> =
                        (0..large[0]).filter(|row| !touched.contains(row)).collect();
                    let before = numbers_of(start.view()).mapv(f32::to_bits);
                    let untouched = |of: &ArrayD<u32>| of.select(Axis(0), &others);
                    // A bound of norms is one of all rows.
                    let stay = untouched(&found) == untouched(&before);
                    assert!(stay || has_bound, "{what} {step}");
                }
            }
        }
    }
}

#[test]
fn rows_of_16_bits_are_a_table_of_their_own() {
    rows_are_a_table_of_their_own::<bf16>();
    rows_are_a_table_of_their_own::<f16>();
}

type Build = fn(Settings) -> Box<dyn Optimizer<f32>>;

const EXACT: [Build; 3] = [
    |settings| Box::new(Sgd::new(0.1).with_settings(settings)),
    |settings| Box::new(AdaGrad::new(0.1).with_settings(settings)),
    |settings| Box::new(Ftrl::new(0.1).l1(0.01).with_settings(settings)),
];

fn changes() -> [fn(&mut Settings); 4] {
    [
        |_| {},
        |s| s.clip_value = Some(0.1),
        |s| s.decoupled_decay = Some(Decay::Relative(0.1)),
        |s| {
            s.decoupled_decay = Some(Decay::Absolute(0.01));
            (s.shrink, s.proximal_l1) = (0.999, 0.01);
            s.max_norm = Some(MaxNorm::new(1.0, Axis(0)));
        },
    ]
}

fn an_exact_step_is_the_dense_one<E: Sixteen>(gradient: &dyn Fn(u64) -> Vec<usize>) {
    for build in EXACT {
        for change in changes() {
            for rounding in ROUNDINGS {
                for (way, shape) in
                    WAYS.into_iter().zip([[40, 9], [40, 9], [7, 3], [40, 9], [30, 70]])
                {
                    let mut settings = settings(change);
                    settings.parameter_rounding = rounding;
                    let mut dense = build(settings.clone());
                    settings.untouched = Untouched::Exact;
                    let mut exact = build(settings);
                    let start: ArrayD<E> = halved(&array(&shape, 1));
                    let (mut a, mut b) =
                        (Laid::new(way, start.view()), Laid::new(way, start.view()));
                    for step in 0..8 {
                        let rows: Vec<usize> =
                            gradient(step).into_iter().map(|row| row % shape[0]).collect();
                        let values = array::<f32>(&[rows.len(), shape[1]], 30 + step);
                        let g = Rows { rows, values };
                        let whole = g.to_array(shape[0]).unwrap();
                        dense.step(&mut *E::write(&mut a), &whole).unwrap();
                        exact.step(&mut *E::write(&mut b), &g).unwrap();
                        let what = format!("{} {rounding:?} {way:?} {step}", dense.name());
                        assert_eq!(bits_of(&a), bits_of(&b), "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_exact_step_of_16_bits_is_the_dense_one() {
    let some = |step| shuffled(40, step).into_iter().take(7).chain([3, 3]).collect();
    an_exact_step_is_the_dense_one::<bf16>(&some);
    an_exact_step_is_the_dense_one::<f16>(&some);
    an_exact_step_is_the_dense_one::<bf16>(&|_| Vec::new());
}

#[test]
fn what_is_left_out_is_as_if_its_gradient_were_0() {
    for rounding in ROUNDINGS {
        let build = || {
            let sgd = Sgd::<f32>::new(0.1).decoupled_decay(Decay::Relative(0.3)).sparse(true);
            sgd.untouched(Untouched::Exact).parameter_rounding(rounding)
        };
        let start: ArrayD<bf16> = halved(&array(&[50, 60], 1));
        let (mut a, mut b) = ((start.clone(), start.clone()), (start.clone(), start.clone()));
        let (mut some, mut all) = (build(), build());
        let zeros = ArrayD::<f32>::zeros(vec![50, 60]);
        for step in 0..5 {
            let g = array::<f32>(&[50, 60], step);
            let none: Option<ArrayD<f32>> = None;
            some.step(&mut a, &(&none, &g)).unwrap();
            all.step(&mut b, &(&zeros, &g)).unwrap();
            assert_eq!(a, b);
            assert_ne!(a.0, start);
        }
    }
}

#[test]
fn steps_with_rows_of_16_bits_allocate_nothing() {
    for way in WAYS {
        for rounding in ROUNDINGS {
            let start: ArrayD<bf16> = halved(&array(&[60, 40], 1));
            let mut w = Laid::new(way, start.view());
            let mut w = w.view_mut();
            let adam = Adam::<f32>::new(0.1).clip_norm(0.5).parameter_rounding(rounding);
            let sgd = Sgd::<f32>::new(0.1).decoupled_decay(Decay::Relative(0.1));
            let sgd = sgd.untouched(Untouched::Exact).parameter_rounding(rounding);
            let both: [Box<dyn Optimizer<f32>>; 2] = [Box::new(adam), Box::new(sgd)];
            for mut optimizer in both {
                let values = array::<f32>(&[4, 40], 2).into_dimensionality::<ndarray::Ix2>();
                let g = Rows { rows: [5_usize, 1, 33, 5], values: values.unwrap() };
                optimizer.step(&mut w, &g).unwrap();
                let calls = allocations_of(|| _ = optimizer.step(&mut w, &g).unwrap());
                assert_eq!(calls, 0, "{way:?} {rounding:?} {}", optimizer.name());
            }
        }
    }
}

#[test]
fn accumulated_rows_are_their_mean() {
    let adam = Adam::<f32>::new(0.1);
    let (mut twice, mut once) = (Accumulate::new(adam.clone(), 2), adam);
    let start: ArrayD<bf16> = halved(&array(&[20, 6], 1));
    let (mut a, mut b) = (start.clone(), start);
    for step in 0..6_usize {
        let g = Rows { rows: [step, 7], values: array::<f32>(&[2, 6], step as u64) };
        assert!(twice.step(&mut a, &g).unwrap().accumulating);
        twice.step(&mut a, &g).unwrap();
        once.step(&mut b, &g).unwrap();
        assert_eq!(a, b);
    }
}
