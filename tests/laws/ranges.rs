//! Every hyperparameter has a range, and what is outside it is an error that says so.

// All ranges are called alike by the table, also those that are the same for both scalars.
#![allow(clippy::extra_unused_type_parameters)]

use ndarray::{Array1, array};
use thalweg::regularize::{Decay, Penalty};
use thalweg::{
    DAdaptAdam, Elementwise, ErrorKind, Optimizer, Prodigy, Rule, Scalar, Settings, catalog, rules,
};

use super::support::*;

/// Values on both sides of a range's ends.
struct Range {
    good: Vec<f64>,
    bad: Vec<f64>,
}

const BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;
const TINY: f64 = f64::MIN_POSITIVE;
const NEVER: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

fn range(good: &[f64], bad: &[f64]) -> Range {
    Range { good: good.to_vec(), bad: [bad, &NEVER].concat() }
}

/// [0, 1)
fn fraction<F: Scalar>() -> Range {
    range(&[0.0, -0.0, TINY, 0.5, 0.999, BELOW_ONE], &[-TINY, -0.5, 1.0, 1.0 + f64::EPSILON, 2.0])
}

/// (-1, 1)
fn symmetric<F: Scalar>() -> Range {
    range(&[-BELOW_ONE, -0.5, 0.0, 0.5, BELOW_ONE], &[-1.5, -1.0, 1.0, 1.5])
}

/// (0, 1)
fn inner_fraction<F: Scalar>() -> Range {
    range(&[1e-30, 0.5, 0.999, BELOW_ONE], &[0.0, -0.0, -TINY, 1.0, 2.0])
}

/// [0, ∞)
fn non_negative<F: Scalar>() -> Range {
    let mut range = range(&[0.0, -0.0, TINY, 0.5, 3.0], &[-TINY, -1.0]);
    // Infinite once it is cast.
    if F::NAME == "f32" { &mut range.bad } else { &mut range.good }.push(1e39);
    range
}

/// (0, ∞)
fn positive<F: Scalar>() -> Range {
    let mut range = range(&[1e-45, 1e-8, 1.0, 100.0], &[0.0, -0.0, -TINY, -1.0]);
    // Zero or infinite once it is cast.
    if F::NAME == "f32" { &mut range.bad } else { &mut range.good }.extend([1e-60, 1e39]);
    range
}

/// ε beside the root of an average of squares: no square of it vanishes.
fn root<F: Scalar>() -> Range {
    let (least, less) = if F::NAME == "f32" { (1.4e-17, 1.3e-17) } else { (1.91e-152, 1.8e-152) };
    let mut range = range(&[least, 1e-8, 1.0, 100.0], &[less, 0.0, -0.0, -TINY, -1.0]);
    if F::NAME == "f32" { &mut range.bad } else { &mut range.good }.extend([1e-26, 1e39]);
    range
}

/// ε beside such an average, under the root.
fn inside<F: Scalar>() -> Range {
    let (least, less) = if F::NAME == "f32" { (2e-34, 1.9e-34) } else { (4e-304, 3.6e-304) };
    let mut range = range(&[least, 1e-8, 1.0, 100.0], &[less, 0.0, -0.0, -TINY, -1.0]);
    if F::NAME == "f32" { &mut range.bad } else { &mut range.good }.extend([1e-60, 1e39]);
    range
}

#[track_caller]
fn check<F: Scalar>(
    owner: &str,
    name: &str,
    range: &Range,
    build: &dyn Fn(f64) -> Box<dyn Optimizer<F>>,
) {
    let gradient = Array1::from_vec(numbers::<F>(20, 2));
    for &value in &range.good {
        let (mut optimizer, mut w) = (build(value), Array1::from_elem(20, F::one()));
        optimizer.validate().unwrap();
        optimizer.step_with_loss(&mut w, &gradient, LOSS).unwrap();
        optimizer.validate().unwrap();
    }
    for &bad in &range.bad {
        let (mut optimizer, mut w) = (build(bad), Array1::from_elem(20, F::one()));
        let first = optimizer.validate();
        let step = optimizer.step_with_loss(&mut w, &gradient, LOSS).map(drop);
        assert_eq!(format!("{first:?}"), format!("{step:?}"), "`validate` says what `step` says");
        let error = step.unwrap_err();
        assert!(
            matches!(*error.kind(), ErrorKind::Hyperparameter { owner: o, name: n, value, .. }
                if o == owner && n == name && value.to_bits() == bad.to_bits()),
            "{owner}.{name}({bad}): {error:?}"
        );
        let text = error.to_string();
        assert!(text.starts_with(&format!("{owner}: {name} = {bad} is not allowed")), "{text}");
        assert!(w.iter().all(|&w| w == F::one()));
        assert_eq!(optimizer.steps(), 0);
    }
}

/// Each builder method of each rule, and its range.
macro_rules! hyperparameters {
    ($($rule:ident { $($name:ident: $range:ident),* })+) => {
        fn every_hyperparameter_has_its_range<F: Scalar>() {
            let rows: &[Row<F>] = &[$($((
                <rules::$rule as Rule<F>>::NAME,
                stringify!($name),
                $range::<F>,
                |value| Box::new(Elementwise::<F, rules::$rule>::default().$name(value)),
            ),)*)+];
            for (owner, name, range, build) in rows {
                check::<F>(owner, name, &range(), build);
            }
        }
    };
}

/// Owner, name and range of a hyperparameter, and an optimizer with that value of it.
type Row<F> = (&'static str, &'static str, fn() -> Range, fn(f64) -> Box<dyn Optimizer<F>>);

hyperparameters! {
    Sgd {}
    Momentum { momentum: symmetric, dampening: fraction }
    Nesterov { momentum: symmetric }
    AdaGrad { epsilon: root, initial_accumulator: non_negative }
    RmsProp { rho: fraction, epsilon: inside, initial_accumulator: non_negative }
    RmsPropMomentum { momentum: symmetric, rho: fraction, epsilon: inside }
    CenteredRmsProp { rho: fraction, epsilon: inside }
    AdaDelta { rho: fraction, epsilon: positive }
    Adam { beta1: fraction, beta2: fraction, epsilon: root, epsilon_root: non_negative }
    AdamW { beta1: fraction, beta2: fraction, epsilon: root, weight_decay: non_negative }
    AmsGrad { beta1: fraction, beta2: fraction, epsilon: root }
    AdaMax { beta1: fraction, beta2: fraction, epsilon: positive }
    NAdam { beta1: fraction, beta2: fraction, epsilon: root, momentum_decay: non_negative }
    RAdam { beta1: fraction, beta2: fraction, epsilon: root }
    AdaBelief { beta1: fraction, beta2: fraction, epsilon: inside }
    Yogi { beta1: fraction, beta2: fraction, epsilon: root, initial_accumulator: non_negative }
    Lion { beta1: fraction, beta2: fraction, weight_decay: non_negative }
    Lars {
        momentum: symmetric, dampening: fraction, weight_decay: non_negative,
        trust_coefficient: non_negative, epsilon: non_negative
    }
    Lamb {
        beta1: fraction, beta2: fraction, epsilon: root, epsilon_root: non_negative,
        weight_decay: non_negative
    }
    ScheduleFreeAdamW {
        beta1: inner_fraction, beta2: fraction, epsilon: root, weight_decay: non_negative,
        step_power: non_negative, rate_power: non_negative
    }
    Adan {
        beta1: fraction, beta2: fraction, beta3: fraction, epsilon: root,
        weight_decay: non_negative
    }
    AdEmaMix {
        beta1: fraction, beta2: fraction, beta3: fraction, mixture: non_negative, epsilon: root,
        weight_decay: non_negative
    }
    Adopt { beta1: fraction, beta2: fraction, epsilon: root }
    Madgrad { momentum: fraction, epsilon: root }
    SignSgd {}
    Signum { momentum: fraction }
    Rprop {
        shrink_factor: inner_fraction, growth_factor: positive, smallest_step: non_negative,
        largest_step: positive
    }
    Ftrl {
        l1: non_negative, l2: non_negative, shrinkage: non_negative, beta: non_negative,
        initial_accumulator: non_negative
    }
    OptimisticGradient { optimism: non_negative }
    OptimisticAdam {
        optimism: non_negative, beta1: fraction, beta2: fraction, epsilon: root
    }
    Fromage { min_norm: non_negative }
    Mars {
        beta1: fraction, beta2: fraction, variance_reduction: non_negative, epsilon: root,
        weight_decay: non_negative
    }
    ScheduleFreeSgd {
        momentum: inner_fraction, weight_decay: non_negative, step_power: non_negative,
        rate_power: non_negative
    }
    GpaAdamW {
        train_share: inner_fraction, average_share: fraction, beta1: fraction, beta2: fraction,
        epsilon: root, weight_decay: non_negative
    }
}

fn so_has_every_kind_of_decay<F: Scalar>() {
    let kinds: [fn(f64) -> Decay; 3] = [Decay::Relative, Decay::Absolute, |weight_decay| {
        Decay::Scheduled { weight_decay, base: 0.1 }
    }];
    for kind in kinds {
        let range = non_negative::<F>();
        check::<F>("AdamW", "weight_decay", &range, &|value| {
            Box::new(Elementwise::<F, rules::AdamW>::new(0.1).decay(kind(value)))
        });
        check::<F>("Lion", "weight_decay", &range, &|value| {
            Box::new(Elementwise::<F, rules::Lion>::new(0.1).decay(kind(value)))
        });
    }
    let base = range(&[1e-3, 1.0], &[0.0, -1.0]);
    check::<F>("AdamW", "base", &base, &|base| {
        Box::new(Elementwise::<F, rules::AdamW>::paper(0.1, base))
    });
}

/// A factor of growth below 1 would shrink what can but grow; 1 holds it, ∞ lets it.
fn so_has_the_growth_of_an_estimate<F: Scalar>() {
    let growth =
        Range { good: vec![1.0, 1.02, f64::INFINITY], bad: vec![BELOW_ONE, 0.0, -2.0, f64::NAN] };
    check::<F>("Prodigy", "growth_rate", &growth, &|rate| {
        Box::new(Prodigy::new(1.0).growth_rate(rate))
    });
    check::<F>("DAdaptAdam", "growth_rate", &growth, &|rate| {
        Box::new(DAdaptAdam::new(1.0).growth_rate(rate))
    });
}

fn so_has_every_setting<F: Scalar>() {
    for entry in catalog::<F>() {
        let build = |settings| entry.build(0.1, settings);
        let limit = range(&[TINY, 1e-300, 1.0, f64::MAX], &[0.0, -0.0, -1.0]);
        check::<F>("clipping", "clip_norm", &limit, &|limit| {
            build(settings(|s| s.clip_norm = Some(limit)))
        });
        let range = non_negative::<F>();
        check::<F>("penalty", "l1", &range, &|l1| build(settings(|s| s.penalty = Penalty::l1(l1))));
        check::<F>("penalty", "l2", &range, &|l2| build(settings(|s| s.penalty = Penalty::l2(l2))));
        check::<F>("penalty", "l1", &range, &|l1| {
            build(settings(|s| s.penalty = Penalty::elastic_net(l1, 0.1)))
        });
    }
}

fn a_learning_rate_is_finite_and_not_negative<F: Scalar>() {
    for entry in catalog::<F>() {
        for bad in [-TINY, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let is_bad = |result: Result<(), thalweg::Error>, at: u64| {
                let error = result.unwrap_err();
                assert!(
                    matches!(*error.kind(), ErrorKind::LearningRate { value, step }
                        if value.to_bits() == bad.to_bits() && step == at),
                    "{error:?}"
                );
                assert!(error.to_string().contains(&format!("{bad}")), "{error}");
            };
            let mut w = array![F::one(), F::one()];
            let mut optimizer = entry.build(bad, Settings::default());
            is_bad(optimizer.validate(), 1);
            is_bad(
                optimizer.step_with_loss(&mut w, &array![F::one(), F::one()], LOSS).map(drop),
                1,
            );
            assert_eq!(w, array![F::one(), F::one()]);

            optimizer.set_learning_rate(0.25).unwrap();
            optimizer.step_with_loss(&mut w, &array![F::one(), F::one()], LOSS).unwrap();
            is_bad(optimizer.set_learning_rate(bad), 2);
            assert_eq!(optimizer.learning_rate(), 0.25);
            optimizer.validate().unwrap();
        }
        for good in [0.0, -0.0, TINY, 1e3] {
            let mut optimizer = entry.build(good, Settings::default());
            optimizer.validate().unwrap();
            let mut w = array![F::one(), F::one()];
            optimizer.step_with_loss(&mut w, &array![F::one(), F::one()], LOSS).unwrap();
            optimizer.set_learning_rate(good).unwrap();
            assert!(w.iter().all(|w| w.is_finite()), "{}", entry.name);
        }
    }
}

/// Of 1e39 an `f32` makes ∞, and ∞ · 0 moves a parameter to NaN.
fn a_learning_rate_is_finite_in_the_parameters_precision_too<F: Scalar>() {
    for entry in catalog::<F>() {
        let mut w = array![F::one(), F::one()];
        let mut optimizer = entry.build(1e39, Settings::default());
        let result = optimizer.step_with_loss(&mut w, &array![F::zero(), F::zero()], LOSS);
        assert!(result.is_err() || w.iter().all(|w| w.is_finite()), "{}: {w}", entry.name);
    }
}

fn a_rate_that_is_set_is_used<F: Scalar>() {
    for entry in catalog::<F>() {
        let mut optimizer = entry.build(0.5, Settings::default());
        optimizer.set_learning_rate(0.0).unwrap();
        let mut w = array![F::one(), -F::one()];
        let info = optimizer.step_with_loss(&mut w, &array![F::one(), F::one()], LOSS).unwrap();
        assert_eq!((info.learning_rate, optimizer.learning_rate()), (0.0, 0.0));
        assert_eq!(w, array![F::one(), -F::one()], "{}", entry.name);
    }
}

for_both_scalars!(
    every_hyperparameter_has_its_range,
    so_has_every_kind_of_decay,
    so_has_the_growth_of_an_estimate,
    so_has_every_setting,
    a_learning_rate_is_finite_and_not_negative,
    a_learning_rate_is_finite_in_the_parameters_precision_too,
    a_rate_that_is_set_is_used,
);
