//! D-Adapt Adam.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind, Totals};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **D-Adapt Adam**, D-adaptation: Adam that finds its learning rate d by itself.
///
/// When to use it: to compare with what was trained by it; [`Prodigy`](crate::Prodigy), of the same
/// authors, finds the rate sooner and has taken its place. Leave α at 1. Three values a parameter, and one
/// more pass over everything.
///
#[doc = include_str!("../../docs/paths/dadapt-adam.svg")]
///
/// With a = dα and sums over all leaves: N = √β₂N + (1-√β₂)·a·⟨g, s/(√v + ε)⟩, with s and v of before;
/// m = β₁m + (1-β₁)ag, v = β₂v + (1-β₂)g², s = √β₂s + (1-√β₂)ag; then
/// d = max(d, N/((1-√β₂)‖s‖₁)), and w -= m/(√v + ε) + aλw.
///
/// | hyperparameter | default | [`optax`](Self::optax) | range |
/// |---|---|---|---|
/// | `beta1` β₁ | 0.9 | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | 0.999 | (0, 1) |
/// | `epsilon` ε | 1e-8 | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `weight_decay` λ | 0 | 0 | [0, ∞) |
/// | `initial_estimate` d₀ | 1e-6 | 1e-6 | (0, ∞) |
/// | [`growth_rate`](Self::growth_rate) | ∞ | ∞ | |
/// | [`bias_correction`](Self::bias_correction) | no | yes | |
///
/// The default is the authors' package, with decoupled decay. d is one number for all leaves. At a learning
/// rate of 0 nothing happens, and the state stays as it is.
///
/// Source: Defazio & Mishchenko, "Learning-rate-free learning by D-adaptation", 2023.
///
/// ```
/// use ndarray::array;
/// use thalweg::{DAdaptAdam, Optimizer};
/// let mut w = array![3.0, -4.0];
/// let mut dadapt = DAdaptAdam::new(1.0);
/// for _ in 0..1000 {
///     let gradient = &w * 2.0; // of ‖w‖²; no rate was chosen
///     dadapt.step(&mut w, &gradient)?;
/// }
/// assert!(w.iter().all(|w: &f64| w.abs() < 0.1), "{w}");
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, DAdaptAdam>;

hyperparameters! {
    /// The rule of [`DAdaptAdam`](crate::DAdaptAdam).
    DAdaptAdam {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept; its root is that of the sums.
        beta2 = 0.999 in INNER_FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
        /// λ of the decay.
        weight_decay = 0.0 in NON_NEGATIVE;
        /// d₀, the first estimate of the distance.
        initial_estimate = 1e-6 in POSITIVE;
    }
    conventions {
        growth_rate: f64 = f64::INFINITY,
        bias_correction: bool = false,
    }
}

impl<F: Scalar> Elementwise<F, DAdaptAdam> {
    /// D-Adapt Adam with that learning rate α ≥ 0, a number or a schedule; 1 is meant.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(DAdaptAdam::default(), learning_rate)
    }

    /// Optax's convention: averages are corrected for their beginning at 0.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).bias_correction(true)
    }

    /// Bounds the growth of d from one step to the next by this factor, in [1, ∞]; no bound is set by
    /// default.
    #[must_use]
    pub fn growth_rate(self, factor: f64) -> Self {
        self.with(|rule| rule.growth_rate = factor)
    }

    /// Whether the rate is corrected for averages that began at 0.
    #[must_use]
    pub fn bias_correction(self, correct: bool) -> Self {
        self.with(|rule| rule.bias_correction = correct)
    }

    /// d, the estimate of the distance, after so many steps; d₀ before the first.
    pub fn estimate(&self) -> f64 {
        match self.carried() {
            [d, ..] if d > 0.0 => d,
            _ => self.rule().initial_estimate,
        }
    }
}

compiled!(DAdaptAdam);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    /// a, by which products of an element are summed.
    weight: f64,
    beta1: F,
    of_m: F,
    beta2: F,
    one_minus_beta2: F,
    root: F,
    of_s: F,
    epsilon: F,
    decay: F,
    /// 1, and 0 at a rate of 0.
    steps: F,
}

impl DAdaptAdam {
    fn estimate_of(&self, [d, ..]: [f64; 4]) -> f64 {
        if d > 0.0 { d } else { self.initial_estimate }
    }
}

impl<F: Scalar> Rule<F> for DAdaptAdam {
    const NAME: &'static str = "DAdaptAdam";
    const LEARNING_RATE: f64 = 1.0;
    const SLOTS: &'static [&'static str] = &["m", "v", "s"];
    const SLOT_KINDS: &'static [SlotKind] =
        &[SlotKind::SignedMean, SlotKind::NonNegativeMean, SlotKind::Exact];
    type State = [F; 3];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        if self.growth_rate.is_nan() || self.growth_rate < 1.0 {
            let (allowed, rate) = ("a number >= 1", self.growth_rate);
            return Err(Error::hyperparameter("DAdaptAdam", "growth_rate", rate, allowed));
        }
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn largest_gradient(&self) -> f64 {
        F::LARGEST_SQUARABLE
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let d = self.estimate_of(clock.of_tree());
        let corrections = [clock.correction(0, self.beta1), clock.correction(1, self.beta2)];
        let correction =
            if self.bias_correction { corrections[1].sqrt() / corrections[0] } else { 1.0 };
        let rate = d * learning_rate * correction;
        let steps = if learning_rate > 0.0 { 1.0 } else { 0.0 };
        // Nothing is averaged at a rate of 0.
        let share = |beta: f64| if learning_rate > 0.0 { beta } else { 1.0 };
        let (beta1, beta2, root) = (share(self.beta1), share(self.beta2), share(self.beta2.sqrt()));
        Step {
            weight: rate,
            beta1: F::from_f64(beta1),
            of_m: F::from_f64(rate * (1.0 - beta1)),
            beta2: F::from_f64(beta2),
            one_minus_beta2: F::from_f64(1.0 - beta2),
            root: F::from_f64(root),
            of_s: F::from_f64(rate * (1.0 - root)),
            epsilon: F::from_f64(self.epsilon),
            decay: F::from_f64(rate * self.weight_decay),
            steps: F::from_f64(steps),
        }
    }

    const SUMS: &'static [&'static str] = &["⟨g, s/(√v + ε)⟩", "‖s‖₁"];

    #[inline(always)]
    fn sums(k: &Step<F>, _w: F, g: F, [_, v, s]: [F; 3]) -> [f64; 4] {
        let along = s / (v.sqrt() + k.epsilon);
        let s = k.root * s + k.of_s * g;
        [k.weight * g.into_f64() * along.into_f64(), s.into_f64().abs(), 0.0, 0.0]
    }

    fn total(&self, totals: &mut Totals) {
        let d = self.estimate_of(totals.kept());
        let [along, length, ..] = totals.sums();
        // No gradient has come yet, or none counts.
        if length == 0.0 || totals.learning_rate() == 0.0 {
            return;
        }
        let root = self.beta2.sqrt();
        let numerator = root * totals.kept()[1] + (1.0 - root) * along;
        let found = numerator / ((1.0 - root) * length);
        *totals.carried() = [d.max(found.min(d * self.growth_rate)), numerator, 0.0, 0.0];
    }

    #[inline(always)]
    fn decay(k: &Step<F>) -> F {
        k.decay
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, v, s]: [F; 3]) -> (F, [F; 3]) {
        let m = k.beta1 * m + k.of_m * g;
        let v = k.beta2 * v + g.share_of_square(k.one_minus_beta2);
        let s = k.root * s + k.of_s * g;
        let kept = w - k.decay * w.flushed();
        (kept - k.steps * m / (v.sqrt() + k.epsilon), [m, v, s])
    }
}
