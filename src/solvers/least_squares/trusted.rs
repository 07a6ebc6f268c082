//! What Levenberg-Marquardt and the dogleg share: a model, how far it is trusted, and when it is done.

use super::model::{Coordinates, Model};
use crate::error::Error;
use crate::interval::Interval;
use crate::scalar::Scalar;
use crate::solvers::descent::Descent;
use crate::solvers::halt::Halt;
use crate::solvers::model::zero;
use crate::solvers::report::{Status, Test};

/// Trials of one iteration at most.
const TRIALS: u32 = 60;
/// The share of the promised decrease from which a step is taken.
const ENOUGH: f64 = 1e-4;

/// When a solver of least squares has arrived, beside the tests of [`Stop`](crate::solvers::Stop).
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerances {
    pub(super) offset: f64,
    pub(super) decrease: f64,
    pub(super) step: f64,
}

impl Tolerances {
    pub(super) fn new() -> Self {
        Self { offset: 1e-7, decrease: 1e-15, step: 1e-10 }
    }

    pub(super) fn validate(self, owner: &'static str) -> Result<(), Error> {
        let settings = [("offset", self.offset), ("decrease", self.decrease), ("step", self.step)];
        settings
            .into_iter()
            .try_for_each(|(name, value)| Interval::NON_NEGATIVE.check::<f64>(owner, name, value))
    }
}

/// The setters of [`Tolerances`], the same for every solver that has them.
macro_rules! tolerances {
    () => {
        /// Ends where Bates and Watts' relative offset is at most this, √(‖QQᵀr‖²/n) ÷
        /// √(‖r - QQᵀr‖²/(m - n)) with Q a basis of J's columns: the way to the minimum beside the
        /// radius of the parameters' confidence region. Default 1e-7; in [0, ∞).
        #[must_use]
        pub fn offset(mut self, tolerance: f64) -> Self {
            self.tolerances.offset = tolerance;
            self
        }

        /// Ends where f falls by no more than this part of itself, and as the model said. Default 1e-15;
        /// in [0, ∞).
        #[must_use]
        pub fn decrease(mut self, tolerance: f64) -> Self {
            self.tolerances.decrease = tolerance;
            self
        }

        /// Ends where a whole Gauss-Newton step lowers f, and moves each parameter by no more than this
        /// part of itself, |pⱼ| ≤ `tolerance`·|wⱼ|, or of the residuals, |pⱼ|·‖Jⱼ‖ ≤ `tolerance`·‖r‖. Default 1e-10; in [0, ∞).
        #[must_use]
        pub fn step_size(mut self, tolerance: f64) -> Self {
            self.tolerances.step = tolerance;
            self
        }
    };
}
pub(super) use tolerances;

/// A model and the radius Δ within which it is believed.
#[derive(Debug, Clone)]
pub(super) struct Trusted<F> {
    pub(super) model: Model,
    radius: f64,
    pub(super) step: Vec<F>,
}

/// A step that is to be tried.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) coordinates: Coordinates,
    /// Whether it is worth a trial at all.
    pub(super) stands: bool,
}

impl<F: Scalar> Trusted<F> {
    pub(super) fn new() -> Self {
        Self { model: Model::default(), radius: f64::NAN, step: Vec::new() }
    }

    pub(super) fn start(&mut self, descent: &Descent<'_, F>) {
        self.model.start();
        self.radius = f64::NAN;
        zero(&mut self.step, descent.dim());
    }

    pub(super) fn radius(&self) -> f64 {
        self.radius
    }

    /// The model at the current point, and whether it is where the residuals are orthogonal to all that
    /// a step can do.
    pub(super) fn look(
        &mut self,
        descent: &mut Descent<'_, F>,
        first: f64,
        tolerances: Tolerances,
    ) -> Result<(), Halt> {
        self.model.update(descent)?;
        if self.radius.is_nan() {
            let size = self.model.measure(descent.x());
            self.radius = first * if size > 0.0 { size } else { 1.0 };
        }
        match self.model.offset() {
            Some(offset) if offset <= tolerances.offset => Err(arrived(descent, Test::Orthogonal)),
            _ => Ok(()),
        }
    }

    /// Tries steps of ever smaller Δ until one lowers f as it should, and takes it.
    pub(super) fn take(
        &mut self,
        descent: &mut Descent<'_, F>,
        tolerances: Tolerances,
        mut propose: impl FnMut(&mut Self, &mut Descent<'_, F>) -> Result<Proposal, Halt>,
    ) -> Result<(), Halt> {
        let rounding = self.model.rounding(descent.x());
        for _ in 0..TRIALS {
            let Proposal { coordinates, stands } = propose(self, descent)?;
            let size = coordinates.size();
            let promise = self.model.promise(&coordinates);
            if !stands {
                self.radius = 0.25 * size;
                continue;
            }
            if !(size > 0.0 && promise > 0.0) {
                return Err(Halt::Stuck);
            }
            if !coordinates.at_border {
                descent.note_promise(promise);
            }
            let (length, value) = descent.try_value(1.0, &self.step)?;
            let fell = self.fall(descent, length, value, promise)?;
            let ratio = fell / self.model.promise_of(&coordinates, length);
            self.adapt(&coordinates, ratio, size, fell);
            if ratio > ENOUGH && value.is_finite() {
                let at_border = coordinates.at_border || length < 1.0;
                return self.arrive(descent, tolerances, length, (!at_border).then_some(promise));
            }
            // Nothing is to be gained here but rounding.
            if promise <= rounding && value.is_finite() {
                return if coordinates.at_border {
                    Err(Halt::Stuck)
                } else {
                    Err(arrived(descent, Test::Model))
                };
            }
        }
        Err(Halt::Stuck)
    }

    /// By how much f falls; where the values differ by little more than rounding, from the slopes at both
    /// ends, whose mean is better known.
    fn fall(
        &self,
        descent: &mut Descent<'_, F>,
        length: f64,
        value: f64,
        promise: f64,
    ) -> Result<f64, Halt> {
        let noise = 16.0 * self.model.rounding(descent.x());
        let fell = descent.value() - value;
        if fell.abs() > noise || promise > noise || !value.is_finite() {
            return Ok(fell);
        }
        let before = descent.slope_along(&self.step);
        let after = descent.complete_trial(length, &self.step)?;
        Ok(-0.5 * length * (before + after))
    }

    /// Takes the trial, which lowers f; `promise` is that of a whole step.
    fn arrive(
        &self,
        descent: &mut Descent<'_, F>,
        tolerances: Tolerances,
        length: f64,
        promise: Option<f64>,
    ) -> Result<(), Halt> {
        let (before, rounding) = (descent.value(), self.model.rounding(descent.x()));
        descent.complete_trial(length, &self.step)?;
        descent.accept(length);
        let fell = before - descent.value();
        let Some(promise) = promise.filter(|_| fell > 0.0) else { return Ok(()) };
        let least = (tolerances.decrease * before).max(rounding);
        if fell <= least && promise <= least {
            return Err(arrived(descent, Test::RelativeDecrease));
        }
        if self.model.is_small(&self.step, descent.x(), tolerances.step) {
            return Err(arrived(descent, Test::Step));
        }
        Ok(())
    }

    /// Δ after a trial.
    fn adapt(&mut self, step: &Coordinates, ratio: f64, size: f64, fell: f64) {
        if ratio > 0.75 || (ratio > 0.25 && !step.at_border) {
            self.radius = 2.0 * size;
        } else if ratio.is_nan() || ratio <= 0.25 {
            // Where the parabola through both values has its minimum.
            let slope = self.model.slope(step);
            let parabola = 0.5 * slope / (fell + slope);
            let part = if parabola.is_finite() { parabola.clamp(0.1, 0.5) } else { 0.1 };
            self.radius = part * size.min(10.0 * self.radius);
        }
    }
}

/// The end by a test, unless elements at their bounds are still to leave them.
pub(super) fn arrived<F: Scalar>(descent: &Descent<'_, F>, test: Test) -> Halt {
    if descent.is_settled() { Halt::Done(Status::Converged(test)) } else { Halt::Stuck }
}
