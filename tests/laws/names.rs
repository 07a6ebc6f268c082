//! State belongs to a leaf's name and shape, not to its place.

use std::cell::Cell;
use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayD};
use thalweg::params::{Leaf, LeafMut, Path};
use thalweg::{Adam, ErrorKind, Optimizer, Params, ParamsMut, Scalar, Settings, Tree, catalog};

use super::support::*;

type Model<F> = BTreeMap<String, ArrayD<F>>;

fn named<F: Scalar>(leaves: &[(&str, &[usize])], seed: u64) -> Model<F> {
    let leaf = |(i, &(name, shape)): (usize, &(&str, &[usize]))| {
        (name.to_owned(), array(shape, seed * 100 + i as u64))
    };
    leaves.iter().enumerate().map(leaf).collect()
}

/// A tree that visits its leaves from another one on each time.
struct Restless<F> {
    leaves: Vec<(&'static str, Array1<F>)>,
    turn: Cell<usize>,
    by: usize,
}

impl<F: Scalar> Restless<F> {
    fn new(seed: u64, by: usize) -> Self {
        let leaf = |(i, name)| (name, Array1::from_vec(numbers(9, seed * 10 + i)));
        let leaves = (0..).zip(["w", "bias", "scale", "shift"]).map(leaf).collect();
        Self { leaves, turn: Cell::new(0), by }
    }

    fn first(&self) -> usize {
        self.turn.set(self.turn.get() + self.by);
        self.turn.get() % self.leaves.len()
    }

    fn values(&self) -> Vec<F> {
        self.leaves.iter().flat_map(|(_, leaf)| leaf.to_vec()).collect()
    }
}

impl<F: Scalar> Params<F> for Restless<F> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        let (before, after) = self.leaves.split_at(self.first());
        after.iter().chain(before).for_each(|(name, leaf)| leaf.visit(path.name(name), visit));
    }
}

impl<F: Scalar> ParamsMut<F> for Restless<F> {
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    ) {
        let first = self.first();
        let (before, after) = self.leaves.split_at_mut(first);
        after.iter_mut().chain(before).for_each(|(name, leaf)| {
            leaf.visit_mut(path.name(name), visit);
        });
    }
}

fn the_order_of_the_leaves_does_not_matter<F: Scalar>() {
    for entry in catalog::<F>() {
        for settings in [Settings::default(), penalized()] {
            let (mut still, mut restless) = (Restless::<F>::new(1, 0), Restless::new(1, 1));
            let mut a = entry.build(RATE, settings.clone());
            let mut b = entry.build(RATE, settings);
            for step in 2..10 {
                a.step_with_loss(&mut still, &Restless::new(step, 0), LOSS).unwrap();
                b.step_with_loss(&mut restless, &Restless::new(step, step as usize % 4), LOSS)
                    .unwrap();
                assert_same_slices(&restless.values(), &still.values(), (entry.name, step));
            }
        }
    }
}

fn a_second_model_is_refused<F: Scalar>() {
    for entry in catalog::<F>() {
        let mut optimizer = entry.build(RATE, Settings::default());
        let mut first = named::<F>(&[("w", &[3]), ("b", &[2])], 1);
        optimizer.step_with_loss(&mut first, &named(&[("w", &[3]), ("b", &[2])], 2), LOSS).unwrap();
        let mut second = (Array1::<F>::zeros(3), Array1::<F>::zeros(2));
        let g = second.clone();
        let error = optimizer.step_with_loss(&mut second, &g, LOSS).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Leaves { tree: Tree::Parameters, missing, unexpected }
                if missing == &["b", "w"] && unexpected == &["0", "1"]),
            "{error}"
        );
        assert!(error.to_string().contains("second optimizer for a second model"));
        let mut lone = Array1::<F>::zeros(3);
        let g = lone.clone();
        let text = optimizer.step_with_loss(&mut lone, &g, LOSS).unwrap_err().to_string();
        assert!(text.contains("the array"), "{text}");
    }
}

fn a_reset_begins_anew<F: Scalar>() {
    for entry in catalog::<F>() {
        let mut used = entry.build(RATE, settings(|s| s.non_finite = thalweg::NonFinite::Skip));
        let mut w = named::<F>(&[("w", &[3]), ("b", &[2])], 1);
        for seed in 2..6 {
            used.step_with_loss(&mut w, &named(&[("w", &[3]), ("b", &[2])], seed), LOSS).unwrap();
        }
        let nan = named::<F>(&[("w", &[3]), ("b", &[2])], 1);
        let nan: Model<F> = nan.into_iter().map(|(k, v)| (k, v.mapv(|_| F::nan()))).collect();
        used.step_with_loss(&mut w, &nan, LOSS).unwrap();
        assert_eq!((used.steps(), used.skipped()), (4, 1));
        used.reset();
        assert_eq!((used.steps(), used.skipped(), used.learning_rate()), (0, 0, RATE));

        let run = Run::new(entry, &Settings::default(), &[4, 7]);
        let mut w = run.start.clone();
        for (g, (expected, info)) in run.gradients.iter().zip(&run.expected) {
            assert_eq!(used.step_with_loss(&mut w, g, LOSS).unwrap(), *info);
            assert_same(w.view(), expected.view(), entry.name);
        }
    }
}

fn names_that_collide_are_refused<F: Scalar>() {
    let nested = |seed| {
        let inner = |k: &str, n| BTreeMap::from([(k.to_owned(), array::<F>(&[n], seed))]);
        BTreeMap::from([("a.b".to_owned(), inner("c", 2)), ("a".to_owned(), inner("b.c", 2))])
    };
    let plain = |seed| BTreeMap::from([("a".to_owned(), named::<F>(&[("b.c", &[2])], seed))]);
    for entry in catalog::<F>() {
        let mut optimizer = entry.build(RATE, Settings::default());
        for later in [false, true] {
            let check = |result: Result<_, thalweg::Error>, of: Tree| {
                let error = result.map(|_: thalweg::StepInfo| ()).unwrap_err();
                assert!(
                    matches!(error.kind(), ErrorKind::DuplicateLeaf { tree, leaf }
                        if *tree == of && leaf == "a.b.c"),
                    "{error:?}"
                );
                assert!(error.to_string().contains("`a.b.c`"), "{error}");
                assert!(error.to_string().contains(&of.to_string()), "{error}");
            };
            let mut w = nested(1);
            check(optimizer.step_with_loss(&mut w, &nested(2), LOSS), Tree::Parameters);
            assert_same_slices(&elements(&w), &elements(&nested(1)), "parameters");
            let mut w = plain(1);
            check(optimizer.step_with_loss(&mut w, &nested(2), LOSS), Tree::Gradients);
            assert_same_slices(&elements(&w), &elements(&plain(1)), "parameters");
            if !later {
                optimizer.step_with_loss(&mut plain(1), &plain(2), LOSS).unwrap();
            }
        }
    }
}

fn a_model_without_leaves_is_refused<F: Scalar>() {
    for entry in catalog::<F>() {
        let mut optimizer = entry.build(RATE, clipped());
        for _ in 0..2 {
            let error = optimizer.step_with_loss(
                &mut Vec::<Array1<F>>::new(),
                &Vec::<Array1<F>>::new(),
                LOSS,
            );
            assert_eq!(error.unwrap_err().kind(), &ErrorKind::NoLeaves);
        }
        assert_eq!(optimizer.steps(), 0);
        let mut nothing: (Vec<Array1<F>>, Option<Array2<F>>) = (Vec::new(), None);
        let error =
            optimizer.step_with_loss(&mut nothing, &Array1::<F>::zeros(1), LOSS).unwrap_err();
        assert!(error.to_string().contains("no leaf"), "{error}");
    }
}

fn an_option_that_changes_is_an_error<F: Scalar>() {
    let mut optimizer = Adam::new(0.1);
    let w = Array1::<F>::zeros(2);
    optimizer
        .step_with_loss(&mut (w.clone(), None::<Array1<F>>), &(&w, None::<Array1<F>>), LOSS)
        .unwrap();
    let error =
        optimizer.step_with_loss(&mut (w.clone(), Some(w.clone())), &(&w, &w), LOSS).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Leaves { unexpected, .. } if unexpected == &["1"]));
}

/// Names that end alike, or hold digits and dots, are told apart.
fn names_are_compared_whole<F: Scalar>() {
    let leaves: &[(&str, &[usize])] =
        &[("", &[2]), (".", &[2]), ("1", &[2]), ("11", &[2]), ("a.1", &[2]), ("é.ü", &[2])];
    for entry in catalog::<F>() {
        let mut optimizer = entry.build(RATE, Settings::default());
        let mut w = (named::<F>(leaves, 1), vec![array::<F>(&[3], 2); 12]);
        let g = (named::<F>(leaves, 3), vec![array::<F>(&[3], 4); 12]);
        for _ in 0..2 {
            optimizer.step_with_loss(&mut w, &g, LOSS).unwrap();
        }
        let mut renamed = w.clone();
        let leaf = renamed.0.remove("11").unwrap();
        renamed.0.insert("111".into(), leaf);
        let error = optimizer.step_with_loss(&mut renamed, &g, LOSS).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Leaves { missing, unexpected, .. }
                if missing == &["0.11"] && unexpected == &["0.111"]),
            "{error}"
        );
    }
}

fn a_renamed_model_does_not_flood_the_message<F: Scalar>() {
    let mut optimizer = Adam::new(0.1);
    let mut w = vec![Array1::<F>::zeros(1); 100];
    let g = w.clone();
    optimizer.step_with_loss(&mut (&mut w, ()).0, &g, LOSS).unwrap();
    let text = optimizer.step_with_loss(&mut (w,), &(g,), LOSS).unwrap_err().to_string();
    assert!(text.contains("and 95 more") && text.len() < 400, "{text}");
}

for_both_scalars!(
    the_order_of_the_leaves_does_not_matter,
    a_second_model_is_refused,
    a_reset_begins_anew,
    names_that_collide_are_refused,
    a_model_without_leaves_is_refused,
    an_option_that_changes_is_an_error,
    names_are_compared_whole,
    a_renamed_model_does_not_flood_the_message,
);

/// What schedules drive, states compare and `{:#}` prints: the numbers of a rule, which are read off its source here.
#[test]
fn every_number_of_a_rule_goes_by_its_name() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/rules");
    let mut numbers = 0;
    for entry in catalog::<f64>() {
        let Ok(text) = std::fs::read_to_string(folder.join(format!("{}.rs", entry.name))) else {
            continue; // in the file of another rule
        };
        let Some((_, list)) = text.split_once("\nhyperparameters! {") else { continue };
        let table = format!("{:#}", entry.build(entry.learning_rate, Settings::default()));
        for line in list.split("\n}\n").next().unwrap().lines() {
            let line = line.trim().strip_suffix(';').unwrap_or_default();
            let Some((name, rest)) = line.split_once(" = ") else { continue };
            let Some((default, _)) = rest.split_once(" in ") else { continue };
            let name = name.replace('_', " ");
            let told = table.lines().find_map(|line| line.trim().strip_prefix(&format!("{name} ")));
            let told = told.unwrap_or_else(|| panic!("{} tells no {name}: {table}", entry.name));
            assert_eq!(told.trim().parse(), default.parse::<f64>(), "{}: {name}", entry.name);
            numbers += 1;
        }
    }
    assert!(numbers > 100, "{numbers}");
}
