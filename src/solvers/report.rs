//! What came of a minimization.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::params::{Flatten, Side};
use crate::words::counted;

/// How many rows of history are kept.
const ROWS: usize = 1024;

/// What came of a minimization. It prints as a table.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{ConjugateGradient, Status, Stop, Test, minimize};
///
/// let mut objective = |w: &Array1<f64>| (w.dot(w), 2.0 * w);
/// let mut w = array![1.0, 2.0];
/// let report = minimize(&mut ConjugateGradient::new(), &mut w, &mut objective, Stop::default())?;
/// assert_eq!(report.status, Status::Converged(Test::GradientMax));
/// assert!(report.to_string().contains("max|g|"));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[must_use = "a run may have ended before a minimum: look at its `status`"]
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Report {
    /// The solver's name.
    pub solver: Cow<'static, str>,
    /// Why it ended.
    pub status: Status,
    /// f at the point that the parameters are left at, as it was evaluated: the best one that was
    /// seen, or one that passes the test.
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))]
    pub value: f64,
    /// max|∂f/∂wᵢ| there; NaN if only the value was known. Under bounds it is that of the projected
    /// gradient P(w - ∇f) - w, which is smaller where a bound is near or in the way; with an L1
    /// penalty, of the least subgradient.
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))]
    pub gradient_max: f64,
    /// The bounds that elements are at; none without bounds.
    pub active: Active,
    /// Iterations, each from one accepted point to the next.
    pub iterations: u64,
    /// The evaluations of each kind.
    pub evaluations: Evaluations,
    /// How often a direction was given up for -∇f.
    pub restarts: u64,
    /// The time it took, the objective's included.
    pub elapsed: Duration,
    /// Where it stood after each iteration, from the start on.
    ///
    /// At most 1024 rows: when they are full, every other one is dropped, and from then on only
    /// every other iteration is recorded.
    pub history: Vec<Row>,
}

/// The bounds that elements are at.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::params::{Bounds, Side};
/// use thalweg::solvers::{Lbfgs, Stop, minimize_within};
///
/// let mut objective = |w: &Array1<f64>| ((w - 1.0).mapv(|r| r * r).sum(), 2.0 * (w - 1.0));
/// let (mut w, bounds) = (array![0.0, 0.5], Bounds::new().lower(&array![0.0, 2.0]));
/// let report =
///     minimize_within(&mut Lbfgs::new(), &mut w, &bounds, &mut objective, Stop::default())?;
/// let active: Vec<_> = report.active.iter().collect();
/// assert_eq!(active, [("", vec![1], Side::Lower)]); // a lone array has no name
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Active {
    /// `None` where there is none.
    flatten: Option<Flatten>,
    places: Vec<(usize, Side)>,
}

impl Active {
    pub(crate) fn new(flatten: &Flatten, places: Vec<(usize, Side)>) -> Self {
        Self { flatten: (!places.is_empty()).then(|| flatten.clone()), places }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Leaf, index and side of each, in the order of the parameters; of an element whose bounds are
    /// equal, the side that -∇f pushes to.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Vec<usize>, Side)> {
        self.flatten.iter().flat_map(|flatten| {
            let found = self.places.iter();
            found.filter_map(|&(at, side)| {
                flatten.locate(at).map(|(leaf, index)| (leaf, index, side))
            })
        })
    }
}

/// How often an objective was asked, by what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Evaluations {
    /// Value and gradient together.
    pub gradients: u64,
    /// The value alone.
    pub values: u64,
    /// Products of the Hessian and a vector.
    pub hessian_vectors: u64,
    /// The Hessian as a matrix.
    pub hessians: u64,
}

impl Evaluations {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.gradients + self.values + self.hessian_vectors + self.hessians
    }
}

/// Why a minimization ended.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Status {
    /// A test of [`Stop`](super::Stop) for a minimum holds.
    Converged(Test),
    /// f has come down to the target.
    TargetReached,
    /// The evaluations are used up.
    EvaluationLimit,
    /// The iterations are used up.
    IterationLimit,
    /// The time is used up.
    TimeLimit,
    /// The callback asked for it.
    Stopped,
    /// The solver cannot go on, and says why.
    Stalled(Stall),
    /// f falls without end.
    Unbounded,
    /// f or its gradient is NaN or infinite at the start, or was not written.
    NonFinite(Undefined),
}

impl Status {
    /// Whether a test for a minimum holds at the point that is returned.
    pub fn is_converged(&self) -> bool {
        matches!(self, Self::Converged(_))
    }

    /// Whether what was asked for has come: a test for a minimum holds, or the target is reached.
    ///
    /// ```
    /// use thalweg::solvers::{Stall, Status};
    /// assert!(Status::TargetReached.is_success());
    /// assert!(!Status::Stalled(Stall::Precision).is_success());
    /// ```
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Converged(_) | Self::TargetReached)
    }

    /// Whether the objective is to be mended before it is tried again: its gradient is not that of
    /// its value, it is not defined at the start, overflows, or has no minimum.
    ///
    /// ```
    /// use thalweg::solvers::{Stall, Status};
    /// assert!(Status::Stalled(Stall::GradientSign).is_misuse());
    /// assert!(!Status::EvaluationLimit.is_misuse());
    /// ```
    pub fn is_misuse(&self) -> bool {
        match self {
            Self::Unbounded | Self::NonFinite(_) => true,
            Self::Stalled(stall) => {
                matches!(stall, Stall::GradientSign | Stall::GradientMismatch | Stall::Scale)
            }
            _ => false,
        }
    }
}

/// A test for a minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Test {
    /// max|∂f/∂wᵢ| is small enough.
    GradientMax,
    /// ‖∇f‖₂ is small enough.
    GradientNorm,
    /// max|∂f/∂wᵢ|·max(|wᵢ|, 1) is small enough beside |f|.
    RelativeGradient,
    /// The gradient is zero, whatever was asked.
    Stationary,
    /// f hardly fell.
    RelativeDecrease,
    /// The parameters hardly moved.
    Step,
    /// Newton's model of f, of upward curvature, promises no more than rounding, and a step of
    /// rounding's size did not lower f.
    Model,
    /// The residuals are as good as orthogonal to all that a change of the parameters can do to them:
    /// what is left to gain is a small part of the noise.
    Orthogonal,
}

/// Why a solver cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Stall {
    /// Steps along -∇f down to one whose effect is rounding were tried, and none lowered f: this is
    /// as good as the precision allows.
    Precision,
    /// f rises along -∇f as fast as it should fall: the gradient has the wrong sign.
    GradientSign,
    /// f does not change along -∇f as the gradient says: they do not belong together.
    GradientMismatch,
    /// f rises in proportion to the way on both sides, along ∇f and along -∇f, as at the bottom of
    /// |w|: it has a kink there.
    Kink,
    /// f or its gradient is NaN or infinite along -∇f, however short the step that could still lower
    /// f.
    NonFinite,
    /// ‖∇f‖² overflows or vanishes in double precision: multiply f by a constant.
    Scale,
    /// Attempt after attempt has failed, or lowered f by very little; no cause was found.
    NoProgress,
}

/// What is not defined at the start.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Undefined {
    /// The value of f.
    Value(#[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))] f64),
    /// An element of the gradient.
    Gradient {
        /// The leaf's name.
        leaf: String,
        /// The index in it.
        index: Vec<usize>,
        /// The element.
        #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))]
        value: f64,
    },
    /// An element of the gradient that the objective did not write.
    Unwritten {
        /// The leaf's name.
        leaf: String,
        /// The index in it.
        index: Vec<usize>,
    },
}

/// A row of [`Report::history`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Row {
    /// The iteration; 0 is the start.
    pub iteration: u64,
    /// All evaluations so far.
    pub evaluations: u64,
    /// f.
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))]
    pub value: f64,
    /// max|∂f/∂wᵢ|.
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))]
    pub gradient_max: f64,
    /// The length α of the step that led here.
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))]
    pub length: f64,
}

/// The rows so far; allocates once.
#[derive(Debug)]
pub(crate) struct History {
    rows: Vec<Row>,
    every: u64,
    last: Option<Row>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::with_capacity(ROWS), every: 1, last: None }
    }

    pub(crate) fn push(&mut self, row: Row) {
        self.last = Some(row);
        if self.rows.last() == Some(&row) {
            return;
        }
        if !row.iteration.is_multiple_of(self.every) {
            return;
        }
        if self.rows.len() == ROWS {
            self.every *= 2;
            let every = self.every;
            self.rows.retain(|row| row.iteration.is_multiple_of(every));
            if !row.iteration.is_multiple_of(every) {
                return;
            }
        }
        self.rows.push(row);
    }

    /// The rows, the last one always among them.
    pub(crate) fn into_rows(mut self) -> Vec<Row> {
        if let Some(last) = self.last
            && self.rows.last() != Some(&last)
        {
            if self.rows.len() == ROWS {
                self.rows.pop();
            }
            self.rows.push(last);
        }
        self.rows
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Converged(test) => write!(f, "converged: {test}"),
            Self::TargetReached => f.write_str("the target is reached"),
            Self::EvaluationLimit => f.write_str("the evaluations are used up"),
            Self::IterationLimit => f.write_str("the iterations are used up"),
            Self::TimeLimit => f.write_str("the time is used up"),
            Self::Stopped => f.write_str("stopped by the callback"),
            Self::Stalled(stall) => write!(f, "stalled: {stall}"),
            Self::Unbounded => f.write_str("unbounded: f falls without end"),
            Self::NonFinite(what) => write!(f, "not defined at the start: {what}"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GradientMax => "max|g| is small",
            Self::GradientNorm => "‖g‖₂ is small",
            Self::RelativeGradient => "max|g·w| is small beside f",
            Self::Stationary => "the gradient is zero",
            Self::RelativeDecrease => "f hardly falls",
            Self::Step => "the parameters hardly move",
            Self::Model => "the model of f promises no more than rounding",
            Self::Orthogonal => "the residuals are orthogonal to the slopes",
        })
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Precision => "f falls no further in this precision",
            Self::GradientSign => "f rises along -g: the gradient has the wrong sign",
            Self::GradientMismatch => "f does not change as g says; see `check_gradient`",
            Self::Kink => "f has a kink here: it rises along g and along -g",
            Self::NonFinite => "f is not finite however short the step",
            Self::Scale => "‖g‖² overflows or vanishes; multiply f by a constant",
            Self::NoProgress => "attempts fail or lower f by very little",
        })
    }
}

impl fmt::Display for Undefined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "the value is {value}"),
            Self::Gradient { leaf, index, value } if leaf.is_empty() => {
                write!(f, "the gradient is {value} at index {index:?}")
            }
            Self::Gradient { leaf, index, value } => {
                write!(f, "the gradient of `{leaf}` is {value} at index {index:?}")
            }
            Self::Unwritten { leaf, index } if leaf.is_empty() => {
                write!(f, "the objective did not write the gradient at index {index:?}")
            }
            Self::Unwritten { leaf, index } => {
                write!(f, "the objective did not write the gradient of `{leaf}` at index {index:?}")
            }
        }
    }
}

impl fmt::Display for Report {
    /// The outcome, and some twenty rows of the history.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Evaluations { gradients, values, hessian_vectors, hessians } = self.evaluations;
        writeln!(f, "{}: {}", self.solver, self.status)?;
        write!(f, "f = {:.10e}, max|g| = {:.2e}; ", self.value, self.gradient_max)?;
        if !self.active.is_empty() {
            let active = self.active.len() as u64;
            write!(f, "{} at bounds; ", counted(active, "element", "elements"))?;
        }
        f.write_str(&counted(self.iterations, "iteration", "iterations"))?;
        write!(f, ", {} of f and g", counted(gradients, "evaluation", "evaluations"))?;
        for (count, what) in
            [(values, "of f alone"), (hessian_vectors, "of H·v"), (hessians, "of H")]
        {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if self.restarts > 0 {
            write!(f, ", {}", counted(self.restarts, "restart", "restarts"))?;
        }
        writeln!(f, ", {:.3?}", self.elapsed)?;
        writeln!(
            f,
            "{:>9} {:>11} {:>18} {:>9} {:>9}",
            "iteration", "evaluations", "f", "max|g|", "length"
        )?;
        let every = self.history.len().div_ceil(20).max(1);
        for (i, row) in self.history.iter().enumerate() {
            if i % every == 0 || i + 1 == self.history.len() {
                let Row { iteration, evaluations, value, gradient_max, length } = row;
                writeln!(
                    f,
                    "{iteration:>9} {evaluations:>11} {value:>18.10e} {gradient_max:>9.2e} {length:>9.2e}"
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(iteration: u64) -> Row {
        Row { iteration, evaluations: iteration, value: 0.0, gradient_max: 0.0, length: 0.0 }
    }

    #[test]
    fn a_long_history_is_thinned_evenly_and_keeps_its_ends() {
        for n in [0, 1, 1023, 1024, 1025, 5000, 100_000] {
            let mut history = History::new();
            (0..=n).for_each(|iteration| history.push(row(iteration)));
            let rows = history.into_rows();
            assert!(rows.len() <= ROWS && rows.capacity() == ROWS, "{n}");
            assert_eq!((rows[0].iteration, rows[rows.len() - 1].iteration), (0, n));
            let gap = |pair: &[Row]| pair[1].iteration - pair[0].iteration;
            let gaps: Vec<u64> = rows.windows(2).map(gap).collect();
            assert!(gaps[..gaps.len().saturating_sub(1)].iter().all(|&gap| gap == gaps[0]), "{n}");
        }
    }
}
