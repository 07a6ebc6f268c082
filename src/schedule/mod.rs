//! The learning rate, or another quantity, as a function of the step.
//!
//! A [`Schedule`] is a value: built by a constructor, composed by [`then`](Schedule::then),
//! [`warm_up`](Schedule::warm_up), [`scaled`](Schedule::scaled), [`at_least`](Schedule::at_least)
//! and [`at_most`](Schedule::at_most), printed as one line, compared, and saved with the feature
//! `serde`.
//!
//! | shape | here | PyTorch | Optax |
//! |---|---|---|---|
//! | constant | [`constant`](Schedule::constant), a number | `ConstantLR`, with `then` | `constant_schedule`, `piecewise_constant_schedule` with `then` |
//! | step decay | [`step_decay`](Schedule::step_decay) | `StepLR` | `exponential_decay(staircase=True)` |
//! | multi-step decay | [`multi_step`](Schedule::multi_step) | `MultiStepLR` | `piecewise_constant_schedule` |
//! | exponen&shy;tial | [`exponential`](Schedule::exponential) | `ExponentialLR` | `exponential_decay` |
//! | linear | [`linear`](Schedule::linear) | `LinearLR` | `linear_schedule` |
//! | poly&shy;nomial | [`polynomial`](Schedule::polynomial) | `PolynomialLR` | `polynomial_schedule` |
//! | inverse square root | [`inverse_sqrt`](Schedule::inverse_sqrt) | | |
//! | cosine | [`cosine`](Schedule::cosine) | `CosineAnnealingLR` | `cosine_decay_schedule` |
//! | cosine with warm restarts | [`cosine_restarts`](Schedule::cosine_restarts) | `CosineAnnealingWarmRestarts` | `sgdr_schedule`, with `then` |
//! | one cycle | [`OneCycle`] | `OneCycleLR` | `cosine_onecycle_schedule`, with `then` |
//! | cyclic | [`Cyclic`] | `CyclicLR` | |
//! | warm-up, then anything | [`warm_up`](Schedule::warm_up), [`then`](Schedule::then) | `SequentialLR` | `warmup_*_schedule`, `join_schedules` |
//! | 1-√ decay | [`one_minus_sqrt`](Schedule::one_minus_sqrt) | | |
//! | warmup-stable-decay | [`warmup_stable_decay`](Schedule::warmup_stable_decay) | `SequentialLR` | `join_schedules` |
//! | any closure | [`custom`](Schedule::custom), a closure | `LambdaLR` | a function |
//!
//! Steps are counted from 1: step t is PyTorch's epoch and Optax's count t - 1. "From a to b over n
//! steps" is a at step 1 and b at step n + 1, after n steps, and from then on; over 0 steps it is b
//! at once.

mod custom;
mod cycles;
mod decays;
mod progress;
mod shape;
mod values;

use std::fmt;

use crate::error::Error;
use custom::Custom;
pub use cycles::{Cyclic, OneCycle};
use progress::bounded;
use shape::Shape;
use values::Number;

/// A value for each step, such as the learning rate.
///
/// It is a pure function of the step: the optimizer owns the only counter, so a resumed run reads
/// the value it would have read. Whatever takes a schedule takes a number, the constant schedule,
/// and a closure of the step, counted from 1.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Schedule, Sgd};
///
/// let mut w = array![0.0];
/// let mut sgd = Sgd::new(|step: u64| 1.0 / step as f64);
/// for _ in 0..4 {
///     sgd.step(&mut w, &array![-1.0])?;
/// }
/// assert_eq!(w[0], 1.0 + 1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0);
///
/// let rate = Schedule::cosine(0.1, 0.0, 900).warm_up(100);
/// assert_eq!(
///     rate.to_string(),
///     "warm-up to 0.1 over 100 steps; after 100 steps: cosine 0.1 → 0 over 900 steps"
/// );
/// # Ok::<(), thalweg::Error>(())
/// ```
// A flat list, never nested: no input can make reading, printing or dropping one recurse.
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Schedule {
    first: Piece,
    rest: Vec<Next>,
}

/// A shape, what it is multiplied by, and the bounds of that.
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
struct Piece {
    shape: Shape,
    factor: f64,
    low: Option<f64>,
    high: Option<f64>,
}

/// A piece that takes over after so many steps of all.
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
struct Next {
    after: u64,
    piece: Piece,
}

impl Piece {
    fn at(&self, elapsed: u64) -> f64 {
        bounded(self.shape.at(elapsed) * self.factor, self.low, self.high)
    }

    fn scale(&mut self, factor: f64) {
        self.factor *= factor;
        self.low = self.low.map(|low| low * factor);
        self.high = self.high.map(|high| high * factor);
        if factor < 0.0 {
            std::mem::swap(&mut self.low, &mut self.high);
        }
    }

    fn raise(&mut self, low: f64) {
        self.low = Some(self.low.map_or(low, |old| bounded(old, Some(low), None)));
        self.high = self.high.map(|high| bounded(high, Some(low), None));
    }

    fn lower(&mut self, high: f64) {
        self.high = Some(self.high.map_or(high, |old| bounded(old, None, Some(high))));
        self.low = self.low.map(|low| bounded(low, None, Some(high)));
    }

    fn check(&self) -> Result<(), Error> {
        values::finite("schedule", "scaled", self.factor)?;
        values::finite("schedule", "at_least", self.low.unwrap_or(0.0))?;
        values::finite("schedule", "at_most", self.high.unwrap_or(0.0))?;
        self.shape.check()
    }
}

impl Schedule {
    const fn of(shape: Shape) -> Self {
        Self { first: Piece { shape, factor: 1.0, low: None, high: None }, rest: Vec::new() }
    }

    /// Any function of the step, counted from 1, under a name that shows where it is printed.
    ///
    /// Only the name is saved: see [`bind`](Self::bind). Two of them are equal when they have the
    /// same name and are clones of one another.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let harmonic = Schedule::custom("harmonic", |step| 1.0 / step as f64);
    /// assert_eq!(harmonic.at(4), 0.25);
    /// assert_eq!(harmonic, harmonic.clone());
    /// assert_eq!(harmonic.to_string(), "harmonic");
    /// ```
    pub fn custom(
        name: impl Into<String>,
        value: impl Fn(u64) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self::of(Shape::Custom(Custom::new(name.into(), value)))
    }

    /// The value at `step`, counted from 1; at 0 it is that of 1.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::linear(0.0, 1.0, 4);
    /// assert_eq!([1, 2, 5, u64::MAX].map(|step| schedule.at(step)), [0.0, 0.25, 1.0, 1.0]);
    /// ```
    pub fn at(&self, step: u64) -> f64 {
        let elapsed = step.saturating_sub(1);
        match self.rest[..self.rest.partition_point(|next| next.after <= elapsed)].last() {
            None => self.first.at(elapsed),
            Some(next) => next.piece.at(elapsed.saturating_sub(next.after)),
        }
    }

    /// The first `steps` steps of this schedule, then `next`, which counts its own steps from 1.
    ///
    /// The value at step t is this schedule's at t where t ≤ steps, and that of `next` at
    /// t - steps elsewhere.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::linear(0.0, 1.0, 2).then(2, Schedule::cosine(1.0, 0.0, 98));
    /// assert_eq!([1, 2, 3, 101].map(|step| schedule.at(step)), [0.0, 0.5, 1.0, 0.0]);
    ///
    /// let steps = Schedule::constant(0.1).then(30, 0.02).then(80, 0.01);
    /// assert_eq!([30, 31, 81].map(|step| steps.at(step)), [0.1, 0.02, 0.01]);
    /// ```
    #[must_use]
    pub fn then(mut self, steps: u64, next: impl Into<Schedule>) -> Self {
        let next = next.into();
        if steps == 0 {
            return next;
        }
        self.rest.retain(|next| next.after < steps);
        self.rest.push(Next { after: steps, piece: next.first });
        // What would begin past the last step that a u64 counts never does.
        let later = next.rest.into_iter().map_while(|Next { after, piece }| {
            Some(Next { after: after.checked_add(steps)?, piece })
        });
        self.rest.extend(later);
        self
    }

    /// A warm-up before this schedule: its first value times t/steps where t ≤ steps; then it
    /// begins, and counts its own steps from 1.
    ///
    /// Source: Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::step_decay(1.0, 0.5, 2).warm_up(4);
    /// let values: Vec<f64> = (1..=7).map(|step| schedule.at(step)).collect();
    /// assert_eq!(values, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0.5]);
    /// ```
    #[must_use]
    pub fn warm_up(self, steps: u64) -> Self {
        Self::of(Shape::WarmUp { to: self.at(1), steps }).then(steps, self)
    }

    /// All its values times `factor`, bounds included.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::linear(1.0, 0.0, 4).scaled(0.5);
    /// assert_eq!([1, 3, 5].map(|step| schedule.at(step)), [0.5, 0.25, 0.0]);
    /// assert_eq!(schedule.to_string(), "0.5 × (linear 1 → 0 over 4 steps)");
    /// ```
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        self.each(|piece| piece.scale(factor))
    }

    /// Its values, none below `low`.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::exponential(1.0, 0.5, 1).at_least(0.3);
    /// assert_eq!([1, 2, 3, 4].map(|step| schedule.at(step)), [1.0, 0.5, 0.3, 0.3]);
    /// ```
    #[must_use]
    pub fn at_least(self, low: f64) -> Self {
        self.each(|piece| piece.raise(low))
    }

    /// Its values, none above `high`.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::exponential(1.0, 2.0, 1).at_most(3.0);
    /// assert_eq!([1, 2, 3, 4].map(|step| schedule.at(step)), [1.0, 2.0, 3.0, 3.0]);
    /// ```
    #[must_use]
    pub fn at_most(self, high: f64) -> Self {
        self.each(|piece| piece.lower(high))
    }

    fn each(mut self, change: impl Fn(&mut Piece)) -> Self {
        self.pieces_mut().for_each(change);
        self
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        std::iter::once(&self.first).chain(self.rest.iter().map(|next| &next.piece))
    }

    fn pieces_mut(&mut self) -> impl Iterator<Item = &mut Piece> {
        std::iter::once(&mut self.first).chain(self.rest.iter_mut().map(|next| &mut next.piece))
    }

    fn customs_mut(&mut self) -> impl Iterator<Item = &mut Custom> {
        self.pieces_mut().filter_map(|piece| match &mut piece.shape {
            Shape::Custom(custom) => Some(custom),
            _ => None,
        })
    }

    fn customs(&self) -> impl Iterator<Item = &Custom> {
        self.pieces().filter_map(|piece| match &piece.shape {
            Shape::Custom(custom) => Some(custom),
            _ => None,
        })
    }

    /// The value, if it is a constant schedule.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// assert_eq!(Schedule::constant(0.1).as_constant(), Some(0.1));
    /// assert_eq!(Schedule::from(|step: u64| step as f64).as_constant(), None);
    /// ```
    pub fn as_constant(&self) -> Option<f64> {
        let constant = matches!(self.first.shape, Shape::Constant(_)) && self.rest.is_empty();
        constant.then(|| self.at(1))
    }

    /// Whether a closure is part of it, of which only the name can be saved.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// assert!(Schedule::constant(0.1).then(9, |step: u64| 0.1 / step as f64).is_custom());
    /// assert!(!Schedule::cosine(0.1, 0.0, 9).is_custom());
    /// ```
    pub fn is_custom(&self) -> bool {
        self.customs().next().is_some()
    }

    /// Puts a closure back where a loaded schedule has only its name, which is `closure` for one
    /// without a name.
    ///
    /// A loaded schedule with an unbound part reads NaN there, and [`validate`](Self::validate)
    /// refuses it. Parts that have their closure are left alone.
    ///
    #[cfg_attr(feature = "serde", doc = "```")]
    #[cfg_attr(not(feature = "serde"), doc = "```ignore")]
    /// use thalweg::Schedule;
    /// let harmonic = |step| 1.0 / step as f64;
    /// let saved = serde_json::to_string(&Schedule::custom("harmonic", harmonic))?;
    ///
    /// let loaded: Schedule = serde_json::from_str(&saved)?;
    /// assert!(loaded.validate().is_err());
    /// let loaded = loaded.bind("harmonic", harmonic);
    /// assert!(loaded.validate().is_ok());
    /// assert_eq!(loaded.at(4), 0.25);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn bind(mut self, name: &str, value: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Self {
        let bound = Custom::new(name.to_owned(), value);
        self.customs_mut().for_each(|custom| {
            custom.adopt(&bound);
        });
        self
    }

    /// Puts the closures of `other` back where this schedule, loaded, has only their names.
    ///
    /// They are taken in order: the first unbound part of a name has the first closure of that
    /// name, and so on.
    ///
    #[cfg_attr(feature = "serde", doc = "```")]
    #[cfg_attr(not(feature = "serde"), doc = "```ignore")]
    /// use thalweg::Schedule;
    /// let schedule = Schedule::from(|step: u64| 1.0 / step as f64).then(10, 0.1).scaled(0.5);
    /// let mut loaded: Schedule = serde_json::from_str(&serde_json::to_string(&schedule)?)?;
    /// assert_ne!(loaded, schedule);
    /// loaded.adopt(&schedule);
    /// assert_eq!(loaded, schedule);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn adopt(&mut self, other: &Schedule) {
        let mut closures: Vec<&Custom> = other.customs().collect();
        for custom in self.customs_mut() {
            if let Some(taken) = closures.iter().position(|closure| custom.adopt(closure)) {
                closures.remove(taken);
            }
        }
    }

    /// Whether its parameters make sense. Its values are judged by what uses them.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`](crate::ErrorKind::Hyperparameter) naming the parameter, its
    /// value and the range; [`ErrorKind::UnboundSchedule`](crate::ErrorKind::UnboundSchedule) where
    /// a loaded schedule lacks a closure.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let error = Schedule::cosine(0.1, f64::NAN, 100).validate().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "cosine schedule: to = NaN is not allowed; it takes a finite number"
    /// );
    /// ```
    pub fn validate(&self) -> Result<(), Error> {
        self.pieces().try_for_each(Piece::check)?;
        // `then` keeps the order; a file may not.
        let mut over = 0;
        for next in &self.rest {
            if next.after <= over {
                let allowed = "a whole number above that of the piece before";
                return Err(Error::hyperparameter("schedule", "then", next.after as f64, allowed));
            }
            over = next.after;
        }
        Ok(())
    }
}

impl From<Shape> for Schedule {
    fn from(shape: Shape) -> Self {
        Self::of(shape)
    }
}

impl From<OneCycle> for Schedule {
    fn from(cycle: OneCycle) -> Self {
        Shape::OneCycle(cycle).into()
    }
}

impl From<Cyclic> for Schedule {
    fn from(cycle: Cyclic) -> Self {
        Shape::Cyclic(cycle).into()
    }
}

impl From<f64> for Schedule {
    fn from(value: f64) -> Self {
        Self::constant(value)
    }
}

/// The same rate at each step, as near to the decimal that was written as `f32` is.
impl From<f32> for Schedule {
    fn from(value: f32) -> Self {
        Self::constant(value.into())
    }
}

/// The same rate at each step, so that `1` is what `1.0` is.
impl From<i32> for Schedule {
    fn from(value: i32) -> Self {
        Self::constant(value.into())
    }
}

/// A closure of the step, counted from 1, prints as `closure`; [`Schedule::custom`] gives it a name.
impl<V: Fn(u64) -> f64 + Send + Sync + 'static> From<V> for Schedule {
    fn from(value: V) -> Self {
        Self::custom("closure", value)
    }
}

/// The formula, in one line.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.first, f)?;
        for Next { after, piece } in &self.rest {
            write!(f, "; after {}: {piece}", values::Steps(*after))?;
        }
        Ok(())
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.factor == 1.0 {
            fmt::Display::fmt(&self.shape, f)?;
        } else {
            write!(f, "{} × ({})", Number(self.factor), self.shape)?;
        }
        if let Some(low) = self.low {
            write!(f, ", at least {}", Number(low))?;
        }
        if let Some(high) = self.high {
            write!(f, ", at most {}", Number(high))?;
        }
        Ok(())
    }
}

/// The shape with all its parameters; a map from steps to pieces where there are several.
impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rest.is_empty() {
            return fmt::Debug::fmt(&self.first, f);
        }
        let rest = self.rest.iter().map(|next| (next.after, &next.piece));
        f.debug_map().entries(std::iter::once((0, &self.first)).chain(rest)).finish()
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.factor == 1.0 && self.low.is_none() && self.high.is_none() {
            return fmt::Debug::fmt(&self.shape, f);
        }
        f.debug_struct("Piece")
            .field("shape", &self.shape)
            .field("factor", &self.factor)
            .field("low", &self.low)
            .field("high", &self.high)
            .finish()
    }
}
