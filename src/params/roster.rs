//! The leaves of a tree, by name and shape: what a tree is recognized by.

use std::collections::BTreeMap;

use super::{Leaf, LeafMut, Params, ParamsMut, Path};
use crate::error::{Error, ErrorKind, Tree};
use crate::scalar::Scalar;

/// The name and the shape of a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
}

/// The leaves of a tree as it was first seen, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roster {
    entries: Vec<Entry>,
    by_name: BTreeMap<String, usize>,
}

impl Roster {
    /// The leaves of a tree; there must be one, and their names must differ.
    pub(crate) fn of<F: Scalar>(tree: &dyn Params<F>) -> Result<Self, Error> {
        let mut entries = Vec::new();
        tree.visit(Path::ROOT, &mut |path, leaf| {
            entries.push(Entry { name: path.to_string(), shape: leaf.shape().to_vec() });
        });
        Self::from_entries(entries)
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
        Ok(Self { entries, by_name })
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
        mut each: impl FnMut(usize, &'a dyn Leaf<F>),
    ) -> Result<(), Error> {
        let mut visit = Visit::default();
        tree.visit(Path::ROOT, &mut |path, leaf| {
            if let Some(index) = self.find(path, leaf.shape(), &mut visit) {
                each(index, leaf);
            }
        });
        self.conclude(visit, role)
    }

    /// As [`meet`](Roster::meet), to write.
    #[inline]
    pub(crate) fn meet_mut<'a, F: Scalar>(
        &self,
        tree: &'a mut dyn ParamsMut<F>,
        role: Tree,
        mut each: impl FnMut(usize, &'a mut dyn LeafMut<F>),
    ) -> Result<(), Error> {
        let mut visit = Visit::default();
        tree.visit_mut(Path::ROOT, &mut |path, leaf| {
            if let Some(index) = self.find(path, leaf.shape(), &mut visit) {
                each(index, leaf);
            }
        });
        self.conclude(visit, role)
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
    fn conclude(&self, visit: Visit, role: Tree) -> Result<(), Error> {
        if visit.strays.is_none() && visit.in_order == self.entries.len() {
            Ok(())
        } else {
            self.settle(visit, role)
        }
    }

    /// The leaf of that path: the next one as a rule, else looked up.
    #[inline]
    fn find(&self, path: Path<'_>, shape: &[usize], visit: &mut Visit) -> Option<usize> {
        if visit.strays.is_none()
            && let Some(entry) = self.entries.get(visit.in_order)
            && path.is(&entry.name)
            && same(shape, &entry.shape)
        {
            visit.in_order += 1;
            return Some(visit.in_order - 1);
        }
        self.look_up(path, shape, visit)
    }

    #[cold]
    fn look_up(&self, path: Path<'_>, shape: &[usize], visit: &mut Visit) -> Option<usize> {
        let strays = visit.strays.get_or_insert_default();
        let name = path.to_string();
        let Some(&index) = self.by_name.get(&name) else {
            strays.unexpected.push(name);
            return None;
        };
        strays.met.push(index);
        if !same(shape, &self.entries[index].shape) {
            strays.reshaped.get_or_insert_with(|| (index, shape.to_vec()));
            return None;
        }
        Some(index)
    }

    /// The error of a visit that strayed from this order, if it did not meet each leaf once and in
    /// its shape.
    #[cold]
    fn settle(&self, visit: Visit, tree: Tree) -> Result<(), Error> {
        let Strays { mut met, unexpected, reshaped } =
            visit.strays.map(|strays| *strays).unwrap_or_default();
        met.extend(0..visit.in_order);
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
        let Some((index, shape)) = reshaped else { return Ok(()) };
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

/// What a visit has met so far.
#[derive(Default)]
struct Visit {
    /// Leaves met in the roster's order and shape before the first that was not.
    in_order: usize,
    strays: Option<Box<Strays>>,
}

/// What a visit met from the first leaf on that was not the roster's next.
#[derive(Default)]
struct Strays {
    met: Vec<usize>,
    unexpected: Vec<String>,
    /// The first leaf of another shape than the roster's.
    reshaped: Option<(usize, Vec<usize>)>,
}

/// Equality of short lists, without the call that comparing slices makes.
#[inline]
fn same(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}
