//! A gradient that two others on a line tell, in place of one that is asked for.

use std::ops::RangeInclusive;

use super::stepped::Stepped;
use crate::scalar::Scalar;
use crate::solvers::stepped::Trail;
use crate::vector;

/// Where the slope may vanish, in lengths of the trial.
const PART: RangeInclusive<f64> = 0.3..=2.0;

/// A gradient is doubted where it is smaller than this part of what a bend of the line may be: t(1 - t) times the
/// change of the gradient.
const BEND: f64 = 0.5;

/// A trial with that share of the slope is the iterate itself.
const FLAT: f64 = 0.01;

impl<F: Scalar> Stepped<F> {
    /// Where the slope vanishes by the line through the base and this trial, as a part of its length, if the
    /// gradient there can be taken from the same line.
    pub(super) fn told(&self, slope: f64) -> Option<f64> {
        let Trail { base_gradient, gradient, slope: base_slope, length, .. } = &self.trail;
        let part = base_slope / (base_slope - slope);
        let is_flat = slope.abs() <= FLAT * base_slope.abs();
        if is_flat
            || !PART.contains(&part)
            || !self.trail.search.begins_near_zero(*length, part * length)
        {
            return None;
        }
        let (square, cross) = vector::square_and_dot(gradient, base_gradient);
        let rest = 1.0 - part;
        let there = rest * rest * self.square + 2.0 * part * rest * cross + part * part * square;
        let bend = BEND * part * rest;
        (bend * bend * (square - 2.0 * cross + self.square) <= there).then_some(part)
    }

    /// Takes the point and the gradient of this call to that part of the trial's length, by the line from the
    /// base; returns the slope there, and gᵀg of the gradient that was given.
    pub(super) fn tell(&mut self, part: f64) -> (f64, f64) {
        let Trail { base, base_gradient, gradient, point, direction, length, .. } = &mut self.trail;
        let square = vector::dot(gradient, gradient);
        vector::combine(1.0 - part, base_gradient, part, gradient);
        *length *= part;
        vector::shifted(base, *length, direction, point);
        (vector::dot(gradient, direction), square)
    }
}
