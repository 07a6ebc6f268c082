//! When a training is stopped, and with which parameters.

use ndarray::{Array1, array};
use thalweg::ErrorKind;
use thalweg::train::{EarlyStopping, Verdict};

const fn waiting(waited: u64, left: u64) -> Verdict {
    Verdict::Waiting { waited, left }
}

/// The verdicts on these metrics; the parameter is the number of the epoch.
fn verdicts(early_stopping: &mut EarlyStopping<f64>, metrics: &[f64]) -> Vec<Verdict> {
    let epochs = early_stopping.epochs() + 1;
    let observe = |(epoch, &metric): (u64, &f64)| {
        early_stopping.observe(metric, &array![epoch as f64]).unwrap()
    };
    (epochs..).zip(metrics).map(observe).collect()
}

fn restored(early_stopping: &EarlyStopping<f64>) -> f64 {
    let mut model = array![0.0];
    early_stopping.restore(&mut model).unwrap();
    model[0]
}

#[test]
fn patience_counts_epochs_in_a_row_and_the_best_parameters_come_back() {
    let mut loss = EarlyStopping::minimize(3);
    assert_eq!(
        verdicts(&mut loss, &[2.0, 3.0, 1.0, 1.0, 2.0]),
        [Verdict::Improved, waiting(1, 2), Verdict::Improved, waiting(1, 2), waiting(2, 1)]
    );
    assert_eq!(verdicts(&mut loss, &[1.5]), [Verdict::Stop { best_epoch: 3 }]);
    assert_eq!((restored(&loss), loss.best_metric(), loss.best_epoch()), (3.0, Some(1.0), Some(3)));
    // Going on is allowed.
    assert_eq!(
        verdicts(&mut loss, &[1.5, 0.5]),
        [Verdict::Stop { best_epoch: 3 }, Verdict::Improved]
    );
    assert_eq!(restored(&loss), 8.0);
}

#[test]
fn an_accuracy_improves_upwards() {
    let mut accuracy = EarlyStopping::maximize(2);
    assert_eq!(
        verdicts(&mut accuracy, &[-5.0, 0.5, 0.4, 0.6, 0.6, 0.1]),
        [
            Verdict::Improved,
            Verdict::Improved,
            waiting(1, 1),
            Verdict::Improved,
            waiting(1, 1),
            Verdict::Stop { best_epoch: 4 }
        ]
    );
    assert_eq!(restored(&accuracy), 4.0);
}

#[test]
fn nan_and_the_worst_value_are_no_improvement() {
    let mut loss = EarlyStopping::minimize(4);
    assert_eq!(
        verdicts(&mut loss, &[f64::NAN, f64::INFINITY, 7.0, f64::NAN, f64::INFINITY]),
        [waiting(1, 3), waiting(2, 2), Verdict::Improved, waiting(1, 3), waiting(2, 2)]
    );
    assert_eq!(restored(&loss), 3.0);
    let mut never = EarlyStopping::maximize(2);
    assert_eq!(
        verdicts(&mut never, &[f64::NAN, f64::NEG_INFINITY]),
        [waiting(1, 1), Verdict::Stop { best_epoch: 0 }]
    );
    let error = never.restore(&mut array![0.0]).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NothingBest);
    assert_eq!((never.best_metric(), never.best_epoch()), (None, None));
}

#[test]
fn an_improvement_must_exceed_both_thresholds() {
    let absolute = || EarlyStopping::minimize(9).min_improvement(0.5);
    assert_eq!(
        verdicts(&mut absolute(), &[4.0, 3.5, 3.25, 3.0]),
        [Verdict::Improved, waiting(1, 8), Verdict::Improved, waiting(1, 8)]
    );
    let relative = |goal: EarlyStopping<f64>| goal.min_relative_improvement(0.25);
    assert_eq!(
        verdicts(&mut relative(EarlyStopping::minimize(9)), &[-4.0, -5.0, -5.5]),
        [Verdict::Improved, waiting(1, 8), Verdict::Improved]
    );
    assert_eq!(
        verdicts(&mut relative(EarlyStopping::maximize(9)), &[4.0, 5.0, 5.5, 6.0]),
        [Verdict::Improved, waiting(1, 8), Verdict::Improved, waiting(1, 8)]
    );
    let mut both = relative(absolute());
    assert_eq!(
        verdicts(&mut both, &[4.0, 3.25, 2.75, 1.0, 0.6, 0.25]),
        [
            Verdict::Improved,
            waiting(1, 8),
            Verdict::Improved,
            Verdict::Improved,
            waiting(1, 8),
            Verdict::Improved
        ]
    );
}

#[test]
fn other_parameters_are_refused_and_the_epoch_does_not_count() {
    let mut early_stopping = EarlyStopping::minimize(3);
    early_stopping.observe(1.0, &array![1.0, 2.0]).unwrap();
    let before = early_stopping.clone();
    for metric in [0.5, 2.0] {
        let error = early_stopping.observe(metric, &array![1.0]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ShapeChanged { .. }), "{error}");
        assert_eq!(early_stopping, before);
    }
    let mut other = array![7.0];
    assert!(early_stopping.restore(&mut other).is_err());
    assert_eq!(other[0], 7.0);
    let nothing: Vec<Array1<f64>> = Vec::new();
    let error = EarlyStopping::minimize(1).observe(0.0, &nothing).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NoLeaves);
}

#[test]
fn settings_out_of_range_are_refused() {
    let name = |early_stopping: EarlyStopping<f64>| {
        let mut early_stopping = early_stopping;
        match early_stopping.observe(0.0, &array![1.0]).unwrap_err().kind() {
            ErrorKind::Hyperparameter { owner: "EarlyStopping", name, .. } => *name,
            kind => panic!("{kind}"),
        }
    };
    assert_eq!(name(EarlyStopping::minimize(0)), "patience");
    assert_eq!(name(EarlyStopping::minimize(1).min_improvement(-1.0)), "min_improvement");
    let relative = EarlyStopping::minimize(1).min_relative_improvement(f64::NAN);
    assert_eq!(name(relative), "min_relative_improvement");
}

#[test]
fn a_reset_keeps_the_settings_alone() {
    let new = || EarlyStopping::minimize(2).min_improvement(0.5).min_relative_improvement(0.1);
    let mut early_stopping = new();
    verdicts(&mut early_stopping, &[3.0, 1.0, 2.0]);
    early_stopping.reset();
    assert_eq!(early_stopping, new());
}

#[cfg(feature = "serde")]
#[test]
fn a_saved_one_goes_on_where_it_stood() {
    let metrics = [3.0, f64::NAN, 1.0, 2.0, 0.5];
    for saved_after in 0..=metrics.len() {
        let (head, tail) = metrics.split_at(saved_after);
        let mut whole = EarlyStopping::minimize(2).min_improvement(0.25);
        verdicts(&mut whole, head);
        let json = serde_json::to_string(&whole).unwrap();
        let mut loaded: EarlyStopping<f64> = serde_json::from_str(&json).unwrap();
        assert_eq!(loaded, whole);
        assert_eq!(verdicts(&mut loaded, tail), verdicts(&mut whole, tail));
        assert_eq!(loaded, whole);
        let bytes = thalweg::checkpoint::to_bytes(&whole).unwrap();
        assert_eq!(thalweg::checkpoint::from_bytes::<EarlyStopping<f64>>(&bytes).unwrap(), whole);
    }
}
