//! Norms of gradients, and what brings a gradient within a limit of its norm.

use crate::reduce::{self, How, ScaledSquare, Square};
use crate::scalar::Scalar;

/// What brings a gradient within the limit of its norm.
///
/// The factor of a huge gradient may be subnormal, with few digits: a power of two takes part of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale<F> {
    power: F,
    factor: F,
}

impl<F: Scalar> Scale<F> {
    pub(crate) fn one() -> Self {
        Self { power: F::one(), factor: F::one() }
    }

    /// limit/norm, or 1 where there is no limit or the norm is 0, within it, or not finite.
    pub(crate) fn of(limit: Option<f64>, norm: Option<Norm>) -> Self {
        match (limit, norm) {
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
            _ => Self::one(),
        }
    }

    /// This scale, or the one that brings a gradient of that norm to the limit, if it is above it
    /// so scaled.
    pub(super) fn within(self, limit: f64, norm: Norm) -> Self {
        if norm.value() * self.value() > limit { Self::of(Some(limit), Some(norm)) } else { self }
    }

    pub(crate) fn is_one(self) -> bool {
        self.power == F::one() && self.factor == F::one()
    }

    /// The factor, if that is all.
    pub(super) fn as_factor(self) -> Option<F> {
        (self.power == F::one()).then_some(self.factor)
    }

    pub(crate) fn negated(self) -> Self {
        Self { factor: -self.factor, ..self }
    }

    /// By how much a norm is scaled.
    pub(crate) fn value(self) -> f64 {
        self.power.into_f64() * self.factor.into_f64()
    }

    #[inline(always)]
    pub(crate) fn apply(self, g: F) -> F {
        self.power * g * self.factor
    }
}

/// ‖g‖₂ as a number that neither overflows nor vanishes, and a power of two: their quotient.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norm {
    scaled: f64,
    power: f64,
    // Not computed on request: where there is no norm the division may be done all the same, of
    // whatever lies in memory, and is slow where that is subnormal.
    value: f64,
}

impl Norm {
    fn new(scaled: f64, power: f64) -> Self {
        Self { scaled, power, value: scaled / power }
    }

    pub(crate) fn value(self) -> f64 {
        self.value
    }

    pub(crate) fn is_finite(self) -> bool {
        self.scaled.is_finite()
    }

    /// From a function that sums a power times each element, squared.
    pub(crate) fn from_sums(square: f64, scaled: impl FnOnce(ScaledSquare) -> f64) -> Self {
        if square > 1e-280 && square < 1e300 {
            return Self::new(square.sqrt(), 1.0);
        }
        // `f64` gradients whose squares overflow or vanish: powers of two bring them back.
        let power = if square < 1.0 { 2.0_f64.powi(500) } else { 2.0_f64.powi(-600) };
        Self::new(scaled(ScaledSquare(power)).sqrt(), power)
    }
}

/// ‖x‖₂ of a slice.
pub(super) fn norm_of_slice<F: Scalar>(x: &[F], how: How) -> Norm {
    let square = reduce::sum_slice(x, Square, how).value();
    Norm::from_sums(square, |term| reduce::sum_slice(x, term, how).value())
}
