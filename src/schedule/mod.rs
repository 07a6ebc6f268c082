//! The learning rate as a function of the step.

use std::fmt::Debug;

/// A value for each step, such as the learning rate.
///
/// It is a pure function of the step: the optimizer owns the only counter, so a resumed run reads
/// the value it would have read. A number is the constant schedule.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Schedule, Sgd};
///
/// /// α(t) = α₀ / t
/// #[derive(Debug)]
/// struct Harmonic(f64);
/// impl Schedule for Harmonic {
///     fn at(&self, step: u64) -> f64 {
///         self.0 / step as f64
///     }
/// }
///
/// let mut w = array![0.0];
/// let mut sgd = Sgd::new(Harmonic(1.0));
/// for _ in 0..4 {
///     sgd.step(&mut w, &array![-1.0])?;
/// }
/// assert_eq!(w[0], 1.0 + 1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub trait Schedule: Debug + Send + Sync {
    /// The value at `step`, counted from 1.
    fn at(&self, step: u64) -> f64;
}

/// The same value at every step.
///
/// ```
/// use thalweg::{schedule::Constant, Schedule};
/// assert_eq!(Constant(1e-3).at(1_000_000), 1e-3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Constant(pub f64);

impl Schedule for Constant {
    fn at(&self, _step: u64) -> f64 {
        self.0
    }
}

impl Schedule for f64 {
    fn at(&self, _step: u64) -> f64 {
        *self
    }
}
