//! Stochastic gradient descent.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Stochastic gradient descent**: Δw = -αg.
///
/// When to use it: as the baseline, on convex problems, and where memory allows no state at all. One
/// rate serves all elements, so narrow valleys make it slow: it is stable below 2/λ_max, and at its
/// best rate the error falls by a share of 2/(κ+1) a step, for a condition number κ
/// ([`Condition`](crate::curvature::Condition) measures both). Typical rates are 0.01 to 1.
///
#[doc = include_str!("../../docs/paths/sgd.svg")]
///
/// It keeps no state. The same in every library.
///
/// Source: Robbins & Monro, "A stochastic approximation method", 1951.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Sgd};
/// let mut w = array![1.0, 2.0];
/// Sgd::new(0.5).step(&mut w, &array![2.0, -4.0])?;
/// assert_eq!(w, array![0.0, 4.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Sgd>;

/// The rule of [`Sgd`](crate::Sgd).
#[derive(Debug, Clone, Default)]
pub struct Sgd;

impl<F: Scalar> Elementwise<F, Sgd> {
    /// SGD with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Sgd, learning_rate)
    }
}

compiled!(Sgd);

impl<F: Scalar> Rule<F> for Sgd {
    const NAME: &'static str = "Sgd";
    const LEARNING_RATE: f64 = 0.1;
    const SLOTS: &'static [&'static str] = &[];
    type State = [F; 0];
    type Step = F;

    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

    fn rests(&self) -> bool {
        true
    }

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> F {
        F::from_f64(learning_rate)
    }

    #[inline(always)]
    fn update(alpha: &F, w: F, g: F, []: [F; 0]) -> (F, [F; 0]) {
        (w - *alpha * g, [])
    }
}
