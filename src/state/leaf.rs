//! What a record has of each leaf.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use ndarray::{ArrayD, ArrayViewD, CowArray, IxDyn};

use super::{LeafRecord, Numbers, Record, invalid, missing};
use crate::error::{Error, ErrorKind, Tree};
use crate::scalar::Scalar;

/// Where the leaf of each name is; it is made as leaves are put in.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    by_name: BTreeMap<String, usize>,
    /// Leaves that are in it.
    known: usize,
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Record {
    /// The place of a leaf, which is put in where there is none of its name.
    pub(super) fn place_of(&mut self, leaf: &str, shape: &[usize]) -> usize {
        // As a rule it is the last one.
        if self.leaves.last().is_some_and(|last| last.name == leaf) {
            return self.leaves.len() - 1;
        }
        let Places { by_name, known } = &mut self.places;
        for (at, new) in self.leaves.iter().enumerate().skip(*known) {
            by_name.insert(new.name.clone(), at);
        }
        *known = self.leaves.len();
        by_name.get(leaf).copied().unwrap_or_else(|| {
            self.leaf(leaf, shape);
            self.leaves.len() - 1
        })
    }

    /// Puts in a whole number of a leaf.
    ///
    /// ```
    /// use thalweg::state::Record;
    /// let mut record = Record::new::<f32>("Mine");
    /// record.leaf_count("weight", &[2, 3], "steps", 7);
    /// record.leaf_count("bias", &[3], "steps", 5);
    /// assert_eq!(record.get_leaf_count(1, "steps")?, 5);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn leaf_count(&mut self, leaf: &str, shape: &[usize], what: &str, value: u64) {
        self.place_of(leaf, shape);
        self.count(entry_of(leaf, what), value);
    }

    /// Puts in a number of a leaf; its bits are kept.
    pub fn leaf_number(&mut self, leaf: &str, shape: &[usize], what: &str, value: f64) {
        self.place_of(leaf, shape);
        self.number(entry_of(leaf, what), value);
    }

    /// The whole number of the leaf at that place, in the order in which leaves were put in.
    ///
    /// # Errors
    /// [`ErrorKind::StateMissing`].
    pub fn get_leaf_count(&self, place: usize, what: &str) -> Result<u64, Error> {
        self.get_count(&self.entry_at(place, what)?)
    }

    /// As [`get_leaf_count`](Record::get_leaf_count), of what counts up by one at a time: far below
    /// where it would overflow.
    pub(crate) fn get_leaf_counter(&self, place: usize, what: &str) -> Result<u64, Error> {
        self.get_counter(&self.entry_at(place, what)?)
    }

    /// The number of the leaf at that place, in the order in which leaves were put in.
    ///
    /// # Errors
    /// [`ErrorKind::StateMissing`].
    pub fn get_leaf_number(&self, place: usize, what: &str) -> Result<f64, Error> {
        self.get_number(&self.entry_at(place, what)?)
    }

    /// Puts in the elements of an array of a leaf, in a shape that may be its own.
    pub(crate) fn put_shaped<F: Scalar>(
        &mut self,
        leaf: &str,
        name: &str,
        own_shape: Option<&[usize]>,
        values: &[F],
    ) {
        let numbers = match own_shape {
            None => Numbers::of_vec(values.to_vec()),
            Some(shape) => Numbers::shaped(shape, values.to_vec()),
        };
        self.put(leaf, &[], name, numbers);
    }

    /// The elements of an array of the leaf at that place, in a shape that may be its own; none where
    /// the leaf `is_here` not.
    pub(crate) fn get_shaped<F: Scalar>(
        &self,
        place: usize,
        name: &str,
        own_shape: Option<&[usize]>,
        is_here: bool,
    ) -> Result<Vec<F>, Error> {
        let Some(own) = own_shape else {
            return Ok(self.array_of::<F>(place, name)?.iter().copied().collect());
        };
        let leaf = &self.leaves[place];
        let numbers = leaf.arrays.get(name);
        let numbers = numbers.ok_or_else(|| missing(&format!("{name} of leaf {}", leaf.name)))?;
        let wrong = |problem| invalid(format!("`{name}` of leaf `{}`", leaf.name), problem);
        let none: &[usize] = &[0];
        let expected = if is_here && !own.contains(&0) { own } else { none };
        match (numbers.own_shape(), numbers.as_slice::<F>()) {
            (Some(shape), Some(values)) if shape == expected => {
                let elements = expected.iter().try_fold(1_usize, |n, &len| n.checked_mul(len));
                let values = Some(values).filter(|values| elements == Some(values.len()));
                let problem = || format!("has not the elements of its shape, {shape:?}");
                values.map(<[F]>::to_vec).ok_or_else(|| wrong(problem()))
            }
            (Some(shape), Some(_)) => Err(wrong(format!("has shape {shape:?}, not {expected:?}"))),
            (Some(_), None) => Err(wrong(format!("is not of {}", F::NAME))),
            (None, _) => Err(wrong("has the shape of its leaf".to_owned())),
        }
    }

    fn entry_at(&self, place: usize, what: &str) -> Result<String, Error> {
        let leaf = self.leaves.get(place).ok_or_else(|| missing(&format!("{what} of a leaf")))?;
        Ok(entry_of(&leaf.name, what))
    }

    /// Whether its leaves can be: names that differ, shapes that memory can hold.
    pub(super) fn check(&self) -> Result<(), Error> {
        let mut names = BTreeSet::new();
        for LeafRecord { name, shape, .. } in &self.leaves {
            if !names.insert(name) {
                let (tree, leaf) = (Tree::State, name.clone());
                return Err(ErrorKind::DuplicateLeaf { tree, leaf }.into());
            }
            // An axis without elements makes no room for the others, but their product must be a
            // number, as ndarray has it.
            let width = match self.scalar.as_str() {
                _ if shape.contains(&0) => 1,
                <f32 as Scalar>::NAME => size_of::<f32>(),
                _ => size_of::<f64>(),
            };
            let mut axes = shape.iter().filter(|&&len| len > 0);
            let size = axes.try_fold(width, |size, &len| size.checked_mul(len));
            if size.is_none_or(|size| size > isize::MAX as usize) {
                return Err(invalid(format!("leaf `{name}`"), "has an absurd shape".to_owned()));
            }
        }
        Ok(())
    }
}

impl LeafRecord {
    /// An array of the leaf, in its shape.
    pub(crate) fn array<'a, F: Scalar>(
        &self,
        name: &str,
        numbers: &'a Numbers,
    ) -> Result<CowArray<'a, F, IxDyn>, Error> {
        let invalid =
            |problem: String| invalid(format!("`{name}` of leaf `{}`", self.name), problem);
        if numbers.own_shape().is_some() {
            return Err(invalid("has another shape than its leaf".to_owned()));
        }
        let Some(values) = numbers.decoded::<F>() else {
            return Err(invalid(format!("is not of {}", F::NAME)));
        };
        // A shape whose product overflows does not fit either.
        let elements = self.shape.iter().try_fold(1_usize, |n, &len| n.checked_mul(len));
        if elements != Some(values.len()) {
            let (found, shape) = (values.len(), &self.shape);
            return Err(invalid(format!("has {found} elements; its shape is {shape:?}")));
        }
        let array = match values {
            Cow::Borrowed(values) => {
                ArrayViewD::from_shape(&self.shape[..], values).map(CowArray::from)
            }
            Cow::Owned(values) => {
                ArrayD::from_shape_vec(&self.shape[..], values).map(CowArray::from)
            }
        };
        array.map_err(|error| invalid(format!("does not fit its shape: {error}")))
    }
}

/// What an entry of one leaf is called.
fn entry_of(leaf: &str, what: &str) -> String {
    format!("{what} of leaf `{leaf}`")
}
