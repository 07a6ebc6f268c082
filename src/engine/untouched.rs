//! What becomes of the rows without a gradient.

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
