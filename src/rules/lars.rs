//! LARS.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **LARS**, layer-wise adaptive rate scaling: momentum whose rate is scaled for each leaf by
/// r = η‖w‖/(‖g‖ + λ‖w‖ + ε): v = γv + αr(g + λw), Δw = -v.
///
/// When to use it: convolutional networks in batches of many thousands: a leaf moves by a share of
/// about αη of its length, whatever the size of its gradient. It wants a warm-up, and biases and
/// gains left out. Momentum with as much tuning does as well (Nado et al., "A large batch optimizer
/// reality check", 2021). One value a parameter, and a pass for the norms.
///
#[doc = include_str!("../../docs/paths/lars.svg")]
///
/// | hyperparameter | default | [`timm`](Self::timm) | range |
/// |---|---|---|---|
/// | `momentum` γ | 0.9 | 0.9 | (-1, 1) |
/// | `dampening` | 0 | 0 | [0, 1) |
/// | `weight_decay` λ | 0 | 0 | [0, ∞) |
/// | `trust_coefficient` η | 1e-3 | 1e-3 | [0, ∞) |
/// | `epsilon` ε | 0 | 1e-8 | [0, ∞) |
/// | [`nesterov`](Self::nesterov), [`trust_clip`](Self::trust_clip) | no | no | |
///
/// | convention | r | α | r = 1 where |
/// |---|---|---|---|
/// | [`new`](Self::new), the paper's | as above | inside v | ‖w‖ or the denominator is 0 |
/// | [`optax`](Self::optax) | η‖w‖/(‖g + λw‖ + ε) | inside v | ‖w‖ or ‖g + λw‖ is 0 |
/// | [`timm`](Self::timm) | as above | outside | ‖w‖ or ‖g‖ is 0 |
/// | [`pytorch_optimizer`](Self::pytorch_optimizer) | as above | outside | as the paper's |
///
/// A norm that is not finite makes r = 1, too. Biases and gains are usually left out, as
/// pytorch-optimizer does with all leaves of rank 1:
/// `.group("*bias", |b| b.weight_decay(0.0).adapted(false))`. Rates are larger than those of
/// momentum, but a leaf that begins at 0 takes its first step with r = 1: above α = 1 leave those
/// leaves out, or give them a [`rate_factor`](Self::rate_factor). The norms cost one read of
/// everything.
///
/// Source: You, Gitman & Ginsburg, "Large batch training of convolutional networks", 2017.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Lars, Optimizer};
/// let mut w = array![3.0, 4.0];
/// Lars::new(0.5).trust_coefficient(0.1).step(&mut w, &array![0.0, 1e6])?;
/// // ‖w‖ = 5, so that the step is 0.5·0.1·5 long.
/// assert!((&w - &array![3.0, 3.75]).iter().all(|d: &f64| d.abs() < 1e-14));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Lars>;

hyperparameters! {
    /// The rule of [`Lars`](crate::Lars).
    Lars {
        /// γ, the share of the last update that is kept.
        momentum = 0.9 in SYMMETRIC;
        /// the share of each gradient that is kept out of v.
        dampening = 0.0 in FRACTION;
        /// λ of the decay that is added to the gradient.
        weight_decay = 0.0 in NON_NEGATIVE;
        /// η, the length of a step relative to ‖w‖.
        trust_coefficient = 1e-3 in NON_NEGATIVE;
        /// ε, which is added to the norm below.
        epsilon = 0.0 in NON_NEGATIVE;
    }
    conventions {
        nesterov: bool = false,
        trust_clip: bool = false,
        adapted: bool = true,
        convention: Convention = Convention::Paper,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Convention {
    Paper,
    Optax,
    Timm,
    PytorchOptimizer,
}

impl Convention {
    fn rate_inside(self) -> bool {
        matches!(self, Convention::Paper | Convention::Optax)
    }
}

impl<F: Scalar> Elementwise<F, Lars> {
    /// LARS with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Lars::default(), learning_rate)
    }

    /// Optax's convention: the norm is that of g + λw.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        let rule = Lars { convention: Convention::Optax, ..Lars::default() };
        Self::of_compiled(rule, learning_rate)
    }

    /// Timm's convention: v = γv + (1 - dampening)·r(g + λw), the first undampened, Δw = -αv;
    /// ε = 1e-8.
    ///
    /// Timm adapts nothing where λ = 0, unless told to; here that is [`adapted`](Self::adapted).
    pub fn timm(learning_rate: impl Into<Schedule>) -> Self {
        let rule = Lars { convention: Convention::Timm, epsilon: 1e-8, ..Lars::default() };
        Self::of_compiled(rule, learning_rate)
    }

    /// The convention of pytorch-optimizer: v = γv + (1 - dampening)·r(g + λw), Δw = -αv.
    pub fn pytorch_optimizer(learning_rate: impl Into<Schedule>) -> Self {
        let rule = Lars { convention: Convention::PytorchOptimizer, ..Lars::default() };
        Self::of_compiled(rule, learning_rate)
    }

    /// Looks ahead, as [`Nesterov`](crate::Nesterov): Δw = -(γv + αr(g + λw)).
    #[must_use]
    pub fn nesterov(self, nesterov: bool) -> Self {
        self.with(|rule| rule.nesterov = nesterov)
    }

    /// Bounds a leaf's rate by α: r becomes min(r/α, 1), known as LARC.
    #[must_use]
    pub fn trust_clip(self, clip: bool) -> Self {
        self.with(|rule| rule.trust_clip = clip)
    }

    /// Whether norms scale the steps; if not, r = 1. For [`group`](Self::group).
    #[must_use]
    pub fn adapted(self, adapted: bool) -> Self {
        self.with(|rule| rule.adapted = adapted)
    }
}

compiled!(Lars);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    learning_rate: f64,
    /// What v takes of the direction, and what the parameter does beside v; both times r.
    gains: [f64; 2],
    momentum: F,
    decay: F,
    /// The share of w in the second norm.
    decay_in_norm: F,
    gain: F,
    beside: F,
    of_velocity: F,
    rate: F,
}

impl<F: Scalar> Rule<F> for Lars {
    const NAME: &'static str = "Lars";
    const LEARNING_RATE: f64 = 0.5;
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

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let undampened = self.convention == Convention::Timm && clock.step() == 1;
        let taken = if undampened { 1.0 } else { 1.0 - self.dampening };
        let (inside, outside) =
            if self.convention.rate_inside() { (learning_rate, 1.0) } else { (1.0, learning_rate) };
        let (beside, of_velocity) =
            if self.nesterov { (inside, self.momentum) } else { (0.0, 1.0) };
        let whole = self.convention == Convention::Optax;
        let decay = F::from_f64(self.weight_decay);
        Step {
            learning_rate,
            gains: [taken * inside, beside],
            momentum: F::from_f64(self.momentum),
            decay,
            decay_in_norm: if whole { decay } else { F::zero() },
            gain: F::from_f64(taken * inside),
            beside: F::from_f64(beside),
            of_velocity: F::from_f64(of_velocity),
            rate: F::from_f64(outside),
        }
    }

    const NORMS: bool = true;

    #[inline(always)]
    fn norms(k: &Step<F>, w: F, g: F, _state: [F; 1]) -> [F; 2] {
        [w, g + k.decay_in_norm * w.flushed()]
    }

    fn of_leaf(&self, k: &mut Step<F>, [w, other]: [f64; 2], _clock: &mut Clock) {
        if !self.adapted {
            return;
        }
        let below = match self.convention {
            Convention::Optax => other,
            _ => other + self.weight_decay * w,
        };
        let divisor = if self.convention == Convention::Timm { other } else { below };
        let mut ratio = 1.0;
        if w > 0.0 && divisor > 0.0 && (w + below).is_finite() {
            ratio = self.trust_coefficient * w / (below + self.epsilon);
        }
        if self.trust_clip {
            ratio = (ratio / k.learning_rate).min(1.0);
        }
        let [gain, beside] = k.gains.map(|gain| F::from_f64(gain * ratio));
        if gain.is_finite() && beside.is_finite() {
            (k.gain, k.beside) = (gain, beside);
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [velocity]: [F; 1]) -> (F, [F; 1]) {
        let direction = g + k.decay * w.flushed();
        let velocity = k.momentum * velocity + k.gain * direction;
        (w - k.rate * (k.of_velocity * velocity + k.beside * direction), [velocity])
    }
}
