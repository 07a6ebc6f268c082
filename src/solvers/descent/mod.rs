//! The points of a minimization, and the way to new ones.

mod bend;
mod face;
mod point;
mod recover;
mod search;
mod trial;

use std::mem::swap;
use std::time::Instant;

use ndarray::{Array1, Array2};

use super::halt::Halt;
use super::linearization::Linearization;
use super::objective::FlatObjective;
use super::report::{Evaluations, Status, Test};
use crate::params::Side;
use crate::scalar::Scalar;
use crate::vector;

pub(crate) use face::Face;
pub(crate) use point::{Limits, Point};

/// Which of the three points is the best.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Best {
    Current,
    Trial,
    Spare,
}

/// The points of a minimization: the current one, from which a [`Solver`](super::Solver) goes on,
/// and the trial, which becomes the current one when it is accepted.
///
/// Where the objective panics, the parameters are left at the best point so far.
///
/// Vectors are flat, of [`dim`](Descent::dim) elements. A trial that passes a test of
/// [`Stop`](super::Stop) and is no worse than the current point ends the minimization there and
/// then. Points are swapped, never copied.
pub struct Descent<'a, F: Scalar> {
    objective: &'a mut dyn FlatObjective<F>,
    current: Point<F>,
    trial: Point<F>,
    spare: Point<F>,
    /// Where it may go, if that is not everywhere.
    face: Option<Face<F>>,
    /// The length of the wall that has stopped a search; NaN if none has.
    blocked: f64,
    best: Best,
    limits: Limits,
    evaluations: Evaluations,
    restarts: u64,
    length: f64,
    /// f at the start.
    start_value: f64,
    /// By how much a model of the solver's promises to lower f.
    promise: f64,
    /// What a solver knows of the rounding of f; 0 if nothing.
    rounding: f64,
    /// Recoveries in a row that lowered f by very little.
    weak: u32,
    /// How often a step has made the gradient doubtful.
    doubts: u32,
}

impl<F: Scalar> std::fmt::Debug for Descent<'_, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Descent")
            .field("dim", &self.dim())
            .field("value", &self.current.value)
            .field("evaluations", &self.evaluations)
            .finish_non_exhaustive()
    }
}

impl<'a, F: Scalar> Descent<'a, F> {
    pub(crate) fn new(
        objective: &'a mut dyn FlatObjective<F>,
        start: Vec<F>,
        limits: Limits,
        face: Option<Face<F>>,
    ) -> Self {
        let dim = start.len();
        let room = if face.is_some() { dim } else { 0 };
        let point = || Point { reduced: vec![F::zero(); room], ..Point::new(dim) };
        Self {
            objective,
            current: Point { x: start, ..point() },
            trial: point(),
            spare: point(),
            face,
            blocked: f64::NAN,
            best: Best::Current,
            limits,
            evaluations: Evaluations::default(),
            restarts: 0,
            length: 0.0,
            start_value: f64::NAN,
            promise: f64::INFINITY,
            rounding: 0.0,
            weak: 0,
            doubts: 0,
        }
    }

    /// Evaluates the start, after moving it into the box.
    pub(crate) fn begin(&mut self) -> Result<(), Halt> {
        self.may_evaluate()?;
        self.evaluations.gradients += 1;
        if let Some(face) = &self.face {
            face.bounds().clip(&mut self.current.x);
        }
        let Point { x, gradient, value, .. } = &mut self.current;
        *value = self.objective.value_and_gradient(x, gradient)?;
        if let Some(face) = &mut self.face {
            *value += face.penalty(x);
            face.update(x, gradient, true);
        }
        self.current.measure(self.face.as_ref());
        self.start_value = self.current.value;
        Ok(())
    }

    /// The first element of the gradient that the objective does not write: asks again, with a
    /// number in its place that no gradient has.
    pub(crate) fn find_unwritten(&mut self) -> Result<Option<usize>, Halt> {
        self.may_evaluate()?;
        self.evaluations.gradients += 1;
        let mark = F::from_f64(0.739_085_133_215_160_6);
        let gradient = &mut self.trial.gradient;
        self.objective.value_and_marked_gradient(&self.current.x, gradient, mark)?;
        Ok(gradient.iter().position(|&g| g == mark))
    }

    /// The number of elements of a vector.
    pub fn dim(&self) -> usize {
        self.current.x.len()
    }

    /// The current point.
    pub fn x(&self) -> &[F] {
        &self.current.x
    }

    /// f at the current point.
    pub fn value(&self) -> f64 {
        self.current.value
    }

    /// ∇f at the current point: under bounds 0 of the elements that stay at theirs, and with an L1
    /// penalty that of f + Σ cᵢ|wᵢ|.
    pub fn gradient(&self) -> &[F] {
        self.current.free_gradient()
    }

    /// ∇f at the current point, of all elements and without a penalty.
    pub fn smooth_gradient(&self) -> &[F] {
        &self.current.gradient
    }

    /// ∇f at the trial point, as [`smooth_gradient`](Descent::smooth_gradient).
    pub fn smooth_trial_gradient(&self) -> &[F] {
        &self.trial.gradient
    }

    /// max|∂f/∂wᵢ| at the current point; under bounds of the projected gradient, P(w - ∇f) - w.
    pub fn gradient_max(&self) -> f64 {
        self.current.gradient_max
    }

    /// The trial point; after [`accept`](Descent::accept), and until the next evaluation, the
    /// point that was current before.
    pub fn trial_x(&self) -> &[F] {
        &self.trial.x
    }

    /// f at the trial point, or at the previous one: see [`trial_x`](Descent::trial_x).
    pub fn trial_value(&self) -> f64 {
        self.trial.value
    }

    /// ∇f at the trial point, or at the previous one: see [`trial_x`](Descent::trial_x); as
    /// [`gradient`](Descent::gradient) of the same elements.
    pub fn trial_gradient(&self) -> &[F] {
        self.trial.free_gradient()
    }

    /// The evaluations so far.
    pub fn evaluations(&self) -> Evaluations {
        self.evaluations
    }

    /// Whether the objective gives f alone for less than f and ∇f.
    pub fn has_value(&self) -> bool {
        self.objective.has_value()
    }

    /// Whether the objective gives products with its Hessian.
    pub fn has_hessian_vector(&self) -> bool {
        self.objective.has_hessian_vector()
    }

    /// ∇f(x)ᵀd at the current point; without the elements that a bound stops at once.
    pub fn slope_along(&self, direction: &[F]) -> f64 {
        self.slope_of(&self.current, direction)
    }

    /// gᵀd of a point on the way along d from the current one.
    fn slope_of(&self, point: &Point<F>, direction: &[F]) -> f64 {
        match &self.face {
            None => vector::dot(&point.gradient, direction),
            Some(face) => face.slope(&self.current.x, &point.reduced, direction),
        }
    }

    /// f without a penalty at the trial point and at the current one.
    pub(crate) fn smooth_values(&self) -> (f64, f64) {
        let smooth = |point: &Point<F>| {
            point.value - self.face.as_ref().map_or(0.0, |face| face.penalty(&point.x))
        };
        (smooth(&self.trial), smooth(&self.current))
    }

    /// Whether there are walls, which the solver meets as [`Halt::Wall`].
    pub fn has_walls(&self) -> bool {
        self.face.is_some()
    }

    /// Whether that element stays at its bound.
    pub fn is_held(&self, element: usize) -> bool {
        self.face.as_ref().is_some_and(|face| face.is_held(element))
    }

    /// Zero in place of the elements that stay at their bounds.
    pub fn mask(&self, vector: &mut [F]) {
        if let Some(face) = &self.face {
            face.mask(vector);
        }
    }

    /// Whether the elements that stay at their bounds are pushed against them: a minimum among the free
    /// ones is then one of all.
    pub(crate) fn is_settled(&self) -> bool {
        let face = self.face.as_ref();
        face.is_none_or(|face| face.is_settled(&self.current.x, &self.current.gradient))
    }

    /// Looks which elements stay at their bounds; whether they are others than before. All that can leave
    /// theirs are let go if `release`, else only where it pays.
    pub(crate) fn change_face(&mut self, release: bool) -> bool {
        let Some(face) = &mut self.face else { return false };
        if self.current.predicted || !face.update(&self.current.x, &self.current.gradient, release)
        {
            return false;
        }
        face.reduce(&self.current.gradient, &mut self.current.reduced);
        face.reduce(&self.trial.gradient, &mut self.trial.reduced);
        true
    }

    /// Counts a direction that was given up for -∇f.
    pub fn count_restart(&mut self) {
        self.restarts += 1;
    }

    /// ∇²f(x)·v at the current point; an element that stays at its bound is v's own.
    ///
    /// # Errors
    /// The [`Halt`] of a limit or of the objective.
    pub fn hessian_vector(&mut self, vector: &[F], product: &mut [F]) -> Result<(), Halt> {
        self.may_evaluate()?;
        self.evaluations.hessian_vectors += 1;
        let Some(face) = &self.face else {
            return Ok(self.objective.hessian_vector(&self.current.x, vector, product)?);
        };
        let mut free = vector.to_vec();
        face.mask(&mut free);
        self.objective.hessian_vector(&self.current.x, &free, product)?;
        self.unit_where_held(vector, product);
        Ok(())
    }

    /// Puts the vector's own elements into a product where they are held, as if H were 1 there.
    fn unit_where_held(&self, vector: &[F], product: &mut [F]) {
        let Some(face) = &self.face else { return };
        for (i, (to, &v)) in product.iter_mut().zip(vector).enumerate() {
            if face.is_held(i) {
                *to = v;
            }
        }
    }

    /// Whether the objective gives its Hessian as a matrix.
    pub fn has_hessian(&self) -> bool {
        self.objective.has_hessian()
    }

    /// ∇²f(x) at the current point, n×n; the row and the column of an element that stays at its bound
    /// are those of the unit matrix.
    ///
    /// # Errors
    /// The [`Halt`] of a limit or of the objective.
    pub fn hessian(&mut self, hessian: &mut Array2<F>) -> Result<(), Halt> {
        self.may_evaluate()?;
        self.evaluations.hessians += 1;
        self.objective.hessian(&self.current.x, hessian)?;
        if let Some(face) = &self.face {
            for i in (0..self.current.x.len()).filter(|&i| face.is_held(i)) {
                hessian.row_mut(i).fill(F::zero());
                hessian.column_mut(i).fill(F::zero());
                hessian[(i, i)] = F::one();
            }
        }
        Ok(())
    }

    /// Residuals and Jacobian at the current point, where f is a sum of squares.
    ///
    /// They are those of the gradient that was evaluated there, and count as no evaluation.
    ///
    /// # Errors
    /// The [`Halt`] of the objective.
    pub fn linearize(&mut self) -> Result<Linearization, Halt> {
        Ok(self.objective.linearize(&self.current.x)?)
    }

    /// The residuals at the current point, without weights.
    ///
    /// # Errors
    /// The [`Halt`] of the objective.
    pub fn residuals(&mut self) -> Result<Array1<f64>, Halt> {
        Ok(self.objective.residuals(&self.current.x)?)
    }

    /// The residuals at the trial point, which was just evaluated, without weights.
    ///
    /// # Errors
    /// The [`Halt`] of the objective.
    pub fn trial_residuals(&mut self) -> Result<Array1<f64>, Halt> {
        Ok(self.objective.residuals(&self.trial.x)?)
    }

    /// Makes the trial point the current one; `length` is what the history says of the step.
    pub fn accept(&mut self, length: f64) {
        swap(&mut self.current, &mut self.trial);
        (self.length, self.blocked) = (length, f64::NAN);
        self.best = match self.best {
            Best::Current => Best::Trial,
            Best::Trial => Best::Current,
            Best::Spare => Best::Spare,
        };
    }

    /// Makes the best point that was tried since the last acceptance the current one, if it is
    /// better than that; says whether.
    ///
    /// # Errors
    /// As [`try_length`](Descent::try_length): its gradient may not be known yet.
    pub fn accept_best(&mut self, length: f64) -> Result<bool, Halt> {
        match self.best {
            Best::Current => return Ok(false),
            Best::Trial => {}
            Best::Spare => {
                // It may also be older than the current point, for a solver that lets f rise.
                if self.spare.value >= self.current.value {
                    return Ok(false);
                }
                swap(&mut self.trial, &mut self.spare);
                self.best = Best::Trial;
            }
        }
        if self.trial.gradient_max.is_nan() {
            self.may_evaluate()?;
            self.evaluate_trial(None)?;
            self.test_trial(length)?;
        }
        self.accept(length);
        Ok(true)
    }

    /// Makes x + rα·d the current point, where the trial point is x + α·d and f along d is a
    /// parabola with its minimum at rα: f and ∇f there are interpolated, not evaluated.
    ///
    /// Where the interpolated gradient passes a test, the point is evaluated after all. A point that
    /// was not evaluated is never the best one.
    ///
    /// # Errors
    /// As [`try_length`](Descent::try_length).
    pub(crate) fn accept_minimum(
        &mut self,
        ratio: f64,
        length: f64,
        direction: &[F],
        slope: f64,
    ) -> Result<(), Halt> {
        let value = self.current.value + 0.5 * ratio * length * slope;
        if self.best == Best::Trial {
            swap(&mut self.trial, &mut self.spare);
            self.best = Best::Spare;
            self.trial.gradient.copy_from_slice(&self.spare.gradient);
        }
        let trial = &mut self.trial;
        vector::shifted(&self.current.x, ratio * length, direction, &mut trial.x);
        vector::combine(1.0 - ratio, &self.current.gradient, ratio, &mut trial.gradient);
        trial.measure(self.face.as_ref());
        (trial.value, trial.predicted) = (value, true);
        if self.limits.test_gradient(trial, self.face.as_ref()).is_some() {
            self.may_evaluate()?;
            self.evaluate_trial(None)?;
            self.test_trial(ratio * length)?;
        }
        self.accept(ratio * length);
        Ok(())
    }

    /// Whether value and gradient of the current point were interpolated.
    pub(crate) fn is_predicted(&self) -> bool {
        self.current.predicted
    }

    /// Evaluates the current point if its value and gradient were interpolated; says whether.
    ///
    /// # Errors
    /// As [`try_length`](Descent::try_length).
    pub(crate) fn confirm(&mut self) -> Result<bool, Halt> {
        if !self.current.predicted {
            return Ok(false);
        }
        self.place(|x, trial| trial.copy_from_slice(x))?;
        self.evaluate_trial(None)?;
        self.test_trial(0.0)?;
        self.accept(0.0);
        Ok(true)
    }

    /// Whether a test of the gradient holds at the current point.
    pub(crate) fn test_gradient(&self) -> Option<Test> {
        if self.current.predicted {
            return None;
        }
        self.limits.test_gradient(&self.current, self.face.as_ref())
    }

    /// Whether the trial point is elsewhere than the current one, and f there no higher but for
    /// rounding.
    pub(crate) fn falls(&self) -> bool {
        let higher = self.trial.value > self.current.value + self.noise();
        self.moves() && (!higher || self.current.predicted)
    }

    /// Whether the trial point is elsewhere than the current one.
    pub(crate) fn moves(&self) -> bool {
        self.trial.x != self.current.x
    }

    pub(crate) fn length(&self) -> f64 {
        self.length
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.restarts
    }

    /// The point to end with, and what is to be said of it: the current one if it passed a test, else
    /// the best.
    pub(crate) fn into_result(mut self, status: Status) -> (Point<F>, Vec<(usize, Side)>, Status) {
        let best = if status.is_converged() && !self.current.predicted {
            &mut self.current
        } else {
            self.best_mut()
        };
        let point = std::mem::replace(best, Point::new(0));
        let status = match status {
            // A trial that was no better than the point before may pass all the same.
            Status::Stalled(_)
            | Status::EvaluationLimit
            | Status::IterationLimit
            | Status::TimeLimit => match self.limits.target {
                Some(target) if point.value <= target => Status::TargetReached,
                _ => {
                    let test = self.limits.test_gradient(&point, self.face.as_ref());
                    test.map_or(status, Status::Converged)
                }
            },
            _ => status,
        };
        let active = self.face.as_ref().map(|face| face.active(&point.x, &point.gradient));
        (point, active.unwrap_or_default(), status)
    }

    fn best_mut(&mut self) -> &mut Point<F> {
        match self.best {
            Best::Trial => &mut self.trial,
            Best::Spare => &mut self.spare,
            Best::Current => &mut self.current,
        }
    }

    fn may_evaluate(&self) -> Result<(), Halt> {
        if self.evaluations.total() >= self.limits.evaluations {
            return Err(Halt::Done(Status::EvaluationLimit));
        }
        match self.limits.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Halt::Done(Status::TimeLimit)),
            _ => Ok(()),
        }
    }

    fn best_value(&self) -> f64 {
        match self.best {
            Best::Current => self.current.value,
            Best::Trial => self.trial.value,
            Best::Spare => self.spare.value,
        }
    }
}

impl<F: Scalar> Drop for Descent<'_, F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let best = match self.best {
                Best::Trial => &self.trial.x,
                Best::Spare => &self.spare.x,
                Best::Current => &self.current.x,
            };
            self.objective.put(best);
        }
    }
}
