//! What cannot be answered is an error that says so.

use ndarray::{Array1, Array2, array};
use thalweg::ErrorKind;
use thalweg::curvature::{
    Condition, Dense, Fisher, Hessian, Lanczos, LinearOperator, Preconditioned, QuadraticModel,
    Restricted, operator_fn, slice_1d,
};
use thalweg::params::Flatten;

use super::planted::{Planted, rng};

fn kind<T>(result: Result<T, thalweg::Error>) -> ErrorKind {
    result.map(|_| ()).unwrap_err().kind().clone()
}

#[test]
fn an_operator_that_is_not_symmetric_is_detected() {
    for n in [2, 10, 300] {
        let mut matrix = Planted::new((0..n).map(f64::from).collect(), &mut rng(21)).matrix();
        matrix[[0, 1]] += 1e-2 * f64::from(n);
        let error = kind(Lanczos::ends(1, 1).run(&mut matrix));
        assert!(matches!(error, ErrorKind::NotSymmetric { .. }), "{n}: {error:?}");
        assert!(Dense::from_matrix(&matrix).unwrap().defect() > 1e-4);
        // Whoever expects it may allow it.
        assert!(Lanczos::ends(1, 1).symmetry(1.0).run(&mut matrix).is_ok());
    }
}

#[test]
fn a_product_that_is_not_finite_is_named() {
    for (bad, from) in [(f64::NAN, 0), (f64::INFINITY, 3), (f64::NEG_INFINITY, 7), (f64::NAN, 55)] {
        let mut calls = 0;
        let mut operator = operator_fn(500, |x: &[f64], y: &mut [f64]| {
            y.iter_mut().zip(x).enumerate().for_each(|(i, (y, x))| *y = i as f64 * x);
            if calls >= from {
                y[77] = bad;
            }
            calls += 1;
            Ok(())
        });
        let error = kind(Lanczos::ends(2, 2).tolerance(0.0).run(&mut operator));
        assert!(
            matches!(error, ErrorKind::NonFiniteProduct { index: 77, value, .. } if value.is_nan() == bad.is_nan()),
            "{error:?}"
        );
    }
    let nan = array![[1.0, f64::NAN], [f64::NAN, 1.0]];
    assert!(matches!(kind(Dense::of(nan.clone())), ErrorKind::NonFiniteProduct { .. }));
    assert!(matches!(kind(Condition::of(nan)), ErrorKind::NonFiniteProduct { .. }));
    let gradient = |_: &[f64], g: &mut [f64]| {
        g.fill(f64::NAN);
        Ok(())
    };
    let error = kind(Dense::of(Hessian::new(&[1.0, 2.0], gradient).unwrap()));
    assert!(matches!(error, ErrorKind::NonFiniteProduct { what: "the gradient", .. }));
    assert!(Hessian::new(&[f64::NAN], gradient).is_err());
    assert!(Fisher::new(array![[1.0, f64::INFINITY]]).is_err());
}

#[test]
fn no_rows_and_one_row() {
    let mut none = Array2::<f64>::zeros((0, 0));
    assert!(matches!(
        kind(Lanczos::ends(1, 0).run(&mut none)),
        ErrorKind::Hyperparameter { name: "dim", .. }
    ));
    assert!(Condition::of(&mut none).is_err());
    let dense = Dense::of(&mut none).unwrap();
    assert_eq!((dense.defect(), dense.matrix().len()), (0.0, 0));
    #[cfg(feature = "linalg")]
    assert!(dense.eigenvalues().unwrap().is_empty());

    for value in [-3.0, 0.0, 1e-200] {
        let mut one = array![[value]];
        let found = Lanczos::ends(1, 1).vectors(true).run(&mut one).unwrap();
        let close = |x: f64| (x - value).abs() <= 1e-15 * value.abs();
        assert!(close(found.lowest[0].value) && close(found.highest[0].value));
        assert!(found.converged && found.lowest[0].vector.as_ref().unwrap()[0].abs() == 1.0);
        #[cfg(feature = "linalg")]
        assert!(close(Dense::of(&mut one).unwrap().eigenvalues().unwrap()[0]));
    }
}

#[test]
fn more_eigenvalues_than_rows_and_none_are_refused() {
    let mut matrix = Array2::<f64>::eye(4);
    for lanczos in [Lanczos::ends(5, 0), Lanczos::ends(0, 5), Lanczos::largest_magnitude(5)] {
        let error = kind(lanczos.run(&mut matrix));
        assert!(matches!(error, ErrorKind::Hyperparameter { name: "eigenvalues", value: 5.0, .. }));
    }
    assert!(Lanczos::ends(0, 0).run(&mut matrix).is_err());
    assert!(Lanczos::ends(1, 0).basis(2).run(&mut Array2::<f64>::eye(9)).is_err());
    assert!(Lanczos::ends(1, 0).tolerance(f64::NAN).run(&mut matrix).is_err());
    // All of them, from both ends, of a matrix of equal eigenvalues.
    let found = Lanczos::ends(4, 4).run(&mut matrix).unwrap();
    assert!(found.lowest.iter().chain(&found.highest).all(|pair| pair.value == 1.0));
    let zero = Lanczos::ends(2, 2).run(&mut Array2::<f64>::zeros((5, 5))).unwrap();
    assert!(zero.highest.iter().all(|pair| pair.value == 0.0 && pair.bound == 0.0));
}

#[test]
fn counts_of_eigenvalues_that_overflow_are_refused() {
    let refused = |lanczos: Lanczos| {
        let found = kind(lanczos.run(&mut Array2::<f64>::eye(5)));
        assert!(matches!(found, ErrorKind::Hyperparameter { .. }), "{found:?}");
    };
    let most = usize::MAX;
    for (low, high) in [(most, 1), (1, most), (most, most), (most / 2 + 1, most / 2 + 1), (6, 0)] {
        refused(Lanczos::ends(low, high));
    }
    refused(Lanczos::largest_magnitude(most));
    let whole = Lanczos::ends(1, 1).basis(most).max_products(most);
    assert!(whole.run(&mut Array2::<f64>::eye(5)).is_ok());
}

#[test]
fn an_operator_that_changes_between_calls_is_detected() {
    for when in [1, 2, 20, 39] {
        let mut calls = 0;
        let mut operator = operator_fn(400, |x: &[f64], y: &mut [f64]| {
            // Another batch from a certain call on: symmetric all the same.
            let shift = if calls < when { 0.0 } else { 3.0 };
            y.iter_mut().zip(x).enumerate().for_each(|(i, (y, x))| *y = (i as f64 + shift) * x);
            calls += 1;
            Ok(())
        });
        let error = kind(Lanczos::ends(1, 1).max_products(40).run(&mut operator));
        assert!(matches!(error, ErrorKind::OperatorChanged { .. }), "{when}: {error:?}");
    }
}

#[test]
fn an_error_of_the_operator_is_handed_through() {
    let error = thalweg::Error::hyperparameter("mine", "batch", 0.0, "a batch");
    let mut operator = operator_fn(3, |_: &[f64], _: &mut [f64]| Err(error.clone()));
    assert_eq!(Lanczos::ends(1, 1).run(&mut operator).unwrap_err(), error);
    assert_eq!(Dense::of(&mut operator).unwrap_err(), error);
}

#[test]
fn sizes_that_differ_are_refused() {
    let size = |kind: ErrorKind| matches!(kind, ErrorKind::Size { .. });
    let wide = Array2::<f64>::zeros((2, 3));
    assert!(size(kind(Lanczos::ends(1, 0).run(&mut wide.clone()))));
    assert!(size(kind(Dense::from_matrix(&wide))));
    let square = Array2::<f64>::eye(3);
    assert!(size(kind(Lanczos::ends(1, 0).run_from(&mut square.clone(), &[1.0]))));
    assert!(size(kind(Preconditioned::new(square.clone(), &[1.0]))));
    assert!(size(kind(QuadraticModel::new(0.0, &[1.0], square.clone()))));
    assert!(size(kind(slice_1d(&[1.0], &[1.0, 2.0], &[0.0], |_: &[f64]| 0.0))));
    let flatten = Flatten::of::<f64>(&(Array1::zeros(1), Array1::zeros(2))).unwrap();
    assert!(size(kind(Restricted::to_leaves(Array2::<f64>::eye(4), &flatten, &["0"]))));
    let unknown = kind(Restricted::to_leaves(square.clone(), &flatten, &["layer"]));
    assert!(matches!(unknown, ErrorKind::UnknownLeaf { leaf, .. } if leaf == "layer"));
    assert!(Restricted::new(square.clone(), vec![0..2, 1..3]).is_err());
    #[allow(clippy::reversed_empty_ranges, clippy::single_range_in_vec_init)]
    let reversed = Restricted::new(square.clone(), vec![2..1]);
    assert!(reversed.is_err());
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Preconditioned::new(square.clone(), &[1.0, bad, 1.0]).is_err());
    }
    for start in [[0.0; 3], [f64::NAN; 3]] {
        assert!(Lanczos::ends(1, 0).run_from(&mut square.clone(), &start).is_err());
    }
    let mut y = [0.0; 3];
    assert!(
        Hessian::new(&[0.0; 3], |_: &[f64], _: &mut [f64]| Ok(()))
            .unwrap()
            .apply(&[1.0], &mut y)
            .is_err()
    );
}
