//! The bound on the norm of each unit's weights.

use ndarray::{Array1, Array2, Array4, ArrayD, ArrayRef, Axis, Dimension, IxDyn, array};
use thalweg::regularize::MaxNorm;
use thalweg::{ErrorKind, Scalar};

use super::support::{Numbers, bits, in_layouts};

fn norm<F: Scalar, D: Dimension>(weights: &ArrayRef<F, D>) -> f64 {
    weights.iter().map(|w| w.into_f64().powi(2)).sum::<f64>().sqrt()
}

/// The projection written out, unit by unit.
fn projected(weight: &Array2<f64>, axis: usize, limit: f64) -> Array2<f64> {
    let mut projected = weight.clone();
    for mut unit in projected.axis_iter_mut(Axis(axis)) {
        let norm = norm(&unit);
        if norm > limit {
            unit.mapv_inplace(|w| w * limit / norm);
        }
    }
    projected
}

#[test]
fn each_unit_is_projected_and_those_within_keep_their_bits() {
    for (axis, size) in [(0, 0.3), (1, 0.2), (0, 5.0), (1, 1e-3)] {
        // More units than are summed at a time.
        let weight: Array2<f64> = Numbers::new(1).array(130, 150, size);
        let mut bounded = weight.clone();
        MaxNorm::new(2.0, Axis(axis)).apply(&mut bounded).unwrap();
        let expected = projected(&weight, axis, 2.0);
        assert!(bounded.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 2e-15 * b.abs()));
        let units = bounded.axis_iter(Axis(axis)).zip(weight.axis_iter(Axis(axis)));
        for (unit, before) in units {
            assert!(norm(&unit) <= 2.0);
            assert!(norm(&before) > 2.0 || unit == before);
        }
    }
}

#[test]
fn applying_it_again_changes_nothing() {
    fn check<F: Scalar>() {
        for seed in 0..50 {
            let mut weight: Array2<F> = Numbers::new(seed).array(40, 9, 3.0);
            for bound in [MaxNorm::new(1.1, Axis(1)), MaxNorm::whole(0.7)] {
                bound.apply(&mut weight).unwrap();
                let once = weight.clone();
                bound.apply(&mut weight).unwrap();
                assert_eq!(bits(weight.view()), bits(once.view()));
                assert!(weight.columns().into_iter().all(|unit| norm(&unit) <= 1.1));
            }
            assert!(norm(&weight) <= 0.7);
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn any_layout_gives_the_same_bits() {
    // The last two have units of more weights than are summed at a time.
    for (rows, columns) in [(70, 65), (3, 5_000), (5_000, 3)] {
        let weight: Array2<f32> = Numbers::new(2).array(rows, columns, 1.0);
        for bound in [MaxNorm::new(0.5, Axis(0)), MaxNorm::new(0.5, Axis(1)), MaxNorm::whole(3.0)] {
            let mut expected = weight.clone();
            bound.apply(&mut expected).unwrap();
            assert_ne!(expected, weight);
            in_layouts(&weight, |mut view| {
                bound.apply(&mut view).unwrap();
                assert_eq!(bits(view.view()), bits(expected.view()));
            });
        }
    }
}

#[test]
fn a_kernel_is_a_unit_over_all_its_other_axes() {
    let mut kernels = Array4::<f64>::ones((5, 2, 3, 3));
    MaxNorm::new(1.0, Axis(0)).apply(&mut kernels).unwrap();
    assert!(kernels.iter().all(|&w| (w - 18.0_f64.sqrt().recip()).abs() < 1e-15));
    let mut bias = array![0.5, -3.0, 2.0];
    MaxNorm::new(1.0, Axis(0)).apply(&mut bias).unwrap();
    assert!((&bias - &array![0.5, -1.0, 1.0]).iter().all(|d: &f64| d.abs() < 1e-15));
    let mut whole = array![3.0, 4.0];
    MaxNorm::whole(1.0).apply(&mut whole).unwrap();
    assert!((&whole - &array![0.6, 0.8]).iter().all(|d: &f64| d.abs() < 1e-15));
}

#[test]
fn zeros_stay_and_a_unit_with_a_weight_that_is_not_finite_is_left() {
    let weight = array![[0.0, f64::NAN, f64::INFINITY, 3.0], [-0.0, 9.0, 9.0, 4.0]];
    let mut bounded = weight.clone();
    MaxNorm::new(1.0, Axis(1)).apply(&mut bounded).unwrap();
    for unit in 0..3 {
        let (now, before) = (bounded.column(unit), weight.column(unit));
        assert_eq!(bits(now.insert_axis(Axis(0))), bits(before.insert_axis(Axis(0))));
    }
    assert!((norm(&bounded.column(3)) - 1.0).abs() < 1e-14);
    for bad in [f64::NAN, f64::INFINITY] {
        let mut weight = array![9.0, bad];
        MaxNorm::whole(1.0).apply(&mut weight).unwrap();
        assert!(weight[0] == 9.0 && !weight[1].is_finite());
    }
}

#[test]
fn norms_whose_squares_overflow_or_vanish_are_bounded_too() {
    let mut huge = array![[3e200_f64, 1e308], [4e200, 1e308], [0.0, 1e308], [0.0, 1e308]];
    MaxNorm::new(1.0, Axis(1)).apply(&mut huge).unwrap();
    for (w, expected) in huge.iter().zip([0.6, 0.5, 0.8, 0.5, 0.0, 0.5, 0.0, 0.5]) {
        assert!((w - expected).abs() < 1e-14, "{w} for {expected}");
    }
    let mut tiny = array![3e-200_f64, 4e-200];
    MaxNorm::whole(1e-200).apply(&mut tiny).unwrap();
    assert!((tiny[0] / 6e-201 - 1.0).abs() < 1e-14 && (tiny[1] / 8e-201 - 1.0).abs() < 1e-14);
    let mut single = array![3e38_f32, 3e38];
    MaxNorm::whole(1e38).apply(&mut single).unwrap();
    assert!((norm(&single) / 1e38 - 1.0).abs() < 1e-6);
}

#[test]
fn a_tree_is_bounded_leaf_by_leaf_and_an_error_changes_none() {
    let before = (Array2::<f64>::from_elem((2, 2), 5.0), Array1::from_elem(2, 5.0));
    let mut model = before.clone();
    let error = MaxNorm::new(1.0, Axis(1)).apply(&mut model).unwrap_err();
    assert_eq!(error.to_string(), "MaxNorm: `1` has 1 axes, counted from 0, and no axis 1");
    assert_eq!(model, before);
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-320] {
        let error = MaxNorm::whole(bad).apply(&mut array![1.0_f32]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name: "limit", .. }));
    }
    MaxNorm::new(1.0, Axis(0)).apply(&mut model).unwrap();
    assert!(model.0.rows().into_iter().all(|unit| (norm(&unit) - 1.0).abs() < 1e-14));
    assert!(model.1.iter().all(|w| (w - 1.0).abs() < 1e-14));
    for shape in [vec![0], vec![0, 3], vec![3, 0], vec![2, 0, 2]] {
        let mut empty = ArrayD::<f64>::zeros(IxDyn(&shape));
        MaxNorm::new(1.0, Axis(0)).apply(&mut empty).unwrap();
        MaxNorm::whole(1.0).apply(&mut empty).unwrap();
    }
    let mut scalar = ndarray::arr0(-3.0);
    MaxNorm::whole(1.0).apply(&mut scalar).unwrap();
    assert!((scalar[()] + 1.0_f64).abs() < 1e-14);
}
