//! What an optimizer is, in words.

use std::fmt;

use super::{Optimizer, StepInfo};
use crate::scalar::Scalar;
use crate::words::counted;

/// One line: name, learning rate, steps. `{:#}` is a table of what it is built with and keeps, as its
/// [`State`](crate::State) prints.
///
/// ```
/// use thalweg::{Adam, Optimizer};
/// let adam: Box<dyn Optimizer<f32>> = Box::new(Adam::new(1e-3));
/// assert_eq!(adam.to_string(), "Adam: learning rate 0.001, 0 steps");
/// ```
impl<F: Scalar> fmt::Display for dyn Optimizer<F> + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self, f)
    }
}

/// As [`Display`](fmt::Display) of any optimizer.
pub(crate) fn show<F: Scalar>(
    optimizer: &(impl Optimizer<F> + ?Sized),
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    if f.alternate() {
        return write!(f, "{:#}", optimizer.state());
    }
    write!(f, "{}: ", optimizer.name())?;
    let rate = optimizer.learning_rate();
    // One that takes no rate has none.
    if rate.is_finite() {
        write!(f, "learning rate {rate:?}, ")?;
    }
    f.write_str(&counted(optimizer.steps(), "step", "steps"))?;
    match optimizer.skipped() {
        0 => Ok(()),
        skipped => write!(f, ", {skipped} skipped"),
    }
}

/// `Display` for an optimizer: [`show`].
macro_rules! display {
    ($([$($generics:tt)*] $type:ty),+ $(,)?) => {$(
        /// One line: name, learning rate, steps; `{:#}` is a table.
        impl<F: $crate::Scalar, $($generics)*> std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::optimizer::show::<F>(self, f)
            }
        }
    )+};
}
pub(crate) use display;

/// One line, as for a log.
///
/// ```
/// use thalweg::{Optimizer, Sgd};
/// let info = Sgd::new(0.5).clip_norm(1.0).step(&mut [3.0, 4.0], &[3.0, 4.0])?;
/// assert_eq!(info.to_string(), "step 1: learning rate 0.5, gradient norm 5.0");
/// # Ok::<(), thalweg::Error>(())
/// ```
impl fmt::Display for StepInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: ", self.step)?;
        if self.skipped {
            return f.write_str("skipped, a gradient was not finite");
        }
        if self.accumulating {
            return f.write_str("gradients are added up, none was taken");
        }
        write!(f, "learning rate {:?}", self.learning_rate)?;
        match self.grad_norm {
            Some(norm) => write!(f, ", gradient norm {norm:?}"),
            None => Ok(()),
        }
    }
}
