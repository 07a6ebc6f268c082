//! A visit of a tree: what it has met, in a known order or astray.

use crate::error::{Error, ErrorKind};
use crate::params::leaf::HOLDS_SIXTEEN;
use crate::params::rows::HOLDS_ROWS;

/// What a visit has met so far.
#[derive(Default)]
pub(super) struct Visit<'r> {
    /// The order that it goes by; `None` is the roster's own.
    pub(super) order: Option<&'r [usize]>,
    /// Leaves met in this order and in their shape before the first that was not.
    pub(super) met: usize,
    pub(super) strays: Option<Box<Strays>>,
}

impl Visit<'_> {
    /// The leaf at that place of the order.
    #[inline]
    pub(super) fn at(&self, place: usize) -> Option<usize> {
        self.order.map_or(Some(place), |order| order.get(place).copied())
    }

    /// The leaf that is due.
    #[inline]
    pub(super) fn next(&self) -> Option<usize> {
        self.at(self.met)
    }

    #[cold]
    pub(super) fn contradict(&mut self, index: usize, problem: &'static str) {
        self.stray().contradiction.get_or_insert((index, problem));
    }

    /// Leaves the order, if it has not been left yet.
    pub(super) fn stray(&mut self) -> &mut Strays {
        let (order, met) = (self.order, self.met);
        self.strays.get_or_insert_with(|| {
            let at = |place: usize| order.map_or(Some(place), |order| order.get(place).copied());
            Box::new(Strays { met: (0..met).filter_map(at).collect(), ..Strays::default() })
        })
    }
}

/// What a visit met from the first leaf on that was not the next of a known order.
#[derive(Default)]
pub(super) struct Strays {
    /// All leaves met, in order.
    pub(super) met: Vec<usize>,
    pub(super) unexpected: Vec<String>,
    /// The first leaf of another shape than the roster's.
    pub(super) reshaped: Option<(usize, Vec<usize>)>,
    /// The first leaf that contradicts itself.
    pub(super) contradiction: Option<(usize, &'static str)>,
    /// The error of the first leaf of rows that are none of its parameter.
    pub(super) misfit: Option<Error>,
}

/// What remains of what contradicts a leaf.
pub(super) trait Takes: Fn(Option<&'static str>) -> Option<&'static str> {}

impl<T: Fn(Option<&'static str>) -> Option<&'static str>> Takes for T {}

/// A leaf of 16 bits is right for who decodes it.
#[inline(always)]
pub(super) fn takes_sixteen(problem: Option<&'static str>) -> Option<&'static str> {
    problem.filter(|&problem| problem != HOLDS_SIXTEEN)
}

/// The error of a leaf that is not the array that is asked for.
pub(super) fn contradictory(leaf: String, problem: &'static str) -> ErrorKind {
    match problem {
        HOLDS_ROWS => ErrorKind::WholeArrays { leaf },
        HOLDS_SIXTEEN => ErrorKind::FullNumbers { leaf },
        problem => ErrorKind::ContradictoryLeaf { leaf, problem },
    }
}

/// Equality of short lists, without the call that comparing slices makes.
#[inline]
pub(super) fn same(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}
