//! Groups by the names of leaves.

use thalweg::regularize::{Decay, Penalty};
use thalweg::{
    AdamW, Average, Elementwise, ErrorKind, Momentum, NonFinite, Optimizer, Params, RmsProp, Rule,
    Schedule, Sgd, Yogi,
};

use super::Model;

const STEPS: u64 = 7;

/// Runs a grouped optimizer, and one optimizer for each leaf, side by side.
fn groups_equal_separate_optimizers<R: Rule<f64>>(
    mut grouped: Elementwise<f64, R>,
    mut separate: [Elementwise<f64, R>; 3],
) {
    let (mut a, mut b) = (Model::new(1), Model::new(1));
    for step in 0..STEPS {
        let g = Model::new(50 + step);
        grouped.step(&mut a, &g).unwrap();
        let [weight, bias, head] = &mut separate;
        weight.step(&mut b.weight, &g.weight).unwrap();
        bias.step(&mut b.bias, &g.bias).unwrap();
        head.step(&mut b.head, &g.head).unwrap();
    }
    assert_eq!(a, b);
    for (name, alone) in ["weight", "bias", "head"].into_iter().zip(&separate) {
        for slot in R::SLOTS {
            assert_eq!(grouped.slot(name, slot), alone.slot("", slot), "{name} {slot}");
        }
        assert_eq!(grouped.average_of(name), alone.average_of(""));
    }
}

#[test]
fn groups_equal_separate_optimizers_bit_for_bit() {
    let adamw = || AdamW::new(Schedule::cosine(0.1, 0.0, 20)).average(Average::ema(0.9));
    groups_equal_separate_optimizers(
        adamw()
            .group("bias", |g| g.weight_decay(0.0).beta1(0.5))
            .group("h*", |g| g.rate_factor(0.25).clip_value(0.3).penalty(Penalty::l1(0.01))),
        [
            adamw(),
            adamw().weight_decay(0.0).beta1(0.5),
            adamw().rate_factor(0.25).clip_value(0.3).penalty(Penalty::l1(0.01)),
        ],
    );
    let momentum = || Momentum::new(0.1);
    groups_equal_separate_optimizers(
        momentum()
            .group("weight", |g| g.schedule(Schedule::linear(0.5, 0.1, 5)).momentum(0.3))
            .group(|leaf: &str| leaf.starts_with("he"), |g| g.shrink(0.99).maximize(true)),
        [
            momentum().schedule(Schedule::linear(0.5, 0.1, 5)).momentum(0.3),
            momentum(),
            momentum().shrink(0.99).maximize(true),
        ],
    );
    let rmsprop = || RmsProp::new(0.01);
    groups_equal_separate_optimizers(
        rmsprop().group("*", |g| g.rho(0.5)).group("bias", |g| {
            g.decoupled_decay(Decay::Absolute(0.01)).clip_leaf_norm(0.5).cautious(true)
        }),
        [
            rmsprop().rho(0.5),
            rmsprop()
                .rho(0.5)
                .decoupled_decay(Decay::Absolute(0.01))
                .clip_leaf_norm(0.5)
                .cautious(true),
            rmsprop().rho(0.5),
        ],
    );
}

#[test]
fn the_order_of_building_does_not_matter_and_that_of_groups_does() {
    let run = |mut optimizer: Elementwise<f64, thalweg::rules::AdamW>| {
        let mut w = Model::new(1);
        for step in 0..STEPS {
            optimizer.step(&mut w, &Model::new(9 + step)).unwrap();
        }
        w
    };
    let first = AdamW::new(0.1).group("bias", |g| g.weight_decay(0.5)).beta1(0.7).clip_norm(1.0);
    let last = AdamW::new(0.1).beta1(0.7).clip_norm(1.0).group("bias", |g| g.weight_decay(0.5));
    assert_eq!(run(first), run(last));
    let a = AdamW::new(0.1).group("*", |g| g.beta2(0.5)).group("bias", |g| g.beta2(0.9));
    let b = AdamW::new(0.1).group("bias", |g| g.beta2(0.9)).group("*", |g| g.beta2(0.5));
    let (a, b) = (run(a), run(b));
    assert_eq!(a.weight, b.weight);
    assert_ne!(a.bias, b.bias);
}

#[test]
fn a_frozen_leaf_and_its_gradient_are_left_alone() {
    let mut w = Model::new(1);
    let mut g = Model::new(2);
    g.head[[0, 0]] = f64::NAN;
    g.weight.fill(0.0);
    g.bias.fill(3.0);
    let mut yogi = Yogi::new(0.1).report_norm(true).group("head", |g| g.frozen(true));
    let info = yogi.step(&mut w, &g).unwrap();
    assert_eq!(info.grad_norm, Some(54.0_f64.sqrt()));
    assert_eq!(w.head, Model::new(1).head);
    assert_ne!(w.bias, Model::new(1).bias);
    assert!(yogi.slot("head", "m").is_none() && yogi.slot("bias", "m").is_some());

    g.bias[2] = f64::INFINITY;
    let error = yogi.step(&mut w, &g).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NonFiniteGradient { leaf, .. } if leaf == "bias"));

    // Thawed again, it starts from nothing.
    let mut yogi = yogi.group("head", |g| g.frozen(false));
    yogi.step(&mut w, &Model::new(3)).unwrap();
    let mut fresh = Yogi::new(0.1);
    let mut head = Model::new(1).head;
    fresh.step(&mut head, &Model::new(3).head).unwrap();
    assert_eq!(yogi.slot("head", "m"), fresh.slot("", "m"));
}

#[test]
fn one_learning_rate_drives_all_groups() {
    let mut w = Model::new(1);
    let mut sgd = Sgd::new(1.0).group("bias", |g| g.rate_factor(0.5));
    let g = Model { weight: w.weight.clone() * 0.0 + 1.0, ..Model::new(2) };
    sgd.step(&mut w, &g).unwrap();
    sgd.set_learning_rate(0.25).unwrap();
    let before = w.clone();
    assert_eq!(sgd.step(&mut w, &g).unwrap().learning_rate, 0.25);
    assert_eq!(w.weight, &before.weight - 0.25);
    assert_eq!(w.bias, &before.bias - &(&g.bias * 0.125));
}

#[track_caller]
fn fails_untouched(mut optimizer: impl Optimizer<f64>, is: impl Fn(&ErrorKind) -> bool) -> String {
    let mut w = Model::new(1);
    let error = optimizer.step(&mut w, &Model::new(2)).unwrap_err();
    assert!(is(error.kind()), "{error}");
    assert_eq!(w, Model::new(1));
    assert_eq!(optimizer.steps(), 0);
    error.to_string()
}

#[test]
fn mistakes_in_groups_are_told() {
    let message = fails_untouched(
        Sgd::new(0.1).group("*.bias", |g| g.frozen(true)),
        |kind| matches!(kind, ErrorKind::GroupMatchesNothing { group, .. } if group == "*.bias"),
    );
    assert!(
        message.contains("`*.bias` matches no leaf; the leaves are `weight`, `bias`, `head`"),
        "{message}"
    );
    let grouped = Sgd::new(0.1).group("bias", |g| g.clip_norm(1.0));
    let message = fails_untouched(grouped.clone(), |kind| {
        matches!(kind, ErrorKind::GroupSetting { setting: "clip_norm", .. })
    });
    assert!(message.contains("set it on the optimizer"), "{message}");
    assert!(grouped.validate().is_err());
    fails_untouched(Sgd::new(0.1).group("bias", |g| g.non_finite(NonFinite::Skip)), |kind| {
        matches!(kind, ErrorKind::GroupSetting { setting: "non_finite", .. })
    });
    fails_untouched(Sgd::new(0.1).group("bias", |g| g.group("x", |g| g)), |kind| {
        matches!(kind, ErrorKind::GroupSetting { setting: "group", .. })
    });
    fails_untouched(AdamW::new(0.1).group("bias", |g| g.beta1(2.0)), |kind| {
        matches!(kind, ErrorKind::Hyperparameter { name: "beta1", .. })
    });
    fails_untouched(Sgd::new(0.1).group("bias", |g| g.rate_factor(f64::NAN)), |kind| {
        matches!(kind, ErrorKind::Hyperparameter { name: "rate_factor", .. })
    });
    let late = Sgd::new(0.1).group("bias", |g| g.schedule(|step: u64| 2.0 - step as f64));
    let (mut w, mut late) = (Model::new(1), late);
    for _ in 0..2 {
        late.step(&mut w, &Model::new(2)).unwrap();
    }
    let before = w.clone();
    assert!(late.step(&mut w, &Model::new(2)).is_err());
    assert_eq!((w, late.steps()), (before, 2));
}

#[test]
fn scheduled_hyperparameters_are_those_of_their_step() {
    let momentum = |step: u64| 0.9 - 0.1 * step as f64;
    let mut scheduled = Momentum::new(0.1)
        .scheduled("momentum", momentum)
        .scheduled("l2", Schedule::linear(0.0, 0.5, 5))
        .scheduled("momentum", momentum);
    let (mut w, mut v) = (vec![1.0, -2.0], vec![0.0, 0.0]);
    let mut ours = ndarray::array![1.0, -2.0];
    for step in 1..=5 {
        let g = [0.5 * step as f64, -0.3];
        for i in 0..2 {
            let g = g[i] + 0.1 * (step - 1) as f64 * w[i];
            v[i] = momentum(step) * v[i] - 0.1 * g;
            w[i] += v[i];
        }
        scheduled.step(&mut ours, &ndarray::Array1::from_vec(g.to_vec())).unwrap();
    }
    super::assert_close(ours.as_slice().unwrap(), &w);
}

#[test]
fn a_schedule_of_nothing_and_one_out_of_range_are_told() {
    let message = fails_untouched(AdamW::new(0.1).scheduled("beta3", 0.5), |kind| {
        matches!(kind, ErrorKind::UnknownHyperparameter { .. })
    });
    assert!(message.contains("`beta3`") && message.contains("`beta1`"), "{message}");
    let mut adamw = AdamW::new(0.1).scheduled("beta1", |step: u64| step as f64 / 3.0);
    let mut w = Model::new(1);
    for _ in 0..2 {
        adamw.step(&mut w, &Model::new(2)).unwrap();
    }
    let before = w.clone();
    let error = adamw.step(&mut w, &Model::new(2)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name: "beta1", .. }));
    assert_eq!((w, adamw.steps()), (before, 2));
}

#[test]
fn a_tree_of_other_leaves_is_refused_with_groups_too() {
    let mut sgd = Sgd::new(0.1).group("bias", |g| g.frozen(true));
    sgd.step(&mut Model::new(1), &Model::new(2)).unwrap();
    let mut other = ndarray::array![1.0];
    let other: &mut dyn thalweg::ParamsMut<f64> = &mut other;
    let grads: &dyn Params<f64> = &ndarray::array![1.0];
    assert!(matches!(sgd.step(other, grads).unwrap_err().kind(), ErrorKind::Leaves { .. }));
}
