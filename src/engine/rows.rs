//! Leaves of whose gradient few rows are there.
//!
//! The rows of a leaf are brought into the order of memory and their gradients summed beside each other. What
//! is long enough is then updated where it lies; shorter pieces are gathered in tiles, updated there by the
//! same loop as any other, and put back. Nothing else of the leaf is read.

use std::ops::Range;

use ndarray::{ArrayView, ArrayViewMut, Axis, Dimension, RemoveAxis};

use super::around::{Loop, Quantities};
use super::compact::Codes;
use super::couple::Coupled;
use super::leaf::LeafState;
use super::loops::WIDEST;
use super::plan::Course;
use super::program::{RowsOf, Stretch, range_of, split_slots};
use super::scale::{self, Norm};
use super::scratch::Lists;
use super::settings::Settings;
use super::view::{Source, Target};
use crate::error::{Error, ErrorKind};
use crate::params::{Fit, Leaf, LeafMut, RowNumbers};
use crate::reduce::{self, BLOCK, How, Square, Sum, Term};
use crate::regularize::{AdaptiveClip, Penalty};
use crate::rule::{MOST, Slices};
use crate::scalar::Scalar;
use crate::threads::join;

/// What becomes of the rows of a leaf that a gradient of [`Rows`](crate::params::Rows) does not touch.
///
/// ```
/// use ndarray::{array, Array2};
/// use thalweg::params::Rows;
/// use thalweg::{AdaGrad, Adam, Optimizer, Untouched};
///
/// let mut table = Array2::<f64>::ones((4, 2));
/// let gradient = Rows { rows: [1_usize], values: array![[0.5, -0.5]] };
/// AdaGrad::new(0.1).untouched(Untouched::Exact).step(&mut table, &gradient)?;
/// assert_eq!(table.row(0), array![1.0, 1.0]);
/// // Adam's averages move at every step, whatever the gradient.
/// assert!(Adam::new(0.1).untouched(Untouched::Exact).step(&mut table, &gradient).is_err());
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Untouched {
    /// They and their state stay as they are, whatever the rule: averages of gradients do not fade there, and
    /// no decay takes anything off. Steps are counted all the same, so that bias corrections and schedules go
    /// on. It is what SparseAdam of PyTorch does.
    #[default]
    Lazy,
    /// They are as if their gradient were 0: a step is the same as one with the whole array. It takes a rule that
    /// leaves an element without a gradient as it is, and its state; with others it is an error
    /// ([`ErrorKind::NotExact`]), which says why. It costs no more than a lazy step, but where decay or a threshold
    /// moves every row: then it passes over the parameters, and over nothing else.
    Exact,
}

impl Untouched {
    /// Why rows without a gradient can't be as if theirs were 0, if they can't.
    pub(super) fn problem(
        self,
        rests: bool,
        settings: &Settings,
        is_scheduled: bool,
    ) -> Option<&'static str> {
        let penalized = settings.penalty != Penalty::NONE || is_scheduled;
        let problems = [
            (!rests, "it moves an element, or its state, also where the gradient is 0"),
            (
                penalized,
                "a penalty is part of every row's gradient (decay by `decoupled_decay` is not)",
            ),
            (settings.average.is_some(), "the average of every row moves at every step"),
            (settings.cautious, "a cautious step counts the elements of all rows"),
            (settings.clip_adaptive.is_some(), "adaptive clipping goes by the norm of all rows"),
        ];
        let problem = problems.into_iter().find_map(|(is, problem)| is.then_some(problem));
        problem.filter(|_| self == Untouched::Exact)
    }
}

/// A leaf of whose gradient there are rows.
pub(super) struct Touched<'a, F> {
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

/// A leaf, or the part of one from a row on.
struct Table<'a, F> {
    grid: Grid,
    w: Target<'a, F>,
    slots: Slices<'a, F>,
    codes: Codes<'a>,
    /// Empty where no average is kept.
    average: &'a mut [F],
}

/// How the rows of a leaf lie in memory, seen from the order of its slots.
#[derive(Debug, Clone, Copy)]
struct Grid {
    /// Elements of the axes that are slower than that of the rows.
    before: usize,
    rows: usize,
    /// Elements of those that are faster.
    after: usize,
    /// The place of the axis of the rows.
    axis: usize,
    /// The first row that is here.
    first: usize,
}

/// What was found of the rows of all leaves; it is kept for the next step.
pub(super) struct Gathered<F> {
    rows: Vec<usize>,
    sums: Vec<F>,
    /// Row and place in the gradient, as one number.
    keys: Vec<u64>,
    /// A bit for each row, which is 0 between steps.
    seen: Vec<u64>,
    /// Of the first leaf whose rows cannot be taken.
    problem: Option<(usize, Problem)>,
}

enum Problem {
    OutOfRange { row: usize, rows: usize },
    NeedsAll { what: &'static str, remedy: &'static str },
}

impl<F> Default for Gathered<F> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            sums: Vec::new(),
            keys: Vec::new(),
            seen: Vec::new(),
            problem: None,
        }
    }
}

impl<F: Scalar> Gathered<F> {
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.sums.clear();
        self.problem = None;
    }

    fn gradients<'g>(&'g self, of: &'g Gradients<'_, F>) -> &'g [F] {
        match of {
            Gradients::Given(given) => given,
            Gradients::Sums(sums) => &self.sums[sums.clone()],
        }
    }

    /// What is wrong with the rows of a leaf, and which leaf it is.
    pub(super) fn problem(&self, name: impl Fn(usize) -> String) -> Option<Error> {
        let (index, problem) = self.problem.as_ref()?;
        let leaf = name(*index);
        Some(Error::from(match *problem {
            Problem::OutOfRange { row, rows } => ErrorKind::RowOutOfRange { leaf, row, rows },
            Problem::NeedsAll { what, remedy } => ErrorKind::NeedsAllRows { leaf, what, remedy },
        }))
    }

    /// Appends rows as they are given; whether each is there once. If not, nothing is appended.
    fn take(&mut self, numbers: RowNumbers<'_>, len: usize) -> Result<bool, Problem> {
        if self.seen.len() * 64 < len {
            self.seen.resize(len.div_ceil(64), 0);
        }
        let start = self.rows.len();
        numbers.append_to(&mut self.rows);
        let (rows, seen) = (&self.rows[start..], &mut self.seen[..]);
        if rows.iter().fold(0, |largest, &row| largest.max(row)) >= len {
            let beyond = rows.iter().find(|&&row| row >= len).copied();
            self.rows.truncate(start);
            return Err(Problem::OutOfRange { row: beyond.unwrap_or(len), rows: len });
        }
        let mut once = rows.is_sorted_by(|a, b| a < b);
        if !once {
            let mut twice = 0;
            for row in rows {
                let word = &mut seen[row / 64];
                twice |= *word >> (row % 64);
                *word |= 1 << (row % 64);
            }
            rows.iter().for_each(|row| seen[row / 64] = 0);
            once = twice & 1 == 0;
        }
        if !once {
            self.rows.truncate(start);
        }
        Ok(once)
    }

    /// Sorts numbers of rows, of which there are `len`: those that are equal stay in their order.
    fn sort(&mut self, numbers: RowNumbers<'_>, len: usize, reversed: bool) -> Result<(), Problem> {
        self.keys.clear();
        self.keys.reserve(numbers.len());
        let bits = usize::BITS - numbers.len().leading_zeros();
        let (mut beyond, mut place, mut last, mut sorted) = (None, 0, None, true);
        numbers.for_each(|number| {
            if number >= len {
                beyond = beyond.or(Some(number));
                return;
            }
            let row = if reversed { len - 1 - number } else { number };
            sorted &= last < Some(row);
            last = Some(row);
            // Of a leaf that is in memory, the two have room in 64 bits.
            self.keys.push((row as u64) << bits | place);
            place += 1;
        });
        if let Some(row) = beyond {
            return Err(Problem::OutOfRange { row, rows: len });
        }
        if !sorted {
            self.keys.sort_unstable();
        }
        Ok(())
    }

    /// Appends the rows that were sorted, each once, and the sums of their gradients.
    fn sum(&mut self, g: &Source<'_, F>, packed: Option<&[F]>, grid: Grid, reversed: bool) {
        let (width, count) = (grid.width(), self.keys.len());
        let bits = usize::BITS - count.leading_zeros();
        let start = self.rows.len();
        self.rows.reserve(count);
        self.sums.reserve(count * width);
        for &key in &self.keys {
            let (row, place) = ((key >> bits) as usize, (key & ((1 << bits) - 1)) as usize);
            if self.rows[start..].last() == Some(&row) {
                let at = self.sums.len() - width;
                let mut sums = self.sums[at..].iter_mut();
                let mut add = |g: F| {
                    if let Some(sum) = sums.next() {
                        *sum = *sum + g;
                    }
                };
                match packed {
                    Some(g) => g[place * width..][..width].iter().for_each(|&g| add(g)),
                    None => each(&g.at(grid.axis, turned(place, count, reversed)), add),
                }
                continue;
            }
            self.rows.push(row);
            match packed {
                Some(g) => self.sums.extend_from_slice(&g[place * width..][..width]),
                None => {
                    each(&g.at(grid.axis, turned(place, count, reversed)), |g| self.sums.push(g))
                }
            }
        }
    }
}

fn turned(place: usize, count: usize, reversed: bool) -> usize {
    if reversed { count - 1 - place } else { place }
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

fn each<F: Scalar>(source: &Source<'_, F>, each: impl FnMut(F)) {
    match source {
        Source::Slice(slice) => slice.iter().copied().for_each(each),
        Source::View(view) => view.iter().copied().for_each(each),
        Source::Five(view) => view.iter().copied().for_each(each),
        Source::Six(view) => view.iter().copied().for_each(each),
    }
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
    let (Some(numbers), Some(axis)) = (g.rows(), leaf.order.place_of(0)) else { return };
    let (len, reversed) = (leaf.shape[0], leaf.order.is_reversed(0));
    let of_units = settings.clip_adaptive.and_then(|clip| clip.units.axis(rank));
    let [before, rows, after] = leaf.order.around(axis, &leaf.shape);
    let grid = Grid { before, rows, after, axis, first: 0 };
    let source = Source::of(g, &leaf.order);
    // Rows of the gradient that follow each other as those of the leaf do.
    let given = if before == 1 && !reversed { given(&source) } else { None };
    // Of a leaf without elements the number of rows is not bounded by memory.
    let large = numbers.len() * grid.width() > lists.ordered_above;
    let ordered = large || given.is_none() || leaf.is_empty();
    let (row, sum) = (gathered.rows.len(), gathered.sums.len());
    let taken = if ordered { Ok(false) } else { gathered.take(numbers, len) };
    let found = match taken {
        Ok(false) => gathered.sort(numbers, len, reversed).map(|()| false),
        taken => taken,
    };
    let found = match found {
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
    push(leaf, w, grid, found, settings, lists);
}

/// Makes a job of a leaf that is left out, where it is to be as if its gradient were 0.
pub(super) fn leave_out<'a, F: Scalar>(
    leaf: &'a mut LeafState<F>,
    w: &'a mut dyn LeafMut<F>,
    settings: &Settings,
    lists: &mut Lists<'a, F>,
) {
    if settings.untouched == Untouched::Lazy || settings.frozen || leaf.is_empty() {
        return;
    }
    leaf.settle(&*w, settings);
    lists.gathered.get_or_insert_default();
    // All of it is one row, which is not touched.
    let grid = Grid { before: 1, rows: 1, after: leaf.len(), axis: 0, first: 0 };
    let found = Found { rows: 0..0, g: Gradients::Sums(0..0), by_rows: false };
    push(leaf, w, grid, found, settings, lists);
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
    grid: Grid,
    Found { rows, g, by_rows }: Found<'a, F>,
    settings: &Settings,
    lists: &mut Lists<'a, F>,
) {
    let is_packed = leaf.order.fit(w.shape(), w.strides()) == Fit::Packed;
    let w = if is_packed {
        Target::Slice(w.as_slice_mut().unwrap_or_default())
    } else {
        Target::of(w, &leaf.order)
    };
    // The average of a bounded leaf waits for the bound.
    let bounded = settings.max_norm.is_some();
    let table = Table {
        grid,
        w,
        slots: LeafState::slices(&mut leaf.slots),
        codes: LeafState::<F>::codes(&mut leaf.codes),
        average: if bounded { &mut [] } else { leaf.average.as_mut_slice() },
    };
    lists.touched.push(Touched {
        cohort: leaf.cohort,
        constants: leaf.cohort,
        rows,
        g,
        by_rows,
        is_exact: settings.untouched == Untouched::Exact,
        table,
    });
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

/// The sum of a term over the gradients of rows.
pub(super) fn sum<F: Scalar, T: Term>(lists: &Lists<'_, F>, term: T, how: How) -> Sum {
    let sums = gradients(lists).map(|(_, g)| reduce::sum_slice(g, term, how));
    sums.fold(Sum::default(), Sum::add)
}

/// Updates the rows of all leaves.
#[cold]
pub(super) fn sweep<F: Scalar>(constants: Loop<'_, F>, how: How, lists: &mut Lists<'_, F>) {
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
        let [x, y, z, u] = &mut codes;
        let (slots, codes) = ([&mut **a, b, c, d], [&mut **x, y, z, u]);
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
            codes: range_of(&mut codes, at, at + len),
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

impl<F: Scalar> Table<'_, F> {
    /// Whether each row is one run of a slice.
    fn is_whole_rows(&self) -> bool {
        self.grid.before == 1 && matches!(self.w, Target::Slice(_))
    }

    /// The parts before a row, and from it on, of a table of whole rows.
    fn split_at(self, row: usize) -> (Self, Self) {
        let grid = self.grid;
        let at = (row - grid.first) * grid.after;
        let [w0, w1] = self.w.split_at(at, row - grid.first);
        let (s0, s1) = split_slots(self.slots, at);
        let (c0, c1) = split_slots(self.codes, at);
        let (a0, a1) = self.average.split_at_mut(at.min(self.average.len()));
        let rest = Grid { first: row, ..grid };
        (
            Self { grid, w: w0, slots: s0, codes: c0, average: a0 },
            Self { grid: rest, w: w1, slots: s1, codes: c1, average: a1 },
        )
    }
}

impl Grid {
    /// Elements of a row.
    fn width(&self) -> usize {
        self.before * self.after
    }

    /// Calls `each` with what is in one piece of rows: where in the slots, where in the gradient, how long.
    #[inline]
    fn runs(&self, rows: &[usize], mut each: impl FnMut(usize, usize, usize)) {
        let &Grid { before, rows: len, after, first, .. } = self;
        if before > 1 {
            for (n, &row) in rows.iter().enumerate() {
                for i in 0..before {
                    each((i * len + row) * after, (n * before + i) * after, after);
                }
            }
            return;
        }
        let mut start = 0;
        while start < rows.len() {
            let mut end = start + 1;
            while end < rows.len() && rows[end] == rows[end - 1] + 1 {
                end += 1;
            }
            each((rows[start] - first) * after, start * after, (end - start) * after);
            start = end;
        }
    }

    /// As [`runs`](Self::runs), of a range of the rows' elements.
    #[inline]
    fn pieces(
        &self,
        rows: &[usize],
        range: Range<usize>,
        mut each: impl FnMut(usize, usize, usize),
    ) {
        let &Grid { before, rows: len, after, first, .. } = self;
        let (run, mut within) = (range.start / after, range.start % after);
        let (mut n, mut i) = (run / before, run % before);
        let (mut at, count) = (0, range.len());
        while at < count {
            let piece = (after - within).min(count - at);
            each((i * len + rows[n] - first) * after + within, at, piece);
            (at, within, i) = (at + piece, 0, i + 1);
            if i == before {
                (n, i) = (n + 1, 0);
            }
        }
    }

    /// Calls `each` with the parts of rows that a range of their elements is made of: the row, which of its
    /// elements, and where in the range.
    fn parts(
        &self,
        rows: &[usize],
        range: Range<usize>,
        mut each: impl FnMut(usize, Range<usize>, usize),
    ) {
        let width = self.width();
        let mut at = range.start;
        while at < range.end {
            let (n, within) = (at / width, at % width);
            let end = width.min(within + range.end - at);
            each(rows[n], within..end, at - range.start);
            at += end - within;
        }
    }
}

/// Elements of rows beside each other.
struct Tile<F> {
    w: [F; BLOCK],
    slots: [[F; BLOCK]; MOST],
    codes: [[u16; BLOCK]; MOST],
    average: [F; BLOCK],
}

impl<F: Scalar> Tile<F> {
    fn new() -> Self {
        let zeros = [F::zero(); BLOCK];
        Self { w: zeros, slots: [zeros; MOST], codes: [[0; BLOCK]; MOST], average: zeros }
    }

    /// Takes a range of the rows' elements, no more than there is room for.
    fn gather(&mut self, table: &Table<'_, F>, rows: &[usize], range: Range<usize>) {
        let grid = &table.grid;
        self.gather_parameters(table, rows, range.clone());
        for (to, from) in self.slots.iter_mut().zip(&table.slots) {
            take(grid, rows, range.clone(), from, to);
        }
        for (to, from) in self.codes.iter_mut().zip(&table.codes) {
            take(grid, rows, range.clone(), from, to);
        }
        take(grid, rows, range, table.average, &mut self.average);
    }

    fn gather_parameters(&mut self, table: &Table<'_, F>, rows: &[usize], range: Range<usize>) {
        let (grid, w) = (&table.grid, &mut self.w);
        match &table.w {
            Target::Slice(from) => take(grid, rows, range, from, w),
            Target::View(view) => read(grid, rows, range, view.view(), w),
            Target::Five(view) => read(grid, rows, range, (**view).view(), w),
            Target::Six(view) => read(grid, rows, range, (**view).view(), w),
        }
    }

    /// Puts back what was taken.
    fn scatter(&self, table: &mut Table<'_, F>, rows: &[usize], range: Range<usize>) {
        let (grid, w) = (&table.grid, &self.w);
        match &mut table.w {
            Target::Slice(to) => put(grid, rows, range.clone(), w, to),
            Target::View(view) => write(grid, rows, range.clone(), w, view.view_mut()),
            Target::Five(view) => write(grid, rows, range.clone(), w, (**view).view_mut()),
            Target::Six(view) => write(grid, rows, range.clone(), w, (**view).view_mut()),
        }
        for (from, to) in self.slots.iter().zip(&mut table.slots) {
            put(grid, rows, range.clone(), from, to);
        }
        for (from, to) in self.codes.iter().zip(&mut table.codes) {
            put(grid, rows, range.clone(), from, to);
        }
        put(grid, rows, range, &self.average, table.average);
    }

    /// What was taken, to be updated by these gradients.
    fn stretch<'s>(&'s mut self, table: &Table<'_, F>, g: &'s [F]) -> Stretch<'s, F> {
        fn taken<'s, T>(tile: &'s mut [T; BLOCK], of: &[T], len: usize) -> &'s mut [T] {
            if of.is_empty() { &mut [] } else { &mut tile[..len] }
        }
        let (len, [a, b, c, d], [x, y, z, u]) = (g.len(), &mut self.slots, &mut self.codes);
        let ([e, f, h, i], [p, q, r, s]) = (&table.slots, &table.codes);
        Stretch {
            w: &mut self.w[..len],
            g,
            slots: [taken(a, e, len), taken(b, f, len), taken(c, h, len), taken(d, i, len)],
            codes: [taken(x, p, len), taken(y, q, len), taken(z, r, len), taken(u, s, len)],
            average: taken(&mut self.average, table.average, len),
        }
    }
}

fn take<T: Copy>(
    grid: &Grid,
    rows: &[usize],
    range: Range<usize>,
    from: &[T],
    to: &mut [T; BLOCK],
) {
    if from.is_empty() {
        return;
    }
    if grid.after == 1 {
        return grid.pieces(rows, range, |at, place, _| to[place] = from[at]);
    }
    grid.pieces(rows, range, |at, place, len| {
        to[place..place + len].copy_from_slice(&from[at..at + len]);
    });
}

fn put<T: Copy>(grid: &Grid, rows: &[usize], range: Range<usize>, from: &[T; BLOCK], to: &mut [T]) {
    if to.is_empty() {
        return;
    }
    if grid.after == 1 {
        return grid.pieces(rows, range, |at, place, _| to[at] = from[place]);
    }
    grid.pieces(rows, range, |at, place, len| {
        to[at..at + len].copy_from_slice(&from[place..place + len]);
    });
}

fn read<F: Copy, D: Dimension + RemoveAxis>(
    grid: &Grid,
    rows: &[usize],
    range: Range<usize>,
    from: ArrayView<'_, F, D>,
    to: &mut [F; BLOCK],
) {
    grid.parts(rows, range, |row, part, place| {
        let row = from.index_axis(Axis(grid.axis), row);
        let (to, from) = (&mut to[place..place + part.len()], row.iter().skip(part.start));
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
    });
}

fn write<F: Copy, D: Dimension + RemoveAxis>(
    grid: &Grid,
    rows: &[usize],
    range: Range<usize>,
    from: &[F; BLOCK],
    mut to: ArrayViewMut<'_, F, D>,
) {
    grid.parts(rows, range, |row, part, place| {
        let mut row = to.index_axis_mut(Axis(grid.axis), row);
        let (to, from) = (row.iter_mut().skip(part.start), &from[place..place + part.len()]);
        to.zip(from).for_each(|(to, &from)| *to = from);
    });
}

/// The rows of a leaf with their gradients, to be measured.
pub(super) struct Rows<'l, 'a, F> {
    table: &'l Table<'a, F>,
    rows: &'l [usize],
    g: &'l mut [F],
    by_rows: bool,
}

impl<'a, F: Scalar> Touched<'a, F> {
    pub(super) fn of<'l>(&'l self, gathered: &'l mut Gathered<F>) -> Rows<'l, 'a, F> {
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
fn tree(range: Range<usize>, of: &mut dyn FnMut(Range<usize>) -> [f64; 2]) -> [Sum; 2] {
    let len = range.len();
    if len <= BLOCK {
        return of(range).map(Sum::of);
    }
    let at = range.start + len.div_ceil(BLOCK) / 2 * BLOCK;
    let ([a, b], [c, d]) = (tree(range.start..at, of), tree(at..range.end, of));
    [a.add(c), b.add(d)]
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
            let [sum, _] = tree(range, &mut |range| {
                let len = range.len();
                tile.gather_parameters(rows.table, rows.rows, range);
                [reduce::sum_block(&tile.w[..len], term, how), 0.0]
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
    ) -> [Sum; 2] {
        let (mut tile, Self { table, rows, g, .. }) = (Tile::new(), self);
        tree(0..g.len(), &mut |range| {
            tile.gather(table, rows, range.clone());
            let stretch = tile.stretch(table, &g[range]);
            constants.measure(place, quantities, how.simd, stretch)
        })
    }
}
