//! Projections: against every support in turn, and after the steps of every rule.

use ndarray::{Array1, Array2, Axis, ShapeBuilder, array};
use thalweg::regularize::Projection;
use thalweg::train::{Lookahead, Projected};
use thalweg::{
    Adam, Average, Bounds, ErrorKind, NonFinite, Optimizer, Scalar, Settings, Sgd, catalog,
};

use super::{Model, matrix, numbers};
use crate::LOSS;

/// The nearest point of w ≥ 0, Σw = s, by trying every support. It is that of w - c as well, whatever c.
fn simplex_by_supports(w: &[f64], s: f64) -> Vec<f64> {
    let largest = w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let w: Vec<f64> = w.iter().map(|w| w - largest).collect();
    let mut best = (f64::INFINITY, vec![]);
    for support in 1_u32..1 << w.len() {
        let is_in = |i: usize| support >> i & 1 == 1;
        let chosen: f64 = (0..w.len()).filter(|&i| is_in(i)).map(|i| w[i]).sum();
        let shift = (chosen - s) / f64::from(support.count_ones());
        let x: Vec<f64> = (0..w.len()).map(|i| if is_in(i) { w[i] - shift } else { 0.0 }).collect();
        if x.iter().any(|&x| x < 0.0) {
            continue;
        }
        let distance: f64 = x.iter().zip(&w).map(|(x, w)| (x - w).powi(2)).sum();
        if distance < best.0 {
            best = (distance, x);
        }
    }
    best.1
}

fn l1_by_supports(w: &[f64], r: f64) -> Vec<f64> {
    if w.iter().map(|w| w.abs()).sum::<f64>() <= r {
        return w.to_vec();
    }
    let sizes: Vec<f64> = w.iter().map(|w| w.abs()).collect();
    let x = simplex_by_supports(&sizes, r);
    x.iter().zip(w).map(|(x, w)| x.copysign(*w)).collect()
}

/// Vectors of every kind: random, with ties, zeros, far away, one element.
fn vectors() -> Vec<Vec<f64>> {
    let mut all: Vec<Vec<f64>> =
        (1..=7).flat_map(|n| (0..8).map(move |seed| numbers(n, seed + 10 * n as u64))).collect();
    all.extend([
        vec![0.0],
        vec![-3.0],
        vec![5.0],
        vec![1.0, 1.0],
        vec![2.0, 2.0, 2.0, -2.0],
        vec![0.0, 0.0, 0.0],
        vec![-1.0, -1.0, -1.0],
        vec![1e8, 1e8 - 0.25, 3.0],
        vec![1e-9, -1e-9, 1e-12],
        vec![0.5, 0.5, 0.0, 0.0],
        vec![0.25, 0.25, 0.25, 0.25],
    ]);
    all
}

fn project(projection: Projection, w: &[f64]) -> Vec<f64> {
    let mut w = Array1::from(w.to_vec());
    projection.apply(&mut w).unwrap();
    w.to_vec()
}

#[test]
fn each_is_the_nearest_point_of_its_set() {
    for w in vectors() {
        let size = w.iter().fold(1.0_f64, |size, w| size.max(w.abs()));
        for limit in [0.1, 1.0, 2.5] {
            let near = |found: Vec<f64>, expected: Vec<f64>, what: &str| {
                let far =
                    found.iter().zip(&expected).any(|(a, b)| (a - b).abs() > 4e-16 * size * 8.0);
                assert!(!far, "{what} {limit} of {w:?}: {found:?}, not {expected:?}");
            };
            near(
                project(Projection::simplex(limit), &w),
                simplex_by_supports(&w, limit),
                "simplex",
            );
            near(project(Projection::l1_ball(limit), &w), l1_by_supports(&w, limit), "l1");
            let norm = w.iter().map(|w| w * w).sum::<f64>().sqrt();
            let part = if norm > limit { limit / norm } else { 1.0 };
            near(
                project(Projection::l2_ball(limit), &w),
                w.iter().map(|w| w * part).collect(),
                "l2",
            );
            let clamped = w.iter().map(|w| w.clamp(-limit, limit)).collect();
            near(project(Projection::linf_ball(limit), &w), clamped, "linf");
        }
        let positive = w.iter().map(|w| w.max(0.0)).collect::<Vec<_>>();
        assert_eq!(project(Projection::non_negative(), &w), positive);
    }
}

fn all(limit: f64) -> [Projection; 5] {
    [
        Projection::non_negative(),
        Projection::simplex(limit),
        Projection::l1_ball(limit),
        Projection::l2_ball(limit),
        Projection::linf_ball(limit),
    ]
}

fn idempotent<F: Scalar>(w: &[f64]) {
    for limit in [0.1, 1.0, 3.0, 1e6] {
        for projection in all(limit) {
            let mut once: Array1<F> = w.iter().map(|&w| F::from_f64(w)).collect();
            projection.apply(&mut once).unwrap();
            let mut twice = once.clone();
            projection.apply(&mut twice).unwrap();
            assert_eq!(once, twice, "{projection} in {} of {w:?}", F::NAME);
        }
    }
}

#[test]
fn a_second_time_changes_nothing() {
    for w in vectors() {
        idempotent::<f64>(&w);
        idempotent::<f32>(&w);
    }
    let long = numbers(3000, 5);
    idempotent::<f64>(&long);
    idempotent::<f32>(&long);
    // So far away that the sum is lost at first.
    let far: Vec<f64> = numbers(500, 7).iter().map(|w| w * 1e12).collect();
    idempotent::<f64>(&far);
    let sum: f64 = project(Projection::simplex(1.0), &far).iter().sum();
    assert!((sum - 1.0).abs() < 1e-12, "{sum}");
}

#[test]
fn a_layout_changes_no_bit_and_rows_are_by_the_last_axis() {
    let w = matrix(6, 5, 3);
    for projection in all(0.7) {
        for projection in [projection, projection.by_row()] {
            let mut rows = w.clone();
            projection.apply(&mut rows).unwrap();
            let mut columns = Array2::zeros((6, 5).f());
            columns.assign(&w);
            projection.apply(&mut columns).unwrap();
            assert_eq!(rows, columns, "{projection}");
            let mut reversed = w.clone();
            reversed.invert_axis(Axis(0));
            let mut expected = reversed.as_standard_layout().to_owned();
            projection.apply(&mut reversed).unwrap();
            projection.apply(&mut expected).unwrap();
            assert_eq!(reversed, expected, "{projection}");
        }
        let mut rows = w.clone();
        projection.by_row().apply(&mut rows).unwrap();
        for (row, start) in rows.rows().into_iter().zip(w.rows()) {
            assert_eq!(row.to_vec(), project(projection, &start.to_vec()), "{projection}");
        }
    }
}

#[test]
fn what_is_not_finite_is_left_and_a_limit_out_of_range_is_an_error() {
    for projection in all(1.0) {
        let mut w = array![[f64::NAN, 9.0], [5.0, -4.0]];
        projection.by_row().apply(&mut w).unwrap();
        assert!(w[[0, 0]].is_nan(), "{projection}");
        assert!(w[[1, 1]] > -4.0, "{projection}");
    }
    for limit in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for projection in &all(limit)[1..] {
            let mut w = array![5.0, -4.0];
            let error = projection.apply(&mut w).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Hyperparameter { .. }), "{error}");
            assert_eq!(w, array![5.0, -4.0]);
            let error = Projected::new(Sgd::new(0.1))
                .onto("*", *projection)
                .step(&mut w, &array![0.0, 0.0]);
            assert!(matches!(error.unwrap_err().kind(), ErrorKind::Hyperparameter { .. }));
        }
    }
}

/// Whether the model is in the sets of [`every_rule`].
fn is_inside(w: &Model) -> bool {
    let slack = 1.0 + 1e-12;
    let simplex = (w.bias.sum() - 1.0).abs() < 1e-12 && w.bias.iter().all(|&b| b >= 0.0);
    let box_ = w.weight.iter().all(|w| (-0.3..=0.4).contains(w));
    let rows = w.head.rows().into_iter().all(|row| row.mapv(f64::abs).sum() <= 0.5 * slack);
    simplex && box_ && rows
}

#[test]
fn after_every_step_of_every_rule_the_parameters_are_inside_and_so_is_their_average() {
    for entry in catalog::<f64>() {
        let mut settings = Settings::default();
        settings.average = Some(Average::ema(0.7));
        let mut optimizer = Projected::new(entry.build(0.3, settings))
            .within(Bounds::new().leaf("weight", -0.3..=0.4))
            .onto("bias", Projection::simplex(1.0))
            .onto("head", Projection::l1_ball(0.5).by_row());
        let mut w = Model::new(1);
        assert!(!is_inside(&w));
        let mut moved = false;
        for step in 0..20 {
            let before = w.clone();
            optimizer.step_with_loss(&mut w, &Model::new(50 + step), LOSS).unwrap();
            moved |= w != before;
            assert!(is_inside(&w), "{} at {step}: {w:?}", entry.name);
        }
        assert!(moved, "{}", entry.name);
        optimizer.swap_average(&mut w).unwrap();
        assert!(is_inside(&w), "the average of {}: {w:?}", entry.name);
    }
}

#[test]
fn it_is_the_rule_s_own_step_and_then_the_projection() {
    for entry in catalog::<f64>() {
        let mut plain = entry.build(0.1, Settings::default());
        let mut optimizer = Projected::new(entry.build(0.1, Settings::default()))
            .onto("weight", Projection::l2_ball(1.0))
            .within(Bounds::new().leaf("bias", ..=0.25));
        let (mut a, mut b) = (Model::new(1), Model::new(1));
        for step in 0..10 {
            let g = Model::new(80 + step);
            let infos = (
                plain.step_with_loss(&mut a, &g, LOSS).unwrap(),
                optimizer.step_with_loss(&mut b, &g, LOSS).unwrap(),
            );
            assert_eq!(infos.0, infos.1, "{}", entry.name);
            Projection::l2_ball(1.0).apply(&mut a.weight).unwrap();
            a.bias.mapv_inplace(|w| w.min(0.25));
            assert_eq!(a, b, "{} at {step}", entry.name);
        }
    }
}

#[test]
fn the_minimum_within_the_set_is_found() {
    // ‖w - a‖²/2 on the simplex: its minimum is the projection of a.
    let a = array![0.9, 0.4, -2.0, 0.3];
    let expected = simplex_by_supports(a.as_slice().unwrap(), 1.0);
    let mut w = array![0.0, 0.0, 9.0, 0.0];
    let mut optimizer = Projected::new(Sgd::new(0.3)).onto("*", Projection::simplex(1.0));
    for _ in 0..300 {
        let g = &w - &a;
        optimizer.step(&mut w, &g).unwrap();
    }
    let near = w.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-14);
    assert!(near, "{w}, not {expected:?}");
}

#[test]
fn a_frozen_leaf_and_a_skipped_step_stay_where_they_are() {
    let inner = Sgd::new(0.5).non_finite(NonFinite::Skip).group("1", |leaf| leaf.frozen(true));
    let mut optimizer = Projected::new(inner).within(Bounds::new().all(..=0.0));
    let mut w = (array![3.0], array![3.0]);
    let info = optimizer.step(&mut w, &(array![f64::NAN], array![0.0])).unwrap();
    assert!(info.skipped && w == (array![3.0], array![3.0]));
    optimizer.step(&mut w, &(array![0.0], array![0.0])).unwrap();
    assert_eq!(w, (array![0.0], array![3.0]));
}

#[test]
fn what_is_of_no_leaf_is_an_error_and_a_state_is_of_its_own_sets() {
    let mut w = array![1.0, 2.0];
    let mut wrong = Projected::new(Sgd::new(0.1)).onto("weight", Projection::non_negative());
    let error = wrong.step(&mut w, &array![1.0, 1.0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MatchesNothing { .. }), "{error}");
    let mut wrong = Projected::new(Sgd::new(0.1)).within(Bounds::new().all(1.0..=0.0));
    let error = wrong.step(&mut w, &array![1.0, 1.0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Bounds { .. }), "{error}");
    assert_eq!((w, wrong.steps()), (array![1.0, 2.0], 0));

    let build =
        |limit: f64| Projected::new(Adam::<f64>::new(0.1)).onto("*", Projection::l1_ball(limit));
    let state = build(1.0).state();
    assert!(build(1.0).load_state(&state).is_ok());
    let error = build(2.0).load_state(&state).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StateDiffers { .. }), "{error}");
    let mut other = Lookahead::new(Adam::<f64>::new(0.1));
    assert!(other.load_state(&state).is_err());
}
