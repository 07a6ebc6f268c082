//! Barzilai and Borwein's gradient method.

use super::descent::Descent;
use super::halt::Halt;
use super::lbfgs::first_length;
use super::model::{OPEN_FRACTION, UNIT, zero};
use super::solver::Solver;
use crate::error::Error;
use crate::scalar::Scalar;
use crate::vector;

/// Values that the newest one may rise to.
const VALUES: usize = 10;
/// Short lengths of which the least is taken.
const LENGTHS: usize = 6;

/// **Barzilai-Borwein**: gradient descent that finds the lengths of its steps by itself.
///
/// w = w₋ - αg with a length that carries the curvature met last,
/// α = sᵀs/sᵀy or sᵀy/yᵀy, s = w - w₋, y = g - g₋.
///
/// | setting | default | range |
/// |---|---|---|
/// | `decrease` γ | 1e-4 | (0, 1) |
/// | `switch` τ | 0.8 | [0, 1] |
///
/// One vector of memory, no line search, and f may rise: a step is taken if
/// f(w - αg) ≤ max(the last 10 values) - γα‖g‖², else it is shortened by a parabola. Where
/// (sᵀy)²/(sᵀs·yᵀy) < τ, the two lengths differ much, and the least of the last 6 short ones,
/// sᵀy/yᵀy, is taken, else the long one, sᵀs/sᵀy; τ moves by a tenth after each, against it. Where f
/// curves downward, the step is ten times the last. It takes many cheap iterations where conjugate
/// gradient takes fewer: use it where vectors are long and gradients cheap.
///
/// Source: Barzilai & Borwein 1988; Grippo, Lampariello & Lucidi 1986; Raydan 1997; Frassoldati,
/// Zanghirati & Zanni 2008 (ABBmin2).
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{BarzilaiBorwein, Stop, minimize};
///
/// let mut objective = |w: &Array1<f64>| {
///     let g = array![2.0 * w[0], 200.0 * w[1]];
///     (w[0] * w[0] + 100.0 * w[1] * w[1], g)
/// };
/// let mut w = array![3.0, -1.0];
/// let report = minimize(&mut BarzilaiBorwein::new(), &mut w, &mut objective, Stop::default())?;
/// assert!(report.status.is_converged());
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BarzilaiBorwein<F> {
    decrease: f64,
    switch: f64,
    /// τ as it has moved.
    moving: f64,
    direction: Vec<F>,
    length: f64,
    values: [f64; VALUES],
    lengths: [f64; LENGTHS],
    iteration: usize,
    short: usize,
}

impl<F: Scalar> Default for BarzilaiBorwein<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Scalar> BarzilaiBorwein<F> {
    /// With γ = 1e-4 and τ = 0.8.
    pub fn new() -> Self {
        Self {
            decrease: 1e-4,
            switch: 0.8,
            moving: 0.8,
            direction: Vec::new(),
            length: 1.0,
            values: [f64::NEG_INFINITY; VALUES],
            lengths: [f64::INFINITY; LENGTHS],
            iteration: 0,
            short: 0,
        }
    }

    /// Sets γ, the share of the decrease along the tangent that is enough; in (0, 1).
    #[must_use]
    pub fn decrease(mut self, decrease: f64) -> Self {
        self.decrease = decrease;
        self
    }

    /// Sets τ, below which the shorter lengths are taken, where it begins; in [0, 1]. At 0 every
    /// length is sᵀs/sᵀy.
    #[must_use]
    pub fn switch(mut self, switch: f64) -> Self {
        self.switch = switch;
        self
    }

    /// The length from the step that was just made.
    fn next_length(&mut self, descent: &Descent<'_, F>, length: f64) -> f64 {
        // s = -αg₋, so that sᵀs and sᵀy are products of gradients.
        let (g, old) = (descent.gradient(), descent.trial_gradient());
        let (gg, cross, old_old) = (vector::dot(g, g), vector::dot(g, old), vector::dot(old, old));
        let ss = length * length * old_old;
        let sy = length * (old_old - cross);
        let yy = (gg - 2.0 * cross + old_old).max(0.0);
        let (long, short) = (ss / sy, sy / yy);
        if !(sy > 0.0 && long.is_finite() && short > 0.0 && short.is_finite()) {
            // f curves downward: further than last time.
            return 10.0 * length;
        }
        self.lengths[self.short % LENGTHS] = short;
        self.short += 1;
        if short / long < self.moving {
            self.moving *= 0.9;
            self.lengths.iter().copied().fold(f64::INFINITY, f64::min)
        } else {
            self.moving = (1.1 * self.moving).min(1.0);
            long
        }
    }
}

impl<F: Scalar> Solver<F> for BarzilaiBorwein<F> {
    fn name(&self) -> &'static str {
        "BarzilaiBorwein"
    }

    fn validate(&self) -> Result<(), Error> {
        OPEN_FRACTION.check::<F>("BarzilaiBorwein", "decrease", self.decrease)?;
        UNIT.check::<F>("BarzilaiBorwein", "switch", self.switch)
    }

    fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        zero(&mut self.direction, descent.dim());
        self.values = [f64::NEG_INFINITY; VALUES];
        self.values[0] = descent.value();
        self.lengths = [f64::INFINITY; LENGTHS];
        (self.iteration, self.short, self.moving) = (0, 0, self.switch);
        self.length = first_length(descent.x(), descent.gradient(), 0.1);
        Ok(())
    }

    fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        vector::combine(-1.0, descent.gradient(), 0.0, &mut self.direction);
        let slope = descent.slope_along(&self.direction);
        let highest = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let noise = F::epsilon().into_f64() * highest.abs();
        let value = descent.value();
        let mut length = self.length;
        for _ in 0..60 {
            let trial = descent.try_length(length, &self.direction)?;
            // A wall may have stopped it.
            length = trial.length;
            if trial.is_finite() && trial.value <= highest + self.decrease * length * slope + noise
            {
                descent.accept(length);
                self.iteration += 1;
                self.values[self.iteration % VALUES] = descent.value();
                self.length = self.next_length(descent, length);
                return Ok(());
            }
            let parabola = -0.5 * slope * length * length / (trial.value - value - length * slope);
            length = if trial.value.is_finite() && parabola.is_finite() {
                parabola.clamp(0.1 * length, 0.5 * length)
            } else {
                0.1 * length
            };
        }
        Err(Halt::Stuck)
    }
}
