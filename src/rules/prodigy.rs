//! Prodigy.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind, Totals};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Prodigy**: AdamW that finds its learning rate by itself, d, an estimate of ‖w₀ - w*‖ from below.
///
/// When to use it: where no rate is known and none is to be searched: leave α at 1, with a cosine or
/// linear decay after it, and no warm-up, which d itself is. It comes close to AdamW with a tuned rate on
/// many problems (Mishchenko & Defazio 2023), rarely past it. Four values a parameter, twice Adam's, and
/// one more pass over everything.
///
#[doc = include_str!("../../docs/paths/prodigy.svg")]
///
/// With a = dα and sums over all leaves: N = β₃N + (d/d₀)·a·⟨g, w₀ - w⟩, s = β₃s + (d/d₀)·a·g,
/// m = β₁m + (1-β₁)dg, v = β₂v + (1-β₂)d²g²; then d = max(d, c·N/‖s‖₁), β₃ = √β₂, and
/// w -= a(m/(√v + dε) + λw).
///
/// | hyperparameter | default | [`optax`](Self::optax) | range |
/// |---|---|---|---|
/// | `beta1` β₁ | 0.9 | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-8 | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `weight_decay` λ | 0 | 0 | [0, ∞) |
/// | `initial_estimate` d₀ | 1e-6 | 1e-6 | (0, ∞) |
/// | `estimate_factor` c | 1 | 1 | (0, ∞) |
/// | [`growth_rate`](Self::growth_rate) | ∞ | ∞ | |
/// | [`bias_correction`](Self::bias_correction) | no | yes | |
/// | [`safeguard_warmup`](Self::safeguard_warmup) | no | no | |
///
/// The default is the authors' package, with decoupled decay. d is one number for all leaves: those that
/// are frozen are left out of the sums, and one that is trained later begins at its w₀ of then, with the d
/// that there is. At a learning rate of 0 nothing happens, and the state stays as it is.
///
/// Source: Mishchenko & Defazio, "Prodigy: an expeditiously adaptive parameter-free learner", 2023.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Prodigy};
/// let mut w = array![3.0, -4.0];
/// let mut prodigy = Prodigy::new(1.0);
/// for _ in 0..500 {
///     let gradient = &w * 2.0; // of ‖w‖²; no rate was chosen
///     prodigy.step(&mut w, &gradient)?;
/// }
/// assert!(w.iter().all(|w: &f64| w.abs() < 1e-3), "{w}");
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Prodigy>;

hyperparameters! {
    /// The rule of [`Prodigy`](crate::Prodigy).
    Prodigy {
        /// β₁, the share of the average of gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept; its root is that of the sums.
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
        /// λ of the decay.
        weight_decay = 0.0 in NON_NEGATIVE;
        /// d₀, the first estimate of the distance.
        initial_estimate = 1e-6 in POSITIVE;
        /// c, what estimates are multiplied by.
        estimate_factor = 1.0 in POSITIVE;
    }
    conventions {
        growth_rate: f64 = f64::INFINITY,
        bias_correction: bool = false,
        safeguard_warmup: bool = false,
    }
}

impl<F: Scalar> Elementwise<F, Prodigy> {
    /// Prodigy with that learning rate α ≥ 0, a number or a schedule; 1 is meant.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Prodigy::default(), learning_rate)
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

    /// Leaves α out of s: for a warm-up, which would else make d too large.
    #[must_use]
    pub fn safeguard_warmup(self, safeguard: bool) -> Self {
        self.with(|rule| rule.safeguard_warmup = safeguard)
    }

    /// d, the estimate of the distance, after so many steps; d₀ before the first.
    pub fn estimate(&self) -> f64 {
        match self.carried() {
            [d, ..] if d > 0.0 => d,
            _ => self.rule().initial_estimate,
        }
    }
}

compiled!(Prodigy);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    /// 1 at the leaf's first step, when w is w₀, and else 0; and the contrary.
    is_first: F,
    goes_on: F,
    /// (d/d₀)·a, by which products of an element are summed.
    weight: f64,
    estimate: F,
    beta1: F,
    of_m: F,
    beta2: F,
    one_minus_beta2: F,
    beta3: F,
    of_s: F,
    rate: F,
    decay: F,
    epsilon: F,
}

impl Prodigy {
    /// d and its largest so far, of what is carried.
    fn estimates(&self, [d, largest, ..]: [f64; 4]) -> [f64; 2] {
        if d > 0.0 { [d, largest] } else { [self.initial_estimate; 2] }
    }

    /// dε, but no less than what a square counts as 0 below: it is then all that is left to divide by.
    fn beside_root<F: Scalar>(&self, d: f64) -> F {
        F::from_f64((d * self.epsilon).max(F::LEAST_SQUARABLE))
    }
}

impl<F: Scalar> Rule<F> for Prodigy {
    const NAME: &'static str = "Prodigy";
    const LEARNING_RATE: f64 = 1.0;
    const SLOTS: &'static [&'static str] = &["m", "v", "s", "origin"];
    const SLOT_KINDS: &'static [SlotKind] =
        &[SlotKind::SignedMean, SlotKind::NonNegativeMean, SlotKind::Exact, SlotKind::Exact];
    type State = [F; 4];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        if self.growth_rate.is_nan() || self.growth_rate < 1.0 {
            let allowed = "a number >= 1";
            return Err(Error::hyperparameter("Prodigy", "growth_rate", self.growth_rate, allowed));
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
        let [d, _] = self.estimates(clock.of_tree());
        let corrections = [clock.correction(0, self.beta1), clock.correction(1, self.beta2)];
        let correction =
            if self.bias_correction { corrections[1].sqrt() / corrections[0] } else { 1.0 };
        let rate = d * learning_rate * correction;
        let weight = d / self.initial_estimate * rate;
        let of_s = if self.safeguard_warmup { d / self.initial_estimate * d } else { weight };
        // Nothing is averaged at a rate of 0.
        let share = |beta: f64| if learning_rate > 0.0 { beta } else { 1.0 };
        let (beta1, beta2, beta3) =
            (share(self.beta1), share(self.beta2), share(self.beta2.sqrt()));
        let is_first = if clock.step() == 1 { F::one() } else { F::zero() };
        Step {
            is_first,
            goes_on: F::one() - is_first,
            weight,
            estimate: F::from_f64(d),
            beta1: F::from_f64(beta1),
            of_m: F::from_f64(d * (1.0 - beta1)),
            beta2: F::from_f64(beta2),
            one_minus_beta2: F::from_f64(1.0 - beta2),
            beta3: F::from_f64(beta3),
            of_s: F::from_f64(if learning_rate > 0.0 { of_s } else { 0.0 }),
            rate: F::from_f64(rate),
            decay: F::from_f64(rate * self.weight_decay),
            epsilon: self.beside_root(d),
        }
    }

    const SUMS: &'static [&'static str] = &["⟨g, w₀ - w⟩", "‖s‖₁"];

    #[inline(always)]
    fn sums(k: &Step<F>, w: F, g: F, [_, _, s, origin]: [F; 4]) -> [f64; 4] {
        let way = k.goes_on * (origin - w);
        let s = k.beta3 * s + k.of_s * g;
        [k.weight * g.into_f64() * way.into_f64(), s.into_f64().abs(), 0.0, 0.0]
    }

    fn total(&self, totals: &mut Totals) {
        let [d, largest] = self.estimates(totals.kept());
        let [along, length, ..] = totals.sums();
        // No gradient has come yet, or none counts.
        if length == 0.0 || totals.learning_rate() == 0.0 {
            return;
        }
        let numerator = self.beta2.sqrt() * totals.kept()[2] + along;
        let found = self.estimate_factor * numerator / length;
        let d = if d == self.initial_estimate { d.max(found) } else { d };
        let largest = largest.max(found);
        *totals.carried() = [largest.min(d * self.growth_rate), largest, numerator, 0.0];
    }

    fn of_tree(&self, k: &mut Step<F>, totals: &Totals) {
        let [d, _] = self.estimates(totals.kept());
        k.epsilon = self.beside_root(d);
    }

    #[inline(always)]
    fn decay(k: &Step<F>) -> F {
        k.decay
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [m, v, s, origin]: [F; 4]) -> (F, [F; 4]) {
        let m = k.beta1 * m + k.of_m * g;
        let v = k.beta2 * v + (k.estimate * g).share_of_square(k.one_minus_beta2);
        let s = k.beta3 * s + k.of_s * g;
        let origin = origin + k.is_first * (w - origin);
        let kept = w - k.decay * w.flushed();
        (kept - k.rate * m / (v.sqrt() + k.epsilon), [m, v, s, origin])
    }
}
