//! What the last steps say of the Hessian.

use std::ops::Range;

use crate::scalar::Scalar;
use crate::solvers::model::zero;
use crate::vector;

/// The last m pairs s = w - w₋, y = g - g₋, whose products with a vector stand for those of the
/// inverse Hessian.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs<F> {
    dim: usize,
    memory: usize,
    /// Pair after pair, in the places of the oldest ones when all are taken.
    s: Vec<F>,
    y: Vec<F>,
    /// sᵀy of each.
    curvature: Vec<f64>,
    /// The coefficients of the recursion.
    alpha: Vec<f64>,
    /// Where the next pair goes.
    next: usize,
    len: usize,
    /// sᵀy / yᵀy of the newest.
    scale: f64,
}

impl<F: Scalar> Pairs<F> {
    /// Forgets all, and takes room for `memory` pairs of that many elements.
    pub(super) fn begin(&mut self, dim: usize, memory: usize) {
        (self.dim, self.memory) = (dim, memory);
        zero(&mut self.s, dim * memory);
        zero(&mut self.y, dim * memory);
        self.curvature.resize(memory, 0.0);
        self.alpha.resize(memory, 0.0);
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
    }

    /// Keeps the pair of a step, unless it says that f does not curve upward along it.
    pub(super) fn push(&mut self, x: &[F], x_old: &[F], g: &[F], g_old: &[F]) -> bool {
        let place = self.place();
        vector::shifted(x, -1.0, x_old, &mut self.s[place.clone()]);
        vector::shifted(g, -1.0, g_old, &mut self.y[place]);
        self.keep()
    }

    /// The vectors of the pairs by name, the oldest pair first.
    pub(super) fn vectors(&self) -> impl Iterator<Item = (String, &[F])> {
        (0..self.len).flat_map(|age| {
            let place = (self.next + self.memory - self.len + age) % self.memory;
            let range = place * self.dim..(place + 1) * self.dim;
            [(format!("s{age}"), &self.s[range.clone()]), (format!("y{age}"), &self.y[range])]
        })
    }

    /// Keeps one more pair, given as vectors.
    pub(super) fn push_pair(&mut self, s: &[F], y: &[F]) -> bool {
        let place = self.place();
        self.s[place.clone()].copy_from_slice(s);
        self.y[place].copy_from_slice(y);
        self.keep()
    }

    /// Where the next pair goes.
    fn place(&self) -> Range<usize> {
        self.next * self.dim..(self.next + 1) * self.dim
    }

    /// Keeps the pair that is in the next place, unless it says that f does not curve upward.
    fn keep(&mut self) -> bool {
        let (s, y) = (&self.s[self.place()], &self.y[self.place()]);
        let curvature = vector::dot(s, y);
        let square = vector::dot(y, y);
        // Below this, rounding in g decides on the sign.
        let bound = F::epsilon().into_f64() * vector::norm(s) * square.sqrt();
        if !(curvature > bound && curvature.is_finite() && square.is_finite()) {
            return false;
        }
        self.curvature[self.next] = curvature;
        self.scale = curvature / square;
        self.next = (self.next + 1) % self.memory;
        self.len = (self.len + 1).min(self.memory);
        true
    }

    /// d = -Hg by the two loops over the pairs.
    pub(super) fn direction(&mut self, g: &[F], d: &mut [F]) {
        vector::combine(-1.0, g, 0.0, d);
        let newest_first = |back: usize| (self.next + self.memory - 1 - back) % self.memory;
        for back in 0..self.len {
            let i = newest_first(back);
            let at = i * self.dim;
            let (s, y) = (&self.s[at..at + self.dim], &self.y[at..at + self.dim]);
            let alpha = vector::dot(s, d) / self.curvature[i];
            self.alpha[i] = alpha;
            vector::add_scaled(-alpha, y, d);
        }
        if self.len > 0 {
            let scale = F::from_f64(self.scale);
            d.iter_mut().for_each(|d| *d = *d * scale);
        }
        for back in (0..self.len).rev() {
            let i = newest_first(back);
            let at = i * self.dim;
            let (s, y) = (&self.s[at..at + self.dim], &self.y[at..at + self.dim]);
            let beta = vector::dot(y, d) / self.curvature[i];
            vector::add_scaled(self.alpha[i] - beta, s, d);
        }
    }
}
