//! Averages of the parameters along the way.

use ndarray::{Array1, Axis, Slice};
use thalweg::regularize::MaxNorm;
use thalweg::{Adam, Average, ErrorKind, Optimizer, Sgd};

use super::{Model, assert_close, matrix, vector};

#[test]
fn the_average_is_of_the_parameters_after_each_step() {
    for (average, rate) in [
        (Average::ema(0.9), (|n| if n == 1 { 1.0 } else { 1.0 - 0.9 }) as fn(i32) -> f64),
        (Average::ema(0.9).debiased(), |n| (1.0 - 0.9) / (1.0 - 0.9_f64.powi(n))),
        (Average::ema(0.9).ramped(), |n| {
            if n == 1 { 1.0 } else { 1.0 - f64::min(0.9, f64::from(n) / f64::from(9 + n)) }
        }),
        (Average::swa(), |n| 1.0 / f64::from(n)),
    ] {
        let mut w = vector(33, 1);
        let mut adam = Adam::new(0.1).average(average.start(3).every(2));
        let mut expected: Option<Array1<f64>> = None;
        let mut n = 0;
        for step in 1..=12_u64 {
            adam.step(&mut w, &vector(33, 40 + step)).unwrap();
            if step >= 3 && step % 2 == 1 {
                n += 1;
                let before = expected.take().unwrap_or_else(|| w.clone());
                expected = Some(&before + &((&w - &before) * rate(n)));
            }
            let average = adam
                .average_of("")
                .map(|average| average.to_owned().into_dimensionality().unwrap());
            match (&average, &expected) {
                (Some(a), Some(b)) => assert_close(a.as_slice().unwrap(), b.as_slice().unwrap()),
                (a, b) => assert_eq!(a, b, "step {step}"),
            }
        }
    }
}

#[test]
fn the_parameters_do_not_notice_their_average() {
    let (mut a, mut b) = (Model::new(1), Model::new(1));
    let mut plain = Adam::new(0.1);
    let mut averaging = Adam::new(0.1).average(Average::ema(0.5));
    for step in 0..6 {
        plain.step(&mut a, &Model::new(step)).unwrap();
        averaging.step(&mut b, &Model::new(step)).unwrap();
        let kept = b.clone();
        averaging.swap_average(&mut b).unwrap();
        assert!(step == 0 || b != kept);
        averaging.swap_average(&mut b).unwrap();
        assert_eq!(b, kept);
    }
    assert_eq!(a, b);
}

#[test]
fn an_average_follows_its_parameters_into_any_layout() {
    let run = |layout: usize| {
        let mut w = matrix(6, 5, 1);
        let mut wide = ndarray::Array2::<f64>::zeros((6, 10));
        let mut adam = Adam::new(0.1).average(Average::swa());
        for step in 0..5 {
            let g = matrix(6, 5, 60 + step);
            match layout {
                1 if step % 2 == 1 => {
                    let mut f = w.t().as_standard_layout().to_owned();
                    adam.step(&mut f.view_mut().reversed_axes(), &g).unwrap();
                    w = f.t().as_standard_layout().to_owned();
                }
                2 => {
                    let mut view = wide.slice_axis_mut(Axis(1), Slice::new(0, None, -2));
                    view.assign(&w);
                    adam.step(&mut view, &g).unwrap();
                    w.assign(&view);
                }
                _ => _ = adam.step(&mut w, &g).unwrap(),
            }
        }
        adam.swap_average(&mut w).unwrap();
        w
    };
    assert_eq!(run(0), run(1));
    assert_eq!(run(0), run(2));
}

#[test]
fn a_bounded_leaf_is_averaged_within_its_bound() {
    let mut w = matrix(4, 3, 1);
    let bound = MaxNorm::whole(0.5);
    let mut sgd = Sgd::new(0.1).max_norm(bound).average(Average::swa());
    let mut sum = w.clone() * 0.0;
    for step in 0..5 {
        sgd.step(&mut w, &matrix(4, 3, 5 + step)).unwrap();
        sum += &w;
    }
    sgd.swap_average(&mut w).unwrap();
    assert_close(w.as_slice().unwrap(), (sum / 5.0).as_slice().unwrap());
}

#[test]
fn calls_out_of_turn_are_told_and_change_nothing() {
    let mut w = Model::new(1);
    let error = Sgd::new(0.1).swap_average(&mut w).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NoAverage);

    let mut sgd = Sgd::new(0.1).average(Average::ema(0.9)).group("head", |g| g.frozen(true));
    // Before its first term the average is the parameters.
    sgd.swap_average(&mut w).unwrap();
    assert_eq!(w, Model::new(1));
    assert_eq!(sgd.step(&mut w, &Model::new(2)).unwrap_err().kind(), &ErrorKind::AverageInPlace);
    sgd.swap_average(&mut w).unwrap();
    sgd.step(&mut w, &Model::new(2)).unwrap();
    sgd.step(&mut w, &Model::new(3)).unwrap();
    let mut other = vector(3, 1);
    assert!(matches!(sgd.swap_average(&mut other).unwrap_err().kind(), ErrorKind::Leaves { .. }));
    sgd.swap_average(&mut w).unwrap();
    assert_eq!(w.head, Model::new(1).head);
    assert_ne!(w.bias, Model::new(1).bias);
    let error = Sgd::new(0.1).average(Average::ema(1.0)).step(&mut w, &Model::new(2)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name: "decay", .. }));
}
