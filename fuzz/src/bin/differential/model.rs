//! A model of leaves of all ranks, and how it lies in memory.

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, IxDyn, ShapeBuilder, Slice};
use thalweg::Scalar;

use crate::Random;

/// Name and shape of each leaf.
pub const LEAVES: [(&str, &[usize]); 4] =
    [("0", &[11, 13]), ("1", &[19]), ("2", &[2, 3, 1, 2, 3]), ("3", &[])];

/// One of the ways to run a program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    Plain,
    /// The baseline's instructions, and many threads.
    Baseline,
    /// Saved and loaded on the way.
    Saved,
    ColumnMajor,
    /// Parameters with gaps, some axes backwards.
    Gaps,
    /// Gradients in another order than the parameters.
    Crossed,
    /// Parameters with their axes turned, and gradients with gaps.
    Turned,
}

impl Way {
    pub const OTHERS: [Self; 6] =
        [Way::Baseline, Way::Saved, Way::ColumnMajor, Way::Gaps, Way::Crossed, Way::Turned];

    pub fn is_layout(self) -> bool {
        !matches!(self, Way::Plain | Way::Baseline | Way::Saved)
    }

    fn of_params(self) -> Layout {
        match self {
            Way::ColumnMajor => Layout::Columns,
            Way::Gaps => Layout::Gaps,
            Way::Turned => Layout::Turned,
            _ => Layout::Rows,
        }
    }

    fn of_grads(self) -> Layout {
        match self {
            Way::ColumnMajor | Way::Crossed => Layout::Columns,
            Way::Turned => Layout::Gaps,
            _ => Layout::Rows,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Layout {
    Rows,
    Columns,
    Gaps,
    Turned,
}

/// An array somewhere in the memory of a larger one.
struct Laid<F> {
    layout: Layout,
    base: ArrayD<F>,
}

/// The axes of a leaf by one place further.
fn turned(rank: usize) -> Vec<usize> {
    (0..rank).map(|axis| (axis + 1) % rank).collect()
}

fn step(axis: usize) -> Slice {
    Slice::new(0, None, if axis.is_multiple_of(2) { 3 } else { -2 })
}

impl<F: Scalar> Laid<F> {
    fn new(layout: Layout, values: &ArrayD<F>) -> Self {
        let shape = values.shape();
        let base = match layout {
            Layout::Rows => ArrayD::zeros(shape),
            Layout::Columns => ArrayD::zeros(shape.f()),
            Layout::Gaps => {
                let lengths = shape.iter().enumerate();
                let lengths = lengths.map(|(i, n)| n * if i % 2 == 0 { 3 } else { 2 });
                ArrayD::zeros(lengths.collect::<Vec<_>>())
            }
            Layout::Turned => {
                let order = turned(shape.len());
                let mut lengths = vec![0; shape.len()];
                order.iter().enumerate().for_each(|(i, &axis)| lengths[axis] = shape[i]);
                ArrayD::zeros(lengths)
            }
        };
        let mut laid = Self { layout, base };
        laid.view_mut().assign(values);
        laid
    }

    fn view(&self) -> ArrayViewD<'_, F> {
        let (mut view, rank) = (self.base.view(), self.base.ndim());
        match self.layout {
            Layout::Gaps => (0..rank).for_each(|i| view.slice_axis_inplace(Axis(i), step(i))),
            Layout::Turned => view = view.permuted_axes(IxDyn(&turned(rank))),
            _ => {}
        }
        view
    }

    fn view_mut(&mut self) -> ArrayViewMutD<'_, F> {
        let (layout, rank) = (self.layout, self.base.ndim());
        let mut view = self.base.view_mut();
        match layout {
            Layout::Gaps => (0..rank).for_each(|i| view.slice_axis_inplace(Axis(i), step(i))),
            Layout::Turned => view = view.permuted_axes(IxDyn(&turned(rank))),
            _ => {}
        }
        view
    }
}

/// Values from a seed, row-major.
fn values<F: Scalar>(seed: u64) -> Vec<ArrayD<F>> {
    let mut random = Random(seed);
    let of = |&(_, shape): &(&str, &[usize])| {
        ArrayD::from_shape_simple_fn(shape, || F::from_f64(random.number()))
    };
    LEAVES.iter().map(of).collect()
}

/// Leaves a gradient as it is.
pub fn finite<F>(_: usize, _: &mut ArrayD<F>) {}

/// Gradients as they lie in memory.
pub struct Grads<F>(Vec<Laid<F>>);

impl<F: Scalar> Grads<F> {
    pub fn views(&self) -> Vec<ArrayViewD<'_, F>> {
        self.0.iter().map(Laid::view).collect()
    }
}

/// Parameters as they lie in memory.
pub struct Model<F> {
    way: Way,
    leaves: Vec<Laid<F>>,
}

impl<F: Scalar> Model<F> {
    pub fn new(way: Way) -> Self {
        let laid = |values: &ArrayD<F>| Laid::new(way.of_params(), values);
        Self { way, leaves: values(1).iter().map(laid).collect() }
    }

    pub fn views(&self) -> Vec<ArrayViewD<'_, F>> {
        self.leaves.iter().map(Laid::view).collect()
    }

    pub fn views_mut(&mut self) -> Vec<ArrayViewMutD<'_, F>> {
        self.leaves.iter_mut().map(Laid::view_mut).collect()
    }

    pub fn bits(&self) -> Vec<u64> {
        let views = self.views();
        views.iter().flatten().map(|x| x.into_f64().to_bits()).collect()
    }

    /// Random gradients; or, `bowl`, those of a bowl at these parameters.
    pub fn gradients(
        &self,
        seed: u64,
        bowl: bool,
        mut change: impl FnMut(usize, &mut ArrayD<F>),
    ) -> Grads<F> {
        let mut grads = values(seed);
        for (i, (g, w)) in grads.iter_mut().zip(self.views()).enumerate() {
            if bowl {
                let curved = |(at, w): (usize, &F)| *w * F::from_f64(1.0 + (at % 7) as f64);
                g.iter_mut().zip(w.iter().enumerate().map(curved)).for_each(|(g, c)| *g = c);
            }
            change(i, g);
        }
        Grads(grads.iter().map(|g| Laid::new(self.way.of_grads(), g)).collect())
    }
}
