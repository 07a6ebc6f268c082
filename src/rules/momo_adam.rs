//! MoMo-Adam.

use super::momo::Model;
use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, SlotKind, Totals};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **MoMo-Adam**: Adam whose rate the loss bounds: the step of a model of the loss, of which averages of
/// losses and gradients are known, cut off at its lower bound.
///
/// When to use it: Adam where the right rate is not known: one that is too large is made smaller by the
/// loss, so a search over α may be coarse (Schaipp et al. 2024). Where α is small it is Adam with proximal
/// decay. Two values a parameter, and one more pass over everything.
///
#[doc = include_str!("../../docs/paths/momo-adam.svg")]
///
/// d = β₁d + (1-β₁)g and v = β₂v + (1-β₂)g² as Adam's, D = √v̂ + ε, f̄ and γ the averages of f and ⟨g, w⟩
/// by β₁, c = 1-β₁ᵗ; τ = min(α/c, max((1 + αλ)(f̄ - cf* - γ) + ⟨d, w⟩, 0)/Σd²/D),
/// w = (w - τd/D)/(1 + αλ), with sums over all leaves. The loss comes in by
/// [`step_with_loss`](crate::Optimizer::step_with_loss).
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `beta1` β₁ | 0.9 | [0, 1) |
/// | `beta2` β₂ | 0.999 | [0, 1) |
/// | `epsilon` ε | 1e-8 | (0, ∞), [not too small](crate::rule::Interval::EPSILON) |
/// | `weight_decay` λ | 0 | [0, ∞) |
/// | `lower_bound` f* | 0 | (-∞, ∞) |
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
/// use thalweg::{MoMoAdam, Optimizer};
/// let mut w = array![3.0, -4.0];
/// let mut momo = MoMoAdam::new(1e3); // Adam would leave at once
/// for _ in 0..500 {
///     let (loss, gradient) = (w.dot(&w), &w * 2.0);
///     momo.step_with_loss(&mut w, &gradient, loss)?;
/// }
/// assert!(w.iter().all(|w: &f64| w.abs() < 1e-2), "{w}");
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, MoMoAdam>;

hyperparameters! {
    /// The rule of [`MoMoAdam`](crate::MoMoAdam).
    MoMoAdam {
        /// β₁, the share of the averages of losses and gradients that is kept.
        beta1 = 0.9 in FRACTION;
        /// β₂, the share of the average of squares that is kept.
        beta2 = 0.999 in FRACTION;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in EPSILON;
        /// λ of the decay.
        weight_decay = 0.0 in NON_NEGATIVE;
        /// f*, the least that the loss can be.
        lower_bound = 0.0 in FINITE;
    }
    conventions {
        estimate_bound: bool = false,
    }
}

impl<F: Scalar> Elementwise<F, MoMoAdam> {
    /// MoMo-Adam, at most the learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(MoMoAdam::default(), learning_rate)
    }

    /// Estimates the least loss from the losses that come, from below: no less than `lower_bound`.
    #[must_use]
    pub fn estimate_bound(self, estimate: bool) -> Self {
        self.with(|rule| rule.estimate_bound = estimate)
    }
}

compiled!(MoMoAdam);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    beta1: F,
    one_minus_beta1: F,
    beta2: F,
    one_minus_beta2: F,
    v_correction: F,
    epsilon: F,
    learning_rate: f64,
    rate: F,
    /// αλ/(1 + αλ)
    decay: F,
}

impl<F: Scalar> Step<F> {
    /// d and v, and d/D.
    #[inline(always)]
    fn direction(&self, g: F, [d, v]: [F; 2]) -> ([F; 2], F) {
        let d = self.beta1 * d + self.one_minus_beta1 * g;
        let v = self.beta2 * v + g.share_of_square(self.one_minus_beta2);
        ([d, v], d / ((v * self.v_correction).sqrt() + self.epsilon))
    }
}

impl<F: Scalar> Rule<F> for MoMoAdam {
    const NAME: &'static str = "MoMoAdam";
    const LEARNING_RATE: f64 = 1e-2;
    const SLOTS: &'static [&'static str] = &["d", "v"];
    const SLOT_KINDS: &'static [SlotKind] = &[SlotKind::SignedMean, SlotKind::NonNegativeMean];
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
        let decay = learning_rate * self.weight_decay;
        Step {
            beta1: F::from_f64(self.beta1),
            one_minus_beta1: F::from_f64(1.0 - self.beta1),
            beta2: F::from_f64(self.beta2),
            one_minus_beta2: F::from_f64(1.0 - self.beta2),
            v_correction: F::from_f64(clock.correction(1, self.beta2).recip()),
            epsilon: F::from_f64(self.epsilon),
            learning_rate,
            rate: F::from_f64(learning_rate),
            decay: F::from_f64(decay / (1.0 + decay)),
        }
    }

    const LOSS: bool = true;
    const SUMS: &'static [&'static str] = &["⟨g, w⟩", "⟨d, w⟩", "d²/D"];

    #[inline(always)]
    fn sums(k: &Step<F>, w: F, g: F, state: [F; 2]) -> [f64; 4] {
        let ([d, _], along) = k.direction(g, state);
        let [w, g, d, along] = [w, g, d, along].map(F::into_f64);
        [g * w, d * w, d * along, 0.0]
    }

    fn total(&self, totals: &mut Totals) {
        let ([product, along, square, _], loss) = (totals.sums(), totals.loss());
        let is_first = totals.step() == 1;
        let correction = totals.correction(0, self.beta1);
        let rate = totals.learning_rate();
        let [of_loss, of_product, now, next] = totals.carried();
        *of_loss = self.beta1 * *of_loss + (1.0 - self.beta1) * loss;
        *of_product = self.beta1 * *of_product + (1.0 - self.beta1) * product;
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
        let correction = totals.corrected(0);
        let model = Model { averages: [loss, product], correction, along, square };
        let rate = model.rate(k.learning_rate, self.weight_decay, bound);
        k.rate = F::from_f64(rate / (1.0 + k.learning_rate * self.weight_decay));
    }

    #[inline(always)]
    fn decay(k: &Step<F>) -> F {
        k.decay
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, state: [F; 2]) -> (F, [F; 2]) {
        let (state, along) = k.direction(g, state);
        (w - k.decay * w.flushed() - k.rate * along, state)
    }
}
