//! A point of a minimization, and the tests that it is put to.

use std::time::Instant;

use super::face::Face;
use crate::scalar::Scalar;
use crate::solvers::report::Test;
use crate::solvers::stop::Stop;
use crate::vector;

/// A point, f and ∇f there.
#[derive(Debug)]
pub(crate) struct Point<F> {
    pub(crate) x: Vec<F>,
    pub(crate) gradient: Vec<F>,
    /// The gradient on the face; empty where there is none.
    pub(crate) reduced: Vec<F>,
    pub(crate) value: f64,
    /// max|gᵢ|, of the projected gradient on a face; NaN where the gradient was not computed.
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
            reduced: Vec::new(),
            value: f64::NAN,
            gradient_max: f64::NAN,
            predicted: false,
        }
    }

    /// Whether max|gᵢ|·max(|xᵢ|, 1) ≤ `limit`·|f|.
    fn is_flat(&self, limit: f64, face: Option<&Face<F>>) -> bool {
        let allowed = limit * self.value.abs();
        let small = |x: F, g: F| (g * x.abs().max(F::one())).into_f64().abs() <= allowed;
        self.gradient_max <= allowed
            && match face {
                None => self.x.iter().zip(&self.gradient).all(|(&x, &g)| small(x, g)),
                Some(face) => {
                    let projected = face.projected(&self.x, &self.gradient);
                    self.x.iter().zip(projected).all(|(&x, g)| small(x, g))
                }
            }
    }

    /// ‖g‖₂, of the projected gradient on a face.
    fn gradient_norm(&self, face: Option<&Face<F>>) -> f64 {
        match face {
            None => vector::norm(&self.gradient),
            Some(face) => face.projected_norm(&self.x, &self.gradient),
        }
    }

    /// The gradient that a solver goes by.
    pub(super) fn free_gradient(&self) -> &[F] {
        if self.reduced.is_empty() { &self.gradient } else { &self.reduced }
    }

    /// Measures a gradient that was just written.
    pub(super) fn measure(&mut self, face: Option<&Face<F>>) {
        self.gradient_max = match face {
            None => vector::norm_max(&self.gradient),
            Some(face) => {
                face.reduce(&self.gradient, &mut self.reduced);
                face.projected_max(&self.x, &self.gradient)
            }
        };
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
    pub(crate) fn of<F: Scalar>(stop: &Stop<'_, F>, begun: Option<Instant>) -> Self {
        Self {
            gradient_max: stop.gradient_max,
            gradient_norm: stop.gradient_norm,
            relative_gradient: stop.relative_gradient,
            target: stop.target,
            evaluations: stop.evaluations.unwrap_or(u64::MAX),
            deadline: stop.time.zip(begun).and_then(|(time, begun)| begun.checked_add(time)),
        }
    }

    pub(super) fn test_gradient<F: Scalar>(
        &self,
        point: &Point<F>,
        face: Option<&Face<F>>,
    ) -> Option<Test> {
        let within = |limit: Option<f64>, value: f64| limit.is_some_and(|limit| value <= limit);
        if within(self.gradient_max, point.gradient_max) {
            Some(Test::GradientMax)
        } else if self.gradient_norm.is_some()
            && within(self.gradient_norm, point.gradient_norm(face))
        {
            Some(Test::GradientNorm)
        } else if self.relative_gradient.is_some_and(|limit| point.is_flat(limit, face)) {
            Some(Test::RelativeGradient)
        } else if point.gradient_max == 0.0 {
            Some(Test::Stationary)
        } else {
            None
        }
    }
}
