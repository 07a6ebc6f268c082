//! What an engine does around the rule.

use crate::error::Error;
use crate::interval::Interval;
use crate::reduce::How;
use crate::regularize::Penalty;
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

/// What [`Elementwise`](crate::Elementwise) does around its rule; each field has a builder method
/// of the same name there.
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
    /// The largest ‖g‖₂ over all leaves; longer gradients are scaled to it. In (0, ∞).
    pub clip_norm: Option<f64>,
    /// Whether to compute ‖g‖₂ even where nothing is clipped by it.
    pub report_norm: bool,
    /// The penalty whose gradient is added to the data's, after clipping.
    pub penalty: Penalty,
    /// The instruction set of the sweep.
    pub simd: Simd,
    /// With the feature `rayon`: work on more elements than this is halved between threads, until
    /// a piece has no more. 2¹⁹ unless set: below it waking a thread costs more than it saves.
    /// Without the feature it does nothing.
    pub parallel_above: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            non_finite: NonFinite::default(),
            clip_norm: None,
            report_norm: false,
            penalty: Penalty::NONE,
            simd: Simd::default(),
            parallel_above: 1 << 19,
        }
    }
}

impl Settings {
    pub(crate) fn check<F: Scalar>(&self) -> Result<(), Error> {
        if let Some(limit) = self.clip_norm {
            Interval::POSITIVE.check::<f64>("clipping", "clip_norm", limit)?;
        }
        self.penalty.check::<F>()
    }

    /// How sweeps and reductions are carried out.
    pub(crate) fn how(&self) -> How {
        // Fewer elements than two vectors of the widest kind cannot be halved.
        How { simd: self.simd, parallel_above: self.parallel_above.max(64) }
    }

    pub(crate) fn wants_norm(&self) -> bool {
        self.report_norm || self.clip_norm.is_some()
    }
}
