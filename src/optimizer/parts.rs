//! Steps over parts of leaves, whose other parts are other ranks'.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StepInfo;
use crate::error::Error;
use crate::params::{Params, ParamsMut};
use crate::scalar::Scalar;
use crate::state::State;

/// The shapes of leaves by name.
pub type Wholes = BTreeMap<String, Vec<usize>>;

/// What is said of a step beside parameters and gradients.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Whether the average takes its term at once.
    pub averages: bool,
    /// The loss, where it is known.
    pub loss: Option<f64>,
}

/// An optimizer that can step over parts of leaves.
pub trait Partwise<F: Scalar> {
    /// Whether a leaf may be split anywhere.
    fn assert_splittable(&self) -> Result<(), Error>;

    /// Whether parts have to follow the index of a leaf, whatever its order in memory.
    fn is_by_index(&self) -> bool {
        false
    }

    /// Whether a step with a gradient of rows neither looks at nor moves the other rows of that leaf, on all ranks alike.
    fn moves_rows_alone(&self, leaf: &str) -> bool {
        let _ = leaf;
        false
    }

    /// Says that what is stepped are parts of leaves of these shapes. A part may be empty.
    fn set_wholes(&mut self, wholes: Option<Arc<Wholes>>);

    /// As [`load_state`](super::Optimizer::load_state), of other leaves than before.
    fn load_parts(&mut self, state: &State) -> Result<(), Error>;

    /// A step. All ranks ask `others` the same questions, and [`OtherRanks::agree`] is the first.
    fn step_parts(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
        others: &mut dyn OtherRanks,
    ) -> Result<StepInfo, Error>;
}

/// The other ranks, during a step.
pub trait OtherRanks {
    /// Whether all is well on all ranks; else the error of the first where it is not.
    fn agree(&mut self, own: Result<(), Error>) -> Result<(), Error>;

    /// The largest of a number of each rank.
    fn largest(&mut self, own: u64) -> Result<u64, Error>;

    /// The first of the errors about gradients that ranks have found.
    fn refusal(&mut self, own: Option<Error>) -> Error;

    /// The numbers of all ranks, so many of each.
    fn gather(&mut self, own: &[f64], counts: &[usize]) -> Result<Vec<f64>, Error>;

    /// This rank.
    fn rank(&self) -> usize;

    /// Whether leaves are split; else each is one rank's.
    fn is_split(&self) -> bool;

    /// Where the part of each rank begins in a leaf, and where the last one ends.
    fn bounds(&self, leaf: &str) -> &[usize];

    /// How many elements the axes of a leaf have that are slower in memory than that of its rows.
    fn before_rows(&self, leaf: &str) -> usize;

    /// Whether the elements of a leaf are counted row by row.
    fn is_row_major(&self, leaf: &str) -> bool;

    /// The place, row by row, of the element of a leaf of that shape that is at that place of its parts.
    fn logical(&self, leaf: &str, shape: &[usize], at: usize) -> usize;
}

/// Steps, and tells the others of an error that came before it asked them anything.
pub(crate) fn step_agreed<F: Scalar>(
    optimizer: &mut dyn Partwise<F>,
    params: &mut dyn ParamsMut<F>,
    grads: &dyn Params<F>,
    call: Call,
    others: &mut dyn OtherRanks,
) -> Result<StepInfo, Error> {
    let mut watched = Watched { others, asked: false };
    match optimizer.step_parts(params, grads, call, &mut watched) {
        Err(error) if !watched.asked => {
            watched.agree(Err(error.clone()))?;
            Err(error)
        }
        result => result,
    }
}

/// Knows whether anything was asked.
struct Watched<'o> {
    others: &'o mut dyn OtherRanks,
    asked: bool,
}

impl OtherRanks for Watched<'_> {
    fn agree(&mut self, own: Result<(), Error>) -> Result<(), Error> {
        self.asked = true;
        self.others.agree(own)
    }

    fn largest(&mut self, own: u64) -> Result<u64, Error> {
        self.others.largest(own)
    }

    fn refusal(&mut self, own: Option<Error>) -> Error {
        self.others.refusal(own)
    }

    fn gather(&mut self, own: &[f64], counts: &[usize]) -> Result<Vec<f64>, Error> {
        self.others.gather(own, counts)
    }

    fn rank(&self) -> usize {
        self.others.rank()
    }

    fn is_split(&self) -> bool {
        self.others.is_split()
    }

    fn bounds(&self, leaf: &str) -> &[usize] {
        self.others.bounds(leaf)
    }

    fn before_rows(&self, leaf: &str) -> usize {
        self.others.before_rows(leaf)
    }

    fn is_row_major(&self, leaf: &str) -> bool {
        self.others.is_row_major(leaf)
    }

    fn logical(&self, leaf: &str, shape: &[usize], at: usize) -> usize {
        self.others.logical(leaf, shape, at)
    }
}
