//! What is refused changes nothing, and says what to do.

use half::bf16;
use ndarray::{Array2, ArrayD};
use thalweg::distributed::{DataParallel, LocalSteps, Sharded, Solo};
use thalweg::params::{Flatten, Snapshot};
use thalweg::train::{Averaged, Lookahead, Sam};
use thalweg::{
    Adam, Average, Error, ErrorKind, Momentum, NonFinite, Optimizer, Rounding, State, catalog,
};

use crate::LOSS;
use crate::laws::support::{array as numbers, settings};
use thalweg_tests_support::sixteen::halved;

fn model(seed: u64) -> Array2<bf16> {
    halved(&numbers::<f32>(&[6, 7], seed).into_dimensionality().unwrap())
}

fn assert_full(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::FullNumbers { .. }), "{error}");
    assert!(error.to_string().contains("`f32` array"), "{error}");
}

fn others() -> Vec<Box<dyn Optimizer<f32>>> {
    vec![
        Box::new(thalweg::Muon::new(0.1)),
        Box::new(thalweg::Adafactor::new(0.1)),
        Box::new(thalweg::Sm3::new(0.1)),
        Box::new(Lookahead::new(Adam::new(0.1))),
        Box::new(Averaged::new(Adam::new(0.1), Average::ema(0.9))),
        Box::new(LocalSteps::new(Adam::new(0.1), thalweg::Sgd::new(1.0), 1, Solo)),
        Box::new(DataParallel::new(thalweg::Muon::new(0.1), Solo)),
        Box::new(Sharded::new(Adam::new(0.1), Solo)),
        Box::new(thalweg::Shampoo::new(0.1)),
        Box::new(thalweg::Soap::new(0.1)),
    ]
}

#[test]
fn what_needs_full_numbers_says_so() {
    for mut optimizer in others() {
        let (mut w, before) = (model(1), optimizer.state());
        assert_full(&optimizer.step(&mut w, &model(2)).unwrap_err());
        assert_eq!(w, model(1), "{}", optimizer.name());
        assert_eq!(optimizer.state(), before, "{}", optimizer.name());
        // With parameters of `f32` it goes on; of gradients of 16 bits it takes the numbers, or says the same.
        let mut full = w.map(|w| w.to_f32());
        let (before, state) = (full.clone(), optimizer.state());
        if let Err(error) = optimizer.step(&mut full, &model(2)) {
            assert_full(&error);
            assert_eq!((full.clone(), optimizer.state()), (before, state));
            optimizer.step(&mut full, &model(2).map(|g| g.to_f32())).unwrap();
        }
        // The first step of some only looks.
        optimizer.step(&mut full, &model(3).map(|g| g.to_f32())).unwrap();
        assert_ne!(full, model(1).map(|w| w.to_f32()), "{}", optimizer.name());
    }
}

#[test]
fn the_ascent_of_sam_takes_gradients_and_no_parameters() {
    let mut sam = Sam::new(Momentum::<f32>::new(0.1), 0.05);
    let mut w = model(1);
    assert_full(&sam.ascend(&mut w, &model(2)).unwrap_err());
    assert_eq!(w, model(1));
    let (mut half, mut same) = (Sam::new(Momentum::<f32>::new(0.1), 0.05), sam);
    let full = |seed| model(seed).map(|x| x.to_f32());
    let (mut v, mut u) = (full(1), full(1));
    half.ascend(&mut v, &model(2)).unwrap();
    same.ascend(&mut u, &full(2)).unwrap();
    assert_eq!(v, u);
    half.step(&mut v, &model(3)).unwrap();
    same.step(&mut u, &full(3)).unwrap();
    assert_eq!(v, u);
}

#[test]
fn copies_and_vectors_of_them_are_refused() {
    assert_full(&Snapshot::<f32>::of(&model(1)).unwrap_err());
    assert_full(&Flatten::of::<f32>(&model(1)).unwrap_err());
    let flatten = Flatten::of(&model(1).map(|w| w.to_f32())).unwrap();
    let mut w = model(1);
    assert_full(&flatten.scatter(&[0.0; 42], &mut w).unwrap_err());
    assert_full(&flatten.gather(&w, &mut [0.0; 42]).unwrap_err());
    assert_eq!(w, model(1));
}

#[test]
fn the_average_is_read_beside_them_and_not_put_in_their_place() {
    let mut adam = Adam::<f32>::new(0.1).average(Average::ema(0.9));
    let mut w = model(1);
    adam.step(&mut w, &model(2)).unwrap();
    let (before, state) = (w.clone(), adam.state());
    assert_full(&adam.swap_average(&mut w).unwrap_err());
    assert_eq!((w, adam.state()), (before, state));
    assert!(adam.average_of("").is_some());
}

/// All or nothing, whatever is wrong.
#[test]
fn a_step_that_is_refused_changes_nothing() {
    for entry in catalog::<f32>() {
        for rounding in [Rounding::Stochastic, Rounding::Compensated] {
            let mut optimizer = entry.build(0.1, settings(|s| s.parameter_rounding = rounding));
            let mut w = (model(1), model(2).reversed_axes());
            let g = |seed| (model(seed), model(seed + 1).reversed_axes());
            for step in 3..6 {
                optimizer.step_with_loss(&mut w, &g(step), LOSS).unwrap();
            }
            let (before, state): (_, State) = (w.clone(), optimizer.state());
            for bad in [bf16::NAN, bf16::INFINITY, bf16::NEG_INFINITY] {
                let mut wrong = g(9);
                wrong.1[[3, 5]] = bad;
                let error = optimizer.step_with_loss(&mut w, &wrong, LOSS).unwrap_err();
                let ErrorKind::NonFiniteGradient { leaf, index, .. } = error.kind() else {
                    panic!("{error}");
                };
                assert_eq!((leaf.as_str(), &index[..]), ("1", &[3, 5][..]));
                let other = (model(9), model(9));
                optimizer.step_with_loss(&mut w, &other, LOSS).unwrap_err();
                assert_eq!(w, before, "{}", entry.name);
                assert_eq!(optimizer.state(), state, "{}", entry.name);
            }
        }
    }
}

#[test]
fn nan_is_kept_where_nobody_looks() {
    for rounding in [Rounding::Stochastic, Rounding::Compensated, Rounding::Nearest] {
        let mut sgd = thalweg::Sgd::<f32>::new(0.1)
            .non_finite(NonFinite::Propagate)
            .parameter_rounding(rounding);
        let mut w: ArrayD<bf16> = model(1).into_dyn();
        let mut g = model(2).into_dyn();
        (g[[1, 1]], g[[2, 2]]) = (bf16::NAN, bf16::INFINITY);
        for _ in 0..2 {
            sgd.step(&mut w, &g).unwrap();
            assert!(w[[1, 1]].is_nan(), "{rounding:?}");
            assert_eq!(w[[2, 2]], bf16::NEG_INFINITY, "{rounding:?}");
            assert_eq!(w.iter().filter(|w| !w.is_finite()).count(), 2);
        }
    }
}
