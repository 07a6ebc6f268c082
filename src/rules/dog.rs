//! DoG.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, Totals};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **DoG**, distance over gradients: gradient descent at the rate r̄/√(Σ‖g‖² + ε), where r̄ is the farthest
/// that w has been from where it began.
///
/// When to use it: plain gradient descent without a rate to be searched, for models that it suits:
/// fine-tuning, convex problems. What its authors report is of the average of the parameters:
/// `.average(Average::polynomial(8.0))`. Leave α at 1. One value a parameter, and one more pass over
/// everything.
///
#[doc = include_str!("../../docs/paths/dog.svg")]
///
/// Over all leaves, r̄ = max(r̄, ‖w - w₀‖), G += ‖g‖², Δw = -α·r̄/√(G + ε)·g. r̄ begins at
/// ρ(1 + ‖w₀‖).
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `initial_distance` ρ | 1e-6 | (0, ∞) |
/// | `epsilon` ε | 1e-8 | (0, ∞) |
///
/// The default is also Optax's. Its authors use ρ = 1e-4 for models with batch normalization. Frozen leaves
/// are left out of the sums; one that is trained later begins at its w₀ of then. A penalty goes into the
/// gradient, and so into the rate: it is the authors' `weight_decay`.
///
/// Source: Ivgi, Hinder & Carmon, "DoG is SGD's best friend: a parameter-free dynamic step size schedule",
/// 2023.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Average, DoG, Optimizer};
/// let mut w = array![3.0, -4.0];
/// let mut dog = DoG::new(1.0).average(Average::polynomial(8.0));
/// for _ in 0..1000 {
///     let gradient = &w * 2.0; // of ‖w‖²; no rate was chosen
///     dog.step(&mut w, &gradient)?;
/// }
/// assert!(w.iter().all(|w: &f64| w.abs() < 1e-3), "{w}");
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, DoG>;

hyperparameters! {
    /// The rule of [`DoG`](crate::DoG).
    DoG {
        /// ρ, the first distance as a share of 1 + ‖w₀‖.
        initial_distance = 1e-6 in POSITIVE;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-8 in POSITIVE;
    }
}

impl<F: Scalar> Elementwise<F, DoG> {
    /// DoG with that learning rate α ≥ 0, a number or a schedule; 1 is meant.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(DoG::default(), learning_rate)
    }
}

compiled!(DoG);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    /// 1 at the leaf's first step, when w is w₀, and else 0; and the contrary.
    is_first: F,
    goes_on: F,
    learning_rate: f64,
    rate: F,
}

impl<F: Scalar> Step<F> {
    /// The constants of a leaf, of which w₀ is kept.
    pub(super) fn of(clock: &Clock, learning_rate: f64) -> Self {
        let is_first = if clock.step() == 1 { F::one() } else { F::zero() };
        let rate = F::from_f64(learning_rate);
        Self { is_first, goes_on: F::one() - is_first, learning_rate, rate }
    }

    /// Sets the rate, of α = 1.
    pub(super) fn go(&mut self, rate: f64) {
        self.rate = F::from_f64(self.learning_rate * rate);
    }

    /// w - w₀
    #[inline(always)]
    pub(super) fn way(&self, w: F, origin: F) -> F {
        self.goes_on * (w - origin)
    }

    /// Of a step along the gradient.
    #[inline(always)]
    pub(super) fn along(&self, w: F, g: F, origin: F) -> (F, [F; 1]) {
        (w - self.rate * g, [origin + self.is_first * (w - origin)])
    }
}

impl<F: Scalar> Rule<F> for DoG {
    const NAME: &'static str = "DoG";
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

    const SUMS: &'static [&'static str] = &["‖w - w₀‖²", "‖g‖²", "‖w‖²"];

    #[inline(always)]
    fn sums(k: &Step<F>, w: F, g: F, [origin]: [F; 1]) -> [f64; 4] {
        let [way, g, w] = [k.way(w, origin), g, w].map(F::into_f64);
        [way * way, g * g, w * w, 0.0]
    }

    fn total(&self, totals: &mut Totals) {
        let [way, square, length, _] = totals.sums();
        let [farthest, squares, ..] = totals.carried();
        if *farthest == 0.0 {
            *farthest = self.initial_distance * (1.0 + length.sqrt());
        }
        *farthest = farthest.max(way.sqrt());
        *squares += square;
    }

    fn of_tree(&self, k: &mut Step<F>, totals: &Totals) {
        let [farthest, squares, ..] = totals.kept();
        k.go(farthest / (squares + self.epsilon).sqrt());
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [origin]: [F; 1]) -> (F, [F; 1]) {
        k.along(w, g, origin)
    }
}
