//! Vectors of all elements of the parameters.

use ndarray::{ArrayView1, ArrayViewD, ArrayViewMut1, ArrayViewMutD};

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

    /// The elements as an array of one axis.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use ndarray::{Array1, array};
    /// use thalweg::solvers::{Lbfgs, Stop, minimize};
    ///
    /// let mut objective = |w: &Array1<f64>| (w.dot(w), 2.0 * w);
    /// let mut longest = 0.0_f64;
    /// let stop = Stop::<f64>::default().callback(|now| {
    ///     let point = now.point.view();
    ///     longest = longest.max(point.dot(&point).sqrt());
    ///     ControlFlow::Continue(())
    /// });
    /// minimize(&mut Lbfgs::new(), &mut array![3.0, 4.0], &mut objective, stop)?;
    /// assert_eq!(longest, 5.0);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn view(&self) -> ArrayView1<'a, F> {
        ArrayView1::from(self.flat)
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

    /// The elements as an array of one axis.
    pub fn view_mut(&mut self) -> ArrayViewMut1<'_, F> {
        ArrayViewMut1::from(&mut *self.flat)
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
