//! What happens to an element around its rule, inside the sweep.

use super::Settings;
use super::inspect::Scale;
use crate::rule::Rule;
use crate::scalar::Scalar;

/// The constants of one step for the leaves that share them.
#[derive(Clone)]
pub(super) struct Constants<F: Scalar, R: Rule<F>> {
    pub(super) step: R::Step,
    /// What is done to gradient and parameter; `None` where that is nothing.
    pub(super) around: Option<Around<F>>,
    /// The factor of updates that agree with their gradient; others are dropped.
    pub(super) caution: Option<F>,
    /// What the average takes of the new parameter.
    pub(super) average: Option<F>,
}

/// What is done to a gradient before the rule sees it, and to a parameter before and after.
///
/// What is absent is there with the constant that changes nothing.
#[derive(Clone, Copy)]
pub(super) struct Around<F> {
    scale: Scale<F>,
    clip: F,
    l1: F,
    l2: F,
    decay: F,
    shrink: F,
    threshold: F,
}

impl<F: Scalar> Around<F> {
    pub(super) fn new(settings: &Settings, rate: f64, scale: Scale<F>) -> Self {
        let decay = settings.decoupled_decay.map_or(0.0, |decay| decay.fraction(rate));
        Self {
            scale: if settings.maximize { scale.negated() } else { scale },
            clip: F::from_f64(settings.clip_value.unwrap_or(f64::INFINITY)),
            l1: F::from_f64(settings.penalty.l1),
            l2: F::from_f64(settings.penalty.l2),
            decay: F::from_f64(decay),
            shrink: F::from_f64(settings.shrink),
            threshold: F::from_f64(rate * settings.proximal_l1),
        }
    }

    /// The gradient that the rule gets.
    #[inline(always)]
    fn gradient(&self, w: F, g: F) -> F {
        let g = self.scale.apply(g);
        // Comparisons rather than `min` and `max`, which would hide NaN.
        let g = if g > self.clip { self.clip } else { g };
        let g = if g < -self.clip { -self.clip } else { g };
        g + self.pull(w)
    }

    /// The gradient of the penalty.
    #[inline(always)]
    fn pull(&self, w: F) -> F {
        Penalized { l1: self.l1, l2: self.l2 }.pull(w)
    }

    /// The scale of the gradient, if that is all there is.
    pub(super) fn as_scaled(&self) -> Option<Scaled<F>> {
        let pulls = self.l1 != F::zero() || self.l2 != F::zero();
        let factor = self.scale.as_factor()?;
        (!pulls && self.is_of_gradient()).then_some(Scaled(factor))
    }

    /// The penalty, if that is all there is.
    pub(super) fn as_penalized(&self) -> Option<Penalized<F>> {
        let penalized = Penalized { l1: self.l1, l2: self.l2 };
        (self.scale.is_one() && self.is_of_gradient()).then_some(penalized)
    }

    /// Whether it is no more than scale and penalty.
    fn is_of_gradient(&self) -> bool {
        self.clip == F::infinity()
            && self.decay == F::zero()
            && self.shrink == F::one()
            && self.threshold == F::zero()
    }

    /// The parameter that the rule gets.
    #[inline(always)]
    fn kept(&self, w: F) -> F {
        w - self.decay * w
    }

    /// What becomes of the parameter that the rule returns.
    #[inline(always)]
    fn finish(&self, w: F) -> F {
        let w = self.shrink * w;
        let size = w.abs();
        let beyond = if size <= self.threshold { F::zero() } else { size - self.threshold };
        beyond.copysign(w)
    }
}

/// What is done to one element.
///
/// Each case is a type, so that the loop of the plainest costs nothing more.
pub(super) trait Mode<F: Scalar, R: Rule<F>>: Copy + Send + Sync {
    fn update(&self, step: &R::Step, w: F, g: F, state: R::State) -> (F, R::State);
}

/// The rule alone.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl<F: Scalar, R: Rule<F>> Mode<F, R> for Plain {
    #[inline(always)]
    fn update(&self, step: &R::Step, w: F, g: F, state: R::State) -> (F, R::State) {
        R::update(step, w, g, state)
    }
}

impl<F: Scalar, R: Rule<F>> Mode<F, R> for Around<F> {
    #[inline(always)]
    fn update(&self, step: &R::Step, w: F, g: F, state: R::State) -> (F, R::State) {
        let (moved, state) = R::update(step, self.kept(w), self.gradient(w, g), state);
        (self.finish(moved), state)
    }
}

/// The gradient times a factor, and nothing else.
#[derive(Clone, Copy)]
pub(super) struct Scaled<F>(F);

impl<F: Scalar, R: Rule<F>> Mode<F, R> for Scaled<F> {
    #[inline(always)]
    fn update(&self, step: &R::Step, w: F, g: F, state: R::State) -> (F, R::State) {
        R::update(step, w, g * self.0, state)
    }
}

/// The gradient penalized, and nothing else.
#[derive(Clone, Copy)]
pub(super) struct Penalized<F> {
    l1: F,
    l2: F,
}

impl<F: Scalar> Penalized<F> {
    #[inline(always)]
    fn pull(&self, w: F) -> F {
        let sign = if w == F::zero() { F::zero() } else { self.l1.copysign(w) };
        self.l2 * w + sign
    }
}

impl<F: Scalar, R: Rule<F>> Mode<F, R> for Penalized<F> {
    #[inline(always)]
    fn update(&self, step: &R::Step, w: F, g: F, state: R::State) -> (F, R::State) {
        R::update(step, w, g + self.pull(w), state)
    }
}

/// Moves only where the update agrees with the gradient, by `factor` times as much.
#[derive(Clone, Copy)]
pub(super) struct Cautious<F> {
    pub(super) around: Around<F>,
    pub(super) factor: F,
}

impl<F: Scalar> Cautious<F> {
    /// The parameter without its update, the update, whether it agrees, and the new state.
    #[inline(always)]
    fn split<R: Rule<F>>(
        &self,
        step: &R::Step,
        w: F,
        g: F,
        state: R::State,
    ) -> (F, F, bool, R::State) {
        let (kept, g) = (self.around.kept(w), self.around.gradient(w, g));
        let (moved, state) = R::update(step, kept, g, state);
        let rest = kept - R::decay(step) * kept;
        let delta = moved - rest;
        let zero = F::zero();
        let agrees = ((delta < zero) & (g > zero)) | ((delta > zero) & (g < zero));
        (rest, delta, agrees, state)
    }

    /// 1 where the update agrees with the gradient, else 0.
    #[inline(always)]
    pub(super) fn agrees<R: Rule<F>>(&self, step: &R::Step, w: F, g: F, state: R::State) -> F {
        if self.split::<R>(step, w, g, state).2 { F::one() } else { F::zero() }
    }
}

impl<F: Scalar, R: Rule<F>> Mode<F, R> for Cautious<F> {
    #[inline(always)]
    fn update(&self, step: &R::Step, w: F, g: F, state: R::State) -> (F, R::State) {
        let (rest, delta, agrees, state) = self.split::<R>(step, w, g, state);
        let moved = if agrees { rest + self.factor * delta } else { rest };
        // NaN agrees with nothing, and must not be hidden by that.
        let moved = if delta.is_nan() { delta } else { moved };
        (self.around.finish(moved), state)
    }
}

impl<F: Scalar> Around<F> {
    /// The two quantities whose norms a rule wants of a leaf.
    #[inline(always)]
    pub(super) fn norms<R: Rule<F>>(&self, step: &R::Step, w: F, g: F, state: R::State) -> [F; 2] {
        R::norms(step, self.kept(w), self.gradient(w, g), state)
    }
}
