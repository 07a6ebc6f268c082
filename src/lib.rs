//! Gradient-based optimizers over `ndarray`.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![warn(unreachable_pub)]

mod engine;
mod error;
mod interval;
mod optimizer;
pub mod params;
mod reduce;
pub mod regularize;
pub mod rule;
pub mod rules;
mod scalar;
pub mod schedule;
mod simd;
mod threads;

pub use engine::{Elementwise, NonFinite, Settings};
pub use error::{Error, ErrorKind, Tree};
pub use optimizer::{Optimizer, StepInfo};
pub use params::{Params, ParamsMut};
pub use rule::Rule;
pub use rules::adabelief::Optimizer as AdaBelief;
pub use rules::adadelta::Optimizer as AdaDelta;
pub use rules::adagrad::Optimizer as AdaGrad;
pub use rules::adam::Optimizer as Adam;
pub use rules::adamax::Optimizer as AdaMax;
pub use rules::adamw::Optimizer as AdamW;
pub use rules::amsgrad::Optimizer as AmsGrad;
pub use rules::catalog::{Entry, catalog};
pub use rules::centered_rmsprop::Optimizer as CenteredRmsProp;
pub use rules::lion::Optimizer as Lion;
pub use rules::momentum::Optimizer as Momentum;
pub use rules::nadam::Optimizer as NAdam;
pub use rules::nesterov::Optimizer as Nesterov;
pub use rules::radam::Optimizer as RAdam;
pub use rules::rmsprop::Optimizer as RmsProp;
pub use rules::rmsprop_momentum::Optimizer as RmsPropMomentum;
pub use rules::sgd::Optimizer as Sgd;
pub use rules::yogi::Optimizer as Yogi;
pub use scalar::Scalar;
pub use schedule::Schedule;
pub use simd::Simd;
