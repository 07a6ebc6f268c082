//! Which elements of which leaf are whose, and how they lie in memory.

use std::ops::Range;

use ndarray::{ArrayViewD, ArrayViewMutD, Axis, Slice};

use super::agree::Hash;
use crate::error::{Error, Tree};
use crate::params::{Entry, Leaf, LeafMut, Order, Params, ParamsMut, Roster};
use crate::ranking::ranked;
use crate::reduce::BLOCK;
use crate::scalar::Scalar;
use crate::sixteen::{Format, Sixteen};

/// How the state and the update of parameters are split over ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Each rank has a part of each leaf, of whole blocks of 1024 elements: shares are equal.
    Elements,
    /// Each leaf is one rank's: for what couples the elements of a leaf, as
    /// [`Muon`](crate::Muon) does. Shares are as equal as the leaves let them be.
    Leaves,
}

/// A leaf, and where the part of each rank begins.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) len: usize,
    /// Where it begins in a vector of all leaves.
    pub(super) start: usize,
    /// Of each rank's part, in the order of the elements in memory, and the end of the last.
    pub(super) bounds: Vec<usize>,
    pub(super) order: Order,
    packed: Vec<isize>,
}

impl Place {
    /// This rank's part.
    pub(super) fn of(&self, rank: usize) -> Range<usize> {
        self.bounds[rank]..self.bounds[rank + 1]
    }

    /// How many elements of a row of a leaf of that shape are always beside each other and on one rank: parts begin at
    /// whole blocks.
    pub(super) fn piece(&self, shape: &[usize]) -> usize {
        let [_, _, after] = self.around_rows(shape);
        if after == 0 { 1 } else { 1 << after.trailing_zeros().min(BLOCK.trailing_zeros()) }
    }

    /// The number of elements of the axes that are slower in memory than that of the rows, of that axis, and of those
    /// that are faster.
    pub(super) fn around_rows(&self, shape: &[usize]) -> [usize; 3] {
        self.order.place_of(0).map_or([1; 3], |axis| self.order.around(axis, shape))
    }

    /// Whether the elements of a leaf are a slice in this order.
    pub(super) fn is_slice<F: Scalar>(&self, leaf: &dyn Leaf<F>) -> bool {
        let mut axes = leaf.strides().iter().zip(&self.packed).zip(leaf.shape());
        leaf.as_slice().is_some() && axes.all(|((a, b), &len)| a == b || len == 1)
    }

    /// The elements of a leaf, where they are a slice in this order.
    pub(super) fn slice<'a, F: Scalar>(&self, leaf: &'a dyn Leaf<F>) -> Option<&'a [F]> {
        leaf.as_slice().filter(|_| self.is_slice(leaf))
    }

    /// Copies elements of a leaf, whatever its layout and of how many bits its numbers are, in this order.
    pub(super) fn read<F: Scalar>(&self, leaf: &dyn Leaf<F>, range: Range<usize>, to: &mut [F]) {
        match (self.slice(leaf), leaf.sixteen_view()) {
            (Some(slice), _) => to.copy_from_slice(&slice[range]),
            (None, None) => read(self.order.arrange(leaf.view()), range, to, |x| x),
            (None, Some(Sixteen::BFloat16(view))) => {
                read(self.order.arrange(view), range, to, number);
            }
            (None, Some(Sixteen::Float16(view))) => {
                read(self.order.arrange(view), range, to, number);
            }
        }
    }

    /// Writes elements of a leaf. Where its numbers are of 16 bits, they become the nearest.
    pub(super) fn write<F: Scalar>(
        &self,
        leaf: &mut dyn LeafMut<F>,
        range: Range<usize>,
        from: &[F],
    ) {
        if self.is_slice(&*leaf) {
            leaf.as_slice_mut().unwrap_or_default()[range].copy_from_slice(from);
            return;
        }
        if !leaf.is_sixteen() {
            return write(self.order.arrange_mut(leaf.view_mut()), range, from, |x| x);
        }
        match leaf.sixteen_view_mut() {
            Some(Sixteen::BFloat16(view)) => {
                write(self.order.arrange_mut(view), range, from, nearest);
            }
            Some(Sixteen::Float16(view)) => {
                write(self.order.arrange_mut(view), range, from, nearest);
            }
            None => {}
        }
    }
}

/// The number of a code.
fn number<E: Format, F: Scalar>(code: E) -> F {
    F::from_f64(f64::from(code.decoded()))
}

/// The code that is nearest to a number.
fn nearest<E: Format, F: Scalar>(x: F) -> E {
    E::nearest(x.into_f64() as f32)
}

/// Elements of a view, counted as it is traversed.
fn read<E: Copy, F>(
    view: ArrayViewD<'_, E>,
    range: Range<usize>,
    to: &mut [F],
    of: impl Fn(E) -> F + Copy,
) {
    if let Some(slice) = view.as_slice() {
        to.iter_mut().zip(&slice[range]).for_each(|(to, &from)| *to = of(from));
    } else if range.len() == view.len() {
        to.iter_mut().zip(&view).for_each(|(to, &from)| *to = of(from));
    } else if view.ndim() == 1 {
        read(view.slice_axis(Axis(0), Slice::from(range)), 0..to.len(), to, of);
    } else if !range.is_empty() {
        let inner = view.len() / view.len_of(Axis(0));
        let mut rest = to;
        for i in range.start / inner..range.end.div_ceil(inner) {
            let within = (i * inner).max(range.start)..((i + 1) * inner).min(range.end);
            let (part, after) = rest.split_at_mut(within.len());
            let row = within.start - i * inner..within.end - i * inner;
            read(view.index_axis(Axis(0), i), row, part, of);
            rest = after;
        }
    }
}

/// As [`read`], to write.
fn write<E, F: Copy>(
    mut view: ArrayViewMutD<'_, E>,
    range: Range<usize>,
    from: &[F],
    of: impl Fn(F) -> E + Copy,
) {
    if let Some(slice) = view.as_slice_mut() {
        slice[range].iter_mut().zip(from).for_each(|(to, &from)| *to = of(from));
    } else if range.len() == view.len() {
        view.iter_mut().zip(from).for_each(|(to, &from)| *to = of(from));
    } else if view.ndim() == 1 {
        write(view.slice_axis_mut(Axis(0), Slice::from(range)), 0..from.len(), from, of);
    } else if !range.is_empty() {
        let inner = view.len() / view.len_of(Axis(0));
        let mut rest = from;
        for i in range.start / inner..range.end.div_ceil(inner) {
            let within = (i * inner).max(range.start)..((i + 1) * inner).min(range.end);
            let (part, after) = rest.split_at(within.len());
            let row = within.start - i * inner..within.end - i * inner;
            write(view.index_axis_mut(Axis(0), i), row, part, of);
            rest = after;
        }
    }
}

/// The leaves of the first step, and whose they are.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) roster: Roster,
    pub(super) places: Vec<Place>,
    pub(super) len: usize,
}

impl Plan {
    /// The plan of these ranks, with all leaves in the order of their index where `by_index` says so, else of memory.
    pub(super) fn in_order<F: Scalar>(
        params: &dyn Params<F>,
        ranks: usize,
        split: Split,
        by_index: bool,
    ) -> Result<Self, Error> {
        let (roster, orders) = Roster::of_each_any(params, |leaf| {
            let has_gaps = leaf.as_slice().is_none() && leaf.sixteen_slice().is_none();
            match has_gaps || by_index {
                true => Order::row_major(leaf.shape().len()),
                false => Order::of(leaf.shape(), leaf.strides()),
            }
        })?;
        let lens: Vec<usize> =
            roster.entries().iter().map(|entry| entry.shape.iter().product()).collect();
        let bounds = match split {
            Split::Elements => by_elements(&lens, ranks),
            Split::Leaves => by_leaves(&lens, ranks),
        };
        let mut len = 0;
        let places = orders.into_iter().zip(roster.entries()).zip(lens.iter().zip(bounds));
        let place = |((order, entry), (&own, bounds)): ((Order, &Entry), (&usize, Vec<usize>))| {
            let start = len;
            len += own;
            let packed = order.packed(&entry.shape);
            Place { len: own, start, bounds, packed, order }
        };
        let places = places.map(place).collect();
        Ok(Self { roster, places, len })
    }

    /// Where elements of a leaf are in a vector of all leaves.
    pub(super) fn within(&self, Piece { leaf, range }: &Piece) -> Range<usize> {
        let start = self.places[*leaf].start;
        start + range.start..start + range.end
    }

    /// A number that tells the leaves, and another that tells how these lie in memory.
    pub(super) fn marks<F: Scalar>(&self, params: &dyn Params<F>) -> Result<[u64; 2], Error> {
        let (mut layouts, mut kinds) = (Hash::new(), Hash::new());
        self.roster.meet_any(params, Tree::Parameters, |index, leaf| {
            let axes = leaf.shape().iter().zip(leaf.strides()).filter(|(n, _)| **n > 1);
            layouts = layouts.number(index as u64).numbers(axes.map(|(_, &stride)| stride as u64));
            kinds = kinds.number(index as u64).number(kind_of(leaf));
        })?;
        let leaf = |hash: Hash, entry: &Entry| {
            let shape = entry.shape.iter().map(|&n| n as u64);
            hash.bytes(entry.name.as_bytes()).numbers(shape).number(u64::MAX)
        };
        let leaves = self.roster.entries().iter().fold(kinds, leaf);
        Ok([leaves.value(), layouts.value()])
    }

    /// The leaves of a tree, in this order.
    pub(super) fn leaves<'a, F: Scalar>(
        &self,
        tree: &'a dyn Params<F>,
        role: Tree,
    ) -> Result<Vec<&'a dyn Leaf<F>>, Error> {
        let mut leaves: Vec<Option<&'a dyn Leaf<F>>> = vec![None; self.places.len()];
        self.roster.meet_any(tree, role, |index, leaf| leaves[index] = Some(leaf))?;
        // Each was met once.
        Ok(leaves.into_iter().flatten().collect())
    }

    /// The leaves of gradients, of which some may be of rows, in this order.
    pub(super) fn gradients<'a, F: Scalar>(
        &self,
        grads: &'a dyn Params<F>,
    ) -> Result<Vec<&'a dyn Leaf<F>>, Error> {
        let mut leaves: Vec<Option<&'a dyn Leaf<F>>> = vec![None; self.places.len()];
        self.roster.meet_gradients(grads, |index, leaf| leaves[index] = Some(leaf))?;
        // Each was met once.
        Ok(leaves.into_iter().flatten().collect())
    }

    /// As [`leaves`](Self::leaves), to write.
    pub(super) fn leaves_mut<'a, F: Scalar>(
        &self,
        params: &'a mut dyn ParamsMut<F>,
    ) -> Result<Vec<&'a mut dyn LeafMut<F>>, Error> {
        let mut leaves: Vec<(usize, &'a mut dyn LeafMut<F>)> = Vec::new();
        self.roster
            .meet_any_mut(params, Tree::Parameters, |index, leaf| leaves.push((index, leaf)))?;
        leaves.sort_unstable_by_key(|(index, _)| *index);
        Ok(leaves.into_iter().map(|(_, leaf)| leaf).collect())
    }
}

/// Which numbers a leaf has.
pub(super) fn kind_of<F: Scalar>(leaf: &dyn Leaf<F>) -> u64 {
    match leaf.sixteen_view() {
        None => 0,
        Some(Sixteen::BFloat16(_)) => 1,
        Some(Sixteen::Float16(_)) => 2,
    }
}

/// Whole blocks of each leaf, as many for each rank; what is left over goes to those that have least.
fn by_elements(lens: &[usize], ranks: usize) -> Vec<Vec<usize>> {
    let mut loads = vec![0; ranks];
    let bounds = |&len: &usize| {
        let blocks = len.div_ceil(BLOCK);
        let order = ranked(ranks, &|a, b| loads[a].cmp(&loads[b]));
        let mut own = vec![blocks / ranks; ranks];
        order[..blocks % ranks].iter().for_each(|&rank| own[rank] += 1);
        let (mut bounds, mut at) = (vec![0], 0);
        for (load, own) in loads.iter_mut().zip(own) {
            let end = (at + own * BLOCK).min(len);
            *load += end - at;
            at = end;
            bounds.push(at);
        }
        bounds
    };
    lens.iter().map(bounds).collect()
}

/// Each leaf for one rank, the largest first, for that which has least.
fn by_leaves(lens: &[usize], ranks: usize) -> Vec<Vec<usize>> {
    let mut loads = vec![0; ranks];
    let order = ranked(lens.len(), &|a, b| lens[b].cmp(&lens[a]));
    let mut bounds = vec![Vec::new(); lens.len()];
    for leaf in order {
        let owner = (0..ranks).min_by_key(|&rank| loads[rank]).unwrap_or(0);
        loads[owner] += lens[leaf];
        bounds[leaf] = (0..=ranks).map(|rank| if rank > owner { lens[leaf] } else { 0 }).collect();
    }
    bounds
}

/// Elements of a leaf.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) leaf: usize,
    pub(super) range: Range<usize>,
}

/// Elements from which on a piece is a message by itself.
const LARGE: usize = 1 << 12;

/// The messages that pieces of a rank are sent by: a large one goes from where it lies to where it is to be,
/// and small ones that follow each other go together.
pub(super) fn by_message(pieces: &[Piece]) -> impl Iterator<Item = &[Piece]> {
    pieces.chunk_by(|a, b| a.range.len() < LARGE && b.range.len() < LARGE)
}

/// How many elements pieces have.
pub(super) fn len_of(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| piece.range.len()).sum()
}

/// Walks through the parts of each rank, the last leaf's first, so many elements at a time.
#[derive(Debug)]
pub(super) struct Walk<'p> {
    pub(super) plan: &'p Plan,
    active: &'p [bool],
    /// Of each rank: leaves that are done, and where it is in the next.
    at: Vec<(usize, usize)>,
    /// What each rank has in this round.
    pub(super) pieces: Vec<Vec<Piece>>,
    pub(super) lens: Vec<usize>,
}

impl<'p> Walk<'p> {
    /// Through the leaves that are active.
    pub(super) fn new(plan: &'p Plan, active: &'p [bool], ranks: usize) -> Self {
        let at = vec![(0, 0); ranks];
        Self { plan, active, at, pieces: vec![Vec::new(); ranks], lens: vec![0; ranks] }
    }

    /// Goes on by at most so many elements of each rank; whether any rank had any left.
    pub(super) fn next(&mut self, elements: usize) -> bool {
        let leaves = self.plan.places.len();
        for (rank, (done, offset)) in self.at.iter_mut().enumerate() {
            let (pieces, mut room) = (&mut self.pieces[rank], elements);
            pieces.clear();
            while room > 0 && *done < leaves {
                let leaf = leaves - 1 - *done;
                let part = self.plan.places[leaf].of(rank);
                let start = part.start + *offset;
                let end = part.end.min(start + room);
                if !self.active[leaf] || start == part.end {
                    (*done, *offset) = (*done + 1, 0);
                    continue;
                }
                pieces.push(Piece { leaf, range: start..end });
                *offset += end - start;
                room -= end - start;
            }
            self.lens[rank] = elements - room;
        }
        self.lens.iter().any(|&len| len > 0)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, ArrayD};

    use super::*;

    #[test]
    fn parts_are_whole_blocks_and_nearly_equal() {
        let lens = [10, 5000, 0, 1, 1024, 3000, 100_000, 7, 7, 7];
        for ranks in 1..10 {
            for split in [Split::Elements, Split::Leaves] {
                let bounds = match split {
                    Split::Elements => by_elements(&lens, ranks),
                    Split::Leaves => by_leaves(&lens, ranks),
                };
                let mut loads = vec![0; ranks];
                for (bounds, len) in bounds.iter().zip(lens) {
                    assert_eq!((bounds[0], bounds[ranks], bounds.len()), (0, len, ranks + 1));
                    for rank in 0..ranks {
                        loads[rank] += bounds[rank + 1] - bounds[rank];
                        assert!(bounds[rank].is_multiple_of(BLOCK) || bounds[rank] == len);
                    }
                }
                let (most, least) = (loads.iter().max().unwrap(), loads.iter().min().unwrap());
                assert!(split == Split::Leaves || most - least <= 2 * BLOCK, "{loads:?}");
            }
        }
    }

    #[test]
    fn any_range_of_any_layout_is_read_and_written() {
        let a =
            Array::from_shape_fn((3, 4, 5), |(i, j, k)| (100 * i + 10 * j + k) as f64).into_dyn();
        for axes in [vec![0, 1, 2], vec![2, 1, 0], vec![1, 2, 0]] {
            let turned = a.view().permuted_axes(axes);
            let plan = Plan::in_order(&turned, 2, Split::Elements, false).unwrap();
            let place = &plan.places[0];
            // In memory it is what it was.
            for (start, end) in [(0, 60), (7, 31), (59, 60), (5, 5), (20, 40)] {
                for copy in [turned.to_owned(), turned.as_standard_layout().to_owned()] {
                    let mut read = vec![0.0; end - start];
                    place.read(&copy, start..end, &mut read);
                    let expected: Vec<f64> =
                        a.iter().copied().skip(start).take(end - start).collect();
                    assert_eq!(read, expected);
                    let mut written = ArrayD::zeros(copy.shape());
                    let mut other = written.view_mut();
                    place.write(&mut other, start..end, &read);
                    let mut again = vec![0.0; 60];
                    place.read(&written, 0..60, &mut again);
                    assert_eq!(again[start..end], expected);
                    assert!(again[..start].iter().chain(&again[end..]).all(|&x| x == 0.0));
                }
            }
        }
    }

    #[test]
    fn a_walk_meets_each_active_element_once() {
        let tree =
            (Array::<f32, _>::zeros(5000), Array::<f32, _>::zeros(3), Array::<f32, _>::zeros(9000));
        let plan = Plan::in_order(&tree, 3, Split::Elements, false).unwrap();
        let active = [true, false, true];
        let mut walk = Walk::new(&plan, &active, 3);
        let mut met = vec![0; 14_003];
        while walk.next(700) {
            for pieces in &walk.pieces {
                for Piece { leaf, range } in pieces {
                    range.clone().for_each(|i| met[plan.places[*leaf].start + i] += 1);
                }
            }
        }
        let expected = |i: usize| usize::from(!(5000..5003).contains(&i));
        assert!(met.iter().enumerate().all(|(i, &n)| n == expected(i)));
    }
}
