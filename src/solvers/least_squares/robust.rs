//! Losses of a residual that grow more slowly than its square: observations far off count for less.

use crate::error::Error;
use crate::interval::Interval;

/// What a residual r costs: ½s²ρ(z), z = (r/s)², where s is the size from which on a residual is
/// taken for an outlier.
///
/// | loss | ρ(z) | a large residual costs |
/// |---|---|---|
/// | `Squares` | z | ½r² |
/// | `SoftL1(s)` | 2(√(1 + z) - 1) | about s·\|r\| |
/// | `Huber(s)` | z where z ≤ 1, else 2√z - 1 | s·\|r\| - ½s² |
/// | `Cauchy(s)` | ln(1 + z) | about s²·ln\|r/s\| |
/// | `Arctan(s)` | arctan z | at most ¼πs² |
///
/// s is in the units of a residual, and in (0, ∞): two or three times the noise of a good observation
/// is usual. The last two are not convex: start close to the answer, as that of `SoftL1` is.
///
/// Source: Huber 1964; Triggs et al., "Bundle adjustment, a modern synthesis", 1999, for how the losses
/// enter Gauss and Newton's step.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::Stop;
/// use thalweg::solvers::least_squares::{LeastSquares, LevenbergMarquardt, Robust, least_squares};
///
/// // A mean, with one observation that is wrong.
/// let y = array![1.0, 1.1, 0.9, 1.0, 90.0];
/// let mut problem = LeastSquares::new(|w: &Array1<f64>| &y - w[0]).loss(Robust::Huber(0.2));
/// let mut w = array![0.0];
/// least_squares(&mut LevenbergMarquardt::new(), &mut w, &mut problem, Stop::never())?;
/// assert!((w[0] - 1.05).abs() < 1e-6);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Robust {
    /// ½r², the sum of squares itself.
    #[default]
    Squares,
    /// Smooth, and convex.
    SoftL1(f64),
    /// Squares up to s, then straight; convex.
    Huber(f64),
    /// Grows like a logarithm.
    Cauchy(f64),
    /// Bounded.
    Arctan(f64),
}

/// ρ and its derivatives by z, at one residual.
#[derive(Debug, Clone, Copy, PartialEq)]
struct At {
    value: f64,
    first: f64,
    second: f64,
}

impl Robust {
    /// s, if there is one.
    pub(super) fn scale(self) -> Option<f64> {
        match self {
            Self::Squares => None,
            Self::SoftL1(s) | Self::Huber(s) | Self::Cauchy(s) | Self::Arctan(s) => Some(s),
        }
    }

    pub(super) fn validate(self) -> Result<(), Error> {
        match self.scale() {
            Some(scale) => Interval::POSITIVE.check::<f64>("Robust", "scale", scale),
            None => Ok(()),
        }
    }

    /// ½s²ρ of a residual.
    pub fn cost(self, residual: f64) -> f64 {
        match self.scale() {
            None => 0.5 * residual * residual,
            Some(s) => 0.5 * s * s * self.at((residual / s).powi(2)).value,
        }
    }

    /// ψ(r), the derivative of [`cost`](Robust::cost) by the residual, and ψ'(r).
    pub(super) fn slope(self, residual: f64) -> (f64, f64) {
        let Some(s) = self.scale() else { return (residual, 1.0) };
        let z = (residual / s).powi(2);
        let At { first, second, .. } = self.at(z);
        (first * residual, first + 2.0 * second * z)
    }

    /// What the residual and its row of the Jacobian are to be multiplied by, so that they are those
    /// of a sum of squares with the same gradient and, where it is positive, the same curvature.
    pub(super) fn weights(self, residual: f64) -> (f64, f64) {
        let Some(s) = self.scale() else { return (1.0, 1.0) };
        let z = (residual / s).powi(2);
        let At { first, second, .. } = self.at(z);
        let curvature = first + 2.0 * second * z;
        // Where the loss is straight, or bends downward, a tenth of the weight that alone the slope
        // asks for keeps steps within reason.
        let row = if curvature > 0.1 * first { curvature } else { 0.1 * first };
        let row = row.max(f64::MIN_POSITIVE).sqrt();
        (first / row, row)
    }

    fn at(self, z: f64) -> At {
        match self {
            Self::Squares => At { value: z, first: 1.0, second: 0.0 },
            Self::SoftL1(_) => {
                let root = (1.0 + z).sqrt();
                // 2(√(1 + z) - 1), without the difference of two that are alike.
                At { value: 2.0 * z / (root + 1.0), first: 1.0 / root, second: -0.5 / root.powi(3) }
            }
            Self::Huber(_) if z <= 1.0 => At { value: z, first: 1.0, second: 0.0 },
            Self::Huber(_) => {
                let root = z.sqrt();
                At { value: 2.0 * root - 1.0, first: 1.0 / root, second: -0.5 / root.powi(3) }
            }
            Self::Cauchy(_) => {
                let part = 1.0 / (1.0 + z);
                At { value: z.ln_1p(), first: part, second: -part * part }
            }
            Self::Arctan(_) => {
                let part = 1.0 / (1.0 + z * z);
                At { value: z.atan(), first: part, second: -2.0 * z * part * part }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Robust; 5] = [
        Robust::Squares,
        Robust::SoftL1(0.7),
        Robust::Huber(0.7),
        Robust::Cauchy(0.7),
        Robust::Arctan(0.7),
    ];

    #[test]
    fn slopes_are_those_of_the_cost() {
        for loss in ALL {
            for r in [-40.0_f64, -3.0, -0.6, -1e-3, 0.0, 0.2, 0.9, 5.0, 300.0] {
                let h = 1e-5 * r.abs().max(0.1);
                let slope = (loss.cost(r + h) - loss.cost(r - h)) / (2.0 * h);
                let bend = (loss.slope(r + h).0 - loss.slope(r - h).0) / (2.0 * h);
                let (first, second) = loss.slope(r);
                assert!((first - slope).abs() < 1e-6 * slope.abs().max(1.0), "{loss:?} {r}");
                assert!((second - bend).abs() < 1e-5 * bend.abs().max(1.0), "{loss:?} {r}");
            }
        }
    }

    #[test]
    fn small_residuals_cost_half_their_square() {
        for loss in ALL {
            assert!((loss.cost(1e-4) / 0.5e-8 - 1.0).abs() < 1e-6, "{loss:?}");
        }
    }

    #[test]
    fn weighted_residuals_have_the_gradient_of_the_cost() {
        for loss in ALL {
            for r in [-40.0, -0.6, 0.2, 0.69, 0.71, 5.0, 300.0] {
                let (residual, row) = loss.weights(r);
                assert!((residual * r * row - loss.slope(r).0).abs() < 1e-12 * r.abs(), "{loss:?}");
                assert!(row > 0.0 && row <= 1.0, "{loss:?} {r}");
            }
        }
    }
}
