//! NovoGrad.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **NovoGrad**: momentum of gradients that are normalized for each leaf, by an average of the squares of
/// their norms.
///
/// When to use it: speech and other deep convolutional models in large batches, for which it was made; half
/// of Adam's memory, one value a parameter. Rates are of the order of those of momentum divided by the norms
/// of gradients: 1e-2 is usual, with a warm-up.
///
#[doc = include_str!("../../docs/paths/novograd.svg")]
///
/// For each leaf v = β₂v + (1-β₂)‖g‖², m = β₁m + g/(√v + ε) + λw, Δw = -αm; at the first step v = ‖g‖².
///
/// | hyperparameter | default | [`optax`](Self::optax) | [`pytorch_optimizer`](Self::pytorch_optimizer) | range |
/// |---|---|---|---|---|
/// | `beta1` β₁ | 0.95 | 0.9 | 0.95 | [0, 1) |
/// | `beta2` β₂ | 0.98 | 0.25 | 0.98 | [0, 1) |
/// | `epsilon` ε | 1e-8 | 1e-6 | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `weight_decay` λ | 0 | 0 | 0 | [0, ∞) |
/// | [`averaged`](Self::averaged) | no | no | no | |
///
/// The default has the β of the paper's experiments. v is one number for each leaf, so norms over splits of
/// a leaf are other ones. Its authors' decay is in the direction, as here; a decoupled one is
/// [`decoupled_decay`](Self::decoupled_decay).
///
/// Source: Ginsburg et al., "Stochastic gradient methods with layer-wise adaptive moments for training of
/// deep networks", 2019.
///
/// ```
/// use ndarray::array;
/// use thalweg::{NovoGrad, Optimizer};
/// let mut w = array![3.0, 4.0];
/// NovoGrad::new(0.1).step(&mut w, &array![3e6, -4e6])?; // g/‖g‖ = (0.6, -0.8)
/// assert!((&w - &array![2.94, 4.08]).iter().all(|d: &f64| d.abs() < 1e-14));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, NovoGrad>;

hyperparameters! {
    /// The rule of [`NovoGrad`](crate::NovoGrad).
    NovoGrad {
        /// β₁, the share of the momentum that is kept.
        beta1 = 0.95 in FRACTION;
        /// β₂, the share of the average of squares of norms that is kept.
        beta2 = 0.98 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
        /// λ of the decay that is part of the direction.
        weight_decay = 0.0 in NON_NEGATIVE;
    }
    conventions {
        averaged: bool = false,
    }
}

impl<F: Scalar> Elementwise<F, NovoGrad> {
    /// NovoGrad with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(NovoGrad::default(), learning_rate)
    }

    /// Optax's convention: β₁ = 0.9, β₂ = 0.25, ε = 1e-6.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).beta1(0.9).beta2(0.25).epsilon(1e-6)
    }

    /// The convention of pytorch-optimizer, but for its decay, which is decoupled unless told otherwise: see
    /// [`decoupled_decay`](Self::decoupled_decay).
    pub fn pytorch_optimizer(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate)
    }

    /// Whether m takes the share 1-β₁ of each direction after the first, rather than all of it.
    #[must_use]
    pub fn averaged(self, averaged: bool) -> Self {
        self.with(|rule| rule.averaged = averaged)
    }
}

compiled!(NovoGrad);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    taken: F,
    scale: F,
    decay: F,
    rate: F,
}

impl<F: Scalar> Rule<F> for NovoGrad {
    const NAME: &'static str = "NovoGrad";
    const LEARNING_RATE: f64 = 1e-2;
    const SLOTS: &'static [&'static str] = &["m"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::SignedMean];
    type State = [F; 1];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let taken = if self.averaged && clock.step() > 1 { 1.0 - self.beta1 } else { 1.0 };
        Step {
            beta1: F::from_f64(self.beta1),
            taken: F::from_f64(taken),
            scale: F::from_f64(taken),
            decay: F::from_f64(taken * self.weight_decay),
            rate: F::from_f64(learning_rate),
        }
    }

    const NORMS: bool = true;
    const LEAF_CLOCKS: bool = true;

    #[inline(always)]
    fn norms(_k: &Step<F>, _w: F, g: F, _state: [F; 1]) -> [F; 2] {
        [g, F::zero()]
    }

    fn of_leaf(&self, k: &mut Step<F>, [norm, _]: [f64; 2], clock: &mut Clock) {
        // The root is what is carried: squares of norms have less room.
        let [root, knows] = clock.carried();
        if norm.is_finite() {
            *root = if *knows == 0.0 {
                norm
            } else {
                (self.beta2.sqrt() * *root).hypot((1.0 - self.beta2).sqrt() * norm)
            };
            *knows = 1.0;
        }
        // A norm that is not finite scales nothing.
        if *knows == 1.0 {
            k.scale = F::from_f64(k.taken.into_f64() / (*root + self.epsilon));
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m]: [F; 1]) -> (F, [F; 1]) {
        let m = k.beta1 * m + k.scale * g + k.decay * w.flushed();
        (w - k.rate * m, [m])
    }
}
