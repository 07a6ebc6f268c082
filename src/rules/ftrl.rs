//! FTRL-Proximal.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **FTRL-Proximal**, follow the regularized leader: AdaGrad with an exact L1 penalty: n += g², the step is
/// -αg/(√n + β + αλ₂), and w is 0 as long as the gradients do not outweigh λ₁.
///
/// When to use it: linear models with very many sparse features, online: advertising, search, spam. With
/// λ₁ above 0 most weights are exactly 0 and stay so until there is a reason (McMahan et al. 2013). Two values
/// a parameter; rates are AdaGrad's, 0.01 to 1.
///
#[doc = include_str!("../../docs/paths/ftrl.svg")]
///
/// | hyperparameter | default | [`keras`](Self::keras) | range |
/// |---|---|---|---|
/// | `l1` λ₁ | 0 | 0 | [0, ∞) |
/// | `l2` λ₂ | 0 | 0 | [0, ∞) |
/// | `shrinkage` | 0 | 0 | [0, ∞) |
/// | `beta` β | 1 | 0 | [0, ∞) |
/// | `initial_accumulator` | 0 | 0.1 | [0, ∞) |
///
/// The paper has z += g - σw with σ = (√n - √n₋)/α, and w = -(z - λ₁ sign(z))/((β + √n)/α + λ₂), 0 where
/// |z| ≤ λ₁. Begun at z = 0 that forgets where w began, as Keras and TensorFlow do. Here w begins where it is:
/// without gradients it stays, and the steps are those of the paper whose z belongs to that w. In the
/// same way z belongs to the rate of the step where a rate changes, and to w where something else
/// (a projection, a decay) has moved it; so what is kept of z is only its value where w = 0.
///
/// λ₂ is that of ½λ₂w², and `shrinkage` adds `shrinkage`·w to each gradient, but not to n. Keras's
/// `l2_regularization_strength` and `l2_shrinkage_regularization_strength` are those of w² without the ½:
/// give twice of them.
///
/// Source: McMahan et al., "Ad click prediction: a view from the trenches", 2013.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Ftrl, Optimizer};
/// let mut w = array![0.0, 0.0];
/// let mut ftrl = Ftrl::new(0.5).l1(1.0);
/// for _ in 0..2 {
///     ftrl.step(&mut w, &array![0.2, 0.6])?; // sums 0.4, within λ₁, and 1.2
/// }
/// assert!(w[0] == 0.0 && f64::abs(w[1] + 0.5 * (1.2 - 1.0) / (1.0 + 0.72_f64.sqrt())) < 1e-15);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, Ftrl>;

hyperparameters! {
    /// The rule of [`Ftrl`](crate::Ftrl).
    Ftrl {
        /// λ₁ of the penalty λ₁|w|.
        l1 = 0.0 in NON_NEGATIVE;
        /// λ₂ of the penalty ½λ₂w².
        l2 = 0.0 in NON_NEGATIVE;
        /// the share of w that is added to each gradient.
        shrinkage = 0.0 in NON_NEGATIVE;
        /// β, which is added to √n.
        beta = 1.0 in NON_NEGATIVE;
        /// n before the first step.
        initial_accumulator = 0.0 in NON_NEGATIVE;
    }
}

impl<F: Scalar> Elementwise<F, Ftrl> {
    /// FTRL-Proximal with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(Ftrl::default(), learning_rate)
    }

    /// Keras's convention: β = 0, and n begins at 0.1.
    pub fn keras(learning_rate: impl Into<Schedule>) -> Self {
        Self::new(learning_rate).beta(0.0).initial_accumulator(0.1)
    }
}

compiled!(Ftrl);

/// The constants of a step.
#[derive(Debug, Clone, Copy)]
pub struct Step<F> {
    alpha: F,
    per_alpha: F,
    l1: F,
    shrinkage: F,
    /// β + αλ₂
    beside_root: F,
}

impl<F: Scalar> Rule<F> for Ftrl {
    const NAME: &'static str = "Ftrl";
    const LEARNING_RATE: f64 = 0.1;
    const SLOTS: &'static [&'static str] = &["n", "at_zero"];
    type State = [F; 2];
    type Step = Step<F>;

    fn validate(&self) -> Result<(), Error> {
        self.check::<F>()
    }

    fn initial(&self) -> [F; 2] {
        [F::from_f64(self.initial_accumulator), F::zero()]
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        self.numbers(visit);
    }

    fn largest_gradient(&self) -> f64 {
        F::LARGEST_SQUARABLE
    }

    fn rests(&self) -> bool {
        // Shrinkage pulls w towards 0.
        self.shrinkage == 0.0
    }

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> Step<F> {
        Step {
            alpha: F::from_f64(learning_rate),
            per_alpha: F::from_f64(learning_rate.recip()),
            l1: F::from_f64(self.l1),
            shrinkage: F::from_f64(self.shrinkage),
            beside_root: F::from_f64(self.beta + learning_rate * self.l2),
        }
    }

    #[inline(always)]
    fn update(k: &Step<F>, w: F, g: F, [n, at_zero]: [F; 2]) -> (F, [F; 2]) {
        let n = n + g.share_of_square(F::one());
        let n = if n > F::max_value() { F::max_value() } else { n };
        let divisor = n.sqrt() + k.beside_root;
        // Where nothing was ever seen there is nothing to divide by, and no step.
        let rate = if divisor == F::zero() { F::zero() } else { k.alpha / divisor };
        let g = g + k.shrinkage * w.flushed();
        let direct = w - rate * g;
        let side = w.sign();
        // -z of the step: where w is not 0, what w says of it.
        let pull = if side == F::zero() {
            at_zero - g
        } else {
            direct * divisor * k.per_alpha + side * k.l1
        };
        // Where w keeps its sign, λ₁ cancels. NaN passes.
        let within = if pull > k.l1 {
            k.l1
        } else if pull < -k.l1 {
            -k.l1
        } else {
            pull
        };
        let keeps_side = side != F::zero() && direct.sign() == side;
        let moved = if keeps_side { direct } else { rate * (pull - within) };
        (moved, [n, if moved == F::zero() { pull } else { F::zero() }])
    }
}
