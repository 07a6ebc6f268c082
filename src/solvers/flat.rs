//! Vectors of all elements of the parameters.

use ndarray::{ArrayViewD, ArrayViewMutD};

use crate::error::{Error, Tree};
use crate::params::{Flatten, Params, ParamsMut};
use crate::scalar::Scalar;

/// A vector of all elements of the parameters, leaf after leaf, to read.
#[derive(Debug, Clone, Copy)]
pub struct Flat<'a, F> {
    flatten: &'a Flatten,
    flat: &'a [F],
}

impl<'a, F: Scalar> Flat<'a, F> {
    pub(crate) fn new(flatten: &'a Flatten, flat: &'a [F]) -> Self {
        Self { flatten, flat }
    }

    /// The elements, row-major leaf after leaf.
    pub fn as_slice(&self) -> &'a [F] {
        self.flat
    }

    /// The part that belongs to the leaf of that name, in its shape.
    pub fn leaf(&self, name: &str) -> Option<ArrayViewD<'a, F>> {
        let index = self.flatten.leaves().position(|(leaf, ..)| leaf == name)?;
        self.flatten.leaf(self.flat, index)
    }

    /// Copies the elements into a tree of the parameters' leaves.
    ///
    /// # Errors
    /// If the tree has other leaves, by name and shape.
    pub fn write_to(&self, tree: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.flatten.scatter(self.flat, tree)
    }

    /// Where each leaf lies.
    pub fn flatten(&self) -> &'a Flatten {
        self.flatten
    }
}

/// A vector of all elements of the parameters, leaf after leaf, to write.
#[derive(Debug)]
pub struct FlatMut<'a, F> {
    flatten: &'a Flatten,
    flat: &'a mut [F],
}

impl<'a, F: Scalar> FlatMut<'a, F> {
    pub(crate) fn new(flatten: &'a Flatten, flat: &'a mut [F]) -> Self {
        Self { flatten, flat }
    }

    /// Copies a tree of the parameters' leaves.
    ///
    /// # Errors
    /// If the tree has other leaves than the parameters, by name and shape.
    pub fn set(&mut self, tree: &dyn Params<F>) -> Result<(), Error> {
        self.flatten.gather_as(tree, Tree::Gradients, self.flat)
    }

    /// The elements, row-major leaf after leaf.
    pub fn as_mut_slice(&mut self) -> &mut [F] {
        self.flat
    }

    /// The part that belongs to the leaf of that name, in its shape.
    pub fn leaf_mut(&mut self, name: &str) -> Option<ArrayViewMutD<'_, F>> {
        let (_, shape, range) = self.flatten.leaves().find(|(leaf, ..)| *leaf == name)?;
        ArrayViewMutD::from_shape(shape, &mut self.flat[range]).ok()
    }

    /// Where each leaf lies.
    pub fn flatten(&self) -> &'a Flatten {
        self.flatten
    }
}
