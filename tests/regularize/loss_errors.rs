//! What the losses refuse, and that they have then written nothing.

use ndarray::{Array1, Array2, array};
use thalweg::loss::{
    accuracy, binary_cross_entropy, binary_zero_one, hinge, huber, huber_into, mean_squared_error,
    multiclass_hinge, smoothed_cross_entropy, soft_cross_entropy, softmax_cross_entropy,
    softmax_cross_entropy_into, zero_one,
};
use thalweg::{Error, ErrorKind};

fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_class_out_of_range_is_named_with_its_index() {
    let scores = Array2::<f32>::zeros((3, 4));
    assert_eq!(
        message(softmax_cross_entropy(&scores, &[0, 3, 4])),
        "softmax_cross_entropy: class 4 at index 2 is out of range; there are scores for 4 classes, counted from 0"
    );
    for result in [
        smoothed_cross_entropy(&scores, &[0, 9, 4], 0.1).map(|_| ()),
        multiclass_hinge(&scores, &[0, 9, 4]).map(|_| ()),
        zero_one(&scores, &[0, 9, 4]).map(|_| ()),
        accuracy(&scores, &[0, 9, 4]).map(|_| ()),
    ] {
        let error = result.unwrap_err();
        let ErrorKind::Class { index: 1, class: 9, classes: 4, .. } = error.kind() else {
            panic!("{error}")
        };
    }
    let nothing = Array2::<f32>::zeros((1, 0));
    assert!(matches!(
        softmax_cross_entropy(&nothing, &[0]).unwrap_err().kind(),
        ErrorKind::Class { classes: 0, .. }
    ));
}

#[test]
fn a_target_out_of_range_is_named_with_its_index() {
    let scores = Array2::<f64>::zeros((2, 2));
    assert_eq!(
        message(binary_cross_entropy(&scores, &array![[0.0, 1.0], [1.5, 2.0]])),
        "binary_cross_entropy: the target 1.5 at index [1, 0] is not allowed; it takes a number in [0, 1]"
    );
    assert_eq!(
        message(hinge(&scores, &array![[1.0, -1.0], [1.0, 0.0]])),
        "hinge: the target 0 at index [1, 1] is not allowed; it takes 1 and -1"
    );
    assert_eq!(
        message(binary_zero_one(&scores, &array![[1.0, -1.0], [0.0, 2.0]])),
        "binary_zero_one: the target 2 at index [1, 1] is not allowed; it takes 1 and either -1 or 0"
    );
    assert_eq!(
        message(soft_cross_entropy(&scores, &array![[0.5, 0.5], [0.5, 0.25]])),
        "soft_cross_entropy: the target 0.75 at index [1] is not allowed; it takes a row of \
         probabilities, which sum to 1"
    );
    let nan = array![[0.5, 0.5], [f64::NAN, 0.25]];
    for result in [soft_cross_entropy(&scores, &nan), binary_cross_entropy(&scores, &nan)] {
        let error = result.unwrap_err();
        let ErrorKind::Target { index, value, .. } = error.kind() else { panic!("{error}") };
        assert!(index == &[1, 0] && value.is_nan());
    }
}

#[test]
fn shapes_that_differ_are_named() {
    let scores = Array2::<f64>::zeros((2, 3));
    assert_eq!(
        message(softmax_cross_entropy(&scores, &[0])),
        "softmax_cross_entropy: the list of classes has shape [1] instead of [2]; nothing is broadcast"
    );
    assert_eq!(
        message(mean_squared_error(&scores, &Array2::zeros((1, 3)))),
        "mean_squared_error: the array of targets has shape [1, 3] instead of [2, 3]; nothing is broadcast"
    );
    let mut gradient = Array2::zeros((3, 2));
    assert_eq!(
        message(softmax_cross_entropy_into(&scores, &[0, 1], &mut gradient)),
        "softmax_cross_entropy: the gradient has shape [3, 2] instead of [2, 3]; nothing is broadcast"
    );
}

#[test]
fn an_empty_batch_has_no_mean() {
    let (rows, flat) = (Array2::<f64>::zeros((0, 3)), Array1::<f64>::zeros(0));
    let results = [
        softmax_cross_entropy(&rows, &[]).map(|_| ()),
        smoothed_cross_entropy(&rows, &[], 0.1).map(|_| ()),
        soft_cross_entropy(&rows, &rows).map(|_| ()),
        soft_cross_entropy(&rows.t(), &rows.t()).map(|_| ()),
        multiclass_hinge(&rows, &[]).map(|_| ()),
        zero_one(&rows, &[]).map(|_| ()),
        accuracy(&rows, &[]).map(|_| ()),
        binary_cross_entropy(&flat, &flat).map(|_| ()),
        mean_squared_error(&flat, &flat).map(|_| ()),
        huber(&flat, &flat, 1.0).map(|_| ()),
        hinge(&flat, &flat).map(|_| ()),
        binary_zero_one(&flat, &flat).map(|_| ()),
    ];
    for result in results {
        let error = result.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::EmptyBatch { .. }), "{error}");
    }
}

#[test]
fn hyperparameters_out_of_range_are_refused() {
    let s = array![[1.0, 2.0]];
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(
            smoothed_cross_entropy(&s, &[0], bad).unwrap_err().kind(),
            ErrorKind::Hyperparameter { name: "smoothing", .. }
        ));
    }
    for bad in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        assert!(matches!(
            huber(&s, &s, bad).unwrap_err().kind(),
            ErrorKind::Hyperparameter { name: "delta", .. }
        ));
    }
}

#[test]
fn an_error_has_written_nothing() {
    let before = array![[5.0, 6.0], [7.0, 8.0]];
    let mut gradient = before.clone();
    let scores = Array2::zeros((2, 2));
    softmax_cross_entropy_into(&scores, &[0, 2], &mut gradient).unwrap_err();
    huber_into(&scores, &Array2::zeros((2, 1)), 1.0, &mut gradient).unwrap_err();
    let bad = array![[0.5, 0.5], [0.5, 0.6]];
    thalweg::loss::soft_cross_entropy_into(&scores, &bad, &mut gradient).unwrap_err();
    thalweg::loss::hinge_into(&scores, &bad, &mut gradient).unwrap_err();
    assert_eq!(gradient, before);
}
