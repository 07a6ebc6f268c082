//! The shapes that schedules are made of.

use std::fmt;

use crate::error::Error;

use super::custom::Custom;
use super::cycles::{Cyclic, OneCycle};
use super::progress::Progress;
use super::values::{Number, Steps, at_least_one, finite, non_negative, power, require, share};

/// One formula. The order of the variants is part of the saved form of a schedule: new ones go to
/// the end.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) enum Shape {
    Constant(f64),
    StepDecay {
        from: f64,
        factor: f64,
        every: u64,
    },
    MultiStep {
        from: f64,
        factor: f64,
        milestones: Vec<u64>,
    },
    Exponential {
        from: f64,
        factor: f64,
        every: u64,
    },
    Polynomial {
        from: f64,
        to: f64,
        power: f64,
        steps: u64,
    },
    Linear {
        from: f64,
        to: f64,
        steps: u64,
    },
    WarmUp {
        to: f64,
        steps: u64,
    },
    InverseSqrt {
        peak: f64,
        warm_up: u64,
    },
    Cosine {
        from: f64,
        to: f64,
        steps: u64,
    },
    CosineRestarts {
        from: f64,
        to: f64,
        period: u64,
        growth: u64,
        decay: f64,
    },
    OneCycle(OneCycle),
    Cyclic(Cyclic),
    Custom(Custom),
    OneMinusSqrt {
        from: f64,
        to: f64,
        steps: u64,
    },
    /// A warm-up in a run that is over before it; `check` refuses it.
    TooShort {
        peak: f64,
        warm_up: u64,
        total: u64,
    },
}

impl Shape {
    /// The value after `elapsed` steps.
    pub(super) fn at(&self, elapsed: u64) -> f64 {
        match *self {
            Shape::Constant(value) => value,
            Shape::StepDecay { from, factor, every } => {
                from * power(factor, elapsed / every.max(1))
            }
            Shape::MultiStep { from, factor, ref milestones } => {
                let passed = milestones.iter().filter(|&&milestone| milestone <= elapsed).count();
                from * power(factor, passed as u64)
            }
            Shape::Exponential { from, factor, every } => {
                from * factor.powf(elapsed as f64 / every.max(1) as f64)
            }
            Shape::Polynomial { from, to, power, steps } => {
                Progress::new(elapsed, steps).power(power).mix(from, to)
            }
            Shape::Linear { from, to, steps } => Progress::new(elapsed, steps).mix(from, to),
            Shape::WarmUp { to, steps } => {
                Progress::new(elapsed.saturating_add(1), steps).mix(0.0, to)
            }
            Shape::InverseSqrt { peak, warm_up } => {
                let (step, warm_up) = (elapsed as f64 + 1.0, warm_up.max(1) as f64);
                peak * (step / warm_up).min((warm_up / step).sqrt())
            }
            Shape::Cosine { from, to, steps } => {
                Progress::new(elapsed, steps).cosine().mix(from, to)
            }
            Shape::CosineRestarts { from, to, period, growth, decay } => {
                let (cycle, elapsed, period) = restart(elapsed, period, growth);
                let kept = power(decay, cycle);
                let peak = Progress { done: kept, left: 1.0 - kept }.mix(to, from);
                Progress::new(elapsed, period).cosine().mix(peak, to)
            }
            Shape::OneCycle(ref cycle) => cycle.at(elapsed),
            Shape::Cyclic(ref cycle) => cycle.at(elapsed),
            Shape::Custom(ref custom) => custom.at(elapsed.saturating_add(1)),
            Shape::OneMinusSqrt { from, to, steps } => {
                Progress::new(elapsed, steps).root().mix(from, to)
            }
            Shape::TooShort { peak, warm_up, .. } => {
                Progress::new(elapsed.saturating_add(1), warm_up).mix(0.0, peak)
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match *self {
            // What a number may be is for its user to say: a learning rate is checked as such.
            Shape::Constant(_) => Ok(()),
            Shape::StepDecay { from, factor, every } => {
                let owner = "step decay";
                finite(owner, "from", from)?;
                non_negative(owner, "factor", factor)?;
                at_least_one(owner, "every", every)
            }
            Shape::MultiStep { from, factor, .. } => {
                finite("multi-step decay", "from", from)?;
                non_negative("multi-step decay", "factor", factor)
            }
            Shape::Exponential { from, factor, every } => {
                let owner = "exponential schedule";
                finite(owner, "from", from)?;
                non_negative(owner, "factor", factor)?;
                at_least_one(owner, "every", every)
            }
            Shape::Polynomial { from, to, power, .. } => {
                let owner = "polynomial schedule";
                finite(owner, "from", from)?;
                finite(owner, "to", to)?;
                let allowed = power > 0.0 && power.is_finite();
                require(allowed, owner, "power", power, "a finite number > 0")
            }
            Shape::Linear { from, to, .. } => {
                finite("linear schedule", "from", from)?;
                finite("linear schedule", "to", to)
            }
            Shape::WarmUp { to, .. } => finite("warm-up", "the first value after it", to),
            Shape::InverseSqrt { peak, .. } => finite("inverse square root", "peak", peak),
            Shape::Cosine { from, to, .. } => {
                finite("cosine schedule", "from", from)?;
                finite("cosine schedule", "to", to)
            }
            Shape::CosineRestarts { from, to, period, growth, decay } => {
                let owner = "cosine with restarts";
                finite(owner, "from", from)?;
                finite(owner, "to", to)?;
                at_least_one(owner, "period", period)?;
                at_least_one(owner, "growth", growth)?;
                share(owner, "decay", decay)
            }
            Shape::OneCycle(ref cycle) => cycle.check(),
            Shape::Cyclic(ref cycle) => cycle.check(),
            Shape::Custom(ref custom) => custom.check(),
            Shape::OneMinusSqrt { from, to, .. } => {
                finite("1-√ schedule", "from", from)?;
                finite("1-√ schedule", "to", to)
            }
            Shape::TooShort { total, .. } => {
                let allowed =
                    "the steps of the whole run, at least 1 and at least those of the warm-up";
                require(false, "warm-up and cosine", "total", total as f64, allowed)
            }
        }
    }
}

/// The number of the period, counted from 0, how many of its steps are over, and its length.
fn restart(elapsed: u64, period: u64, growth: u64) -> (u64, u64, u64) {
    let mut period = period.max(1);
    if growth <= 1 {
        return (elapsed / period, elapsed % period, period);
    }
    // The lengths at least double: 64 turns are the most.
    let (mut cycle, mut elapsed) = (0, elapsed);
    while elapsed >= period {
        elapsed -= period;
        period = period.saturating_mul(growth);
        cycle += 1;
    }
    (cycle, elapsed, period)
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Shape::Constant(value) => fmt::Display::fmt(&Number(value), f),
            Shape::StepDecay { from, factor, every } => {
                write!(f, "{}, times {} every {}", Number(from), Number(factor), Steps(every))
            }
            Shape::MultiStep { from, factor, ref milestones } => {
                fmt::Display::fmt(&Number(from), f)?;
                for (i, milestone) in milestones.iter().enumerate() {
                    match i {
                        0 => write!(f, ", times {} after steps {milestone}", Number(factor))?,
                        _ => write!(f, ", {milestone}")?,
                    }
                }
                Ok(())
            }
            Shape::Exponential { from, factor, every } => {
                write!(
                    f,
                    "exponential {}, times {} in {}",
                    Number(from),
                    Number(factor),
                    Steps(every)
                )
            }
            Shape::Polynomial { from, to, power, steps } => write!(
                f,
                "polynomial {} → {} over {}, power {}",
                Number(from),
                Number(to),
                Steps(steps),
                Number(power)
            ),
            Shape::Linear { from, to, steps } => {
                write!(f, "linear {} → {} over {}", Number(from), Number(to), Steps(steps))
            }
            Shape::WarmUp { to, steps } => {
                write!(f, "warm-up to {} over {}", Number(to), Steps(steps))
            }
            Shape::InverseSqrt { peak, warm_up } => {
                write!(f, "inverse square root, {} after {}", Number(peak), Steps(warm_up))
            }
            Shape::Cosine { from, to, steps } => {
                write!(f, "cosine {} → {} over {}", Number(from), Number(to), Steps(steps))
            }
            Shape::CosineRestarts { from, to, period, growth, decay } => {
                write!(
                    f,
                    "cosine {} → {} over {}, restarted",
                    Number(from),
                    Number(to),
                    Steps(period)
                )?;
                if growth != 1 {
                    write!(f, ", each period times {growth}")?;
                }
                if decay != 1.0 {
                    write!(f, ", each height times {}", Number(decay))?;
                }
                Ok(())
            }
            Shape::OneCycle(ref cycle) => fmt::Display::fmt(cycle, f),
            Shape::Cyclic(ref cycle) => fmt::Display::fmt(cycle, f),
            Shape::Custom(ref custom) => fmt::Display::fmt(custom, f),
            Shape::OneMinusSqrt { from, to, steps } => {
                write!(f, "1-√ {} → {} over {}", Number(from), Number(to), Steps(steps))
            }
            Shape::TooShort { peak, warm_up, total } => {
                write!(f, "warm-up to {} over {} in a run of {total}", Number(peak), Steps(warm_up))
            }
        }
    }
}
