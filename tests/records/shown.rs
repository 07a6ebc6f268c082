//! Every optimizer has a line and a table, in a box and around another one.

use ndarray::{Array1, array};
use thalweg::curvature::{Condition, CriticalKind, Flow};
use thalweg::solvers::{Stop, minimize};
use thalweg::train::{Accumulate, EarlyStopping, Lookahead};
use thalweg::{Adam, AdamW, Lbfgs, Muon, NonFinite, Optimizer, Schedule, Settings, catalog};

/// Steps once, and gives the line before and after, and the table.
fn shown(optimizer: &mut dyn Optimizer<f64>) -> [String; 3] {
    let before = optimizer.to_string();
    let mut w = array![[1.0, 2.0], [3.0, 4.0]];
    optimizer.step_with_loss(&mut w, &array![[0.1, 0.2], [0.3, 0.4]], 1.5).unwrap();
    [before, optimizer.to_string(), format!("{optimizer:#}")]
}

#[test]
fn every_optimizer_has_a_line_and_a_table() {
    for entry in catalog::<f64>() {
        let [before, after, table] = shown(&mut *entry.build(0.125, Settings::default()));
        for line in [&before, &after] {
            assert!(
                line.starts_with(&format!("{}: ", entry.title)) && !line.contains('\n'),
                "{line}"
            );
            assert!(line.contains("learning rate 0.125"), "{line}");
        }
        assert!(before.ends_with("0 steps") && after.ends_with("1 step"), "{before} / {after}");
        assert!(table.lines().count() > 1 && table.contains("1 leaf of 4 numbers"), "{table}");
    }
}

#[test]
fn a_box_a_wrapper_and_the_bare_one_print_alike() {
    let adam = || Adam::<f64>::new(0.5);
    let boxed: Box<dyn Optimizer<f64>> = Box::new(adam());
    assert_eq!(boxed.to_string(), adam().to_string());
    assert_eq!(format!("{boxed:#}"), format!("{:#}", adam()));
    let mut others: Vec<Box<dyn Optimizer<f64>>> = vec![
        Box::new(Muon::new(0.5)),
        Box::new(Lbfgs::new()),
        Box::new(Lookahead::new(adam())),
        Box::new(Accumulate::new(adam(), 2)),
    ];
    for other in &mut others {
        let [before, after, table] = shown(&mut **other);
        assert!(!before.contains('\n') && !after.contains('\n'), "{before} {after}");
        assert!(table.contains(other.name()), "{table}");
    }
    assert!(format!("{:#}", others[2]).contains("inside Adam"));
}

#[test]
fn what_searches_for_its_lengths_tells_no_rate_before_it_has_one() {
    let mut lbfgs = Lbfgs::new();
    let [before, after, table] = shown(&mut lbfgs);
    assert_eq!(before, "L-BFGS: 0 steps");
    let length = Optimizer::<f64>::learning_rate(&lbfgs);
    assert!(
        length > 0.0 && after == format!("L-BFGS: learning rate {length:?}, 1 step"),
        "{after}"
    );
    assert!(table.contains("\n  array  [2, 2]  "), "{table}");
    // A rate that it has not cannot be scaled; one that is fixed can.
    let error = Optimizer::<f64>::scale_rate(&mut lbfgs, 0.5).unwrap_err();
    assert!(error.to_string().starts_with("L-BFGS has no fixed rate to change"), "{error}");
    Optimizer::<f64>::set_learning_rate(&mut lbfgs, 0.5).unwrap();
    Optimizer::<f64>::scale_rate(&mut lbfgs, 0.5).unwrap();
    assert_eq!(Optimizer::<f64>::learning_rate(&lbfgs), 0.25);
}

#[test]
fn a_rate_may_be_written_as_a_whole_number() {
    let [before, ..] = shown(&mut Adam::<f64>::new(1));
    assert_eq!(before, "Adam: learning rate 1.0, 0 steps");
}

#[test]
fn a_report_tells_a_start_that_is_a_minimum_once() {
    let mut w = array![0.0, 0.0];
    let mut objective = |w: &Array1<f64>| (w.dot(w), w * 2.0);
    let report = minimize(&mut Lbfgs::new(), &mut w, &mut objective, Stop::default()).unwrap();
    let told = report.to_string();
    assert!(told.contains("0 iterations, 1 evaluation of f and g"), "{told}");
    assert_eq!(told.lines().count(), 4, "{told}");
}

#[test]
fn a_table_has_what_the_optimizer_was_built_with() {
    let adamw = AdamW::<f32>::new(Schedule::warmup_cosine(0.5, 0.0, 10, 110))
        .beta2(0.75)
        .clip_norm(3.0)
        .group("*.bias", |g| g.weight_decay(0.0));
    let table = format!("{adamw:#}");
    for word in ["cosine 0.5 → 0 over 100 steps", "0.75", "clip norm", "3.0", "*.bias"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    let debug = format!("{adamw:?}");
    assert!(debug.contains("clip_norm") && !debug.contains("proximal_l1"), "{debug}");
}

#[test]
fn a_step_is_told_in_a_line() {
    let (mut w, g) = (array![1.0, 2.0], array![3.0, 4.0]);
    let mut adam = Adam::new(0.25).report_norm(true).non_finite(NonFinite::Skip);
    let mut tell = |g| adam.step(&mut w, &g).unwrap().to_string();
    assert_eq!(tell(g.clone()), "step 1: learning rate 0.25, gradient norm 5.0");
    assert_eq!(tell(array![f64::NAN, 0.0]), "step 1: skipped, a gradient was not finite");
    let mut parts = Accumulate::new(Adam::new(0.25), 2);
    let mut tell = || parts.step(&mut w, &g).unwrap().to_string();
    assert_eq!(tell(), "step 0: gradients are added up, none was taken");
    assert_eq!(tell(), "step 1: learning rate 0.25");
}

#[test]
fn verdicts_and_kinds_are_told_in_words() {
    let mut early = EarlyStopping::<f64>::minimize(2);
    let said =
        [2.0, 1.0, 1.5, 1.5].map(|metric| early.observe(metric, &array![0.0]).unwrap().to_string());
    let told = ["improved", "improved", "no better for 1, 1 left", "stop, epoch 2 was the best"];
    assert_eq!(said, told);
    let mut never = EarlyStopping::<f64>::minimize(1);
    let said = never.observe(f64::NAN, &array![0.0]).unwrap().to_string();
    assert_eq!(said, "stop, no epoch had a finite metric");
    assert_eq!(Flow::Vanishing.to_string(), "vanishing");
    let saddle = CriticalKind::Saddle { negative: 3 };
    assert_eq!(saddle.to_string(), "saddle, 3 of the eigenvalues negative");
}

/// Of diag(1, 2, 4) all is known: κ = 4, and 2/λ_max = 0.5.
#[test]
fn curvature_is_told_in_a_line() {
    let diagonal = array![[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 4.0]];
    let told = Condition::of(diagonal).unwrap().to_string();
    for word in ["λ from 1.0000e0 ±", " to 4.0000e0 ±", "condition number 4.000e0", "5.000e-1"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(!told.contains('\n') && !told.contains("not converged"), "{told}");
}
