//! Schedule-free AdamW.

use std::any::Any;

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::params::ParamsMut;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Schedule-free AdamW**: no schedule, an average in its place.
///
/// When to use it: where the end of the training is not known, or a schedule not wanted. The answer
/// is x, not what the gradient is taken at: settle before each evaluation, and unsettle after it. Two
/// values a parameter; rates are those of AdamW with a schedule, or up to ten times that, after a
/// warm-up, with β₁ from 0.9 to 0.98.
///
#[doc = include_str!("../../docs/paths/schedule-free.svg")]
///
/// Of three sequences that begin at the same point, the gradient g is taken at y:
/// u = g/(√v̂ + ε) + λy, z -= αu, x += c(z - x), y = (1-β₁)z + β₁x. The parameters that the caller
/// holds, and computes the gradient at, *are* y; x is the answer, for evaluation, and
/// [`settle`](Self::settle) gives it. c is the share of this step's weight w(t) = tʳ·ᾱᵖ in the sum of
/// all so far, where ᾱ is the highest rate yet.
///
/// | hyperparameter | default | range | in `schedulefree` |
/// |---|---|---|---|
/// | `beta1` β₁ | 0.9 | (0, 1) | `betas[0]` |
/// | `beta2` β₂ | 0.999 | [0, 1) | `betas[1]` |
/// | `epsilon` ε | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) | `eps` |
/// | `weight_decay` λ | 0 | [0, ∞) | `weight_decay` |
/// | `step_power` r | 0 | [0, ∞) | `r` |
/// | `rate_power` p | 2 | [0, ∞) | `weight_lr_power` |
/// | [`warmup`](Self::warmup) | 0 | | `warmup_steps` |
///
/// The default is that package's, and Optax's without warm-up. What is kept is z - y, which begins
/// at 0, rather than z: the same numbers with fewer cancelled digits.
///
/// Source: Defazio, Yang, Mehta, Mishchenko, Khaled & Cutkosky, "The road less scheduled", 2024.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, ScheduleFreeAdamW};
/// let mut w = array![1.0];
/// let mut optimizer = ScheduleFreeAdamW::new(0.05);
/// for _ in 0..2000 {
///     let gradient = 2.0 * &w; // of w², at y
///     optimizer.step(&mut w, &gradient)?;
/// }
/// optimizer.settle(&mut w)?;
/// assert!(f64::abs(w[0]) < 1e-2);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, ScheduleFreeAdamW>;

hyperparameters! {
    /// The rule of [`ScheduleFreeAdamW`](crate::ScheduleFreeAdamW).
    ScheduleFreeAdamW {
        /// β₁, the share of x in y.
        beta1 = 0.9 in INNER_FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
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

impl<F: Scalar> Elementwise<F, ScheduleFreeAdamW> {
    /// Schedule-free AdamW with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(ScheduleFreeAdamW::default(), learning_rate)
    }

    /// Multiplies the rate by t/steps while t is below that many steps.
    #[must_use]
    pub fn warmup(self, steps: u64) -> Self {
        self.with(|rule| rule.warmup = steps)
    }

    /// Brings parameters from y, where gradients are taken, to x, the average to evaluate.
    ///
    /// Until [`unsettle`](Self::unsettle) a step is an error, and so is settling once more. Before the
    /// first step x is y. To evaluate a copy amid training, see [`settle_copy`](Self::settle_copy).
    ///
    /// # Errors
    /// [`ErrorKind::Settled`](crate::ErrorKind::Settled) where they are settled already; as
    /// [`step`](crate::Optimizer::step), for parameters of other names or shapes.
    pub fn settle(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.settle_by(params, true, &factors)
    }

    /// Brings parameters from x back to y: what [`settle`](Self::settle) did, undone but for the
    /// rounding of it.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfTurn`](crate::ErrorKind::OutOfTurn) where they are not settled; as
    /// [`settle`](Self::settle).
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{Optimizer, ScheduleFreeAdamW};
    /// let mut w = array![1.0, -2.0];
    /// let mut optimizer = ScheduleFreeAdamW::new(0.1);
    /// for _ in 0..5 {
    ///     let gradient = 2.0 * &w;
    ///     optimizer.step(&mut w, &gradient)?;
    /// }
    /// let y = w.clone();
    /// optimizer.settle(&mut w)?;
    /// assert!((&w - &y).iter().all(|d: &f64| d.abs() > 1e-3));
    /// assert!(optimizer.step(&mut w, &y).is_err()); // evaluation is not over
    /// optimizer.unsettle(&mut w)?;
    /// assert!((&w - &y).iter().all(|d| d.abs() < 1e-15));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
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
    let share = rule.downcast_ref().map_or(0.0, |rule: &ScheduleFreeAdamW| lead_share(rule.beta1));
    [F::from_f64(share), F::one()]
}

/// (y - x)/(z - y), where `share` is that of x in y.
pub(super) fn lead_share(share: f64) -> f64 {
    (1.0 - share) / share
}

/// The rate of a step of a warm-up over so many.
pub(super) fn warmed(clock: &Clock, learning_rate: f64, warmup: u64) -> f64 {
    let now = clock.optimizer_step();
    if now < warmup { learning_rate * (now as f64 / warmup as f64) } else { learning_rate }
}

/// The share of a step at that rate in the average: its weight in the sum of all so far, which is carried.
pub(super) fn share(clock: &mut Clock, rate: f64, step_power: f64, rate_power: f64) -> f64 {
    let step_weight = (clock.step() as f64).powf(step_power);
    let [sum, highest] = clock.carried();
    *highest = highest.max(rate);
    let weight = step_weight * highest.powf(rate_power);
    *sum += weight;
    // Weights beyond all numbers leave the last step alone.
    let share = if *sum > 0.0 { weight / *sum } else { 0.0 };
    if share.is_finite() { share } else { 1.0 }
}

compiled!(ScheduleFreeAdamW);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    rate: f64,
    beta2: F,
    one_minus_beta2: F,
    v_correction: F,
    epsilon: F,
    decay: F,
    /// c and 1 - c.
    share: F,
    rest: F,
    /// What y and z - y take of the direction.
    of_y: F,
    of_lead: F,
}

impl ScheduleFreeAdamW {
    /// Completes the constants of a step whose share in the average is `share`.
    fn weigh<F: Scalar>(&self, k: &mut Step<F>, share: f64) {
        let rest = 1.0 - share;
        k.share = F::from_f64(share);
        k.rest = F::from_f64(rest);
        k.of_y = F::from_f64(k.rate * (1.0 - self.beta1 * rest));
        k.of_lead = F::from_f64(k.rate * self.beta1);
    }
}

impl<F: Scalar> Rule<F> for ScheduleFreeAdamW {
    const NAME: &'static str = "ScheduleFreeAdamW";
    const LEARNING_RATE: f64 = 2.5e-3;
    const SLOTS: &'static [&'static str] = &["lead", "v"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::Exact, SlotKind::NonNegativeMean];
    type State = [F; 2];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn largest_gradient(&self) -> f64 {
        F::LARGEST_SQUARABLE
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let mut k = Step {
            rate: warmed(clock, learning_rate, self.warmup),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            v_correction: F::from_f64(clock.correction(1, self.beta2).recip()),
            epsilon: F::from_f64(self.epsilon),
            decay: F::from_f64(self.weight_decay),
            share: F::zero(),
            rest: F::zero(),
            of_y: F::zero(),
            of_lead: F::zero(),
        };
        let share = share(clock, k.rate, self.step_power, self.rate_power);
        self.weigh(&mut k, share);
        k
    }

    #[inline(always)]
    fn update(k: &Step<F>, y: F, g: F, [lead, v]: [F; 2]) -> (F, [F; 2]) {
        let v = k.beta2 * v + g.share_of_square(k.one_minus_beta2);
        let u = g / ((v * k.v_correction).sqrt() + k.epsilon) + k.decay * y.flushed();
        // y + c(z - y) - α(1 - β₁(1-c))u, and what z = z - αu then leads it by.
        (y + k.share * lead - k.of_y * u, [k.rest * (lead - k.of_lead * u), v])
    }
}
