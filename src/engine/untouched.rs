//! What becomes of the rows without a gradient.

use super::settings::Settings;
use crate::regularize::Penalty;

/// What becomes of the rows of a leaf that a gradient of [`Rows`](crate::params::Rows) does not touch.
///
/// ```
/// use ndarray::{array, Array2};
/// use thalweg::params::Rows;
/// use thalweg::{AdaGrad, Adam, Optimizer, Untouched};
///
/// let mut table = Array2::<f64>::ones((4, 2));
/// let gradient = Rows { rows: [1_usize], values: array![[0.5, -0.5]] };
/// AdaGrad::new(0.1).untouched(Untouched::Exact).step(&mut table, &gradient)?;
/// assert_eq!(table.row(0), array![1.0, 1.0]);
/// // Adam's averages move at every step, whatever the gradient.
/// assert!(Adam::new(0.1).untouched(Untouched::Exact).step(&mut table, &gradient).is_err());
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Untouched {
    /// They and their state stay as they are, whatever the rule: averages of gradients do not fade there, and
    /// no decay takes anything off. Steps are counted all the same, so that bias corrections and schedules go
    /// on. It is what SparseAdam of PyTorch does.
    #[default]
    Lazy,
    /// They are as if their gradient were 0: a step is the same as one with the whole array. It takes a rule that
    /// leaves an element without a gradient as it is, and its state; with others it is an error
    /// ([`ErrorKind::NotExact`](crate::ErrorKind::NotExact)), which says why. It costs no more than a lazy step, but where decay or a threshold
    /// moves every row: then it passes over the parameters, and over nothing else.
    Exact,
}

impl Untouched {
    /// Why rows without a gradient can't be as if theirs were 0, if they can't.
    pub(super) fn problem(
        self,
        rests: bool,
        settings: &Settings,
        is_scheduled: bool,
    ) -> Option<&'static str> {
        let penalized = settings.penalty != Penalty::NONE || is_scheduled;
        let problems = [
            (!rests, "it moves an element, or its state, also where the gradient is 0"),
            (
                penalized,
                "a penalty is part of every row's gradient (decay by `decoupled_decay` is not)",
            ),
            (settings.average.is_some(), "the average of every row moves at every step"),
            (settings.cautious, "a cautious step counts the elements of all rows"),
            (settings.clip_adaptive.is_some(), "adaptive clipping goes by the norm of all rows"),
        ];
        let problem = problems.into_iter().find_map(|(is, problem)| is.then_some(problem));
        problem.filter(|_| self == Untouched::Exact)
    }
}
