//! What stands around an optimizer takes rows, or says what to do.

use ndarray::{Array2, ArrayD, array};
use thalweg::distributed::{DataParallel, LocalSteps, Sharded, Solo};
use thalweg::params::{Flatten, Rows, Snapshot};
use thalweg::regularize::Projection;
use thalweg::train::{Accumulate, Lookahead, Projected, Sam};
use thalweg::{ErrorKind, Lbfgs, Momentum, Muon, Optimizer, Params, Sgd};

use super::support::*;

fn rows(step: u64) -> Rows<Vec<usize>, Array2<f64>> {
    let rows: Vec<usize> = shuffled(8, step).into_iter().take(3).collect();
    let values = array(&[3, 4], 20 + step).into_dimensionality().unwrap();
    Rows { rows, values }
}

/// Those that hand gradients on do what they do to all rows of which the optimizer inside moves some.
#[test]
fn what_hands_gradients_on_takes_rows() {
    type Build = fn() -> Box<dyn Optimizer<f64>>;
    let all: [(Build, &str); 3] = [
        (|| Box::new(Lookahead::new(Sgd::new(0.1)).period(2)), "Lookahead"),
        (
            || Box::new(Projected::new(Sgd::new(0.1)).onto("*", Projection::l2_ball(1.0))),
            "Projected",
        ),
        (|| Box::new(LocalSteps::new(Sgd::new(0.1), Sgd::new(1.0), 2, Solo)), "LocalSteps"),
    ];
    for (build, name) in all {
        let (mut by_rows, mut dense) = (build(), build());
        let start = array::<f64>(&[8, 4], 1);
        let (mut a, mut b) = (start.clone(), start);
        for step in 0..6 {
            let g = rows(step);
            by_rows.step(&mut a, &g).unwrap();
            dense.step(&mut b, &g.to_array(8).unwrap()).unwrap();
            assert_same(a.view(), b.view(), (name, step));
        }
    }
}

#[test]
fn what_needs_whole_arrays_refuses_rows_and_changes_nothing() {
    let all: Vec<Box<dyn Optimizer<f64>>> = vec![
        Box::new(Accumulate::new(Muon::new(0.1), 1)),
        Box::new(DataParallel::new(Muon::new(0.1), Solo)),
        Box::new(Sharded::new(Muon::new(0.1), Solo)),
        Box::new(Muon::new(0.1)),
        Box::new(Lbfgs::new()),
    ];
    for mut optimizer in all {
        let mut w = array::<f64>(&[8, 4], 1);
        // A first step, and one after others.
        for warm in [false, true] {
            if warm {
                optimizer.step(&mut w, &array::<f64>(&[8, 4], 2)).unwrap();
            }
            let (before, state) = (w.clone(), optimizer.state());
            // As many rows as there are is no whole array.
            let as_many = Rows { rows: shuffled(8, 3), values: array::<f64>(&[8, 4], 4) };
            let some: [&dyn Params<f64>; 2] = [&rows(1), &as_many];
            for g in some {
                let error = optimizer.step(&mut w, g).unwrap_err();
                let kind = matches!(error.kind(), ErrorKind::WholeArrays { .. });
                assert!(kind, "{}: {error}", optimizer.name());
                assert_eq!(w, before);
                assert_eq!(optimizer.state(), state, "{}", optimizer.name());
            }
        }
        let dense = rows(1).to_array(8).unwrap();
        optimizer.step(&mut w, &dense).unwrap();
    }
    let mut sam = Sam::new(Momentum::new(0.1), 0.1);
    let mut w: ArrayD<f64> = array(&[8, 4], 1);
    let before = w.clone();
    let error = sam.ascend(&mut w, &rows(1)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WholeArrays { .. }), "{error}");
    assert_eq!(w, before);
}

#[test]
fn a_tree_with_rows_is_no_tree_of_arrays() {
    let tree = (array![1.0], rows(1));
    let refused = [
        Flatten::of::<f64>(&tree).map(|_| ()).unwrap_err(),
        Snapshot::<f64>::of(&tree).map(|_| ()).unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error.kind(), ErrorKind::WholeArrays { leaf } if leaf == "1"), "{error}");
    }
}
