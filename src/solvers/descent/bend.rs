//! Ways that lead through a wall.

use super::{Best, Descent};
use crate::scalar::Scalar;
use crate::solvers::halt::Halt;
use crate::solvers::line_search::Sample;

/// Points that are tried along the way that turns off at the walls.
const BENDS: u32 = 2;
/// The share of the decrease at first order from which one is accepted.
const ENOUGH: f64 = 1e-4;

impl<F: Scalar> Descent<'_, F> {
    /// The longest α along a direction that stays inside, if α is longer.
    pub(super) fn wall_before(&self, length: f64, direction: &[F]) -> Option<f64> {
        let face = self.face.as_ref()?;
        let longest = face.longest(&self.current.x, direction);
        (length > longest).then_some(longest)
    }

    /// Whether x + α·d lies inside the walls.
    pub(crate) fn stays_inside(&self, length: f64, direction: &[F]) -> bool {
        let Some(face) = &self.face else { return true };
        let ends = face.walls().ends();
        let way = F::from_f64(length);
        let mut pairs = self.current.x.iter().zip(direction).zip(ends);
        pairs.all(|((&x, &d), (l, u))| d == F::zero() || (l <= x + way * d && x + way * d <= u))
    }

    /// Tries α where the wall is at `longest`.
    ///
    /// # Errors
    /// [`Halt::Wall`] where a point at a wall was accepted; [`Halt::Stuck`] where a search asks beyond a
    /// wall again that it was stopped by; as [`try_length`](Descent::try_length) besides.
    pub(super) fn bend(
        &mut self,
        length: f64,
        longest: f64,
        direction: &[F],
    ) -> Result<Sample, Halt> {
        if self.blocked == longest {
            return Err(Halt::Stuck);
        }
        let mut at = length;
        for _ in 0..BENDS {
            if at <= longest || !at.is_finite() {
                break;
            }
            self.try_straight(at, direction)?;
            let foretold = self.foretold();
            let change = self.trial.value - self.current.value;
            if foretold < 0.0 && change <= ENOUGH * foretold && self.is_least() {
                self.accept(at);
                return Err(Halt::Wall);
            }
            let parabola = -0.5 * foretold / (change - foretold);
            let part = if parabola.is_finite() { parabola.clamp(0.1, 0.5) } else { 0.1 };
            at = longest.max(part * at);
        }
        // Onto the wall, whatever rounding makes of the way to it.
        let onto = longest * (1.0 + 4.0 * F::epsilon().into_f64());
        let mut sample = self.try_straight(onto, direction)?;
        sample.length = longest;
        let low = sample.value <= self.current.value + self.noise();
        if low && sample.slope < 0.0 && self.is_least() {
            self.accept(longest);
            return Err(Halt::Wall);
        }
        self.blocked = longest;
        Ok(sample)
    }

    /// Whether no point of this search is lower than the trial, and its gradient is finite.
    fn is_least(&self) -> bool {
        let beaten = self.best == Best::Spare
            && self.spare.value < self.current.value
            && self.spare.value < self.trial.value;
        !beaten && self.trial.value.is_finite() && self.trial.gradient_max.is_finite()
    }

    /// ∇fᵀ(x' - x) of the trial x'.
    fn foretold(&self) -> f64 {
        let (old, new) = (&self.current, &self.trial);
        let moves = new.x.iter().zip(&old.x).zip(&old.reduced);
        moves.map(|((&new, &old), &g)| g.into_f64() * (new - old).into_f64()).sum()
    }
}

impl<F: Scalar> Descent<'_, F> {
    /// ∇²f·v by differences of gradients inside the walls: elements that have no room on one side go
    /// to the other, with an evaluation of their own.
    pub(crate) fn difference_inside(
        &mut self,
        v: &[F],
        mut h: f64,
        product: &mut [F],
    ) -> Result<(), Halt> {
        let mut ahead = v.to_vec();
        self.mask(&mut ahead);
        let mut behind = vec![F::zero(); v.len()];
        if let Some(face) = &self.face {
            let room = |x: F, d: F, (l, u): (F, F)| {
                let way = |end: F| (end.into_f64() - x.into_f64()).abs() / d.into_f64().abs();
                if d > F::zero() { (way(u), way(l)) } else { (way(l), way(u)) }
            };
            let pairs = self.current.x.iter().zip(&ahead).zip(face.walls().ends());
            let rooms: Vec<_> = pairs.map(|((&x, &d), ends)| room(x, d, ends)).collect();
            for (i, (on, back)) in rooms.into_iter().enumerate() {
                if ahead[i] == F::zero() {
                    continue;
                }
                if on < h && back > on {
                    behind[i] = -std::mem::replace(&mut ahead[i], F::zero());
                }
                h = h.min(on.max(back));
            }
        }
        product.fill(F::zero());
        let over = F::from_f64(h.recip());
        for (part, sign) in [(&ahead, F::one()), (&behind, -F::one())] {
            if part.iter().all(|&d| d == F::zero()) {
                continue;
            }
            let mut way = h;
            for _ in 0..4 {
                if self.try_straight(way, part)?.is_finite() {
                    break;
                }
                way *= 0.01;
            }
            let over = if way == h { over } else { F::from_f64(way.recip()) };
            let change = self.trial.reduced.iter().zip(&self.current.reduced);
            for (to, (&g, &old)) in product.iter_mut().zip(change) {
                *to = *to + sign * over * (g - old);
            }
        }
        self.unit_where_held(v, product);
        Ok(())
    }
}
