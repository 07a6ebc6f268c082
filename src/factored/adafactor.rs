//! Adafactor.

use crate::error::Error;
use crate::leafwise::{LeafRule, LeafStep, Leafwise, Slot, Step, compiled, descend, room};
use crate::rules::hyperparameters;
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::simd::Work;
use crate::vector::{combine, dot, norm};

/// **Adafactor**: Adam's second moment from its means over rows and over columns, steps in proportion to
/// the size of the parameters.
///
/// For a matrix, with β̂ = 1 - t⁻ᶜ and RMS(x) = ‖x‖/√n
///
/// ```text
/// R = β̂R + (1-β̂)·mean of g² over columns;  C = β̂C + (1-β̂)·mean of g² over rows
/// V = R·Cᵀ / max(mean of R, ε);  u = g / max(√V, ε);  û = u / max(1, RMS(u)/d)
/// w -= α·λ·w + min(α, 1/√t)·max(ε₂, RMS(w))·û
/// ```
///
/// Vectors keep V itself. No bias correction is needed, for β̂ is 0 at the first step.
///
/// When to use it: models whose optimizer must fit in little memory. Of an n×m matrix n + m values are
/// kept, where Adam keeps 2nm; nothing of its size is, but with [`momentum`](Self::momentum). It moves each
/// leaf by a share of its own size, so one rate does for leaves of different sizes; a leaf that starts at 0
/// moves slowly at first, by ε₂. Where memory does not matter, [`AdamW`](crate::AdamW) is rarely worse.
///
#[doc = include_str!("../../docs/paths/adafactor.svg")]
///
/// | hyperparameter | default | [`optax`](Self::optax) | [`paper`](Self::paper) | range |
/// |---|---|---|---|---|
/// | `decay_exponent` c | 0.8 | 0.8 | 0.8 | (0, ∞) |
/// | `epsilon` ε | 0 | 1e-30, added to g² | 1e-30, added to g² | [0, ∞) |
/// | `scale_floor` ε₂ | 1e-3 | 1e-3 | 1e-3 | [0, ∞) |
/// | `clip_threshold` d | 1 | 1 | 1 | [0, ∞) |
/// | `momentum` β | 0 | 0 | 0 | [0, 1) |
/// | step | min(α, 1/√t) | α | min(0.01, 1/√t) | |
/// | factored axes | the last two | the two largest, from 128 on | the last two | |
///
/// - `new` is PyTorch's convention: α bounds the relative step, and weight decay goes by α alone. An ε of 0
///   stands for the distance from 1 to the next number of the scalar, 1.2e-7 or 2.2e-16.
/// - d = 0 turns the clipping of the update off.
/// - With `momentum` the update, α and all, is averaged without correction: m = βm + (1-β)·step, w -= m.
///   A value of state for each element then.
/// - Leaves of rank 3 and more are stacks of matrices, along the axes that are not factored: see [`Axes`].
/// - Optax takes λw off whatever the rate is: say [`Decay::Absolute`](crate::regularize::Decay::Absolute).
///
/// [`Axes`]: crate::factored::Axes
///
/// Source: Shazeer & Stern, "Adafactor: adaptive learning rates with sublinear memory cost", 2018.
///
/// ```
/// use ndarray::Array2;
/// use thalweg::{Adafactor, Optimizer};
/// let (mut w, g) = (Array2::<f32>::ones((200, 300)), Array2::<f32>::ones((200, 300)));
/// let mut adafactor = Adafactor::new(1e-2);
/// adafactor.step(&mut w, &g)?;
/// assert_eq!(adafactor.state_len(), 200 + 300);
/// assert!(w.iter().all(|w| (w - 0.99).abs() < 1e-6)); // 1 % of their size
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Leafwise<F, Adafactor>;

hyperparameters! {
    /// The rule of [`Adafactor`](crate::Adafactor).
    Adafactor of Leafwise {
        /// c of β̂ = 1 - t⁻ᶜ, by which the second moment forgets.
        decay_exponent = 0.8 in POSITIVE;
        /// ε, below which no root of a second moment counts; 0 stands for the scalar's own.
        epsilon = 0.0 in NON_NEGATIVE;
        /// ε₂, the least size of a leaf that its steps are in proportion to.
        scale_floor = 1e-3 in NON_NEGATIVE;
        /// d, the root mean square of an update above which it is scaled down; 0 for none.
        clip_threshold = 1.0 in NON_NEGATIVE;
        /// β, the share of the average of updates that is kept; 0 keeps none.
        momentum = 0.0 in FRACTION;
    }
    conventions {
        relative: bool = true,
        by_parameter: bool = true,
        epsilon_in_squares: bool = false,
        axes: Axes = Axes::LastTwo,
    }
}

/// The two axes whose sums stand for a leaf's second moment; the others number matrices.
///
/// ```
/// use thalweg::factored::Axes;
/// assert_eq!(Axes::LastTwo.of(&[3, 200, 100]), Some([1, 2]));
/// assert_eq!(Axes::Largest { least: 128 }.of(&[200, 3, 150]), Some([0, 2]));
/// assert_eq!(Axes::Largest { least: 128 }.of(&[200, 100]), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Axes {
    /// The last two: PyTorch's and the paper's.
    LastTwo,
    /// The two longest, if both have so many elements: Optax's. Of axes of one length the later.
    Largest {
        /// The least length.
        least: usize,
    },
    /// None: a value for each element.
    None,
}

impl Axes {
    /// The two axes of a leaf of that shape, in their order; `None` where it is not factored.
    pub fn of(self, shape: &[usize]) -> Option<[usize; 2]> {
        let rank = shape.len();
        if rank < 2 {
            return None;
        }
        match self {
            Axes::LastTwo => Some([rank - 2, rank - 1]),
            Axes::Largest { least } => {
                let longest = |a: usize, b: usize| if shape[b] >= shape[a] { b } else { a };
                let first = (1..rank).fold(0, longest);
                let others = (0..rank).filter(|&axis| axis != first);
                let second = others.reduce(longest)?;
                (shape[second] >= least).then_some([first.min(second), first.max(second)])
            }
            Axes::None => None,
        }
    }
}

impl<F: Scalar> Leafwise<F, Adafactor> {
    /// Adafactor with that bound α ≥ 0 of the relative step, a number or a schedule: PyTorch's convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Adafactor::default(), learning_rate)
    }

    /// Optax's convention: α is the rate itself, ε = 1e-30 is added to each g², and the two longest axes
    /// are factored where both have 128 elements or more.
    ///
    /// Its `learning_rate=None` is 1 here.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        let rule = Adafactor {
            epsilon: 1e-30,
            relative: false,
            epsilon_in_squares: true,
            axes: Axes::Largest { least: 128 },
            ..Adafactor::default()
        };
        Self::of_compiled(rule, learning_rate)
    }

    /// The paper's convention: a relative step of min(0.01, 1/√t), and ε = 1e-30 added to each g².
    pub fn paper() -> Self {
        let rule = Adafactor { epsilon: 1e-30, epsilon_in_squares: true, ..Adafactor::default() };
        Self::of_compiled(rule, 1e-2)
    }

    /// Sets whether the step is min(α, 1/√t), rather than α.
    #[must_use]
    pub fn relative_step(self, relative: bool) -> Self {
        self.with(|rule| rule.relative = relative)
    }

    /// Sets whether a step is in proportion to max(ε₂, RMS(w)) of its leaf.
    #[must_use]
    pub fn scale_by_parameter(self, scale: bool) -> Self {
        self.with(|rule| rule.by_parameter = scale)
    }

    /// Sets which axes are factored.
    #[must_use]
    pub fn axes(self, axes: Axes) -> Self {
        self.with(|rule| rule.axes = axes)
    }
}

compiled!(Adafactor);

/// A leaf as it is factored: `before` × `rows` × `between` × `columns` × `after` elements.
#[derive(Debug, Clone, Copy)]
struct Split {
    before: usize,
    rows: usize,
    between: usize,
    columns: usize,
    after: usize,
}

impl Split {
    fn new(shape: &[usize], [a, b]: [usize; 2]) -> Self {
        let product = |axes: &[usize]| axes.iter().product();
        Self {
            before: product(&shape[..a]),
            rows: shape[a],
            between: product(&shape[a + 1..b]),
            columns: shape[b],
            after: product(&shape[b + 1..]),
        }
    }

    /// Elements that lie beside each other and are of one row for each of the axes after the columns.
    fn run(self) -> usize {
        self.columns * self.after
    }

    /// For each run, where its elements begin, where its row, and where the columns.
    fn runs(self) -> impl Iterator<Item = [usize; 3]> {
        let Self { before, rows, between, after, .. } = self;
        let run = self.run();
        (0..before * rows * between).map(move |at| {
            let (stack, j) = (at / (rows * between), at % between);
            [at * run, at * after, (stack * between + j) * run]
        })
    }

    /// Where the mean of R is that goes with the row at that place.
    fn mean_at(self, row: usize) -> usize {
        let Self { rows, between, after, .. } = self;
        let (at, k) = (row / after, row % after);
        ((at / (rows * between)) * between + at % between) * after + k
    }

    fn means(self) -> usize {
        self.before * self.between * self.after
    }
}

/// c += g²
struct AddSquares<'a, F> {
    g: &'a [F],
    c: &'a mut [f64],
}

impl<F: Scalar> Work for AddSquares<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (c, &g) in self.c.iter_mut().zip(self.g) {
            let g = g.into_f64();
            *c += g * g;
        }
    }
}

/// u = g·min(r·c, most)
struct Divide<'a, F> {
    g: &'a [F],
    c: &'a [F],
    r: &'a [F],
    most: F,
    u: &'a mut [F],
}

impl<F: Scalar> Work for Divide<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { g, c, r, most, u } = self;
        let (g, c) = (&g[..u.len()], &c[..u.len()]);
        let divided = |g: F, rc: F| g * if rc < most { rc } else { most };
        if let [r] = *r {
            for i in 0..u.len() {
                u[i] = divided(g[i], r * c[i]);
            }
        } else {
            let rows = u.chunks_exact_mut(r.len()).zip(g.chunks_exact(r.len()));
            for ((u, g), c) in rows.zip(c.chunks_exact(r.len())) {
                for k in 0..r.len() {
                    u[k] = divided(g[k], r[k] * c[k]);
                }
            }
        }
    }
}

/// v = βv + (1-β)(g² + ε), u = g·min(1/√v, most)
struct Whole<'a, F> {
    g: &'a [F],
    v: &'a mut [F],
    u: &'a mut [F],
    keep: F,
    take: F,
    epsilon: F,
    most: F,
}

impl<F: Scalar> Work for Whole<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { g, v, u, keep, take, epsilon, most } = self;
        for ((u, v), &g) in u.iter_mut().zip(v).zip(g) {
            *v = (keep * *v + g.share_of_square(take) + take * epsilon).flushed();
            let factor = v.sqrt().recip();
            *u = g * if factor < most { factor } else { most };
        }
    }
}

impl Adafactor {
    /// What is added to each square, and the most that a gradient is multiplied by.
    fn floors<F: Scalar>(&self) -> (f64, f64) {
        let own = if self.epsilon > 0.0 { self.epsilon } else { F::epsilon().into_f64() };
        let most = F::max_value().into_f64();
        if self.epsilon_in_squares { (self.epsilon, most) } else { (0.0, own.recip().min(most)) }
    }

    /// Takes the squares of g into R and C, and writes g over the root of the second moment.
    fn divide<F: Scalar>(
        &self,
        split: Split,
        beta: f64,
        leaf: &mut LeafStep<'_, F>,
        u: &mut [F],
        factors: [&mut Vec<F>; 2],
    ) {
        let LeafStep { g, slots, workspace, how, .. } = leaf;
        let (added, most) = self.floors::<F>();
        let [rows, columns, ..] = &mut **slots else { return };
        let (rows, columns) = (&mut rows.values, &mut columns.values);
        let run = split.run();
        let [of_rows, of_columns, means] = &mut workspace.wide;
        let of_rows = room(of_rows, rows.len());
        let of_columns = room(of_columns, columns.len());
        of_rows.fill(0.0);
        of_columns.fill(0.0);
        for [start, row, column] in split.runs() {
            let g = &g[start..start + run];
            how.simd.run(AddSquares { g, c: &mut of_columns[column..column + run] });
            if split.after == 1 {
                of_rows[row] = dot(g, g);
            } else {
                let of_row = &mut of_rows[row..row + split.after];
                g.chunks_exact(split.after).for_each(|g| {
                    how.simd.run(AddSquares { g, c: &mut *of_row });
                });
            }
        }
        // A sum of squares may pass the largest number where their mean does not.
        let largest = F::LARGEST_SQUARABLE * F::LARGEST_SQUARABLE;
        let average = |kept: &mut F, sum: f64, count: usize| {
            let mean = (sum / count as f64).min(largest) + added;
            *kept = F::from_f64(beta * kept.into_f64() + (1.0 - beta) * mean).flushed();
            kept.into_f64()
        };

        let means = room(means, split.means());
        means.fill(0.0);
        for (at, (row, &sum)) in rows.iter_mut().zip(&*of_rows).enumerate() {
            means[split.mean_at(at)] += average(row, sum, split.columns) / split.rows as f64;
        }
        let [by_row, by_column] = factors;
        let by_row = room(by_row, rows.len());
        let by_column = room(by_column, columns.len());
        for (at, (factor, row)) in by_row.iter_mut().zip(&*rows).enumerate() {
            let mean = means[split.mean_at(at)].max(most.recip());
            *factor = F::from_f64((row.into_f64() / mean).sqrt().recip());
        }
        for ((factor, column), &sum) in by_column.iter_mut().zip(columns).zip(&*of_columns) {
            *factor = F::from_f64(average(column, sum, split.rows).sqrt().recip());
        }
        for [start, row, column] in split.runs() {
            how.simd.run(Divide {
                g: &g[start..start + run],
                c: &by_column[column..column + run],
                r: &by_row[row..row + split.after],
                most: F::from_f64(most),
                u: &mut u[start..start + run],
            });
        }
    }
}

/// The root of the mean of squares.
fn root_mean_square<F: Scalar>(x: &[F]) -> f64 {
    norm(x) / (x.len() as f64).sqrt()
}

impl<F: Scalar> LeafRule<F> for Adafactor {
    const NAME: &'static str = "Adafactor";
    const LEARNING_RATE: f64 = 1e-2;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn conventions(&self) -> String {
        let Self { relative, by_parameter, epsilon_in_squares, axes, .. } = self;
        format!(
            "relative: {relative:?}, by_parameter: {by_parameter:?}, \
             epsilon_in_squares: {epsilon_in_squares:?}, axes: {axes:?}"
        )
    }

    fn largest_gradient(&self) -> f64 {
        F::LARGEST_SQUARABLE
    }

    fn slots(&self, shape: &[usize]) -> Vec<Slot<F>> {
        let without = |axis: usize| [&shape[..axis], &shape[axis + 1..]].concat();
        let mut slots = match self.axes.of(shape) {
            Some([a, b]) => {
                vec![Slot::zeros("rows", without(b)), Slot::zeros("columns", without(a))]
            }
            None => vec![Slot::zeros("v", shape.to_vec())],
        };
        if self.momentum > 0.0 {
            slots.push(Slot::zeros("m", shape.to_vec()));
        }
        slots
    }

    fn update(&self, step: &Step, mut leaf: LeafStep<'_, F>) {
        let t = step.step as f64;
        let beta = 1.0 - t.powf(-self.decay_exponent);
        let mut of_leaf = std::mem::take(&mut leaf.workspace.of_leaf);
        let [u, by_row, by_column, ..] = &mut of_leaf;
        let u = room(u, leaf.w.len());
        match self.axes.of(leaf.shape) {
            Some(axes) => {
                self.divide(Split::new(leaf.shape, axes), beta, &mut leaf, u, [by_row, by_column]);
            }
            None => {
                let (added, most) = self.floors::<F>();
                if let Some(slot) = leaf.slots.first_mut() {
                    leaf.how.simd.run(Whole {
                        g: leaf.g,
                        v: &mut slot.values,
                        u,
                        keep: F::from_f64(beta),
                        take: F::from_f64(1.0 - beta),
                        epsilon: F::from_f64(added),
                        most: F::from_f64(most),
                    });
                }
            }
        }

        let mut rate = step.learning_rate;
        if self.relative {
            rate = rate.min(t.sqrt().recip());
        }
        if self.by_parameter {
            rate *= root_mean_square(leaf.w).max(self.scale_floor);
        }
        if self.clip_threshold > 0.0 {
            rate /= (root_mean_square(u) / self.clip_threshold).max(1.0);
        }
        let w = leaf.w;
        match leaf.slots.last_mut().filter(|_| self.momentum > 0.0) {
            Some(m) => {
                combine((1.0 - self.momentum) * rate, u, self.momentum, &mut m.values);
                descend(w, step, 1.0, &m.values, leaf.how);
            }
            None => descend(w, step, rate, u, leaf.how),
        }
        leaf.workspace.of_leaf = of_leaf;
    }
}
