//! The trait that every optimizer implements.

mod around;
mod changes;
mod display;
mod parts;

use std::fmt::Debug;

pub(crate) use around::{forward, standing, step_by, steps_by_call};
pub(crate) use changes::{load_groups, save_groups};
pub(crate) use display::{display, show};
pub(crate) use parts::step_agreed;
pub use parts::{Call, OtherRanks, Partwise, Wholes};

use crate::error::{Error, ErrorKind};
use crate::params::{Params, ParamsMut, Pattern};
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::state::State;

/// What moves parameters along gradients, one step at a time.
///
/// It is object-safe: `Box<dyn Optimizer<f32>>` holds any of them.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Adam, Optimizer, Yogi};
///
/// let mut optimizers: Vec<Box<dyn Optimizer<f64>>> =
///     vec![Box::new(Adam::new(0.1)), Box::new(Yogi::new(0.1))];
/// for optimizer in &mut optimizers {
///     let mut w = array![3.0, -2.0];
///     for _ in 0..300 {
///         let gradient = &w * 2.0;
///         optimizer.step(&mut w, &gradient)?;
///     }
///     assert!(w.iter().all(|w: &f64| w.abs() < 1e-2), "{}: {w}", optimizer.name());
/// }
/// # Ok::<(), thalweg::Error>(())
/// ```
pub trait Optimizer<F: Scalar>: Debug + Send + Sync {
    /// Moves the parameters once along the gradients.
    ///
    /// The two trees must have the same leaves by name and shape, and those of the first step ever
    /// after; their memory layouts are free. A gradient of few rows is a leaf of
    /// [`Rows`](crate::params::Rows), where the optimizer takes it. All is checked before the first write.
    ///
    /// # Errors
    /// An `Err` leaves parameters, state and step counter exactly as they were. See
    /// [`ErrorKind`](crate::ErrorKind) for what it can be.
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error>;

    /// As [`step`](Optimizer::step), and tells the loss whose gradients these are.
    ///
    /// Rules that take their step size from it ([`PolyakStep`](crate::PolyakStep)) want it, others do
    /// without, so a training loop may always call this. A loss that is not finite is treated as a
    /// gradient that is not ([`NonFinite`](crate::NonFinite)). Optimizers around others hand it on:
    /// those of several gradients a step, the mean of their losses.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{Optimizer, PolyakStep};
    /// let mut w = array![3.0, -4.0];
    /// let mut polyak = PolyakStep::new(1.0);
    /// let (gradient, loss) = (&w * 2.0, 25.0); // of ‖w‖²
    /// assert!(polyak.step(&mut w, &gradient).is_err()); // it wants the loss
    /// polyak.step_with_loss(&mut w, &gradient, loss)?;
    /// assert!((&w - &array![1.5, -2.0]).iter().all(|d: &f64| d.abs() < 1e-12)); // 25/‖g‖² = ¼
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`step`](Optimizer::step), and
    /// [`ErrorKind::NonFiniteLoss`](crate::ErrorKind::NonFiniteLoss).
    fn step_with_loss(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: f64,
    ) -> Result<StepInfo, Error> {
        let _ = loss;
        self.step(params, grads)
    }

    /// Checks hyperparameters and learning rate now rather than at the first step.
    ///
    /// # Errors
    /// What [`step`](Optimizer::step) would say of them.
    fn validate(&self) -> Result<(), Error>;

    /// Whether a step may be taken now; the error is that which [`step`](Optimizer::step) would give.
    ///
    /// It may not while the average is in the place of the parameters, or while they are settled.
    ///
    /// # Errors
    /// [`ErrorKind::AverageInPlace`], [`ErrorKind::Settled`] and the like.
    fn ready(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The first phase of a step that has two, as that of [`Sam`](crate::train::Sam) has: moves the
    /// parameters to where the gradient for [`step`](Optimizer::step) is to be taken.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where a step has one phase
    /// ([`has_ascended`](Optimizer::has_ascended) tells); an `Err` leaves everything as it was.
    fn ascend(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<(), Error> {
        let _ = (params, grads);
        Err(ErrorKind::Unsupported { optimizer: self.name(), what: "a phase before its step" }
            .into())
    }

    /// Whether [`ascend`](Optimizer::ascend) was called and a step is due; `None` where a step has one
    /// phase.
    fn has_ascended(&self) -> Option<bool> {
        None
    }

    /// How the leaf of that name and shape is treated: whether it is trained, and which way.
    ///
    /// What stands around an optimizer asks for it. Allocates nothing once the leaves are known.
    fn treatment(&self, leaf: &str, shape: &[usize]) -> Treatment {
        let _ = (leaf, shape);
        Treatment::default()
    }

    /// The learning rate of the step to come; of a solver with a line search, the length of its last step, and NaN
    /// before the first.
    fn learning_rate(&self) -> f64;

    /// Replaces the learning rate, and a schedule if there was one, by a constant.
    ///
    /// It reaches every leaf that follows the optimizer's rate, times its group's factor. A group with a
    /// schedule of its own keeps that; [`scale_rate`](Optimizer::scale_rate) reaches it too.
    ///
    /// # Errors
    /// [`ErrorKind::LearningRate`](crate::ErrorKind::LearningRate) unless it is finite and ≥ 0.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error>;

    /// Multiplies every learning rate from now on, those of schedules and of groups included; two
    /// calls multiply twice. Where there are schedules, a rate that is set later is multiplied too.
    ///
    /// ```
    /// use thalweg::{Optimizer, Schedule, Sgd};
    /// let mut sgd = Sgd::<f64>::new(Schedule::from(0.1).warm_up(10));
    /// sgd.scale_rate(0.5)?;
    /// assert!((sgd.learning_rate() - 0.005).abs() < 1e-15); // still warming up
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::LearningRate`](crate::ErrorKind::LearningRate) unless the factor and what comes
    /// of it are finite and ≥ 0; [`ErrorKind::Unsupported`] where a line search finds the lengths.
    fn scale_rate(&mut self, factor: f64) -> Result<(), Error> {
        self.set_learning_rate(self.learning_rate() * factor)
    }

    /// Replaces the learning rate's schedule.
    ///
    /// # Errors
    /// What is wrong with the schedule; [`ErrorKind::Unsupported`] where an optimizer has none.
    fn set_schedule(&mut self, schedule: Schedule) -> Result<(), Error> {
        let _ = schedule;
        Err(ErrorKind::Unsupported { optimizer: self.name(), what: "a schedule" }.into())
    }

    /// Changes how the leaves of a pattern are treated, as a group that is added last.
    ///
    /// It is part of the [`state`](Optimizer::state) and goes on with it, but where the pattern is a
    /// predicate: no state can hold one, and the change must be made again before the state is loaded.
    ///
    /// # Errors
    /// [`ErrorKind::GroupMatchesNothing`], [`ErrorKind::UnknownHyperparameter`], and what is out of its
    /// range; [`ErrorKind::Unsupported`] where an optimizer has no groups, or none of that kind.
    fn change_group(&mut self, leaves: Pattern, change: Change) -> Result<(), Error> {
        let _ = (leaves, change);
        Err(ErrorKind::Unsupported { optimizer: self.name(), what: "groups" }.into())
    }

    /// Puts in what changes of groups there are, for [`forget_changes`](Optimizer::forget_changes).
    #[doc(hidden)]
    fn changes(&self, marks: &mut Vec<usize>) {
        let _ = marks;
    }

    /// Forgets the changes of groups since those were put in, so that a state of then is one of its own again.
    #[doc(hidden)]
    fn forget_changes(&mut self, marks: &mut dyn Iterator<Item = usize>) {
        let _ = marks;
    }

    /// How many steps were taken; skipped ones do not count.
    fn steps(&self) -> u64;

    /// How many steps were skipped because of a gradient that was not finite.
    fn skipped(&self) -> u64;

    /// Forgets state, names and counters, as if no step had been taken; hyperparameters and
    /// schedule stay.
    ///
    /// While the average is in the place of the parameters, these are kept:
    /// [`swap_average`](Optimizer::swap_average) brings them back, and is still due.
    fn reset(&mut self);

    /// The optimizer's name, such as `"Adam"`.
    fn name(&self) -> &'static str;

    /// Puts the average in the place of the parameters, to evaluate it, or takes it out again.
    ///
    /// Between the two calls [`step`](Optimizer::step) is an error. Before its first term the average
    /// is the parameters themselves.
    ///
    /// # Errors
    /// [`ErrorKind::NoAverage`] where none is kept; as [`step`](Optimizer::step) for parameters of
    /// other names or shapes.
    fn swap_average(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        let _ = params;
        Err(ErrorKind::NoAverage.into())
    }

    /// As [`step`](Optimizer::step), but a term of the average that is due after it waits for
    /// [`average_again`](Optimizer::average_again): for what moves the parameters after the step. The
    /// loss is that of [`step_with_loss`](Optimizer::step_with_loss), where it is known.
    ///
    /// # Errors
    /// As [`step`](Optimizer::step).
    fn step_before_average(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: Option<f64>,
    ) -> Result<StepInfo, Error> {
        match loss {
            Some(loss) => self.step_with_loss(params, grads, loss),
            None => self.step(params, grads),
        }
    }

    /// Lets the average take the parameters as they are now, where
    /// [`step_before_average`](Optimizer::step_before_average) has left a term out.
    ///
    /// # Errors
    /// For leaves that differ; the average is then as it was.
    fn average_again(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        let _ = params;
        Ok(())
    }

    /// Everything that the steps to come depend on, to save: see [`State`].
    fn state(&self) -> State;

    /// Goes on from a saved state: the steps to come give the bits that they would have given the
    /// optimizer that it was saved from.
    ///
    /// The optimizer must be built as that one was: rule, hyperparameters, schedules, settings and
    /// groups; a difference is an error that names both values
    /// ([`Elementwise::precedence`](crate::Elementwise::precedence) says otherwise). What was set since
    /// by [`set_learning_rate`](Optimizer::set_learning_rate), [`scale_rate`](Optimizer::scale_rate)
    /// and [`change_group`](Optimizer::change_group) goes on.
    ///
    /// # Errors
    /// An `Err` leaves the optimizer as it was. [`ErrorKind::StateOptimizer`],
    /// [`ErrorKind::StateScalar`], [`ErrorKind::StateVersion`], [`ErrorKind::StateDiffers`] for a
    /// state of another optimizer; [`ErrorKind::Leaves`] and [`ErrorKind::StateInvalid`] for one of
    /// another model, which an optimizer that has taken no step finds at its first
    /// ([`State::check_leaves`] finds it at once); [`ErrorKind::StateMissing`] and
    /// [`ErrorKind::StateUnexpected`] for one that is damaged.
    fn load_state(&mut self, state: &State) -> Result<(), Error>;

    /// Steps over parts of leaves; `None` where there are none.
    #[doc(hidden)]
    fn partwise(&mut self) -> Option<&mut dyn Partwise<F>> {
        None
    }
}

/// What a step reports.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StepInfo {
    /// How many steps were taken so far, this one included unless it was skipped.
    pub step: u64,
    /// The learning rate of this step.
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))]
    pub learning_rate: f64,
    /// Whether a gradient was not finite and nothing was changed
    /// ([`NonFinite::Skip`](crate::NonFinite::Skip)).
    pub skipped: bool,
    /// Whether the gradient was only added to others, and no parameter moved
    /// ([`Accumulate`](crate::train::Accumulate)).
    pub accumulating: bool,
    /// ‖g‖₂ over all leaves, before clipping and penalty, where it was computed: with
    /// `clip_norm` or `report_norm`.
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain_option"))]
    pub grad_norm: Option<f64>,
}

impl StepInfo {
    /// Of a step that was skipped.
    pub fn skipped() -> Self {
        Self { skipped: true, ..Self::default() }
    }
}

/// How an optimizer treats a leaf: whether it is trained, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Treatment {
    /// Whether steps move it; a frozen leaf is not.
    pub trained: bool,
    /// Whether the objective is to grow by its steps.
    pub maximize: bool,
}

impl Default for Treatment {
    fn default() -> Self {
        Self { trained: true, maximize: false }
    }
}

/// What to change for a group of leaves of an optimizer whose type is not known.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Adam, Change, Optimizer};
///
/// let mut optimizer: Box<dyn Optimizer<f64>> =
///     Box::new(Adam::new(0.1).group("1", |backbone| backbone.frozen(true)));
/// let (mut w, g) = ((array![1.0], array![1.0]), (array![1.0], array![1.0]));
/// optimizer.step(&mut w, &g)?;
/// assert_eq!(w.1[0], 1.0);
///
/// optimizer.change_group("1".into(), Change::new().frozen(false).rate_factor(0.1))?;
/// optimizer.step(&mut w, &g)?; // its first step: 0.1·0.1
/// assert!((w.1[0] - 0.99).abs() < 1e-9);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    pub(crate) frozen: Option<bool>,
    pub(crate) rate_factor: Option<f64>,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) numbers: Vec<(String, f64)>,
}

impl Change {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Freezes the leaves, or thaws them.
    #[must_use]
    pub fn frozen(mut self, frozen: bool) -> Self {
        self.frozen = Some(frozen);
        self
    }

    /// Multiplies their learning rate; in [0, ∞).
    #[must_use]
    pub fn rate_factor(mut self, factor: f64) -> Self {
        self.rate_factor = Some(factor);
        self
    }

    /// Gives them a learning rate of their own, a number or a schedule.
    #[must_use]
    pub fn schedule(mut self, learning_rate: impl Into<Schedule>) -> Self {
        self.schedule = Some(learning_rate.into());
        self
    }

    /// Gives a hyperparameter of theirs a value, by the name that
    /// [`scheduled`](crate::Elementwise::scheduled) takes.
    #[must_use]
    pub fn set(mut self, hyperparameter: impl Into<String>, value: f64) -> Self {
        self.numbers.push((hyperparameter.into(), value));
        self
    }
}

impl<F: Scalar, O: Optimizer<F> + ?Sized> Optimizer<F> for Box<O> {
    forward!(self, (**self));
}
