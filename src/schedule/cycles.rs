//! Schedules that go up and come down: once, or again and again.

use std::fmt;

use crate::error::Error;

use super::progress::Progress;
use super::values::{Number, Steps, at_least_one, finite, half, power, share};

/// **One cycle**: up from `start` to `peak`, then down to `end`, over so many steps in all.
///
/// With ρ the [`rise`](Self::rise), n the steps and e = t - 1 those that are over, the peak is at
/// e = ρn - 1 and the end at e = n - 1, which later steps keep. Between them runs half a cosine,
/// or a line if [`linear`](Self::linear). In [`three_phases`](Self::three_phases) it comes down
/// as fast as it went up, to `start` at e = 2ρn - 2, and from there to `end`.
///
/// | | default | range |
/// |---|---|---|
/// | `start` | peak / 25 | finite |
/// | `end` | start / 10⁴ | finite |
/// | `rise` ρ | 0.3 | [0, 1], with three phases [0, 0.5] |
///
/// These are PyTorch's `OneCycleLR` and its defaults. Its momentum runs the other way, which is
/// [`momentum`](Self::momentum).
///
/// Source: Smith, "A disciplined approach to neural network hyper-parameters: part 1", 2018.
///
/// ```
/// use thalweg::{Schedule, Sgd, schedule::OneCycle};
///
/// let rate = Schedule::from(OneCycle::new(0.1, 1000).rise(0.25).end(0.0));
/// assert_eq!(rate.at(1), 0.1 / 25.0);
/// assert_eq!((rate.at(250), rate.at(1000)), (0.1, 0.0));
/// assert_eq!(rate.to_string(), "one cycle 0.004 → 0.1 → 0 over 1000 steps, rise 0.25");
///
/// let sgd = Sgd::<f32>::new(OneCycle::new(0.1, 1000).linear().three_phases());
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct OneCycle {
    start: f64,
    peak: f64,
    end: f64,
    steps: u64,
    rise: f64,
    linear: bool,
    three_phases: bool,
}

impl OneCycle {
    /// A cycle with that highest value over that many steps, at least 1.
    pub fn new(peak: f64, steps: u64) -> Self {
        let start = peak / 25.0;
        let end = start / 1e4;
        Self { start, peak, end, steps, rise: 0.3, linear: false, three_phases: false }
    }

    /// The cycle of a momentum, or of β₁, that goes with a learning rate's: `high` at both ends,
    /// `low` at the peak of the rate; PyTorch's has 0.95 and 0.85.
    ///
    /// ```
    /// use thalweg::{Schedule, schedule::OneCycle};
    /// let momentum = Schedule::from(OneCycle::momentum(0.95, 0.85, 1000));
    /// assert_eq!([1, 300, 1000].map(|step| momentum.at(step)), [0.95, 0.85, 0.95]);
    /// ```
    pub fn momentum(high: f64, low: f64, steps: u64) -> Self {
        Self::new(low, steps).start(high).end(high)
    }

    /// Sets the value of the first step.
    #[must_use]
    pub fn start(self, start: f64) -> Self {
        Self { start, ..self }
    }

    /// Sets the value of the last step.
    #[must_use]
    pub fn end(self, end: f64) -> Self {
        Self { end, ..self }
    }

    /// Sets ρ, the share of the steps on the way up.
    #[must_use]
    pub fn rise(self, rise: f64) -> Self {
        Self { rise, ..self }
    }

    /// Goes along lines instead of half cosines.
    #[must_use]
    pub fn linear(self) -> Self {
        Self { linear: true, ..self }
    }

    /// Comes down in two phases.
    #[must_use]
    pub fn three_phases(self) -> Self {
        Self { three_phases: true, ..self }
    }

    pub(super) fn at(&self, elapsed: u64) -> f64 {
        let (at, steps) = (elapsed as f64, self.steps as f64);
        let (top, last) = (self.rise * steps - 1.0, steps - 1.0);
        let back = 2.0 * self.rise * steps - 2.0;
        let (begin, finish, from, to) = if at <= top {
            (0.0, top, self.start, self.peak)
        } else if !self.three_phases {
            (top, last, self.peak, self.end)
        } else if at <= back {
            (top, back, self.peak, self.start)
        } else {
            (back, last, self.start, self.end)
        };
        let progress = Progress::between(begin, finish, at);
        let progress = if self.linear { progress } else { progress.cosine() };
        progress.mix(from, to)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let owner = "one cycle";
        finite(owner, "start", self.start)?;
        finite(owner, "peak", self.peak)?;
        finite(owner, "end", self.end)?;
        at_least_one(owner, "steps", self.steps)?;
        if self.three_phases {
            half(owner, "rise", self.rise)
        } else {
            share(owner, "rise", self.rise)
        }
    }
}

impl fmt::Display for OneCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one cycle {} → {} → ", Number(self.start), Number(self.peak))?;
        if self.three_phases {
            write!(f, "{} → ", Number(self.start))?;
        }
        write!(f, "{} over {}, rise {}", Number(self.end), Steps(self.steps), Number(self.rise))?;
        f.write_str(if self.linear { ", linear" } else { "" })
    }
}

/// How high the cycles of a [`Cyclic`] are.
#[derive(Clone, Copy, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
enum Height {
    Full,
    Halved,
    Decaying(f64),
}

/// **Cyclic**: up from `base` to `peak` and down again along lines, for ever.
///
/// With e = t - 1 steps over, c of them in this cycle, u up and d down:
/// base + h·(peak - base)·(c/u if c ≤ u, else (u + d - c)/d). The height h is 1, or ½ to the
/// number of cycles that are over ([`halved`](Self::halved)), or γᵉ ([`decaying`](Self::decaying)).
///
/// PyTorch's `CyclicLR`: `triangular`, `triangular2`, `exp_range`. The momentum that it cycles the
/// other way is `Cyclic::new(max_momentum, base_momentum, up)`.
///
/// Source: Smith, "Cyclical learning rates for training neural networks", 2017.
///
/// ```
/// use thalweg::{Schedule, schedule::Cyclic};
///
/// let rate = Schedule::from(Cyclic::new(0.25, 0.75, 2).down(4).halved());
/// let values: Vec<f64> = (1..=9).map(|step| rate.at(step)).collect();
/// assert_eq!(values, [0.25, 0.5, 0.75, 0.625, 0.5, 0.375, 0.25, 0.375, 0.5]);
/// assert_eq!(rate.to_string(), "cyclic 0.25 to 0.75, 2 steps up, 4 down, halved each time");
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Cyclic {
    base: f64,
    peak: f64,
    up: u64,
    down: u64,
    height: Height,
}

impl Cyclic {
    /// Cycles of `up` steps from `base` to `peak` and as many back; `up` is at least 1.
    pub fn new(base: f64, peak: f64, up: u64) -> Self {
        Self { base, peak, up, down: up, height: Height::Full }
    }

    /// Sets the steps on the way down; with 0 each cycle falls back at once.
    #[must_use]
    pub fn down(self, down: u64) -> Self {
        Self { down, ..self }
    }

    /// Makes each cycle half as high as the one before.
    #[must_use]
    pub fn halved(self) -> Self {
        Self { height: Height::Halved, ..self }
    }

    /// Makes the cycles lower by γ in [0, 1] with each step.
    #[must_use]
    pub fn decaying(self, gamma: f64) -> Self {
        Self { height: Height::Decaying(gamma), ..self }
    }

    pub(super) fn at(&self, elapsed: u64) -> f64 {
        let length = self.up.saturating_add(self.down).max(1);
        let (cycle, at) = (elapsed / length, elapsed % length);
        let climbed = if at <= self.up {
            Progress::new(at, self.up).done
        } else {
            Progress::new(at - self.up, self.down).left
        };
        let height = match self.height {
            Height::Full => 1.0,
            Height::Halved => power(0.5, cycle),
            Height::Decaying(gamma) => power(gamma, elapsed),
        };
        let done = climbed * height;
        Progress { done, left: 1.0 - done }.mix(self.base, self.peak)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let owner = "cyclic schedule";
        finite(owner, "base", self.base)?;
        finite(owner, "peak", self.peak)?;
        at_least_one(owner, "up", self.up)?;
        match self.height {
            Height::Decaying(gamma) => share(owner, "decaying", gamma),
            Height::Full | Height::Halved => Ok(()),
        }
    }
}

impl fmt::Display for Cyclic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, peak, up, down, height } = *self;
        write!(f, "cyclic {} to {}, {} up, {down} down", Number(base), Number(peak), Steps(up))?;
        match height {
            Height::Full => Ok(()),
            Height::Halved => f.write_str(", halved each time"),
            Height::Decaying(gamma) => write!(f, ", times {} each step", Number(gamma)),
        }
    }
}
