//! What can go wrong, and what to do about it.

mod kind;

use std::fmt;

pub use kind::ErrorKind;

/// Why an optimizer refused; nothing was changed.
///
/// The message names the leaf, the value and the limit; [`kind`](Error::kind) is for a program to
/// match on.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Adam, ErrorKind, Optimizer};
///
/// let mut w = array![1.0, 2.0];
/// let error = Adam::new(1e-3).beta1(1.5).step(&mut w, &array![0.1, 0.1]).unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name: "beta1", .. }));
/// assert_eq!(error.to_string(), "Adam: beta1 = 1.5 is not allowed; it takes a number in [0, 1)");
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    // Boxed so that the `Ok` path of a step does not carry the size of the largest kind.
    kind: Box<ErrorKind>,
}

/// Which tree an [`ErrorKind::Leaves`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tree {
    /// The parameters.
    Parameters,
    /// The gradients.
    Gradients,
    /// The leaves of a saved state.
    State,
}

impl Tree {
    fn trouble(self) -> &'static str {
        match self {
            Tree::Parameters => "the leaves of the parameters are not those of the first step",
            Tree::Gradients => "the leaves of the gradients are not those of the parameters",
            Tree::State => "the leaves of the saved state are not those of the parameters",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Tree::Parameters => {
                "use a second optimizer for a second model, or `reset` this one to start anew"
            }
            Tree::Gradients => {
                "give the gradients the same names, as another value of the parameters' type has them"
            }
            Tree::State => "load the state of the same model, or `reset` the optimizer first",
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tree::Parameters => "parameters",
            Tree::Gradients => "gradients",
            Tree::State => "saved state",
        })
    }
}

impl Error {
    /// What went wrong, to match on.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The error of a hyperparameter out of its range; what a rule's own `validate` returns.
    ///
    /// ```
    /// let error = thalweg::Error::hyperparameter("Mine", "period", 0.5, "a whole number");
    /// assert_eq!(error.to_string(), "Mine: period = 0.5 is not allowed; it takes a whole number");
    /// ```
    pub fn hyperparameter(
        owner: &'static str,
        name: &'static str,
        value: f64,
        allowed: &'static str,
    ) -> Self {
        ErrorKind::Hyperparameter { owner, name, value, allowed }.into()
    }
}

impl From<ErrorKind> for Error {
    #[cold]
    fn from(kind: ErrorKind) -> Self {
        Self { kind: Box::new(kind) }
    }
}
