//! Schedule-free SGD.

use std::any::Any;

use super::schedule_free::{lead_share, share, warmed};
use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::params::ParamsMut;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Schedule-free SGD**: no schedule and no momentum, an average in the place of both.
///
/// When to use it: where SGD with momentum and a decaying rate would be taken (convolutional networks,
/// convex problems) and the end of the training is not known. The answer is x, not what the
/// gradient is taken at: settle before each evaluation. One value a parameter; rates are far larger than
/// those of momentum, up to 50 times those with γ = 0.9, and it wants a warm-up.
///
#[doc = include_str!("../../docs/paths/schedule-free-sgd.svg")]
///
/// z -= α(g + λy), x += c(z - x), y = (1-γ)z + γx, all from one point; the gradient g is taken at y,
/// which is what the caller holds, and [`settle`](Self::settle) gives x. c is the share of this step's
/// weight w(t) = tʳ·ᾱᵖ in the sum of all so far, where ᾱ is the highest rate yet.
///
/// | hyperparameter | default | range | in `schedulefree` |
/// |---|---|---|---|
/// | `momentum` γ | 0.9 | (0, 1) | `momentum` |
/// | `weight_decay` λ | 0 | [0, ∞) | `weight_decay` |
/// | `step_power` r | 0 | [0, ∞) | `r` |
/// | `rate_power` p | 2 | [0, ∞) | `weight_lr_power` |
/// | [`warmup`](Self::warmup) | 0 | | `warmup_steps` |
///
/// The default is that package's, and Optax's without warm-up.
///
/// Source: Defazio, Yang, Mehta, Mishchenko, Khaled & Cutkosky, "The road less scheduled", 2024.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, ScheduleFreeSgd};
/// let mut w = array![1.0];
/// let mut optimizer = ScheduleFreeSgd::new(0.4);
/// for _ in 0..200 {
///     let gradient = 2.0 * &w; // of w², at y
///     optimizer.step(&mut w, &gradient)?;
/// }
/// optimizer.settle(&mut w)?;
/// assert!(f64::abs(w[0]) < 1e-2);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, ScheduleFreeSgd>;

hyperparameters! {
    /// The rule of [`ScheduleFreeSgd`](crate::ScheduleFreeSgd).
    ScheduleFreeSgd {
        /// γ, the share of x in y.
        momentum = 0.9 in INNER_FRACTION;
        /// λ of the decay αλy.
        weight_decay = 0.0 in NON_NEGATIVE;
        /// r: step t weighs as tʳ.
        step_power = 0.0 in NON_NEGATIVE;
        /// p: a step weighs as the highest rate so far to this power.
        rate_power = 2.0 in NON_NEGATIVE;
    }
    conventions {
        warmup: u64 = 0,
    }
}

impl<F: Scalar> Elementwise<F, ScheduleFreeSgd> {
    /// Schedule-free SGD with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(ScheduleFreeSgd::default(), learning_rate)
    }

    /// Multiplies the rate by t/steps while t is below that many steps.
    #[must_use]
    pub fn warmup(self, steps: u64) -> Self {
        self.with(|rule| rule.warmup = steps)
    }

    /// Brings parameters from y, where gradients are taken, to x, the average to evaluate.
    ///
    /// Until [`unsettle`](Self::unsettle) a step is an error, and so is settling once more.
    ///
    /// # Errors
    /// [`ErrorKind::Settled`](crate::ErrorKind::Settled) where they are settled already; as
    /// [`step`](crate::Optimizer::step), for parameters of other names or shapes.
    pub fn settle(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.settle_by(params, true, &factors)
    }

    /// Brings parameters from x back to y: what [`settle`](Self::settle) did, undone but for rounding.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfTurn`](crate::ErrorKind::OutOfTurn) where they are not settled; as
    /// [`settle`](Self::settle).
    pub fn unsettle(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.settle_by(params, false, &factors)
    }

    /// Brings a copy of the parameters from y to x; training goes on with the parameters themselves.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub fn settle_copy(&self, copy: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.settle_copy_by(copy, &factors)
    }
}

/// x = y - share·lead.
fn factors<F: Scalar>(rule: &dyn Any, _learning_rate: f64) -> [F; 2] {
    let share = rule.downcast_ref().map_or(0.0, |rule: &ScheduleFreeSgd| lead_share(rule.momentum));
    [F::from_f64(share), F::one()]
}

compiled!(ScheduleFreeSgd);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    decay: F,
    /// c and 1 - c.
    share: F,
    rest: F,
    /// What y and z - y take of the direction.
    of_y: F,
    of_lead: F,
}

impl<F: Scalar> Rule<F> for ScheduleFreeSgd {
    const NAME: &'static str = "ScheduleFreeSgd";
    const LEARNING_RATE: f64 = 1.0;
    const SLOTS: &'static [&'static str] = &["lead"];
    type State = [F; 1];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let rate = warmed(clock, learning_rate, self.warmup);
        let share = share(clock, rate, self.step_power, self.rate_power);
        let rest = 1.0 - share;
        Step {
            decay: F::from_f64(self.weight_decay),
            share: F::from_f64(share),
            rest: F::from_f64(rest),
            of_y: F::from_f64(rate * (1.0 - self.momentum * rest)),
            of_lead: F::from_f64(rate * self.momentum),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, y: F, g: F, [lead]: [F; 1]) -> (F, [F; 1]) {
        let u = g + k.decay * y.flushed();
        (y + k.share * lead - k.of_y * u, [k.rest * (lead - k.of_lead * u)])
    }
}
