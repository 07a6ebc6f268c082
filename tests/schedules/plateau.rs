//! `Plateau` against PyTorch's `ReduceLROnPlateau`.

use serde::Deserialize;
use thalweg::train::Plateau;

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
            let rate = plateau.observe(metric.map_or(f64::NAN, |loss| 2.0 + sign * loss));
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
            let rates = [bad, bad, bad, bad].map(|metric| plateau.observe(metric));
            assert_eq!((rates, plateau.best()), ([1.0, 1.0, 0.5, 0.5], None));
            assert_eq!((plateau.observe(3.0), plateau.best()), (0.5, Some(3.0)));
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
        let message = bad.validate().unwrap_err().to_string();
        assert!(message.starts_with(&format!("Plateau: {name} = ")), "{message}");
    }
}
