//! Every optimizer has a line and a table, in a box and around another one.

use ndarray::array;
use thalweg::train::{Accumulate, Lookahead};
use thalweg::{Adam, AdamW, Lbfgs, Muon, Optimizer, Schedule, Settings, catalog};

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
