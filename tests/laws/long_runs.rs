//! The step counter does not wear out: beyond 2²⁴, where an `f32` stops counting, and beyond 2³².

use thalweg::rule::{Clock, Slots, bias_correction};
use thalweg::{Elementwise, Rule, Scalar, rules};

use super::support::*;

const LATE: [u64; 9] = [
    (1 << 24) - 1,
    1 << 24,
    (1 << 24) + 1,
    1 << 25,
    (1 << 32) - 1,
    1 << 32,
    (1 << 53) + 1,
    u64::MAX / 2,
    u64::MAX - 1,
];

#[test]
fn a_correction_rises_from_its_share_to_one() {
    for beta in [0.0, 1e-300, 0.5, 0.9, 0.999, 0.999_999, 1.0 - 1e-9, 1.0 - 1e-12, 1.0 - 1e-16] {
        let mut last = bias_correction(beta, 1);
        assert!((last / (1.0 - beta) - 1.0).abs() < 1e-15, "{beta}: {last}");
        for t in (2..1000).chain((10..24).map(|i| 1 << i)).chain(LATE) {
            let correction = bias_correction(beta, t);
            assert!(correction >= last && correction <= 1.0, "{beta} at {t}: {correction}");
            last = correction;
        }
        assert!(last == 1.0 || beta > 0.999_999, "{beta}: {last}");
    }
}

/// 1 - (1-d)ᵗ = td - t(t-1)/2·d² + … where td is small.
#[test]
fn a_correction_does_not_cancel() {
    for d in [2.0_f64.powi(-40), 2.0_f64.powi(-50), 2.0_f64.powi(-53)] {
        for t in [1_u64, 10, 1000, 1 << 24, (1 << 24) + 1, 1 << 25] {
            let td = t as f64 * d;
            let (n, mut term, mut expected) = (t as f64, td, td);
            for k in 2..12 {
                term *= -(n - f64::from(k - 1)) * d / f64::from(k);
                expected += term;
            }
            let found = bias_correction(1.0 - d, t);
            assert!((found / expected - 1.0).abs() < 1e-14, "{d:e} at {t}: {found} {expected}");
        }
    }
}

fn moved<F: Scalar, R: Rule<F>>(rule: &R, step: u64) -> F {
    let mut clock = Clock::after(step - 1);
    clock.advance(step);
    let k = rule.begin(&mut clock, 1e-3);
    let (mut w, mut state) = (F::one(), rule.initial());
    for g in [0.5, -0.25, 0.75] {
        (w, state) = R::update(&k, w, F::from_f64(g), state);
    }
    let _ = R::State::COUNT;
    w
}

/// Rules that have constants which grow with the step for ever, and which.
const GROWING: [(&str, &str); 2] = [("Madgrad", "weights √t"), ("Adopt", "the bound (t-1)^¼")];

fn check_late<F: Scalar, R: Rule<F> + Default>() {
    let rule = R::default();
    let limit = moved::<F, R>(&rule, 1 << 40);
    for step in LATE {
        let w = moved::<F, R>(&rule, step);
        // Before its first sums, a step may be lost in the parameter's last digit.
        let moves = w != F::one() || !R::SUMS.is_empty();
        assert!(w.is_finite() && moves, "{} at {step}: {w}", R::NAME);
        let grows = GROWING.iter().any(|(name, _)| *name == R::NAME);
        assert!(grows || bits(w) == bits(limit), "{} at {step}: {w} and not {limit}", R::NAME);
    }
}

fn constants_reach_their_limits_and_stay<F: Scalar>() {
    each_rule!(check_late::<F>());
}

/// An average so long that it is not full after 2²⁴ steps still counts each one.
fn a_long_average_still_counts_each_step<F: Scalar>() {
    let beta = 1.0 - 1e-9;
    let adam = Elementwise::<f64, rules::Adam>::new(1e-3).beta2(beta);
    let at = |step| moved::<f64, rules::Adam>(adam.rule(), step);
    for t in [1 << 24, (1 << 24) + 1, 1 << 25] {
        assert_ne!(at(t), at(t + 1), "{t}");
    }
    // In `f32` too the constants are made in f64.
    let rule = Elementwise::<F, rules::Adam>::new(1e-3).beta2(beta).rule().clone();
    let (w, wide) = (moved::<F, _>(&rule, 1 << 25), moved::<f64, _>(&rule, 1 << 25));
    let error = ((1.0 - w.into_f64()) / (1.0 - wide) - 1.0).abs();
    assert!(error < 1e4 * F::epsilon().into_f64(), "{error}");
}

/// Averages of the longest that the ranges allow.
fn check_long_averages<F: Scalar>(build: impl Fn(f64) -> F) {
    for beta in [0.0, 0.5, 1.0 - 1e-9, 1.0 - f64::EPSILON / 2.0] {
        assert!(build(beta).is_finite(), "{beta}");
    }
}

fn constants_are_finite_for_averages_of_any_length<F: Scalar>() {
    macro_rules! check {
        ($($rule:ident: $($name:ident)+;)+) => {$($(
            for step in LATE.into_iter().chain([1, 2, 5, 1000]) {
                check_long_averages(|beta| {
                    let optimizer = Elementwise::<F, rules::$rule>::default().$name(beta);
                    moved::<F, _>(optimizer.rule(), step)
                });
            }
        )+)+};
    }
    check! {
        Adam: beta1 beta2;
        AdamW: beta1 beta2;
        AmsGrad: beta1 beta2;
        AdaMax: beta1 beta2;
        NAdam: beta1 beta2;
        RAdam: beta1 beta2;
        AdaBelief: beta1 beta2;
        Yogi: beta1 beta2;
        Lion: beta1 beta2;
        Lamb: beta1 beta2;
        ScheduleFreeAdamW: beta2;
        Adan: beta1 beta2 beta3;
        AdEmaMix: beta1 beta2 beta3;
        Adopt: beta1 beta2;
        Madgrad: momentum;
        Signum: momentum;
        OptimisticAdam: beta1 beta2;
        Mars: beta1 beta2;
        GpaAdamW: average_share beta1 beta2;
        RmsProp: rho;
        CenteredRmsProp: rho;
        AdaDelta: rho;
    }
}

for_both_scalars!(
    constants_reach_their_limits_and_stay,
    a_long_average_still_counts_each_step,
    constants_are_finite_for_averages_of_any_length,
);
