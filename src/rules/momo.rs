//! MoMo.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind, Totals};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **MoMo**: momentum whose rate the loss bounds: the step of a model of the loss, of which averages of
/// losses and gradients are known, cut off at its lower bound.
///
/// When to use it: momentum where the right rate is not known: one that is too large is made smaller by the
/// loss, so a search over α may be coarse (Schaipp et al. 2024). Where α is small it is momentum. One value
/// a parameter, and one more pass over everything.
///
#[doc = include_str!("../../docs/paths/momo.svg")]
///
/// d = βd + (1-β)g, f̄ = βf̄ + (1-β)f and γ = βγ + (1-β)⟨g, w⟩ begin at g, f and ⟨g, w⟩;
/// τ = min(α, max((1 + αλ)(f̄ - f* - γ) + ⟨d, w⟩, 0)/‖d‖²), w = (w - τd)/(1 + αλ), with sums over all
/// leaves. The loss comes in by [`step_with_loss`](crate::Optimizer::step_with_loss).
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `momentum` β | 0.9 | [0, 1) |
/// | `weight_decay` λ | 0 | [0, ∞) |
/// | `lower_bound` f* | 0 | (-∞, ∞) |
/// | [`bias_correction`](Self::bias_correction) | no | |
/// | [`estimate_bound`](Self::estimate_bound) | no | |
///
/// The default is the authors' package. A penalty, or clipping, is in g and not in f: the rate is then
/// another.
///
/// Source: Schaipp, Ohana, Eickenberg, Defazio & Gower, "MoMo: momentum models for adaptive learning rates",
/// 2024.
///
/// ```
/// use ndarray::array;
/// use thalweg::{MoMo, Optimizer};
/// let mut w = array![3.0, -4.0];
/// let mut momo = MoMo::new(1e3); // momentum would leave at once
/// for _ in 0..500 {
///     let (loss, gradient) = (w.dot(&w), &w * 2.0);
///     momo.step_with_loss(&mut w, &gradient, loss)?;
/// }
/// assert!(w.iter().all(|w: &f64| w.abs() < 1e-3), "{w}");
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, MoMo>;

hyperparameters! {
    /// The rule of [`MoMo`](crate::MoMo).
    MoMo {
        /// β, the share of the averages that is kept.
        momentum = 0.9 in FRACTION;
        /// λ of the decay.
        weight_decay = 0.0 in NON_NEGATIVE;
        /// f*, the least that the loss can be.
        lower_bound = 0.0 in FINITE;
    }
    conventions {
        bias_correction: bool = false,
        estimate_bound: bool = false,
    }
}

impl<F: Scalar> Elementwise<F, MoMo> {
    /// MoMo, at most the learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(MoMo::default(), learning_rate)
    }

    /// Lets the averages begin at 0, and corrects for that: f* counts (1-βᵗ), and α/(1-βᵗ).
    #[must_use]
    pub fn bias_correction(self, correct: bool) -> Self {
        self.with(|rule| rule.bias_correction = correct)
    }

    /// Estimates the least loss from the losses that come, from below: no less than `lower_bound`.
    #[must_use]
    pub fn estimate_bound(self, estimate: bool) -> Self {
        self.with(|rule| rule.estimate_bound = estimate)
    }
}

compiled!(MoMo);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    momentum: F,
    taken: F,
    learning_rate: f64,
    rate: F,
    /// αλ/(1 + αλ)
    decay: F,
}

/// The model of the loss that averages of it, and of gradients, make: [f̄, γ, f* now, f* at the next step].
#[derive(Debug, Clone, Copy)]
pub(super) struct Model {
    pub(super) averages: [f64; 2],
    /// 1 - βᵗ, or 1.
    pub(super) correction: f64,
    /// ⟨d, w⟩ and ‖d‖².
    pub(super) along: f64,
    pub(super) square: f64,
}

impl Model {
    /// τ at that rate, decay and bound.
    pub(super) fn rate(&self, learning_rate: f64, weight_decay: f64, bound: f64) -> f64 {
        let Self { averages: [loss, product], correction, along, square } = *self;
        let growth = 1.0 + learning_rate * weight_decay;
        let gap = growth * (loss - correction * bound) + along - growth * product;
        let gap = if gap < 0.0 { 0.0 } else { gap };
        // A direction of 0 moves nothing at any rate.
        let adaptive = if square == 0.0 { 0.0 } else { gap / square };
        let largest = learning_rate / correction;
        if adaptive > largest { largest } else { adaptive }
    }

    /// The bound to go by now, and that of the step to come, where it is estimated from `bound` and is
    /// never below `least`.
    pub(super) fn bounds(
        &self,
        learning_rate: f64,
        weight_decay: f64,
        bound: f64,
        least: f64,
    ) -> [f64; 2] {
        let Self { averages: [loss, product], correction, along, square } = *self;
        let growth = 1.0 + learning_rate * weight_decay;
        let cap = growth * loss + along - growth * product;
        let now = if cap < growth * correction * bound {
            (cap / (2.0 * growth * correction)).max(least)
        } else {
            bound
        };
        let rate = self.rate(learning_rate, weight_decay, now);
        let reached = loss + along - product - 0.5 * rate * square;
        [now, (reached / correction).max(least)]
    }
}

impl<F: Scalar> Rule<F> for MoMo {
    const NAME: &'static str = "MoMo";
    const LEARNING_RATE: f64 = 1.0;
    const SLOTS: &'static [&'static str] = &["d"];
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
        // The average begins at the first gradient, unless it is corrected.
        let begins = clock.step() == 1 && !self.bias_correction;
        let momentum = if begins { 0.0 } else { self.momentum };
        let decay = learning_rate * self.weight_decay;
        Step {
            momentum: F::from_f64(momentum),
            taken: F::from_f64(1.0 - momentum),
            learning_rate,
            rate: F::from_f64(learning_rate),
            decay: F::from_f64(decay / (1.0 + decay)),
        }
    }

    const LOSS: bool = true;
    const SUMS: &'static [&'static str] = &["⟨g, w⟩", "⟨d, w⟩", "‖d‖²"];

    #[inline(always)]
    fn sums(k: &Step<F>, w: F, g: F, [d]: [F; 1]) -> [f64; 4] {
        let d = k.momentum * d + k.taken * g;
        let [w, g, d] = [w, g, d].map(F::into_f64);
        [g * w, d * w, d * d, 0.0]
    }

    fn total(&self, totals: &mut Totals) {
        let ([product, along, square, _], loss) = (totals.sums(), totals.loss());
        let is_first = totals.step() == 1;
        let correction = totals.correction(0, self.momentum);
        let correction = if self.bias_correction { correction } else { 1.0 };
        let rate = totals.learning_rate();
        let [of_loss, of_product, now, next] = totals.carried();
        let share = if is_first && !self.bias_correction { 0.0 } else { self.momentum };
        *of_loss = share * *of_loss + (1.0 - share) * loss;
        *of_product = share * *of_product + (1.0 - share) * product;
        if is_first || !self.estimate_bound {
            *next = self.lower_bound;
        }
        *now = *next;
        if self.estimate_bound {
            let averages = [*of_loss, *of_product];
            let model = Model { averages, correction, along, square };
            [*now, *next] = model.bounds(rate, self.weight_decay, *next, self.lower_bound);
        }
    }

    fn of_tree(&self, k: &mut Step<F>, totals: &Totals) {
        let ([_, along, square, _], [loss, product, bound, _]) = (totals.sums(), totals.kept());
        let correction = if self.bias_correction { totals.corrected(0) } else { 1.0 };
        let model = Model { averages: [loss, product], correction, along, square };
        let rate = model.rate(k.learning_rate, self.weight_decay, bound);
        k.rate = F::from_f64(rate / (1.0 + k.learning_rate * self.weight_decay));
    }

    #[inline(always)]
    fn decay(k: &Step<F>) -> F {
        k.decay
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [d]: [F; 1]) -> (F, [F; 1]) {
        let d = k.momentum * d + k.taken * g;
        (w - k.decay * w.flushed() - k.rate * d, [d])
    }
}
