//! Møller's scaled conjugate gradient.

use super::descent::Descent;
use super::halt::Halt;
use super::model::{curvature, decrease, zero};
use super::solver::Solver;
use crate::error::Error;
use crate::rule::Interval;
use crate::scalar::Scalar;
use crate::vector;

/// **Scaled conjugate gradient**: conjugate gradient that needs no line search.
///
/// The length along a conjugate direction ρ from the curvature there,
/// α = -gᵀρ / (ρᵀHρ + λρᵀρ), in place of a line search; λ grows where the parabola misleads.
///
/// | setting | default | range |
/// |---|---|---|
/// | `damping` λ at the start | 1e-6 | (0, ∞) |
///
/// ρᵀHρ is the objective's own where it has products with the Hessian, else a difference of two
/// gradients; an iteration costs two evaluations. Where ρᵀHρ + λρᵀρ is not positive, λ is raised
/// until it is. β = (gᵀg - gᵀg₋) / -g₋ᵀρ₋, and every n iterations, or where ρ does not descend, it
/// begins again at -g.
///
/// Source: Møller, "A scaled conjugate gradient algorithm for fast supervised learning", 1993.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{ScaledConjugateGradient, Stop, minimize};
///
/// let mut rosenbrock = |w: &Array1<f64>| {
///     let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
///     (a * a + 100.0 * b * b, array![-2.0 * a - 400.0 * w[0] * b, 200.0 * b])
/// };
/// let mut w = array![-1.2, 1.0];
/// let mut solver = ScaledConjugateGradient::new();
/// let report = minimize(&mut solver, &mut w, &mut rosenbrock, Stop::default())?;
/// assert!(report.status.is_converged());
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ScaledConjugateGradient<F> {
    damping: f64,
    /// λ.
    lambda: f64,
    direction: Vec<F>,
    product: Vec<F>,
    since_restart: usize,
}

impl<F: Scalar> Default for ScaledConjugateGradient<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Scalar> ScaledConjugateGradient<F> {
    /// With λ = 1e-6 at the start.
    pub fn new() -> Self {
        Self {
            damping: 1e-6,
            lambda: 1e-6,
            direction: Vec::new(),
            product: Vec::new(),
            since_restart: 0,
        }
    }

    /// Sets λ at the start; in (0, ∞).
    #[must_use]
    pub fn damping(mut self, damping: f64) -> Self {
        self.damping = damping;
        self
    }

    fn restart(&mut self, descent: &Descent<'_, F>) {
        vector::combine(-1.0, descent.gradient(), 0.0, &mut self.direction);
        self.since_restart = 0;
    }
}

impl<F: Scalar> Solver<F> for ScaledConjugateGradient<F> {
    fn name(&self) -> &'static str {
        "ScaledConjugateGradient"
    }

    fn validate(&self) -> Result<(), Error> {
        Interval::POSITIVE.check::<F>("ScaledConjugateGradient", "damping", self.damping)
    }

    fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        zero(&mut self.direction, descent.dim());
        zero(&mut self.product, descent.dim());
        self.lambda = self.damping;
        self.restart(descent);
        Ok(())
    }

    fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        let mut slope = descent.slope_along(&self.direction);
        let norm = vector::norm(descent.gradient());
        let descends = slope < -1e-10 * norm * vector::norm(&self.direction);
        if !descends {
            descent.count_restart();
            self.restart(descent);
            slope = -norm * norm;
        }
        let square = vector::dot(&self.direction, &self.direction);
        let mut curvature = curvature(descent, &self.direction, &mut self.product)?;
        if !curvature.is_finite() {
            curvature = 0.0;
            self.lambda = self.lambda.max(1.0);
        }
        for attempt in 0..100 {
            let mut delta = curvature + self.lambda * square;
            if delta <= 0.0 {
                // Møller's λ̄ = 2(λ - δ/‖ρ‖²), with which δ changes its sign.
                self.lambda = 2.0 * (self.lambda - delta / square);
                delta = curvature + self.lambda * square;
            }
            let minimum = -slope / delta;
            let trial = descent.try_length(minimum, &self.direction)?;
            let length = trial.length;
            // Δ: the decrease over the one that the parabola promises.
            let promised = if length < minimum {
                // A wall has stopped it.
                -length * (slope + 0.5 * length * delta)
            } else {
                -0.5 * length * slope
            };
            let ratio = decrease(descent, slope, &trial, attempt == 0) / promised;
            if ratio >= 0.75 {
                self.lambda *= 0.25;
            } else if ratio < 0.25 {
                self.lambda += (delta * (1.0 - ratio) / square).min(1e3 * delta / square);
            } else if !ratio.is_finite() {
                self.lambda += 1e3 * delta / square;
            }
            self.lambda = self.lambda.max(f64::MIN_POSITIVE);
            if ratio > 0.0 {
                descent.accept(length);
                let (g, old) = (descent.gradient(), descent.trial_gradient());
                self.since_restart += 1;
                if self.since_restart >= descent.dim().max(2) {
                    self.restart(descent);
                } else {
                    let beta = (vector::dot(g, g) - vector::dot(g, old)) / -slope;
                    vector::combine(-1.0, g, beta, &mut self.direction);
                }
                return Ok(());
            }
        }
        Err(Halt::Stuck)
    }
}
