//! SOAP.

use super::axis::{Axis, Buffers};
use crate::error::Error;
use crate::interval::Interval;
use crate::leafwise::{
    LeafRule, LeafStep, Leafwise, Slot, Step, Workspace, compiled, descend, room,
};
use crate::linalg::eigenbasis::Eigenbasis;
use crate::linalg::product::Panels;
use crate::linalg::qr;
use crate::reduce::How;
use crate::rule::bias_correction;
use crate::rules::hyperparameters;
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::simd::Work;
use crate::vector::{combine, dot, norm, norm_max};

/// **SOAP**: Adam in the basis of the eigenvectors of [`Shampoo`](crate::Shampoo)'s matrices.
///
/// For a matrix, with the eigenvectors Q of L and Q' of R
///
/// ```text
/// g' = QᵀgQ';  m = β₁m + (1-β₁)g';  v = β₂v + (1-β₂)g'²
/// w -= α·√(1-β₂ᵗ)/(1-β₁ᵗ)·Q·m/(√v + ε)·Q'ᵀ, then w -= α·λ·w
/// L = βL + (1-β)ggᵀ;  R = βR + (1-β)gᵀg
/// every k steps:  Q = the Q of the QR factors of LQ, likewise Q';  m moves into the new basis
/// ```
///
/// When to use it: where Adam works, and fewer steps are worth more arithmetic: it needs some 40 % fewer
/// steps than AdamW in the authors' language models at large batches, and has fewer hyperparameters than
/// Shampoo. Adam's rates fit. An n×m
/// matrix keeps 2(n² + m²) values beside Adam's 2nm; a step costs four products with the bases, and a new
/// basis some 3(n³ + m³) operations each [`every`](Self::every) steps.
///
#[doc = include_str!("../../docs/paths/soap.svg")]
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `beta1` β₁ | 0.95 | [0, 1) |
/// | `beta2` β₂ | 0.95 | [0, 1) |
/// | `shampoo_beta` β | 0.95 | [0, 1) |
/// | `epsilon` ε | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | [`every`](Self::every) | 10 steps | 1 and more |
/// | [`longest`](Self::longest) | 10000 | |
/// | [`weight_decay`](Self::weight_decay) λ | 0 (the authors': 0.01) | [0, ∞) |
///
/// - As in the authors' code **the first step of a leaf moves nothing**: its gradient makes the first basis, by
///   eigenvalues. t counts from the second on.
/// - An axis that is longer than [`longest`](Self::longest) keeps its own basis, as does a vector unless
///   [`vectors`](Self::vectors) says otherwise: that is Adam.
/// - At a new basis v is brought into the order of its eigenvalues, but not rotated.
/// - Where the first gradient is in fewer directions than an axis is long, its basis is not the only one: it is completed
///   in some way that is the same for each run, and other than another library's. Where it is the only one, all steps
///   agree with the authors' code in `f64` ([parity](crate::guide::conventions)).
/// - The authors' code makes its bases in `f32` whatever the parameters are; here a basis is made in `f64`. Their
///   `correct_bias=False`, and the merging of axes (`merge_dims`), are not here.
///
/// Source: Vyas et al., "SOAP: improving and stabilizing Shampoo using Adam", 2024.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Soap};
/// let (mut w, g) = (array![[0.0, 0.0], [0.0, 0.0]], array![[1.0, 2.0], [3.0, 4.0]]);
/// let mut soap = Soap::new(0.1);
/// soap.step(&mut w, &g)?;
/// assert_eq!(w, array![[0.0, 0.0], [0.0, 0.0]]);
/// soap.step(&mut w, &g)?; // in its own basis g is diagonal: it moves by 0.1 along each direction
/// let gram = w.dot(&w.t()) / 0.01;
/// assert!((&gram - &array![[1.0, 0.0], [0.0, 1.0]]).iter().all(|off: &f64| off.abs() < 1e-6));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Leafwise<F, Soap>;

hyperparameters! {
    /// The rule of [`Soap`](crate::Soap).
    Soap of Leafwise {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.95 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.95 in FRACTION;
        /// β, the share of the matrices that is kept.
        shampoo_beta = 0.95 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
    }
    conventions {
        every: u32 = 10,
        longest: usize = 10_000,
        vectors: bool = false,
        normalized: bool = false,
    }
}

const NAME: &str = "Soap";

impl<F: Scalar> Leafwise<F, Soap> {
    /// SOAP with that learning rate α ≥ 0, a number or a schedule: the authors' convention, without weight
    /// decay.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Soap::default(), learning_rate)
    }

    /// Sets k: a new basis is made at every kth step of a leaf; from 1 on.
    #[must_use]
    pub fn every(self, steps: u32) -> Self {
        self.with(|rule| rule.every = steps)
    }

    /// Sets the length of an axis above which it keeps its own basis.
    #[must_use]
    pub fn longest(self, len: usize) -> Self {
        self.with(|rule| rule.longest = len)
    }

    /// Sets whether vectors have a basis too.
    #[must_use]
    pub fn vectors(self, vectors: bool) -> Self {
        self.with(|rule| rule.vectors = vectors)
    }

    /// Sets whether the step of each leaf is scaled to a root mean square of α: for bases that are made
    /// rarely, each hundred steps or so.
    #[must_use]
    pub fn normalized(self, normalized: bool) -> Self {
        self.with(|rule| rule.normalized = normalized)
    }
}

compiled!(Soap);

/// m and v of Adam, and u = m/(√v + ε).
struct Adam<'a, F> {
    g: &'a [F],
    m: &'a mut [F],
    v: &'a mut [F],
    u: &'a mut [F],
    beta1: [F; 2],
    beta2: [F; 2],
    epsilon: F,
}

impl<F: Scalar> Work for Adam<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { g, m, v, u, beta1, beta2, epsilon } = self;
        for (((u, m), v), &g) in u.iter_mut().zip(m).zip(v).zip(g) {
            *m = (beta1[0] * *m + beta1[1] * g).flushed();
            *v = (beta2[0] * *v + g.share_of_square(beta2[1])).flushed();
            *u = *m / (v.sqrt() + epsilon);
        }
    }
}

impl Soap {
    /// Whether an axis has a matrix.
    fn has_basis(&self, shape: &[usize], axis: usize) -> bool {
        let is_vector = shape.len() == 1;
        shape[axis] > 1 && shape[axis] <= self.longest && (!is_vector || self.vectors)
    }

    /// The axes that have a matrix.
    fn axes<'s>(&'s self, shape: &'s [usize]) -> impl Iterator<Item = usize> + 's {
        (0..shape.len()).filter(|&axis| self.has_basis(shape, axis))
    }
}

/// The eigenvectors of a matrix as the columns of another, the largest eigenvalue's first.
fn first_basis<F: Scalar>(matrix: &Slot<F>, basis: &mut Slot<F>) {
    let n = matrix.shape[0];
    let wide: Vec<f64> = matrix.values.iter().map(|entry| entry.into_f64()).collect();
    if let Some(eigen) = Eigenbasis::factor(&wide, n) {
        for (k, vector) in eigen.vectors.iter().rev().enumerate() {
            vector.iter().enumerate().for_each(|(i, &x)| basis.values[i * n + k] = F::from_f64(x));
        }
    }
}

/// One step of orthogonal iteration: Q of the QR factors of AQ, whose columns come in the order of
/// diag(QᵀAQ), the largest first. Returns that order, or `None` where the basis stays.
fn next_basis<F: Scalar>(
    matrix: &Slot<F>,
    basis: &mut Slot<F>,
    wide: &mut [Vec<f64>; 3],
    panels: &mut Panels<f64>,
    how: How,
) -> Option<Vec<usize>> {
    let n = matrix.shape[0];
    let [a, columns, product] = wide;
    let (a, columns) = (room(a, n * n), room(columns, n * n));
    let product = room(product, n * n);
    a.iter_mut().zip(&matrix.values).for_each(|(to, entry)| *to = entry.into_f64());
    for i in 0..n {
        (0..n).for_each(|k| columns[k * n + i] = basis.values[i * n + k].into_f64());
    }
    // The columns of AQ, one after the other: the rows of QᵀA.
    panels.multiply(columns, (n, n), |p, j| a[p * n + j], product, how);
    let column = |k: usize| k * n..(k + 1) * n;
    let sizes: Vec<f64> = (0..n).map(|k| dot(&columns[column(k)], &product[column(k)])).collect();
    if !norm_max(product).is_finite() {
        return None;
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| sizes[j].total_cmp(&sizes[i]));
    for (k, &from) in order.iter().enumerate() {
        columns[column(k)].copy_from_slice(&product[column(from)]);
    }
    qr::factor(columns, n);
    for i in 0..n {
        (0..n).for_each(|k| basis.values[i * n + k] = F::from_f64(columns[k * n + i]));
    }
    Some(order)
}

/// Qᵀ row after row.
fn transposed<'t, F: Scalar>(q: &Slot<F>, to: &'t mut Vec<F>) -> &'t [F] {
    let n = q.shape[0];
    let to = room(to, n * n);
    for i in 0..n {
        (0..n).for_each(|k| to[k * n + i] = q.values[i * n + k]);
    }
    to
}

impl<F: Scalar> LeafRule<F> for Soap {
    const NAME: &'static str = NAME;
    const LEARNING_RATE: f64 = 3e-3;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()?;
        let least = Interval::closed(1.0, f64::MAX, "a whole number >= 1");
        least.check::<f64>(NAME, "every", f64::from(self.every))
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn conventions(&self) -> String {
        let Self { every, longest, vectors, normalized, .. } = self;
        format!(
            "every: {every:?}, longest: {longest:?}, vectors: {vectors:?}, normalized: {normalized:?}"
        )
    }

    fn largest_gradient(&self) -> f64 {
        F::LARGEST_SQUARABLE
    }

    fn slots(&self, shape: &[usize]) -> Vec<Slot<F>> {
        let mut slots = vec![Slot::zeros("m", shape.to_vec()), Slot::zeros("v", shape.to_vec())];
        for axis in self.axes(shape) {
            let n = shape[axis];
            slots.push(Slot::zeros(format!("factor{axis}"), vec![n, n]));
            let mut basis = Slot::zeros(format!("basis{axis}"), vec![n, n]);
            basis.values.iter_mut().step_by(n + 1).for_each(|entry| *entry = F::one());
            slots.push(basis);
        }
        slots
    }

    fn update(&self, step: &Step, leaf: LeafStep<'_, F>) {
        let LeafStep { shape, w, g, slots, workspace, how } = leaf;
        let [m, v, matrices @ ..] = slots else { return };
        let Workspace { of_leaf, wide, panels, wide_panels, .. } = workspace;
        let [u, turned, turn, unfolded, product] = of_leaf;
        let mut buffers = Buffers { unfolded, product, panels, how };
        let u = room(u, w.len());
        let is_first = step.step == 1;
        let t = step.step - 1;

        if !is_first {
            let turned = room(turned, w.len());
            turned.copy_from_slice(g);
            for (axis, pair) in self.axes(shape).zip(matrices.chunks_exact(2)) {
                buffers.multiply(Axis::of(shape, axis), transposed(&pair[1], turn), turned);
            }
            let pair = |beta: f64| [beta, 1.0 - beta].map(F::from_f64);
            how.simd.run(Adam {
                g: turned,
                m: &mut m.values,
                v: &mut v.values,
                u,
                beta1: pair(self.beta1),
                beta2: pair(self.beta2),
                epsilon: F::from_f64(self.epsilon),
            });
            for (axis, pair) in self.axes(shape).zip(matrices.chunks_exact(2)) {
                buffers.multiply(Axis::of(shape, axis), &pair[1].values, u);
            }
            let (first, second) = (bias_correction(self.beta1, t), bias_correction(self.beta2, t));
            let mut rate = step.learning_rate * second.sqrt() / first;
            if self.normalized {
                let size = norm(u) / (u.len() as f64).sqrt();
                rate /= size + 1e-30;
            }
            descend(w, &Step { decay: 0.0, ..*step }, rate, u, how);
            let decay = F::from_f64(step.decay);
            w.iter_mut().for_each(|w| *w = *w - decay * *w);
        }

        let refreshes = !is_first && t.is_multiple_of(u64::from(self.every));
        if refreshes {
            for (axis, pair) in self.axes(shape).zip(matrices.chunks_exact(2)) {
                buffers.multiply(Axis::of(shape, axis), &pair[1].values, &mut m.values);
            }
        }
        for (axis, pair) in self.axes(shape).zip(matrices.chunks_exact_mut(2)) {
            let ([matrix, basis], axis) = (pair, Axis::of(shape, axis)) else { continue };
            let gram = buffers.gram(axis, g);
            if norm_max(gram).is_finite() {
                combine(1.0 - self.shampoo_beta, gram, self.shampoo_beta, &mut matrix.values);
            }
            if is_first {
                first_basis(matrix, basis);
            } else if refreshes {
                if let Some(order) = next_basis(matrix, basis, wide, wide_panels, how) {
                    buffers.reorder(axis, &order, &mut v.values);
                }
                buffers.multiply(axis, transposed(basis, turn), &mut m.values);
            }
        }
    }
}
