//! What an error prints.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ndarray::array;
use thalweg::{Adam, Average, Error, ErrorKind, Optimizer, Schedule, Sgd, Tree};

fn errors() -> Vec<(&'static str, Error)> {
    let names = vec!["w".to_owned(), "b".to_owned()];
    let step = |mut sgd: Sgd<f64>, g: &[f64]| {
        let g = ndarray::Array1::from(g.to_vec());
        sgd.step(&mut array![1.0, 2.0], &g).unwrap_err()
    };
    let kind = |kind: ErrorKind| Error::from(kind);
    vec![
        ("LearningRate", step(Sgd::new(-1.0), &[0.0, 0.0])),
        ("NonFiniteGradient", step(Sgd::new(0.1), &[0.0, f64::NAN])),
        ("GradientShape", step(Sgd::new(0.1), &[0.0])),
        ("GroupMatchesNothing", step(Sgd::new(0.1).group("x", |g| g), &[0.0, 0.0])),
        ("Hyperparameter", Adam::<f32>::new(0.1).beta1(2.0).validate().unwrap_err()),
        ("Hyperparameter", Schedule::exponential(0.1, 0.5, 0).validate().unwrap_err()),
        ("Other", Error::other("a failure of one's own")),
        ("NoAverage", kind(ErrorKind::NoAverage)),
        ("Size", kind(ErrorKind::Size { what: "x", found: 1, expected: 2 })),
        (
            "Leaves",
            kind(ErrorKind::Leaves { tree: Tree::State, missing: names, unexpected: vec![] }),
        ),
        ("NoStatistics", kind(ErrorKind::NoStatistics { steps: Some(3) })),
    ]
}

/// A state has settings as `Debug` writes them.
#[test]
fn what_differs_from_a_saved_state_is_told_in_words() {
    let clipped = |rate: f64| Adam::<f64>::new(rate).clip_norm(1.0).average(Average::ema(0.5));
    let told = |saved: &Adam<f64>, mut here: Adam<f64>| {
        here.load_state(&saved.state()).unwrap_err().to_string()
    };
    let message = told(&Adam::new(0.1), clipped(0.1));
    assert!(message.starts_with("the setting clip_norm was `none` when"), "{message}");
    assert!(message.contains("is `1.0` here"), "{message}");
    let message = told(&clipped(0.1), clipped(0.1).average(Average::ema(0.25)));
    assert!(message.contains("was `kind exponential 0.5, start 1, every 1` when"), "{message}");
    let message = told(&clipped(0.1), clipped(0.2));
    assert!(message.starts_with("learning_rate was `constant 0.1` when"), "{message}");
}

/// A program sees `Debug` alone where it unwraps, or returns the error from `main`.
#[test]
fn debug_begins_with_the_message_and_names_the_kind() {
    for (kind, error) in errors() {
        let (message, debug) = (error.to_string(), format!("{error:?}"));
        let rest = debug.strip_prefix(&message).unwrap_or_else(|| panic!("{debug}"));
        assert!(rest.starts_with(&format!(" [{kind}")) && rest.ends_with(']'), "{debug}");
        assert!(!debug.contains('\n'), "{debug}");
        let pretty = format!("{error:#?}");
        assert!(pretty.starts_with(&format!("{message} [{kind}")), "{pretty}");

        let unwrap = |step: Result<(), Error>| step.unwrap();
        let failed = Err(error.clone());
        let panic = catch_unwind(AssertUnwindSafe(move || unwrap(failed))).unwrap_err();
        assert!(panic.downcast_ref::<String>().unwrap().contains(&message));
    }
}
