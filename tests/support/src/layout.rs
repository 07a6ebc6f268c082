//! Where arrays lie in memory.

use std::cell::OnceCell;
use std::fmt::Debug;

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, Slice};
use thalweg::Scalar;

use crate::numbers::bits;

/// Where a logical array lies in a larger buffer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The logical axes from the slowest to the fastest in memory.
    pub order: Vec<usize>,
    /// By how many places of the buffer each logical axis advances; negative where it runs back.
    pub steps: Vec<isize>,
    /// Places of the buffer before and after each logical axis.
    pub margin: Vec<(usize, usize)>,
}

impl Layout {
    pub fn row_major(rank: usize) -> Self {
        Self { order: (0..rank).collect(), steps: vec![1; rank], margin: vec![(0, 0); rank] }
    }

    pub fn column_major(rank: usize) -> Self {
        Self::row_major(rank).ordered((0..rank).rev().collect())
    }

    pub fn ordered(mut self, order: Vec<usize>) -> Self {
        self.order = order;
        self
    }

    pub fn step(mut self, axis: usize, step: isize) -> Self {
        self.steps[axis] = step;
        self
    }

    pub fn window(mut self) -> Self {
        self.margin.iter_mut().enumerate().for_each(|(i, margin)| *margin = (1 + i % 2, 2));
        self
    }

    fn span(&self, axis: usize, len: usize) -> usize {
        if len == 0 { 0 } else { (len - 1) * self.steps[axis].unsigned_abs() + 1 }
    }
}

/// Layouts of every kind for a shape.
pub fn layouts(rank: usize) -> Vec<Layout> {
    let (c, f) = (Layout::row_major(rank), Layout::column_major(rank));
    let mut all = vec![c.clone(), f.clone(), c.clone().window(), f.clone().window()];
    for turn in 1..rank.saturating_sub(1) {
        let order: Vec<usize> = (0..rank).map(|i| (i + turn) % rank).collect();
        all.push(c.clone().ordered(order));
    }
    if rank > 3 {
        let mut swapped: Vec<usize> = (0..rank).collect();
        swapped.swap(1, 2);
        all.push(c.clone().ordered(swapped));
    }
    for axis in 0..rank {
        all.push(c.clone().step(axis, -1));
        all.push(c.clone().step(axis, if axis + 1 == rank { 2 } else { 3 }));
    }
    if rank > 0 {
        all.push(c.clone().step(rank - 1, 3).window());
        all.push(f.clone().step(rank - 1, 2));
        all.push(f.clone().step(0, -2).window());
        all.push(Layout { steps: vec![-1; rank], ..c });
        all.push(Layout { steps: vec![-1; rank], ..f });
    }
    all
}

/// An array inside a buffer whose other places hold a guard value.
#[derive(Debug, Clone)]
pub struct Placed<F> {
    pub(crate) layout: Layout,
    shape: Vec<usize>,
    pub(crate) buffer: ArrayD<F>,
    /// Which places of the buffer are not the array's; made when they are looked at.
    outside: OnceCell<ArrayD<bool>>,
    pub(crate) guard: F,
}

macro_rules! view_of {
    ($placed:expr, $view:expr) => {{
        let mut view = $view;
        let Layout { order, margin, steps } = &$placed.layout;
        for (i, &axis) in order.iter().enumerate() {
            let start = margin[axis].0;
            let end = start + $placed.layout.span(axis, $placed.shape[axis]);
            let slice = Slice::new(start as isize, Some(end as isize), steps[axis]);
            view.slice_axis_inplace(Axis(i), slice);
        }
        let mut inverse = vec![0; order.len()];
        for (i, &axis) in order.iter().enumerate() {
            inverse[axis] = i;
        }
        view.permuted_axes(inverse)
    }};
}

impl<F: Scalar> Placed<F> {
    pub fn new(layout: &Layout, values: ArrayViewD<'_, F>, guard: F) -> Self {
        let shape = values.shape().to_vec();
        let room = |&axis: &usize| {
            let (before, after) = layout.margin[axis];
            before + layout.span(axis, shape[axis]) + after
        };
        let room: Vec<usize> = layout.order.iter().map(room).collect();
        let buffer = ArrayD::from_elem(room, guard);
        let outside = OnceCell::new();
        let mut placed = Self { layout: layout.clone(), shape, buffer, outside, guard };
        placed.view_mut().assign(&values);
        placed
    }

    pub fn view(&self) -> ArrayViewD<'_, F> {
        view_of!(self, self.buffer.view())
    }

    pub fn view_mut(&mut self) -> ArrayViewMutD<'_, F> {
        view_of!(self, self.buffer.view_mut())
    }

    /// Whether all of the buffer is the same, what is outside the array too.
    pub fn is_same<'a>(&'a self, other: &'a Self) -> bool {
        let of = |placed: &'a Self| F::bytes(placed.buffer.as_slice().unwrap());
        self.layout == other.layout && of(self) == of(other)
    }

    #[track_caller]
    pub fn assert_guarded(&self, what: impl Debug) {
        let outside = self.outside.get_or_init(|| {
            let mut outside = ArrayD::from_elem(self.buffer.shape(), true);
            view_of!(self, outside.view_mut()).fill(false);
            outside
        });
        for (&value, &outside) in self.buffer.iter().zip(outside) {
            assert!(!outside || bits(value) == bits(self.guard), "{what:?}: written outside");
        }
    }
}
