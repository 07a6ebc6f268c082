//! The elementwise rules, one file each: formula, hyperparameters, update.
//!
//! A file's `Optimizer` is re-exported from the crate's root under the rule's name
//! ([`crate::Adam`]); the rule itself, which holds the hyperparameters, is here.

/// Builder methods for the hyperparameters of a rule.
macro_rules! hyperparameters {
    ($rule:ident { $($(#[$doc:meta])+ $name:ident),+ $(,)? }) => {
        impl<F: $crate::Scalar> $crate::Elementwise<F, $rule> {
            $(
                $(#[$doc])+
                #[must_use]
                pub fn $name(self, $name: f64) -> Self {
                    self.with(|rule| rule.$name = $name)
                }
            )+
        }

        impl $rule {
            /// Calls `visit` with each hyperparameter's name and number.
            fn numbers(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
                $(visit(stringify!($name), &mut self.$name);)+
            }
        }
    };
}

pub(crate) mod adabelief;
pub(crate) mod adadelta;
pub(crate) mod adagrad;
pub(crate) mod adam;
pub(crate) mod adamax;
pub(crate) mod adamw;
pub(crate) mod amsgrad;
pub(crate) mod centered_rmsprop;
pub(crate) mod lamb;
pub(crate) mod lars;
pub(crate) mod lion;
pub(crate) mod momentum;
pub(crate) mod nadam;
pub(crate) mod nesterov;
pub(crate) mod radam;
pub(crate) mod rmsprop;
pub(crate) mod rmsprop_momentum;
pub(crate) mod schedule_free;
pub(crate) mod sgd;
pub(crate) mod yogi;

pub(crate) mod catalog;

pub use adabelief::AdaBelief;
pub use adadelta::AdaDelta;
pub use adagrad::AdaGrad;
pub use adam::Adam;
pub use adamax::AdaMax;
pub use adamw::AdamW;
pub use amsgrad::AmsGrad;
pub use centered_rmsprop::CenteredRmsProp;
pub use lamb::Lamb;
pub use lars::Lars;
pub use lion::Lion;
pub use momentum::Momentum;
pub use nadam::NAdam;
pub use nesterov::Nesterov;
pub use radam::RAdam;
pub use rmsprop::RmsProp;
pub use rmsprop_momentum::RmsPropMomentum;
pub use schedule_free::ScheduleFreeAdamW;
pub use sgd::Sgd;
pub use yogi::Yogi;

use crate::rule::Interval;

/// Where ε stands in the denominator of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Epsilon {
    /// √(s + ε)
    Inside,
    /// √s + ε
    Outside,
}

impl Epsilon {
    /// The range that ε may take there.
    fn interval(self) -> Interval {
        match self {
            Epsilon::Inside => Interval::EPSILON_INSIDE,
            Epsilon::Outside => Interval::EPSILON,
        }
    }

    /// What is added under the root and after it.
    fn split(self, epsilon: f64) -> (f64, f64) {
        match self {
            Epsilon::Inside => (epsilon, 0.0),
            Epsilon::Outside => (0.0, epsilon),
        }
    }
}
