//! What the optimizer inside asks the other ranks.

use super::super::agree::{agree, first_error, gather};
use super::super::around::largest;
use super::super::communicator::Communicator;
use super::super::plan::Plan;
use super::rows::CutRows;
use crate::error::{Error, ErrorKind};
use crate::optimizer::OtherRanks;
use crate::params::{Gradients, Leaf, Params, Path, Summed};
use crate::reduce::find_beyond;
use crate::scalar::Scalar;

/// The other ranks, during a step.
pub(super) struct Asked<'a, F: Scalar> {
    pub(super) ranks: &'a dyn Communicator,
    pub(super) plan: &'a Plan,
    pub(super) is_split: bool,
    pub(super) grads: &'a Gradients<F>,
    pub(super) rows: &'a [CutRows<F>],
}

/// The rows of one leaf as a tree.
struct Named<'a, F> {
    name: &'a str,
    rows: &'a Summed<F>,
}

impl<F: Scalar> Params<F> for Named<'_, F> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        visit(path.name(self.name), self.rows);
    }
}

impl<F: Scalar> Asked<'_, F> {
    /// The error of a gradient of the whole, and where it stands: leaf, and place in it.
    fn of_whole(&self, error: Error) -> (Error, [u64; 2]) {
        let (leaf, index, limit) = match error.kind() {
            ErrorKind::NonFiniteGradient { leaf, index, .. } => (leaf, index, f64::INFINITY),
            ErrorKind::LargeGradient { leaf, index, limit, .. } => (leaf, index, *limit),
            _ => return (error, [0, 0]),
        };
        let Some(at) = self.plan.roster.index_of(leaf) else { return (error, [0, 0]) };
        let (place, shape) = (&self.plan.places[at], &self.plan.roster.entries()[at].shape);
        let linear = |index: &[usize]| {
            index.iter().zip(shape).fold(0, |sum, (&i, &len)| sum * len as u64 + i as u64)
        };
        if let Some(CutRows { rows, .. }) = self.rows.iter().find(|rows| rows.leaf == at) {
            // The first of them in the table, of which this rank has a part.
            let error = find_beyond(&Named { name: leaf, rows }, |_| Some(limit)).unwrap_or(error);
            let linear = match error.kind() {
                ErrorKind::NonFiniteGradient { index, .. }
                | ErrorKind::LargeGradient { index, .. } => linear(index),
                _ => u64::MAX - 1,
            };
            return (error, [at as u64, linear]);
        }
        if !self.is_split {
            let linear = linear(index);
            return (error, [at as u64, linear]);
        }
        // The first of them as the leaf is traversed, not as it lies in memory.
        let is_bad = |x: f64| x.is_nan() || x.is_infinite() || x.abs() > limit;
        let start = place.bounds[self.ranks.rank()];
        let values = self.grads.leaves().slice(at).iter().enumerate();
        let bad = values.filter(|(_, x)| is_bad(x.into_f64())).map(|(i, &value)| {
            let index = place.order.index_of(start + i, shape);
            (linear(&index), index, value.into_f64())
        });
        let Some((linear, index, value)) = bad.min_by_key(|(linear, ..)| *linear) else {
            return (error, [at as u64, u64::MAX - 1]);
        };
        let leaf = leaf.clone();
        let kind = if value.is_finite() {
            ErrorKind::LargeGradient { leaf, index, value, limit }
        } else {
            ErrorKind::NonFiniteGradient { leaf, index, value }
        };
        (kind.into(), [at as u64, linear])
    }
}

impl<F: Scalar> OtherRanks for Asked<'_, F> {
    fn agree(&mut self, own: Result<(), Error>) -> Result<(), Error> {
        agree(self.ranks, own.map(|()| []), &[], &vec![0; self.ranks.size()]).map(drop)
    }

    fn largest(&mut self, own: u64) -> Result<u64, Error> {
        largest(self.ranks, own)
    }

    fn refusal(&mut self, own: Option<Error>) -> Error {
        let own = own.map(|error| self.of_whole(error));
        let place = own.as_ref().map_or([u64::MAX; 2], |(_, place)| *place);
        let all = match gather(self.ranks, &place, &vec![2; self.ranks.size()]) {
            Ok(all) => all,
            Err(error) => return error,
        };
        let (places, _) = all.as_chunks::<2>();
        let first = places.iter().min();
        let own = own.filter(|_| first == Some(&place)).map(|(error, _)| error);
        first_error(self.ranks, own).unwrap_or_else(|error| error)
    }

    fn gather(&mut self, own: &[f64], counts: &[usize]) -> Result<Vec<f64>, Error> {
        let own: Vec<u64> = own.iter().map(|x| x.to_bits()).collect();
        let all = gather(self.ranks, &own, counts)?;
        Ok(all.into_iter().map(f64::from_bits).collect())
    }

    fn rank(&self) -> usize {
        self.ranks.rank()
    }

    fn is_split(&self) -> bool {
        self.is_split
    }

    fn bounds(&self, leaf: &str) -> &[usize] {
        let index = self.plan.roster.index_of(leaf);
        index.map_or(&[], |index| &self.plan.places[index].bounds)
    }

    fn before_rows(&self, leaf: &str) -> usize {
        self.plan.roster.index_of(leaf).map_or(1, |index| {
            let shape = &self.plan.roster.entries()[index].shape;
            self.plan.places[index].around_rows(shape)[0]
        })
    }

    fn is_row_major(&self, leaf: &str) -> bool {
        let index = self.plan.roster.index_of(leaf);
        index.is_none_or(|index| {
            let shape = &self.plan.roster.entries()[index].shape;
            self.plan.places[index].order.is_row_major(shape)
        })
    }

    fn logical(&self, leaf: &str, shape: &[usize], at: usize) -> usize {
        let index = self.plan.roster.index_of(leaf);
        index.map_or(at, |index| self.plan.places[index].order.row_major_place(at, shape))
    }
}
