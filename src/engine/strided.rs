//! The loop for leaves with gaps, or whose gradient lies in another order than the parameter.
//!
//! Tiles of such a leaf are copied to a buffer, updated there by the same loop as any other, and
//! copied back: the arithmetic is the same, so the bits are.

use ndarray::{
    ArrayBase, ArrayViewD, ArrayViewMut2, ArrayViewMutD, Axis, Ix2, IxDyn, RawData, Slice,
};

use super::prepare::Prepare;
use super::sweep::Kernel;
use crate::reduce::{self, How, Sum, Term};
use crate::rule::{Rule, Slots};
use crate::scalar::Scalar;
use crate::threads::join;

/// Elements of a tile.
const TILE: usize = 1024;
/// Side of a tile that is copied across the order of its memory: that many cache lines at a time.
const SIDE: usize = 32;

/// A parameter of a strided leaf, arranged in the order of its slots.
pub(super) enum Target<'a, F> {
    Slice(&'a mut [F]),
    View(ArrayViewMutD<'a, F>),
}

/// A gradient, arranged likewise.
pub(super) enum Source<'a, F> {
    Slice(&'a [F]),
    View(ArrayViewD<'a, F>),
}

/// A leaf, or a piece of one. At least one of `w` and `g` is a view; it tells the shape.
pub(super) struct Strided<'a, F: Scalar, S: Slots<F>> {
    pub(super) w: Target<'a, F>,
    pub(super) g: Source<'a, F>,
    pub(super) slots: S::Slices<'a>,
}

impl<'a, F: Scalar, S: Slots<F>> Strided<'a, F, S> {
    pub(super) fn all_finite(&self, how: How) -> bool {
        match &self.g {
            Source::Slice(slice) => reduce::all_finite_slice(slice, how),
            Source::View(view) => reduce::all_finite_view(view),
        }
    }

    pub(super) fn sum<T: Term>(&self, term: T, how: How) -> Sum {
        match &self.g {
            Source::Slice(slice) => reduce::sum_slice(slice, term, how),
            Source::View(view) => reduce::sum_view(view.view(), term, how),
        }
    }

    /// Drops axes of length 1 and joins neighbours that are one in memory: the longer the rows,
    /// the fewer of them.
    pub(super) fn flattened(mut self) -> Self {
        let mut axis = self.shape().len();
        while axis > 0 && self.shape().len() > 1 {
            axis -= 1;
            if self.shape()[axis] == 1 {
                self = self.map(|w| w.drop_axis(axis), |g| g.drop_axis(axis));
            } else if axis + 1 < self.shape().len() && self.w.joins(axis) && self.g.joins(axis) {
                self = self.map(|w| w.join_axis(axis), |g| g.join_axis(axis));
            }
        }
        self
    }

    fn map(
        self,
        w: impl FnOnce(Target<'a, F>) -> Target<'a, F>,
        g: impl FnOnce(Source<'a, F>) -> Source<'a, F>,
    ) -> Self {
        Self { w: w(self.w), g: g(self.g), slots: self.slots }
    }

    fn shape(&self) -> &[usize] {
        match (&self.w, &self.g) {
            (Target::View(view), _) => view.shape(),
            (_, Source::View(view)) => view.shape(),
            (Target::Slice(_), Source::Slice(_)) => &[],
        }
    }

    /// The parts before and after `index` of the slowest axis.
    fn split_at(self, index: usize) -> (Self, Self) {
        let at = index * self.shape().iter().skip(1).product::<usize>();
        let (w0, w1) = match self.w {
            Target::Slice(slice) => {
                let (a, b) = slice.split_at_mut(at);
                (Target::Slice(a), Target::Slice(b))
            }
            Target::View(view) => {
                let (a, b) = view.split_at(Axis(0), index);
                (Target::View(a), Target::View(b))
            }
        };
        let (g0, g1) = match self.g {
            Source::Slice(slice) => {
                let (a, b) = slice.split_at(at);
                (Source::Slice(a), Source::Slice(b))
            }
            Source::View(view) => {
                let (a, b) = view.split_at(Axis(0), index);
                (Source::View(a), Source::View(b))
            }
        };
        let (s0, s1) = S::split_at(self.slots, at);
        (Self { w: w0, g: g0, slots: s0 }, Self { w: w1, g: g1, slots: s1 })
    }
}

macro_rules! axes {
    ($type:ident) => {
        impl<F> $type<'_, F> {
            /// Whether an axis and the next are one in memory.
            fn joins(&self, axis: usize) -> bool {
                match self {
                    $type::Slice(_) => true,
                    $type::View(view) => {
                        let next = view.len_of(Axis(axis + 1)) as isize;
                        view.stride_of(Axis(axis)) == next * view.stride_of(Axis(axis + 1))
                    }
                }
            }

            fn join_axis(mut self, axis: usize) -> Self {
                if let $type::View(view) = &mut self {
                    view.merge_axes(Axis(axis), Axis(axis + 1));
                }
                self.drop_axis(axis)
            }

            fn drop_axis(self, axis: usize) -> Self {
                match self {
                    $type::View(view) => $type::View(view.index_axis_move(Axis(axis), 0)),
                    slice => slice,
                }
            }
        }
    };
}

axes!(Target);
axes!(Source);

/// Updates a strided leaf, halving it between threads where it is large.
pub(super) fn sweep<F: Scalar, R: Rule<F>, P: Prepare<F>>(
    kernel: &Kernel<'_, F, R, P>,
    leaf: Strided<'_, F, R::State>,
) {
    let shape = leaf.shape();
    let (rank, len) = (shape.len(), shape.iter().product::<usize>());
    let slowest = shape.first().copied().unwrap_or(1);
    if rank > 2 && slowest == 1 {
        return sweep(kernel, leaf.map(|w| w.drop_axis(0), |g| g.drop_axis(0)));
    }
    let parallel = len > kernel.how.parallel_above && cfg!(feature = "rayon");
    if rank > 2 || (parallel && slowest > 1) {
        let (left, right) = leaf.split_at(slowest / 2);
        join(parallel, || sweep(kernel, left), || sweep(kernel, right));
        return;
    }
    let Some((rows, columns)) = leaf.grid() else { return };
    tiles(kernel, leaf, rows, columns);
}

impl<F: Scalar, S: Slots<F>> Strided<'_, F, S> {
    /// Rows and columns of a leaf of at most two axes.
    fn grid(&self) -> Option<(usize, usize)> {
        match *self.shape() {
            [] => Some((1, 1)),
            [columns] => Some((1, columns)),
            [rows, columns] => Some((rows, columns)),
            _ => None,
        }
    }
}

/// A slice, or a view of two axes.
enum Grid<Slice, View> {
    Slice(Slice),
    View(View),
}

/// A view of at most two axes as one of two.
fn two_axes<S: RawData>(mut view: ArrayBase<S, IxDyn>) -> Option<ArrayBase<S, Ix2>> {
    while view.ndim() < 2 {
        view = view.insert_axis(Axis(0));
    }
    view.into_dimensionality().ok()
}

fn tiles<F: Scalar, R: Rule<F>, P: Prepare<F>>(
    kernel: &Kernel<'_, F, R, P>,
    leaf: Strided<'_, F, R::State>,
    rows: usize,
    columns: usize,
) {
    let Strided { w, g, mut slots } = leaf;
    let mut w = match w {
        Target::Slice(slice) => Grid::Slice(slice),
        Target::View(view) => match two_axes(view) {
            Some(view) => Grid::View(view),
            None => return,
        },
    };
    let g = match g {
        Source::Slice(slice) => Grid::Slice(slice),
        Source::View(view) => match two_axes(view) {
            Some(view) => Grid::View(view),
            None => return,
        },
    };
    let crosses = match (&w, &g) {
        _ if rows == 1 || columns == 1 => false,
        (Grid::View(w), _) if runs_down(w.strides()) => true,
        (_, Grid::View(g)) => runs_down(g.strides()),
        _ => false,
    };
    let (tall, wide) = if crosses { (SIDE, SIDE) } else { ((TILE / columns.max(1)).max(1), TILE) };
    let (mut w_tile, mut g_tile) = ([F::zero(); TILE], [F::zero(); TILE]);
    for top in (0..rows).step_by(tall) {
        let height = tall.min(rows - top);
        for left in (0..columns).step_by(wide) {
            let width = wide.min(columns - left);
            let (down, across) = (Slice::from(top..top + height), Slice::from(left..left + width));
            if let Grid::View(view) = &w {
                let rows = view.slice_axis(Axis(0), down);
                buffer(&mut w_tile, height, width).assign(&rows.slice_axis(Axis(1), across));
            }
            if let Grid::View(view) = &g {
                let rows = view.slice_axis(Axis(0), down);
                buffer(&mut g_tile, height, width).assign(&rows.slice_axis(Axis(1), across));
            }
            // Whole rows follow each other in the slots; parts of rows do not.
            let (runs, run) = if width == columns { (1, height * width) } else { (height, width) };
            for i in 0..runs {
                let (at, in_tile) = ((top + i) * columns + left, i * run);
                let w = match &mut w {
                    Grid::Slice(slice) => &mut slice[at..at + run],
                    Grid::View(_) => &mut w_tile[in_tile..in_tile + run],
                };
                let g = match &g {
                    Grid::Slice(slice) => &slice[at..at + run],
                    Grid::View(_) => &g_tile[in_tile..in_tile + run],
                };
                kernel.update(w, g, R::State::range(&mut slots, at, at + run));
            }
            if let Grid::View(view) = &mut w {
                let mut rows = view.slice_axis_mut(Axis(0), down);
                rows.slice_axis_mut(Axis(1), across).assign(&buffer(&mut w_tile, height, width));
            }
        }
    }
}

/// Whether neighbours in a column are closer in memory than neighbours in a row.
fn runs_down(strides: &[isize]) -> bool {
    strides[0].unsigned_abs() < strides[1].unsigned_abs()
}

/// The part of a buffer that holds a tile, row by row.
fn buffer<F: Scalar>(buffer: &mut [F; TILE], rows: usize, columns: usize) -> ArrayViewMut2<'_, F> {
    ArrayViewMut2::from_shape((rows, columns), &mut buffer[..rows * columns])
        .expect("the slice has the length of the shape")
}
