//! A copy of a tree.

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Zip};

use super::roster::{Entry, Roster};
use super::{Leaf, LeafMut, Order, Params, ParamsMut, Path};
use crate::error::{Error, Tree};
use crate::scalar::Scalar;
use crate::sixteen::{Format, Sixteen};

/// The names, shapes and values of a tree at one moment; it is a tree of the same leaves itself.
///
/// Each leaf keeps the memory layout it was first seen in.
///
/// ```
/// use ndarray::array;
/// use thalweg::params::Snapshot;
///
/// let mut model = (array![1.0, 2.0], array![[3.0]]);
/// let best = Snapshot::of(&model)?;
/// model.0[1] = -50.0;
/// best.restore(&mut model)?;
/// assert_eq!(model.0, array![1.0, 2.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot<F: Scalar> {
    roster: Roster,
    leaves: Vec<ArrayD<F>>,
}

impl<F: Scalar> Snapshot<F> {
    /// A copy of the tree.
    ///
    /// # Errors
    /// [`ErrorKind::NoLeaves`](crate::ErrorKind::NoLeaves) and
    /// [`ErrorKind::DuplicateLeaf`](crate::ErrorKind::DuplicateLeaf).
    pub fn of(tree: &dyn Params<F>) -> Result<Self, Error> {
        let (roster, leaves) = Roster::of_each(tree, copy_of)?;
        Ok(Self { roster, leaves })
    }

    /// A tree of the same leaves, all zero; some of them may be of 16 bits there. What is never written takes no
    /// memory.
    pub(crate) fn zeros_of(tree: &dyn Params<F>) -> Result<Self, Error> {
        let zeros =
            |leaf: &dyn Leaf<F>| Order::of(leaf.shape(), leaf.strides()).zeros(leaf.shape());
        let (roster, leaves) = Roster::of_each_any(tree, zeros)?;
        Ok(Self { roster, leaves })
    }

    /// A tree of these leaves.
    ///
    /// # Errors
    /// As [`of`](Snapshot::of).
    pub fn from_leaves(leaves: Vec<(String, ArrayD<F>)>) -> Result<Self, Error> {
        let entry = |(name, leaf): &(String, ArrayD<F>)| Entry {
            name: name.clone(),
            shape: leaf.shape().to_vec(),
        };
        let roster = Roster::from_entries(leaves.iter().map(entry).collect())?;
        Ok(Self { roster, leaves: leaves.into_iter().map(|(_, leaf)| leaf).collect() })
    }

    /// The same leaves, all zero.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        let leaves = self.leaves.iter();
        let zeros = |leaf: &ArrayD<F>| Order::of(leaf.shape(), leaf.strides()).zeros(leaf.shape());
        Self { roster: self.roster.clone(), leaves: leaves.map(zeros).collect() }
    }

    /// Copies the values of a tree of the same leaves; allocates nothing.
    ///
    /// # Errors
    /// If the leaves differ by name or shape; the snapshot is then as it was.
    pub fn take(&mut self, tree: &dyn Params<F>) -> Result<(), Error> {
        self.each(tree, Tree::Parameters, |own, other| *own = other)
    }

    /// Writes the values into a tree of the same leaves.
    ///
    /// # Errors
    /// If the leaves differ by name or shape; the tree is then as it was.
    pub fn restore(&self, tree: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.check(&*tree)?;
        self.roster.meet_mut(tree, Tree::Parameters, |index, leaf| {
            pairs_mut(leaf, &self.leaves[index], |other, own| *other = own);
        })
    }

    /// Swaps the values with those of a tree of the same leaves.
    ///
    /// # Errors
    /// If the leaves differ by name or shape; nothing is then swapped.
    pub fn swap(&mut self, tree: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.each_mut(tree, Tree::Parameters, |_| std::mem::swap)
    }

    /// Whether a tree has these leaves.
    ///
    /// # Errors
    /// What [`restore`](Snapshot::restore) would say.
    pub fn check(&self, tree: &dyn Params<F>) -> Result<(), Error> {
        self.check_as(tree, Tree::Parameters)
    }

    /// As [`check`](Snapshot::check), of a tree of which some leaves may be of 16 bits.
    pub(crate) fn check_any(&self, tree: &dyn Params<F>) -> Result<(), Error> {
        self.roster.meet_any(tree, Tree::Parameters, |_, _| {})
    }

    /// As [`check`](Snapshot::check), for a tree that an error calls by another role.
    pub(crate) fn check_as(&self, tree: &dyn Params<F>, role: Tree) -> Result<(), Error> {
        self.roster.meet(tree, role, |_, _| {})
    }

    /// Multiplies each element.
    pub(crate) fn scale(&mut self, factor: f64) {
        let scaled = |x: F| F::from_f64(x.into_f64() * factor);
        self.leaves.iter_mut().for_each(|leaf| leaf.mapv_inplace(scaled));
    }

    /// Gives each element one value.
    pub(crate) fn fill(&mut self, value: F) {
        for leaf in &mut self.leaves {
            match LeafMut::as_slice_mut(leaf) {
                Some(slice) => slice.fill(value),
                None => leaf.fill(value),
            }
        }
    }

    /// In the place of a snapshot that is elsewhere.
    pub(crate) fn none() -> Self {
        Self { roster: Roster::default(), leaves: Vec::new() }
    }

    /// The values of a leaf, in the order of its memory.
    pub(crate) fn slice(&self, index: usize) -> &[F] {
        Leaf::as_slice(&self.leaves[index]).unwrap_or_default()
    }

    /// A leaf, to write.
    pub(crate) fn array_mut(&mut self, index: usize) -> &mut ArrayD<F> {
        &mut self.leaves[index]
    }

    /// A leaf.
    pub(crate) fn array(&self, index: usize) -> &ArrayD<F> {
        &self.leaves[index]
    }

    /// As [`slice`](Snapshot::slice), to write.
    pub(crate) fn slice_mut(&mut self, index: usize) -> &mut [F] {
        LeafMut::as_slice_mut(&mut self.leaves[index]).unwrap_or_default()
    }

    /// The values of each leaf, in the order of its memory, to write.
    pub(crate) fn slices_mut(&mut self) -> impl Iterator<Item = &mut [F]> {
        self.leaves.iter_mut().map(|leaf| LeafMut::as_slice_mut(leaf).unwrap_or_default())
    }

    /// The leaves by name and shape.
    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Name and shape of each leaf, in the tree's order.
    pub(crate) fn entries(&self) -> &[Entry] {
        self.roster.entries()
    }

    /// Calls `each` with the index of each leaf of a tree of the same leaves, its values here, and
    /// the leaf.
    pub(crate) fn each_leaf(
        &self,
        tree: &dyn Params<F>,
        role: Tree,
        mut each: impl FnMut(usize, &ArrayD<F>, &dyn Leaf<F>),
    ) -> Result<(), Error> {
        self.roster.meet_any(tree, role, |index, leaf| each(index, &self.leaves[index], leaf))
    }

    /// Calls `each` with the index of each leaf of gradients of these leaves, and the leaf, which may be of rows.
    pub(crate) fn each_gradient<'a>(
        &self,
        grads: &'a dyn Params<F>,
        each: impl FnMut(usize, &'a dyn Leaf<F>),
    ) -> Result<(), Error> {
        self.roster.meet_gradients(grads, each)
    }

    /// As [`each_gradient`](Snapshot::each_gradient), to change the values here, of leaves that were met.
    pub(crate) fn change_by_gradients(
        &mut self,
        grads: &dyn Params<F>,
        mut each: impl FnMut(usize, &mut ArrayD<F>, &dyn Leaf<F>),
    ) -> Result<(), Error> {
        let Self { roster, leaves } = self;
        roster.meet_gradients(grads, |index, leaf| each(index, &mut leaves[index], leaf))
    }

    /// As [`each_leaf`](Snapshot::each_leaf), to change the values here; nothing is called where the
    /// leaves differ.
    pub(crate) fn change(
        &mut self,
        tree: &dyn Params<F>,
        role: Tree,
        mut each: impl FnMut(usize, &mut ArrayD<F>, &dyn Leaf<F>),
    ) -> Result<(), Error> {
        self.roster.meet_any(tree, role, |_, _| {})?;
        let Self { roster, leaves } = self;
        roster.meet_any(tree, role, |index, leaf| each(index, &mut leaves[index], leaf))
    }

    /// Calls `each` with each element and the one of a tree of the same leaves.
    pub(crate) fn each(
        &mut self,
        tree: &dyn Params<F>,
        role: Tree,
        each: impl Fn(&mut F, F),
    ) -> Result<(), Error> {
        self.change(tree, role, |_, own, leaf| pairs_mut(own, leaf, &each))
    }

    /// As [`each`](Snapshot::each), to change both; `of` is given the leaf's index.
    pub(crate) fn each_mut<E: FnMut(&mut F, &mut F)>(
        &mut self,
        tree: &mut dyn ParamsMut<F>,
        role: Tree,
        of: impl Fn(usize) -> E,
    ) -> Result<(), Error> {
        self.check_as(&*tree, role)?;
        let Self { roster, leaves } = self;
        roster.meet_mut(tree, role, |index, leaf| {
            let (own, mut each) = (&mut leaves[index], of(index));
            if in_one_order(own.shape(), own.strides(), leaf.strides())
                && let (Some(own), Some(other)) = (LeafMut::as_slice_mut(own), leaf.as_slice_mut())
            {
                own.iter_mut().zip(other).for_each(|(own, other)| each(own, other));
                return;
            }
            Zip::from(own).and(leaf.view_mut()).for_each(each);
        })
    }

    /// The leaf of that name.
    pub fn leaf(&self, name: &str) -> Option<ArrayViewD<'_, F>> {
        self.roster.index_of(name).map(|index| self.leaves[index].view())
    }

    /// Name and values of each leaf, in the tree's order.
    pub fn leaves(&self) -> impl ExactSizeIterator<Item = (&str, ArrayViewD<'_, F>)> {
        let names = self.roster.entries().iter().map(|entry| entry.name.as_str());
        names.zip(self.leaves.iter().map(ArrayD::view))
    }
}

/// A copy of a leaf, in its layout.
pub(crate) fn copy_of<F: Scalar>(leaf: &dyn Leaf<F>) -> ArrayD<F> {
    // Of an empty view that is cut out of an array ndarray makes no copy.
    if leaf.shape().contains(&0) {
        return ArrayD::zeros(leaf.shape());
    }
    match leaf.sixteen_view() {
        None => leaf.view().to_owned(),
        Some(Sixteen::BFloat16(view)) => view.mapv(number),
        Some(Sixteen::Float16(view)) => view.mapv(number),
    }
}

/// The number of a code.
fn number<E: Format, F: Scalar>(code: E) -> F {
    F::from_f64(f64::from(code.decoded()))
}

/// Changes a leaf in a copy of full numbers, where its own are of 16 bits, which are then the nearest.
pub(crate) fn by_copy<F: Scalar>(
    leaf: &mut dyn LeafMut<F>,
    change: impl FnOnce(&mut dyn LeafMut<F>),
) {
    if !leaf.is_sixteen() {
        return change(leaf);
    }
    let mut copy = copy_of(&*leaf);
    change(&mut copy);
    fn nearest<E: Format, F: Scalar>(mut to: ArrayViewMutD<'_, E>, from: &ArrayD<F>) {
        Zip::from(&mut to).and(from).for_each(|to, from| *to = E::nearest(from.into_f64() as f32));
    }
    match leaf.sixteen_view_mut() {
        Some(Sixteen::BFloat16(view)) => nearest(view, &copy),
        Some(Sixteen::Float16(view)) => nearest(view, &copy),
        None => {}
    }
}

/// Whether leaves of that shape with these strides have their elements in one order, if neither has
/// gaps.
fn in_one_order(shape: &[usize], a: &[isize], b: &[isize]) -> bool {
    a.iter().zip(b).zip(shape).all(|((a, b), &len)| a == b || len == 1)
}

/// Calls `each` with each element of a leaf and that of another of the same shape.
pub(crate) fn pairs<F: Scalar>(a: &dyn Leaf<F>, b: &dyn Leaf<F>, mut each: impl FnMut(F, F)) {
    if in_one_order(a.shape(), a.strides(), b.strides())
        && let (Some(a), Some(b)) = (a.as_slice(), b.as_slice())
    {
        a.iter().zip(b).for_each(|(&a, &b)| each(a, b));
    } else if a.is_sixteen() || b.is_sixteen() {
        Zip::from(&copy_of(a)).and(&copy_of(b)).for_each(|&a, &b| each(a, b));
    } else {
        Zip::from(a.view()).and(b.view()).for_each(|&a, &b| each(a, b));
    }
}

/// As [`pairs`], to change the first, which is of full numbers.
pub(crate) fn pairs_mut<F: Scalar>(
    a: &mut dyn LeafMut<F>,
    b: &dyn Leaf<F>,
    mut each: impl FnMut(&mut F, F),
) {
    if in_one_order(a.shape(), a.strides(), b.strides())
        && let (Some(a), Some(b)) = (a.as_slice_mut(), b.as_slice())
    {
        a.iter_mut().zip(b).for_each(|(a, &b)| each(a, b));
        return;
    }
    let a = Zip::from(a.view_mut());
    match b.sixteen_view() {
        None => a.and(b.view()).for_each(|a, &b| each(a, b)),
        Some(Sixteen::BFloat16(b)) => a.and(b).for_each(|a, &b| each(a, number(b))),
        Some(Sixteen::Float16(b)) => a.and(b).for_each(|a, &b| each(a, number(b))),
    }
}

impl<F: Scalar> Params<F> for Snapshot<F> {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<F>)) {
        for (entry, leaf) in self.roster.entries().iter().zip(&self.leaves) {
            visit(path.name(&entry.name), leaf);
        }
    }
}

impl<F: Scalar> ParamsMut<F> for Snapshot<F> {
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<F>),
    ) {
        for (entry, leaf) in self.roster.entries().iter().zip(&mut self.leaves) {
            visit(path.name(&entry.name), leaf);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_snapshot_of_a_lone_array_has_its_nameless_leaf() {
        let mut w = array![1.0, 2.0];
        let mut snapshot = Snapshot::of(&w).unwrap();
        assert_eq!(Snapshot::of(&snapshot).unwrap(), snapshot);
        assert!(snapshot.leaf("").is_some());
        w[0] = 5.0;
        snapshot.swap(&mut w).unwrap();
        assert_eq!((w[0], snapshot.leaf("").unwrap()[[0]]), (1.0, 5.0));
    }

    #[test]
    fn leaves_may_come_in_another_order() {
        let snapshot = Snapshot::of(&(array![1.0], array![2.0, 3.0])).unwrap();
        let leaves = [("1", array![0.0, 0.0].into_dyn()), ("0", array![0.0].into_dyn())];
        let mut turned =
            Snapshot::from_leaves(leaves.map(|(name, leaf)| (name.into(), leaf)).into()).unwrap();
        snapshot.restore(&mut turned).unwrap();
        assert_eq!(turned.leaf("1").unwrap(), array![2.0, 3.0].into_dyn());
    }
}
