//! The learning rate, or another quantity, as a function of the step.

mod custom;

use std::fmt;

use crate::error::Error;
use custom::Custom;

/// A value for each step, such as the learning rate.
///
/// It is a pure function of the step: the optimizer owns the only counter, so a resumed run reads
/// the value it would have read. Whatever takes a schedule takes a number, the constant schedule,
/// and a closure of the step, counted from 1.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Sgd};
///
/// let mut w = array![0.0];
/// let mut sgd = Sgd::new(|step: u64| 1.0 / step as f64);
/// for _ in 0..4 {
///     sgd.step(&mut w, &array![-1.0])?;
/// }
/// assert_eq!(w[0], 1.0 + 1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Schedule(Form);

#[derive(Clone, PartialEq, Debug)]
enum Form {
    Constant(f64),
    Custom(Custom),
}

impl Schedule {
    /// The same value at every step; what a number is turned into.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::constant(1e-3);
    /// assert_eq!(schedule.at(1_000_000), 1e-3);
    /// assert_eq!(schedule, 1e-3.into());
    /// ```
    pub const fn constant(value: f64) -> Self {
        Self(Form::Constant(value))
    }

    /// Any function of the step, counted from 1, under a name that shows where it is printed.
    ///
    /// Two of them are equal when they have the same name and are clones of one another.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let harmonic = Schedule::custom("harmonic", |step| 1.0 / step as f64);
    /// assert_eq!(harmonic.at(4), 0.25);
    /// assert_eq!(harmonic, harmonic.clone());
    /// assert_eq!(format!("{harmonic:?}"), "Custom(\"harmonic\")");
    /// ```
    pub fn custom(
        name: impl Into<String>,
        value: impl Fn(u64) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self(Form::Custom(Custom::new(name.into(), value)))
    }

    /// The value at `step`, counted from 1.
    pub fn at(&self, step: u64) -> f64 {
        match &self.0 {
            Form::Constant(value) => *value,
            Form::Custom(custom) => custom.at(step),
        }
    }

    /// The value, if it is the same at every step.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// assert_eq!(Schedule::constant(0.1).as_constant(), Some(0.1));
    /// assert_eq!(Schedule::from(|step: u64| step as f64).as_constant(), None);
    /// ```
    pub fn as_constant(&self) -> Option<f64> {
        match self.0 {
            Form::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// Whether a closure is part of it.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// assert!(Schedule::from(|step: u64| step as f64).is_custom());
    /// assert!(!Schedule::constant(0.1).is_custom());
    /// ```
    pub fn is_custom(&self) -> bool {
        matches!(self.0, Form::Custom(_))
    }

    /// Whether its parameters make sense. Its values are judged by what uses them.
    ///
    /// # Errors
    /// One that names the parameter, its value and the range.
    pub fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl From<f64> for Schedule {
    fn from(value: f64) -> Self {
        Self::constant(value)
    }
}

/// A closure of the step, counted from 1, prints as `closure`; [`Schedule::custom`] gives it a name.
impl<V: Fn(u64) -> f64 + Send + Sync + 'static> From<V> for Schedule {
    fn from(value: V) -> Self {
        Self::custom("closure", value)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
