//! Rprop.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **Rprop**, resilient backpropagation: a step size Δ for each element, which grows by η⁺ while the sign
/// of its gradient stays and shrinks by η⁻ where it turns; Δw = -Δ sign(g), and no step where it has
/// just turned.
///
/// When to use it: gradients of the whole data set, without noise: small networks, maximum likelihood.
/// It needs hardly any tuning, and the size of the gradients does not matter. In batches the signs turn by
/// chance and all steps shrink: take [`RmsProp`](crate::RmsProp) there, which was made for that.
/// Two values a parameter; 0.01 is a usual first step.
///
#[doc = include_str!("../../docs/paths/rprop.svg")]
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `shrink_factor` η⁻ | 0.5 | (0, 1) |
/// | `growth_factor` η⁺ | 1.2 | (0, ∞) |
/// | `smallest_step` | 1e-6 | [0, ∞) |
/// | `largest_step` | 50 | (0, ∞) |
///
/// This is iRprop⁻, as PyTorch's. The learning rate is the first Δ. What is kept is Δ in units of
/// the rate, so that a schedule, a warm-up or a parameter group scales all steps; in PyTorch a rate that
/// changes later changes nothing.
///
/// Source: Riedmiller & Braun, "A direct adaptive method for faster backpropagation learning: the RPROP
/// algorithm", 1993; Igel & Hüsken, "Improving the Rprop learning algorithm", 2000.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Rprop};
/// let mut w = array![1.0];
/// let mut rprop = Rprop::new(0.1);
/// rprop.step(&mut w, &array![1e-9])?; // by 0.1
/// rprop.step(&mut w, &array![1e9])?; // the same sign: by 0.12
/// rprop.step(&mut w, &array![-1.0])?; // it has turned: by nothing, and Δ = 0.06
/// rprop.step(&mut w, &array![-1.0])?;
/// assert!((w[0] - (1.0 - 0.1 - 0.12 + 0.06) as f64).abs() < 1e-15);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Rprop>;

hyperparameters! {
    /// The rule of [`Rprop`](crate::Rprop).
    Rprop {
        /// η⁻, by which Δ shrinks where the sign has turned.
        shrink_factor = 0.5 in INNER_FRACTION;
        /// η⁺, by which Δ grows where the sign has stayed.
        growth_factor = 1.2 in POSITIVE;
        /// the least Δ.
        smallest_step = 1e-6 in NON_NEGATIVE;
        /// the largest Δ, which wins where it is below the least.
        largest_step = 50.0 in POSITIVE;
    }
}

impl<F: Scalar> Elementwise<F, Rprop> {
    /// Rprop whose first steps are of that length α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Rprop::default(), learning_rate)
    }
}

compiled!(Rprop);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    alpha: F,
    shrink: F,
    growth: F,
    /// Bounds of Δ/α.
    least: F,
    largest: F,
}

impl<F: Scalar> Rule<F> for Rprop {
    const NAME: &'static str = "Rprop";
    const LEARNING_RATE: f64 = 1e-2;
    const SLOTS: &'static [&'static str] = &["factor", "last_gradient"];
    type State = [F; 2];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn initial(&self) -> [F; 2] {
        [F::one(), F::zero()]
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> Step<F> {
        // A rate of 0 has no multiples: factors go on between numbers that leave them finite.
        let most = F::max_value().sqrt();
        let bound = |step: f64| {
            let bound = F::from_f64(step / learning_rate);
            if bound < most { bound } else { most }
        };
        let (least, largest) = if learning_rate > 0.0 {
            (bound(self.smallest_step), bound(self.largest_step))
        } else {
            (F::zero(), most)
        };
        Step {
            alpha: F::from_f64(learning_rate),
            shrink: F::from_f64(self.shrink_factor),
            growth: F::from_f64(self.growth_factor),
            least,
            largest,
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [factor, last]: [F; 2]) -> (F, [F; 2]) {
        let turned = g.sign() * last.sign();
        let scaled = if turned > F::zero() {
            factor * k.growth
        } else if turned < F::zero() {
            factor * k.shrink
        } else {
            factor
        };
        let raised = if scaled < k.least { k.least } else { scaled };
        let factor = if raised > k.largest { k.largest } else { raised };
        let g = if turned < F::zero() { F::zero() } else { g };
        (w - k.alpha * factor * g.sign(), [factor, g])
    }
}
