//! What an error prints.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ndarray::array;
use thalweg::{Adam, Error, ErrorKind, Optimizer, Schedule, Sgd, Tree};

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

        let clone = error.clone();
        let unwrapping = AssertUnwindSafe(move || Err::<(), _>(clone).unwrap());
        let panic = catch_unwind(unwrapping).unwrap_err();
        assert!(panic.downcast_ref::<String>().unwrap().contains(&message));
    }
}
