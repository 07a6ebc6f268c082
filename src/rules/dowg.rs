//! DoWG.

use super::dog::Step;
use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule, Totals};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **DoWG**, distance over weighted gradients: [`DoG`](crate::DoG) whose later gradients weigh more, by the
/// square of the distance that was known at them.
///
/// When to use it: as DoG; its bound holds for smooth functions as well as for others, without the
/// logarithms of DoG's, and its rate grows faster at first (Khaled, Mishchenko & Jin 2023). Leave α at 1.
/// One value a parameter, and one more pass over everything.
///
#[doc = include_str!("../../docs/paths/dowg.svg")]
///
/// Over all leaves, r̄² = max(r̄², ‖w - w₀‖²), V += r̄²‖g‖², Δw = -α·r̄²/(√V + ε)·g. r̄² begins at
/// `initial_square`.
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `initial_square` | 1e-4 | (0, ∞) |
/// | `epsilon` ε | 1e-4 | (0, ∞) |
///
/// The default is Optax's. Frozen leaves are left out of the sums; one that is trained later begins at its
/// w₀ of then.
///
/// Source: Khaled, Mishchenko & Jin, "DoWG unleashed: an efficient universal parameter-free gradient
/// descent method", 2023.
///
/// ```
/// use ndarray::array;
/// use thalweg::{DoWG, Optimizer};
/// let mut w = array![3.0, -4.0];
/// let mut dowg = DoWG::new(1.0);
/// for _ in 0..500 {
///     let gradient = &w * 2.0; // of ‖w‖²; no rate was chosen
///     dowg.step(&mut w, &gradient)?;
/// }
/// assert!(w.iter().all(|w: &f64| w.abs() < 1e-3), "{w}");
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, DoWG>;

hyperparameters! {
    /// The rule of [`DoWG`](crate::DoWG).
    DoWG {
        /// the first r̄².
        initial_square = 1e-4 in POSITIVE;
        /// ε, which keeps the quotient finite.
        epsilon = 1e-4 in POSITIVE;
    }
}

impl<F: Scalar> Elementwise<F, DoWG> {
    /// DoWG with that learning rate α ≥ 0, a number or a schedule; 1 is meant. Also Optax's convention.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(DoWG::default(), learning_rate)
    }
}

compiled!(DoWG);

impl<F: Scalar> Rule<F> for DoWG {
    const NAME: &'static str = "DoWG";
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

    const SUMS: &'static [&'static str] = &["‖w - w₀‖²", "‖g‖²"];

    #[inline(always)]
    fn sums(k: &Step<F>, w: F, g: F, [origin]: [F; 1]) -> [f64; 4] {
        let [way, g] = [k.way(w, origin), g].map(F::into_f64);
        [way * way, g * g, 0.0, 0.0]
    }

    fn total(&self, totals: &mut Totals) {
        let [way, square, ..] = totals.sums();
        let [farthest, squares, ..] = totals.carried();
        *farthest = farthest.max(self.initial_square).max(way);
        *squares = (*squares + *farthest * square).min(f64::MAX);
    }

    fn of_tree(&self, k: &mut Step<F>, totals: &Totals) {
        let [farthest, squares, ..] = totals.kept();
        k.go(farthest / (squares.sqrt() + self.epsilon));
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [origin]: [F; 1]) -> (F, [F; 1]) {
        k.along(w, g, origin)
    }
}
