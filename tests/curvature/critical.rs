//! Critical points of known kinds.

use thalweg::ErrorKind;
use thalweg::curvature::{Classifier, CriticalKind, LinearOperator};
use thalweg_tests_support as optimized;

use super::planted::{Planted, rng};

fn classify(eigenvalues: Vec<f64>) -> (CriticalKind, Option<f64>) {
    let n = eigenvalues.len();
    let mut planted = Planted::new(eigenvalues, &mut rng(31));
    let point = optimized::classify(&vec![1e-9; n], &mut planted).unwrap();
    // The curvature along the escape direction.
    let along = point.escape.map(|v| {
        let mut hv = vec![0.0; n];
        planted.apply(&v, &mut hv).unwrap();
        v.iter().zip(hv).map(|(v, hv)| v * hv).sum()
    });
    (point.kind, along)
}

#[test]
fn signs_decide_what_a_point_is() {
    for n in [3, 50, 300] {
        let at = |i: usize| 1.0 + i as f64 / n as f64;
        let (kind, escape) = classify((0..n).map(at).collect());
        assert_eq!((kind, escape), (CriticalKind::Minimum, None));
        let (kind, escape) = classify((0..n).map(|i| -at(i)).collect());
        assert_eq!(kind, CriticalKind::Maximum);
        assert!((escape.unwrap() + at(n - 1)).abs() < 1e-8);
        for negative in [1, 2, n / 3, n - 1] {
            let signed = |i: usize| if i < negative { -at(i) } else { at(i) };
            let (kind, escape) = classify((0..n).map(signed).collect());
            assert_eq!(kind, CriticalKind::Saddle { negative });
            assert!((escape.unwrap() + at(negative - 1)).abs() < 1e-8);
        }
        let flat = |i: usize| if i == 0 { 0.0 } else { at(i) };
        assert_eq!(classify((0..n).map(flat).collect()).0, CriticalKind::Degenerate);
        assert_eq!(classify(vec![0.0; n]).0, CriticalKind::Degenerate);
    }
}

#[test]
fn several_copies_of_a_negative_eigenvalue_are_counted() {
    let (kind, _) = classify((0..120).map(|i| if i < 40 { -1.0 } else { 2.0 }).collect());
    assert_eq!(kind, CriticalKind::Saddle { negative: 40 });
}

#[test]
fn a_gradient_that_is_not_small_is_refused() {
    let mut planted = Planted::new(vec![1.0, 2.0], &mut rng(32));
    let error = Classifier::new().classify(&[1e-3, 0.0], &mut planted).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotStationary { norm: 1e-3, limit: 1e-6 }));
    let loose = Classifier::new().gradient_tolerance(1e-2);
    assert_eq!(loose.classify(&[1e-3, 0.0], &mut planted).unwrap().kind, CriticalKind::Minimum);
    assert!(Classifier::new().classify(&[f64::NAN, 0.0], &mut planted).is_err());
    assert!(Classifier::new().classify(&[0.0], &mut planted).is_err());
    assert!(Classifier::new().zero_tolerance(-1.0).classify(&[0.0; 2], &mut planted).is_err());
}
