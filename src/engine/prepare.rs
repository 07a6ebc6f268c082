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

/// What brings a gradient within the limit of its norm.
///
/// The factor of a huge gradient may be subnormal, with few digits: a power of two takes part of it.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Scale<F> {
    power: F,
    factor: F,
}

impl<F: Scalar> Scale<F> {
    /// The factor limit/norm, or 1 where there is no limit or the norm is 0, within it, or not finite.
    pub(super) fn of(settings: &Settings, norm: Option<Norm>) -> Self {
        match (settings.clip_norm, norm) {
            (Some(limit), Some(norm)) if norm.value() > limit && norm.scaled.is_finite() => {
                let smallest = F::min_positive_value();
                let factor = limit / norm.scaled;
                if F::from_f64(factor) >= smallest {
                    Self { power: F::from_f64(norm.power), factor: F::from_f64(factor) }
                } else {
                    let factor = F::from_f64(factor / smallest.into_f64());
                    Self { power: F::from_f64(norm.power) * smallest, factor }
                }
            }
            _ => Self { power: F::one(), factor: F::one() },
        }
    }

    pub(super) fn is_one(self) -> bool {
        self.power == F::one() && self.factor == F::one()
    }

    #[inline(always)]
    fn apply(self, g: F) -> F {
        self.power * g * self.factor
    }
}

/// c·g, clipped.
#[derive(Clone, Copy)]
pub(super) struct Scaled<F>(pub(super) Scale<F>);

impl<F: Scalar> Prepare<F> for Scaled<F> {
    #[inline(always)]
    fn prepare(self, _w: F, g: F) -> F {
        self.0.apply(g)
    }
}

/// What comes before, and + ε₂w.
#[derive(Clone, Copy)]
pub(super) struct WithL2<F, P> {
    pub(super) inner: P,
    pub(super) l2: F,
}

impl<F: Scalar, P: Prepare<F>> Prepare<F> for WithL2<F, P> {
    #[inline(always)]
    fn prepare(self, w: F, g: F) -> F {
        self.inner.prepare(w, g) + self.l2 * w
    }
}

/// What comes before, and + ε₁ sign(w).
#[derive(Clone, Copy)]
pub(super) struct WithL1<F, P> {
    pub(super) inner: P,
    pub(super) l1: F,
}

impl<F: Scalar, P: Prepare<F>> Prepare<F> for WithL1<F, P> {
    #[inline(always)]
    fn prepare(self, w: F, g: F) -> F {
        let pull = if w == F::zero() { F::zero() } else { self.l1.copysign(w) };
        self.inner.prepare(w, g) + pull
    }
}

/// ‖g‖₂ as a number that neither overflows nor vanishes, and a power of two: their quotient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm {
    pub(super) scaled: f64,
    pub(super) power: f64,
}

impl Norm {
    pub(super) fn value(self) -> f64 {
        self.scaled / self.power
    }
}
