//! Newton's method by conjugate gradient, in a trust region.

use super::descent::Descent;
use super::halt::Halt;
use super::model::{hessian_vector, zero};
use super::solver::Solver;
use super::trust_region::{ModelStep, TrustRegion};
use crate::error::Error;
use crate::rule::Interval;
use crate::scalar::Scalar;
use crate::vector;

const FORCING: Interval = Interval::closed(0.0, 0.999, "a number in [0, 0.999]");

/// **Newton-CG** in a trust region: for many parameters, where products with the Hessian are to be had or saddle
/// points are in the way.
///
/// p ≈ -H⁻¹g by conjugate gradient on the quadratic model
/// m(p) = gᵀp + ½pᵀHp, ended where ‖Hp + g‖ ≤ ηₖ·‖g‖, at the border ‖p‖ = Δ, or, where a direction of
/// negative curvature is met, along it to the border. ηₖ = min(η, ‖g‖/‖g₋‖) follows how fast the gradient
/// falls: far from a minimum a rough step will do, near it steps are exact. The first is η.
///
/// | setting | default | range |
/// |---|---|---|
/// | `forcing` η | 0.5 | [0, 0.999] |
/// | `radius` Δ at the start | ten times the way to the minimum along -g, by the first Hv | (0, ∞) |
///
/// Each step of conjugate gradient takes one product Hv: the objective's own where it gives such
/// ([`WithHessian`](super::WithHessian)), else a difference of two gradients, which counts as an
/// evaluation. p is always a direction of descent; where f falls by less than a ten-thousandth of
/// what the model promises, p is shortened by backtracking, with no new products. Δ follows how
/// well the model does.
///
/// Source: Steihaug 1983; Nocedal & Yuan 1998; Eisenstat & Walker, "Choosing the forcing terms in an
/// inexact Newton method", 1996, choice 2 (ηₖ, here with exponent 1 and without the safeguard, which a
/// badly scaled f waits for); Nocedal & Wright 2006, algorithms 4.1 and 7.2.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{Flat, NewtonCg, Stop, WithHessian, minimize};
///
/// // Σ wᵢ⁴ - wᵢ²: at w = 0.1 it curves downward.
/// let mut objective = WithHessian::new(
///     |w: &Array1<f64>| {
///         ((w * w * (w * w - 1.0)).sum(), 4.0 * w * w * w - 2.0 * w)
///     },
///     |w: &Array1<f64>, v: Flat<'_, f64>| {
///         let v = v.view();
///         (12.0 * w * w - 2.0) * v
///     },
/// );
/// let mut w = array![0.1, -0.2];
/// let report = minimize(&mut NewtonCg::new(), &mut w, &mut objective, Stop::default())?;
/// assert!((report.value + 0.5).abs() < 1e-12);
/// assert!(report.evaluations.hessian_vectors > 0);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NewtonCg<F> {
    forcing: f64,
    region: TrustRegion,
    /// ‖g‖ of the last iteration.
    norm: f64,
    /// The step, and H times it.
    step: Vec<F>,
    step_product: Vec<F>,
    residual: Vec<F>,
    direction: Vec<F>,
    product: Vec<F>,
}

impl<F: Scalar> Default for NewtonCg<F> {
    fn default() -> Self {
        Self::new()
    }
}

/// How an inner solve ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Inside,
    Border,
}

impl<F: Scalar> NewtonCg<F> {
    /// With η = 0.5.
    pub fn new() -> Self {
        Self {
            forcing: 0.5,
            region: TrustRegion::new(),
            norm: f64::NAN,
            step: Vec::new(),
            step_product: Vec::new(),
            residual: Vec::new(),
            direction: Vec::new(),
            product: Vec::new(),
        }
    }

    /// Sets η, the largest part of ‖g‖ that the residual of an inner solve may have; in [0, 0.999]. Less
    /// of it means more products for each step, and fewer steps.
    #[must_use]
    pub fn forcing(mut self, forcing: f64) -> Self {
        self.forcing = forcing;
        self
    }

    /// Sets Δ, the length of the longest step, at the start; in (0, ∞).
    #[must_use]
    pub fn radius(mut self, radius: f64) -> Self {
        self.region.set_first(radius);
        self
    }

    /// Goes on along the direction to the border.
    fn reach_border(&mut self) {
        let tau = self.region.to_border(&self.step, &self.direction);
        self.advance(tau);
    }

    fn advance(&mut self, tau: f64) {
        vector::add_scaled(tau, &self.direction, &mut self.step);
        vector::add_scaled(tau, &self.product, &mut self.step_product);
    }

    /// ηₖ where the gradient has that norm.
    fn force(&mut self, norm: f64) -> f64 {
        let fall = norm / self.norm;
        self.norm = norm;
        // NaN at the first.
        if fall < self.forcing { fall } else { self.forcing }
    }

    /// Steihaug's conjugate gradient.
    fn solve(&mut self, descent: &mut Descent<'_, F>) -> Result<End, Halt> {
        let norm = vector::norm(descent.gradient());
        let tolerance = self.force(norm) * norm;
        self.step.fill(F::zero());
        self.step_product.fill(F::zero());
        self.residual.copy_from_slice(descent.gradient());
        vector::combine(-1.0, descent.gradient(), 0.0, &mut self.direction);
        let mut square = vector::dot(&self.residual, &self.residual);
        for _ in 0..2 * descent.dim().max(10) {
            hessian_vector(descent, &self.direction, &mut self.product)?;
            let curvature = vector::dot(&self.direction, &self.product);
            let length = vector::dot(&self.direction, &self.direction);
            if self.region.is_open() {
                // Ten times the way to the minimum along -g, or where there is none, the size of x.
                self.region.set_radius(if curvature > 0.0 {
                    10.0 * square / curvature * length.sqrt()
                } else {
                    vector::norm(descent.x()).max(1.0)
                });
            }
            if !curvature.is_finite() {
                break;
            }
            if curvature <= 0.0 {
                self.reach_border();
                return Ok(End::Border);
            }
            let alpha = square / curvature;
            let before = vector::dot(&self.step, &self.step);
            let onward = 2.0 * alpha * vector::dot(&self.step, &self.direction);
            if self.region.ends(before + onward + alpha * alpha * length) {
                self.reach_border();
                return Ok(End::Border);
            }
            self.advance(alpha);
            vector::add_scaled(alpha, &self.product, &mut self.residual);
            let next = vector::dot(&self.residual, &self.residual);
            if next.sqrt() <= tolerance {
                return Ok(End::Inside);
            }
            vector::combine(-1.0, &self.residual, next / square, &mut self.direction);
            square = next;
        }
        if vector::dot(&self.step, &self.step) == 0.0 {
            // Not one product was finite.
            vector::combine(-1.0, descent.gradient(), 0.0, &mut self.step);
        }
        Ok(End::Inside)
    }
}

impl<F: Scalar> Solver<F> for NewtonCg<F> {
    fn name(&self) -> &'static str {
        "Newton-CG"
    }

    fn validate(&self) -> Result<(), Error> {
        FORCING.check::<F>("NewtonCg", "forcing", self.forcing)?;
        let radius = self.region.first().unwrap_or(1.0);
        Interval::POSITIVE.check::<F>("NewtonCg", "radius", radius)
    }

    fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        let vectors = [
            &mut self.step,
            &mut self.step_product,
            &mut self.residual,
            &mut self.direction,
            &mut self.product,
        ];
        vectors.into_iter().for_each(|vector| zero(vector, descent.dim()));
        self.region.start();
        self.norm = f64::NAN;
        Ok(())
    }

    fn turn(&mut self, _: &mut Descent<'_, F>) -> Result<(), Halt> {
        // Another face is no other function.
        self.norm = f64::NAN;
        Ok(())
    }

    fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        let end = self.solve(descent)?;
        let mut slope = descent.slope_along(&self.step);
        if !(slope < 0.0 && slope.is_finite()) {
            descent.count_restart();
            vector::combine(-1.0, descent.gradient(), 0.0, &mut self.step);
            self.step_product.fill(F::zero());
            slope = descent.slope_along(&self.step);
        }
        let curvature = vector::dot(&self.step, &self.step_product);
        // What is left of the model's gradient says how much of it was seen.
        let seen = vector::norm(&self.residual) <= 0.01 * vector::norm(descent.gradient());
        let model =
            if end == End::Inside && seen { -(slope + 0.5 * curvature) } else { f64::INFINITY };
        descent.note_promise(if model >= 0.0 { model } else { f64::INFINITY });
        let at_border = end == End::Border;
        self.region.take(descent, &ModelStep { step: &self.step, slope, curvature, at_border })
    }
}
