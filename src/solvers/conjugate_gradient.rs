//! Nonlinear conjugate gradient.

use super::descent::Descent;
use super::line_search::Backtracking;
use super::solver::{Halt, Solver};
use crate::error::Error;
use crate::scalar::Scalar;
use crate::vector;

/// **Conjugate gradient**: ρ = -g + βρ₋, β = max(0, (g - g₋)ᵀg/g₋ᵀg₋).
#[derive(Debug, Clone, Default)]
pub struct ConjugateGradient<F> {
    direction: Vec<F>,
    length: f64,
}

impl<F: Scalar> ConjugateGradient<F> {
    /// Polak-Ribière.
    pub fn new() -> Self {
        Self { direction: Vec::new(), length: 1.0 }
    }
}

impl<F: Scalar> Solver<F> for ConjugateGradient<F> {
    fn name(&self) -> &'static str {
        "ConjugateGradient"
    }

    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

    fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        self.direction = vec![F::zero(); descent.dim()];
        vector::combine(-1.0, descent.gradient(), 0.0, &mut self.direction);
        self.length = 1.0 / descent.gradient_max();
        Ok(())
    }

    fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        let slope = descent.slope_along(&self.direction);
        let mut search = Backtracking::new();
        let mut found = descent.line_search(&mut search, &self.direction, slope, self.length)?;
        if found.is_err() {
            descent.count_restart();
            vector::combine(-1.0, descent.gradient(), 0.0, &mut self.direction);
            let slope = descent.slope_along(&self.direction);
            found = descent.line_search(&mut search, &self.direction, slope, self.length)?;
        }
        match found {
            Ok(length) => self.length = 2.0 * length,
            Err(_) => return Err(descent.why_stalled()?),
        }
        let (g, old) = (descent.gradient(), descent.trial_gradient());
        let beta = (vector::dot(g, g) - vector::dot(g, old)) / vector::dot(old, old);
        vector::combine(-1.0, g, beta.max(0.0), &mut self.direction);
        Ok(())
    }
}
