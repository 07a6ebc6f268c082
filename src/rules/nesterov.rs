//! Nesterov's accelerated gradient.

use std::any::Any;

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::params::ParamsMut;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Nesterov's accelerated gradient**: Δw(t) = γΔw(t-1) - α∇E[w + γΔw(t-1)], then w += Δw.
///
/// When to use it: as [`Momentum`](crate::Momentum), at the same cost: one value a parameter. The
/// gradient at the look-ahead point brakes before the valley rises, which allows a γ nearer to 1
/// (Sutskever et al. 2013); on noisy gradients the two differ little. Typical: γ from 0.9 to 0.99, α
/// from 0.01 to 0.1, with an L2 penalty for convolutional networks.
///
#[doc = include_str!("../../docs/paths/nesterov.svg")]
///
/// The gradient is taken at the look-ahead point w̃ = w + γΔw. The parameters that the caller holds,
/// and computes the gradient at, *are* w̃, so that a step is w̃ += γ(γΔw - αg) - αg;
/// [`settle`](Self::settle) gives w.
///
/// α stands inside the average, as in Keras; [`torch`](Self::torch) keeps it outside.
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `momentum` γ | 0.9 | (-1, 1) |
///
/// Sources: Nesterov, "A method for solving the convex programming problem with convergence rate
/// O(1/k²)", 1983; Sutskever, Martens, Dahl & Hinton 2013.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Nesterov, Optimizer};
/// let mut w = array![1.0];
/// let mut nesterov = Nesterov::new(0.25).momentum(0.5);
/// for _ in 0..60 {
///     let gradient = 2.0 * &w; // of w², at the look-ahead point
///     nesterov.step(&mut w, &gradient)?;
/// }
/// nesterov.settle(&mut w)?;
/// assert!(f64::abs(w[0]) < 1e-9);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Nesterov>;

hyperparameters! {
    /// The rule of [`Nesterov`](crate::Nesterov).
    Nesterov {
        /// γ, the share of the last update that is kept.
        momentum = 0.9 in SYMMETRIC;
    }
    conventions {
        rate_inside: bool = true,
    }
}

impl<F: Scalar> Elementwise<F, Nesterov> {
    /// Nesterov's gradient with that learning rate α ≥ 0, a number or a schedule; also Keras's
    /// convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Nesterov::default(), learning_rate)
    }

    /// PyTorch's and Optax's convention: b = γb + g, w -= α(g + γb).
    pub fn torch(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Nesterov { rate_inside: false, ..Nesterov::default() }, learning_rate)
    }

    /// Brings parameters from the look-ahead point w̃ back to w = w̃ - γΔw.
    ///
    /// Until [`unsettle`](Self::unsettle) a step is an error, and so is settling once more. Before the
    /// first step w is w̃. To evaluate a copy amid training, see [`settle_copy`](Self::settle_copy).
    ///
    /// # Errors
    /// [`ErrorKind::Settled`](crate::ErrorKind::Settled) where they are settled already; as
    /// [`step`](crate::Optimizer::step), for parameters of other names or shapes.
    pub fn settle(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.settle_by(params, true, &factors)
    }

    /// Brings parameters from w back to the look-ahead point w̃, but for the rounding of it.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfTurn`](crate::ErrorKind::OutOfTurn) where they are not settled; as
    /// [`settle`](Self::settle).
    pub fn unsettle(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.settle_by(params, false, &factors)
    }

    /// Brings a copy of the parameters from w̃ to w; training goes on with the parameters themselves.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub fn settle_copy(&self, copy: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        self.settle_copy_by(copy, &factors)
    }
}

/// w = w̃ - rate·(γ·velocity).
fn factors<F: Scalar>(rule: &dyn Any, learning_rate: f64) -> [F; 2] {
    let Some(rule) = rule.downcast_ref::<Nesterov>() else { return [F::zero(); 2] };
    let rate = if rule.rate_inside { 1.0 } else { -learning_rate };
    [F::from_f64(rate), F::from_f64(rule.momentum)]
}

compiled!(Nesterov);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    gamma: F,
    gain: F,
    rate: F,
}

impl<F: Scalar> Rule<F> for Nesterov {
    const NAME: &'static str = "Nesterov";
    const LEARNING_RATE: f64 = 1e-2;
    const SLOTS: &'static [&'static str] = &["velocity"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::SignedMean];
    type State = [F; 1];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let (gain, rate) =
            if self.rate_inside { (-learning_rate, 1.0) } else { (1.0, -learning_rate) };
        Step { gamma: F::from_f64(self.momentum), gain: F::from_f64(gain), rate: F::from_f64(rate) }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [velocity]: [F; 1]) -> (F, [F; 1]) {
        let push = k.gain * g;
        let velocity = k.gamma * velocity + push;
        (w + k.rate * (k.gamma * velocity + push), [velocity])
    }
}
