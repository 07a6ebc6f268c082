//! Fromage.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Fromage**, Frobenius matched gradient descent: w = (w - αg‖w‖/‖g‖)/√(1 + α²) for each leaf.
///
/// When to use it: deep networks whose layers have gradients of very different sizes, without state: a
/// step turns each leaf by the same angle, and one rate, 0.01, serves most problems (Bernstein et al. 2020). Each
/// leaf keeps about its length, so a leaf whose right length is another one gets there slowly; a leaf that begins
/// at 0 takes plain gradient steps until it is not 0. No state, and a pass for the norms.
///
#[doc = include_str!("../../docs/paths/fromage.svg")]
///
/// | hyperparameter | default | [`optax`](Self::optax) | range |
/// |---|---|---|---|
/// | `min_norm` | 0 | 1e-6 | [0, ∞) |
///
/// Where a norm is 0 or not finite, ‖w‖/‖g‖ counts as 1. The division by √(1 + α²) takes off what a step
/// at a right angle to w adds; it shrinks elements without a gradient, too. In Optax a norm below `min_norm`
/// counts as that, so a leaf that begins at 0 hardly moves.
///
/// Source: Bernstein, Vahdat, Yue & Liu, "On the distance between two neural networks and the stability of
/// learning", 2020.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Fromage, Optimizer};
/// let mut w = array![3.0, 4.0];
/// Fromage::new(0.75).step(&mut w, &array![0.0, 1e6])?; // by 0.75·5, and then over 1.25
/// assert!((&w - &array![2.4, 0.2]).iter().all(|d: &f64| d.abs() < 1e-14));
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Fromage>;

hyperparameters! {
    /// The rule of [`Fromage`](crate::Fromage).
    Fromage {
        /// the least that a norm counts as.
        min_norm = 0.0 in NON_NEGATIVE;
    }
}

impl<F: Scalar> Elementwise<F, Fromage> {
    /// Fromage with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Fromage::default(), learning_rate)
    }

    /// Optax's convention: no norm counts as less than 1e-6.
    pub fn optax(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).min_norm(1e-6)
    }
}

compiled!(Fromage);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    /// The rate where norms do not scale it.
    plain: f64,
    rate: F,
    decay: F,
}

impl<F: Scalar> Rule<F> for Fromage {
    const NAME: &'static str = "Fromage";
    const LEARNING_RATE: f64 = 1e-2;
    const SLOTS: &'static [&'static str] = &[];
    type State = [F; 0];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> Step<F> {
        let length = learning_rate.hypot(1.0);
        // 1 - 1/√(1 + α²), without the difference.
        let decay = learning_rate / length * (learning_rate / (1.0 + length));
        let plain = learning_rate / length;
        Step { plain, rate: F::from_f64(plain), decay: F::from_f64(decay) }
    }

    const NORMS: bool = true;

    #[inline(always)]
    fn norms(_k: &Step<F>, w: F, g: F, []: [F; 0]) -> [F; 2] {
        [w, g]
    }

    fn of_leaf(&self, k: &mut Step<F>, norms: [f64; 2], _clock: &mut Clock) {
        let [w, g] = norms.map(|norm| if norm < self.min_norm { self.min_norm } else { norm });
        let ratio = w / g;
        if w > 0.0 && g.is_finite() && ratio.is_finite() {
            let rate = F::from_f64(k.plain * ratio);
            if rate.is_finite() {
                k.rate = rate;
            }
        }
    }

    #[inline(always)]
    fn decay(k: &Step<F>) -> F {
        k.decay
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, []: [F; 0]) -> (F, [F; 0]) {
        (w - k.decay * w.flushed() - k.rate * g, [])
    }
}
