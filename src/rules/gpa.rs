//! Generalized primal averaging.

use std::any::Any;

use super::schedule_free::lead_share;
use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::params::ParamsMut;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Generalized primal averaging** of AdamW: u = m̂/(√v̂ + ε) + λz, z -= αu, x = μₓx + (1-μₓ)z,
/// y = μ_y x + (1-μ_y)z, where gradients are taken at y.
///
/// When to use it: in the place of AdamW with an outer loop such as Lookahead or DiLoCo, which it
/// smooths into every step: its authors reach AdamW's loss in fewer steps of language models and vision
/// transformers (Defazio et al. 2025). It goes with a schedule, unlike
/// [`ScheduleFreeAdamW`](crate::ScheduleFreeAdamW), of which it is the kin with fixed shares. The answer is x:
/// settle before each evaluation. Three values a parameter; rates are AdamW's or larger.
///
#[doc = include_str!("../../docs/paths/gpa.svg")]
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `train_share` μ_y | 0.7 | (0, 1) |
/// | `average_share` μₓ | 0.9967 | [0, 1) |
/// | `beta1` β₁ | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `weight_decay` λ | 0 | [0, ∞) |
///
/// x, y and z begin at one point; the parameters that the caller holds are y, and
/// [`settle`](Self::settle) gives x. What is kept is z - y, which begins at 0. μₓ = 0 makes x = z: AdamW with
/// a share of z. The decay is part of u, so that x and y follow z as defined; the authors' code
/// multiplies z alone, before x and y are made of it, which differs by α²λ.
///
/// Source: Defazio, Mishchenko, Raman, Shi & Xiao, "Smoothing DiLoCo with primal averaging for faster training
/// of LLMs", 2025.
///
/// ```
/// use ndarray::array;
/// use thalweg::{GpaAdamW, Optimizer};
/// let mut w = array![1.0];
/// let mut optimizer = GpaAdamW::new(0.05).average_share(0.95);
/// for _ in 0..500 {
///     let gradient = 2.0 * &w; // of w², at y
///     optimizer.step(&mut w, &gradient)?;
/// }
/// optimizer.settle(&mut w)?;
/// assert!(f64::abs(w[0]) < 1e-2);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, GpaAdamW>;

hyperparameters! {
    /// The rule of [`GpaAdamW`](crate::GpaAdamW).
    GpaAdamW {
        /// μ_y, the share of x in y.
        train_share = 0.7 in INNER_FRACTION;
        /// μₓ, the share of x that a step keeps.
        average_share = 0.9967 in FRACTION;
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
        /// λ of the decay αλz.
        weight_decay = 0.0 in NON_NEGATIVE;
    }
}

impl<F: Scalar> Elementwise<F, GpaAdamW> {
    /// Primal averaging of AdamW with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(GpaAdamW::default(), learning_rate)
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
    let share = rule.downcast_ref().map_or(0.0, |rule: &GpaAdamW| lead_share(rule.train_share));
    [F::from_f64(share), F::one()]
}

compiled!(GpaAdamW);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    m_correction: F,
    v_correction: F,
    epsilon: F,
    decay: F,
    /// 1 - μₓ and μₓ.
    share: F,
    rest: F,
    /// What y and z - y take of the direction.
    of_y: F,
    of_lead: F,
}

impl<F: Scalar> Rule<F> for GpaAdamW {
    const NAME: &'static str = "GpaAdamW";
    const SLOTS: &'static [&'static str] = &["lead", "m", "v"];
    type State = [F; 3];
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
        Step {
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            m_correction: F::from_f64(clock.correction(0, self.beta1).recip()),
            v_correction: F::from_f64(clock.correction(1, self.beta2).recip()),
            epsilon: F::from_f64(self.epsilon),
            decay: F::from_f64(self.weight_decay),
            share: F::from_f64(1.0 - self.average_share),
            rest: F::from_f64(self.average_share),
            of_y: F::from_f64(learning_rate * (1.0 - self.train_share * self.average_share)),
            of_lead: F::from_f64(learning_rate * self.train_share),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, y: F, g: F, [lead, m, v]: [F; 3]) -> (F, [F; 3]) {
        let m = k.beta1 * m + k.one_minus_beta1 * g;
        let v = k.beta2 * v + g.share_of_square(k.one_minus_beta2);
        let root = (v * k.v_correction).sqrt() + k.epsilon;
        let u = k.m_correction * m / root + k.decay * (y.flushed() + lead);
        // As schedule-free: what y and its distance to z take of u.
        (y + k.share * lead - k.of_y * u, [k.rest * (lead - k.of_lead * u), m, v])
    }
}
