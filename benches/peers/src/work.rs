//! What every contestant does: a rule, a precision, a size, a number of threads.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub const LEARNING_RATE: f64 = 1e-3;
pub const BETA1: f64 = 0.9;
pub const BETA2: f64 = 0.999;
pub const EPSILON: f64 = 1e-8;
pub const MOMENTUM: f64 = 0.9;
pub const RHO: f64 = 0.9;
pub const ADADELTA_EPSILON: f64 = 1e-6;
pub const YOGI_EPSILON: f64 = 1e-3;
/// Yogi's m₀ = s₀.
pub const YOGI_START: f64 = 1e-6;
pub const WEIGHT_DECAY: f64 = 1e-2;
/// Below the gradient's norm at every size, so that it scales.
pub const CLIP_NORM: f64 = 1.0;
/// After the average's first term, which is the parameters themselves.
pub const EMA_DECAY: f64 = 0.999;

/// What is done to a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    Adam,
    Momentum,
    Yogi,
    Adadelta,
    /// Clipping by the global norm, AdamW, and an exponential average of the parameters.
    ClipAdamwEma,
}

impl Rule {
    pub const ALL: [Self; 5] =
        [Self::Adam, Self::Momentum, Self::Yogi, Self::Adadelta, Self::ClipAdamwEma];

    pub fn title(self) -> &'static str {
        match self {
            Self::Adam => "Adam",
            Self::Momentum => "SGD, momentum",
            Self::Yogi => "Yogi",
            Self::Adadelta => "AdaDelta",
            Self::ClipAdamwEma => "clip + AdamW + EMA",
        }
    }

    /// Vectors as long as the parameter that a step reads and writes beside it.
    pub fn slots(self) -> usize {
        match self {
            Self::Momentum => 1,
            Self::Adam | Self::Yogi | Self::Adadelta => 2,
            Self::ClipAdamwEma => 3,
        }
    }

    /// Vectors that cross the memory bus in a step: all are read, all but the gradient written, and
    /// a norm reads the gradient once more.
    pub fn traffic(self) -> usize {
        3 + 2 * self.slots() + usize::from(self == Self::ClipAdamwEma)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    F32,
    F64,
}

impl Precision {
    pub const ALL: [Self; 2] = [Self::F32, Self::F64];

    pub fn title(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// One cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
pub struct Work {
    pub rule: Rule,
    pub precision: Precision,
    /// Elements of the parameter.
    pub n: usize,
    pub threads: usize,
}

impl Work {
    /// Bytes of the parameter, the gradient and the state.
    pub fn held(&self) -> usize {
        (2 + self.rule.slots()) * self.n * self.precision.bytes()
    }

    /// Bytes that a step reads and writes.
    pub fn moved(&self) -> usize {
        self.rule.traffic() * self.n * self.precision.bytes()
    }
}

/// The gradient at every step.
pub fn slope(i: usize) -> f64 {
    (i % 17) as f64 * 0.1 - 0.75
}
