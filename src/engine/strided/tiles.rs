//! A piece of a leaf of two axes, a tile at a time.

use std::ops::Range;

use ndarray::{ArrayBase, ArrayView2, ArrayViewMut2, Axis, Ix2, IxDyn, RawData, Slice};

use super::{Each, SIDE, Strided, TILE};
use crate::engine::around::Sums;
use crate::engine::codes::range_of;
use crate::engine::program::Stretch;
use crate::engine::sixteen::{Encoding, Given, Held, Stored};
use crate::engine::sweep;
use crate::engine::view::{Source, Target};
use crate::scalar::Scalar;
use crate::simd::Simd;
use crate::sixteen::Sixteen;

/// A slice, or a view of two axes.
enum Grid<Slice, View> {
    Slice(Slice),
    View(View),
}

/// A parameter as that, and a gradient.
type GridMut<'a, E> = Grid<&'a mut [E], ArrayViewMut2<'a, E>>;
type GridOf<'a, E> = Grid<&'a [E], ArrayView2<'a, E>>;

/// A view of at most two axes as one of two.
fn two_axes<S: RawData>(mut view: ArrayBase<S, IxDyn>) -> Option<ArrayBase<S, Ix2>> {
    while view.ndim() < 2 {
        view = view.insert_axis(Axis(0));
    }
    view.into_dimensionality().ok()
}

fn to_write<E>(w: Target<'_, E>) -> Option<GridMut<'_, E>> {
    match w {
        Target::Slice(slice) => Some(Grid::Slice(slice)),
        Target::View(view) => {
            let view = two_axes(view)?;
            Some(match view.is_standard_layout() {
                true => Grid::Slice(view.into_slice().unwrap_or_default()),
                false => Grid::View(view),
            })
        }
        _ => None,
    }
}

/// A gradient that is to be multiplied is a view, whose numbers are copied.
fn to_read<E>(g: Source<'_, E>, is_lent: bool) -> Option<GridOf<'_, E>> {
    match g {
        Source::Slice(slice) => Some(Grid::Slice(slice)),
        Source::View(view) => {
            let view = two_axes(view)?;
            Some(match view.to_slice().filter(|_| is_lent) {
                Some(slice) => Grid::Slice(slice),
                None => Grid::View(view),
            })
        }
        _ => None,
    }
}

/// A piece of a leaf of two axes.
#[derive(Clone, Copy)]
struct Piece {
    rows: usize,
    columns: usize,
    simd: Simd,
    write: Option<Encoding>,
}

/// A part of a piece that is copied at a time.
#[derive(Clone, Copy)]
struct Tile {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Tile {
    /// The runs of a tile that follow each other in the slots: how many, and how long. Whole rows do; parts of
    /// rows do not.
    fn runs(self, of: Piece) -> (usize, usize) {
        let Self { height, width, .. } = self;
        if width == of.columns { (1, height * width) } else { (height, width) }
    }

    /// Where a run begins in the piece.
    fn start(self, of: Piece, run: usize) -> usize {
        (self.top + run) * of.columns + self.left
    }

    fn len(self) -> usize {
        self.height * self.width
    }

    /// The place of each run in the tile and in the piece.
    fn places(self, of: Piece) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let (runs, run) = self.runs(of);
        (0..runs).map(move |i| {
            let at = self.start(of, i);
            (i * run..(i + 1) * run, at..at + run)
        })
    }

    fn rows(self) -> Slice {
        Slice::from(self.top..self.top + self.height)
    }

    fn columns(self) -> Slice {
        Slice::from(self.left..self.left + self.width)
    }
}

/// A gradient, a tile at a time.
trait ToRead<F> {
    /// Whether a view has neighbours in a column closer than those in a row.
    fn runs_down(&self) -> bool;

    /// Copies a tile, where its numbers can't be lent.
    fn read(&self, tile: Tile, of: Piece, to: &mut [F]);

    /// The numbers of a run.
    fn lend(&self, run: Range<usize>) -> Option<&[F]>;
}

impl<F: Scalar, E: Stored<F>> ToRead<F> for GridOf<'_, E> {
    fn runs_down(&self) -> bool {
        matches!(self, Grid::View(view) if runs_down(view.strides()))
    }

    fn read(&self, tile: Tile, of: Piece, to: &mut [F]) {
        match self {
            Grid::Slice(slice) if E::lend(slice).is_none() => {
                tile.places(of).for_each(|(here, there)| {
                    E::decode(of.simd, &slice[there], &mut to[here]);
                });
            }
            Grid::Slice(_) => {}
            Grid::View(view) => {
                let rows = view.slice_axis(Axis(0), tile.rows());
                E::decode_view(of.simd, rows.slice_axis(Axis(1), tile.columns()), to);
            }
        }
    }

    #[inline]
    fn lend(&self, run: Range<usize>) -> Option<&[F]> {
        match self {
            Grid::Slice(slice) => E::lend(&slice[run]),
            Grid::View(_) => None,
        }
    }
}

/// A parameter, a tile at a time.
trait ToWrite<F> {
    fn runs_down(&self) -> bool;

    fn read(&self, tile: Tile, of: Piece, remainders: &[u16], to: &mut [F]);

    fn lend(&mut self, run: Range<usize>) -> Option<&mut [F]>;

    /// Copies a tile back, where its numbers can't be lent.
    fn write(
        &mut self,
        tile: Tile,
        of: Piece,
        encoding: Encoding,
        remainders: &mut [u16],
        from: &mut [F],
    );
}

impl<F: Scalar, E: Stored<F>> ToWrite<F> for GridMut<'_, E> {
    fn runs_down(&self) -> bool {
        matches!(self, Grid::View(view) if runs_down(view.strides()))
    }

    fn read(&self, tile: Tile, of: Piece, remainders: &[u16], to: &mut [F]) {
        match self {
            Grid::Slice(slice) => Grid::<_, ArrayView2<'_, E>>::Slice(&**slice).read(tile, of, to),
            Grid::View(view) => Grid::<&[E], _>::View(view.view()).read(tile, of, to),
        }
        if !remainders.is_empty() {
            let runs = tile.places(of);
            runs.for_each(|(here, there)| E::restore(of.simd, &mut to[here], &remainders[there]));
        }
    }

    #[inline]
    fn lend(&mut self, run: Range<usize>) -> Option<&mut [F]> {
        match self {
            Grid::Slice(slice) => E::lend_mut(&mut slice[run]),
            Grid::View(_) => None,
        }
    }

    fn write(
        &mut self,
        tile: Tile,
        of: Piece,
        encoding: Encoding,
        remainders: &mut [u16],
        from: &mut [F],
    ) {
        let is_lent = matches!(self, Grid::Slice(slice) if E::lend(slice).is_some());
        if is_lent {
            return;
        }
        for (here, there) in tile.places(of) {
            let kept = if remainders.is_empty() { 0..0 } else { there.clone() };
            let (numbers, remainders) = (&mut from[here], &mut remainders[kept]);
            match self {
                Grid::Slice(slice) => {
                    E::write(encoding, of.simd, numbers, remainders, &mut slice[there]);
                }
                Grid::View(_) => E::round(encoding, of.simd, numbers, remainders),
            }
        }
        if let Grid::View(view) = self {
            let mut rows = view.slice_axis_mut(Axis(0), tile.rows());
            E::encode_view(of.simd, from, rows.slice_axis_mut(Axis(1), tile.columns()));
        }
    }
}

/// The stretches of a piece, copied tile by tile where they are not slices.
pub(super) fn tiles<F: Scalar>(
    leaf: Strided<'_, F>,
    rows: usize,
    columns: usize,
    simd: Simd,
    write: Option<Encoding>,
    each: Each<'_, F>,
) -> Sums {
    let Strided { w, g, slots, codes, average, remainders, factors, .. } = leaf;
    let factors = match factors {
        Source::View(view) => two_axes(view),
        _ => None,
    };
    let (mut w_own, mut w_half) = (None, None);
    match w {
        Held::Own(w) => w_own = to_write(w),
        Held::Half(Sixteen::BFloat16(w)) => w_half = to_write(w).map(Sixteen::BFloat16),
        Held::Half(Sixteen::Float16(w)) => w_half = to_write(w).map(Sixteen::Float16),
    }
    let w: &mut dyn ToWrite<F> = match (&mut w_own, &mut w_half) {
        (Some(own), _) => own,
        (_, Some(Sixteen::BFloat16(half))) => half,
        (_, Some(Sixteen::Float16(half))) => half,
        _ => return Sums::default(),
    };
    let (is_lent, mut g_own, mut g_half) = (factors.is_none(), None, None);
    match g {
        Given::Own(g) => g_own = to_read(g, is_lent),
        Given::Half(Sixteen::BFloat16(g)) => g_half = to_read(g, is_lent).map(Sixteen::BFloat16),
        Given::Half(Sixteen::Float16(g)) => g_half = to_read(g, is_lent).map(Sixteen::Float16),
    }
    let g: &dyn ToRead<F> = match (&g_own, &g_half) {
        (Some(own), _) => own,
        (_, Some(Sixteen::BFloat16(half))) => half,
        (_, Some(Sixteen::Float16(half))) => half,
        _ => return Sums::default(),
    };
    let rest = Stretch { w: &mut [], g: &[], slots, codes, average };
    let piece = Piece { rows, columns, simd, write };
    copied(w, g, factors, remainders, rest, piece, each)
}
/// What `each` finds in the tiles of a piece, of which `rest` has what is beside parameter and gradient.
fn copied<F: Scalar>(
    w: &mut dyn ToWrite<F>,
    g: &dyn ToRead<F>,
    factors: Option<ArrayView2<'_, F>>,
    remainders: &mut [u16],
    rest: Stretch<'_, F>,
    piece: Piece,
    each: Each<'_, F>,
) -> Sums {
    let mut sums = Sums::default();
    let Stretch { mut slots, mut codes, average, .. } = rest;
    let Piece { rows, columns, .. } = piece;
    let crosses = rows > 1 && columns > 1 && (w.runs_down() || g.runs_down());
    let (tall, wide) = if crosses { (SIDE, SIDE) } else { ((TILE / columns.max(1)).max(1), TILE) };
    let (mut w_tile, mut g_tile) = ([F::zero(); TILE], [F::zero(); TILE]);
    for top in (0..rows).step_by(tall) {
        let height = tall.min(rows - top);
        for left in (0..columns).step_by(wide) {
            let tile = Tile { top, left, height, width: wide.min(columns - left) };
            w.read(tile, piece, remainders, &mut w_tile[..tile.len()]);
            g.read(tile, piece, &mut g_tile[..tile.len()]);
            if let Some(factors) = &factors {
                let rows = factors.slice_axis(Axis(0), tile.rows());
                let factors = rows.slice_axis(Axis(1), tile.columns());
                let numbers = &mut g_tile[..tile.len()];
                numbers.iter_mut().zip(&factors).for_each(|(g, &f)| *g = *g * f);
            }
            for (here, there) in tile.places(piece) {
                let (at, end) = (there.start, there.end);
                let kept = if average.is_empty() { 0..0 } else { at..end };
                let stretch = Stretch {
                    w: match w.lend(there.clone()) {
                        Some(lent) => lent,
                        None => &mut w_tile[here.clone()],
                    },
                    g: g.lend(there).unwrap_or(&g_tile[here]),
                    slots: range_of(&mut slots, at, end),
                    codes: codes.range(at, end),
                    average: &mut average[kept],
                };
                sums = sweep::added(sums, each(stretch));
            }
            if let Some(encoding) = piece.write {
                w.write(tile, piece, encoding, remainders, &mut w_tile[..tile.len()]);
            }
        }
    }
    sums
}

/// Whether neighbours in a column are closer in memory than neighbours in a row.
fn runs_down(strides: &[isize]) -> bool {
    strides[0].unsigned_abs() < strides[1].unsigned_abs()
}
