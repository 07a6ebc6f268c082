//! Records of steps, reports and condition numbers, through JSON and a binary format.

use std::fmt::Debug;

use ndarray::{Array1, array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thalweg::curvature::Condition;
use thalweg::solvers::{
    CentralDifferences, ConjugateGradient, Lbfgs, Report, Solver, Stop, minimize, minimize_within,
};
use thalweg::train::range_test;
use thalweg::{Adam, Bounds, Optimizer, Sgd, StepInfo};

fn back<T: Serialize + DeserializeOwned>(value: &T) -> [T; 2] {
    let text = serde_json::to_string(value).unwrap();
    let bytes = postcard::to_stdvec(value).unwrap();
    [serde_json::from_str(&text).unwrap(), postcard::from_bytes(&bytes).unwrap()]
}

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    for read in back(value) {
        assert_eq!(read, *value);
    }
}

fn reports() -> Vec<Report> {
    let mut objective = |w: &Array1<f64>| (w.dot(w), 2.0 * w);
    let mut boxed: Box<dyn Solver<f64>> = Box::new(ConjugateGradient::new());
    let mut reports = vec![];
    let mut w = array![1.0, 2.0];
    reports.push(minimize(&mut boxed, &mut w, &mut objective, Stop::default()).unwrap());
    let bounds = Bounds::new().lower(&array![0.5, 2.0]);
    let (mut w, mut lbfgs) = (array![1.0, 3.0], Lbfgs::new());
    let stop = Stop::default();
    reports.push(minimize_within(&mut lbfgs, &mut w, &bounds, &mut objective, stop).unwrap());
    for start in [f64::NAN, f64::INFINITY] {
        let mut wrong = |w: &Array1<f64>| (start, w.clone());
        reports.push(minimize(&mut lbfgs, &mut w, &mut wrong, Stop::default()).unwrap());
        let mut wrong = |w: &Array1<f64>| (0.0, w * start);
        reports.push(minimize(&mut lbfgs, &mut w, &mut wrong, Stop::default()).unwrap());
    }
    let mut falling = |w: &Array1<f64>| (w[0], array![1.0, 0.0]);
    reports.push(minimize(&mut lbfgs, &mut w, &mut falling, Stop::default()).unwrap());
    let mut upside = |w: &Array1<f64>| (w.dot(w), -2.0 * w);
    reports
        .push(minimize(&mut lbfgs, &mut array![1.0, 2.0], &mut upside, Stop::default()).unwrap());
    let mut blind = CentralDifferences::new(|w: &Array1<f64>| w.dot(w));
    let few = Stop::default().evaluations(2);
    reports.push(minimize(&mut lbfgs, &mut array![1.0, 2.0], &mut blind, few).unwrap());
    reports
}

#[test]
fn a_report_comes_back_whatever_its_status() {
    let reports = reports();
    let mut statuses: Vec<String> = reports.iter().map(|r| format!("{:?}", r.status)).collect();
    statuses.sort();
    statuses.dedup();
    assert!(statuses.len() >= 6, "{statuses:?}");
    for report in &reports {
        for read in back(report) {
            // NaN is not itself: all is compared as it prints.
            assert_eq!(format!("{read:?}"), format!("{report:?}"));
        }
    }
    let active: Vec<_> = reports[1].active.iter().map(|(_, index, side)| (index, side)).collect();
    let [read, _] = back(&reports[1]);
    assert_eq!(read.active.iter().map(|(_, i, side)| (i, side)).collect::<Vec<_>>(), active);
    assert!(!active.is_empty());
}

#[test]
fn a_log_can_be_read_by_others() {
    let mut w = array![1.0, 2.0];
    let g = array![3.0, 4.0];
    let info = Adam::new(0.5).clip_norm(1.0).step(&mut w, &g).unwrap();
    let json: serde_json::Value = serde_json::to_value(info).unwrap();
    assert_eq!((&json["step"], &json["learning_rate"]), (&1.into(), &0.5.into()));
    assert!((json["grad_norm"].as_f64().unwrap() - 5.0).abs() < 1e-12);
    check(&info);
    check(&StepInfo::skipped());
    let json = serde_json::to_value(&reports()[0]).unwrap();
    assert_eq!(json["solver"], "ConjugateGradient");
    assert!(json["history"][0]["value"].as_f64() == Some(5.0), "{json}");
}

#[test]
fn condition_numbers_and_range_tests_come_back() {
    let condition = Condition::of(array![[100.0, 0.0], [0.0, 1.0]]).unwrap();
    check(&condition);
    check(&condition.momentum().unwrap());
    let mut w = array![1.0, 2.0];
    let test = range_test(Sgd::new(1.0), &mut w, 1e-3..1e5, 50, |w, _| Ok((w.dot(w), 2.0 * w)));
    let test = test.unwrap();
    for read in back(&test) {
        assert_eq!(format!("{read:?}"), format!("{test:?}"));
    }
}
