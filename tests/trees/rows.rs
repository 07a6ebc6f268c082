//! Numbers and rows of numbers: each row is one leaf, and what a step makes of it is what it makes of an array.

use ndarray::{Array0, Array1, array};
use thalweg::solvers::{Lbfgs, Stop, minimize};
use thalweg::{Adam, ErrorKind, Optimizer, Params, ParamsMut, Settings, catalog};

use super::{check_both_ways, leaves};

#[test]
fn a_row_is_one_leaf_and_a_row_of_trees_is_many() {
    let one = |shape: &[usize]| vec![(String::new(), shape.to_vec())];
    let mut numbers = vec![1.0_f64, 2.0, 3.0];
    assert_eq!(leaves::<f64>(&numbers), one(&[3]));
    assert_eq!(leaves::<f64>(&[1.0_f64, 2.0]), one(&[2]));
    assert_eq!(leaves::<f64>(&&numbers[1..]), one(&[2]));
    assert_eq!(leaves::<f64>(&&mut numbers[1..]), one(&[2]));
    assert_eq!(leaves::<f64>(&numbers.clone().into_boxed_slice()), one(&[3]));
    assert_eq!(leaves::<f32>(&1.0_f32), one(&[]));
    assert_eq!(leaves::<f64>(&vec![0.0_f64; 5000]), one(&[5000]));
    assert_eq!(leaves::<f64>(&Vec::<f64>::new()), one(&[0]));

    let names = |tree: &dyn Params<f64>| super::names(tree);
    assert_eq!(names(&vec![vec![1.0], vec![2.0, 3.0]]), ["0", "1"]);
    assert_eq!(names(&[[1.0; 2]; 3]), ["0", "1", "2"]);
    assert_eq!(names(&(1.0, vec![2.0], Some(3.0))), ["0", "1", "2"]);
    let arrays = [array![1.0], array![2.0]];
    assert_eq!(names(&&arrays[..]), ["0", "1"]);
    assert_eq!(names(&vec![(array![1.0], 2.0)].into_boxed_slice()), ["0.0", "0.1"]);

    check_both_ways::<f64>(&mut numbers);
    check_both_ways::<f64>(&mut &mut numbers[..2]);
    check_both_ways::<f64>(&mut [[1.0; 2]; 3]);
    check_both_ways::<f64>(&mut (1.0, vec![2.0].into_boxed_slice()));
    check_both_ways::<f32>(&mut 1.0_f32);
    let mut arrays = arrays;
    check_both_ways::<f64>(&mut &mut arrays[..]);
}

/// Three steps; the bits of what comes of them.
fn stepped(optimizer: &mut dyn Optimizer<f64>, w: &mut dyn ParamsMut<f64>, g: &dyn Params<f64>) {
    for _ in 0..3 {
        optimizer.step_with_loss(w, g, 1.5).unwrap();
    }
}

#[test]
fn every_optimizer_treats_a_row_as_an_array() {
    for entry in catalog::<f64>() {
        let make = || {
            let mut settings = Settings::default();
            settings.clip_norm = Some(0.5);
            entry.build(0.01, settings)
        };
        for len in [0, 1, 3, 1500] {
            let start: Vec<f64> = (0..len).map(|i| (i as f64 * 1.7).sin()).collect();
            let gradient: Vec<f64> = (0..len).map(|i| (i as f64 * 0.7).cos()).collect();
            let mut expected = Array1::from(start.clone());
            stepped(&mut *make(), &mut expected, &Array1::from(gradient.clone()));
            let expected = expected.to_vec();

            let (mut vec, mut slice) = (start.clone(), start.clone());
            let mut boxed = start.clone().into_boxed_slice();
            stepped(&mut *make(), &mut vec, &gradient);
            stepped(&mut *make(), &mut &mut slice[..], &&gradient[..]);
            stepped(&mut *make(), &mut boxed, &ndarray::ArrayView1::from(&gradient));
            assert_eq!(
                (&vec, &slice, &boxed.to_vec()),
                (&expected, &expected, &expected),
                "{}",
                entry.name
            );
        }
        let mut expected = Array0::from_elem((), 0.5);
        stepped(&mut *make(), &mut expected, &Array0::from_elem((), 2.0));
        let mut number = 0.5;
        stepped(&mut *make(), &mut number, &2.0);
        assert_eq!(number, expected[()], "{}", entry.name);
        let (mut row, mut array) = ([0.5, 1.0, 2.0], array![0.5, 1.0, 2.0]);
        stepped(&mut *make(), &mut row, &[2.0, 0.0, -1.0]);
        stepped(&mut *make(), &mut array, &array![2.0, 0.0, -1.0]);
        assert_eq!(row.to_vec(), array.to_vec(), "{}", entry.name);
    }
}

#[test]
fn a_row_of_another_length_is_an_error() {
    let mut adam = Adam::new(0.1);
    let mut w = vec![1.0, 2.0];
    let error = adam.step(&mut w, &[1.0; 3]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::GradientShape { .. }), "{error}");
    adam.step(&mut w, &vec![1.0, 1.0]).unwrap();
    w.push(3.0);
    let error = adam.step(&mut w, &vec![1.0, 1.0, 1.0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ShapeChanged { .. }), "{error}");
    let error = adam.step(&mut w, &1.0).unwrap_err();
    assert!(error.to_string().contains("[3]"), "{error}");
}

#[test]
fn a_function_of_a_vec_is_minimized() {
    let mut objective = |w: &Vec<f64>| {
        let value: f64 = w.iter().map(|w| (w - 1.0).powi(4)).sum();
        (value, w.iter().map(|w| 4.0 * (w - 1.0).powi(3)).collect::<Vec<f64>>())
    };
    let mut w = vec![0.0, 3.0];
    let report = minimize(&mut Lbfgs::new(), &mut w, &mut objective, Stop::default()).unwrap();
    assert!(report.status.is_converged() && w.iter().all(|w| (w - 1.0).abs() < 1e-2), "{report}");
    let mut one = |x: &f64| ((x - 2.0).powi(2), 2.0 * (x - 2.0));
    let mut x = 0.0;
    _ = minimize(&mut Lbfgs::new(), &mut x, &mut one, Stop::default()).unwrap();
    assert!((x - 2.0_f64).abs() < 1e-6);
}
