//! When a minimization is to end.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use super::flat::Flat;
use super::report::Evaluations;
use crate::error::Error;
use crate::scalar::Scalar;

/// What a callback returns: `ControlFlow::Continue(())` to go on.
type Callback<'a, F> = Box<dyn FnMut(&Progress<'_, F>) -> ControlFlow<()> + 'a>;

/// When a minimization is to end: at the first of these tests that holds.
///
/// The default is max|∇f| ≤ 1e-6, or max|∂f/∂wᵢ|·max(|wᵢ|, 1) ≤ ε^⅔·|f| with the ε of the precision,
/// which a sum of squares of size 1e9 can meet too (4e-11 in `f64`, 2e-5 in `f32`), or 100 000
/// evaluations.
///
/// Tests hold at points that were evaluated, and the one that passes is returned.
///
/// ```
/// use std::ops::ControlFlow;
/// use std::time::Duration;
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{ConjugateGradient, Stop, minimize};
///
/// let mut values = Vec::new();
/// let stop = Stop::default().gradient_max(1e-9).time(Duration::from_secs(10)).callback(|progress| {
///     values.push(progress.value);
///     ControlFlow::Continue(())
/// });
/// let mut objective = |w: &Array1<f64>| (w.dot(w), 2.0 * w);
/// minimize(&mut ConjugateGradient::new(), &mut array![1.0, 2.0], &mut objective, stop)?;
/// assert_eq!(values[0], 5.0);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct Stop<'a, F: Scalar> {
    pub(crate) gradient_max: Option<f64>,
    pub(crate) gradient_norm: Option<f64>,
    pub(crate) relative_gradient: Option<f64>,
    pub(crate) relative_decrease: Option<f64>,
    pub(crate) step: Option<f64>,
    pub(crate) target: Option<f64>,
    pub(crate) evaluations: Option<u64>,
    pub(crate) iterations: Option<u64>,
    pub(crate) time: Option<Duration>,
    pub(crate) callback: Option<Callback<'a, F>>,
}

impl<F: Scalar> Default for Stop<'_, F> {
    fn default() -> Self {
        let relative = F::epsilon().into_f64().powf(2.0 / 3.0);
        Self::never().gradient_max(1e-6).relative_gradient(relative).evaluations(100_000)
    }
}

impl<'a, F: Scalar> Stop<'a, F> {
    /// No test at all: only a solver that can do no more, a gradient of exactly zero, or f falling
    /// without end, ends it.
    pub fn never() -> Self {
        Self {
            gradient_max: None,
            gradient_norm: None,
            relative_gradient: None,
            relative_decrease: None,
            step: None,
            target: None,
            evaluations: None,
            iterations: None,
            time: None,
            callback: None,
        }
    }

    /// Ends where max|∂f/∂wᵢ| ≤ `tolerance`; in [0, ∞).
    #[must_use]
    pub fn gradient_max(mut self, tolerance: f64) -> Self {
        self.gradient_max = Some(tolerance);
        self
    }

    /// Ends where ‖∇f‖₂ ≤ `tolerance`; in [0, ∞).
    #[must_use]
    pub fn gradient_norm(mut self, tolerance: f64) -> Self {
        self.gradient_norm = Some(tolerance);
        self
    }

    /// Ends where max|∂f/∂wᵢ|·max(|wᵢ|, 1) ≤ `tolerance`·|f|; in [0, ∞).
    ///
    /// A change of the parameters by a small part of themselves, or of 1, then changes f by no more
    /// than `tolerance` times that part of f. Dennis & Schnabel 1983, 7.2.
    #[must_use]
    pub fn relative_gradient(mut self, tolerance: f64) -> Self {
        self.relative_gradient = Some(tolerance);
        self
    }

    /// Ends when an iteration lowers f below all values before, and by no more than
    /// `tolerance`·max(1, |f|); or where steps down to one of rounding's size do not lower it; in
    /// [0, ∞).
    #[must_use]
    pub fn relative_decrease(mut self, tolerance: f64) -> Self {
        self.relative_decrease = Some(tolerance);
        self
    }

    /// Ends when an iteration lowers f below all values before by a move of
    /// ‖Δw‖₂ ≤ `tolerance`·max(1, ‖w‖₂); in [0, ∞).
    #[must_use]
    pub fn step(mut self, tolerance: f64) -> Self {
        self.step = Some(tolerance);
        self
    }

    /// Ends at the first point with f ≤ `value`.
    #[must_use]
    pub fn target(mut self, value: f64) -> Self {
        self.target = Some(value);
        self
    }

    /// No more than that many evaluations: of value and gradient, value, and Hessian product, each
    /// counting one.
    #[must_use]
    pub fn evaluations(mut self, limit: u64) -> Self {
        self.evaluations = Some(limit);
        self
    }

    /// No more than that many iterations.
    #[must_use]
    pub fn iterations(mut self, limit: u64) -> Self {
        self.iterations = Some(limit);
        self
    }

    /// Begins no evaluation later than that after the start. Without a clock, on `wasm32-unknown-unknown`, there is no
    /// such limit.
    #[must_use]
    pub fn time(mut self, limit: Duration) -> Self {
        self.time = Some(limit);
        self
    }

    /// Is called with the start (iteration 0) and after each iteration; ends on `Break`.
    #[must_use]
    pub fn callback(
        mut self,
        callback: impl FnMut(&Progress<'_, F>) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.callback = Some(Box::new(callback));
        self
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let tolerances = [
            ("gradient_max", self.gradient_max),
            ("gradient_norm", self.gradient_norm),
            ("relative_gradient", self.relative_gradient),
            ("relative_decrease", self.relative_decrease),
            ("step", self.step),
        ];
        for (name, tolerance) in tolerances {
            if let Some(value) = tolerance
                && !(0.0..f64::INFINITY).contains(&value)
            {
                return Err(Error::hyperparameter("Stop", name, value, "a number in [0, ∞)"));
            }
        }
        match self.target {
            Some(value) if value.is_nan() => {
                Err(Error::hyperparameter("Stop", "target", value, "a number"))
            }
            _ => Ok(()),
        }
    }
}

impl<F: Scalar> fmt::Debug for Stop<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop")
            .field("gradient_max", &self.gradient_max)
            .field("gradient_norm", &self.gradient_norm)
            .field("relative_gradient", &self.relative_gradient)
            .field("relative_decrease", &self.relative_decrease)
            .field("step", &self.step)
            .field("target", &self.target)
            .field("evaluations", &self.evaluations)
            .field("iterations", &self.iterations)
            .field("time", &self.time)
            .field("callback", &self.callback.is_some())
            .finish()
    }
}

/// Where a minimization stands after an iteration: what a callback is given.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress<'a, F> {
    /// How many iterations there were; 0 at the start.
    pub iteration: u64,
    /// The evaluations so far.
    pub evaluations: Evaluations,
    /// f at the current point.
    pub value: f64,
    /// max|∂f/∂wᵢ| there.
    pub gradient_max: f64,
    /// The length α of the step, a multiple of the direction; 0 at the start.
    pub length: f64,
    /// The current point.
    pub point: Flat<'a, F>,
    /// The gradient there.
    pub gradient: Flat<'a, F>,
}
