//! A tree as one vector: what a dot product, a line search or a matrix works on.

use std::ops::Range;

use ndarray::{ArrayViewD, ArrayViewMutD, Zip};

#[cfg(feature = "serde")]
use super::roster::Entry;
use super::roster::Roster;
use super::{LeafMut, Params, ParamsMut, Pattern};
use crate::error::{Error, ErrorKind, Tree};
use crate::scalar::Scalar;

/// Where each leaf of a tree lies in a vector of all its elements, row-major leaf after leaf.
///
/// ```
/// use ndarray::{Array2, array};
/// use thalweg::params::Flatten;
///
/// let mut tree = (Array2::<f64>::zeros((2, 3)), array![7.0, 8.0]);
/// let flatten = Flatten::of(&tree)?;
/// let mut flat = vec![0.0; flatten.len()];
/// flatten.gather(&tree, &mut flat)?;
/// assert_eq!(flat, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0, 8.0]);
/// flat[4] = 1.0;
/// flatten.scatter(&flat, &mut tree)?;
/// assert_eq!(tree.0[[1, 1]], 1.0);
/// assert_eq!(flatten.range("1"), Some(6..8));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flatten {
    roster: Roster,
    /// Where each leaf begins, and where the last one ends.
    bounds: Vec<usize>,
}

impl Flatten {
    /// The places of the leaves of a tree, in the order of its visit.
    ///
    /// # Errors
    /// [`ErrorKind::NoLeaves`](crate::ErrorKind::NoLeaves) and
    /// [`ErrorKind::DuplicateLeaf`](crate::ErrorKind::DuplicateLeaf).
    pub fn of<F: Scalar>(tree: &dyn Params<F>) -> Result<Self, Error> {
        let roster = Roster::of(tree)?;
        let mut bounds = vec![0];
        for entry in roster.entries() {
            bounds.push(bounds[bounds.len() - 1] + entry.shape.iter().product::<usize>());
        }
        Ok(Self { roster, bounds })
    }

    /// The number of elements.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.bounds[self.bounds.len() - 1]
    }

    /// Name, shape and place of each leaf.
    pub fn leaves(&self) -> impl ExactSizeIterator<Item = (&str, &[usize], Range<usize>)> {
        self.roster.entries().iter().zip(self.bounds.windows(2)).map(|(entry, bounds)| {
            (entry.name.as_str(), entry.shape.as_slice(), bounds[0]..bounds[1])
        })
    }

    /// The place of the leaf of that name.
    pub fn range(&self, leaf: &str) -> Option<Range<usize>> {
        self.roster.index_of(leaf).map(|index| self.bounds[index]..self.bounds[index + 1])
    }

    /// The leaf and the index in it of the element at that place.
    pub fn locate(&self, at: usize) -> Option<(&str, Vec<usize>)> {
        let (name, shape, range) = self.leaves().find(|(_, _, range)| range.contains(&at))?;
        let mut rest = at - range.start;
        let mut index = vec![0; shape.len()];
        for (i, &len) in index.iter_mut().zip(shape).rev() {
            (*i, rest) = (rest % len, rest / len);
        }
        Some((name, index))
    }

    /// Copies the elements of a tree into a vector of [`len`](Flatten::len) elements.
    ///
    /// # Errors
    /// If the tree has other leaves than these, by name and shape; they may come in another order.
    ///
    /// # Panics
    /// If the vector has another length.
    pub fn gather<F: Scalar>(&self, tree: &dyn Params<F>, flat: &mut [F]) -> Result<(), Error> {
        self.gather_as(tree, Tree::Parameters, flat)
    }

    /// As [`gather`](Flatten::gather), for a tree that an error calls by another role.
    pub(crate) fn gather_as<F: Scalar>(
        &self,
        tree: &dyn Params<F>,
        role: Tree,
        flat: &mut [F],
    ) -> Result<(), Error> {
        assert_eq!(flat.len(), self.len(), "a vector of the tree's length");
        // Before the first write: what is there may still be wanted.
        self.roster.meet(tree, role, |_, _| {})?;
        self.roster.meet(tree, role, |index, leaf| {
            let shape = &self.roster.entries()[index].shape[..];
            let to = &mut flat[self.bounds[index]..self.bounds[index + 1]];
            let Ok(mut to) = ArrayViewMutD::from_shape(shape, to) else { return };
            Zip::from(&mut to).and(leaf.view()).for_each(|to, &from| *to = from);
        })
    }

    /// Copies a vector of [`len`](Flatten::len) elements into the leaves of a tree.
    ///
    /// # Errors
    /// As [`gather`](Flatten::gather); the tree is then as it was.
    ///
    /// # Panics
    /// If the vector has another length.
    pub fn scatter<F: Scalar>(&self, flat: &[F], tree: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        assert_eq!(flat.len(), self.len(), "a vector of the tree's length");
        self.roster.meet(&*tree, Tree::Parameters, |_, _| {})?;
        self.roster.meet_mut(tree, Tree::Parameters, |index, leaf| {
            if let Some(from) = self.leaf(flat, index) {
                leaf.view_mut().assign(&from);
            }
        })
    }

    /// Name, shape and place of the leaf of that index.
    pub(crate) fn entry(&self, index: usize) -> Option<(&str, &[usize], Range<usize>)> {
        let entry = self.roster.entries().get(index)?;
        Some((&entry.name, &entry.shape, self.bounds[index]..self.bounds[index + 1]))
    }

    /// That a pattern of what leaves were to have is of none of them.
    #[cold]
    pub(crate) fn matches_nothing(&self, what: &'static str, pattern: &Pattern) -> Error {
        let known = self.leaves().map(|(name, ..)| name.to_owned()).collect();
        ErrorKind::MatchesNothing { what, pattern: pattern.to_string(), known }.into()
    }

    /// That a tree has these leaves.
    pub(crate) fn check<F: Scalar>(&self, tree: &dyn Params<F>) -> Result<(), Error> {
        self.roster.meet(tree, Tree::Parameters, |_, _| {})
    }

    /// Calls `each` with the index of each leaf, and the leaf, to change it.
    pub(crate) fn each_mut<F: Scalar>(
        &self,
        tree: &mut dyn ParamsMut<F>,
        each: impl FnMut(usize, &mut dyn LeafMut<F>),
    ) -> Result<(), Error> {
        self.roster.meet_mut(tree, Tree::Parameters, each)
    }

    /// The leaf of that index in a vector of [`len`](Flatten::len) elements, in its shape.
    pub fn leaf<'a, F: Scalar>(&self, flat: &'a [F], index: usize) -> Option<ArrayViewD<'a, F>> {
        let entry = self.roster.entries().get(index)?;
        let from = flat.get(self.bounds[index]..self.bounds[index + 1])?;
        ArrayViewD::from_shape(&entry.shape[..], from).ok()
    }
}

/// Written as the names and shapes of the leaves.
#[cfg(feature = "serde")]
impl serde::Serialize for Flatten {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.roster.entries().iter().map(|entry| (&entry.name, &entry.shape)))
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Flatten {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let leaves = Vec::<(String, Vec<usize>)>::deserialize(from)?;
        let mut bounds = vec![0_usize];
        for (name, shape) in &leaves {
            let len = shape.iter().try_fold(1_usize, |len, &axis| len.checked_mul(axis));
            let end = len.and_then(|len| bounds[bounds.len() - 1].checked_add(len));
            bounds.push(end.ok_or_else(|| {
                D::Error::custom(format!("the leaf `{name}` of shape {shape:?} is too large"))
            })?);
        }
        let entries = leaves.into_iter().map(|(name, shape)| Entry { name, shape }).collect();
        Ok(Self { roster: Roster::from_entries(entries).map_err(D::Error::custom)?, bounds })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_layout_changes_nothing_and_an_element_is_found_again() {
        let a = Array2::from_shape_fn((3, 4), |(i, j)| (10 * i + j) as f64);
        let flatten = Flatten::of(&(&a, array![0.5])).unwrap();
        let (mut rows, mut columns) = (vec![0.0; 13], vec![0.0; 13]);
        flatten.gather(&(&a, array![0.5]), &mut rows).unwrap();
        let f = a.t().as_standard_layout().to_owned();
        flatten.gather(&(f.t(), array![0.5]), &mut columns).unwrap();
        assert_eq!(rows, columns);
        assert_eq!(flatten.locate(7), Some(("0", vec![1, 3])));
        assert_eq!(flatten.locate(12), Some(("1", vec![0])));
        assert_eq!(flatten.locate(13), None);
    }

    #[test]
    fn another_shape_is_refused_before_the_first_write() {
        let flatten = Flatten::of(&(array![1.0], array![2.0, 3.0])).unwrap();
        let mut other = (array![1.0], array![2.0]);
        let error = flatten.scatter(&[9.0, 9.0, 9.0], &mut other).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ShapeChanged { .. }));
        assert_eq!(other.0[0], 1.0);
    }
}
