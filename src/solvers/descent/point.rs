//! A point of a minimization, and the tests that it is put to.

use std::time::Instant;

use crate::scalar::Scalar;
use crate::solvers::report::Test;
use crate::solvers::stop::Stop;
use crate::vector;

/// A point, f and ∇f there.
#[derive(Debug)]
pub(crate) struct Point<F> {
    pub(crate) x: Vec<F>,
    pub(crate) gradient: Vec<F>,
    pub(crate) value: f64,
    /// NaN where the gradient was not computed.
    pub(crate) gradient_max: f64,
    /// Whether value and gradient were interpolated, not evaluated.
    pub(crate) predicted: bool,
}

impl<F: Scalar> Point<F> {
    pub(crate) fn new(dim: usize) -> Self {
        let zeros = || vec![F::zero(); dim];
        Self {
            x: zeros(),
            gradient: zeros(),
            value: f64::NAN,
            gradient_max: f64::NAN,
            predicted: false,
        }
    }

    /// Whether max|gᵢ|·max(|xᵢ|, 1) ≤ `limit`·|f|.
    fn is_flat(&self, limit: f64) -> bool {
        let allowed = limit * self.value.abs();
        let small = |(&x, &g): (&F, &F)| (g * x.abs().max(F::one())).into_f64().abs() <= allowed;
        self.gradient_max <= allowed && self.x.iter().zip(&self.gradient).all(small)
    }
}

/// The tests that every evaluation makes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    gradient_max: Option<f64>,
    gradient_norm: Option<f64>,
    relative_gradient: Option<f64>,
    pub(super) target: Option<f64>,
    pub(super) evaluations: u64,
    pub(super) deadline: Option<Instant>,
}

impl Limits {
    pub(crate) fn of<F: Scalar>(stop: &Stop<'_, F>, begun: Instant) -> Self {
        Self {
            gradient_max: stop.gradient_max,
            gradient_norm: stop.gradient_norm,
            relative_gradient: stop.relative_gradient,
            target: stop.target,
            evaluations: stop.evaluations.unwrap_or(u64::MAX),
            deadline: stop.time.and_then(|time| begun.checked_add(time)),
        }
    }

    pub(super) fn test_gradient<F: Scalar>(&self, point: &Point<F>) -> Option<Test> {
        let within = |limit: Option<f64>, value: f64| limit.is_some_and(|limit| value <= limit);
        if within(self.gradient_max, point.gradient_max) {
            Some(Test::GradientMax)
        } else if self.gradient_norm.is_some()
            && within(self.gradient_norm, vector::norm(&point.gradient))
        {
            Some(Test::GradientNorm)
        } else if self.relative_gradient.is_some_and(|limit| point.is_flat(limit)) {
            Some(Test::RelativeGradient)
        } else if point.gradient_max == 0.0 {
            Some(Test::Stationary)
        } else {
            None
        }
    }
}
