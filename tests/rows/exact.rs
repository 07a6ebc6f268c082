//! What is exact is the dense step, and what cannot be says why.

use ndarray::{Array2, array};
use thalweg::params::Rows;
use thalweg::regularize::{AdaptiveClip, Decay, MaxNorm, Penalty};
use thalweg::{
    AdaGrad, Average, ErrorKind, Ftrl, Optimizer, Scalar, Schedule, Settings, Sgd, SignSgd,
    Untouched,
};

use super::support::*;

for_both_scalars!(
    an_exact_step_is_the_dense_one,
    decay_reaches_every_row_in_any_layout,
    who_is_not_exact_moves_without_a_gradient,
);

fn check<F: Scalar>(make: fn() -> Box<dyn Typed<F>>) {
    let decaying = || Schedule::from(|s: u64| 0.1 / (s as f64).sqrt());
    let around: [fn(&mut Settings); 8] = [
        |_| {},
        |s| s.clip_norm = Some(0.5),
        |s| s.clip_value = Some(0.1),
        |s| s.maximize = true,
        |s| s.decoupled_decay = Some(Decay::Relative(0.1)),
        |s| s.shrink = 0.99,
        |s| s.proximal_l1 = 0.01,
        |s| {
            s.decoupled_decay = Some(Decay::Absolute(0.01));
            s.shrink = 0.999;
            s.proximal_l1 = 0.01;
            s.max_norm = Some(MaxNorm::new(1.0, ndarray::Axis(0)));
        },
    ];
    for change in around {
        let mut settings = settings(change);
        let mut dense = make().at(decaying()).with(settings.clone());
        settings.untouched = Untouched::Exact;
        let mut exact = make().at(decaying()).with(settings);
        let start = array::<F>(&[40, 9], 1);
        let (mut a, mut b) = (start.clone(), start);
        for step in 0..20 {
            let rows: Vec<usize> = shuffled(40, step).into_iter().take(7).chain([3, 3]).collect();
            let values = array::<F>(&[9, 9], 30 + step).into_dimensionality::<ndarray::Ix2>();
            let g = Rows { rows, values: values.unwrap() };
            let of_dense = dense.step(&mut a, &g.to_array(40).unwrap()).unwrap();
            let of_exact = exact.step(&mut b, &g).unwrap();
            if let (Some(a), Some(b)) = (of_dense.grad_norm, of_exact.grad_norm) {
                // Zeros among the others are summed along another tree.
                assert!((a - b).abs() <= 1e-15 * a);
            }
            let (a, b) = (a.view(), b.view());
            if of_dense.grad_norm.is_some() {
                assert_close(&elements(&b), &elements(&a), (dense.name(), step));
            } else {
                assert_same(b, a, (dense.name(), step));
            }
        }
    }
}

fn an_exact_step_is_the_dense_one<F: Scalar>() {
    check(|| Box::new(Sgd::<F>::new(0.1)));
    check(|| Box::new(SignSgd::<F>::new(0.1)));
    check(|| Box::new(AdaGrad::<F>::new(0.1)));
    check(|| Box::new(AdaGrad::<F>::keras(0.1)));
    check(|| Box::new(Ftrl::<F>::new(0.1)));
    check(|| Box::new(Ftrl::<F>::new(0.1).l1(0.3).l2(0.1)));
    check(|| Box::new(Ftrl::<F>::keras(0.1).l1(0.3)));
}

fn decay_reaches_every_row_in_any_layout<F: Scalar>() {
    for of_leaf in layouts(3) {
        let mut exact = settings(|s| {
            s.decoupled_decay = Some(Decay::Relative(0.1));
            s.proximal_l1 = 0.01;
        });
        let mut dense = AdaGrad::<F>::new(0.1).with_settings(exact.clone());
        exact.untouched = Untouched::Exact;
        exact.sparse = true;
        let mut exact = AdaGrad::<F>::new(0.1).with_settings(exact);
        let start = array::<F>(&[11, 3, 5], 1);
        let mut a = start.clone();
        let mut b = Placed::new(&of_leaf, start.view(), F::from_f64(9.0));
        for step in 0..6 {
            let rows: Vec<usize> = shuffled(11, step).into_iter().take(4).collect();
            let values = array::<F>(&[4, 3, 5], 9 + step).into_dimensionality::<ndarray::Ix3>();
            let g = Rows { rows, values: values.unwrap() };
            // At some steps there is none.
            let whole = g.to_array(11).unwrap();
            let (whole, some) = match step % 3 {
                2 => (whole.mapv(|_| F::zero()), None),
                _ => (whole, Some(g)),
            };
            dense.step(&mut a, &whole).unwrap();
            exact.step(&mut b.view_mut(), &some).unwrap();
            assert_same(b.view(), a.view(), (&of_leaf, step));
            b.assert_guarded(&of_leaf);
        }
    }
}

/// A rule says that it rests if and only if it does.
fn who_is_not_exact_moves_without_a_gradient<F: Scalar>() {
    for rule in each_rule::<F>() {
        if rule.sums.is_empty() && !rule.loss && !rule.leaf_clocks {
            check_rest(&rule);
        }
    }
}

fn check_rest<F: Scalar>(rule: &Own<F>) {
    let name = rule.entry.title;
    let mut optimizer = (rule.optimizer)();
    let mut w = array::<F>(&[30], 1);
    (0..3).for_each(|step| _ = optimizer.step(&mut w, &array(&[30], 9 + step)).unwrap());
    let state = |optimizer: &dyn Typed<F>| -> Vec<_> {
        rule.slots.iter().map(|slot| optimizer.slot_of_array(slot).unwrap()).collect()
    };
    let before = (w.clone(), state(&*optimizer));
    optimizer.step(&mut w, &ndarray::ArrayD::from_elem(vec![30], F::zero())).unwrap();
    let rests = (w, state(&*optimizer)) == before;
    assert_eq!((rule.literal)().rests(), rests, "{name}");

    let exact = (rule.optimizer)().with(settings(|s| s.untouched = Untouched::Exact));
    match exact.validate() {
        Ok(()) => assert!(rests),
        Err(error) => {
            assert!(!rests, "{error}");
            assert!(matches!(error.kind(), ErrorKind::NotExact { rule, .. } if *rule == name));
        }
    }
}

#[test]
fn what_moves_every_row_is_refused() {
    let exact = || Sgd::<f64>::new(0.1).untouched(Untouched::Exact);
    let refused = [
        exact().penalty(Penalty::elastic_net(0.0, 0.1)),
        exact().penalty(Penalty::elastic_net(0.1, 0.0)),
        exact().scheduled("l2", Schedule::from(0.1)),
        exact().average(Average::ema(0.9)),
        exact().cautious(true),
        exact().clip_adaptive(AdaptiveClip::new(0.1)),
        exact().scheduled("l1", Schedule::from(0.1)),
        exact().group("*", |all| all.cautious(true)),
    ];
    let (mut w, g) = (Array2::ones((3, 2)), Rows { rows: [0_usize], values: array![[1.0, 1.0]] });
    for mut sgd in refused {
        let error = sgd.step(&mut w, &g).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotExact { .. }), "{sgd:?}: {error}");
        assert_eq!(sgd.validate().unwrap_err(), error);
    }
    assert_eq!(w, Array2::<f64>::ones((3, 2)));
    let error = Ftrl::<f64>::new(0.1).shrinkage(0.1).untouched(Untouched::Exact).validate();
    assert!(error.is_err());
}
