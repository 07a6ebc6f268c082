//! Gradients that are changed before anything looks at them: centralized, and with noise.

use ndarray::{
    ArrayView, ArrayView5, ArrayView6, ArrayViewD, Axis, Dim, Dimension, IxDyn, ShapeBuilder,
};

use super::sixteen::Given;
use crate::error::{Error, ErrorKind};
use crate::optimizer::OtherRanks;
use crate::params::{Leaf, Order, Params, Path};
use crate::regularize::{GradientNoise, Units};
use crate::scalar::Scalar;

/// What is done to the gradient of a leaf.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Alteration {
    pub(crate) centralized: Option<Units>,
    /// With the step, and the learning rate.
    pub(crate) noise: Option<(GradientNoise, u64, f64)>,
}

/// A leaf that is known: its name, its whole shape, and what is done to its gradient.
pub(crate) struct Known<'k> {
    pub(crate) name: &'k str,
    pub(crate) shape: &'k [usize],
    pub(crate) alteration: Alteration,
}

/// A copy of a leaf without gaps: in its own order, in which norms are summed too, or row by row.
#[derive(Debug)]
struct Copied<F> {
    values: Vec<F>,
    shape: Vec<usize>,
    strides: Vec<isize>,
    order: Order,
}

impl<F: Scalar> Copied<F> {
    fn new() -> Self {
        let order = Order::row_major(0);
        Self { values: Vec::new(), shape: Vec::new(), strides: Vec::new(), order }
    }

    fn copy(&mut self, leaf: &dyn Leaf<F>, by_rows: bool) {
        let rank = leaf.shape().len();
        let slice = leaf.as_slice();
        let has_order = slice.is_some() && (!by_rows || lies_row_by_row(leaf));
        if self.shape != leaf.shape()
            || self.values.is_empty()
            || (has_order && self.strides != leaf.strides())
            || (!has_order && !self.order.is_row_major(&self.shape))
        {
            self.shape = leaf.shape().to_vec();
            self.order = match has_order {
                true => Order::of(leaf.shape(), leaf.strides()),
                false => Order::row_major(rank),
            };
            self.strides = match has_order {
                true => leaf.strides().to_vec(),
                false => self.order.packed(leaf.shape()),
            };
            self.values.resize(self.shape.iter().product(), F::zero());
        }
        match slice.filter(|_| has_order) {
            Some(slice) => self.values.copy_from_slice(slice),
            None => Given::of(leaf, &self.order).visit(|numbers| {
                self.values.iter_mut().zip(numbers).for_each(|(to, from)| *to = from);
            }),
        }
    }

    /// The copy as an array of that shape, its own; of few axes it needs no memory.
    fn arranged<D: Dimension>(&self, shape: D) -> Option<ArrayView<'_, F, D>> {
        let mut strides = D::zeros(shape.ndim());
        for (to, from) in strides.slice_mut().iter_mut().zip(&self.strides) {
            *to = from.unsigned_abs();
        }
        let mut view = ArrayView::from_shape(shape.strides(strides), &self.values).ok()?;
        for (axis, _) in self.strides.iter().enumerate().filter(|&(_, &stride)| stride < 0) {
            view.invert_axis(Axis(axis));
        }
        Some(view)
    }
}

fn lies_row_by_row<F: Scalar>(leaf: &dyn Leaf<F>) -> bool {
    let mut stride = 1;
    leaf.shape().iter().zip(leaf.strides()).rev().all(|(&len, &own)| {
        let fits = len == 1 || own == stride;
        stride *= len as isize;
        fits
    })
}

impl<F: Scalar> Leaf<F> for Copied<F> {
    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn strides(&self) -> &[isize] {
        &self.strides
    }

    fn as_slice(&self) -> Option<&[F]> {
        Some(&self.values)
    }

    fn view(&self) -> ArrayViewD<'_, F> {
        let view = self.arranged(IxDyn(&self.shape));
        view.expect("there are as many values as the shape has")
    }

    // Views whose rank is known need no memory.
    fn fixed_rank(&self) -> Option<usize> {
        Some(self.shape.len())
    }

    fn five(&self) -> Option<ArrayView5<'_, F>> {
        let shape: [usize; 5] = self.shape[..].try_into().ok()?;
        self.arranged(Dim(shape))
    }

    fn six(&self) -> Option<ArrayView6<'_, F>> {
        let shape: [usize; 6] = self.shape[..].try_into().ok()?;
        self.arranged(Dim(shape))
    }

    fn contradiction(&self) -> Option<&'static str> {
        None
    }
}

/// The changed gradients of a step; their memory is kept for the next.
#[derive(Debug, Default)]
pub(crate) struct Altered<F> {
    /// By the place in which the tree of gradients visits a leaf, and whether it counts in this step.
    leaves: Vec<(bool, Copied<F>)>,
    /// Where each known leaf begins among all elements.
    starts: Vec<u64>,
    means: Vec<f64>,
}

impl<F: Scalar> Altered<F> {
    /// Copies and changes the gradients of leaves of which that is wanted. What is wrong with the tree is said
    /// where parameters and gradients are paired.
    pub(crate) fn alter<'k>(
        &mut self,
        grads: &dyn Params<F>,
        count: usize,
        known: &dyn Fn(usize) -> Known<'k>,
        others: Option<&dyn OtherRanks>,
    ) -> Result<(), Error> {
        self.starts.clear();
        let mut start = 0;
        for i in 0..count {
            self.starts.push(start);
            start += known(i).shape.iter().product::<usize>() as u64;
        }
        let Self { leaves, starts, means } = self;
        leaves.iter_mut().for_each(|(counts, _)| *counts = false);
        let (mut place, mut refused) = (0, None);
        grads.visit(Path::ROOT, &mut |path, leaf| {
            let at = place;
            place += 1;
            // Most trees have their leaves in the order of the first step.
            let first = at.min(count);
            let Some(index) =
                (first..count).chain(0..first).find(|&index| path.is(known(index).name))
            else {
                return;
            };
            let Known { name, shape, alteration } = known(index);
            let Alteration { centralized, noise } = alteration;
            if centralized.is_none() && noise.is_none() {
                return;
            }
            if leaf.rows().is_some() {
                refused.get_or_insert_with(|| refusal(name, alteration));
                return;
            }
            let is_contradictory = leaf.contradiction().is_some() && !leaf.is_sixteen();
            if is_contradictory || leaf.shape().contains(&0) {
                return;
            }
            while leaves.len() <= at {
                leaves.push((false, Copied::new()));
            }
            let (counts, copied) = &mut leaves[at];
            copied.copy(leaf, centralized.is_some());
            *counts = true;
            let Copied { values: to, order, .. } = copied;
            if let Some(units) = centralized {
                centralize(to, leaf.shape(), units, means);
            }
            if let Some((noise, step, rate)) = noise {
                let drawn = noise.at(step, rate);
                let part = others.filter(|others| others.is_split());
                let first = part.and_then(|others| others.bounds(name).get(others.rank()));
                let first = first.copied().unwrap_or(0);
                // A part is a list of elements in the order of the memory.
                let turned = part.filter(|others| !others.is_row_major(name));
                let is_row_major = part.is_some() || order.is_row_major(leaf.shape());
                for (i, g) in to.iter_mut().enumerate() {
                    let place = match turned {
                        Some(others) => others.logical(name, shape, first + i),
                        None if is_row_major => first + i,
                        None => order.row_major_place(i, shape),
                    };
                    let noise = drawn.of(starts[index] + place as u64);
                    *g = *g + F::from_f64(noise);
                }
            }
        });
        refused.map_or(Ok(()), Err)
    }

    /// The gradients, changed where that is wanted.
    pub(crate) fn tree<'a>(&'a self, grads: &'a dyn Params<F>) -> Changed<'a, F> {
        Changed { grads, leaves: &self.leaves }
    }
}

#[cold]
fn refusal(leaf: &str, alteration: Alteration) -> Error {
    let what = match alteration.centralized {
        Some(_) => "centralization of gradients (`centralized`)",
        None => "gradient noise (`gradient_noise`)",
    };
    let remedy = "make it an array by `Rows::to_array`, or leave the leaf out by a `group`";
    ErrorKind::NeedsAllRows { leaf: leaf.to_owned(), what, remedy }.into()
}

/// Takes off each unit the mean of its elements, which lie row by row.
fn centralize<F: Scalar>(g: &mut [F], shape: &[usize], units: Units, means: &mut Vec<f64>) {
    if shape.len() < 2 {
        return;
    }
    let (count, inner) = match units.axis(shape.len()) {
        Some(axis) => (shape[axis], shape[axis + 1..].iter().product::<usize>()),
        None => (1, g.len()),
    };
    means.clear();
    means.resize(count, 0.0);
    // A share of each element, whose sum is no larger than the largest.
    let share = count as f64 / g.len() as f64;
    for (run, elements) in g.chunks_exact(inner).enumerate() {
        let mean = &mut means[run % count];
        elements.iter().for_each(|g| *mean += g.into_f64() * share);
    }
    for (run, elements) in g.chunks_exact_mut(inner).enumerate() {
        let mean = means[run % count];
        elements.iter_mut().for_each(|g| *g = F::from_f64(g.into_f64() - mean));
    }
}

/// A tree of gradients, some of which are replaced.
pub(crate) struct Changed<'c, F: Scalar> {
    grads: &'c dyn Params<F>,
    leaves: &'c [(bool, Copied<F>)],
}

impl<F: Scalar> Params<F> for Changed<'_, F> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        let mut leaves = self.leaves.iter();
        self.grads.visit(path, &mut |path, leaf| match leaves.next() {
            Some((true, copied)) => visit(path, copied),
            _ => visit(path, leaf),
        });
    }
}
