//! The trait that every optimizer implements.

use std::fmt::Debug;

use crate::error::{Error, ErrorKind};
use crate::params::{Params, ParamsMut};
use crate::scalar::Scalar;
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
    /// after; their memory layouts are free. All is checked before the first write.
    ///
    /// # Errors
    /// An `Err` leaves parameters, state and step counter exactly as they were. See
    /// [`ErrorKind`](crate::ErrorKind) for what it can be.
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error>;

    /// Checks hyperparameters and learning rate now rather than at the first step.
    ///
    /// # Errors
    /// What [`step`](Optimizer::step) would say of them.
    fn validate(&self) -> Result<(), Error>;

    /// The learning rate of the step to come.
    fn learning_rate(&self) -> f64;

    /// Replaces the learning rate, and a schedule if there was one, by a constant.
    ///
    /// Groups that have a schedule of their own keep it; those with a
    /// [`rate_factor`](crate::Elementwise::rate_factor) follow.
    /// [`scale_rate`](Optimizer::scale_rate) reaches all.
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
    /// assert_eq!(sgd.learning_rate(), 0.005); // still warming up
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::LearningRate`](crate::ErrorKind::LearningRate) unless the factor and what comes
    /// of it are finite and ≥ 0.
    fn scale_rate(&mut self, factor: f64) -> Result<(), Error> {
        self.set_learning_rate(self.learning_rate() * factor)
    }

    /// How many steps were taken; skipped ones do not count.
    fn steps(&self) -> u64;

    /// How many steps were skipped because of a gradient that was not finite.
    fn skipped(&self) -> u64;

    /// Forgets state, names and counters, as if no step had been taken; hyperparameters and
    /// schedule stay.
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

    /// How the leaf of that name and shape is treated; what goes around an optimizer asks it.
    ///
    /// It allocates nothing once the leaves are known.
    fn treatment(&self, leaf: &str, shape: &[usize]) -> Treatment {
        let _ = (leaf, shape);
        Treatment::default()
    }

    /// Whether a step may be taken: whether the parameters are where a gradient is wanted.
    ///
    /// # Errors
    /// What [`step`](Optimizer::step) would say: [`ErrorKind::AverageInPlace`] and
    /// [`ErrorKind::OutOfTurn`].
    fn ready(&self) -> Result<(), Error> {
        Ok(())
    }

    /// As [`step`](Optimizer::step), but a term of the average that is due after it waits for
    /// [`average_again`](Optimizer::average_again): for what moves the parameters after the step.
    ///
    /// # Errors
    /// As [`step`](Optimizer::step).
    fn step_before_average(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        self.step(params, grads)
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
    /// The optimizer must be built as that one was. What its steps have changed, or may change (its
    /// state, counters, learning rate, hyperparameters), comes from the state; what it is (rule,
    /// conventions, settings, groups) must be the same. To go on with another learning rate, set it
    /// afterwards.
    ///
    /// # Errors
    /// An `Err` leaves the optimizer as it was. [`ErrorKind::StateOptimizer`],
    /// [`ErrorKind::StateScalar`], [`ErrorKind::StateVersion`], [`ErrorKind::StateDiffers`] for a
    /// state of another optimizer; [`ErrorKind::Leaves`] and [`ErrorKind::StateInvalid`] for one of
    /// another model, which an optimizer that has taken no step finds at its first
    /// ([`State::check_leaves`] finds it at once); [`ErrorKind::StateMissing`] and
    /// [`ErrorKind::StateUnexpected`] for one that is damaged.
    fn load_state(&mut self, state: &State) -> Result<(), Error>;
}

/// How an optimizer treats a leaf: whether it is trained, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Treatment {
    /// Whether steps move it. The gradient of a leaf that is frozen is not looked at.
    pub trained: bool,
    /// Whether steps climb.
    pub maximize: bool,
}

impl Default for Treatment {
    fn default() -> Self {
        Self { trained: true, maximize: false }
    }
}

/// What a step reports.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct StepInfo {
    /// How many steps were taken so far, this one included unless it was skipped.
    pub step: u64,
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// Whether a gradient was not finite and nothing was changed
    /// ([`NonFinite::Skip`](crate::NonFinite::Skip)).
    pub skipped: bool,
    /// Whether the gradient was only added to others, and no parameter moved
    /// ([`Accumulate`](crate::train::Accumulate)).
    pub accumulating: bool,
    /// ‖g‖₂ over all leaves, before clipping and penalty, where it was computed: with
    /// `clip_norm` or `report_norm`.
    pub grad_norm: Option<f64>,
}

impl StepInfo {
    /// Of a step that was skipped.
    pub fn skipped() -> Self {
        Self { skipped: true, ..Self::default() }
    }
}

impl<F: Scalar, O: Optimizer<F> + ?Sized> Optimizer<F> for Box<O> {
    fn step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        (**self).step(params, grads)
    }

    fn validate(&self) -> Result<(), Error> {
        (**self).validate()
    }

    fn learning_rate(&self) -> f64 {
        (**self).learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        (**self).set_learning_rate(learning_rate)
    }

    fn scale_rate(&mut self, factor: f64) -> Result<(), Error> {
        (**self).scale_rate(factor)
    }

    fn steps(&self) -> u64 {
        (**self).steps()
    }

    fn skipped(&self) -> u64 {
        (**self).skipped()
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn swap_average(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        (**self).swap_average(params)
    }

    fn treatment(&self, leaf: &str, shape: &[usize]) -> Treatment {
        (**self).treatment(leaf, shape)
    }

    fn ready(&self) -> Result<(), Error> {
        (**self).ready()
    }

    fn step_before_average(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<StepInfo, Error> {
        (**self).step_before_average(params, grads)
    }

    fn average_again(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        (**self).average_again(params)
    }

    fn state(&self) -> State {
        (**self).state()
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        (**self).load_state(state)
    }
}
