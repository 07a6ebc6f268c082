//! What can go wrong, and what to do about it.

mod kind;
mod names;
mod wire;

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
///
/// `{:?}` has the message too, and the kind after it in brackets; so have `unwrap`, and a `main` that returns
/// the error.
#[derive(Clone, PartialEq)]
pub struct Error {
    // Boxed so that the `Ok` path of a step does not carry the size of the largest kind.
    kind: Box<ErrorKind>,
}

/// The message, then the kind in brackets: what `unwrap` shows, and a `main` that returns the error.
impl fmt::Debug for Error {
    // Written out, so that crates that unwrap an error do not compile what is derived for its kinds.
    #[inline(never)]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} [")?;
        fmt::Debug::fmt(&self.kind, f)?;
        f.write_str("]")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Error {
    /// The error of the caller's own that [`Error::other`] has inside.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.kind {
            ErrorKind::Other(foreign) => Some(&*foreign.0),
            _ => None,
        }
    }
}

/// An error of the caller's own; equal to its clones alone.
#[derive(Debug, Clone)]
pub struct Foreign(std::sync::Arc<dyn std::error::Error + Send + Sync>);

impl Foreign {
    /// The error, to downcast it.
    pub fn get_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl PartialEq for Foreign {
    fn eq(&self, other: &Self) -> bool {
        std::sync::Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
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

    /// An error of the caller's own inside one of this crate, as an objective returns it; one of this
    /// crate stays what it is. [`source`](std::error::Error::source) gives it back.
    ///
    /// ```
    /// use std::error::Error as _;
    ///
    /// let inner = "x".parse::<f64>().unwrap_err();
    /// let error = thalweg::Error::other(inner.clone());
    /// let source = error.source().and_then(|source| source.downcast_ref());
    /// assert_eq!(source, Some(&inner));
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(own) => *own,
            Err(other) => ErrorKind::Other(Foreign(other.into())).into(),
        }
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
