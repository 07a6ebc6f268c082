//! A diagonal that stands for the inverse Hessian where the pairs say nothing.

use crate::scalar::Scalar;
use crate::solvers::model::zero;
use crate::vector;

/// The diagonal of the matrix that BFGS would make of all pairs since the start, as a diagonal is all that is
/// kept of it from pair to pair.
#[derive(Debug, Clone, Default)]
pub(super) struct Diagonal<F> {
    /// Positive; empty before the first pair.
    pub(super) values: Vec<F>,
    /// Whether it has told the newest pair, before that was learnt, clearly better than a multiple of the unit
    /// matrix.
    pub(super) is_better: bool,
}

/// What the sine of the angle between s and Dy is to be at most, as a part of the one between s and y.
const BETTER: f64 = 0.9;

impl<F: Scalar> Diagonal<F> {
    /// One with room for that many elements.
    pub(super) fn with_room(dim: usize) -> Self {
        Self { values: Vec::with_capacity(dim), is_better: false }
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.is_better = false;
    }

    /// Takes in a pair with sᵀy > 0: D ← (sᵀy/yᵀDy)·D, and then 1/Dᵢ ← 1/Dᵢ + yᵢ²/sᵀy - (sᵢ/Dᵢ)²/sᵀD⁻¹s.
    pub(super) fn learn(&mut self, s: &[F], y: &[F], curvature: f64, square: f64) {
        if self.values.is_empty() {
            zero(&mut self.values, s.len());
            self.values.fill(positive(curvature / square).unwrap_or(F::one()));
        }
        let values = &mut self.values;
        let [dyy, dydy, sdy] = sums(s.len(), |i| {
            let (d, s, y) = (values[i].into_f64(), s[i].into_f64(), y[i].into_f64());
            let dy = d * y;
            [dy * y, dy * dy, dy * s]
        });
        let length = vector::dot(s, s);
        let sine = |cosine: f64| (1.0 - cosine).max(F::epsilon().into_f64());
        let [of_d, of_one] =
            [sdy * sdy / (dydy * length), curvature * curvature / (square * length)];
        self.is_better = sine(of_d) <= BETTER * BETTER * sine(of_one);
        let scale = curvature / dyy;
        let scaled = |d: F| scale * d.into_f64();
        let [whole] = sums(s.len(), |i| {
            let s = s[i].into_f64();
            [s * s / scaled(values[i])]
        });
        for (d, (s, y)) in values.iter_mut().zip(s.iter().zip(y)) {
            let (old, s, y) = (scaled(*d), s.into_f64(), y.into_f64());
            let inverse = 1.0 / old + y * y / curvature - (s / old) * (s / old) / whole;
            // Rounding may take all of it away.
            *d = positive(1.0 / inverse).or(positive(old)).unwrap_or(*d);
        }
    }

    /// v ← Dv.
    pub(super) fn apply(&self, vector: &mut [F]) {
        vector.iter_mut().zip(&self.values).for_each(|(v, &d)| *v = *v * d);
    }
}

/// A number as one of `F`, unless it is none there.
fn positive<F: Scalar>(x: f64) -> Option<F> {
    Some(F::from_f64(x)).filter(|x| x.is_normal() && *x > F::zero())
}

/// Sums over elements, in an order that vectors can keep.
#[inline(always)]
fn sums<const N: usize>(len: usize, terms: impl Fn(usize) -> [f64; N]) -> [f64; N] {
    const LANES: usize = 8;
    let mut lanes = [[0.0; LANES]; N];
    let mut add = |start: usize, count: usize| {
        for lane in 0..count {
            let terms = terms(start + lane);
            for (sum, term) in lanes.iter_mut().zip(terms) {
                sum[lane] += term;
            }
        }
    };
    let whole = len / LANES * LANES;
    (0..whole).step_by(LANES).for_each(|start| add(start, LANES));
    add(whole, len - whole);
    lanes.map(|sum| sum.iter().sum())
}
