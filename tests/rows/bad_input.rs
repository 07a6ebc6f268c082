//! What is wrong with rows is said, and nothing has changed.

use ndarray::{Array1, Array2, ArrayD, array};
use thalweg::params::Rows;
use thalweg::regularize::AdaptiveClip;
use thalweg::{Adam, ErrorKind, NonFinite, Optimizer, Params, Scalar, Sgd, catalog};

use super::support::*;

for_both_scalars!(an_error_changes_nothing);

/// A bad gradient beside a good one: the good one's leaf must stay, too.
fn an_error_changes_nothing<F: Scalar>() {
    let f = F::from_f64;
    let good = || (Array1::from_elem(3, f(1.0)), Array2::from_elem((2, 2), f(0.5)));
    let bad: Vec<(&str, Box<dyn Params<F>>)> = vec![
        ("RowOutOfRange", Box::new(Rows { rows: vec![0_usize, 4], values: good().1 })),
        ("RowOutOfRange", Box::new(Rows { rows: vec![u32::MAX, 0], values: good().1 })),
        ("RowOutOfRange", Box::new(Rows { rows: vec![usize::MAX, 0], values: good().1 })),
        ("RowsShape", Box::new(Rows { rows: vec![0_usize], values: good().1 })),
        ("RowsShape", Box::new(Rows { rows: vec![0_usize, 1, 2], values: good().1 })),
        ("RowsShape", Box::new(Rows { rows: [0_usize], values: array![[f(1.0)]] })),
        ("RowsShape", Box::new(Rows { rows: [0_usize], values: array![f(1.0)] })),
        ("RowsShape", Box::new(Rows { rows: [0_usize; 0], values: ArrayD::<F>::zeros(vec![]) })),
        (
            "NonFiniteGradient",
            Box::new(Rows { rows: [3_usize], values: array![[f(1.0), F::nan()]] }),
        ),
        (
            "NonFiniteGradient",
            Box::new(Rows {
                rows: [1_usize, 1],
                values: Array2::from_elem((2, 2), F::max_value()),
            }),
        ),
        (
            "LargeGradient",
            Box::new(Rows {
                rows: [2_usize, 2],
                values: Array2::from_elem((2, 2), F::max_value() * f(0.25)),
            }),
        ),
    ];
    for (kind, g) in &bad {
        for sparse in [false, true] {
            let mut adam = Adam::new(0.1).sparse(sparse);
            let mut w = (good().0, Array2::from_elem((4, 2), f(1.0)));
            adam.step(&mut w, &(good().0, Rows { rows: [1_usize, 2], values: good().1 })).unwrap();
            let (before, state) = (w.clone(), adam.state());
            let error = adam.step(&mut w, &(good().0, g)).unwrap_err();
            let found = format!("{:?}", error.kind());
            assert!(found.starts_with(kind), "{found} and not {kind}");
            assert!(error.to_string().contains("`1`"), "{error}");
            assert_eq!((&w, adam.steps()), (&before, 1));
            assert_eq!(adam.state(), state);
        }
    }
}

#[test]
fn the_index_of_a_bad_gradient_is_that_of_the_table() {
    let mut table = Array2::<f64>::zeros((9, 2));
    let nan = Rows { rows: [8_usize, 5], values: array![[0.0, 1.0], [f64::NAN, f64::NAN]] };
    let error = Adam::new(0.1).step(&mut table, &nan).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::NonFiniteGradient { index, .. } if *index == [5, 0]),
        "{error}"
    );
    // The values are numbers, and their sum is none.
    let sum =
        Rows { rows: [8_usize, 5, 8], values: array![[1.5e308, 0.0], [0.0, 0.0], [1.5e308, 0.0]] };
    let error = Sgd::new(0.1).step(&mut table, &sum).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::NonFiniteGradient { index, value, .. }
            if *index == [8, 0] && *value == f64::INFINITY),
        "{error}"
    );
    let mut skipping = Sgd::new(0.1).non_finite(NonFinite::Skip);
    assert!(skipping.step(&mut table, &sum).unwrap().skipped);
    assert_eq!(table, Array2::<f64>::zeros((9, 2)));
}

#[test]
fn units_along_another_axis_are_refused() {
    let mut table = Array2::<f64>::ones((4, 2));
    let g = Rows { rows: [1_usize], values: array![[1.0, 1.0]] };
    let mut sgd = Sgd::new(0.1).clip_adaptive(AdaptiveClip::new(0.1));
    let error = sgd.step(&mut table, &g).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NeedsAllRows { .. }), "{error}");
    assert_eq!(table, Array2::<f64>::ones((4, 2)));
    // An array is taken by the same optimizer.
    sgd.step(&mut table, &Array2::ones((4, 2))).unwrap();
}

#[test]
fn a_frozen_table_is_not_looked_at_and_an_empty_one_has_no_rows() {
    let mut table = Array2::<f64>::ones((4, 2));
    let beyond = Rows { rows: [9_usize], values: array![[f64::NAN, 0.0]] };
    let mut frozen = Sgd::new(0.1).group("*", |all| all.frozen(true));
    frozen.step(&mut table, &beyond).unwrap();
    let mut empty = Array2::<f64>::ones((0, 2));
    assert!(Sgd::new(0.1).step(&mut empty, &beyond).is_err());
    let none = Rows { rows: [0_usize; 0], values: Array2::<f64>::ones((0, 2)) };
    Sgd::new(0.1).step(&mut empty, &none).unwrap();
    Adam::new(0.1).step(&mut table, &none).unwrap();
    let narrow = Rows { rows: [3_usize], values: Array2::<f64>::ones((1, 0)) };
    Sgd::new(0.1).step(&mut Array2::<f64>::ones((4, 0)), &narrow).unwrap();
    Sgd::new(0.1).step(&mut Array2::<f64>::ones((1 << 60, 0)), &narrow).unwrap();
    assert_eq!(table, Array2::<f64>::ones((4, 2)));
}

#[test]
fn parameters_are_arrays() {
    let mut rows = Rows { rows: [1_usize], values: array![[1.0, 1.0]] };
    let g = rows.clone();
    let error = Sgd::new(0.1).step(&mut rows, &g).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WholeArrays { .. }), "{error}");
}

#[test]
fn rows_become_an_array() {
    let rows = Rows {
        rows: array![3_u32, 0, 3].slice_move(ndarray::s![..;-1]),
        values: array![1.0, 2.0, 4.0],
    };
    assert_eq!(rows.to_array(5).unwrap(), array![2.0, 0.0, 0.0, 5.0, 0.0]);
    assert!(matches!(
        rows.to_array(3).unwrap_err().kind(),
        ErrorKind::RowOutOfRange { row: 3, .. }
    ));
    let short = Rows { rows: [0_usize], values: array![1.0, 2.0] };
    assert!(matches!(short.to_array(3).unwrap_err().kind(), ErrorKind::RowsShape { .. }));
}

#[test]
fn rules_that_sum_over_the_tree_want_whole_arrays_and_all_leaves() {
    for entry in catalog::<f64>().iter().filter(|entry| entry.couples_leaves) {
        let settings = settings(|s| s.sparse = true);
        let (mut optimizer, mut w) = (entry.build(0.5, settings), (array![1.0, 2.0], array![3.0]));
        let rows = Rows { rows: [1_usize], values: array![0.5] };
        let error = optimizer.step_with_loss(&mut w, &(&rows, array![1.0]), 1.0).unwrap_err();
        let told = matches!(error.kind(), ErrorKind::WholeArrays { leaf } if leaf == "0");
        assert!(told, "{}: {error}", entry.name);
        let part = (Some(array![1.0, 1.0]), None::<Array1<f64>>);
        let error = optimizer.step_with_loss(&mut w, &part, 1.0).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Leaves { .. }), "{}: {error}", entry.name);
        assert_eq!((w.clone(), optimizer.steps()), ((array![1.0, 2.0], array![3.0]), 0));
        let whole = (array![0.5, 0.5], array![1.0]);
        optimizer.step_with_loss(&mut w, &whole, 1.0).unwrap();
    }
}
