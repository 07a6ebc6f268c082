//! The leaves of a tree, by name and shape: what a tree is recognized by.

mod visit;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use visit::{Strays, Takes, Visit, contradictory, same, takes_sixteen};

use super::rows::{self, HOLDS_ROWS};
use super::{Leaf, LeafMut, Params, ParamsMut, Path, Pattern};
use crate::error::{Error, ErrorKind, Tree};
use crate::scalar::Scalar;

/// The name and the shape of a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
}

/// The leaves of a tree as it was first seen, in its order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster {
    entries: Vec<Entry>,
    by_name: BTreeMap<String, usize>,
    /// Other orders that whole trees of these leaves came in. Parameters have one as a rule, and
    /// gradients another: what is found out once need not be looked up at every step.
    orders: [OnceLock<Box<[usize]>>; 4],
}

/// That a group's pattern is of none of these leaves.
#[cold]
pub(crate) fn matches_nothing(group: &Pattern, entries: &[Entry]) -> Error {
    let known = entries.iter().map(|entry| entry.name.clone()).collect();
    ErrorKind::GroupMatchesNothing { group: group.to_string(), known }.into()
}

impl PartialEq for Roster {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Roster {}

impl Roster {
    /// The leaves of a tree; there must be one, and their names must differ.
    pub(crate) fn of<F: Scalar>(tree: &dyn Params<F>) -> Result<Self, Error> {
        Self::of_each(tree, |_| ()).map(|(roster, _)| roster)
    }

    /// As [`of`](Roster::of), of a tree of which some leaves may be of 16 bits.
    pub(crate) fn of_any<F: Scalar>(tree: &dyn Params<F>) -> Result<Self, Error> {
        Self::of_each_as(tree, takes_sixteen, |_| ()).map(|(roster, _)| roster)
    }

    /// As [`of`](Roster::of), with what `each` makes of each leaf.
    pub(crate) fn of_each<F: Scalar, T>(
        tree: &dyn Params<F>,
        each: impl FnMut(&dyn Leaf<F>) -> T,
    ) -> Result<(Self, Vec<T>), Error> {
        Self::of_each_as(tree, |problem| problem, each)
    }

    /// As [`of_each`](Roster::of_each), of a tree of which some leaves may be of 16 bits.
    pub(crate) fn of_each_any<F: Scalar, T>(
        tree: &dyn Params<F>,
        each: impl FnMut(&dyn Leaf<F>) -> T,
    ) -> Result<(Self, Vec<T>), Error> {
        Self::of_each_as(tree, takes_sixteen, each)
    }

    fn of_each_as<F: Scalar, T>(
        tree: &dyn Params<F>,
        takes: impl Takes,
        mut each: impl FnMut(&dyn Leaf<F>) -> T,
    ) -> Result<(Self, Vec<T>), Error> {
        let (mut entries, mut made, mut broken) = (Vec::new(), Vec::new(), None);
        tree.visit(Path::ROOT, &mut |path, leaf| {
            let entry = Entry { name: path.to_string(), shape: leaf.shape().to_vec() };
            match takes(leaf.contradiction()) {
                None => {
                    entries.push(entry);
                    made.push(each(leaf));
                }
                Some(problem) => {
                    broken.get_or_insert(contradictory(entry.name, problem));
                }
            }
        });
        match broken {
            None => Ok((Self::from_entries(entries)?, made)),
            Some(broken) => Err(broken.into()),
        }
    }

    pub(crate) fn from_entries(entries: Vec<Entry>) -> Result<Self, Error> {
        let mut by_name = BTreeMap::new();
        for (index, Entry { name, .. }) in entries.iter().enumerate() {
            if by_name.insert(name.clone(), index).is_some() {
                let leaf = name.clone();
                return Err(ErrorKind::DuplicateLeaf { tree: Tree::Parameters, leaf }.into());
            }
        }
        if entries.is_empty() {
            return Err(ErrorKind::NoLeaves.into());
        }
        Ok(Self { entries, by_name, orders: Default::default() })
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn index_of(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Calls `each` with every leaf of the tree that is one of these, and its index here.
    ///
    /// # Errors
    /// Unless the tree has these leaves, each once and in its shape; `each` may have been called
    /// all the same.
    #[inline]
    pub(crate) fn meet<'a, F: Scalar>(
        &self,
        tree: &'a dyn Params<F>,
        role: Tree,
        each: impl FnMut(usize, &'a dyn Leaf<F>),
    ) -> Result<(), Error> {
        self.meet_as(tree, role, |problem| problem, each)
    }

    /// As [`meet`](Roster::meet), of a tree of which some leaves may be of 16 bits.
    #[inline]
    pub(crate) fn meet_any<'a, F: Scalar>(
        &self,
        tree: &'a dyn Params<F>,
        role: Tree,
        each: impl FnMut(usize, &'a dyn Leaf<F>),
    ) -> Result<(), Error> {
        self.meet_as(tree, role, takes_sixteen, each)
    }

    #[inline(always)]
    fn meet_as<'a, F: Scalar>(
        &self,
        tree: &'a dyn Params<F>,
        role: Tree,
        takes: impl Takes,
        mut each: impl FnMut(usize, &'a dyn Leaf<F>),
    ) -> Result<(), Error> {
        let mut visit = Visit::default();
        tree.visit(Path::ROOT, &mut |path, leaf| match self.find(path, leaf.shape(), &mut visit) {
            Some(index) => match takes(leaf.contradiction()) {
                None => each(index, leaf),
                Some(problem) => visit.contradict(index, problem),
            },
            None if leaf.rows().is_some() => self.refuse_rows(path, &mut visit),
            None => {}
        });
        self.conclude(visit, role)
    }

    /// As [`meet`](Roster::meet), to write.
    #[inline]
    pub(crate) fn meet_mut<'a, F: Scalar>(
        &self,
        tree: &'a mut dyn ParamsMut<F>,
        role: Tree,
        each: impl FnMut(usize, &'a mut dyn LeafMut<F>),
    ) -> Result<(), Error> {
        self.meet_mut_as(tree, role, |problem| problem, each)
    }

    /// As [`meet_mut`](Roster::meet_mut), of a tree of which some leaves may be of 16 bits.
    #[inline]
    pub(crate) fn meet_any_mut<'a, F: Scalar>(
        &self,
        tree: &'a mut dyn ParamsMut<F>,
        role: Tree,
        each: impl FnMut(usize, &'a mut dyn LeafMut<F>),
    ) -> Result<(), Error> {
        self.meet_mut_as(tree, role, takes_sixteen, each)
    }

    #[inline(always)]
    fn meet_mut_as<'a, F: Scalar>(
        &self,
        tree: &'a mut dyn ParamsMut<F>,
        role: Tree,
        takes: impl Takes,
        mut each: impl FnMut(usize, &'a mut dyn LeafMut<F>),
    ) -> Result<(), Error> {
        let mut visit = Visit::default();
        tree.visit_mut(
            Path::ROOT,
            &mut |path, leaf| match self.find(path, leaf.shape(), &mut visit) {
                Some(index) => match takes(leaf.contradiction_mut()) {
                    None => each(index, leaf),
                    Some(problem) => visit.contradict(index, problem),
                },
                None if leaf.rows().is_some() => self.refuse_rows(path, &mut visit),
                None => {}
            },
        );
        self.conclude(visit, role)
    }

    /// As [`meet`](Roster::meet), of gradients, of which some may be of rows or of 16 bits.
    #[inline]
    pub(crate) fn meet_gradients<'a, F: Scalar>(
        &self,
        tree: &'a dyn Params<F>,
        mut each: impl FnMut(usize, &'a dyn Leaf<F>),
    ) -> Result<(), Error> {
        let mut visit = Visit::default();
        tree.visit(Path::ROOT, &mut |path, leaf| {
            if visit.strays.is_none()
                && let Some(index) = visit.next()
                && self.is_at(index, path, |known| same(leaf.shape(), known))
                && takes_sixteen(leaf.contradiction()).is_none()
            {
                visit.met += 1;
                each(index, leaf);
            } else if let Some(index) = self.find_gradient(path, leaf, &mut visit) {
                each(index, leaf);
            }
        });
        self.conclude(visit, Tree::Gradients)
    }

    fn find_gradient<'r, F: Scalar>(
        &'r self,
        path: Path<'_>,
        leaf: &dyn Leaf<F>,
        visit: &mut Visit<'r>,
    ) -> Option<usize> {
        let Some(numbers) = leaf.rows() else {
            let index = self.find(path, leaf.shape(), visit)?;
            let problem = takes_sixteen(leaf.contradiction());
            problem.into_iter().for_each(|problem| visit.contradict(index, problem));
            return problem.is_none().then_some(index);
        };
        let index = match visit
            .next()
            .filter(|&index| visit.strays.is_none() && self.is_at(index, path, |_| true))
        {
            Some(index) => {
                visit.met += 1;
                index
            }
            None => self.look_up(path, &|_| true, leaf.shape(), visit)?,
        };
        let entry = &self.entries[index];
        if rows::fits(&numbers, leaf.shape(), &entry.shape) {
            return Some(index);
        }
        let error = rows::misfit(entry.name.clone(), &numbers, leaf.shape(), &entry.shape);
        visit.stray().misfit.get_or_insert(error);
        None
    }

    /// As [`meet_gradients`](Roster::meet_gradients), of a tree that may leave some leaves out, in any
    /// order; `each` gets them by index, and says whether a leaf comes for the first time.
    pub(crate) fn meet_some<'a, F: Scalar>(
        &self,
        tree: &'a dyn Params<F>,
        mut each: impl FnMut(usize, &'a dyn Leaf<F>) -> bool,
    ) -> Result<(), Error> {
        let (mut next, count) = (0, self.entries.len());
        let (mut unexpected, mut twice, mut wrong) = (Vec::new(), None, None);
        tree.visit(Path::ROOT, &mut |path, leaf| {
            let indices = (next..count).chain(0..next);
            let mut found = indices.filter(|&index| path.is(&self.entries[index].name));
            let Some(index) = found.next() else { return unexpected.push(path.to_string()) };
            next = (index + 1) % count;
            let Entry { name, shape } = &self.entries[index];
            let error = match leaf.rows() {
                Some(numbers) if rows::fits(&numbers, leaf.shape(), shape) => None,
                Some(numbers) => Some(rows::misfit(name.clone(), &numbers, leaf.shape(), shape)),
                None if !same(leaf.shape(), shape) => {
                    let (leaf, gradient) = (name.clone(), leaf.shape().to_vec());
                    let parameter = shape.clone();
                    Some(ErrorKind::GradientShape { leaf, parameter, gradient }.into())
                }
                None => {
                    let problem = takes_sixteen(leaf.contradiction());
                    problem.map(|problem| contradictory(name.clone(), problem).into())
                }
            };
            if error.is_some() {
                wrong = wrong.take().or(error);
            } else if !each(index, leaf) {
                twice.get_or_insert(index);
            }
        });
        if let Some(index) = twice {
            let (tree, leaf) = (Tree::Gradients, self.entries[index].name.clone());
            return Err(ErrorKind::DuplicateLeaf { tree, leaf }.into());
        }
        if !unexpected.is_empty() {
            let (tree, missing) = (Tree::Gradients, Vec::new());
            return Err(ErrorKind::Leaves { tree, missing, unexpected }.into());
        }
        wrong.map_or(Ok(()), Err)
    }

    /// The error of leaves whose gradients must not be left out.
    #[cold]
    pub(crate) fn missing(&self, missing: impl Iterator<Item = usize>) -> Error {
        let missing = missing.map(|index| self.entries[index].name.clone()).collect();
        ErrorKind::Leaves { tree: Tree::Gradients, missing, unexpected: Vec::new() }.into()
    }

    /// Says of a leaf of rows that it is no array.
    #[cold]
    fn refuse_rows<'r>(&'r self, path: Path<'_>, visit: &mut Visit<'r>) {
        if let Some(index) = self.index_of(&path.to_string()) {
            visit.contradict(index, HOLDS_ROWS);
        }
    }

    /// The place here of each of these leaves, in their order.
    ///
    /// # Errors
    /// Unless they are these leaves, each once and in its shape.
    pub(crate) fn compare<'a>(
        &self,
        leaves: impl Iterator<Item = (&'a str, &'a [usize])>,
        role: Tree,
    ) -> Result<Vec<usize>, Error> {
        let (mut visit, mut places) = (Visit::default(), Vec::new());
        for (name, shape) in leaves {
            places.extend(self.find(Path::ROOT.name(name), shape, &mut visit));
        }
        self.conclude(visit, role).map(|()| places)
    }

    #[inline]
    fn conclude(&self, visit: Visit<'_>, role: Tree) -> Result<(), Error> {
        if visit.strays.is_none() && visit.met == self.entries.len() {
            Ok(())
        } else {
            self.settle(visit, role)
        }
    }

    /// The leaf of that path: the next one as a rule, else looked up.
    #[inline(always)]
    fn find<'r>(&'r self, path: Path<'_>, shape: &[usize], visit: &mut Visit<'r>) -> Option<usize> {
        if visit.strays.is_none()
            && let Some(index) = visit.next()
            && self.is_at(index, path, |known| same(shape, known))
        {
            visit.met += 1;
            return Some(index);
        }
        self.look_up(path, &|known| same(shape, known), shape, visit)
    }

    #[inline]
    fn is_at(&self, index: usize, path: Path<'_>, fits: impl Fn(&[usize]) -> bool) -> bool {
        self.entries.get(index).is_some_and(|entry| path.is(&entry.name) && fits(&entry.shape))
    }

    #[cold]
    fn look_up<'r>(
        &'r self,
        path: Path<'_>,
        fits: &dyn Fn(&[usize]) -> bool,
        shape: &[usize],
        visit: &mut Visit<'r>,
    ) -> Option<usize> {
        if visit.strays.is_none() {
            for order in self.orders.iter().filter_map(OnceLock::get).map(|order| &**order) {
                let agrees = (0..visit.met).all(|at| visit.at(at) == order.get(at).copied());
                if agrees && order.get(visit.met).is_some_and(|&i| self.is_at(i, path, fits)) {
                    (visit.order, visit.met) = (Some(order), visit.met + 1);
                    return visit.at(visit.met - 1);
                }
            }
        }
        let strays = visit.stray();
        let name = path.to_string();
        let Some(&index) = self.by_name.get(&name) else {
            strays.unexpected.push(name);
            return None;
        };
        strays.met.push(index);
        if !fits(&self.entries[index].shape) {
            strays.reshaped.get_or_insert_with(|| (index, shape.to_vec()));
            return None;
        }
        Some(index)
    }

    /// The error of a visit that strayed from the known orders, if it did not meet each leaf once
    /// and in its shape.
    #[cold]
    fn settle(&self, mut visit: Visit<'_>, tree: Tree) -> Result<(), Error> {
        let strays = visit.strays.take().map(|strays| *strays);
        let whole = strays.is_some();
        let Strays { met: order, unexpected, reshaped, contradiction, misfit } = strays
            .unwrap_or_else(|| {
                let met = (0..visit.met).filter_map(|at| visit.at(at)).collect();
                Strays { met, ..Strays::default() }
            });
        let mut met = order.clone();
        met.sort_unstable();
        let name = |index: usize| self.entries[index].name.clone();
        if let Some(twice) = met.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ErrorKind::DuplicateLeaf { tree, leaf: name(twice[0]) }.into());
        }
        let missing: Vec<String> = (0..self.entries.len())
            .filter(|index| met.binary_search(index).is_err())
            .map(name)
            .collect();
        if !missing.is_empty() || !unexpected.is_empty() {
            return Err(ErrorKind::Leaves { tree, missing, unexpected }.into());
        }
        if let Some((index, problem)) = contradiction {
            return Err(contradictory(name(index), problem).into());
        }
        if let Some(misfit) = misfit {
            return Err(misfit);
        }
        let Some((index, shape)) = reshaped else {
            if whole && let Some(free) = self.orders.iter().find(|order| order.get().is_none()) {
                // Another thread may have taken the place; then it is looked up again.
                let _ = free.set(order.into());
            }
            return Ok(());
        };
        let (leaf, known) = (name(index), self.entries[index].shape.clone());
        Err(match tree {
            Tree::Parameters => ErrorKind::ShapeChanged { leaf, was: known, now: shape },
            Tree::State => ErrorKind::StateInvalid {
                entry: format!("leaf `{leaf}`"),
                problem: format!("has shape {shape:?}; the parameter has {known:?}"),
            },
            Tree::Gradients => ErrorKind::GradientShape { leaf, parameter: known, gradient: shape },
        }
        .into())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};

    use super::*;
    use crate::params::Snapshot;

    fn tree(names: &[&str]) -> Snapshot<f64> {
        let leaf = |name: &&str| ((*name).to_owned(), array![1.0].into_dyn());
        Snapshot::from_leaves(names.iter().map(leaf).collect()).unwrap()
    }

    fn met(roster: &Roster, tree: &Snapshot<f64>) -> Result<Vec<usize>, Error> {
        let mut met = Vec::new();
        roster.meet(tree, Tree::Gradients, |index, _| met.push(index)).map(|()| met)
    }

    #[test]
    fn more_orders_than_are_remembered_are_still_found() {
        let roster = Roster::of(&tree(&["a", "b", "c", "d"])).unwrap();
        let orders = [
            (["a", "b", "c", "d"], [0, 1, 2, 3]),
            (["a", "c", "b", "d"], [0, 2, 1, 3]),
            (["a", "c", "d", "b"], [0, 2, 3, 1]),
            (["d", "c", "b", "a"], [3, 2, 1, 0]),
            (["b", "a", "c", "d"], [1, 0, 2, 3]),
            (["b", "a", "d", "c"], [1, 0, 3, 2]),
            (["c", "a", "d", "b"], [2, 0, 3, 1]),
        ];
        for _ in 0..3 {
            for (names, indices) in &orders {
                assert_eq!(met(&roster, &tree(names)).unwrap(), indices);
            }
        }
    }

    #[test]
    fn a_part_of_a_remembered_order_is_not_the_whole() {
        let roster = Roster::of(&tree(&["a", "b", "c"])).unwrap();
        met(&roster, &tree(&["c", "b", "a"])).unwrap();
        for names in [&["c", "b"][..], &["c"], &["c", "b", "x"], &["c", "b", "a", "x"], &["a"]] {
            let error = met(&roster, &tree(names)).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Leaves { .. }), "{names:?}: {error}");
        }
        struct Twice(Snapshot<f64>);
        impl Params<f64> for Twice {
            fn visit<'a>(
                &'a self,
                path: Path<'_>,
                visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<f64>),
            ) {
                self.0.visit(path, visit);
                self.0.visit(path, visit);
            }
        }
        let twice = Twice(tree(&["c", "b", "a"]));
        let error = roster.meet(&twice, Tree::Gradients, |_, _| {}).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::DuplicateLeaf { .. }), "{error}");
        let reshaped = Snapshot::from_leaves(vec![
            ("c".to_owned(), Array1::zeros(1).into_dyn()),
            ("b".to_owned(), Array1::zeros(2).into_dyn()),
            ("a".to_owned(), Array1::zeros(1).into_dyn()),
        ]);
        let error = met(&roster, &reshaped.unwrap()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::GradientShape { .. }), "{error}");
    }
}
