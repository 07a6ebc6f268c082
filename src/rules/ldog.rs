//! L-DoG.

use super::dog::Step;
use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **L-DoG**, [`DoG`](crate::DoG) for each leaf by itself.
///
/// When to use it: as DoG, where layers want rates of different sizes; its authors prefer it for
/// transformers, and DoG for safety. What they report is of the average of the parameters:
/// `.average(Average::polynomial(8.0))`. Leave α at 1. One value a parameter, and one more pass over
/// everything.
///
#[doc = include_str!("../../docs/paths/ldog.svg")]
///
/// For each leaf, r̄ = max(r̄, ‖w - w₀‖), G += ‖g‖², Δw = -α·r̄/√(G + ε)·g. r̄ begins at
/// ρ(1 + ‖w₀‖).
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `initial_distance` ρ | 1e-6 | (0, ∞) |
/// | `epsilon` ε | 1e-8 | (0, ∞) |
///
/// Of a lone array it is DoG.
///
/// Source: Ivgi, Hinder & Carmon, "DoG is SGD's best friend: a parameter-free dynamic step size schedule",
/// 2023.
///
/// ```
/// use ndarray::array;
/// use thalweg::{LDoG, Optimizer};
/// let mut w = (array![3.0], array![-4e3]);
/// let mut ldog = LDoG::new(1.0);
/// for _ in 0..2000 {
///     let gradient = (&w.0 * 2.0, &w.1 * 2e-6); // of w₀² + 1e-6·w₁²
///     ldog.step(&mut w, &gradient)?;
/// }
/// assert!(f64::abs(w.0[0]) < 1e-3 && f64::abs(w.1[0]) < 1.0);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, LDoG>;

hyperparameters! {
    /// The rule of [`LDoG`](crate::LDoG).
    LDoG {
        /// ρ, the first distance as a share of 1 + ‖w₀‖.
        initial_distance = 1e-6 in POSITIVE;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in POSITIVE;
    }
}

impl<F: Scalar> Elementwise<F, LDoG> {
    /// L-DoG with that learning rate α ≥ 0, a number or a schedule; 1 is meant.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(LDoG::default(), learning_rate)
    }
}

compiled!(LDoG);

impl<F: Scalar> Rule<F> for LDoG {
    const NAME: &'static str = "LDoG";
    const LEARNING_RATE: f64 = 1.0;
    const SLOTS: &'static [&'static str] = &["origin"];
    type State = [F; 1];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn begin(&self, clock: &mut Clock, learning_rate: f64) -> Step<F> {
        Step::of(clock, learning_rate)
    }

    const NORMS: bool = true;
    const LEAF_CLOCKS: bool = true;

    /// At the first step w₀ is not kept yet, and counts as 0.
    #[inline(always)]
    fn norms(_k: &Step<F>, w: F, g: F, [origin]: [F; 1]) -> [F; 2] {
        [w - origin, g]
    }

    fn of_leaf(&self, k: &mut Step<F>, [way, g]: [f64; 2], clock: &mut Clock) {
        // A norm that is not finite counts as 0.
        let [way, g] = [way, g].map(|norm| if norm.is_finite() { norm } else { 0.0 });
        let is_first = clock.step() == 1;
        let [farthest, squares] = clock.carried();
        let way = if is_first { self.initial_distance * (1.0 + way) } else { way };
        *farthest = farthest.max(way);
        *squares = (*squares + g * g).min(f64::MAX);
        k.go(*farthest / (*squares + self.epsilon).sqrt());
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [origin]: [F; 1]) -> (F, [F; 1]) {
        k.along(w, g, origin)
    }
}
