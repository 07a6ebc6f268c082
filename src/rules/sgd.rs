//! Stochastic gradient descent.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::regularize::GradientNoise;
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

    /// **Stochastic gradient Langevin dynamics**: Δw = -αg + √(2α)·ξ, ξ of the standard normal distribution.
    ///
    /// With g = ∇U(w), the gradient of a sum over all data and not of its mean, and a small α, the parameters come
    /// from the density exp(-U)/Z in the long run: U is the negative logarithm of a posterior, to which an L2
    /// [`penalty`](Self::penalty) adds a normal prior. α is ½ε of the paper's step ε. A constant α samples with
    /// an error of order α, one that falls as 1/t^c, ½ < c ≤ 1, without, and in the paper the average over the
    /// steps is weighted by α. A batch estimates g by its own gradient times the number of batches; the noise
    /// of that estimate comes on top.
    ///
    /// The numbers are those of [`GradientNoise`](crate::regularize::GradientNoise): a hash of the seed, the
    /// step and the element's place, the same in every layout and on any number of ranks. Clipping would
    /// change what is sampled, and is refused.
    ///
    /// Source: Welling & Teh, "Bayesian learning via stochastic gradient Langevin dynamics", 2011.
    ///
    /// ```
    /// use ndarray::Array1;
    /// use thalweg::{Optimizer, Sgd};
    /// // U = ½w²/s²: a normal distribution of deviation s = 3, ten thousand times.
    /// let mut w = Array1::<f64>::zeros(10_000);
    /// let mut langevin = Sgd::langevin(0.5, 1);
    /// for _ in 0..100 {
    ///     let gradient = &w / 9.0;
    ///     langevin.step(&mut w, &gradient)?;
    /// }
    /// let variance = w.iter().map(|x| x * x).sum::<f64>() / 10_000.0;
    /// assert!((variance - 9.0).abs() < 0.9);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn langevin(learning_rate: impl Into<Schedule>, seed: u64) -> Self {
        Self::new(learning_rate).gradient_noise(GradientNoise::langevin(seed))
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
