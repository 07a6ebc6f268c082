//! The update of rows, where they lie or in tiles.

use super::Touched;
use super::table::Table;
use super::tile::Tile;
use crate::engine::around::Loop;
use crate::engine::codes::range_of;
use crate::engine::program::{RowsOf, Stretch, WIDEST};
use crate::engine::scratch::Lists;
use crate::engine::sixteen::Held;
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
    let grid = table.grid;
    let Held::Own(Target::Slice(w)) = &mut table.w else {
        return idle_by_tiles(constants, place, how, rows, table);
    };
    let row = grid.after;
    for block in w.chunks_mut(grid.rows * row) {
        let mut next = 0;
        for &touched in rows.iter().chain([&grid.rows]) {
            constants.idle(place, how.simd, &mut block[next * row..touched * row]);
            next = touched + 1;
        }
    }
}

/// Rows that are gathered at a time.
const ROWS: usize = 64;

fn idle_by_tiles<F: Scalar>(
    constants: Loop<'_, F>,
    place: usize,
    how: How,
    touched: &[usize],
    table: &mut Table<'_, F>,
) {
    let (width, encoding) = (table.grid.width(), constants.outer[place].encoding);
    let mut touched = touched.iter().peekable();
    let mut others =
        (0..table.grid.rows).filter(|row| touched.next_if(|touched| *touched == row).is_none());
    let (mut tile, mut rows) = (Tile::new(), [0; ROWS]);
    loop {
        let count = rows.iter_mut().zip(&mut others).map(|(row, other)| *row = other).count();
        let rows = &rows[..count];
        for start in (0..count * width).step_by(BLOCK) {
            let range = start..(count * width).min(start + BLOCK);
            tile.gather_numbers(table, rows, range.clone(), how.simd);
            constants.idle(place, how.simd, &mut tile.w[..range.len()]);
            tile.scatter_numbers(table, rows, range, how.simd, encoding);
        }
        if count < ROWS {
            return;
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
    } else if matches!(table.w, Held::Own(Target::Slice(_))) {
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
    let Table { grid, w: Held::Own(Target::Slice(w)), mut slots, mut codes, average, .. } = table
    else {
        return;
    };
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
        let w = Held::Own(Target::Slice(w));
        let table = Table { grid, w, slots, codes, average, remainders: &mut [] };
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
    let (mut tile, encoding) = (Tile::new(), constants.outer[place].encoding);
    for start in (0..g.len()).step_by(BLOCK) {
        let range = start..g.len().min(start + BLOCK);
        tile.gather(&table, rows, range.clone(), how.simd);
        constants.update(place, how.simd, &mut tile.stretch(&table, &g[range.clone()]));
        tile.scatter(&mut table, rows, range, how.simd, encoding);
    }
}
