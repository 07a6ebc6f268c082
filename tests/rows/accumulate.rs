//! Micro-batches of rows are the union of their rows, with the bits of the mean of whole arrays.

use ndarray::{Array2, ArrayD, Axis, array};
use thalweg::params::Rows;
use thalweg::train::Accumulate;
use thalweg::{Adam, ErrorKind, Momentum, NonFinite, Optimizer, Params, Scalar, Settings, Sgd};

use super::support::*;
use crate::counting::allocations_of;

for_both_scalars!(
    the_mean_of_rows_is_a_step_along_the_union,
    rules_that_rest_step_as_along_whole_arrays,
    what_waits_is_saved_and_loaded,
    rows_and_arrays_in_one_leaf_are_an_array,
);

type Gradient<F> = Rows<Vec<usize>, ArrayD<F>>;

/// Some rows, some of them twice; the same for the same seed.
fn rows<F: Scalar>(shape: &[usize], seed: u64) -> Gradient<F> {
    let count = 1 + seed as usize * 7 % shape[0];
    let rows: Vec<usize> = shuffled(shape[0], seed).into_iter().take(count).collect();
    let rows: Vec<usize> = rows.iter().chain(&rows[..count / 3]).copied().collect();
    let mut of_values = shape.to_vec();
    of_values[0] = rows.len();
    let values = array(&of_values, 100 + seed);
    Rows { rows, values }
}

/// The mean along the tree, transcribed from the docs: of n the first 2ᵏ < n are one branch.
fn mean<F: Scalar>(gradients: &[(ArrayD<F>, f64)]) -> (ArrayD<F>, f64) {
    let [(g, weight)] = gradients else {
        let (left, right) = gradients.split_at(gradients.len().next_power_of_two() / 2);
        let ((mut a, left), (b, right)) = (mean(left), mean(right));
        let share = right / (left + right);
        a.zip_mut_with(&b, |a, b| {
            let half = F::from_f64(0.5);
            *a = match share {
                0.5 => half * *a + half * *b,
                _ => F::from_f64(a.into_f64() + (b.into_f64() - a.into_f64()) * share),
            };
        });
        return (a, left + right);
    };
    (g.clone(), *weight)
}

/// The rows of any of the gradients, in order, and their means.
fn union<F: Scalar>(len: usize, gradients: &[(Gradient<F>, f64)]) -> Gradient<F> {
    let mut rows: Vec<usize> = gradients.iter().flat_map(|(g, _)| g.rows.clone()).collect();
    rows.sort_unstable();
    rows.dedup();
    let dense = gradients.iter().map(|(g, weight)| (g.to_array(len).unwrap(), *weight));
    let (mean, _) = mean(&dense.collect::<Vec<_>>());
    Rows { values: chosen(&mean, &rows), rows }
}

fn the_mean_of_rows_is_a_step_along_the_union<F: Scalar>() {
    for entry in taking_rows::<F>() {
        for settings in [Settings::default(), everything(), compact()] {
            for shape in [&[24, 5][..], &[6, 2, 3]] {
                for count in [1, 3, 5] {
                    let inner = entry.build(RATE, settings.clone());
                    let mut accumulate = Accumulate::new(inner, count);
                    let mut alone = entry.build(RATE, settings.clone());
                    let start = array::<F>(shape, 1);
                    let (mut w, mut expected) = (start.clone(), start);
                    for step in 0..3 {
                        let weight = |i: u64| if step == 2 { 1.0 + i as f64 } else { 1.0 };
                        let all: Vec<_> = (0..count)
                            .map(|i| (rows::<F>(shape, 10 * step + i), weight(i)))
                            .collect();
                        for (g, weight) in &all {
                            accumulate.step_weighted(&mut w, g, *weight).unwrap();
                        }
                        alone.step(&mut expected, &union(shape[0], &all)).unwrap();
                        let what = (entry.name, shape, count, step);
                        assert_same(w.view(), expected.view(), what);
                    }
                }
            }
        }
    }
}

fn rules_that_rest_step_as_along_whole_arrays<F: Scalar>() {
    let resting = ["Sgd", "SignSgd", "AdaGrad"];
    let mut met = 0;
    for entry in taking_rows::<F>().filter(|entry| resting.contains(&entry.title)) {
        met += 1;
        let new = || Accumulate::new(entry.build(RATE, Settings::default()), 3);
        let (mut by_rows, mut dense) = (new(), new());
        let (mut w, mut expected) = (array::<F>(&[20, 4], 1), array::<F>(&[20, 4], 1));
        for step in 0..10 {
            let g = rows::<F>(&[20, 4], step);
            by_rows.step(&mut w, &g).unwrap();
            dense.step(&mut expected, &g.to_array(20).unwrap()).unwrap();
            assert_same(w.view(), expected.view(), (entry.name, step));
        }
        by_rows.flush(&mut w).unwrap();
        dense.flush(&mut expected).unwrap();
        assert_same(w.view(), expected.view(), (entry.name, "flush"));
    }
    assert_eq!(met, 3);
}

fn what_waits_is_saved_and_loaded<F: Scalar>() {
    for waiting in 0..6 {
        let mut going_on = Accumulate::new(Momentum::new(0.1), 6);
        let mut w = (array::<F>(&[9, 4], 1), array::<F>(&[3], 2));
        type Tree<F> = (ArrayD<F>, ArrayD<F>);
        let step = |optimizer: &mut Accumulate<F, _>, w: &mut Tree<F>, step: u64| {
            let g = (rows::<F>(&[9, 4], step), array::<F>(&[3], step));
            optimizer.step(w, &g).unwrap()
        };
        (0..6 + waiting).for_each(|i| _ = step(&mut going_on, &mut w, i));
        let mut loaded = Accumulate::new(Momentum::new(0.1), 6);
        loaded.load_state(&going_on.state()).unwrap();
        assert_eq!(loaded.state(), going_on.state());
        let mut copy = w.clone();
        for i in 6 + waiting..20 {
            step(&mut going_on, &mut w, i);
            step(&mut loaded, &mut copy, i);
            assert_same(copy.0.view(), w.0.view(), (waiting, i));
            assert_same(copy.1.view(), w.1.view(), (waiting, i));
        }
    }
}

/// Whichever comes first, and whichever branch of the tree it is in.
fn rows_and_arrays_in_one_leaf_are_an_array<F: Scalar>() {
    for arrays in 1..16_u64 {
        let new = || Accumulate::new(Adam::new(0.1), 4);
        let (mut mixed, mut dense) = (new(), new());
        let (mut w, mut expected) = (array::<F>(&[9, 4], 1), array::<F>(&[9, 4], 1));
        for step in 0..8 {
            let g = rows::<F>(&[9, 4], step);
            let whole = g.to_array(9).unwrap();
            let given: &dyn Params<F> = if arrays >> (step % 4) & 1 == 1 { &whole } else { &g };
            mixed.step(&mut w, given).unwrap();
            dense.step(&mut expected, &whole).unwrap();
            assert_same(w.view(), expected.view(), (arrays, step));
        }
    }
}

#[test]
fn what_is_wrong_with_rows_is_said_at_their_own_call() {
    let good = || Rows { rows: vec![1_usize, 2], values: Array2::from_elem((2, 2), 1.0) };
    let bad = [
        ("RowOutOfRange", Rows { rows: vec![0, 4], ..good() }),
        ("RowsShape", Rows { rows: vec![0], ..good() }),
        ("NonFiniteGradient", Rows { values: array![[0.0, f64::NAN], [0.0, 0.0]], ..good() }),
        (
            "NonFiniteGradient",
            Rows { rows: vec![3, 3], values: Array2::from_elem((2, 2), f64::MAX) },
        ),
    ];
    for waiting in 0..3 {
        for (kind, g) in &bad {
            let mut accumulate = Accumulate::new(Adam::new(0.1), 3);
            let mut w = Array2::ones((4, 2));
            (0..3 + waiting).for_each(|_| _ = accumulate.step(&mut w, &good()).unwrap());
            let (before, state) = (w.clone(), accumulate.state());
            let error = accumulate.step(&mut w, g).unwrap_err();
            assert!(format!("{:?}", error.kind()).starts_with(kind), "{error}");
            assert_eq!((&w, accumulate.state()), (&before, state));
        }
    }
    let mut skipping = Accumulate::new(Sgd::new(0.1), 2).non_finite(NonFinite::Skip);
    let mut w = Array2::ones((4, 2));
    skipping.step(&mut w, &good()).unwrap();
    assert!(skipping.step(&mut w, &bad[2].1).unwrap().skipped);
    assert_eq!((skipping.waiting(), skipping.skipped()), (1, 1));
    let at =
        ErrorKind::NonFiniteGradient { leaf: String::new(), index: vec![1, 1], value: f64::NAN };
    let error = Accumulate::new(Sgd::new(0.1), 2).step(&mut w, &bad[2].1).unwrap_err();
    assert_eq!(format!("{:?}", error.kind()), format!("{at:?}"));
}

#[test]
fn rows_of_a_frozen_table_are_not_looked_at_and_do_not_count() {
    let sgd = Sgd::new(1.0).group("0", |group| group.frozen(true));
    let mut accumulate = Accumulate::new(sgd, 2);
    let mut w = (Array2::<f64>::ones((4, 1)), array![1.0]);
    let beyond = Rows { rows: [9_usize], values: array![[f64::NAN]] };
    accumulate.step(&mut w, &(&beyond, array![1.0])).unwrap();
    // It counts from the call on at which it is trained.
    let thawed = Sgd::new(1.0);
    *accumulate.inner_mut() = thawed;
    let g = Rows { rows: [3_usize], values: array![[0.25]] };
    accumulate.step(&mut w, &(&g, array![1.0])).unwrap();
    assert_eq!(w, (array![[1.0], [1.0], [1.0], [0.75]], array![0.0]));
}

#[test]
fn a_table_without_rows_and_rows_without_elements_are_taken() {
    let mut accumulate = Accumulate::new(Adam::new(0.1), 2);
    let mut w = (Array2::<f64>::ones((0, 2)), Array2::<f64>::ones((4, 0)));
    let g = || {
        let none = Rows { rows: [0_usize; 0], values: Array2::<f64>::ones((0, 2)) };
        (none, Rows { rows: [3_usize, 3], values: Array2::<f64>::ones((2, 0)) })
    };
    for _ in 0..5 {
        accumulate.step(&mut w, &g()).unwrap();
    }
    let state = accumulate.state();
    accumulate.load_state(&state).unwrap();
    accumulate.step(&mut w, &g()).unwrap();
    assert_eq!(w.1.len_of(Axis(0)), 4);
}

#[test]
fn rows_that_wait_allocate_nothing() {
    let mut accumulate = Accumulate::new(Adam::new(0.1), 4);
    let mut w = (Array2::<f64>::ones((60, 3)), array![1.0]);
    let gradients: Vec<_> = (0..4)
        .map(|i| {
            let rows: Vec<usize> = shuffled(60, i).into_iter().take(20).chain([5, 5]).collect();
            (Rows { rows, values: Array2::from_elem((22, 3), 0.5) }, array![1.0])
        })
        .collect();
    let mut round = || gradients.iter().for_each(|g| _ = accumulate.step(&mut w, g).unwrap());
    (0..4).for_each(|_| round());
    assert_eq!(allocations_of(round), 0);
}
