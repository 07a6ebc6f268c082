//! Optimizers around an optimizer.

use ndarray::{Array1, array};
use thalweg::train::{Accumulate, Lookahead, Sam};
use thalweg::{Adam, ErrorKind, Momentum, NonFinite, Optimizer, Sgd};

use super::{Model, assert_close, vector};

#[test]
fn accumulated_gradients_are_a_step_along_their_mean() {
    let (mut a, mut b) = (vector(20, 1), vector(20, 1));
    let mut accumulating = Accumulate::new(Adam::new(0.1).clip_norm(1.0), 3);
    let mut adam = Adam::new(0.1).clip_norm(1.0);
    for step in 0..4 {
        let grads: Vec<_> = (0..3).map(|i| vector(20, 10 * step + i)).collect();
        let kept = a.clone();
        for (i, g) in grads.iter().enumerate() {
            let info = accumulating.step(&mut a, g).unwrap();
            assert_eq!((info.accumulating, info.grad_norm.is_some()), (i < 2, i == 2));
            assert_eq!(a == kept, i < 2);
        }
        adam.step(&mut b, &((&grads[0] + &grads[1] + &grads[2]) / 3.0)).unwrap();
        assert_close(a.as_slice().unwrap(), b.as_slice().unwrap());
    }
    assert_eq!((accumulating.steps(), accumulating.waiting()), (4, 0));
}

#[test]
fn a_bad_gradient_is_not_accumulated() {
    let (mut a, mut b) = (array![0.0, 0.0], array![0.0, 0.0]);
    let bad = array![1.0, f64::NAN];
    let mut accumulating = Accumulate::new(Sgd::new(1.0), 2);
    accumulating.step(&mut a, &array![1.0, 2.0]).unwrap();
    let error = accumulating.step(&mut a, &bad).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NonFiniteGradient { .. }));
    assert!(accumulating.step(&mut a, &array![1.0]).is_err());
    assert!(accumulating.step(&mut array![1.0], &array![1.0]).is_err());
    assert_eq!(accumulating.waiting(), 1);
    accumulating.step(&mut a, &array![3.0, 4.0]).unwrap();
    assert_eq!(a, array![-2.0, -3.0]);

    let mut skipping = Accumulate::new(Sgd::new(1.0), 2).non_finite(NonFinite::Skip);
    skipping.step(&mut b, &array![1.0, 2.0]).unwrap();
    assert!(skipping.step(&mut b, &bad).unwrap().skipped);
    skipping.step(&mut b, &array![3.0, 4.0]).unwrap();
    assert_eq!((a, skipping.skipped()), (b, 1));
    assert!(Accumulate::<f64, _>::new(Sgd::new(1.0), 0).validate().is_err());
}

#[test]
fn lookahead_goes_a_part_of_the_way_back() {
    let (mut w, mut slow) = (vector(9, 1).to_vec(), vector(9, 1).to_vec());
    let mut velocity = [0.0; 9];
    let mut ours = vector(9, 1);
    let mut lookahead = Lookahead::new(Momentum::new(0.1)).alpha(0.3).period(4);
    for step in 1..=13 {
        let g = vector(9, step);
        for i in 0..9 {
            velocity[i] = 0.9 * velocity[i] - 0.1 * g[i];
            w[i] += velocity[i];
            if step % 4 == 0 {
                slow[i] += 0.3 * (w[i] - slow[i]);
                w[i] = slow[i];
            }
        }
        lookahead.step(&mut ours, &g).unwrap();
        assert_close(ours.as_slice().unwrap(), &w);
    }
    let kept = lookahead.slow().unwrap().leaf("").unwrap().to_owned();
    assert_close(kept.as_slice().unwrap(), &slow);
    assert!(Lookahead::<f64, _>::new(Sgd::new(0.1)).alpha(1.5).validate().is_err());
    assert!(Lookahead::<f64, _>::new(Sgd::new(0.1)).period(0).validate().is_err());
}

#[test]
fn sam_steps_along_the_gradient_of_the_worst_point_nearby() {
    let gradient = |w: &Array1<f64>| w.mapv(|w| w.powi(3) - w);
    for (adaptive, eta) in [(false, 0.0), (true, 0.0), (true, 0.01), (true, 0.5), (false, 0.5)] {
        let (mut w, mut ours) = (vector(7, 3), vector(7, 3));
        (w[2], ours[2]) = (0.0, 0.0);
        let mut sam = Sam::new(Sgd::new(0.05), 0.3).adaptive(adaptive).eta(eta);
        for _ in 0..10 {
            let g = gradient(&w);
            let size = if adaptive { w.mapv(f64::abs) + eta } else { &w * 0.0 + 1.0 };
            let scaled = &g * &size;
            let n = scaled.dot(&scaled).sqrt();
            let there = &w + &(&size * &size * &g * (0.3 / n));
            w = &w - &(gradient(&there) * 0.05);

            let g = gradient(&ours);
            sam.ascend(&mut ours, &g).unwrap();
            let g = gradient(&ours);
            sam.step(&mut ours, &g).unwrap();
            assert_close(ours.as_slice().unwrap(), w.as_slice().unwrap());
        }
    }
    assert!(Sam::<f64, _>::new(Sgd::new(0.1), 0.5).eta(-0.1).validate().is_err());
    let with = |eta| Sam::<f64, _>::new(Sgd::new(0.1), 0.5).adaptive(true).eta(eta);
    for (saved, here, fits) in
        [(0.0, 0.0, true), (0.1, 0.1, true), (0.1, 0.0, false), (0.0, 0.1, false)]
    {
        assert_eq!(with(here).load_state(&with(saved).state()).is_ok(), fits, "{saved} {here}");
    }
}

#[test]
fn the_phases_of_sam_keep_their_turn_and_their_place() {
    let (mut w, g) = (Model::new(1), Model::new(2));
    let mut sam = Sam::new(Adam::new(0.1), 0.5);
    let out_of_turn = |kind: &ErrorKind| matches!(kind, ErrorKind::OutOfTurn { .. });
    assert!(out_of_turn(sam.step(&mut w, &g).unwrap_err().kind()));
    sam.ascend(&mut w, &g).unwrap();
    let there = w.clone();
    assert!(out_of_turn(sam.ascend(&mut w, &g).unwrap_err().kind()));
    let mut bad = g.clone();
    bad.bias[1] = f64::INFINITY;
    assert!(sam.step(&mut w, &bad).is_err());
    assert!(sam.step(&mut w, &vector(3, 1)).is_err());
    assert_eq!((&w, sam.ascended()), (&there, true));
    sam.abandon(&mut w).unwrap();
    assert_eq!((&w, sam.ascended()), (&Model::new(1), false));
    assert!(sam.ascend(&mut w, &bad).is_err());
    assert_eq!(w, Model::new(1));
    // A zero gradient has no worst point; a huge and a tiny one have.
    let mut v = array![1.0, 2.0];
    let mut sam = Sam::new(Sgd::new(0.1), 0.5);
    for g in [array![0.0, 0.0], array![3e200, 4e200], array![3e-200, 4e-200]] {
        sam.ascend(&mut v, &g).unwrap();
        let expected = if g[0] == 0.0 { [1.0, 2.0] } else { [1.3, 2.4] };
        assert_close(v.as_slice().unwrap(), &expected);
        sam.abandon(&mut v).unwrap();
    }
}

#[test]
fn wrappers_nest_and_are_objects() {
    let mut optimizer: Box<dyn Optimizer<f64>> =
        Box::new(Accumulate::new(Lookahead::new(Sgd::new(0.5)).period(2), 2));
    let mut w = array![0.0];
    for _ in 0..4 {
        optimizer.step(&mut w, &array![-1.0]).unwrap();
    }
    assert_eq!((w[0], optimizer.steps()), (0.5, 2));
}

/// w² and SAM by hand: the point nearby is w + ρ·sign(w), a step takes 2α times that off w.
#[test]
fn sam_may_be_inside_other_wrappers_which_hand_its_phases_on() {
    let (alpha, rho) = (0.125, 0.5);
    let by_hand = |w: f64, gradients: f64| w - alpha * 2.0 * gradients * (w + rho);
    let mut lookahead = Lookahead::new(Sam::new(Sgd::new(alpha), rho)).period(2);
    let (mut w, mut expected) = (array![4.0], 4.0);
    for _ in 0..3 {
        let start = expected;
        for _ in 0..2 {
            let g = &w * 2.0;
            lookahead.ascend(&mut w, &g).unwrap();
            assert_close(&[w[0]], &[expected + rho]);
            let g = &w * 2.0;
            lookahead.step(&mut w, &g).unwrap();
            expected = by_hand(expected, 1.0);
            if lookahead.steps() % 2 == 0 {
                expected = start + 0.5 * (expected - start);
            }
            assert_close(&[w[0]], &[expected]);
        }
    }
    // The gradients of a window are all taken at the one point.
    let mut accumulate: Box<dyn Optimizer<f64>> =
        Box::new(Accumulate::new(Sam::new(Sgd::new(alpha), rho), 2));
    let mut w = array![4.0];
    let unready = |kind: &ErrorKind| matches!(kind, ErrorKind::OutOfTurn { .. });
    assert!(unready(accumulate.step(&mut w, &array![8.0]).unwrap_err().kind()));
    accumulate.ascend(&mut w, &array![8.0]).unwrap();
    for factor in [1.0, 3.0] {
        assert_eq!(accumulate.has_ascended(), Some(true));
        let g = &w * (2.0 * factor);
        accumulate.step(&mut w, &g).unwrap();
    }
    assert_close(&[w[0]], &[by_hand(4.0, 2.0)]);
    assert_eq!(accumulate.has_ascended(), Some(false));
}

#[test]
fn phases_where_there_are_none_or_in_the_wrong_place_are_told() {
    let (mut w, g) = (array![1.0], array![1.0]);
    let mut adam: Box<dyn Optimizer<f64>> = Box::new(Lookahead::new(Adam::new(0.1)));
    assert_eq!(adam.has_ascended(), None);
    let error = adam.ascend(&mut w, &g).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
    // Two of them would each wait for the other.
    let mut twice = Sam::new(Sam::new(Sgd::new(0.1), 0.5), 0.5);
    let error = twice.ascend(&mut w, &g).unwrap_err();
    assert!(error.to_string().contains("one of them is enough"), "{error}");
    // Slow weights that begin at the point nearby would begin beside the parameters.
    let mut lookahead = Lookahead::new(Sam::new(Sgd::new(0.1), 0.5));
    lookahead.inner_mut().ascend(&mut w, &g).unwrap();
    let error = lookahead.step(&mut w, &g).unwrap_err();
    assert!(error.to_string().contains("`ascend` is the `Lookahead`'s to call"), "{error}");
    lookahead.inner_mut().abandon(&mut w).unwrap();
    lookahead.ascend(&mut w, &g).unwrap();
    lookahead.step(&mut w, &g).unwrap();
}

#[test]
fn a_reset_at_the_point_nearby_keeps_the_way_back() {
    let ascended = || {
        let (mut w, g) = (array![1.0], array![1.0]);
        let mut sam = Sam::new(Momentum::new(0.5), 0.5);
        for _ in 0..3 {
            sam.ascend(&mut w, &g).unwrap();
            sam.step(&mut w, &g).unwrap();
        }
        let home = w.clone();
        sam.ascend(&mut w, &g).unwrap();
        assert_eq!(w, &home + 0.5);
        sam.reset();
        assert_eq!(sam.steps(), 0);
        (sam, w, home)
    };
    let (mut sam, mut w, home) = ascended();
    sam.abandon(&mut w).unwrap();
    assert_eq!(w, home);
    // A step is the first one: its momentum is none.
    let (mut sam, mut w, home) = ascended();
    sam.step(&mut w, &array![1.0]).unwrap();
    assert_eq!((w, sam.steps()), (home - 0.5, 1));
}
