//! RMSprop with momentum.

use super::Epsilon;
use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **RMSprop with momentum**: s = γs + (1-γ)g², Δw(t) = μΔw(t-1) - αg/√(s + ε), then w += Δw.
///
/// When to use it: as RMSprop, where its direction is too noisy; image networks such as EfficientNet
/// were trained by it (Tan & Le 2019). Steps are up to 1/(1-μ) times as long as RMSprop's, and α as
/// much smaller. Two values a parameter, as many as [`Adam`](crate::Adam), which corrects the
/// beginning too.
///
#[doc = include_str!("../../docs/paths/rmsprop-momentum.svg")]
///
/// α stands inside the average, as in Keras and Optax; [`torch`](Self::torch) keeps it outside.
///
/// | hyperparameter | default | [`torch`](Self::torch) | [`keras`](Self::keras) | [`optax`](Self::optax) | range |
/// |---|---|---|---|---|---|
/// | `momentum` μ | 0.9 | 0.9 | 0.9 | 0.9 | (-1, 1) |
/// | `rho` γ | 0.9 | 0.99 | 0.9 | 0.9 | [0, 1) |
/// | `epsilon` ε | 1e-6 | 1e-8, √s + ε | 1e-7 | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
///
/// Source: Graves, "Generating sequences with recurrent neural networks", 2013.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, RmsPropMomentum};
/// let mut w = array![0.0];
/// let mut rmsprop = RmsPropMomentum::new(0.1).rho(0.0).momentum(0.5);
/// rmsprop.step(&mut w, &array![-8.0])?; // Δw = 0.1
/// rmsprop.step(&mut w, &array![-2.0])?; // Δw = 0.15
/// assert!((w[0] - 0.25_f64).abs() < 1e-7);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, RmsPropMomentum>;

hyperparameters! {
    /// The rule of [`RmsPropMomentum`](crate::RmsPropMomentum).
    RmsPropMomentum {
        /// μ, the share of the last update that is kept.
        momentum = 0.9 in SYMMETRIC;
        /// γ, the share of the average of squares that is kept.
        rho = 0.9 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-6 in PLACED;
    }
    conventions {
        place: Epsilon = Epsilon::Inside,
        rate_inside: bool = true,
    }
}

impl<F: Scalar> Elementwise<F, RmsPropMomentum> {
    /// RMSprop with momentum at that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(RmsPropMomentum::default(), learning_rate)
    }

    /// PyTorch's convention: b = μb + g/(√s + ε), w -= αb; γ = 0.99, ε = 1e-8.
    pub fn torch(learning_rate: impl Into<Schedule>) -> Self {
        let rule = RmsPropMomentum {
            rho: 0.99,
            epsilon: 1e-8,
            place: Epsilon::Outside,
            rate_inside: false,
            ..RmsPropMomentum::default()
        };
        Self::of_compiled(rule, learning_rate)
    }

    /// Keras's convention: ε = 1e-7.
    pub fn keras(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).epsilon(1e-7)
    }

    /// Optax's convention: ε = 1e-8.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).epsilon(1e-8)
    }
}

compiled!(RmsPropMomentum);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    momentum: F,
    rho: F,
    one_minus_rho: F,
    inside: F,
    outside: F,
    gain: F,
    rate: F,
}

impl<F: Scalar> Rule<F> for RmsPropMomentum {
    const NAME: &'static str = "RmsPropMomentum";
    const SLOTS: &'static [&'static str] = &["s", "velocity"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::NonNegativeMean, SlotKind::SignedMean];
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

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let (inside, outside) = self.place.split(self.epsilon);
        let (gain, rate) =
            if self.rate_inside { (-learning_rate, 1.0) } else { (1.0, -learning_rate) };
        Step {
            momentum: F::from_f64(self.momentum),
            rho: F::from_f64(self.rho),
            one_minus_rho: F::from_f64(1.0 - self.rho),
            inside: F::from_f64(inside),
            outside: F::from_f64(outside),
            gain: F::from_f64(gain),
            rate: F::from_f64(rate),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [s, velocity]: [F; 2]) -> (F, [F; 2]) {
        let s = k.rho * s + g.share_of_square(k.one_minus_rho);
        let direction = g / ((s + k.inside).sqrt() + k.outside);
        let velocity = k.momentum * velocity + k.gain * direction;
        (w + k.rate * velocity, [s, velocity])
    }
}
