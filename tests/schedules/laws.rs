//! What holds for every schedule.

use ndarray::array;
use proptest::prelude::*;
use thalweg::schedule::{Cyclic, OneCycle};
use thalweg::{ErrorKind, Optimizer, Schedule, Sgd};

/// One of each shape, without closures.
pub fn examples() -> Vec<Schedule> {
    vec![
        Schedule::constant(0.1),
        Schedule::step_decay(0.1, 0.5, 30),
        Schedule::multi_step(0.1, 0.1, [80, 30]),
        Schedule::exponential(0.1, 0.9, 10),
        Schedule::polynomial(0.1, 0.01, 2.0, 100),
        Schedule::linear(0.0, 0.1, 100),
        Schedule::inverse_sqrt(0.1, 40),
        Schedule::cosine(0.1, 0.001, 100),
        Schedule::cosine_restarts(0.1, 0.001, 10, 2, 0.5),
        OneCycle::new(0.1, 100).into(),
        OneCycle::new(0.1, 100).three_phases().linear().into(),
        OneCycle::momentum(0.95, 0.85, 100).into(),
        Cyclic::new(0.01, 0.1, 10).into(),
        Cyclic::new(0.01, 0.1, 10).down(3).halved().into(),
        Cyclic::new(0.01, 0.1, 10).decaying(0.99).into(),
        Schedule::cosine(0.1, 0.0, 90).warm_up(10),
        Schedule::warmup_cosine(0.1, 0.01, 10, 100),
        Schedule::warmup_stable_decay(0.1, 10, 70, 20, 0.0),
        Schedule::one_minus_sqrt(0.1, 0.001, 100),
        Schedule::exponential(0.1, 0.5, 1).at_least(0.01).at_most(0.09).scaled(2.0),
    ]
}

/// Parameters that no run has, but a file or a slip of the hand may.
const EDGES: [u64; 7] = [0, 1, 2, 1 << 53, (1 << 53) + 1, u64::MAX - 1, u64::MAX];

fn extremes(a: f64, b: f64, n: u64, m: u64) -> Vec<Schedule> {
    vec![
        Schedule::step_decay(a, b, n),
        Schedule::multi_step(a, b, [n, m]),
        Schedule::exponential(a, b, n),
        Schedule::polynomial(a, b, 2.0, n),
        Schedule::polynomial(a, 1.0, b, n),
        Schedule::linear(a, b, n),
        Schedule::inverse_sqrt(a, n),
        Schedule::cosine(a, b, n),
        Schedule::warmup_cosine(a, b, n, m),
        Schedule::cosine_restarts(a, b, n, m, 0.5),
        OneCycle::new(a, n).end(b).into(),
        OneCycle::new(a, n).rise(b).three_phases().linear().into(),
        Cyclic::new(a, b, n).down(m).halved().into(),
        Cyclic::new(a, b, n).down(m).decaying(b).into(),
        Schedule::warmup_stable_decay(a, n, m, n, b),
        Schedule::one_minus_sqrt(a, b, n),
        Schedule::linear(a, b, n).then(m, Schedule::cosine(b, a, n).then(n, a)).then(m, b),
        Schedule::linear(a, b, n).at_least(a).at_most(b).scaled(-1.0),
    ]
}

#[test]
fn no_parameter_and_no_step_panics() {
    let numbers = [0.0, 1.0, -1.0, 1e308, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for (a, b) in numbers.iter().flat_map(|&a| numbers.map(|b| (a, b))) {
        for (n, m) in EDGES.iter().flat_map(|&n| EDGES.map(|m| (n, m))) {
            for schedule in extremes(a, b, n, m) {
                let valid = schedule.validate().is_ok();
                assert!(!schedule.to_string().is_empty() && !format!("{schedule:?}").is_empty());
                for step in EDGES {
                    let value = schedule.at(step);
                    let bounded = a.abs() <= 1.0 && b.abs() <= 1.0;
                    assert!(
                        !valid || !bounded || value.is_finite(),
                        "{schedule}: {value} at {step}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_phase_without_length_is_over_at_once() {
    for schedule in [
        Schedule::linear(0.1, 0.2, 0),
        Schedule::polynomial(0.1, 0.2, 3.0, 0),
        Schedule::cosine(0.1, 0.2, 0),
        Schedule::constant(0.1).then(0, 0.2),
        Schedule::constant(0.2).warm_up(0),
        Schedule::warmup_stable_decay(0.1, 0, 0, 0, 0.2),
    ] {
        schedule.validate().unwrap();
        assert_eq!([1, 2, u64::MAX].map(|step| schedule.at(step)), [0.2; 3], "{schedule}");
    }
    // What repeats without length has no meaning.
    for schedule in [
        Schedule::step_decay(0.1, 0.5, 0),
        Schedule::exponential(0.1, 0.5, 0),
        Schedule::cosine_restarts(0.1, 0.0, 0, 1, 1.0),
        Schedule::cosine_restarts(0.1, 0.0, 1, 0, 1.0),
        OneCycle::new(0.1, 0).into(),
        Cyclic::new(0.1, 0.2, 0).into(),
    ] {
        let error = schedule.validate().unwrap_err();
        assert!(error.to_string().ends_with("it takes a whole number >= 1"), "{error}");
    }
}

#[test]
fn each_parameter_that_is_out_of_range_is_named() {
    let nan = f64::NAN;
    let cases: [(Schedule, &str); 17] = [
        (Schedule::step_decay(nan, 0.5, 1), "from"),
        (Schedule::step_decay(0.1, -0.5, 1), "factor"),
        (Schedule::multi_step(0.1, nan, [1]), "factor"),
        (Schedule::exponential(0.1, f64::INFINITY, 1), "factor"),
        (Schedule::polynomial(0.1, 0.0, 0.0, 1), "power"),
        (Schedule::linear(0.1, nan, 1), "to"),
        (Schedule::one_minus_sqrt(0.1, nan, 1), "to"),
        (Schedule::inverse_sqrt(nan, 1), "peak"),
        (Schedule::cosine_restarts(0.1, 0.0, 1, 1, 1.5), "decay"),
        (OneCycle::new(0.1, 9).rise(1.1).into(), "rise"),
        (OneCycle::new(0.1, 9).rise(0.6).three_phases().into(), "rise"),
        (OneCycle::new(0.1, 9).end(nan).into(), "end"),
        (Cyclic::new(nan, 0.1, 9).into(), "base"),
        (Cyclic::new(0.0, 0.1, 9).decaying(1.1).into(), "decaying"),
        (Schedule::constant(0.1).scaled(nan), "scaled"),
        (Schedule::constant(0.1).at_least(nan), "at_least"),
        // Wherever in the chain it is.
        (Schedule::constant(0.1).then(5, Schedule::cosine(0.1, nan, 9)).warm_up(3), "to"),
    ];
    for (schedule, expected) in cases {
        let error = schedule.validate().unwrap_err();
        let named = |kind: &ErrorKind| matches!(kind, ErrorKind::Hyperparameter { name, .. } if *name == expected);
        assert!(named(error.kind()), "{error} does not name {expected}");
    }
    examples().iter().for_each(|schedule| schedule.validate().unwrap());
}

#[test]
fn an_optimizer_reads_the_schedule_at_its_own_steps() {
    for schedule in examples() {
        let mut sgd = Sgd::new(schedule.clone());
        let mut w = ndarray::array![0.0];
        for step in 1..=120 {
            let info = sgd.step(&mut w, &ndarray::array![1.0]).unwrap();
            assert_eq!((info.step, info.learning_rate), (step, schedule.at(step)), "{schedule}");
        }
    }
}

#[test]
fn what_is_printed_tells_schedules_apart() {
    let lines: Vec<String> = examples().iter().map(Schedule::to_string).collect();
    for (i, line) in lines.iter().enumerate() {
        assert!(!line.contains('\n') && !lines[..i].contains(line), "{line}");
    }
    let chain =
        Schedule::custom("mine", |_| 0.5).then(1, Schedule::cosine(0.1, 1e-7, 9).scaled(0.5));
    assert_eq!(chain.to_string(), "mine; after 1 step: 0.5 × (cosine 0.1 → 1e-7 over 9 steps)");
    let debug = "{0: Custom(\"mine\"), 1: Piece { shape: Cosine { from: 0.1, to: 1e-7, steps: 9 }, \
                 factor: 0.5, low: None, high: None }}";
    assert_eq!(format!("{chain:?}"), debug);
}

#[test]
fn the_restarts_of_cosines_do_not_drift() {
    // Periods of 3·2ⁱ steps begin at 3·(2ⁱ - 1): exact as far as a u64 reaches.
    let schedule = Schedule::cosine_restarts(1.0, 0.0, 3, 2, 1.0);
    for i in 0..62 {
        let begin = 3 * ((1_u64 << i) - 1);
        assert_eq!(schedule.at(begin + 1), 1.0);
        assert!(i == 0 || schedule.at(begin) < 0.5, "period {i}");
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![-1.0..1.0, Just(0.0), 1e-12..1e-3]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Neither outside of its ends, nor different when asked again.
    #[test]
    fn values_lie_between_the_ends(
        from in value(), to in value(), n in 1_u64..200, m in 1_u64..50, power in 0.1..5.0,
        share in 0.0..0.5, step in 1_u64..1000,
    ) {
        let (low, high) = (from.min(to), from.max(to));
        for schedule in [
            Schedule::linear(from, to, n),
            Schedule::polynomial(from, to, power, n),
            Schedule::cosine(from, to, n),
            Schedule::cosine_restarts(from, to, n, m, share),
            OneCycle::new(from, n).start(to).end(to).rise(share).into(),
            OneCycle::new(from, n).start(to).end(to).rise(share).three_phases().linear().into(),
            Cyclic::new(from, to, n).down(m).into(),
            Cyclic::new(from, to, n).down(m).halved().into(),
            Cyclic::new(from, to, n).down(m).decaying(share).into(),
            Schedule::linear(from, to, m).then(m, Schedule::cosine(to, from, n)),
        ] {
            let at = schedule.at(step);
            prop_assert!((low..=high).contains(&at), "{schedule}: {at} at {step}");
            prop_assert_eq!(at, schedule.clone().at(step));
        }
    }

    /// Each of a chain is read at its own steps, wherever the parentheses are.
    #[test]
    fn chains_are_read_piece_by_piece(
        a in 0_usize..18, b in 0_usize..18, c in 0_usize..18, n in 0_u64..60, m in 0_u64..60,
        factor in 0.0..3.0, step in 1_u64..200,
    ) {
        let examples = examples();
        let [a, b, c] = [a, b, c].map(|i| examples[i].clone());
        let expected = if step <= n {
            a.at(step)
        } else if step <= n + m {
            b.at(step - n)
        } else {
            c.at(step - n - m)
        };
        let left = a.clone().then(n, b.clone()).then(n + m, c.clone());
        let right = a.then(n, b.then(m, c));
        prop_assert_eq!(left.at(step), expected);
        prop_assert_eq!(&left, &right);
        let scaled = left.scaled(factor).at(step);
        prop_assert!((scaled - factor * expected).abs() <= 1e-15 * scaled.abs());
        prop_assert_eq!(right.at_least(0.05).at_most(0.08).at(step), expected.clamp(0.05, 0.08));
    }

    /// Joins are continuous where the ends agree: no step is longer than the longest of a phase.
    #[test]
    fn joins_are_continuous(peak in 0.01..1.0, n in 2_u64..100, m in 2_u64..100) {
        let step = peak / n.min(m) as f64 * std::f64::consts::FRAC_PI_2 * 1.001;
        for schedule in [
            Schedule::linear(0.0, peak, n).then(n, Schedule::cosine(peak, 0.0, m)),
            Schedule::cosine(peak, 0.0, m).warm_up(n),
            Schedule::warmup_stable_decay(peak, n, 10, m, 0.0),
            Cyclic::new(0.0, peak, n).down(m).into(),
            OneCycle::new(peak, 10 * n).into(),
        ] {
            for t in 1..300 {
                let off = (schedule.at(t + 1) - schedule.at(t)).abs();
                prop_assert!(off <= step, "{schedule}: {off} at {t}");
            }
        }
    }
}

#[test]
fn the_root_decay_is_its_formula_and_keeps_its_digits_at_the_end() {
    let schedule = Schedule::one_minus_sqrt(0.3, 0.05, 1000);
    for step in 1..=1001_u64 {
        let expected = 0.05 + 0.25 * (1.0 - ((step - 1) as f64 / 1000.0).sqrt());
        assert!((schedule.at(step) - expected).abs() < 1e-16, "{step}");
    }
    // 1 - √(1 - x) = x/2 + x²/8 + ...
    let last = Schedule::one_minus_sqrt(1.0, 0.0, 1_000_000).at(1_000_000);
    assert!((last / (5e-7 + 1.25e-13) - 1.0).abs() < 1e-12, "{last}");
}

#[test]
fn a_warmup_and_a_cosine_are_counted_by_the_whole_run() {
    for (warm_up, total) in [(0, 100), (10, 100), (99, 100), (100, 100), (7, u64::MAX)] {
        let schedule = Schedule::warmup_cosine(0.1, 0.01, warm_up, total);
        schedule.validate().unwrap();
        for step in (1..=400).chain([u64::MAX]) {
            // Optax's formula, with step - 1 for its count, and from the first step's share on.
            let expected = if step <= warm_up {
                0.1 * step as f64 / warm_up as f64
            } else if step > total {
                0.01
            } else {
                let done = (step - 1 - warm_up) as f64 / (total - warm_up) as f64;
                0.01 + 0.09 * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            };
            let found = schedule.at(step);
            assert!(
                (found - expected).abs() < 1e-15,
                "{warm_up} {total} {step}: {found} {expected}"
            );
        }
    }
}

#[test]
fn a_run_that_is_shorter_than_its_warmup_is_an_error_of_the_first_step() {
    for (warm_up, total) in [(300, 100), (1, 0), (0, 0), (u64::MAX, u64::MAX - 1)] {
        let schedule = Schedule::warmup_cosine(0.1, 0.01, warm_up, total);
        // However it is composed.
        let composed = schedule.clone().scaled(0.5).then(400, 0.1);
        for schedule in [schedule, composed] {
            let mut w = array![1.0];
            let error = Sgd::new(schedule).step(&mut w, &array![1.0]).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Hyperparameter { name: "total", .. }),
                "{error}"
            );
            assert_eq!(w[0], 1.0);
        }
    }
}
