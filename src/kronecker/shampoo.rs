//! Shampoo.

use super::axis::{Axis, Buffers};
use super::grid::{Grid, dims_of};
use crate::error::Error;
use crate::interval::Interval;
use crate::leafwise::{
    LeafRule, LeafStep, Leafwise, Slot, Step, Workspace, compiled, descend, room,
};
use crate::linalg::eigenbasis::Eigenbasis;
use crate::linalg::product::Panels;
use crate::reduce::How;
use crate::rule::bias_correction;
use crate::rules::hyperparameters;
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::simd::Work;
use crate::vector::{combine, norm, norm_max};

/// **Shampoo**: the gradient of a matrix between inverse roots of the sums of its rows' and its columns'
/// products.
///
/// For a matrix, whose m is the average of gradients (β₁) and m̂ that with its bias corrected
///
/// ```text
/// L = β₂L + (1-β₂)ggᵀ;  R = β₂R + (1-β₂)gᵀg
/// P = (L̂ + εI)^(-1/4)·m̂·(R̂ + εI)^(-1/4)
/// w -= α·λ·w + α·(‖G‖/‖P‖)·P
/// ```
///
/// where G is the step of another optimizer, whose length is taken ([`Grafting`]). A leaf of k axes has k
/// such matrices and the exponent -1/(2k); a vector has one, and is AdaGrad with a full matrix.
///
/// When to use it: layers of some hundred units, where a step of Adam costs little beside the gradient, and
/// fewer steps are worth more arithmetic: it won the external-tuning track of AlgoPerf's first competition
/// (Kasimbeg et al. 2025). [`Soap`](crate::Soap) has fewer hyperparameters. With Adam's length, the default, Adam's
/// rates fit. An n×m matrix keeps 2(n² + m²) values beside the 2nm of momentum and grafting; roots cost
/// some 10(n³ + m³) operations each [`every`](Self::every) steps.
///
#[doc = include_str!("../../docs/paths/shampoo.svg")]
///
/// | hyperparameter | default | [`paper`](Self::paper) | range |
/// |---|---|---|---|
/// | `beta1` β₁ | 0.9 | 0 | [0, 1) |
/// | `beta2` β₂ | 0.999 | 1 | (0, 1] |
/// | `epsilon` ε | 1e-12 | 1e-4 | (0, ∞) |
/// | `exponent` | 0 | 0 | [0, ∞) |
/// | roots [`every`](Self::every) | 10 steps | 1 | 1 and more |
/// | [`block`](Self::block) | 1024 | none | 1 and more |
/// | [`grafting`](Self::grafting) | Adam's: 0.999, 1e-8 | none | |
///
/// - `new` is the setting in which Meta's distributed Shampoo takes Adam's place, but for the roots, which
///   are every 100 steps there. With β₂ = 1 the sums never forget, as AdaGrad's.
/// - An exponent of 0 stands for 1/(2k).
/// - An axis longer than [`block`](Self::block) is cut: each block has matrices, and a length, of its own.
///   Axes of length 1 do not count.
/// - The first roots are made in the step of that number ([`start`](Self::start) says otherwise); until then
///   a step is the other optimizer's, or m̂ where there is none. Roots that come out with NaN are not taken.
/// - Roots are computed in `f64` by eigenvalues; it needs no feature.
/// - It agrees with Meta's code in `f64`, and `paper` with pytorch-optimizer's `Shampoo` without momentum
///   ([parity](crate::guide::conventions)). Meta's keeps matrices and roots in `f32` unless told otherwise; it adds 1e-16 to
///   ‖P‖; and it merges neighbouring axes whose product is no longer than a block, unless
///   `target_parameter_dimensionality` is infinite, so that a small matrix is one vector there. Its blocks, grafting,
///   exponents and decoupled decay are these. pytorch-optimizer's ε, `matrix_eps`, is where the sums begin, which is the
///   same; its momentum averages with the last *preconditioned* step, which is not here.
///
/// Source: Gupta, Koren & Singer, "Shampoo: preconditioned stochastic tensor optimization", 2018; Shi et
/// al., "A distributed data-parallel PyTorch implementation of the distributed Shampoo optimizer", 2023.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Shampoo};
/// let mut w = array![[0.0, 0.0], [0.0, 0.0]];
/// let g = array![[1.0, 2.0], [3.0, 4.0]];
/// // The first step of the plain one is nearly orthogonal: of UΣVᵀ it keeps UVᵀ.
/// Shampoo::paper(1.0).epsilon(1e-12).step(&mut w, &g)?;
/// let gram = w.dot(&w.t());
/// assert!((&gram - &array![[1.0, 0.0], [0.0, 1.0]]).iter().all(|off: &f64| off.abs() < 1e-6));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Leafwise<F, Shampoo>;

hyperparameters! {
    /// The rule of [`Shampoo`](crate::Shampoo).
    Shampoo of Leafwise {
        /// β₁, the share of the average of gradients that is kept; 0 keeps none.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the matrices that is kept; 1 adds them up.
        beta2 = 0.999 in UP_TO_ONE;
        /// ε, what is added to each eigenvalue.
        epsilon = 1e-12 in POSITIVE;
        /// the exponent -e of the roots; 0 for 1/(2k) of a leaf of k axes.
        exponent = 0.0 in NON_NEGATIVE;
    }
    conventions {
        every: u32 = 10,
        start: Option<u32> = None,
        block: usize = 1024,
        grafting: Grafting = Grafting::Adam { beta2: 0.999, epsilon: 1e-8 },
    }
}

/// The optimizer whose step tells how long one of [`Shampoo`](crate::Shampoo) is, for each block.
///
/// All of them take Shampoo's average m̂ for the gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Grafting {
    /// None: the length is Shampoo's own.
    None,
    /// m̂.
    Sgd,
    /// m̂/(√s + ε), s the sum of squares.
    AdaGrad {
        /// ε.
        epsilon: f64,
    },
    /// m̂/(√v + ε), v the average of squares.
    RmsProp {
        /// β₂ of v, in [0, 1).
        beta2: f64,
        /// ε.
        epsilon: f64,
    },
    /// As `RmsProp`, with the bias of v corrected.
    Adam {
        /// β₂ of v, in [0, 1).
        beta2: f64,
        /// ε.
        epsilon: f64,
    },
}

impl Grafting {
    fn has_squares(self) -> bool {
        !matches!(self, Grafting::None | Grafting::Sgd)
    }

    fn check<F: Scalar>(self) -> Result<(), Error> {
        let (beta2, epsilon) = match self {
            Grafting::None | Grafting::Sgd => return Ok(()),
            Grafting::AdaGrad { epsilon } => (0.0, epsilon),
            Grafting::RmsProp { beta2, epsilon } | Grafting::Adam { beta2, epsilon } => {
                (beta2, epsilon)
            }
        };
        Interval::FRACTION.check::<F>(NAME, "grafting.beta2", beta2)?;
        Interval::EPSILON.check::<F>(NAME, "grafting.epsilon", epsilon)
    }

    /// What is kept of the squares, what is taken in, and what the root is of.
    fn averaging(self, step: u64) -> [f64; 3] {
        match self {
            Grafting::None | Grafting::Sgd => [0.0, 0.0, 1.0],
            Grafting::AdaGrad { .. } => [1.0, 1.0, 1.0],
            Grafting::RmsProp { beta2, .. } => [beta2, 1.0 - beta2, 1.0],
            Grafting::Adam { beta2, .. } => {
                [beta2, 1.0 - beta2, bias_correction(beta2, step).recip()]
            }
        }
    }

    fn epsilon(self) -> f64 {
        match self {
            Grafting::None | Grafting::Sgd => 0.0,
            Grafting::AdaGrad { epsilon }
            | Grafting::RmsProp { epsilon, .. }
            | Grafting::Adam { epsilon, .. } => epsilon,
        }
    }
}

const NAME: &str = "Shampoo";

impl<F: Scalar> Leafwise<F, Shampoo> {
    /// Shampoo with that learning rate α ≥ 0, a number or a schedule, and Adam's length.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Shampoo::default(), learning_rate)
    }

    /// The paper's convention: sums without momentum and without grafting, roots at every step.
    pub fn paper(learning_rate: impl Into<Schedule>) -> Self {
        let rule = Shampoo {
            beta1: 0.0,
            beta2: 1.0,
            epsilon: 1e-4,
            every: 1,
            block: usize::MAX,
            grafting: Grafting::None,
            ..Shampoo::default()
        };
        Self::of_compiled(rule, learning_rate)
    }

    /// Sets k: roots are made at every kth step of a leaf; from 1 on.
    #[must_use]
    pub fn every(self, steps: u32) -> Self {
        self.with(|rule| rule.every = steps)
    }

    /// Sets the step of a leaf at which the first roots are made, from 1 on; until then a step is the one
    /// that the length is taken of. As [`every`](Self::every) by default.
    #[must_use]
    pub fn start(self, step: u32) -> Self {
        self.with(|rule| rule.start = Some(step))
    }

    /// Sets the length along an axis above which it is cut into blocks; from 1 on.
    #[must_use]
    pub fn block(self, limit: usize) -> Self {
        self.with(|rule| rule.block = limit)
    }

    /// Sets whose length a step has.
    #[must_use]
    pub fn grafting(self, grafting: Grafting) -> Self {
        self.with(|rule| rule.grafting = grafting)
    }
}

compiled!(Shampoo);

/// v = βv + (1-β)g²
struct TakeSquares<'a, F> {
    g: &'a [F],
    v: &'a mut [F],
    keep: F,
    take: F,
}

impl<F: Scalar> Work for TakeSquares<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { g, v, keep, take } = self;
        for (v, &g) in v.iter_mut().zip(g) {
            let sum = (keep * *v + g.share_of_square(take)).flushed();
            *v = if sum < F::max_value() { sum } else { F::max_value() };
        }
    }
}

/// d = d/(√(c·v) + ε)
struct DivideByRoot<'a, F> {
    d: &'a mut [F],
    v: &'a [F],
    correction: F,
    epsilon: F,
}

impl<F: Scalar> Work for DivideByRoot<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { d, v, correction, epsilon } = self;
        d.iter_mut().zip(v).for_each(|(d, &v)| *d = *d / ((v * correction).sqrt() + epsilon));
    }
}

impl Shampoo {
    fn start(&self) -> u64 {
        u64::from(self.start.unwrap_or(self.every))
    }

    /// Whether roots are made in a step.
    fn refreshes(&self, step: u64) -> bool {
        step == self.start() || step > self.start() && step.is_multiple_of(u64::from(self.every))
    }

    /// The inverse root of a matrix into another, which stays as it is where there is none.
    fn root<F: Scalar>(
        &self,
        step: u64,
        order: usize,
        factor: &Slot<F>,
        root: &mut Slot<F>,
        (wide, panels): (&mut [Vec<f64>; 3], &mut Panels<f64>),
        how: How,
    ) {
        let n = factor.shape[0];
        let [matrix, product, _] = wide;
        let (matrix, product) = (room(matrix, n * n), room(product, n * n));
        let correction =
            if self.beta2 < 1.0 { bias_correction(self.beta2, step).recip() } else { 1.0 };
        matrix
            .iter_mut()
            .zip(&factor.values)
            .for_each(|(to, entry)| *to = entry.into_f64() * correction);
        let Some(eigen) = Eigenbasis::factor(matrix, n) else { return };
        // What rounding has made negative is lifted with all the rest.
        let lift = self.epsilon - eigen.values[0].min(0.0);
        let exponent = if self.exponent > 0.0 { self.exponent } else { 0.5 / order as f64 };
        eigen.of(|value| (value + lift).powf(-exponent), panels, product, how);
        if product.iter().all(|entry| F::from_f64(*entry).is_finite()) {
            let entries = root.values.iter_mut().zip(&*product);
            entries.for_each(|(to, &entry)| *to = F::from_f64(entry));
        }
    }
}

/// Squares are kept where they are wanted, and momentum; then matrices and roots, block after block.
struct Parts<'s, F> {
    m: Option<&'s mut Slot<F>>,
    v: Option<&'s mut Slot<F>>,
    matrices: &'s mut [Slot<F>],
}

impl<'s, F> Parts<'s, F> {
    fn of(rule: &Shampoo, slots: &'s mut [Slot<F>]) -> Self {
        let (m, rest) = slots.split_at_mut(usize::from(rule.beta1 > 0.0));
        let (v, matrices) = rest.split_at_mut(usize::from(rule.grafting.has_squares()));
        Self { m: m.first_mut(), v: v.first_mut(), matrices }
    }
}

impl<F: Scalar> LeafRule<F> for Shampoo {
    const NAME: &'static str = NAME;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()?;
        self.grafting.check::<F>()?;
        let least = Interval::closed(1.0, f64::MAX, "a whole number >= 1");
        least.check::<f64>(NAME, "every", f64::from(self.every))?;
        least.check::<f64>(NAME, "start", f64::from(self.start.unwrap_or(1)))?;
        least.check::<f64>(NAME, "block", self.block as f64)
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn conventions(&self) -> String {
        let Self { every, start, block, grafting, .. } = self;
        format!("every: {every:?}, start: {start:?}, block: {block:?}, grafting: {grafting:?}")
    }

    fn largest_gradient(&self) -> f64 {
        F::LARGEST_SQUARABLE
    }

    fn slots(&self, shape: &[usize]) -> Vec<Slot<F>> {
        let mut slots = Vec::new();
        if self.beta1 > 0.0 {
            slots.push(Slot::zeros("m", shape.to_vec()));
        }
        if self.grafting.has_squares() {
            slots.push(Slot::zeros("v", shape.to_vec()));
        }
        let mut dims = Vec::new();
        dims_of(shape, &mut dims);
        let grid = Grid::new(&dims, self.block);
        for block in 0..grid.blocks() {
            for axis in 0..grid.order() {
                let n = grid.len(block, axis);
                slots.push(Slot::zeros(format!("factor{block}.{axis}"), vec![n, n]));
                let mut root = Slot::zeros(format!("root{block}.{axis}"), vec![n, n]);
                root.values.iter_mut().step_by(n + 1).for_each(|entry| *entry = F::one());
                slots.push(root);
            }
        }
        slots
    }

    fn update(&self, step: &Step, leaf: LeafStep<'_, F>) {
        let LeafStep { shape, w, g, slots, workspace, how } = leaf;
        let Parts { m, v, matrices } = Parts::of(self, slots);
        let Workspace { of_leaf, wide, lens, panels, wide_panels } = workspace;
        let [u, grafted, block, unfolded, product] = of_leaf;
        let mut buffers = Buffers { unfolded, product, panels, how };
        let [dims, lens] = lens;
        dims_of(shape, dims);
        let grid = Grid::new(dims, self.block);

        // m̂, and the step that the length is taken of.
        let u = room(u, w.len());
        let grafted = room(grafted, w.len());
        match m {
            Some(m) => {
                combine(1.0 - self.beta1, g, self.beta1, &mut m.values);
                let correction = bias_correction(self.beta1, step.step).recip();
                combine(correction, &m.values, 0.0, u);
            }
            None => u.copy_from_slice(g),
        }
        grafted.copy_from_slice(u);
        if let Some(v) = v {
            let [keep, take, correction] = self.grafting.averaging(step.step).map(F::from_f64);
            how.simd.run(TakeSquares { g, v: &mut v.values, keep, take });
            let epsilon = F::from_f64(self.grafting.epsilon());
            how.simd.run(DivideByRoot { d: grafted, v: &v.values, correction, epsilon });
        }

        let take = if self.beta2 < 1.0 { 1.0 - self.beta2 } else { 1.0 };
        for (at, of_block) in matrices.chunks_exact_mut(2 * grid.order()).enumerate() {
            grid.shape_of(at, lens);
            let block = room(block, lens.iter().product());
            grid.take(at, g, block);
            for (axis, pair) in of_block.chunks_exact_mut(2).enumerate() {
                let [factor, root] = pair else { continue };
                let gram = buffers.gram(Axis::of(lens, axis), block);
                if norm_max(gram).is_finite() {
                    combine(take, gram, self.beta2, &mut factor.values);
                }
                if self.refreshes(step.step) {
                    self.root(step.step, grid.order(), factor, root, (wide, wide_panels), how);
                }
            }
            if step.step < self.start() {
                continue;
            }
            grid.take(at, grafted, block);
            let length = norm(block);
            grid.take(at, u, block);
            for (axis, pair) in of_block.chunks_exact(2).enumerate() {
                buffers.multiply(Axis::of(lens, axis), &pair[1].values, block);
            }
            if self.grafting != Grafting::None {
                let own = norm(block);
                let factor = if own > 0.0 { length / own } else { 0.0 };
                block.iter_mut().for_each(|x| *x = *x * F::from_f64(factor));
            }
            grid.put(at, block, u);
        }
        let u = if step.step < self.start() { grafted } else { u };
        descend(w, step, step.learning_rate, u, how);
    }
}
