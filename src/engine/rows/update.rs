//! The update of rows, where they lie or in tiles.

use ndarray::{ArrayViewMut, Axis, Dimension, RemoveAxis};

use super::Touched;
use super::table::Table;
use super::tile::Tile;
use crate::engine::around::Loop;
use crate::engine::program::{RowsOf, Stretch, WIDEST, range_of};
use crate::engine::scratch::Lists;
use crate::engine::view::Target;
use crate::reduce::{BLOCK, How};
use crate::scalar::Scalar;
use crate::threads::join;

/// Updates the rows of all leaves.
#[cold]
pub(in crate::engine) fn sweep<F: Scalar>(
    constants: Loop<'_, F>,
    how: How,
    lists: &mut Lists<'_, F>,
) {
    let Some(gathered) = lists.gathered.as_deref() else { return };
    while let Some(touched) = lists.touched.pop() {
        let Touched { constants: place, rows, g, is_exact, mut table, .. } = touched;
        let rows = &gathered.rows[rows];
        if is_exact && constants.idles(place) {
            idle(constants, place, how, rows, &mut table);
        }
        if !rows.is_empty() {
            update(constants, place, how, rows, gathered.gradients(&g), table);
        }
    }
}

/// Does to the rows that are not touched what is done where the gradient is 0.
fn idle<F: Scalar>(
    constants: Loop<'_, F>,
    place: usize,
    how: How,
    rows: &[usize],
    table: &mut Table<'_, F>,
) {
    let Table { grid, w, .. } = table;
    match w {
        Target::Slice(w) => {
            let row = grid.after;
            for block in w.chunks_mut(grid.rows * row) {
                let mut next = 0;
                for &touched in rows.iter().chain([&grid.rows]) {
                    constants.idle(place, how.simd, &mut block[next * row..touched * row]);
                    next = touched + 1;
                }
            }
        }
        Target::View(view) => idle_view(constants, place, how, (grid.axis, rows), view.view_mut()),
        Target::Five(view) => {
            idle_view(constants, place, how, (grid.axis, rows), (**view).view_mut());
        }
        Target::Six(view) => {
            idle_view(constants, place, how, (grid.axis, rows), (**view).view_mut());
        }
    }
}

fn idle_view<F: Scalar, D: Dimension + RemoveAxis>(
    constants: Loop<'_, F>,
    place: usize,
    how: How,
    (axis, rows): (usize, &[usize]),
    mut w: ArrayViewMut<'_, F, D>,
) {
    let mut touched = rows.iter().peekable();
    for (row, mut w) in w.axis_iter_mut(Axis(axis)).enumerate() {
        if touched.next_if(|&&touched| touched == row).is_some() {
            continue;
        }
        for w in &mut w {
            constants.idle(place, how.simd, std::slice::from_mut(w));
        }
    }
}

/// Updates rows, halving them between threads where there are enough.
fn update<F: Scalar>(
    constants: Loop<'_, F>,
    place: usize,
    how: How,
    rows: &[usize],
    g: &[F],
    table: Table<'_, F>,
) {
    let large = cfg!(feature = "rayon") && g.len() > how.parallel_above && rows.len() > 1;
    if large && table.is_whole_rows() {
        let half = rows.len() / 2;
        let (here, there) = rows.split_at(half);
        let (g0, g1) = g.split_at(half * table.grid.width());
        let (left, right) = table.split_at(there[0]);
        join(
            true,
            || update(constants, place, how, here, g0, left),
            || update(constants, place, how, there, g1, right),
        );
    } else if matches!(table.w, Target::Slice(_)) {
        in_place(constants, place, how, rows, g, table);
    } else {
        by_tiles(constants, place, how, rows, g, table);
    }
}

/// Shorter pieces are gathered before they are updated: what a call costs is more than what they cost.
const LONG: usize = 256;

fn in_place<F: Scalar>(
    constants: Loop<'_, F>,
    place: usize,
    how: How,
    rows: &[usize],
    g: &[F],
    table: Table<'_, F>,
) {
    let Table { grid, w: Target::Slice(w), mut slots, mut codes, average } = table else { return };
    if grid.before == 1 && grid.after.is_multiple_of(WIDEST) && grid.after < LONG {
        let [a, b, c, d] = &mut slots;
        let (slots, codes) = ([&mut **a, b, c, d], codes.reborrow());
        let mut stretch = Stretch { w: &mut *w, g, slots, codes, average: &mut *average };
        let rows = RowsOf { rows, first: grid.first, width: grid.after };
        if constants.update_rows(place, how.simd, rows, &mut stretch) {
            return;
        }
    }
    if grid.after < LONG {
        let table = Table { grid, w: Target::Slice(w), slots, codes, average };
        return by_tiles(constants, place, how, rows, g, table);
    }
    grid.runs(rows, |at, from, len| {
        let kept = if average.is_empty() { 0..0 } else { at..at + len };
        let mut stretch = Stretch {
            w: &mut w[at..at + len],
            g: &g[from..from + len],
            slots: range_of(&mut slots, at, at + len),
            codes: codes.range(at, at + len),
            average: &mut average[kept],
        };
        constants.update(place, how.simd, &mut stretch);
    });
}

fn by_tiles<F: Scalar>(
    constants: Loop<'_, F>,
    place: usize,
    how: How,
    rows: &[usize],
    g: &[F],
    mut table: Table<'_, F>,
) {
    let mut tile = Tile::new();
    for start in (0..g.len()).step_by(BLOCK) {
        let range = start..g.len().min(start + BLOCK);
        tile.gather(&table, rows, range.clone());
        constants.update(place, how.simd, &mut tile.stretch(&table, &g[range.clone()]));
        tile.scatter(&mut table, rows, range);
    }
}
