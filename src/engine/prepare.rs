//! What becomes of a gradient before the rule sees it, inside the sweep.

use super::Settings;
use crate::scalar::Scalar;

/// The gradient that the rule gets for an element.
///
/// Each case is a type, so that what is absent costs nothing.
pub(super) trait Prepare<F>: Copy + Send + Sync {
    fn prepare(self, w: F, g: F) -> F;
}

/// g
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl<F: Scalar> Prepare<F> for Plain {
    #[inline(always)]
    fn prepare(self, _w: F, g: F) -> F {
        g
    }
}

/// c·g, clipped.
#[derive(Clone, Copy)]
pub(super) struct Scaled<F>(pub(super) F);

impl<F: Scalar> Prepare<F> for Scaled<F> {
    #[inline(always)]
    fn prepare(self, _w: F, g: F) -> F {
        self.0 * g
    }
}

/// c·g + ε₂w
#[derive(Clone, Copy)]
pub(super) struct WithL2<F> {
    pub(super) scale: F,
    pub(super) l2: F,
}

impl<F: Scalar> Prepare<F> for WithL2<F> {
    #[inline(always)]
    fn prepare(self, w: F, g: F) -> F {
        self.scale * g + self.l2 * w
    }
}

/// c·g + ε₂w + ε₁ sign(w)
#[derive(Clone, Copy)]
pub(super) struct WithL1<F> {
    pub(super) scale: F,
    pub(super) l1: F,
    pub(super) l2: F,
}

impl<F: Scalar> Prepare<F> for WithL1<F> {
    #[inline(always)]
    fn prepare(self, w: F, g: F) -> F {
        self.scale * g + self.l2 * w + self.l1 * w.sign()
    }
}

/// The factor that brings a gradient of this norm within the limit; 1 where there is no limit, or
/// where the norm is 0 or not finite.
pub(super) fn clip_scale(settings: &Settings, norm: Option<f64>) -> f64 {
    match (settings.clip_norm, norm) {
        (Some(limit), Some(norm)) if norm > limit && norm.is_finite() => limit / norm,
        _ => 1.0,
    }
}
