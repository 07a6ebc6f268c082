//! Shapes with axes of length 1 or 0, and without axes.

use ndarray::{Array2, Array3, ArrayD, ShapeBuilder, arr0, s};
use thalweg::{Adam, ErrorKind, Optimizer, Scalar, Settings, catalog};

use super::support::*;

fn check_shape<F: Scalar>(shape: &[usize]) {
    for entry in catalog::<F>() {
        for settings in [Settings::default(), clipped()] {
            let run = Run::new(entry, &settings, shape);
            let all = layouts(shape.len());
            for w in &all {
                for g in &all {
                    run.check(|_| (w.clone(), g.clone()));
                }
            }
            run.check(|step| {
                (all[step % all.len()].clone(), all[(2 * step + 1) % all.len()].clone())
            });
        }
    }
}

fn axes_of_length_one_change_nothing<F: Scalar>() {
    for shape in
        [&[1][..], &[1, 1], &[1, 5], &[5, 1], &[1, 1, 7], &[3, 1, 4], &[1, 4, 1], &[2, 1, 3, 1]]
    {
        check_shape::<F>(shape);
    }
}

fn a_leaf_of_rank_zero_is_a_leaf<F: Scalar>() {
    check_shape::<F>(&[]);
    for entry in catalog::<F>() {
        let (mut scalar, mut vector) = (arr0(F::one()), ArrayD::from_elem(vec![1], F::one()));
        let g = F::from_f64(0.3);
        let (mut a, mut b) = (entry.build(RATE, penalized()), entry.build(RATE, penalized()));
        for _ in 0..STEPS {
            a.step_with_loss(&mut scalar, &arr0(g), LOSS).unwrap();
            b.step_with_loss(&mut vector, &ArrayD::from_elem(vec![1], g), LOSS).unwrap();
        }
        assert_eq!(bits(scalar[()]), bits(vector[0]), "{}", entry.name);
        assert_ne!(scalar[()], F::one());
    }
}

const EMPTY: [&[usize]; 12] = [
    &[0, 0, 3],
    &[0],
    &[0, 3],
    &[3, 0],
    &[0, 0],
    &[1, 0],
    &[0, 1],
    &[0, 2, 3],
    &[2, 0, 3],
    &[2, 3, 0],
    &[2, 0, 3, 2],
    &[0, 2, 3, 2],
];

fn check_empty<F: Scalar>() {
    EMPTY.iter().for_each(|shape| check_shape::<F>(shape));
}

#[test]
fn empty_leaves_of_every_layout_take_steps() {
    in_its_own_process("shapes::empty_leaves_of_every_layout_take_steps", || {
        check_empty::<f32>();
        check_empty::<f64>();
    });
}

#[test]
fn an_empty_first_axis_in_another_order_takes_a_step() {
    in_its_own_process("shapes::an_empty_first_axis_in_another_order_takes_a_step", || {
        let mut w = Array3::<f64>::zeros((0, 2, 3));
        let g = Array3::<f64>::zeros(ShapeBuilder::f((5, 2, 3)));
        Adam::new(0.1).step_with_loss(&mut w, &g.slice(s![..0, .., ..]), LOSS).unwrap();
    });
}

#[test]
fn empty_axes_in_another_order_take_a_step() {
    let mut w = Array3::<f64>::zeros((0, 0, 3));
    let g = Array3::<f64>::zeros((2, 2, 3));
    Adam::new(0.1).step(&mut w, &g.slice(s![..0, ..0, ..;-1])).unwrap();
}

#[test]
fn an_empty_gradient_may_be_a_broadcast_view() {
    let mut w = Array3::<f64>::zeros((2, 0, 3));
    let g = Array2::<f64>::zeros((2, 3));
    let g = g.slice(s![..0, ..;-1]);
    Adam::new(0.1).step_with_loss(&mut w, &g.broadcast((2, 0, 3)).unwrap(), LOSS).unwrap();
}

fn an_empty_leaf_beside_others_changes_nothing<F: Scalar>() {
    for entry in catalog::<F>() {
        let run = Run::new(entry, &clipped(), &[4, 5]);
        let mut w = (Array2::<F>::zeros((0, 4)), run.start.clone(), Array2::<F>::zeros((7, 0)));
        let mut optimizer = run.optimizer();
        for (g, (expected, info)) in run.gradients.iter().zip(&run.expected) {
            let g = (Array2::<F>::zeros((0, 4)), g, Array2::<F>::zeros((7, 0)));
            assert_eq!(optimizer.step_with_loss(&mut w, &g, LOSS).unwrap(), *info);
            assert_same(w.1.view(), expected.view(), entry.name);
        }
    }
}

fn nothing_is_broadcast_into_a_parameter<F: Scalar>() {
    for entry in catalog::<F>() {
        let mut optimizer = entry.build(RATE, Settings::default());
        for later in [false, true] {
            let before = array::<F>(&[3, 4], 1);
            for shape in [&[4][..], &[1, 4], &[3, 1], &[1, 1], &[], &[4, 3], &[12], &[3, 4, 1]] {
                let mut w = before.clone();
                let error =
                    optimizer.step_with_loss(&mut w, &array::<F>(shape, 2), LOSS).unwrap_err();
                assert!(
                    matches!(error.kind(), ErrorKind::GradientShape { leaf, parameter, gradient }
                        if leaf.is_empty() && parameter == &[3, 4] && gradient == shape),
                    "{error}"
                );
                assert!(error.to_string().contains("[3, 4]"));
                assert!(error.to_string().contains(&format!("{shape:?}")));
                assert_same(w.view(), before.view(), entry.name);
            }
            if !later {
                optimizer
                    .step_with_loss(&mut before.clone(), &array::<F>(&[3, 4], 2), LOSS)
                    .unwrap();
            }
        }
    }
}

for_both_scalars!(
    axes_of_length_one_change_nothing,
    a_leaf_of_rank_zero_is_a_leaf,
    an_empty_leaf_beside_others_changes_nothing,
    nothing_is_broadcast_into_a_parameter,
);
