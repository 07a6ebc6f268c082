//! What is measured of rows: norms, and what a rule or a setting wants to know of a leaf.

use std::ops::Range;

use super::gathered::Gathered;
use super::table::Table;
use super::tile::Tile;
use super::{Gradients, Touched};
use crate::engine::around::{Loop, Quantities, Sums};
use crate::engine::couple::Coupled;
use crate::engine::scale::{self, Norm};
use crate::engine::sweep::added;
use crate::reduce::{self, BLOCK, How, Square, Sum, Term};
use crate::regularize::AdaptiveClip;
use crate::rule::SUMS;
use crate::scalar::Scalar;

/// The rows of a leaf with their gradients, to be measured.
pub(in crate::engine) struct Rows<'l, 'a, F> {
    pub(super) table: &'l Table<'a, F>,
    pub(super) rows: &'l [usize],
    pub(super) g: &'l mut [F],
    pub(super) by_rows: bool,
}

impl<'a, F: Scalar> Touched<'a, F> {
    pub(in crate::engine) fn of<'l>(&'l self, gathered: &'l mut Gathered<F>) -> Rows<'l, 'a, F> {
        let rows = &gathered.rows[self.rows.clone()];
        // Where something couples rows, they are in order, and their gradients summed.
        let sums = match &self.g {
            Gradients::Sums(sums) => sums.clone(),
            Gradients::Given(_) => 0..0,
        };
        Rows { table: &self.table, rows, g: &mut gathered.sums[sums], by_rows: self.by_rows }
    }
}

/// Sums over a range of elements, along the tree of [`reduce::sum_slice`].
fn tree(range: Range<usize>, of: &mut dyn FnMut(Range<usize>) -> [f64; SUMS]) -> Sums {
    let len = range.len();
    if len <= BLOCK {
        return of(range).map(Sum::of);
    }
    let at = range.start + len.div_ceil(BLOCK) / 2 * BLOCK;
    let (left, right) = (tree(range.start..at, of), tree(at..range.end, of));
    added(left, right)
}

impl<F: Scalar> Rows<'_, '_, F> {
    /// ‖w‖₂ over a range of the rows' elements.
    fn norm_of(&self, range: Range<usize>, tile: &mut Tile<F>, how: How) -> Norm {
        fn sum<F: Scalar, T: Term>(
            rows: &Rows<'_, '_, F>,
            range: Range<usize>,
            tile: &mut Tile<F>,
            term: T,
            how: How,
        ) -> f64 {
            let [sum, ..] = tree(range, &mut |range| {
                let len = range.len();
                tile.gather_parameters(rows.table, rows.rows, range, how.simd);
                [reduce::sum_block(&tile.w[..len], term, how), 0.0, 0.0, 0.0]
            });
            sum.value()
        }
        let square = sum(self, range.clone(), tile, Square, how);
        Norm::from_sums(square, |term| sum(self, range, tile, term, how))
    }
}

impl<F: Scalar> Coupled<F> for Rows<'_, '_, F> {
    fn len(&self) -> usize {
        self.g.len()
    }

    fn grad_norm(&self, how: How) -> Norm {
        scale::norm_of_slice(self.g, how)
    }

    fn param_norm(&self, how: How) -> Norm {
        self.norm_of(0..self.g.len(), &mut Tile::new(), how)
    }

    /// Scales the gradients of rows that are units at once.
    fn find_factors(
        &mut self,
        clip: AdaptiveClip,
        scale: f64,
        how: How,
        _factors: &mut Vec<F>,
    ) -> bool {
        if !self.by_rows {
            return false;
        }
        let (width, mut tile) = (self.table.grid.width(), Tile::new());
        for n in 0..self.rows.len() {
            let range = n * width..(n + 1) * width;
            let w = self.norm_of(range.clone(), &mut tile, how);
            let g = &mut self.g[range];
            let limit = clip.limit(w.value());
            let norm = scale::norm_of_slice(g, how).value() * scale;
            if norm > limit && norm.is_finite() {
                let factor = F::from_f64(limit / norm);
                g.iter_mut().for_each(|g| *g = *g * factor);
            }
        }
        true
    }

    fn measure(
        &mut self,
        constants: Loop<'_, F>,
        place: usize,
        quantities: Quantities<F>,
        _factors: &[F],
        how: How,
    ) -> Sums {
        let (mut tile, Self { table, rows, g, .. }) = (Tile::new(), self);
        tree(0..g.len(), &mut |range| {
            tile.gather(table, rows, range.clone(), how.simd);
            let stretch = tile.stretch(table, &g[range]);
            constants.measure(place, quantities, how.simd, stretch)
        })
    }
}
