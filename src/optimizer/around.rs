//! What optimizers around another share.

use super::{Call, Optimizer, StepInfo};
use crate::error::Error;
use crate::params::{Params, ParamsMut};
use crate::scalar::Scalar;

/// The three steps of an optimizer around another, by its `take_step(params, grads, call)`.
macro_rules! steps_by_call {
    ($self:ident) => {
        fn step(
            &mut $self,
            params: &mut dyn $crate::ParamsMut<F>,
            grads: &dyn $crate::Params<F>,
        ) -> Result<$crate::StepInfo, $crate::Error> {
            $self.take_step(params, grads, $crate::optimizer::Call { averages: true, loss: None })
        }

        fn step_with_loss(
            &mut $self,
            params: &mut dyn $crate::ParamsMut<F>,
            grads: &dyn $crate::Params<F>,
            loss: f64,
        ) -> Result<$crate::StepInfo, $crate::Error> {
            let loss = Some(loss);
            $self.take_step(params, grads, $crate::optimizer::Call { averages: true, loss })
        }

        fn step_before_average(
            &mut $self,
            params: &mut dyn $crate::ParamsMut<F>,
            grads: &dyn $crate::Params<F>,
            loss: Option<f64>,
        ) -> Result<$crate::StepInfo, $crate::Error> {
            $self.take_step(params, grads, $crate::optimizer::Call { averages: false, loss })
        }
    };
}
pub(crate) use steps_by_call;

/// The step of an optimizer that a call asks for.
pub(crate) fn step_by<F: Scalar, O: Optimizer<F> + ?Sized>(
    optimizer: &mut O,
    params: &mut dyn ParamsMut<F>,
    grads: &dyn Params<F>,
    call: Call,
) -> Result<StepInfo, Error> {
    match call {
        Call { averages: true, loss: None } => optimizer.step(params, grads),
        Call { averages: true, loss: Some(loss) } => optimizer.step_with_loss(params, grads, loss),
        Call { averages: false, loss } => optimizer.step_before_average(params, grads, loss),
    }
}

/// What a call returns that is no step.
pub(crate) fn standing<F: Scalar>(optimizer: &(impl Optimizer<F> + ?Sized)) -> StepInfo {
    let (step, learning_rate) = (optimizer.steps(), optimizer.learning_rate());
    StepInfo { step, learning_rate, ..StepInfo::default() }
}

/// The methods of an optimizer that leaves them to another: those that are named, or all of them. `rates` are those
/// of learning rates and groups.
macro_rules! forward {
    ($self:ident, $inner:expr) => {
        $crate::optimizer::forward! {
            $self, $inner;
            rates treatment steps average_again step step_with_loss step_before_average ascend has_ascended validate ready skipped reset name swap_average state load_state partwise
        }
    };
    ($self:ident, $inner:expr; $($method:ident)*) => {
        $($crate::optimizer::forward!(@$method $self, $inner);)*
    };
    (@rates $self:ident, $inner:expr) => {
        fn learning_rate(&$self) -> f64 {
            $inner.learning_rate()
        }

        fn set_learning_rate(&mut $self, learning_rate: f64) -> Result<(), $crate::Error> {
            $inner.set_learning_rate(learning_rate)
        }

        fn scale_rate(&mut $self, factor: f64) -> Result<(), $crate::Error> {
            $inner.scale_rate(factor)
        }

        fn set_schedule(&mut $self, schedule: $crate::Schedule) -> Result<(), $crate::Error> {
            $inner.set_schedule(schedule)
        }

        fn change_group(
            &mut $self,
            leaves: $crate::Pattern,
            change: $crate::Change,
        ) -> Result<(), $crate::Error> {
            $inner.change_group(leaves, change)
        }

        fn changes(&$self, marks: &mut Vec<usize>) {
            $inner.changes(marks);
        }

        fn forget_changes(&mut $self, marks: &mut dyn Iterator<Item = usize>) {
            $inner.forget_changes(marks);
        }
    };
    (@treatment $self:ident, $inner:expr) => {
        fn treatment(&$self, leaf: &str, shape: &[usize]) -> $crate::Treatment {
            $inner.treatment(leaf, shape)
        }
    };
    (@steps $self:ident, $inner:expr) => {
        fn steps(&$self) -> u64 {
            $inner.steps()
        }
    };
    (@average_again $self:ident, $inner:expr) => {
        fn average_again(
            &mut $self,
            params: &mut dyn $crate::ParamsMut<F>,
        ) -> Result<(), $crate::Error> {
            $inner.average_again(params)
        }
    };
    (@step $self:ident, $inner:expr) => {
        fn step(
            &mut $self,
            params: &mut dyn $crate::ParamsMut<F>,
            grads: &dyn $crate::Params<F>,
        ) -> Result<$crate::StepInfo, $crate::Error> {
            $inner.step(params, grads)
        }
    };
    (@step_with_loss $self:ident, $inner:expr) => {
        fn step_with_loss(
            &mut $self,
            params: &mut dyn $crate::ParamsMut<F>,
            grads: &dyn $crate::Params<F>,
            loss: f64,
        ) -> Result<$crate::StepInfo, $crate::Error> {
            $inner.step_with_loss(params, grads, loss)
        }
    };
    (@step_before_average $self:ident, $inner:expr) => {
        fn step_before_average(
            &mut $self,
            params: &mut dyn $crate::ParamsMut<F>,
            grads: &dyn $crate::Params<F>,
            loss: Option<f64>,
        ) -> Result<$crate::StepInfo, $crate::Error> {
            $inner.step_before_average(params, grads, loss)
        }
    };
    (@ascend $self:ident, $inner:expr) => {
        fn ascend(
            &mut $self,
            params: &mut dyn $crate::ParamsMut<F>,
            grads: &dyn $crate::Params<F>,
        ) -> Result<(), $crate::Error> {
            $inner.ascend(params, grads)
        }
    };
    (@has_ascended $self:ident, $inner:expr) => {
        fn has_ascended(&$self) -> Option<bool> {
            $inner.has_ascended()
        }
    };
    (@validate $self:ident, $inner:expr) => {
        fn validate(&$self) -> Result<(), $crate::Error> {
            $inner.validate()
        }
    };
    (@ready $self:ident, $inner:expr) => {
        fn ready(&$self) -> Result<(), $crate::Error> {
            $inner.ready()
        }
    };
    (@skipped $self:ident, $inner:expr) => {
        fn skipped(&$self) -> u64 {
            $inner.skipped()
        }
    };
    (@reset $self:ident, $inner:expr) => {
        fn reset(&mut $self) {
            $inner.reset();
        }
    };
    (@name $self:ident, $inner:expr) => {
        fn name(&$self) -> &'static str {
            $inner.name()
        }
    };
    (@swap_average $self:ident, $inner:expr) => {
        fn swap_average(
            &mut $self,
            params: &mut dyn $crate::ParamsMut<F>,
        ) -> Result<(), $crate::Error> {
            $inner.swap_average(params)
        }
    };
    (@state $self:ident, $inner:expr) => {
        fn state(&$self) -> $crate::State {
            $inner.state()
        }
    };
    (@load_state $self:ident, $inner:expr) => {
        fn load_state(&mut $self, state: &$crate::State) -> Result<(), $crate::Error> {
            $inner.load_state(state)
        }
    };
    (@partwise $self:ident, $inner:expr) => {
        fn partwise(&mut $self) -> Option<&mut dyn $crate::optimizer::Partwise<F>> {
            $inner.partwise()
        }
    };
}
pub(crate) use forward;
