//! Where a minimization may go: the box, the orthant of an L1 penalty, and the face of them that it is on.

use crate::params::{Side, Walls};
use crate::scalar::Scalar;
use crate::vector;

/// How an element stands to its walls.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Inside,
    /// At a wall, and free to leave it.
    Released,
    /// At a wall, and held there: the gradient pushes against it.
    Held,
}

/// The problem on which a solver works: the free elements within their walls, where f + Σ cᵢ|wᵢ| is
/// as smooth as f.
///
/// A variable is held where it is at a wall that the gradient pushes it against. Held ones are
/// released when the gradient along the face has become small beside the one that leads off it: a solver
/// is not told of a new face more often than it pays.
#[derive(Debug)]
pub(crate) struct Face<F> {
    bounds: Walls<F>,
    /// cᵢ ≥ 0; empty without a penalty.
    strengths: Vec<F>,
    /// The bounds within the orthant; `None` without a penalty: the bounds themselves.
    orthant: Option<Walls<F>>,
    /// The sign that each penalized element may have here.
    signs: Vec<F>,
    places: Vec<Place>,
    /// Whether no point has been seen yet.
    fresh: bool,
}

/// Held elements are released where the gradient along the face is shorter than this part of the
/// gradient off it.
const RELEASE: f64 = 1.0;

impl<F: Scalar> Face<F> {
    pub(crate) fn new(bounds: Walls<F>, strengths: Vec<F>) -> Self {
        let dim = bounds.lower.len();
        let orthant = (!strengths.is_empty()).then(|| bounds.clone());
        let signs = vec![F::zero(); strengths.len()];
        Self { bounds, strengths, orthant, signs, places: vec![Place::Inside; dim], fresh: true }
    }

    /// The walls that no point passes.
    pub(super) fn walls(&self) -> &Walls<F> {
        self.orthant.as_ref().unwrap_or(&self.bounds)
    }

    pub(crate) fn bounds(&self) -> &Walls<F> {
        &self.bounds
    }

    /// Σ cᵢ|xᵢ|.
    pub(super) fn penalty(&self, x: &[F]) -> f64 {
        let terms = self.strengths.iter().zip(x).map(|(c, x)| c.into_f64() * x.into_f64().abs());
        terms.sum()
    }

    /// ∇(f + Σ cᵢ|xᵢ|) of the free elements, 0 of the held ones.
    pub(super) fn reduce(&self, gradient: &[F], reduced: &mut [F]) {
        let held = self.places.iter().map(|&place| place == Place::Held);
        for ((to, &g), held) in reduced.iter_mut().zip(gradient).zip(held) {
            *to = if held { F::zero() } else { g };
        }
        for (i, (&c, &sign)) in self.strengths.iter().zip(&self.signs).enumerate() {
            if self.places[i] != Place::Held {
                reduced[i] = reduced[i] + c * sign;
            }
        }
    }

    /// The least element of the subdifferential of f + Σ cᵢ|xᵢ|.
    fn least(&self, i: usize, x: F, g: F) -> F {
        let c = self.strengths.get(i).copied().unwrap_or_else(F::zero);
        if c == F::zero() || x != F::zero() {
            return g + c * x.sign();
        }
        if g < -c {
            g + c
        } else if g > c {
            g - c
        } else if g.is_nan() {
            g
        } else {
            F::zero()
        }
    }

    /// P(x - g) - x, with the least subgradient for g.
    pub(super) fn projected<'a>(&'a self, x: &'a [F], g: &'a [F]) -> impl Iterator<Item = F> + 'a {
        let pairs = x.iter().zip(g).enumerate().zip(self.bounds.ends());
        pairs.map(|((i, (&x, &g)), ends)| project(x, self.least(i, x, g), ends))
    }

    /// The largest of them; ∞ where one is NaN.
    pub(super) fn projected_max(&self, x: &[F], g: &[F]) -> f64 {
        let size = |d: F| if d.is_nan() { f64::INFINITY } else { d.into_f64().abs() };
        self.projected(x, g).map(size).fold(0.0, f64::max)
    }

    /// How far it is along a direction to the first wall; ∞ where there is none.
    pub(super) fn longest(&self, x: &[F], direction: &[F]) -> f64 {
        let mut longest = f64::INFINITY;
        for ((&x, &d), (l, u)) in x.iter().zip(direction).zip(self.walls().ends()) {
            let end = if d > F::zero() { u } else { l };
            if d != F::zero() && x != end {
                let way = (end.into_f64() - x.into_f64()) / d.into_f64();
                longest = if way < longest { way } else { longest };
            }
        }
        longest
    }

    /// gᵀd without the elements that a wall stops at once.
    pub(super) fn slope(&self, x: &[F], gradient: &[F], direction: &[F]) -> f64 {
        let mut slope = 0.0;
        let ends = self.walls().ends();
        for (((&x, &d), &g), (l, u)) in x.iter().zip(direction).zip(gradient).zip(ends) {
            let stopped = (d < F::zero() && x <= l) || (d > F::zero() && x >= u);
            if !stopped && d != F::zero() {
                slope += g.into_f64() * d.into_f64();
            }
        }
        slope
    }

    /// Zero in place of the elements that are held.
    pub(super) fn mask(&self, vector: &mut [F]) {
        let held = self.places.iter().map(|&place| place == Place::Held);
        vector.iter_mut().zip(held).filter(|(_, held)| *held).for_each(|(v, _)| *v = F::zero());
    }

    /// Whether no element that is held would leave its wall.
    pub(super) fn is_settled(&self, x: &[F], g: &[F]) -> bool {
        let mut moves = self.projected(x, g).enumerate();
        moves.all(|(i, d)| !self.is_held(i) || d == F::zero())
    }

    pub(super) fn is_held(&self, i: usize) -> bool {
        self.places[i] == Place::Held
    }

    /// Finds the face that a point is on; whether it is another one. Elements are released if it pays,
    /// or in any case if `release`.
    pub(super) fn update(&mut self, x: &[F], g: &[F], release: bool) -> bool {
        let release = release || self.fresh || self.pays(x, g);
        let mut changed = self.fresh;
        self.fresh = false;
        for (i, (&x, &g)) in x.iter().zip(g).enumerate() {
            if self.places[i] == Place::Held && !release {
                continue;
            }
            let least = self.least(i, x, g);
            changed |= self.turn(i, x, least);
            let (l, u) = (self.walls().lower[i], self.walls().upper[i]);
            let at_wall = x <= l || x >= u;
            let place = if !at_wall {
                Place::Inside
            } else if project(x, least, (l, u)) == F::zero() {
                Place::Held
            } else {
                Place::Released
            };
            let was = std::mem::replace(&mut self.places[i], place);
            changed |= was != place && place != Place::Inside;
        }
        changed
    }

    /// Chooses the orthant of an element; whether it is another one.
    fn turn(&mut self, i: usize, x: F, least: F) -> bool {
        let Some(orthant) = &mut self.orthant else { return false };
        if self.strengths[i] == F::zero() {
            return false;
        }
        let sign = if x == F::zero() { -least.sign() } else { x.sign() };
        let (l, u) = (self.bounds.lower[i], self.bounds.upper[i]);
        let zero = F::zero();
        orthant.lower[i] = if sign >= zero { l.max(zero) } else { l };
        orthant.upper[i] = if sign <= zero { u.min(zero) } else { u };
        std::mem::replace(&mut self.signs[i], sign) != sign
    }

    /// Whether more is to be gained off the face than on it.
    fn pays(&self, x: &[F], g: &[F]) -> bool {
        let (mut along, mut off) = (0.0, 0.0);
        for (i, d) in self.projected(x, g).enumerate() {
            let square = d.into_f64().powi(2);
            if self.is_held(i) { off += square } else { along += square }
        }
        off > 0.0 && along.sqrt() <= RELEASE * off.sqrt()
    }

    /// The bound that each element is at.
    pub(crate) fn active(&self, x: &[F], g: &[F]) -> Vec<(usize, Side)> {
        let sides = self.bounds.active(x, g).enumerate();
        sides.filter_map(|(i, side)| side.map(|side| (i, side))).collect()
    }

    /// ‖P(x - g) - x‖₂.
    pub(super) fn projected_norm(&self, x: &[F], g: &[F]) -> f64 {
        let projected: Vec<F> = self.projected(x, g).collect();
        vector::norm(&projected)
    }
}

/// P(x - g) - x of one element, without the rounding of x - g.
fn project<F: Scalar>(x: F, g: F, (l, u): (F, F)) -> F {
    let (down, up) = (l - x, u - x);
    if -g < down {
        down
    } else if -g > up {
        up
    } else {
        -g
    }
}
