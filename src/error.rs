//! What can go wrong, and what to do about it.

use std::fmt;

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

/// Which of the two trees given to a step an [`ErrorKind::Leaves`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tree {
    /// The parameters.
    Parameters,
    /// The gradients.
    Gradients,
}

impl Tree {
    fn trouble(self) -> &'static str {
        match self {
            Tree::Parameters => "the leaves of the parameters are not those of the first step",
            Tree::Gradients => "the leaves of the gradients are not those of the parameters",
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
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tree::Parameters => "parameters",
            Tree::Gradients => "gradients",
        })
    }
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A hyperparameter is out of its range, or NaN.
    #[error("{owner}: {name} = {value} is not allowed; it takes {allowed}")]
    Hyperparameter {
        /// The rule or setting that owns it.
        owner: &'static str,
        /// Its name, as the builder method is called.
        name: &'static str,
        /// The value it was given.
        value: f64,
        /// The range that is allowed.
        allowed: &'static str,
    },

    /// The learning rate of a step is negative, infinite or NaN.
    #[error(
        "the learning rate {value} of step {step} is not allowed; it takes a number >= 0 that is finite \
         in the precision of the parameters"
    )]
    LearningRate {
        /// The value that the schedule gave.
        value: f64,
        /// The step it was asked for, counted from 1.
        step: u64,
    },

    /// The parameters have no leaf at all.
    #[error("there is nothing to optimize: the parameters have no leaf (was a field forgotten?)")]
    NoLeaves,

    /// Two leaves of one tree have the same name.
    #[error("two leaves of the {tree} are named {}; names must differ", Name(leaf))]
    DuplicateLeaf {
        /// The tree it was found in.
        tree: Tree,
        /// The name.
        leaf: String,
    },

    /// The leaves are not the ones the optimizer keeps state for, or the gradients' are not the
    /// parameters'.
    #[error("{}: missing {}, unexpected {}; {}", tree.trouble(), Names(missing), Names(unexpected), tree.remedy())]
    Leaves {
        /// The tree that differs.
        tree: Tree,
        /// Leaves that should be there and are not.
        missing: Vec<String>,
        /// Leaves that are there and should not be.
        unexpected: Vec<String>,
    },

    /// A parameter's shape is not the one the optimizer keeps state for.
    #[error(
        "parameter {} had shape {was:?} and now has {now:?}; use `reset` to start anew with other shapes",
        Name(leaf)
    )]
    ShapeChanged {
        /// The leaf's name.
        leaf: String,
        /// Its shape at the first step.
        was: Vec<usize>,
        /// Its shape now.
        now: Vec<usize>,
    },

    /// A gradient's shape is not its parameter's.
    #[error(
        "the gradient of {} has shape {gradient:?}, the parameter {parameter:?}; shapes must be equal, \
         nothing is broadcast",
        Name(leaf)
    )]
    GradientShape {
        /// The leaf's name.
        leaf: String,
        /// The parameter's shape.
        parameter: Vec<usize>,
        /// The gradient's shape.
        gradient: Vec<usize>,
    },

    /// A gradient is NaN or infinite, and the policy is to reject it.
    #[error(
        "the gradient of {} is {value} at index {index:?}; nothing was changed (see `NonFinite` for \
         other policies)",
        Name(leaf)
    )]
    NonFiniteGradient {
        /// The leaf's name.
        leaf: String,
        /// The index of the first such element, in logical (row-major) order.
        index: Vec<usize>,
        /// The value: NaN, ∞ or -∞.
        value: f64,
    },

    /// A parameter is NaN or infinite where a minimization is to start.
    #[error("the parameter {} is {value} at index {index:?}; start from finite values", Name(leaf))]
    NonFiniteParameter {
        /// The leaf's name.
        leaf: String,
        /// The index of the first such element, in logical (row-major) order.
        index: Vec<usize>,
        /// The value: NaN, ∞ or -∞.
        value: f64,
    },

    /// A solver needs products with the Hessian, and the objective has none.
    #[error(
        "{solver} needs products with the Hessian; give them by `WithHessian` or \
         `Objective::hessian_vector`"
    )]
    NoHessian {
        /// The solver's name.
        solver: &'static str,
    },

    /// A vector or a matrix has another size than what it is used with.
    #[error("{what} has {found} elements where it takes {expected}")]
    Size {
        /// What has the size.
        what: &'static str,
        /// Its size.
        found: usize,
        /// The size it should have.
        expected: usize,
    },
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

/// A leaf's name in a message; a lone array has none.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("the array") } else { write!(f, "`{}`", self.0) }
    }
}

struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A renamed layer would otherwise list a whole model.
        const SHOWN: usize = 5;
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, name) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, Name(name))?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
