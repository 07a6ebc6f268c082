//! What they keep, and that a step allocates nothing.

use ndarray::{Array1, Array2, Axis, Slice};
use thalweg::{Adafactor, Optimizer, Scalar, Shampoo, Sm3, Soap};

use super::support::{Boxed, model};
use crate::counting::allocations_of;

#[test]
fn second_moments_are_kept_in_the_room_of_rows_and_columns() {
    let (n, m, b) = (40, 30, 7);
    let matrix = || (Array2::<f32>::ones((n, m)), Array1::<f32>::ones(b));
    let (mut w, g) = (matrix(), matrix());
    let mut adafactor = Adafactor::new(0.1);
    adafactor.step(&mut w, &g).unwrap();
    assert_eq!(adafactor.state_len(), n + m + b);
    let mut sm3 = Sm3::new(0.1).momentum(0.0);
    sm3.step(&mut w, &g).unwrap();
    assert_eq!(sm3.state_len(), n + m + b);
    let mut sm3 = Sm3::new(0.1);
    sm3.step(&mut w, &g).unwrap();
    assert_eq!(sm3.state_len(), n + m + b + n * m + b);
    // Optax factors what is large alone.
    let mut optax = Adafactor::optax(0.1);
    optax.step(&mut w, &g).unwrap();
    assert_eq!(optax.state_len(), n * m + b);
    let mut shampoo = Shampoo::new(0.1);
    shampoo.step(&mut w, &g).unwrap();
    assert_eq!(shampoo.state_len(), 2 * (n * n + m * m + b * b) + 2 * (n * m + b));
    let mut soap = Soap::new(0.1);
    soap.step(&mut w, &g).unwrap();
    assert_eq!(soap.state_len(), 2 * (n * n + m * m) + 2 * (n * m + b));
    // A stack of matrices, and a number.
    let (mut w, g) = (ndarray::Array3::<f64>::ones((5, 4, 3)), ndarray::Array3::ones((5, 4, 3)));
    let mut adafactor = Adafactor::new(0.1);
    adafactor.step(&mut w, &g).unwrap();
    assert_eq!(adafactor.state_len(), 5 * 4 + 5 * 3);
    assert_eq!(adafactor.slot("", "rows").unwrap().shape, [5, 4]);
    assert_eq!(adafactor.slot("", "columns").unwrap().shape, [5, 3]);
}

fn quiet<F: Scalar>() {
    let builds: [fn() -> Boxed<F>; 5] = [
        || Box::new(Adafactor::new(0.1).clip_norm(1.0).weight_decay(0.1)),
        || Box::new(Adafactor::paper().momentum(0.9)),
        || Box::new(Sm3::new(0.1).maximize(true)),
        || Box::new(Shampoo::new(0.1).every(7)),
        || Box::new(Soap::new(0.1).every(7)),
    ];
    for build in builds {
        let (mut w, g) = (model::<F>(1), model(2));
        let mut optimizer = build();
        let first = allocations_of(|| assert!(optimizer.step(&mut w, &g).is_ok()));
        assert!(first > 0, "the counter does not count");
        // Roots come at the seventh step of Shampoo's, a basis after the seventh but one of SOAP's.
        (0..7).for_each(|_| _ = optimizer.step(&mut w, &g).unwrap());
        for _ in 0..5 {
            let calls = allocations_of(|| assert!(optimizer.step(&mut w, &g).is_ok()));
            assert_eq!(calls, 0, "{}", optimizer.name());
        }

        let every_second = Slice::new(0, None, 2);
        let (mut w, g) = (Array2::<F>::zeros((20, 30)), Array2::ones((30, 20)));
        let mut w = w.slice_axis_mut(Axis(1), every_second);
        let mut g = g.t();
        g.invert_axis(Axis(0));
        let g = g.slice_axis(Axis(1), every_second);
        let mut optimizer = build();
        (0..8).for_each(|_| _ = optimizer.step(&mut w, &g).unwrap());
        let calls = allocations_of(|| (0..5).for_each(|_| _ = optimizer.step(&mut w, &g).unwrap()));
        assert_eq!(calls, 0, "{}", optimizer.name());
    }
}

#[test]
fn a_step_between_refreshes_allocates_nothing() {
    quiet::<f32>();
    quiet::<f64>();
}
