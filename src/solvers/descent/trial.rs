//! Trial points: their evaluation, and the tests that each is put to.

use std::mem::swap;

use super::{Best, Descent, Point};
use crate::scalar::Scalar;
use crate::solvers::halt::Halt;
use crate::solvers::line_search::Sample;
use crate::solvers::report::Status;
use crate::vector;

impl<F: Scalar> Descent<'_, F> {
    /// Evaluates f and ∇f at x + α·d, which becomes the trial point; returns α, f and the slope
    /// ∇fᵀd.
    ///
    /// Under bounds, where the way leads through one: if f falls enough along the way that turns off at
    /// the bounds, that point is accepted, and [`Halt::Wall`] returned; else the sample is of the
    /// longest α that stays inside.
    ///
    /// # Errors
    /// The [`Halt`] of a limit, of a test that the trial passes, or of the objective.
    pub fn try_length(&mut self, length: f64, direction: &[F]) -> Result<Sample, Halt> {
        match self.wall_before(length, direction) {
            None => self.try_straight(length, direction),
            Some(longest) => self.bend(length, longest, direction),
        }
    }

    /// As [`try_length`](Descent::try_length), on the straight way; bounds stop single elements.
    pub(super) fn try_straight(&mut self, length: f64, direction: &[F]) -> Result<Sample, Halt> {
        if self.place_at(length, direction)? {
            let slope = self.slope_of(&self.trial, direction);
            return Ok(Sample { length, value: self.trial.value, slope });
        }
        let slope = self.evaluate_trial(Some(direction))?;
        self.test_trial(length)?;
        Ok(Sample { length, value: self.trial.value, slope })
    }

    /// Evaluates f alone at x + α·d, which becomes the trial point, where the objective gives it
    /// for less; else f and ∇f as well. Returns α and f.
    ///
    /// # Errors
    /// As [`try_length`](Descent::try_length).
    pub fn try_value(&mut self, length: f64, direction: &[F]) -> Result<(f64, f64), Halt> {
        match self.wall_before(length, direction) {
            None => Ok((length, self.value_straight(length, direction)?)),
            Some(longest) => {
                let sample = self.bend(length, longest, direction)?;
                Ok((sample.length, sample.value))
            }
        }
    }

    /// As [`try_value`](Descent::try_value), on the straight way; bounds stop single elements.
    pub(super) fn value_straight(&mut self, length: f64, direction: &[F]) -> Result<f64, Halt> {
        if !self.objective.has_value() {
            return self.try_straight(length, direction).map(|sample| sample.value);
        }
        if self.place_at(length, direction)? {
            return Ok(self.trial.value);
        }
        self.evaluations.values += 1;
        self.trial.gradient_max = f64::NAN;
        self.trial.predicted = false;
        self.trial.value = self.objective.value(&self.trial.x)?;
        if let Some(face) = &self.face {
            self.trial.value += face.penalty(&self.trial.x);
        }
        self.note_best();
        self.test_target()?;
        Ok(self.trial.value)
    }

    /// Evaluates ∇f at the trial point unless it is known already; returns the slope ∇fᵀd.
    ///
    /// # Errors
    /// As [`try_length`](Descent::try_length).
    pub fn complete_trial(&mut self, length: f64, direction: &[F]) -> Result<f64, Halt> {
        if !self.trial.gradient_max.is_nan() {
            return Ok(self.slope_of(&self.trial, direction));
        }
        self.may_evaluate()?;
        let slope = self.evaluate_trial(Some(direction))?;
        self.test_trial(length)?;
        Ok(slope)
    }

    /// Evaluates f and ∇f at the point that `fill` writes from the current one; returns f.
    ///
    /// # Errors
    /// As [`try_length`](Descent::try_length).
    pub fn try_point(&mut self, fill: impl FnOnce(&[F], &mut [F])) -> Result<f64, Halt> {
        self.place(fill)?;
        self.evaluate_trial(None)?;
        self.test_trial(1.0)?;
        Ok(self.trial.value)
    }

    /// Writes a new trial point, inside the walls whatever `fill` writes; the old one is put aside if it
    /// is the best. What `fill` returns.
    pub(super) fn place<T>(&mut self, fill: impl FnOnce(&[F], &mut [F]) -> T) -> Result<T, Halt> {
        self.may_evaluate()?;
        if self.best == Best::Trial {
            swap(&mut self.trial, &mut self.spare);
            self.best = Best::Spare;
        }
        let filled = fill(&self.current.x, &mut self.trial.x);
        if let Some(face) = &self.face {
            face.walls().clip(&mut self.trial.x);
        }
        Ok(filled)
    }

    /// Writes x + α·d to the trial point; whether f and ∇f are known there, since rounding has made
    /// it equal to the trial before, to the best point or to the current one.
    fn place_at(&mut self, length: f64, direction: &[F]) -> Result<bool, Halt> {
        let known = |point: &Point<F>| !point.predicted && !point.gradient_max.is_nan();
        let aside = self.best == Best::Trial;
        let changed = self.place(|x, trial| vector::shifted(x, length, direction, trial))?;
        if !changed && !aside && known(&self.trial) {
            return Ok(true);
        }
        // As a rule these end at the first element.
        if aside && known(&self.spare) && self.trial.x == self.spare.x {
            swap(&mut self.trial, &mut self.spare);
            self.best = Best::Trial;
            return Ok(true);
        }
        if known(&self.current) && self.trial.x == self.current.x {
            let (current, trial) = (&self.current, &mut self.trial);
            trial.gradient.copy_from_slice(&current.gradient);
            trial.reduced.copy_from_slice(&current.reduced);
            (trial.value, trial.gradient_max) = (current.value, current.gradient_max);
            trial.predicted = false;
            return Ok(true);
        }
        Ok(false)
    }

    /// Evaluates the trial point; the slope along a direction, in the same pass as the largest
    /// element.
    pub(super) fn evaluate_trial(&mut self, direction: Option<&[F]>) -> Result<f64, Halt> {
        self.evaluations.gradients += 1;
        let Point { x, gradient, value, gradient_max, .. } = &mut self.trial;
        *value = self.objective.value_and_gradient(x, gradient)?;
        let slope = match (&self.face, direction) {
            (None, Some(direction)) => {
                let (slope, largest) = vector::dot_and_max(gradient, direction);
                *gradient_max = largest;
                slope
            }
            (face, direction) => {
                if let Some(face) = face {
                    *value += face.penalty(x);
                }
                self.trial.measure(self.face.as_ref());
                direction.map_or(f64::NAN, |direction| self.slope_of(&self.trial, direction))
            }
        };
        // NaN would be taken for a gradient that is still to be computed.
        if self.trial.gradient_max.is_nan() {
            self.trial.gradient_max = f64::INFINITY;
        }
        self.trial.predicted = false;
        self.note_best();
        Ok(slope)
    }

    fn note_best(&mut self) {
        if self.trial.value < self.best_value() && self.trial.gradient_max != f64::INFINITY {
            self.best = Best::Trial;
        }
    }

    fn test_target(&mut self) -> Result<(), Halt> {
        let value = self.trial.value;
        if value < -F::max_value().into_f64().sqrt() {
            return Err(Halt::Done(Status::Unbounded));
        }
        match self.limits.target {
            // A value whose gradient is not finite is not the best point's.
            Some(target) if self.best_value() <= target => Err(Halt::Done(Status::TargetReached)),
            _ => Ok(()),
        }
    }

    pub(super) fn test_trial(&mut self, length: f64) -> Result<(), Halt> {
        self.test_target()?;
        if self.trial.value <= self.current.value + self.noise()
            && let Some(test) = self.limits.test_gradient(&self.trial, self.face.as_ref())
        {
            self.accept(length);
            return Err(Halt::Done(Status::Converged(test)));
        }
        Ok(())
    }
}
