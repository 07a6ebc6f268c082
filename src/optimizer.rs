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
    /// # Errors
    /// [`ErrorKind::LearningRate`](crate::ErrorKind::LearningRate) unless it is finite and ≥ 0.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error>;

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

    fn state(&self) -> State {
        (**self).state()
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        (**self).load_state(state)
    }
}
