//! Trust regions, beside line searches: how far a quadratic model of f is believed.

use super::descent::Descent;
use super::halt::Halt;
use super::line_search::Sample;
use super::model::decrease;
use crate::scalar::Scalar;
use crate::vector;

/// Shorter trials of one step at most.
const TRIALS: u32 = 60;
/// The share of the promised decrease from which a step is taken.
const ENOUGH: f64 = 1e-4;

/// The ball ‖p‖ ≤ Δ; Δ follows how well the model does.
#[derive(Debug, Clone)]
pub(super) struct TrustRegion {
    /// Δ at the start, if it is set.
    first: Option<f64>,
    /// NaN until something is known of f.
    radius: f64,
}

/// A step by a model, m(αp) = α·gᵀp + ½α²·pᵀHp.
#[derive(Debug)]
pub(super) struct ModelStep<'a, F> {
    pub(super) step: &'a [F],
    /// gᵀp < 0.
    pub(super) slope: f64,
    /// pᵀHp.
    pub(super) curvature: f64,
    /// Whether the region's border ended it.
    pub(super) at_border: bool,
}

impl TrustRegion {
    pub(super) fn new() -> Self {
        Self { first: None, radius: f64::NAN }
    }

    /// Sets Δ at the start.
    pub(super) fn set_first(&mut self, radius: f64) {
        self.first = Some(radius);
    }

    pub(super) fn first(&self) -> Option<f64> {
        self.first
    }

    /// Forgets what was learnt.
    pub(super) fn start(&mut self) {
        self.radius = self.first.unwrap_or(f64::NAN);
    }

    /// Whether Δ is still to be [set](TrustRegion::set_radius).
    pub(super) fn is_open(&self) -> bool {
        self.radius.is_nan()
    }

    pub(super) fn set_radius(&mut self, radius: f64) {
        self.radius = radius;
    }

    /// Whether a step of that ‖p‖² reaches the border.
    pub(super) fn ends(&self, square: f64) -> bool {
        square >= self.radius * self.radius
    }

    /// τ ≥ 0 such that p + τd lies on the border.
    pub(super) fn to_border<F: Scalar>(&self, p: &[F], d: &[F]) -> f64 {
        let (dd, pd, pp) = (vector::dot(d, d), vector::dot(p, d), vector::dot(p, p));
        let gap = (self.radius * self.radius - pp).max(0.0);
        let root = (pd * pd + dd * gap).sqrt();
        // The form that does not cancel.
        if pd > 0.0 { gap / (pd + root) } else { (root - pd) / dd }
    }

    /// Takes the step, shortened by backtracking until f falls by a ten-thousandth of what the model
    /// promises.
    ///
    /// # Errors
    /// [`Halt::Stuck`] if it never does; as [`Descent::try_length`] besides.
    pub(super) fn take<F: Scalar>(
        &mut self,
        descent: &mut Descent<'_, F>,
        model: &ModelStep<'_, F>,
    ) -> Result<(), Halt> {
        let ModelStep { step, slope, curvature, .. } = *model;
        let size = vector::norm(step);
        let mut length = 1.0;
        for trial in 0..TRIALS {
            let sample = descent.try_length(length, step)?;
            // A wall may have stopped it.
            length = sample.length;
            let promised = -length * (slope + 0.5 * length * curvature);
            let fell = decrease(descent, slope, &sample, trial == 0);
            let ratio = fell / promised;
            if sample.is_finite() && ratio > ENOUGH {
                if trial > 0 {
                    self.radius = length * size;
                } else {
                    self.adapt(model, ratio, size, &sample);
                }
                descent.accept(length);
                return Ok(());
            }
            let parabola = 0.5 * slope * length * length / (fell + length * slope);
            length = if parabola.is_finite() && sample.is_finite() {
                parabola.clamp(0.1 * length, 0.5 * length)
            } else {
                0.1 * length
            };
            self.radius = length * size;
        }
        Err(Halt::Stuck)
    }

    /// Δ after a whole step.
    fn adapt<F>(&mut self, model: &ModelStep<'_, F>, ratio: f64, size: f64, sample: &Sample) {
        if ratio < 0.25 {
            // Where the parabola through both slopes has its minimum.
            let shrink = (model.slope / (model.slope - sample.slope)).clamp(0.1, 0.5);
            self.radius = shrink * size;
        } else if ratio > 0.75 && model.at_border {
            self.radius *= if ratio > 0.9 { 4.0 } else { 2.0 };
        }
    }
}
