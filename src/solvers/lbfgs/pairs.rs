//! What the last steps say of the Hessian.

use std::cmp::Ordering;

use super::block::{Block, TOGETHER};
use super::diagonal::Diagonal;
use crate::scalar::Scalar;
use crate::vector;

/// The last m pairs s = w - w₋, y = g - g₋, whose products with a vector stand for those of the
/// inverse Hessian.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs<F> {
    memory: usize,
    /// In the order that they came, or where all are taken, in the places of the oldest ones.
    kept: Vec<Pair<F>>,
    /// How many of them count; the memory of the others is kept for those to come.
    len: usize,
    /// Where the next pair goes.
    next: usize,
    /// What the next pair is written into; it becomes one when it is kept.
    spare: Pair<F>,
    /// The newest ones, as far as they are taken together.
    block: Block,
    /// The coefficients of the recursion over the others.
    alpha: Vec<f64>,
    /// sᵀy / yᵀy of the newest.
    scale: f64,
    pub(super) diagonal: Diagonal<F>,
}

/// By how much the values may change sᵀy, as parts of it; more than that they contradict the gradients.
const FLATTER: f64 = -0.9;
const STEEPER: f64 = 3.0;
/// Pairs that room is taken for at the start.
const AT_ONCE: usize = 20;

/// s, y and sᵀy of a step.
#[derive(Debug, Clone, Default)]
struct Pair<F> {
    s: Vec<F>,
    y: Vec<F>,
    curvature: f64,
    /// sᵀy₋ and s₋ᵀy for the pairs before this one, the last of them first.
    before: Vec<[f64; 2]>,
}

impl<F: Scalar> Pair<F> {
    fn with_room(dim: usize) -> Self {
        let room = || vec![F::zero(); dim];
        Self { s: room(), y: room(), curvature: 0.0, before: Vec::with_capacity(TOGETHER) }
    }
}

impl<F: Scalar> Pairs<F> {
    /// Forgets all, for pairs of that many elements. Room is taken for a few, and for more as they
    /// come.
    pub(super) fn begin(&mut self, dim: usize, memory: usize) {
        if self.spare.s.len() != dim || self.memory != memory {
            let diagonal = Diagonal::with_room(dim);
            let (block, spare) = (Block::with_room(memory.min(TOGETHER)), Pair::with_room(dim));
            *self = Self { memory, diagonal, block, spare, ..Self::default() };
            self.kept.resize_with(memory.min(AT_ONCE), || Pair::with_room(dim));
            self.alpha.resize(self.kept.len(), 0.0);
        }
        self.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn clear(&mut self) {
        (self.next, self.len, self.scale) = (0, 0, 1.0);
        self.diagonal.clear();
    }

    /// Keeps the pair of a step, unless it says that f does not curve upward along it. With f at both
    /// ends, the old one first, y is what the values say of the curvature at the new end.
    pub(super) fn push(
        &mut self,
        [x, x_old]: [&[F]; 2],
        [g, g_old]: [&[F]; 2],
        values: Option<(f64, f64)>,
    ) -> bool {
        vector::shifted(x, -1.0, x_old, &mut self.spare.s);
        vector::shifted(g, -1.0, g_old, &mut self.spare.y);
        if let Some((old, new)) = values {
            let Pair { s, y, .. } = &mut self.spare;
            let (before, after) = (vector::dot(g_old, s), vector::dot(g, s));
            let mean = (after - before).abs();
            let bend = 6.0 * (old - new) + 3.0 * (before + after);
            let rounding = 24.0 * F::epsilon().into_f64() * new.abs();
            let told = bend > FLATTER * mean && bend < STEEPER * mean;
            let part = bend / vector::dot(s, s);
            if told && rounding <= 0.01 * mean && part.is_finite() {
                vector::add_scaled(part, s, y);
            }
        }
        self.keep()
    }

    /// Takes the pairs of another with some of their elements made zero, those that curve upward then.
    pub(super) fn restrict(&mut self, whole: &Self, mask: impl Fn(&mut [F])) {
        self.clear();
        let (newer, older) = whole.kept[..whole.len].split_at(whole.next.min(whole.len));
        for pair in older.iter().chain(newer) {
            self.spare.s.copy_from_slice(&pair.s);
            self.spare.y.copy_from_slice(&pair.y);
            mask(&mut self.spare.s);
            mask(&mut self.spare.y);
            self.keep();
        }
    }

    /// The vectors of the pairs by name, the oldest pair first.
    pub(super) fn vectors(&self) -> impl Iterator<Item = (String, &[F])> {
        let (newer, older) = self.kept[..self.len].split_at(self.next.min(self.len));
        older.iter().chain(newer).enumerate().flat_map(|(age, pair)| {
            [(format!("s{age}"), &pair.s[..]), (format!("y{age}"), &pair.y[..])]
        })
    }

    /// Keeps one more pair, given as vectors.
    pub(super) fn push_pair(&mut self, s: &[F], y: &[F]) -> bool {
        self.spare.s.copy_from_slice(s);
        self.spare.y.copy_from_slice(y);
        self.keep()
    }

    /// Keeps the pair that was written, unless it says that f does not curve upward; then nothing
    /// has changed.
    fn keep(&mut self) -> bool {
        let Pair { s, y, curvature, before } = &mut self.spare;
        *curvature = vector::dot(s, y);
        let square = vector::dot(y, y);
        // Below this, rounding in g decides on the sign.
        let bound = F::epsilon().into_f64() * vector::norm(s) * square.sqrt();
        if !(*curvature > bound && curvature.is_finite() && square.is_finite()) {
            return false;
        }
        self.scale = *curvature / square;
        self.diagonal.learn(s, y, *curvature, square);
        before.clear();
        for back in 0..self.len.min(TOGETHER - 1) {
            let old = &self.kept[(self.next + self.memory - 1 - back) % self.memory];
            before.push([vector::dot(s, &old.y), vector::dot(&old.s, y)]);
        }
        if self.next == self.kept.len() {
            let fresh = Pair::with_room(s.len());
            self.kept.push(std::mem::replace(&mut self.spare, fresh));
            self.alpha.resize(self.kept.len(), 0.0);
        } else {
            std::mem::swap(&mut self.kept[self.next], &mut self.spare);
        }
        self.next = (self.next + 1) % self.memory;
        self.len = (self.len + 1).min(self.memory);
        true
    }

    /// The pair that came so many before the newest.
    fn aged(&self, age: usize) -> &Pair<F> {
        &self.kept[(self.next + self.memory - 1 - age) % self.memory]
    }

    /// d = -Hg: the newest pairs together around the two loops over the others.
    pub(super) fn direction(&mut self, g: &[F], d: &mut [F]) {
        vector::combine(-1.0, g, 0.0, d);
        let mut block = std::mem::take(&mut self.block);
        let together = block.gather(self.len, |i, j| match i.cmp(&j) {
            Ordering::Equal => self.aged(i).curvature,
            Ordering::Less => self.aged(i).before[j - i - 1][0],
            Ordering::Greater => self.aged(j).before[i - j - 1][1],
        });
        let parts = block.before(|age| vector::dot(&self.aged(age).s, d));
        for (age, part) in parts.iter().enumerate() {
            vector::add_scaled(-part, &self.aged(age).y, d);
        }
        for age in together..self.len {
            let Pair { s, y, curvature, .. } = self.aged(age);
            let alpha = vector::dot(s, d) / curvature;
            vector::add_scaled(-alpha, y, d);
            self.alpha[age] = alpha;
        }
        if self.diagonal.is_better {
            self.diagonal.apply(d);
        } else if self.len > 0 {
            let scale = F::from_f64(self.scale);
            d.iter_mut().for_each(|d| *d = *d * scale);
        }
        for age in (together..self.len).rev() {
            let Pair { s, y, curvature, .. } = self.aged(age);
            let beta = vector::dot(y, d) / curvature;
            vector::add_scaled(self.alpha[age] - beta, s, d);
        }
        let parts = block.after(|age| vector::dot(&self.aged(age).y, d));
        for (age, part) in parts.iter().enumerate() {
            vector::add_scaled(*part, &self.aged(age).s, d);
        }
        self.block = block;
    }
}
