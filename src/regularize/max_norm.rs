//! A bound on the norm of each unit's weights.

use ndarray::{ArrayView, ArrayViewMut, ArrayViewMut3, Axis, Dimension, RemoveAxis};

use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::params::{LeafMut, Params, ParamsMut, Path, by_copy};
use crate::reduce::{BLOCK, How, LANES, Square, Sum, sum_slice, sum_view};
use crate::scalar::Scalar;

/// The constraint ‖w‖₂ ≤ c on the incoming weights w of each unit: after a step, w·c/‖w‖ where ‖w‖ > c.
///
/// The index along `axis` says which unit a weight belongs to; its vector runs over all other axes.
/// For a layer x·W (inputs × outputs) the units are the columns, `Axis(1)`; for W·x and for
/// convolutions (outputs × inputs × ...), `Axis(0)`.
///
/// Weights within the bound keep their bits, those outside end a hair (four units in the last place of
/// c) within it, so that applying it again changes nothing. A unit of zeros stays; one with a NaN or
/// infinite weight, which no factor would mend, is left as it is. Norms are summed in `f64` in logical
/// order, the same bits in any layout. Nothing is allocated for arrays of up to four axes.
///
/// Sources: Srebro & Shraibman, "Rank, trace-norm and max-norm", 2005; Srivastava, Hinton, Krizhevsky,
/// Sutskever & Salakhutdinov, "Dropout: a simple way to prevent neural networks from overfitting", 2014.
///
/// ```
/// use ndarray::{Axis, array};
/// use thalweg::regularize::MaxNorm;
/// let mut weight = array![[3.0, 0.3], [4.0, 0.4]];
/// MaxNorm::new(1.0, Axis(1)).apply(&mut weight)?;
/// assert!((&weight - &array![[0.6, 0.3], [0.8, 0.4]]).iter().all(|d: &f64| d.abs() < 1e-15));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxNorm {
    limit: f64,
    axis: Option<usize>,
}

/// Units whose norms are summed at a time.
const UNITS: usize = 64;

impl MaxNorm {
    const NAME: &'static str = "MaxNorm";

    /// At most that norm c, in (0, ∞), for the weights of each index along the axis.
    pub const fn new(limit: f64, axis: Axis) -> Self {
        Self { limit, axis: Some(axis.0) }
    }

    /// At most that norm c, in (0, ∞), for each array as a whole.
    pub const fn whole(limit: f64) -> Self {
        Self { limit, axis: None }
    }

    /// Checks the range of the limit.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`].
    pub fn check<F: Scalar>(self) -> Result<(), Error> {
        Interval::POSITIVE.check::<F>(Self::NAME, "limit", self.limit)
    }

    /// Brings the weights of each unit of each leaf within the bound.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`], and
    /// [`ErrorKind::Axis`] if a leaf has no such axis, as a bias has no
    /// `Axis(1)`: give the weights alone. Nothing has then changed.
    pub fn apply<F: Scalar>(self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.check::<F>()?;
        self.check_leaves::<F>(&*params)?;
        params.visit_mut(Path::ROOT, &mut |_, leaf| by_copy(leaf, |leaf| self.apply_leaf(leaf)));
        Ok(())
    }

    fn check_leaves<F: Scalar>(self, params: &dyn Params<F>) -> Result<(), Error> {
        let mut result = Ok(());
        params.visit(Path::ROOT, &mut |path, leaf| {
            if result.is_ok() {
                result = self.check_leaf(path, leaf.shape());
            }
        });
        result
    }

    /// Whether a leaf of that shape has the axis.
    pub(crate) fn check_leaf(self, path: Path<'_>, shape: &[usize]) -> Result<(), Error> {
        match self.axis {
            Some(axis) if axis >= shape.len() => {
                let (owner, leaf, rank) = (Self::NAME, path.to_string(), shape.len());
                Err(ErrorKind::Axis { owner, leaf, axis, rank }.into())
            }
            _ => Ok(()),
        }
    }

    /// Brings the weights of each unit of a leaf within the bound; `check` and `check_leaf` have
    /// passed it.
    pub(crate) fn apply_leaf<F: Scalar>(self, leaf: &mut dyn LeafMut<F>) {
        let shape = leaf.shape();
        if shape.contains(&0) {
            return;
        }
        let rank = shape.len();
        let around = |axis: usize| {
            let product = |axes: &[usize]| axes.iter().product::<usize>();
            [product(&shape[..axis]), shape[axis], product(&shape[axis + 1..])]
        };
        let merged = self.axis.map_or([1, 1, shape.iter().product()], around);
        // A view of more than four axes may take memory of its own.
        let is_standard = is_row_major(shape, leaf.strides());
        match leaf.fixed_rank() {
            _ if rank > 4 && is_standard => {
                let slice = leaf.as_slice_mut().unwrap_or_default();
                if let Ok(view) = ArrayViewMut3::from_shape(merged, slice) {
                    self.apply_to(view, self.axis.map(|_| Axis(1)));
                }
            }
            Some(5) => _ = leaf.five_mut().map(|view| self.apply_to(view, self.axis.map(Axis))),
            Some(6) => _ = leaf.six_mut().map(|view| self.apply_to(view, self.axis.map(Axis))),
            _ => self.apply_to(leaf.view_mut(), self.axis.map(Axis)),
        }
    }

    fn apply_to<F: Scalar, D: Dimension + RemoveAxis>(
        self,
        mut view: ArrayViewMut<'_, F, D>,
        axis: Option<Axis>,
    ) {
        let Some(axis) = axis else { return self.apply_to_whole(view) };
        // Many units at a time, since along the others a single one may lie far apart in memory.
        for mut units in view.axis_chunks_iter_mut(axis, UNITS) {
            let squares = squares(&units.view(), axis);
            let mut factors = [1.0; UNITS];
            let mut outside = false;
            for (i, unit) in units.axis_iter(axis).enumerate() {
                if let Some(factor) = self.factor(squares[i], &unit) {
                    (factors[i], outside) = (factor, true);
                }
            }
            if outside {
                for mut lane in units.lanes_mut(axis) {
                    lane.iter_mut().zip(&factors).for_each(|(w, &factor)| scale(w, factor));
                }
            }
        }
    }

    fn apply_to_whole<F: Scalar, D: Dimension>(self, mut view: ArrayViewMut<'_, F, D>) {
        let squares = match view.as_slice() {
            Some(slice) => sum_of_blocks(slice),
            None => sum_view(view.view(), Square, How::default()),
        };
        if let Some(factor) = self.factor(squares.value(), &view.view()) {
            view.iter_mut().for_each(|w| scale(w, factor));
        }
    }

    /// What brings these weights, with that sum of squares, within the bound; none if they are.
    fn factor<F: Scalar, D: Dimension>(
        self,
        squares: f64,
        weights: &ArrayView<'_, F, D>,
    ) -> Option<f64> {
        let inside = 1.0 - 4.0 * F::epsilon().into_f64();
        if squares < 1e-280 && self.limit > 1e-140 {
            return None;
        }
        if (1e-280..1e300).contains(&squares) {
            let norm = squares.sqrt();
            return (norm > self.limit).then(|| self.limit / norm * inside);
        }
        // The squares overflow or vanish, or a weight is not finite: the largest brings them back.
        let largest = weights.iter().try_fold(0.0_f64, |largest, w| {
            let w = w.into_f64().abs();
            w.is_finite().then(|| largest.max(w))
        });
        let largest = largest.filter(|&largest| largest > 0.0)?;
        let norm = weights.iter().map(|w| (w.into_f64() / largest).powi(2)).sum::<f64>().sqrt();
        let limit = self.limit / largest;
        (norm > limit).then(|| limit / norm * inside)
    }
}

/// Whether an array of that shape and of those strides is row-major, without gaps.
fn is_row_major(shape: &[usize], strides: &[isize]) -> bool {
    let mut product = 1;
    shape.iter().zip(strides).rev().all(|(&len, &stride)| {
        let fits = len == 1 || stride == product;
        product *= len as isize;
        fits
    })
}

/// The sum of squares of each of up to [`UNITS`] units. Whichever way they lie, the additions are
/// those of [`sum_slice`] on blocks, and the bits the same.
fn squares<F: Scalar, D: Dimension + RemoveAxis>(
    units: &ArrayView<'_, F, D>,
    axis: Axis,
) -> [f64; UNITS] {
    let mut totals = [Sum::default(); UNITS];
    if units.len_of(axis) > 0 && units.index_axis(axis, 0).is_standard_layout() {
        for (total, unit) in totals.iter_mut().zip(units.axis_iter(axis)) {
            *total = sum_of_blocks(unit.as_slice().unwrap_or_default());
        }
        return totals.map(Sum::value);
    }
    let mut running = [[0.0; UNITS]; LANES];
    let mut filled = 0;
    for lane in units.lanes(axis) {
        let sums = &mut running[filled % LANES];
        match lane.as_slice() {
            Some(lane) => sums.iter_mut().zip(lane).for_each(add_square),
            None => sums.iter_mut().zip(lane).for_each(add_square),
        }
        filled += 1;
        if filled == BLOCK {
            flush(&mut running, &mut totals);
            filled = 0;
        }
    }
    if filled > 0 {
        flush(&mut running, &mut totals);
    }
    totals.map(Sum::value)
}

/// One block after the other, as a view with gaps is summed.
fn sum_of_blocks<F: Scalar>(weights: &[F]) -> Sum {
    let blocks = weights.chunks(BLOCK).map(|block| sum_slice(block, Square, How::default()));
    blocks.fold(Sum::default(), Sum::add)
}

fn add_square<F: Scalar>((sum, w): (&mut f64, &F)) {
    *sum += w.into_f64() * w.into_f64();
}

/// Adds a block's running sums to the totals, pair by pair, and empties them.
fn flush(running: &mut [[f64; UNITS]; LANES], totals: &mut [Sum; UNITS]) {
    let mut width = LANES / 2;
    while width > 0 {
        let (low, high) = running.split_at_mut(width);
        for (low, high) in low.iter_mut().zip(high) {
            low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
        }
        width /= 2;
    }
    for (total, &sum) in totals.iter_mut().zip(&running[0]) {
        *total = total.add(Sum::of(sum));
    }
    *running = [[0.0; UNITS]; LANES];
}

/// A factor of exactly 1 leaves even -0 and NaN their bits.
fn scale<F: Scalar>(w: &mut F, factor: f64) {
    if factor != 1.0 {
        *w = F::from_f64(w.into_f64() * factor);
    }
}
