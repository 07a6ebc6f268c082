//! Levenberg and Marquardt's method.

use super::model::Coordinates;
use super::trusted::{Proposal, Tolerances, Trusted, tolerances};
use crate::error::Error;
use crate::interval::Interval;
use crate::scalar::Scalar;
use crate::solvers::descent::Descent;
use crate::solvers::halt::Halt;
use crate::solvers::solver::Solver;

/// The part of the step along which second derivatives are taken.
const BEND: f64 = 0.1;
/// The least decrease that is promised, beside rounding, for second derivatives to be told.
const TELLING: f64 = 1e4;
/// 2‖Da‖/‖Dv‖ at most: beyond it the step is too long for two derivatives to tell where it leads.
const LARGEST: f64 = 0.75;

/// **Levenberg-Marquardt**: p = -(JᵀJ + λD²)⁻¹Jᵀr, w += p, for a sum of squares ½‖r(w)‖². λ is the least
/// for which ‖Dp‖ ≤ Δ, and Δ follows how well the linear model r + Jp foretells f; D holds the largest
/// size that each column of J has had, so that the parameters' units do not matter.
///
/// When to use it: fits of up to some hundred parameters, from starts that may be far off. It takes
/// few evaluations, since the residuals tell the curvature.
///
/// | setting | default | range |
/// |---|---|---|
/// | `radius` Δ at the start, beside ‖Dw‖ | 1 | (0, ∞) |
/// | `geodesic` | no | |
/// | `offset`, `decrease`, `step_size` | 1e-7, 1e-15, 1e-10 | [0, ∞) |
///
/// It needs an objective that has residuals, [`LeastSquares`](super::LeastSquares), and has tests of its
/// own beside those of [`Stop`](crate::solvers::Stop), which do not depend on anyone's units: the
/// relative offset of Bates and Watts says that the rest of the way is a small part of what the noise
/// leaves open. Columns of J that depend on each other are no trouble: the step is the shortest one.
///
/// An iteration takes one Jacobian, some values, and 2mn² + O(n³) operations; memory is 2mn numbers.
///
/// Source: Levenberg 1944; Marquardt 1963; Moré, "The Levenberg-Marquardt algorithm: implementation and
/// theory", 1978, for λ and Δ; Bates & Watts, "A relative offset orthogonality convergence criterion for
/// nonlinear least squares", 1981; Transtrum & Sethna, "Improvements to the Levenberg-Marquardt algorithm
/// for nonlinear least-squares minimization", 2012, for the acceleration.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::Stop;
/// use thalweg::solvers::least_squares::{LeastSquares, LevenbergMarquardt, least_squares};
///
/// // y = a·exp(-b·x)
/// let x = Array1::linspace(0.0, 3.0, 20);
/// let y = x.mapv(|x: f64| 2.0 * (-0.7 * x).exp());
/// let residuals = |w: &Array1<f64>| x.mapv(|x| w[0] * (-w[1] * x).exp()) - &y;
///
/// let mut w = array![1.0, 0.0];
/// let mut problem = LeastSquares::new(residuals);
/// let fit = least_squares(&mut LevenbergMarquardt::new(), &mut w, &mut problem, Stop::never())?;
/// assert!((w[0] - 2.0).abs() < 1e-10 && (w[1] - 0.7).abs() < 1e-10);
/// println!("{fit}");
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LevenbergMarquardt<F> {
    tolerances: Tolerances,
    first: f64,
    geodesic: bool,
    trusted: Trusted<F>,
}

impl<F: Scalar> Default for LevenbergMarquardt<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Scalar> LevenbergMarquardt<F> {
    /// Without acceleration.
    pub fn new() -> Self {
        Self { tolerances: Tolerances::new(), first: 1.0, geodesic: false, trusted: Trusted::new() }
    }

    /// Bends the step along r″, the second derivative of the residuals along it, which takes one
    /// evaluation more for each trial: fewer trials in narrow valleys that curve.
    #[must_use]
    pub fn geodesic(mut self) -> Self {
        self.geodesic = true;
        self
    }

    /// Sets Δ at the start, as a part of ‖Dw‖; in (0, ∞). Smaller where the first step leads astray.
    #[must_use]
    pub fn radius(mut self, radius: f64) -> Self {
        self.first = radius;
        self
    }

    tolerances!();
}

impl<F: Scalar> Solver<F> for LevenbergMarquardt<F> {
    fn name(&self) -> &'static str {
        "Levenberg-Marquardt"
    }

    fn validate(&self) -> Result<(), Error> {
        Interval::POSITIVE.check::<F>("LevenbergMarquardt", "radius", self.first)?;
        self.tolerances.validate("LevenbergMarquardt")
    }

    fn needs_residuals(&self) -> bool {
        true
    }

    fn tests_decrease(&self) -> bool {
        true
    }

    fn start(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        self.trusted.start(descent);
        Ok(())
    }

    fn turn(&mut self, _: &mut Descent<'_, F>) -> Result<(), Halt> {
        Ok(())
    }

    fn iterate(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        let Self { tolerances, first, geodesic, trusted } = self;
        trusted.look(descent, *first, *tolerances)?;
        trusted.take(descent, *tolerances, |trusted, descent| {
            let coordinates = trusted.model.within(trusted.radius());
            trusted.model.step(&coordinates, &mut trusted.step);
            let stands = !*geodesic || bend(trusted, descent, &coordinates)?;
            Ok(Proposal { coordinates, stands })
        })
    }
}

/// Adds half of the acceleration to the step; whether it is small beside the step.
fn bend<F: Scalar>(
    trusted: &mut Trusted<F>,
    descent: &mut Descent<'_, F>,
    velocity: &Coordinates,
) -> Result<bool, Halt> {
    let Trusted { model, step, .. } = trusted;
    // Of residuals that hardly change, second differences tell rounding alone.
    if model.promise(velocity) <= TELLING * model.rounding(descent.x()) {
        return Ok(true);
    }
    let (part, value) = descent.try_value(BEND, step)?;
    if !value.is_finite() || part < BEND {
        return Ok(false);
    }
    let there = descent.trial_residuals()?;
    let second = model.second_derivatives(&there.to_vec(), BEND, step);
    let acceleration = model.acceleration(&second, velocity.damping);
    let small = 2.0 * acceleration.size() <= LARGEST * velocity.size();
    if small {
        let pairs = velocity.entries.iter().zip(&acceleration.entries);
        let entries = pairs.map(|(v, a)| v + 0.5 * a).collect();
        model.step(&Coordinates { entries, ..*velocity }, step);
    }
    Ok(small)
}
