//! `Plateau` against PyTorch's `ReduceLROnPlateau`.

use ndarray::array;
use serde::Deserialize;
use thalweg::train::{EarlyStopping, Goal, Plateau};
use thalweg::{ErrorKind, Optimizer, Schedule, Sgd};

#[derive(Deserialize)]
struct Book {
    metrics: Vec<Option<f64>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    arguments: Arguments,
    /// The steps after whose metric the rate is another, and that rate.
    changes: Vec<(usize, f64)>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Arguments {
    lr: f64,
    mode: Option<String>,
    factor: Option<f64>,
    patience: Option<u64>,
    threshold: Option<f64>,
    threshold_mode: Option<String>,
    cooldown: Option<u64>,
    min_lr: Option<f64>,
    eps: Option<f64>,
}

impl Arguments {
    fn plateau(&self) -> Plateau {
        let mut plateau = Plateau::new(self.lr);
        if self.mode.as_deref() == Some("max") {
            plateau = plateau.maximize();
        }
        if let Some(threshold) = self.threshold {
            plateau = match self.threshold_mode.as_deref() {
                Some("abs") => plateau.absolute(threshold),
                _ => plateau.relative(threshold),
            };
        }
        let plateau = self.factor.map_or(plateau.clone(), |factor| plateau.factor(factor));
        let plateau = self.patience.map_or(plateau.clone(), |patience| plateau.patience(patience));
        let plateau = self.cooldown.map_or(plateau.clone(), |cooldown| plateau.cooldown(cooldown));
        let plateau = self.min_lr.map_or(plateau.clone(), |minimum| plateau.minimum(minimum));
        self.eps.map_or(plateau.clone(), |epsilon| plateau.epsilon(epsilon))
    }
}

#[test]
fn the_rate_falls_when_torchs_does_and_to_the_same_value() {
    let book: Book = serde_json::from_str(&super::golden("plateaus.json")).unwrap();
    for case in &book.cases {
        let sign = if case.arguments.mode.as_deref() == Some("max") { -1.0 } else { 1.0 };
        let mut plateau = case.arguments.plateau();
        plateau.validate().unwrap();
        let (mut expected, mut changes) = (case.arguments.lr, case.changes.iter().peekable());
        for (step, metric) in (1..).zip(&book.metrics) {
            if let Some((_, rate)) = changes.next_if(|(at, _)| *at == step) {
                expected = *rate;
            }
            let rate = plateau.observe(metric.map_or(f64::NAN, |loss| 2.0 + sign * loss)).unwrap();
            let off = (rate / expected - 1.0).abs();
            assert!(off < 1e-14, "{:?}, step {step}: {rate} for {expected}", case.arguments);
        }
        assert!(changes.next().is_none() && case.changes.len() > 2);
    }
}

#[test]
fn a_metric_that_is_not_finite_is_no_improvement() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for plateau in [Plateau::new(1.0), Plateau::new(1.0).maximize()] {
            let mut plateau = plateau.patience(2).factor(0.5);
            let rates = [bad, bad, bad, bad].map(|metric| plateau.observe(metric).unwrap());
            assert_eq!((rates, plateau.best()), ([1.0, 1.0, 0.5, 0.5], None));
            assert_eq!((plateau.observe(3.0).unwrap(), plateau.best()), (0.5, Some(3.0)));
        }
    }
}

#[test]
fn a_parameter_out_of_range_is_named() {
    let plateau = || Plateau::new(0.1);
    for (bad, name) in [
        (plateau().factor(1.0), "factor"),
        (plateau().factor(f64::NAN), "factor"),
        (plateau().relative(-1e-4), "threshold"),
        (plateau().absolute(f64::INFINITY), "threshold"),
        (plateau().minimum(-1.0), "minimum"),
        (plateau().epsilon(f64::NAN), "epsilon"),
        (Plateau::new(-0.1), "learning_rate"),
    ] {
        let mut observed = bad.clone();
        let message = bad.validate().unwrap_err().to_string();
        assert_eq!(observed.observe(1.0).unwrap_err().to_string(), message);
        assert_eq!(observed.reduction(1.0).unwrap_err().to_string(), message);
        assert_eq!(format!("{observed:?}"), format!("{bad:?}"));
        assert!(message.starts_with(&format!("Plateau: {name} = ")), "{message}");
    }
}

fn rates(plateau: &Plateau, metrics: &[f64]) -> Vec<f64> {
    let mut plateau = plateau.clone();
    metrics.iter().map(|&metric| plateau.observe(metric).unwrap()).collect()
}

/// The rule itself, step by step: best, waited and rate of a plateau without cooldown.
fn transcribed(metrics: &[f64], maximize: bool, part: f64, least: f64, patience: u64) -> Vec<f64> {
    let (mut rate, mut best, mut waited) = (1.0, None::<f64>, 0);
    let after = |&metric: &f64| {
        let better = metric.is_finite()
            && best.is_none_or(|best| {
                let margin = if part > 0.0 { part * best.abs() } else { least };
                if maximize { metric > best + margin } else { metric < best - margin }
            });
        if better {
            (best, waited) = (Some(metric), 0);
        } else {
            waited += 1;
        }
        if waited > patience {
            (rate, waited) = (rate * 0.5, 0);
        }
        rate
    };
    metrics.iter().map(after).collect()
}

#[test]
fn a_flat_metric_reduces_whatever_its_sign_and_a_worse_one_is_not_the_best() {
    for plateau in [Plateau::new(1.0), Plateau::new(1.0).maximize()] {
        let plateau = plateau.patience(2);
        for metric in [1.0, -1.0, 1e-300, -1e300, 0.0] {
            let found = rates(&plateau, &[metric; 9]);
            let expected = [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01];
            assert!(
                found.iter().zip(expected).all(|(a, b)| (a / b - 1.0).abs() < 1e-14),
                "{metric}"
            );
        }
    }
    let mut plateau = Plateau::new(0.1).relative(0.1).patience(0);
    plateau.observe(-1.0).unwrap();
    assert!((plateau.observe(-0.95).unwrap() - 0.01).abs() < 1e-17);
    assert_eq!(plateau.best(), Some(-1.0));
    // 2000 steps from -1 to -0.9, each a little worse than the last.
    let worsening: Vec<f64> = (0..2000).map(|i| -1.0 + 5e-5 * f64::from(i)).collect();
    assert!(rates(&Plateau::new(1.0), &worsening).last().unwrap() < &1e-6);
}

#[test]
fn every_sign_goal_and_threshold_is_the_rule_as_written() {
    let wave: Vec<f64> = (0..200)
        .map(f64::from)
        .map(|i| if i % 37.0 == 5.0 { f64::NAN } else { (i * 0.7).sin() / (1.0 + i * 0.05) })
        .collect();
    for offset in [-3.0, -0.5, 0.0, 0.5, 3.0] {
        let metrics: Vec<f64> = wave.iter().map(|x| x + offset).collect();
        for (maximize, patience) in [(false, 0), (true, 0), (false, 4), (true, 4)] {
            for (part, least) in [(0.1, 0.0), (1e-4, 0.0), (0.0, 0.05), (0.0, 0.0)] {
                let plateau = Plateau::new(1.0).factor(0.5).patience(patience).epsilon(0.0);
                let plateau = if maximize { plateau.maximize() } else { plateau };
                let plateau =
                    if part > 0.0 { plateau.relative(part) } else { plateau.absolute(least) };
                let expected = transcribed(&metrics, maximize, part, least, patience);
                assert_eq!(rates(&plateau, &metrics), expected, "{plateau:?}, {offset}");
            }
        }
    }
}

#[test]
fn early_stopping_and_plateau_take_the_same_metrics_for_better() {
    let metrics = [
        f64::NEG_INFINITY,
        f64::NAN,
        -1.0,
        -0.95,
        -1.05,
        -1.2,
        f64::INFINITY,
        0.0,
        0.5,
        0.54,
        0.6,
        f64::NEG_INFINITY,
        -1.3,
    ];
    for goal in [Goal::Minimize, Goal::Maximize] {
        for part in [0.0, 0.1] {
            let mut stopping = EarlyStopping::new(goal, 100).min_relative_improvement(part);
            let mut plateau = Plateau::new(1.0).relative(part);
            if goal == Goal::Maximize {
                plateau = plateau.maximize();
            }
            for metric in metrics {
                plateau.observe(metric).unwrap();
                stopping.observe(metric, &array![0.0]).unwrap();
                assert_eq!(stopping.best_metric(), plateau.best(), "{goal:?} {part} {metric}");
            }
        }
    }
}

#[test]
fn a_reduction_reaches_warm_ups_and_groups_with_a_rate_of_their_own() {
    let mut sgd = Sgd::new(Schedule::from(1.0).warm_up(10)).group("1", |g| g.schedule(0.1));
    let mut plateau = Plateau::new(1.0).factor(0.5).patience(0);
    let mut w = (array![0.0], array![0.0]);
    let g = (array![-1.0], array![-1.0]);
    let (mut a, mut b) = (0.0, 0.0);
    for (step, metric) in (1..).zip([3.0, 2.0, 2.0, 1.0, 1.0]) {
        sgd.scale_rate(plateau.reduction(metric).unwrap()).unwrap();
        sgd.step(&mut w, &g).unwrap();
        a += 0.1 * f64::from(step) * plateau.learning_rate();
        b += 0.1 * plateau.learning_rate();
        assert!((w.0[0] - a).abs() < 1e-15 && (w.1[0] - b).abs() < 1e-15);
    }
    assert_eq!(plateau.learning_rate(), 0.25);
    // It is saved, and no factor can make a rate that is none.
    let mut resumed =
        Sgd::<f64>::new(Schedule::from(1.0).warm_up(10)).group("1", |g| g.schedule(0.1));
    resumed.load_state(&sgd.state()).unwrap();
    assert_eq!(resumed.learning_rate(), sgd.learning_rate());
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let error = sgd.scale_rate(bad).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::LearningRate { .. }), "{error}");
    }
    assert_eq!(resumed.state(), sgd.state());
}
