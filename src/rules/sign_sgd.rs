//! SignSGD.

use crate::engine::{Elementwise, compiled};
use crate::error::Error;
use crate::rule::{Clock, Rule};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// **SignSGD**: Δw = -α sign(g).
///
/// When to use it: where gradients differ in size by orders of magnitude and no memory is left for
/// squares, or where one bit a parameter is all that can be sent. Every element moves by α however small
/// its gradient, so α must fall to settle, and noise larger than the gradient turns its sign
/// (Bernstein et al. 2018). It keeps no state; rates are as Adam's, 1e-4 to 1e-3. With a memory it is
/// [`Signum`](crate::Signum).
///
#[doc = include_str!("../../docs/paths/sign-sgd.svg")]
///
/// sign(0) = 0. The same in Optax.
///
/// Source: Bernstein, Wang, Azizzadenesheli & Anandkumar, "signSGD: compressed optimisation for
/// non-convex problems", 2018.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, SignSgd};
/// let mut w = array![1.0, 1.0, 1.0];
/// SignSgd::new(0.25).step(&mut w, &array![1e-6, 0.0, -1e6])?;
/// assert_eq!(w, array![0.75, 1.0, 1.25]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type Optimizer<F> = Elementwise<F, SignSgd>;

/// The rule of [`SignSgd`](crate::SignSgd).
#[derive(Debug, Clone, Default)]
pub struct SignSgd;

impl<F: Scalar> Elementwise<F, SignSgd> {
    /// SignSGD with that learning rate α ≥ 0, a number or a schedule.
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Self::of_compiled(SignSgd, learning_rate)
    }
}

compiled!(SignSgd);

impl<F: Scalar> Rule<F> for SignSgd {
    const NAME: &'static str = "SignSgd";
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
        (w - *alpha * g.sign(), [])
    }
}
