//! All or nothing: an error leaves parameters, state and counters as they were.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::ArrayD;
use thalweg::{
    Elementwise, Error, ErrorKind, NonFinite, Optimizer, Scalar, Schedule, Settings, Tree, catalog,
    rules,
};

use super::support::*;

type Model<F> = BTreeMap<String, ArrayD<F>>;

const SHAPES: [(&str, &[usize]); 3] = [("a", &[40]), ("b", &[3, 4]), ("c", &[2, 3, 5])];

fn model<F: Scalar>(seed: u64) -> Model<F> {
    let leaf = |(i, &(name, shape)): (usize, &(&str, &[usize]))| {
        (name.to_owned(), array(shape, 10 * seed + i as u64))
    };
    SHAPES.iter().enumerate().map(leaf).collect()
}

/// A call that must fail: it changes parameters or gradients of a good one.
struct Bad<F> {
    what: &'static str,
    /// Whether it needs a step before it to be an error.
    later: bool,
    change: fn(&mut Model<F>, &mut Model<F>),
    is: fn(&ErrorKind) -> bool,
    says: &'static [&'static str],
}

fn rename<F>(model: &mut Model<F>, from: &str, to: &str) {
    let leaf = model.remove(from).unwrap();
    model.insert(to.into(), leaf);
}

fn is_leaves(kind: &ErrorKind, of: Tree, gone: &[&str], new: &[&str]) -> bool {
    matches!(kind, ErrorKind::Leaves { tree, missing, unexpected }
        if *tree == of && missing == gone && unexpected == new)
}

fn bad_calls<F: Scalar>() -> Vec<Bad<F>> {
    vec![
        Bad {
            what: "the last element of the last gradient is NaN",
            later: false,
            change: |_, g| g.get_mut("c").unwrap()[[1, 2, 4]] = F::nan(),
            is: |kind| {
                matches!(kind, ErrorKind::NonFiniteGradient { leaf, index, value }
                    if leaf == "c" && index == &[1, 2, 4] && value.is_nan())
            },
            says: &["`c`", "NaN", "[1, 2, 4]"],
        },
        Bad {
            what: "two gradients are infinite, and the first is named",
            later: false,
            change: |_, g| {
                g.get_mut("b").unwrap()[[0, 3]] = F::neg_infinity();
                g.get_mut("b").unwrap()[[1, 0]] = F::infinity();
            },
            is: |kind| {
                matches!(kind, ErrorKind::NonFiniteGradient { leaf, index, value }
                    if leaf == "b" && index == &[0, 3] && *value == f64::NEG_INFINITY)
            },
            says: &["`b`", "-inf", "[0, 3]"],
        },
        Bad {
            what: "a gradient has another shape",
            later: false,
            change: |_, g| drop(g.insert("c".into(), array(&[2, 3, 4], 1))),
            is: |kind| {
                matches!(kind, ErrorKind::GradientShape { leaf, parameter, gradient }
                    if leaf == "c" && parameter == &[2, 3, 5] && gradient == &[2, 3, 4])
            },
            says: &["`c`", "[2, 3, 5]", "[2, 3, 4]"],
        },
        Bad {
            what: "a gradient is transposed",
            later: false,
            change: |_, g| drop(g.insert("b".into(), array(&[4, 3], 1))),
            is: |kind| matches!(kind, ErrorKind::GradientShape { leaf, .. } if leaf == "b"),
            says: &["`b`", "[3, 4]", "[4, 3]", "nothing is broadcast"],
        },
        Bad {
            what: "a gradient is missing",
            later: false,
            change: |_, g| drop(g.remove("c")),
            is: |kind| is_leaves(kind, Tree::Gradients, &["c"], &[]),
            says: &["gradients", "missing `c`", "unexpected none"],
        },
        Bad {
            what: "there is a gradient too many",
            later: false,
            change: |_, g| drop(g.insert("d".into(), array(&[1], 1))),
            is: |kind| is_leaves(kind, Tree::Gradients, &[], &["d"]),
            says: &["gradients", "missing none", "unexpected `d`"],
        },
        Bad {
            what: "a gradient has another name",
            later: false,
            change: |_, g| rename(g, "a", "aa"),
            is: |kind| is_leaves(kind, Tree::Gradients, &["a"], &["aa"]),
            says: &["`a`", "`aa`"],
        },
        Bad {
            what: "there are no gradients",
            later: false,
            change: |_, g| g.clear(),
            is: |kind| is_leaves(kind, Tree::Gradients, &["a", "b", "c"], &[]),
            says: &["`a`, `b`, `c`"],
        },
        Bad {
            what: "a parameter is missing",
            later: true,
            change: |w, _| drop(w.remove("b")),
            is: |kind| is_leaves(kind, Tree::Parameters, &["b"], &[]),
            says: &["parameters", "missing `b`", "`reset`"],
        },
        Bad {
            what: "there is a parameter too many, and its gradient",
            later: true,
            change: |w, g| {
                w.insert("bb".into(), array(&[1], 1));
                g.insert("bb".into(), array(&[1], 2));
            },
            is: |kind| is_leaves(kind, Tree::Parameters, &[], &["bb"]),
            says: &["parameters", "unexpected `bb`"],
        },
        Bad {
            what: "a parameter has another name, and its gradient",
            later: true,
            change: |w, g| {
                rename(w, "c", "weight");
                rename(g, "c", "weight");
            },
            is: |kind| is_leaves(kind, Tree::Parameters, &["c"], &["weight"]),
            says: &["`c`", "`weight`"],
        },
        Bad {
            what: "a parameter has another shape, and its gradient",
            later: true,
            change: |w, g| {
                w.insert("b".into(), array(&[2, 6], 1));
                g.insert("b".into(), array(&[2, 6], 2));
            },
            is: |kind| {
                matches!(kind, ErrorKind::ShapeChanged { leaf, was, now }
                    if leaf == "b" && was == &[3, 4] && now == &[2, 6])
            },
            says: &["`b`", "[3, 4]", "[2, 6]"],
        },
        Bad {
            what: "there are no parameters",
            later: true,
            change: |w, g| (w.clear(), g.clear()).1,
            is: |kind| is_leaves(kind, Tree::Parameters, &["a", "b", "c"], &[]),
            says: &["`a`, `b`, `c`"],
        },
    ]
}

fn report<F: Scalar>(optimizer: &dyn Optimizer<F>) -> (u64, u64, u64, String) {
    (
        optimizer.steps(),
        optimizer.skipped(),
        optimizer.learning_rate().to_bits(),
        format!("{optimizer:?}"),
    )
}

#[track_caller]
fn check_error(error: &Error, is: impl Fn(&ErrorKind) -> bool, says: &[&str], what: &str) {
    assert!(is(error.kind()), "{what}: {error:?}");
    let text = error.to_string();
    assert!(says.iter().all(|part| text.contains(part)), "{what}: {text}");
}

fn whatever_is_wrong_nothing_is_changed<F: Scalar>() {
    for entry in catalog::<F>() {
        let compact = [compact_and_coupled(), compact8_and_coupled()];
        for settings in
            [Settings::default(), clipped(), everything(), coupled()].into_iter().chain(compact)
        {
            let mut expected = (entry.build(RATE, settings.clone()), model::<F>(1));
            let mut expected_steps = vec![elements(&expected.1)];
            for i in 0..5 {
                expected.0.step_with_loss(&mut expected.1, &model(i + 2), LOSS).unwrap();
                expected_steps.push(elements(&expected.1));
            }
            let mut found = (entry.build(RATE, settings), model::<F>(1));
            for i in 0..5 {
                for bad in bad_calls::<F>().iter().filter(|bad| i > 0 || !bad.later) {
                    let (mut w, mut g) = (found.1.clone(), model(i + 2));
                    (bad.change)(&mut w, &mut g);
                    let (before, state) = (elements(&w), report(&*found.0));
                    let error = found.0.step_with_loss(&mut w, &g, LOSS).unwrap_err();
                    check_error(&error, bad.is, bad.says, bad.what);
                    assert_same_slices(&elements(&w), &before, bad.what);
                    assert_eq!(report(&*found.0), state, "{}", bad.what);
                }
                let info = found.0.step_with_loss(&mut found.1, &model(i + 2), LOSS).unwrap();
                assert_eq!(info.step, i + 1);
                assert_same_slices(
                    &elements(&found.1),
                    &expected_steps[i as usize + 1],
                    entry.name,
                );
            }
        }
    }
}

fn a_first_step_that_failed_leaves_the_model_open<F: Scalar>() {
    for entry in catalog::<F>() {
        let run = Run::new(entry, &Settings::default(), &[7]);
        let mut optimizer = run.optimizer();
        let mut other = model::<F>(1);
        let mut g = model::<F>(2);
        g.get_mut("c").unwrap()[[1, 2, 4]] = F::nan();
        optimizer.step_with_loss(&mut other, &g, LOSS).unwrap_err();
        let mut w = run.start.clone();
        for (g, (expected, info)) in run.gradients.iter().zip(&run.expected) {
            assert_eq!(optimizer.step_with_loss(&mut w, g, LOSS).unwrap(), *info);
            assert_same(w.view(), expected.view(), entry.name);
        }
    }
}

/// A schedule that has a bad value until it is mended.
struct Fragile {
    bad: f64,
    at: u64,
    broken: Arc<AtomicBool>,
}

impl From<Fragile> for Schedule {
    fn from(Fragile { bad, at, broken }: Fragile) -> Self {
        Schedule::custom("fragile", move |step| {
            if step == at && broken.load(Ordering::Relaxed) { bad } else { RATE }
        })
    }
}

fn check_schedule<F: Scalar>(rule: &Own<F>) {
    let name = rule.entry.name;
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e-300, -1.0] {
        for at in [1, 3] {
            let broken = Arc::new(AtomicBool::new(true));
            let schedule = Fragile { bad, at, broken: broken.clone() };
            let mut optimizer = (rule.optimizer)().at(schedule.into());
            let mut clean = (rule.optimizer)().at(RATE.into());
            let (mut w, mut clean_w) = (model::<F>(1), model::<F>(1));
            for step in 1..=5 {
                let g = model(step + 1);
                assert_eq!(optimizer.validate().is_err(), step == at);
                if step == at {
                    let before = (elements(&w), report(&*optimizer));
                    for error in
                        [optimizer.validate(), optimizer.step_with_loss(&mut w, &g, LOSS).map(drop)]
                    {
                        let error = error.unwrap_err();
                        let is = |kind: &ErrorKind| {
                            matches!(kind, ErrorKind::LearningRate { value, step }
                                if value.to_bits() == bad.to_bits() && *step == at)
                        };
                        check_error(&error, is, &[&format!("{bad}"), &format!("step {at}")], name);
                    }
                    assert_same_slices(&elements(&w), &before.0, name);
                    assert_eq!(report(&*optimizer), before.1);
                    broken.store(false, Ordering::Relaxed);
                }
                optimizer.step_with_loss(&mut w, &g, LOSS).unwrap();
                clean.step_with_loss(&mut clean_w, &g, LOSS).unwrap();
                assert_same_slices(&elements(&w), &elements(&clean_w), (name, step));
            }
        }
    }
}

fn a_bad_rate_from_a_schedule_changes_nothing<F: Scalar>() {
    each_rule::<F>().iter().for_each(check_schedule);
}

fn a_hyperparameter_that_turns_bad_changes_nothing<F: Scalar>() {
    let mut clean = Elementwise::<F, rules::Adam>::new(RATE);
    let mut optimizer = clean.clone();
    let (mut w, mut clean_w) = (model::<F>(1), model::<F>(1));
    for step in 1..=5 {
        let g = model(step + 1);
        if step % 2 == 1 {
            optimizer = optimizer.beta1(1.0);
            let before = (elements(&w), optimizer.steps());
            let error = optimizer.step_with_loss(&mut w, &g, LOSS).unwrap_err();
            let is = |kind: &ErrorKind| {
                matches!(kind, ErrorKind::Hyperparameter { owner: "Adam", name: "beta1", .. })
            };
            check_error(&error, is, &["Adam", "beta1", "1", "[0, 1)"], "beta1");
            assert_same_slices(&elements(&w), &before.0, "beta1");
            optimizer = optimizer.beta1(0.9).clip_norm(-1.0);
            optimizer.step_with_loss(&mut w, &g, LOSS).unwrap_err();
            assert_eq!((elements(&w), optimizer.steps()), before);
            optimizer = optimizer.with_settings(Settings::default());
        }
        optimizer.step_with_loss(&mut w, &g, LOSS).unwrap();
        clean.step_with_loss(&mut clean_w, &g, LOSS).unwrap();
        assert_same_slices(&elements(&w), &elements(&clean_w), step);
    }
}

/// Values of arrays that fail after some of their leaves could have been written.
fn a_failing_step_counts_as_no_skip<F: Scalar>() {
    for entry in catalog::<F>() {
        let mut optimizer = entry.build(RATE, settings(|s| s.non_finite = NonFinite::Skip));
        let (mut w, mut g) = (model::<F>(1), model::<F>(2));
        optimizer.step_with_loss(&mut w, &g, LOSS).unwrap();
        g.get_mut("c").unwrap()[[0, 0, 0]] = F::nan();
        g.remove("a");
        let before = elements(&w);
        optimizer.step_with_loss(&mut w, &g, LOSS).unwrap_err();
        assert_eq!((optimizer.steps(), optimizer.skipped()), (1, 0));
        assert_same_slices(&elements(&w), &before, entry.name);
    }
}

for_both_scalars!(
    whatever_is_wrong_nothing_is_changed,
    a_first_step_that_failed_leaves_the_model_open,
    a_bad_rate_from_a_schedule_changes_nothing,
    a_hyperparameter_that_turns_bad_changes_nothing,
    a_failing_step_counts_as_no_skip,
);
