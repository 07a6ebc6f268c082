//! Schedules that go one way.

use super::Schedule;
use super::shape::Shape;

impl Schedule {
    /// **Constant**: the same value at every step; what a number is turned into.
    ///
    /// Any number is valid here: what uses the schedule judges its values.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::constant(1e-3);
    /// assert_eq!(schedule.at(1_000_000), 1e-3);
    /// assert_eq!(schedule, 1e-3.into());
    /// ```
    pub const fn constant(value: f64) -> Self {
        Self::of(Shape::Constant(value))
    }

    /// **Step decay**: from·factor^⌊(t-1)/every⌋.
    ///
    /// `factor` is in [0, ∞), `every` at least 1. PyTorch's `StepLR`; Optax's `exponential_decay`
    /// with `staircase`.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::step_decay(0.5, 0.5, 30);
    /// assert_eq!([1, 30, 31, 61].map(|step| schedule.at(step)), [0.5, 0.5, 0.25, 0.125]);
    /// assert_eq!(schedule.to_string(), "0.5, times 0.5 every 30 steps");
    /// ```
    pub const fn step_decay(from: f64, factor: f64, every: u64) -> Self {
        Self::of(Shape::StepDecay { from, factor, every })
    }

    /// **Multi-step decay**: from·factorᵏ, where k of the milestones are over.
    ///
    /// `factor` is in [0, ∞). The milestones are numbers of steps, in any order; one given twice
    /// counts twice. PyTorch's `MultiStepLR`. Different factors are a chain of constants:
    /// `Schedule::constant(0.1).then(30, 0.02).then(80, 0.01)`.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::multi_step(1.0, 0.5, [30, 80]);
    /// assert_eq!([30, 31, 80, 81].map(|step| schedule.at(step)), [1.0, 0.5, 0.5, 0.25]);
    /// ```
    pub fn multi_step(from: f64, factor: f64, milestones: impl IntoIterator<Item = u64>) -> Self {
        Self::of(Shape::MultiStep { from, factor, milestones: milestones.into_iter().collect() })
    }

    /// **Exponential**: from·factor^((t-1)/every), so `every` steps multiply by `factor`.
    ///
    /// `factor` is in [0, ∞) and `every` at least 1; a factor above 1 makes it grow, which tests a
    /// range of rates. PyTorch's `ExponentialLR` has an `every` of 1; Optax's `exponential_decay`
    /// calls it `transition_steps`, and its `end_value` is [`at_least`](Self::at_least).
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::exponential(0.1, 0.25, 100);
    /// assert_eq!(schedule.at(1), 0.1);
    /// assert!((schedule.at(51) - 0.05).abs() < 1e-16);
    /// assert_eq!(schedule.to_string(), "exponential 0.1, times 0.25 in 100 steps");
    /// ```
    pub const fn exponential(from: f64, factor: f64, every: u64) -> Self {
        Self::of(Shape::Exponential { from, factor, every })
    }

    /// **Linear**: from + (to - from)·p, with p = min((t-1)/steps, 1).
    ///
    /// PyTorch's `LinearLR`, Optax's `linear_schedule`.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::linear(1.0, 0.0, 4);
    /// assert_eq!([1, 2, 4, 5, 9].map(|step| schedule.at(step)), [1.0, 0.75, 0.25, 0.0, 0.0]);
    /// assert_eq!(schedule.to_string(), "linear 1 → 0 over 4 steps");
    /// ```
    pub const fn linear(from: f64, to: f64, steps: u64) -> Self {
        Self::of(Shape::Linear { from, to, steps })
    }

    /// **Polynomial**: to + (from - to)·(1 - p)^power, with p = min((t-1)/steps, 1).
    ///
    /// `power` is in (0, ∞). PyTorch's `PolynomialLR`, Optax's `polynomial_schedule`.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::polynomial(1.0, 0.0, 2.0, 4);
    /// assert_eq!([1, 3, 5, 9].map(|step| schedule.at(step)), [1.0, 0.25, 0.0, 0.0]);
    /// ```
    pub const fn polynomial(from: f64, to: f64, power: f64, steps: u64) -> Self {
        Self::of(Shape::Polynomial { from, to, power, steps })
    }

    /// **Inverse square root**, with warm-up: peak·min(t/warm_up, √(warm_up/t)).
    ///
    /// It climbs to `peak` at step `warm_up` (0 and 1 are no warm-up) and falls as 1/√t. The paper
    /// has the peak (d·warm_up)^-½ for a model of width d.
    ///
    /// Source: Vaswani et al., "Attention is all you need", 2017.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::inverse_sqrt(1.0, 100);
    /// assert_eq!([50, 100, 400, 10_000].map(|step| schedule.at(step)), [0.5, 1.0, 0.5, 0.1]);
    /// ```
    pub const fn inverse_sqrt(peak: f64, warm_up: u64) -> Self {
        Self::of(Shape::InverseSqrt { peak, warm_up })
    }

    /// **Cosine**: to + (from - to)·½(1 + cos πp), with p = min((t-1)/steps, 1).
    ///
    /// PyTorch's `CosineAnnealingLR`, which climbs again after the last step where this stays;
    /// Optax's `cosine_decay_schedule`, whose `alpha` is to/from.
    ///
    /// Source: Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::cosine(0.1, 0.0, 1000);
    /// assert_eq!([1, 1001, 9999].map(|step| schedule.at(step)), [0.1, 0.0, 0.0]);
    /// assert!((schedule.at(501) - 0.05).abs() < 1e-16);
    /// assert_eq!(schedule.to_string(), "cosine 0.1 → 0 over 1000 steps");
    /// ```
    pub const fn cosine(from: f64, to: f64, steps: u64) -> Self {
        Self::of(Shape::Cosine { from, to, steps })
    }

    /// **Warm-up and cosine**, by the steps of the whole run: a line to `peak` over `warm_up` steps, then a
    /// [`cosine`](Self::cosine) to `floor` over the rest of `total`.
    ///
    /// A run that is shorter than its warm-up is an error of [`validate`](Self::validate), and so of the first step.
    /// Optax's `warmup_cosine_decay_schedule` from 0, Hugging Face's `get_cosine_schedule_with_warmup`.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::warmup_cosine(0.1, 0.0, 100, 1000);
    /// assert_eq!([50, 100, 101, 1001].map(|step| schedule.at(step)), [0.05, 0.1, 0.1, 0.0]);
    /// assert!((schedule.at(551) - 0.05).abs() < 1e-16);
    /// assert_eq!(schedule, Schedule::cosine(0.1, 0.0, 900).warm_up(100));
    ///
    /// let error = Schedule::warmup_cosine(0.1, 0.0, 100, 60).validate().unwrap_err();
    /// assert!(error.to_string().starts_with("warm-up and cosine: total = 60 is not allowed"));
    /// ```
    pub fn warmup_cosine(peak: f64, floor: f64, warm_up: u64, total: u64) -> Self {
        match total.checked_sub(warm_up) {
            Some(rest) if total > 0 => {
                let rest = Self::cosine(peak, floor, rest);
                Self::of(Shape::WarmUp { to: peak, steps: warm_up }).then(warm_up, rest)
            }
            _ => Self::of(Shape::TooShort { peak, warm_up, total }),
        }
    }

    /// **Cosine with warm restarts**: period i = 0, 1, … has period·growthⁱ steps and falls from
    /// to + (from - to)·decayⁱ to `to` as [`cosine`](Self::cosine) does.
    ///
    /// `period` and `growth` are at least 1, `decay` is in [0, 1]; with 1 and 1.0 all periods are
    /// alike. PyTorch's `CosineAnnealingWarmRestarts` calls the growth `T_mult` and has no decay.
    ///
    /// Source: Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::cosine_restarts(1.0, 0.0, 10, 2, 0.5);
    /// // Periods of 10, 20 and 40 steps.
    /// assert_eq!([1, 11, 31].map(|step| schedule.at(step)), [1.0, 0.5, 0.25]);
    /// assert!(schedule.at(30) < 0.01);
    /// ```
    pub const fn cosine_restarts(from: f64, to: f64, period: u64, growth: u64, decay: f64) -> Self {
        Self::of(Shape::CosineRestarts { from, to, period, growth, decay })
    }

    /// **1-√ decay**: to + (from - to)(1 - √(e/steps)) after e steps, and `to` after them.
    ///
    /// The cool-down of a warmup-stable-decay schedule that does best in comparisons: it falls fast at first, and
    /// slowly in the end. `constant(peak).then(stable, one_minus_sqrt(peak, 0.0, decay)).warm_up(n)`.
    ///
    /// Source: Hägele et al., "Scaling laws and compute-optimal training beyond fixed training durations", 2024.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::one_minus_sqrt(1.0, 0.0, 100);
    /// assert_eq!([1, 26, 101, 999].map(|step| schedule.at(step)), [1.0, 0.5, 0.0, 0.0]);
    /// ```
    pub const fn one_minus_sqrt(from: f64, to: f64, steps: u64) -> Self {
        Self::of(Shape::OneMinusSqrt { from, to, steps })
    }

    /// **Warmup-stable-decay**: a warm-up to `peak`, `stable` steps at it, then a line to `end`
    /// over `decay` steps.
    ///
    /// It is `constant(peak)`, [`then`](Self::then) `linear(peak, end, decay)`, with
    /// [`warm_up`](Self::warm_up); chained by hand it decays in any other way,
    /// as by [`one_minus_sqrt`](Self::one_minus_sqrt). Because the middle
    /// does not depend on the end, a run can be continued from it.
    ///
    /// Source: Hu et al., "MiniCPM: unveiling the potential of small language models", 2024.
    ///
    /// ```
    /// use thalweg::Schedule;
    /// let schedule = Schedule::warmup_stable_decay(1.0, 100, 700, 200, 0.0);
    /// let values = [25, 100, 101, 800, 801, 901, 1001].map(|step| schedule.at(step));
    /// assert_eq!(values, [0.25, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0]);
    /// ```
    pub fn warmup_stable_decay(peak: f64, warm_up: u64, stable: u64, decay: u64, end: f64) -> Self {
        Self::constant(peak).then(stable, Self::linear(peak, end, decay)).warm_up(warm_up)
    }
}
