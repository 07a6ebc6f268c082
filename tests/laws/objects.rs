//! An optimizer is an ordinary value: boxed, cloned, moved to another thread.

use ndarray::Array1;
use thalweg::{Optimizer, Scalar, catalog};

use super::support::*;

fn is_send_sync_and_debug<T: Send + Sync + std::fmt::Debug + ?Sized>(_: &T) {}

fn trained<F: Scalar>(optimizer: &mut dyn Optimizer<F>, w: &mut Array1<F>, from: u64, to: u64) {
    for i in from..to {
        let g = Array1::from_vec(numbers(w.len(), i));
        optimizer.step_with_loss(w, &g, LOSS).unwrap();
    }
}

fn any_optimizer_is_a_value_of_one_type<F: Scalar>() {
    let all: Vec<Box<dyn Optimizer<F>>> =
        catalog::<F>().iter().map(|entry| entry.build(RATE, clipped())).collect();
    for (optimizer, entry) in all.into_iter().zip(catalog::<F>()) {
        is_send_sync_and_debug(&optimizer);
        assert_eq!(optimizer.name(), entry.title);
        assert!(format!("{optimizer:?}").contains(entry.title));
        let run = Run::new(entry, &clipped(), &[20]);
        let mut w = run.start.clone();
        // A box is an optimizer too.
        let mut boxed: Box<dyn Optimizer<F>> = Box::new(optimizer);
        for (g, (expected, info)) in run.gradients.iter().zip(&run.expected) {
            assert_eq!(boxed.step_with_loss(&mut w, g, LOSS).unwrap(), *info);
            assert_same(w.view(), expected.view(), entry.name);
        }
        assert_eq!(boxed.steps(), STEPS as u64);
    }
}

fn a_clone_goes_on_bit_for_bit<F: Scalar>() {
    for rule in each_rule::<F>() {
        let name = rule.entry.name;
        let mut w = Array1::from_vec(numbers::<F>(37, 1));
        let mut optimizer = (rule.optimizer)().with(clipped());
        is_send_sync_and_debug(&optimizer);
        trained(&mut *optimizer, &mut w, 0, 3);
        let (mut copy, mut copy_w) = (optimizer.copy(), w.clone());
        assert_eq!(copy.steps(), 3);
        // The copy goes its own way, and the original does not notice.
        let (mut lost, mut lost_w) = (copy.copy(), w.clone());
        trained(&mut *lost, &mut lost_w, 50, 60);
        trained(&mut *copy, &mut copy_w, 3, 7);
        trained(&mut *optimizer, &mut w, 3, 7);
        assert_same(copy_w.view().into_dyn(), w.view().into_dyn(), name);
        for slot in rule.slots {
            let [copy, own] = [&copy, &optimizer].map(|o| o.slot_of_array(slot).unwrap());
            assert_same(copy.view(), own.view(), name);
        }
    }
}

fn an_optimizer_goes_on_in_another_thread<F: Scalar>() {
    for entry in catalog::<F>() {
        let mut here = (entry.build(RATE, clipped()), Array1::from_vec(numbers::<F>(37, 1)));
        let mut moved = (entry.build(RATE, clipped()), here.1.clone());
        trained(&mut *here.0, &mut here.1, 0, 6);
        trained(&mut *moved.0, &mut moved.1, 0, 3);
        let moved = std::thread::spawn(move || {
            trained(&mut *moved.0, &mut moved.1, 3, 6);
            moved
        });
        let moved = moved.join().unwrap();
        assert_eq!(moved.0.steps(), 6);
        assert_same(moved.1.view().into_dyn(), here.1.view().into_dyn(), entry.name);
    }
}

fn the_catalog_tells_what_it_builds<F: Scalar>() {
    let mut names: Vec<&str> = catalog::<F>().iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), catalog::<F>().len(), "names differ");
    for entry in catalog::<F>() {
        assert_eq!(entry.build(0.25, settings(|_| ())).learning_rate(), 0.25);
        assert!(!entry.formula.is_empty() && !entry.source.is_empty());
        let norms = if entry.couples { 2 + entry.slots } else { 0 };
        assert_eq!(entry.bytes_per_element(), (3 + 2 * entry.slots + norms) * size_of::<F>());
    }
    for rule in each_rule::<F>() {
        let (entry, default) = (rule.entry, (rule.optimizer)());
        assert_eq!(default.learning_rate(), entry.learning_rate);
        assert_eq!(rule.slots.len(), entry.slots);
        assert_eq!(!rule.sums.is_empty(), entry.couples_leaves);
        assert_eq!(rule.norms || entry.couples_leaves, entry.couples);
        assert_eq!(rule.loss, entry.needs_loss);
        assert!(rule.sums.len() <= 4 && (rule.norms || !rule.leaf_clocks));
        assert_eq!((default.steps(), default.skipped(), default.name()), (0, 0, entry.title));
        default.validate().unwrap();
        assert!(rule.slots.iter().all(|slot| default.slot_of_array(slot).is_none()));
    }
}

for_both_scalars!(
    any_optimizer_is_a_value_of_one_type,
    a_clone_goes_on_bit_for_bit,
    an_optimizer_goes_on_in_another_thread,
    the_catalog_tells_what_it_builds,
);
