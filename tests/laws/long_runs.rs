//! The step counter does not wear out: beyond 2²⁴, where an `f32` stops counting, and beyond 2³².

use thalweg::rule::{Clock, bias_correction};
use thalweg::{Elementwise, Scalar, rules};

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

/// A parameter after three updates of the constants of a step.
fn moved<F: Scalar>(mut rule: Box<dyn Literal<F>>, step: u64) -> F {
    let mut clock = Clock::after(step - 1);
    clock.advance(step);
    rule.begin(&mut clock, 1e-3);
    [0.5, -0.25, 0.75].into_iter().fold(F::one(), |w, g| rule.update(0, w, F::from_f64(g)))
}

/// Rules that have constants which grow with the step for ever, and which.
const GROWING: [(&str, &str); 2] = [("Madgrad", "weights √t"), ("Adopt", "the bound (t-1)^¼")];

fn constants_reach_their_limits_and_stay<F: Scalar>() {
    for rule in each_rule::<F>() {
        let name = rule.entry.title;
        let limit = moved((rule.literal)(), 1 << 40);
        for step in LATE {
            let w = moved((rule.literal)(), step);
            // Before its first sums, a step may be lost in the parameter's last digit.
            let moves = w != F::one() || !rule.sums.is_empty();
            assert!(w.is_finite() && moves, "{name} at {step}: {w}");
            let grows = GROWING.iter().any(|(growing, _)| *growing == name);
            assert!(grows || bits(w) == bits(limit), "{name} at {step}: {w} and not {limit}");
        }
    }
}

/// An average so long that it is not full after 2²⁴ steps still counts each one.
fn a_long_average_still_counts_each_step<F: Scalar>() {
    let beta = 1.0 - 1e-9;
    let adam = Elementwise::<f64, rules::Adam>::new(1e-3).beta2(beta);
    let at = |step| moved::<f64>(literal(adam.rule()), step);
    for t in [1 << 24, (1 << 24) + 1, 1 << 25] {
        assert_ne!(at(t), at(t + 1), "{t}");
    }
    // In `f32` too the constants are made in f64.
    let rule = Elementwise::<F, rules::Adam>::new(1e-3).beta2(beta).rule().clone();
    let (w, wide) = (moved::<F>(literal(&rule), 1 << 25), moved::<f64>(literal(&rule), 1 << 25));
    let error = ((1.0 - w.into_f64()) / (1.0 - wide) - 1.0).abs();
    assert!(error < 1e4 * F::epsilon().into_f64(), "{error}");
}

/// A hyperparameter, and the rule with an average so long.
type Averaging<F> = (&'static str, fn(f64) -> Box<dyn Literal<F>>);

/// Averages of the longest that the ranges allow.
fn constants_are_finite_for_averages_of_any_length<F: Scalar>() {
    macro_rules! check {
        ($($rule:ident: $($name:ident)+;)+) => {[$($(
            (concat!(stringify!($rule), ".", stringify!($name)), |beta| {
                literal(Elementwise::<F, rules::$rule>::default().$name(beta).rule())
            }),
        )+)+]};
    }
    let rules: &[Averaging<F>] = &check! {
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
    };
    for (name, rule) in rules {
        for step in LATE.into_iter().chain([1, 2, 5, 1000]) {
            for beta in [0.0, 0.5, 1.0 - 1e-9, 1.0 - f64::EPSILON / 2.0] {
                assert!(moved(rule(beta), step).is_finite(), "{name} = {beta} at {step}");
            }
        }
    }
}

for_both_scalars!(
    constants_reach_their_limits_and_stay,
    a_long_average_still_counts_each_step,
    constants_are_finite_for_averages_of_any_length,
);
