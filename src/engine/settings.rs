//! What an engine does around the rule.

use super::average::Average;
use super::compact::Precision;
use super::sixteen::Rounding;
use super::untouched::Untouched;
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::reduce::How;
use crate::regularize::{AdaptiveClip, Decay, GradientNoise, MaxNorm, Penalty, Units};
use crate::scalar::Scalar;
use crate::simd::Simd;

/// What to do about a gradient that is NaN or infinite.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Adam, NonFinite, Optimizer};
///
/// let (mut w, bad) = (array![1.0, 2.0], array![0.1, f64::NAN]);
/// assert!(Adam::new(1e-3).step(&mut w, &bad).is_err());
///
/// let mut skipping = Adam::new(1e-3).non_finite(NonFinite::Skip);
/// assert!(skipping.step(&mut w, &bad)?.skipped);
/// assert_eq!((skipping.skipped(), skipping.steps()), (1, 0));
/// assert_eq!(w, array![1.0, 2.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NonFinite {
    /// Refuse the step with an error that names the leaf and the index. Costs one read of the
    /// gradients.
    #[default]
    Reject,
    /// Leave everything as it is and report the step as skipped; it does not count as a step.
    Skip,
    /// Do not look: the update makes of them what arithmetic makes of them. With clipping, a norm
    /// that is not finite does not scale.
    Propagate,
}

/// Whose values go on where a saved run was built with others.
///
/// See [`Elementwise::precedence`](crate::Elementwise::precedence).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Precedence {
    /// The state is refused, by an error that names both values.
    #[default]
    Refuse,
    /// Those of the saved run. Numbers and schedules can be taken over; a setting that is none is refused
    /// all the same.
    Saved,
    /// Those that the optimizer is built with.
    Built,
}

/// What [`Elementwise`](crate::Elementwise) does around its rule; each field has a builder method
/// of the same name there.
///
/// The first seven concern a step as a whole. The others concern each leaf, and a
/// [`group`](crate::Elementwise::group) may change them.
///
/// ```
/// use thalweg::{Adam, Settings};
/// let mut settings = Settings::default();
/// settings.clip_norm = Some(1.0);
/// let adam = Adam::<f32>::new(1e-3).with_settings(settings);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// What to do about a gradient that is NaN or infinite.
    pub non_finite: NonFinite,
    /// The largest ‖g‖₂ over all leaves that are not frozen; longer gradients are scaled to it. In
    /// (0, ∞).
    pub clip_norm: Option<f64>,
    /// Whether to compute ‖g‖₂ even where nothing is clipped by it.
    pub report_norm: bool,
    /// The average of the parameters that is kept.
    pub average: Option<Average>,
    /// The instruction set of the sweep.
    pub simd: Simd,
    /// With the feature `rayon`: work on more elements than this is halved between threads, until
    /// a piece has no more. 2¹⁹ unless set: below it waking a thread costs more than it saves.
    /// Without the feature it does nothing.
    pub parallel_above: usize,

    /// Whether the leaves are left as they are, their state too.
    pub frozen: bool,
    /// In how many bits the state is kept.
    pub state_precision: Precision,
    /// How parameters of 16 bits take the result of a step.
    pub parameter_rounding: Rounding,
    /// What becomes of rows that a gradient of [`Rows`](crate::params::Rows) does not touch.
    pub untouched: Untouched,
    /// Whether gradients may leave the leaves out.
    pub sparse: bool,
    /// What the learning rate is multiplied by; in [0, ∞).
    pub rate_factor: f64,
    /// Whether to climb: the gradient's sign is turned.
    pub maximize: bool,
    /// Which units of a leaf's gradient lose their mean.
    pub centralized: Option<Units>,
    /// What is added to each element of the gradient.
    pub gradient_noise: Option<GradientNoise>,
    /// The largest ‖g‖₂ of one leaf; in (0, ∞).
    pub clip_leaf_norm: Option<f64>,
    /// The largest ‖g‖₂ of each unit relative to its ‖w‖₂.
    pub clip_adaptive: Option<AdaptiveClip>,
    /// The largest |g| of an element; in (0, ∞).
    pub clip_value: Option<f64>,
    /// The penalty whose gradient is added to the data's, after clipping.
    pub penalty: Penalty,
    /// Weight decay beside the update, of any rule.
    pub decoupled_decay: Option<Decay>,
    /// Whether an element moves only where the update agrees with the gradient.
    pub cautious: bool,
    /// ε of w ← ε·w after each update; in (0, 1], and 1 is none.
    pub shrink: f64,
    /// λ of the soft threshold αλ that follows each update; in [0, ∞), and 0 is none.
    pub proximal_l1: f64,
    /// The largest ‖w‖₂ of each unit after an update.
    pub max_norm: Option<MaxNorm>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            non_finite: NonFinite::default(),
            clip_norm: None,
            report_norm: false,
            average: None,
            simd: Simd::default(),
            parallel_above: 1 << 19,
            frozen: false,
            state_precision: Precision::Full,
            parameter_rounding: Rounding::Stochastic,
            untouched: Untouched::Lazy,
            sparse: false,
            rate_factor: 1.0,
            maximize: false,
            centralized: None,
            gradient_noise: None,
            clip_leaf_norm: None,
            clip_adaptive: None,
            clip_value: None,
            penalty: Penalty::NONE,
            decoupled_decay: None,
            cautious: false,
            shrink: 1.0,
            proximal_l1: 0.0,
            max_norm: None,
        }
    }
}

/// (0, 1]
const SHARE: Interval = Interval::above_zero_to_one("a number in (0, 1]");

impl Settings {
    pub(crate) fn check<F: Scalar>(&self) -> Result<(), Error> {
        for (name, limit) in [
            ("clip_norm", self.clip_norm),
            ("clip_leaf_norm", self.clip_leaf_norm),
            ("clip_value", self.clip_value),
        ] {
            if let Some(limit) = limit {
                Interval::POSITIVE.check::<f64>("clipping", name, limit)?;
            }
        }
        if let Some(clip) = self.clip_adaptive {
            clip.check()?;
        }
        if let Some(average) = self.average {
            average.check()?;
        }
        if let Some(noise) = self.gradient_noise {
            noise.check::<F>()?;
            self.check_sampling(noise)?;
        }
        Interval::NON_NEGATIVE.check::<F>("settings", "rate_factor", self.rate_factor)?;
        if let Some(decay) = self.decoupled_decay {
            decay.check::<F>("decoupled_decay")?;
        }
        SHARE.check::<F>("weight decay", "shrink", self.shrink)?;
        Interval::NON_NEGATIVE.check::<F>("proximal step", "proximal_l1", self.proximal_l1)?;
        if let Some(bound) = self.max_norm {
            bound.check::<F>()?;
        }
        self.penalty.check::<F>()
    }

    /// Why rows without a gradient can't be as if theirs were 0, if they are to be and can't.
    pub(super) fn not_exact(&self, rests: bool, is_scheduled: bool) -> Option<&'static str> {
        let penalized = self.penalty != Penalty::NONE || is_scheduled;
        let problems = [
            (!rests, "it moves an element, or its state, also where the gradient is 0"),
            (
                penalized,
                "a penalty is part of every row's gradient (decay by `decoupled_decay` is not)",
            ),
            (self.average.is_some(), "the average of every row moves at every step"),
            (self.cautious, "a cautious step counts the elements of all rows"),
            (self.clip_adaptive.is_some(), "adaptive clipping goes by the norm of all rows"),
        ];
        let problem = problems.into_iter().find_map(|(is, problem)| is.then_some(problem));
        problem.filter(|_| self.untouched == Untouched::Exact)
    }

    /// That nothing cuts the gradients of what samples a density.
    fn check_sampling(&self, noise: GradientNoise) -> Result<(), Error> {
        let clips = [
            ("clip_norm", self.clip_norm.is_some()),
            ("clip_leaf_norm", self.clip_leaf_norm.is_some()),
            ("clip_adaptive", self.clip_adaptive.is_some()),
            ("clip_value", self.clip_value.is_some()),
            ("cautious", self.cautious),
        ];
        match clips.into_iter().find(|(_, clips)| noise.samples() && *clips) {
            Some((second, _)) => Err(ErrorKind::Conflict {
                first: "langevin",
                second,
                reason: "the steps would sample another density",
            }
            .into()),
            None => Ok(()),
        }
    }

    /// Whether gradients are changed before anything looks at them.
    pub(super) fn alters(&self) -> bool {
        !self.frozen && (self.centralized.is_some() || self.gradient_noise.is_some())
    }

    /// How sweeps and reductions are carried out.
    pub(crate) fn how(&self) -> How {
        // Fewer elements than two vectors of the widest kind cannot be halved.
        How { simd: self.simd, parallel_above: self.parallel_above.max(64) }
    }

    pub(crate) fn wants_norm(&self) -> bool {
        self.report_norm || self.clip_norm.is_some()
    }

    /// Whether anything but the rule happens to an element, beside a global clip and an average.
    pub(super) fn is_plain(&self) -> bool {
        !self.maximize
            && self.clip_value.is_none()
            && self.penalty == Penalty::NONE
            && self.decoupled_decay.is_none()
            && self.shrink == 1.0
            && self.proximal_l1 == 0.0
    }

    /// Whether a norm or a count couples the elements of a leaf.
    pub(super) fn couples(&self) -> bool {
        self.clip_leaf_norm.is_some() || self.clip_adaptive.is_some() || self.cautious
    }

    /// The first setting of a step as a whole that differs from another's.
    pub(super) fn differs_as_a_whole(&self, other: &Self) -> Option<&'static str> {
        [
            ("non_finite", self.non_finite != other.non_finite),
            ("clip_norm", self.clip_norm != other.clip_norm),
            ("report_norm", self.report_norm != other.report_norm),
            ("average", self.average != other.average),
            ("simd", self.simd.name() != other.simd.name()),
            ("parallel_above", self.parallel_above != other.parallel_above),
        ]
        .into_iter()
        .find_map(|(name, differs)| differs.then_some(name))
    }
}
