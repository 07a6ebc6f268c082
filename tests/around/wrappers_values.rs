//! Wrappers in the cases where they once were wrong: values worked out by hand.

use ndarray::{Array1, Array2, Axis, array};
use thalweg::train::{Accumulate, EarlyStopping, Lookahead, Sam};
use thalweg::{Adam, Average, ErrorKind, NonFinite, Optimizer, Params, ParamsMut, Sgd};

use super::assert_close;

type Pair = (Array1<f64>, Array1<f64>);

fn half_frozen(rate: f64) -> Sgd<f64> {
    Sgd::new(rate).group("1", |group| group.frozen(true))
}

#[test]
fn what_is_frozen_is_neither_moved_nor_counted_by_sam() {
    for bad in [4.0, 0.0, 1e300, f64::NAN, f64::INFINITY] {
        let mut w = (array![3.0], array![10.0]);
        let mut sam = Sam::new(half_frozen(0.1), 0.5);
        let g = (array![3.0], array![bad]);
        sam.ascend(&mut w, &g).unwrap();
        assert_eq!(w, (array![3.5], array![10.0]));
        sam.step(&mut w, &g).unwrap();
        assert_close(&[w.0[0], w.1[0]], &[2.7, 10.0]);
    }
    // As large a gradient of a leaf that is trained is no matter of indifference.
    let mut w = (array![3.0], array![10.0]);
    Sam::new(Sgd::new(0.1), 0.5).ascend(&mut w, &(array![3.0], array![4.0])).unwrap();
    assert_eq!(w, (array![3.3], array![10.4]));
    // Adaptive: |w|g is 9 and, frozen, anything.
    let mut w = (array![3.0], array![1e200]);
    let mut sam = Sam::new(half_frozen(0.1), 0.5).adaptive(true);
    sam.ascend(&mut w, &(array![3.0], array![1e200])).unwrap();
    assert_eq!(w, (array![4.5], array![1e200]));
}

#[test]
fn a_thawed_leaf_counts_again() {
    let mut sam = Sam::new(half_frozen(0.1), 5.0);
    let (mut w, g) = ((array![0.0], array![0.0]), (array![3.0], array![4.0]));
    sam.ascend(&mut w, &g).unwrap();
    assert_eq!(w, (array![5.0], array![0.0]));
    sam.step(&mut w, &g).unwrap();
    let sgd = sam.inner_mut();
    *sgd = std::mem::take(sgd).group("1", |group| group.frozen(false));
    let before = w.clone();
    sam.ascend(&mut w, &g).unwrap();
    assert_close(&[w.0[0] - before.0[0], w.1[0] - before.1[0]], &[3.0, 4.0]);
}

#[test]
fn a_maximized_leaf_goes_to_where_the_objective_is_lowest() {
    // J = -(w - 1)² is maximized from 3; the same training minimizes -J.
    for adaptive in [false, true] {
        let run = |sign: f64| {
            let mut w = array![3.0_f64];
            let sgd = Sgd::new(0.1).maximize(sign < 0.0);
            let mut sam = Sam::new(sgd, 0.5).adaptive(adaptive);
            for _ in 0..5 {
                let g = (&w - 1.0) * 2.0 * sign;
                sam.ascend(&mut w, &g).unwrap();
                let g = (&w - 1.0) * 2.0 * sign;
                sam.step(&mut w, &g).unwrap();
            }
            w
        };
        assert_eq!(run(-1.0), run(1.0));
    }
    let mut w = array![3.0_f64];
    let mut sam = Sam::new(Sgd::new(0.1).maximize(true), 0.5);
    sam.ascend(&mut w, &array![-4.0]).unwrap();
    assert_eq!(w, array![3.5]);
    sam.step(&mut w, &array![-5.0]).unwrap();
    assert_eq!(w, array![2.5]);
    // min over x, max over y: each goes to its own worst.
    let mut w = (array![1.0], array![1.0]);
    let sgd = Sgd::new(0.1).group("1", |group| group.maximize(true));
    Sam::new(sgd, 5.0).ascend(&mut w, &(array![3.0], array![4.0])).unwrap();
    assert_close(&[w.0[0], w.1[0]], &[4.0, -3.0]);
}

/// Where ρ·g/‖g‖ is a number, so is the point nearby, whatever the sizes of g, w and ‖g‖.
#[test]
fn the_radius_is_right_for_the_smallest_and_the_largest_gradients() {
    for g in [1e-45_f32, 1e-40, 1e-30, 1e-20, 1.0, 1e20, 2e38, f32::MAX] {
        for adaptive in [false, true] {
            let mut w = array![2.0_f32, -2.0, 0.0];
            let gradient = array![g, -g, 0.0];
            let mut sam = Sam::new(Sgd::new(0.1), 0.5).adaptive(adaptive);
            sam.ascend(&mut w, &gradient).unwrap();
            // g/‖g‖ is (1, -1)/√2; adaptive |w| = 2 goes in once more.
            let moved = 0.5 / 2.0_f32.sqrt() * if adaptive { 2.0 } else { 1.0 };
            let expected = [2.0 + moved, -2.0 - moved, 0.0];
            let close = w.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(close, "{g:e} {adaptive}: {w}");
        }
    }
    for g in [5e-324, 1e-310, 1e-200, 1e-155, 1e155, 1e300, f64::MAX] {
        for size in [1e-300, 1e-150, 1.0, 1e150] {
            let mut w = array![size, -size];
            let mut sam = Sam::new(Sgd::new(0.1), 0.5).adaptive(true);
            sam.ascend(&mut w, &array![g, -g]).unwrap();
            let expected = size * (1.0 + 0.5 / 2.0_f64.sqrt());
            assert!((w[0] / expected - 1.0).abs() < 1e-14, "{g:e} {size:e}: {w}");
            assert_eq!(w[0], -w[1]);
        }
        let mut w = array![0.0, 0.0];
        Sam::new(Sgd::new(0.1), 0.5).ascend(&mut w, &array![g, -g]).unwrap();
        let expected = 0.5 / 2.0_f64.sqrt();
        assert!((w[0] / expected - 1.0).abs() < 1e-14 && w[0] == -w[1], "{g:e}: {w}");
    }
    // Large where the other is small: |w|g is 1 for both, though no square of w or g is a number.
    let mut w = array![1e-250, 1e250];
    let mut sam = Sam::new(Sgd::new(0.1), 0.5).adaptive(true);
    sam.ascend(&mut w, &array![1e250, 1e-250]).unwrap();
    let grown = 1.0 + 0.5 / 2.0_f64.sqrt();
    assert!((w[0] / 1e-250 / grown - 1.0).abs() < 1e-14, "{w}");
    assert!((w[1] / 1e250 / grown - 1.0).abs() < 1e-14, "{w}");
}

#[test]
fn one_wrong_call_of_sam_after_a_resume_does_no_harm() {
    let (mut w, g) = (array![1.0, 2.0], array![1.0, 1.0]);
    let mut sam = Sam::new(Sgd::<f64>::new(0.1), 0.05);
    sam.ascend(&mut w, &g).unwrap();
    sam.step(&mut w, &g).unwrap();
    let mut resumed = Sam::new(Sgd::<f64>::new(0.1), 0.05);
    resumed.load_state(&sam.state()).unwrap();
    resumed.ascend(&mut array![1.0], &g).unwrap_err();
    resumed.ascend(&mut array![1.0, 2.0, 3.0], &array![1.0, f64::NAN, 1.0]).unwrap_err();
    resumed.ascend(&mut w, &g).unwrap();
}

#[test]
fn neither_sam_nor_accumulation_takes_gradients_of_the_average() {
    let in_place = |kind: &ErrorKind| matches!(kind, ErrorKind::AverageInPlace);
    let sgd = || Sgd::new(1.0).average(Average::swa());
    let mut w = array![0.0];
    let mut sam = Sam::new(sgd(), 0.5);
    sam.ascend(&mut w, &array![1.0]).unwrap();
    assert!(matches!(sam.swap_average(&mut w).unwrap_err().kind(), ErrorKind::OutOfTurn { .. }));
    sam.step(&mut w, &array![1.0]).unwrap();
    sam.swap_average(&mut w).unwrap();
    let kept = (w.clone(), sam.state());
    assert!(in_place(sam.ascend(&mut w, &array![1.0]).unwrap_err().kind()));
    assert_eq!((w.clone(), sam.state()), kept);

    let mut w = array![0.0];
    let mut accumulate = Accumulate::new(sgd(), 2);
    for _ in 0..4 {
        accumulate.step(&mut w, &array![1.0]).unwrap();
    }
    accumulate.swap_average(&mut w).unwrap();
    let error = accumulate.step(&mut w, &array![100.0]).unwrap_err();
    assert!(in_place(error.kind()), "{error}");
    accumulate.swap_average(&mut w).unwrap();
    let before = w[0];
    for _ in 0..2 {
        accumulate.step(&mut w, &array![1.0]).unwrap();
    }
    assert_eq!(w[0], before - 1.0);
}

#[test]
fn an_epoch_ends_with_a_flush() {
    let mut w = array![0.0];
    let mut sgd = Accumulate::new(Sgd::new(1.0), 4);
    assert!(sgd.flush(&mut w).unwrap().is_none());
    for g in [-1.0, -1.0, -1.0, -1.0, -2.0, -4.0] {
        sgd.step(&mut w, &array![g]).unwrap();
    }
    assert_eq!((w[0], sgd.waiting()), (1.0, 2));
    let error = sgd.flush(&mut array![0.0, 0.0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ShapeChanged { .. }), "{error}");
    assert_eq!(sgd.waiting(), 2);
    let info = sgd.flush(&mut w).unwrap().unwrap();
    assert_eq!((w[0], info.step, info.accumulating, sgd.waiting()), (4.0, 2, false, 0));
    assert!(sgd.flush(&mut w).unwrap().is_none());
    for g in [-10.0, -10.0, -10.0, -10.0] {
        sgd.step(&mut w, &array![g]).unwrap();
    }
    assert_eq!(w[0], 14.0);
}

#[test]
fn micro_batches_weigh_as_they_are_told() {
    // The mean over all examples, of the means over batches of 1 to 5 of them.
    let examples: Vec<f64> = (0..15).map(|i| (f64::from(i) * 0.7).sin()).collect();
    let (mut w, mut start) = (array![0.0], 0);
    let mut sgd = Accumulate::new(Sgd::new(1.0), 5);
    for size in [1, 2, 3, 4, 5] {
        let batch = &examples[start..start + size];
        let mean = batch.iter().sum::<f64>() / size as f64;
        sgd.step_weighted(&mut w, &array![mean], size as f64).unwrap();
        start += size;
    }
    assert_close(&[w[0]], &[-examples.iter().sum::<f64>() / 15.0]);
    let before = sgd.state();
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = sgd.step_weighted(&mut w, &array![1.0], bad).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Hyperparameter { name: "weight", .. }),
            "{error}"
        );
    }
    sgd.step_weighted(&mut w, &array![1.0], f64::MAX).unwrap();
    sgd.step_weighted(&mut w, &array![1.0], f64::MAX).unwrap_err();
    assert_eq!(sgd.waiting(), 1);
    assert_ne!(sgd.state(), before);
}

#[test]
fn the_mean_of_finite_gradients_is_finite() {
    let mut w = array![0.0_f32];
    let mut sgd = Accumulate::new(Sgd::new(1e-38), 4);
    for g in [2e38_f32, 2e38, 2e38, 2e38] {
        sgd.step(&mut w, &array![g]).unwrap();
    }
    assert!((w[0] + 2.0).abs() < 1e-6, "{w}");
    for largest in [f32::MAX, -f32::MAX] {
        let mut w = array![0.0_f32];
        let mut sgd = Accumulate::new(Sgd::new(0.0), 100);
        for i in 0..100 {
            sgd.step(&mut w, &array![if i % 3 == 0 { -largest } else { largest }]).unwrap();
        }
    }
    for weight in [1.0, 3.0, 1e-3] {
        let mut w = array![0.0_f64];
        let mut sgd = Accumulate::new(Sgd::new(1e-308), 4);
        for g in [f64::MAX, -f64::MAX, f64::MAX, f64::MAX] {
            sgd.step_weighted(&mut w, &array![g], weight).unwrap();
        }
        assert!((w[0] / (-0.5 * f64::MAX * 1e-308) - 1.0).abs() < 1e-14, "{w}");
    }
}

#[test]
fn accumulation_looks_at_no_gradient_of_what_is_frozen() {
    let nan = (array![3.0], array![f64::NAN]);
    for policy in [NonFinite::Reject, NonFinite::Skip] {
        let mut w: Pair = (array![1.0], array![2.0]);
        let mut sgd = Accumulate::new(half_frozen(1.0), 2).non_finite(policy);
        sgd.step(&mut w, &nan).unwrap();
        sgd.step(&mut w, &nan).unwrap();
        assert_eq!((w, sgd.skipped()), ((array![-2.0], array![2.0]), 0));
    }
    // Thawed amid a window, a leaf's mean is of what came since.
    let mut w: Pair = (array![0.0], array![0.0]);
    let mut sgd = Accumulate::new(half_frozen(1.0), 4);
    for _ in 0..2 {
        sgd.step(&mut w, &nan).unwrap();
    }
    let inner = sgd.inner_mut();
    *inner = std::mem::take(inner).group("1", |group| group.frozen(false));
    sgd.step(&mut w, &(array![3.0], array![1.0])).unwrap();
    sgd.step(&mut w, &(array![3.0], array![2.0])).unwrap();
    assert_eq!(w, (array![-3.0], array![-1.5]));
}

#[test]
fn accumulation_goes_on_with_another_count() {
    let mut w = array![0.0];
    let mut four = Accumulate::new(Sgd::new(1.0), 4);
    for g in [-1.0, -2.0, -3.0] {
        four.step(&mut w, &array![g]).unwrap();
    }
    for count in [1, 2, 3, 4, 6] {
        let (mut sgd, mut w) = (Accumulate::new(Sgd::new(1.0), count), w.clone());
        sgd.load_state(&four.state()).unwrap();
        assert_eq!(sgd.waiting(), 3);
        // It is saved again as it is.
        let mut again = Accumulate::new(Sgd::<f64>::new(1.0), count);
        again.load_state(&sgd.state()).unwrap();
        assert_eq!(again.state(), sgd.state());
        let calls = (1..).find(|_| !sgd.step(&mut w, &array![-6.0]).unwrap().accumulating).unwrap();
        assert_eq!(calls, count.saturating_sub(3).max(1));
        assert_close(&[w[0]], &[(6.0 + 6.0 * calls as f64) / (3.0 + calls as f64)]);
    }
}

#[test]
fn the_average_of_a_lookahead_is_of_what_its_caller_sees() {
    let average = Average::swa().start(2).every(2);
    let mut lookahead = Lookahead::new(Sgd::new(1.0).average(average)).period(2);
    let mut w = array![0.0_f64];
    for _ in 0..4 {
        lookahead.step(&mut w, &array![-1.0]).unwrap();
    }
    assert_eq!(w[0], 2.0);
    lookahead.swap_average(&mut w).unwrap();
    assert_eq!(w[0], 1.5);

    // Every kind, period and pace, and one Lookahead inside another, against the terms by hand.
    for (average, rate) in [
        (Average::ema(0.8), (|n| if n == 1 { 1.0 } else { 0.2 }) as fn(u64) -> f64),
        (Average::swa(), |n| 1.0 / n as f64),
        (Average::ema(0.8).ramped(), |n| {
            if n == 1 { 1.0 } else { 1.0 - f64::min(0.8, n as f64 / (9.0 + n as f64)) }
        }),
    ] {
        for (period, start, every) in [(1, 1, 1), (2, 1, 1), (3, 2, 1), (3, 1, 2), (4, 3, 4)] {
            let sgd = || Adam::new(0.3).average(average.start(start).every(every));
            let one = Lookahead::new(sgd()).period(period).alpha(0.7);
            let two = Lookahead::new(one.clone()).period(2).alpha(0.4);
            for mut optimizer in [Box::new(one) as Box<dyn Optimizer<f64>>, Box::new(two)] {
                let (mut w, mut mean, mut terms) = (array![1.0_f64], 0.0, 0);
                for step in 1..=13 {
                    let g = array![(step as f64 * 1.3).cos()];
                    optimizer.step(&mut w, &g).unwrap();
                    if step >= start && (step - start) % every == 0 {
                        terms += 1;
                        mean += rate(terms) * (w[0] - mean);
                    }
                    let kept = w.clone();
                    optimizer.swap_average(&mut w).unwrap();
                    let expected = if terms == 0 { kept[0] } else { mean };
                    assert_close(&[w[0]], &[expected]);
                    optimizer.swap_average(&mut w).unwrap();
                    assert_eq!(w, kept);
                }
            }
        }
    }
}

#[test]
fn slow_weights_begin_anew_where_parameters_are_set_from_outside() {
    let zero = array![0.0];
    let mut w = array![1.0];
    let mut lookahead = Lookahead::new(Sgd::new(1.0)).period(3);
    lookahead.resync(&w).unwrap();
    for _ in 0..2 {
        lookahead.step(&mut w, &zero).unwrap();
    }
    let mut early_stopping = EarlyStopping::minimize(1);
    early_stopping.observe(1.0, &array![101.0]).unwrap();
    early_stopping.restore(&mut w).unwrap();
    lookahead.resync(&w).unwrap();
    for _ in 0..7 {
        lookahead.step(&mut w, &zero).unwrap();
        assert_eq!(w[0], 101.0);
    }
    // The period is counted from there: 3 steps of 1 and half of the way back.
    lookahead.resync(&w).unwrap();
    let path = [-1.0; 3].map(|g| {
        lookahead.step(&mut w, &array![g]).unwrap();
        w[0]
    });
    assert_eq!(path, [102.0, 103.0, 102.5]);
    let error = lookahead.resync(&array![1.0, 2.0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ShapeChanged { .. }), "{error}");
    let mut averaging = Lookahead::new(Sgd::new(1.0).average(Average::swa()));
    averaging.step(&mut w, &zero).unwrap();
    averaging.swap_average(&mut w).unwrap();
    let error = averaging.resync(&w).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::AverageInPlace), "{error}");
}

#[test]
fn steps_before_a_lookahead_are_none_of_its() {
    for before in 0..9 {
        let (mut w, mut sgd) = (array![0.0], Sgd::new(1.0));
        for _ in 0..before {
            sgd.step(&mut w, &array![0.0]).unwrap();
        }
        let mut lookahead = Lookahead::new(sgd).period(4);
        let path = [-1.0; 4].map(|g| {
            lookahead.step(&mut w, &array![g]).unwrap();
            w[0]
        });
        assert_eq!(path, [1.0, 2.0, 3.0, 2.0], "{before}");
    }
}

#[test]
fn lookahead_leaves_what_is_frozen_where_it_is() {
    let mut lookahead = Lookahead::new(Sgd::new(1.0)).period(4);
    let (mut w, g) = ((array![0.0], array![0.0]), (array![-1.0], array![-1.0]));
    lookahead.step(&mut w, &g).unwrap();
    let sgd = lookahead.inner_mut();
    *sgd = std::mem::take(sgd).group("1", |group| group.frozen(true));
    for _ in 0..3 {
        lookahead.step(&mut w, &g).unwrap();
    }
    assert_eq!(w, (array![2.0], array![1.0]));
    // Set from outside while it is frozen, it stays there too.
    w.1[0] = 50.0;
    for _ in 0..8 {
        lookahead.step(&mut w, &g).unwrap();
    }
    assert_eq!(w.1[0], 50.0);
    let sgd = lookahead.inner_mut();
    *sgd = std::mem::take(sgd).group("1", |group| group.frozen(false));
    for _ in 0..4 {
        lookahead.step(&mut w, &g).unwrap();
    }
    assert_eq!(w.1[0], 52.0);
}

/// ndarray makes no copy of an empty view with strides, where its assertions are on.
#[test]
fn empty_views_are_leaves_like_others() {
    fn step(optimizer: &mut dyn Optimizer<f64>, w: &mut dyn ParamsMut<f64>, g: &dyn Params<f64>) {
        for _ in 0..3 {
            optimizer.step(w, g).unwrap();
        }
        let state = optimizer.state();
        optimizer.load_state(&state).unwrap();
        optimizer.step(w, g).unwrap();
    }
    let mut a = Array2::<f64>::zeros((1, 5));
    let (_, mut w) = a.view_mut().split_at(Axis(0), 1);
    let g = Array2::zeros((0, 5));
    step(&mut Lookahead::new(Adam::new(0.1)).period(2), &mut w, &g);
    step(&mut Accumulate::new(Adam::new(0.1), 2), &mut w, &g);
    let mut sam = Sam::new(Adam::new(0.1), 0.5);
    sam.ascend(&mut w, &g).unwrap();
    sam.step(&mut w, &g).unwrap();
    let mut early_stopping = EarlyStopping::minimize(2);
    early_stopping.observe(1.0, &w).unwrap();
    early_stopping.restore(&mut w).unwrap();

    let mut flow = thalweg::curvature::GradientFlow::new();
    for _ in 0..2 {
        assert_eq!(flow.observe(&w, &g).unwrap()[0].gradient_norm, 0.0);
    }

    let mut huge = Array2::<f32>::zeros((1 << 60, 0));
    let g = huge.clone();
    let mut lookahead = Lookahead::new(Adam::new(0.1));
    lookahead.step(&mut huge, &g).unwrap();
    let state = lookahead.state();
    lookahead.load_state(&state).unwrap();
    lookahead.step(&mut huge, &g).unwrap();
}
