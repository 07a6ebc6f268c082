//! Leaves of whose gradient few rows are there.
//!
//! Rows that come once are updated as they come; others are brought into the order of memory, and their
//! gradients summed beside each other. Whole vectors are updated where they lie, by a loop over the rows; other
//! rows, or where more is done around the rule, in tiles that are gathered, updated by the same loop as any
//! other leaf, and put back. Nothing else of the leaf is read.

mod assembled;
mod gathered;
mod measure;
mod seen;
mod table;
mod tile;
mod update;

use std::ops::Range;

pub(super) use assembled::{ARRAYS, Assembled};
pub(super) use gathered::Gathered;
pub(super) use update::sweep;

use gathered::Problem;
use table::{Grid, Table};

use super::leaf::LeafState;
use super::plan::Course;
use super::scratch::Lists;
use super::settings::Settings;
use super::sixteen::{Held, Rounding};
use super::untouched::Untouched;
use super::view::Source;
use crate::int8;
use crate::params::{Fit, Leaf, LeafMut};
use crate::reduce::{self, How, Sum, Term};
use crate::scalar::Scalar;

/// A leaf of whose gradient there are rows.
pub(super) struct Touched<'a, F> {
    /// Its place among all leaves.
    pub(super) leaf: usize,
    /// The place of its cohort.
    pub(super) cohort: usize,
    /// The place of its constants.
    pub(super) constants: usize,
    /// Its rows among those of all leaves, by their place in memory.
    rows: Range<usize>,
    /// Their gradients.
    g: Gradients<'a, F>,
    /// Whether each row is a unit, whose gradient is clipped by its norm.
    by_rows: bool,
    /// Whether the other rows are as if their gradient were 0.
    is_exact: bool,
    table: Table<'a, F>,
}

/// The gradients of rows, beside each other.
#[derive(Clone)]
enum Gradients<'a, F> {
    /// As they were given.
    Given(&'a [F]),
    /// Among the sums of all leaves.
    Sums(Range<usize>),
}

/// Makes a job of the rows of a leaf that is not frozen and whose slots are in its order.
pub(super) fn touch<'a, F: Scalar>(
    leaf: &'a mut LeafState<F>,
    w: &'a mut dyn LeafMut<F>,
    g: &'a dyn Leaf<F>,
    index: usize,
    settings: &Settings,
    lists: &mut Lists<'a, F>,
) {
    let gathered = lists.gathered.get_or_insert_default();
    let rank = leaf.shape.len();
    let (Some(numbers), Some(grid)) = (g.rows(), grid_of(leaf)) else { return };
    let (len, reversed) = (leaf.shape[0], leaf.order.is_reversed(0));
    let of_units = settings.clip_adaptive.and_then(|clip| clip.units.axis(rank));
    let source = Source::of(g, &leaf.order);
    // Rows of the gradient that follow each other as those of the leaf do.
    let given = if grid.before == 1 && !reversed { given(&source) } else { None };
    // Of a leaf without elements the number of rows is not bounded by memory.
    let large = numbers.len() * grid.width() > lists.ordered_above;
    let ordered = large || given.is_none() || leaf.is_empty();
    let (row, sum) = (gathered.rows.len(), gathered.sums.len());
    let taken = if ordered { Ok(false) } else { gathered.take(numbers, len, grid.width()) };
    let found = match taken {
        Ok(false) => gathered.sort(numbers, len, reversed).map(|()| false),
        taken => taken,
    };
    let found = match found {
        Ok(_) if leaf.is_blocked() && !grid.width().is_multiple_of(int8::BLOCK) => {
            Err(Problem::NeedsAll {
                what: "state of 8 bits, in blocks of 32 elements",
                remedy: "let a row have a multiple of 32 elements, or keep the state of this leaf in 16 bits, by \
                         `group(name, |group| group.state_precision(Precision::BFloat16))`",
            })
        }
        Ok(_) if of_units.is_some_and(|axis| axis > 0) => Err(Problem::NeedsAll {
            what: "adaptive clipping of units along another axis",
            remedy: "rows are units by `Units::FirstAxis`, and the leaf is one by `Units::Leaf`",
        }),
        found => found,
    };
    let taken = match found {
        Ok(taken) => taken,
        Err(problem) => {
            gathered.problem.get_or_insert((index, problem));
            return;
        }
    };
    if leaf.is_empty() || (numbers.is_empty() && settings.untouched == Untouched::Lazy) {
        return;
    }
    let g = match given.filter(|_| taken) {
        Some(given) => Gradients::Given(given),
        None => {
            gathered.sum(&source, given, grid, reversed);
            Gradients::Sums(sum..gathered.sums.len())
        }
    };
    let found = Found { rows: row..gathered.rows.len(), g, by_rows: of_units == Some(0) };
    push(leaf, w, index, grid, found, settings, lists);
}

/// How the rows of a leaf lie in memory; a number has none.
fn grid_of<F: Scalar>(leaf: &LeafState<F>) -> Option<Grid> {
    let axis = leaf.order.place_of(0)?;
    let [before, rows, after] = leaf.order.around(axis, &leaf.shape);
    Some(Grid { before, rows, after, axis, first: 0 })
}

/// Makes a job of a leaf that is left out, where it is to be as if its gradient were 0.
pub(super) fn leave_out<'a, F: Scalar>(
    leaf: &'a mut LeafState<F>,
    w: &'a mut dyn LeafMut<F>,
    index: usize,
    settings: &Settings,
    lists: &mut Lists<'a, F>,
) {
    if settings.untouched == Untouched::Lazy || settings.frozen || leaf.is_empty() {
        return;
    }
    leaf.settle(&*w, settings);
    leaf.keep_remainders(&*w, settings);
    lists.gathered.get_or_insert_default();
    // A number is one row.
    let grid = grid_of(leaf).unwrap_or(Grid { before: 1, rows: 1, after: 1, axis: 0, first: 0 });
    let found = Found { rows: 0..0, g: Gradients::Sums(0..0), by_rows: false };
    push(leaf, w, index, grid, found, settings, lists);
}

/// What was found of a leaf among what was found of all.
struct Found<'a, F> {
    rows: Range<usize>,
    g: Gradients<'a, F>,
    by_rows: bool,
}

fn push<'a, F: Scalar>(
    leaf: &'a mut LeafState<F>,
    w: &'a mut dyn LeafMut<F>,
    index: usize,
    grid: Grid,
    Found { rows, g, by_rows }: Found<'a, F>,
    settings: &Settings,
    lists: &mut Lists<'a, F>,
) {
    let is_packed = leaf.order.fit(w.shape(), w.strides()) == Fit::Packed;
    let w = if is_packed { Held::packed(w, None) } else { Held::of(w, &leaf.order) };
    // The average of a bounded leaf waits for the bound.
    let bounded = settings.max_norm.is_some();
    let table = Table {
        grid,
        w,
        slots: LeafState::slices(&mut leaf.slots),
        codes: LeafState::<F>::codes(&mut leaf.codes, leaf.coding),
        average: if bounded { &mut [] } else { leaf.average.as_mut_slice() },
        remainders: match settings.parameter_rounding {
            Rounding::Compensated => leaf.remainders.as_mut_slice(),
            _ => &mut [],
        },
    };
    lists.touched.push(Touched {
        leaf: index,
        cohort: leaf.cohort,
        constants: leaf.cohort,
        rows,
        g,
        by_rows,
        is_exact: settings.untouched == Untouched::Exact,
        table,
    });
}

fn given<'a, F>(source: &Source<'a, F>) -> Option<&'a [F]> {
    match source {
        Source::Slice(slice) => Some(slice),
        Source::View(view) => view.to_slice(),
        Source::Five(view) => view.to_slice(),
        Source::Six(view) => view.to_slice(),
    }
}

/// Above how many elements rows are brought into the order of memory: all, where sums go over them or gaps
/// between them are wanted, and those that threads divide between them.
pub(super) fn ordered_above<F: Scalar>(
    settings: &Settings,
    courses: &[Course<F>],
    how: How,
) -> usize {
    let wants =
        |course: &Course<F>| course.traits.couples || course.settings.untouched == Untouched::Exact;
    match settings.wants_norm() || courses.iter().any(wants) {
        true => 0,
        false if cfg!(feature = "rayon") => how.parallel_above,
        false => usize::MAX,
    }
}

/// The gradients of rows: of each leaf its cohort and the sums.
pub(super) fn gradients<'l, F: Scalar>(
    lists: &'l Lists<'_, F>,
) -> impl Iterator<Item = (usize, &'l [F])> {
    let gathered = lists.gathered.as_deref();
    let of = move |leaf: &'l Touched<'_, F>| Some((leaf.cohort, gathered?.gradients(&leaf.g)));
    lists.touched.iter().filter_map(of)
}

/// The largest |g| of rows, as [`Scalar::size`] tells it.
pub(super) fn largest<F: Scalar>(lists: &Lists<'_, F>, how: How) -> F::Size {
    let sizes = gradients(lists).map(|(_, g)| reduce::largest_slice(g, how));
    sizes.fold(F::Size::default(), Ord::max)
}

/// The gradients of the rows of one leaf, where there is anything to be done about it.
pub(super) fn gradients_of<'l, F: Scalar>(lists: &'l Lists<'_, F>, leaf: usize) -> Option<&'l [F]> {
    let touched = lists.touched.iter().find(|touched| touched.leaf == leaf)?;
    Some(lists.gathered.as_deref()?.gradients(&touched.g))
}

/// The sum of a term over the gradients of rows.
pub(super) fn sum<F: Scalar, T: Term>(lists: &Lists<'_, F>, term: T, how: How) -> Sum {
    let sums = gradients(lists).map(|(_, g)| reduce::sum_slice(g, term, how));
    sums.fold(Sum::default(), Sum::add)
}
