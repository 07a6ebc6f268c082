//! The constants of what is around a rule, and what they do to an element.

use super::average::averaged;
use super::compact::Rounding;
use super::program::{Before, Penalized};
use super::scale::Scale;
use super::settings::Settings;
use super::sixteen::Encoding;
use crate::scalar::Scalar;
use crate::simd::Work;

/// What is done around the rule in one step, for the leaves that share it.
#[derive(Clone, Copy)]
pub(super) struct Outer<F> {
    /// What is done to gradient and parameter.
    pub(super) around: Around<F>,
    /// That, where the loop of the rule can do it.
    pub(super) before: Option<Before<F>>,
    /// The factor of updates that agree with their gradient; others are dropped.
    pub(super) caution: Option<F>,
    /// What the average takes of the new parameter.
    pub(super) average: Option<F>,
    /// What the rounding of state goes by, where it is kept in fewer bits.
    pub(super) rounding: Option<Rounding>,
    /// How parameters of 16 bits are rounded.
    pub(super) encoding: Encoding,
}

impl<F: Scalar> Outer<F> {
    #[inline]
    pub(super) fn new(
        settings: &Settings,
        is_plain: bool,
        rate: f64,
        scale: Scale<F>,
        average: Option<F>,
        encoding: Encoding,
    ) -> Self {
        if is_plain && scale.is_one() {
            let before = Some(Before::Nothing);
            return Self {
                around: Around::nothing(),
                before,
                caution: None,
                average,
                rounding: None,
                encoding,
            };
        }
        let around = Around::new(settings, rate, scale);
        Self { around, before: around.before(), caution: None, average, rounding: None, encoding }
    }

    /// What gradients are multiplied by, where nothing else is done around the rule but the average.
    pub(super) fn factor(&self) -> Option<F> {
        match self.before {
            _ if self.caution.is_some() => None,
            Some(Before::Nothing) => Some(F::one()),
            Some(Before::Scaled(factor)) => Some(factor),
            _ => None,
        }
    }

    /// The same with gradients scaled otherwise.
    pub(super) fn scaled(
        &self,
        settings: &Settings,
        is_plain: bool,
        rate: f64,
        scale: Scale<F>,
    ) -> Self {
        let outer = Self::new(settings, is_plain, rate, scale, self.average, self.encoding);
        Self { rounding: self.rounding, ..outer }
    }
}

/// What is done to a gradient before the rule sees it, and to a parameter before and after.
///
/// What is absent is there with the constant that changes nothing.
#[derive(Clone, Copy)]
pub(super) struct Around<F> {
    scale: Scale<F>,
    clip: F,
    penalized: Penalized<F>,
    decay: F,
    shrink: F,
    threshold: F,
}

impl<F: Scalar> Around<F> {
    fn nothing() -> Self {
        let zero = F::zero();
        Self {
            scale: Scale::one(),
            clip: F::infinity(),
            penalized: Penalized { l1: zero, l2: zero },
            decay: zero,
            shrink: F::one(),
            threshold: zero,
        }
    }

    fn new(settings: &Settings, rate: f64, scale: Scale<F>) -> Self {
        let decay = settings.decoupled_decay.map_or(0.0, |decay| decay.fraction(rate));
        let (l1, l2) = (settings.penalty.l1, settings.penalty.l2);
        Self {
            scale: if settings.maximize { scale.negated() } else { scale },
            clip: F::from_f64(settings.clip_value.unwrap_or(f64::INFINITY)),
            penalized: Penalized { l1: F::from_f64(l1), l2: F::from_f64(l2) },
            decay: F::from_f64(decay),
            shrink: F::from_f64(settings.shrink),
            threshold: F::from_f64(rate * settings.proximal_l1),
        }
    }

    /// What the loop of the rule can do, if that is all.
    fn before(&self) -> Option<Before<F>> {
        let of_gradient = self.clip == F::infinity()
            && self.decay == F::zero()
            && self.shrink == F::one()
            && self.threshold == F::zero();
        let pulls = self.penalized.l1 != F::zero() || self.penalized.l2 != F::zero();
        match self.scale.as_factor() {
            _ if !of_gradient => None,
            Some(factor) if !pulls => Some(Before::Scaled(factor)),
            Some(_) if self.scale.is_one() => Some(Before::Penalized(self.penalized)),
            _ => None,
        }
    }

    /// Whether a parameter moves that the rule leaves as it is.
    pub(super) fn idles(&self) -> bool {
        self.decay != F::zero() || self.shrink != F::one() || self.threshold != F::zero()
    }

    /// The gradient that the rule gets.
    #[inline(always)]
    fn gradient(&self, w: F, g: F) -> F {
        let g = self.scale.apply(g.flushed());
        // Comparisons rather than `min` and `max`, which would hide NaN.
        let g = if g > self.clip { self.clip } else { g };
        let g = if g < -self.clip { -self.clip } else { g };
        g + self.penalized.pull(w)
    }

    /// The parameter that the rule gets.
    #[inline(always)]
    fn kept(&self, w: F) -> F {
        w - self.decay * w.flushed()
    }

    /// What becomes of the parameter that the rule returns.
    #[inline(always)]
    fn finish(&self, w: F) -> F {
        // A factor of 1 must leave a subnormal parameter as it is.
        let w = if self.shrink == F::one() { w } else { self.shrink * w.flushed() };
        let size = w.abs();
        let beyond = if size <= self.threshold { F::zero() } else { size - self.threshold };
        beyond.copysign(w)
    }
}

/// Gradients and parameters as the rule gets them.
pub(super) struct Prepare<'a, F> {
    pub(super) around: Around<F>,
    pub(super) w: &'a [F],
    pub(super) g: &'a [F],
    pub(super) gradients: &'a mut [F],
    pub(super) kept: &'a mut [F],
}

impl<F: Scalar> Work for Prepare<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { around, w, g, gradients, kept } = self;
        let n = w.len();
        let (g, gradients, kept) = (&g[..n], &mut gradients[..n], &mut kept[..n]);
        for i in 0..n {
            gradients[i] = around.gradient(w[i], g[i]);
            kept[i] = around.kept(w[i]);
        }
    }
}

/// What happens to parameters whose gradient is 0, where the rule leaves them as they are.
pub(super) struct Idle<'a, F> {
    pub(super) around: Around<F>,
    pub(super) w: &'a mut [F],
}

impl<F: Scalar> Work for Idle<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for w in self.w {
            *w = self.around.finish(self.around.kept(*w));
        }
    }
}

/// What becomes of the parameters that the rule returns.
pub(super) struct Finish<'a, F> {
    pub(super) around: Around<F>,
    pub(super) w: &'a mut [F],
}

impl<F: Scalar> Work for Finish<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for w in self.w {
            *w = self.around.finish(*w);
        }
    }
}

/// Takes back updates that do not agree with their gradient, and scales the others.
pub(super) struct Caution<'a, F> {
    pub(super) decay: F,
    pub(super) factor: F,
    /// The parameters that the rule returned.
    pub(super) w: &'a mut [F],
    /// Those that it got.
    pub(super) kept: &'a [F],
    pub(super) gradients: &'a [F],
}

impl<F: Scalar> Work for Caution<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { decay, factor, w, kept, gradients } = self;
        let n = w.len();
        let (kept, gradients) = (&kept[..n], &gradients[..n]);
        for i in 0..n {
            let rest = kept[i] - decay * kept[i].flushed();
            let delta = w[i] - rest;
            let moved = if agree(delta, gradients[i]) { rest + factor * delta } else { rest };
            // NaN agrees with nothing, and must not be hidden by that.
            w[i] = if delta.is_nan() { delta } else { moved };
        }
    }
}

/// How many updates agree with their gradient.
pub(super) struct Agreeing<'a, F> {
    pub(super) decay: F,
    pub(super) moved: &'a [F],
    pub(super) kept: &'a [F],
    pub(super) gradients: &'a [F],
}

impl<F: Scalar> Work for Agreeing<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let Self { decay, moved, kept, gradients } = self;
        let n = moved.len();
        let (kept, gradients) = (&kept[..n], &gradients[..n]);
        // Of the elements' own type: the count of a tile is exact in it.
        let mut count = F::zero();
        for i in 0..n {
            let rest = kept[i] - decay * kept[i].flushed();
            let agrees = agree(moved[i] - rest, gradients[i]);
            count = count + if agrees { F::one() } else { F::zero() };
        }
        count.into_f64()
    }
}

/// Whether an update descends along its gradient.
#[inline(always)]
fn agree<F: Scalar>(delta: F, g: F) -> bool {
    let zero = F::zero();
    ((delta < zero) & (g > zero)) | ((delta > zero) & (g < zero))
}

/// Lets averages take another term.
pub(super) struct Blend<'a, F> {
    pub(super) rate: F,
    pub(super) w: &'a [F],
    pub(super) average: &'a mut [F],
}

impl<F: Scalar> Work for Blend<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { rate, w, average } = self;
        let average = &mut average[..w.len()];
        for i in 0..w.len() {
            average[i] = averaged(average[i], w[i], rate);
        }
    }
}
