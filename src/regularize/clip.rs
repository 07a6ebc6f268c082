//! Clipping relative to the parameters.

use crate::error::Error;
use crate::interval::Interval;

/// Adaptive gradient clipping: a unit's gradient is scaled so that ‖g‖₂ ≤ λ·max(‖w‖₂, ε).
///
/// A unit is what feeds one output: all elements of a leaf that share an index of one axis. A leaf of
/// rank 0 or 1 is one unit. A zero gradient is left alone.
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `ratio` λ | | (0, ∞) |
/// | `epsilon` ε | 1e-3 | (0, ∞) |
/// | [`Units`] | the last axis, where x·W has them | |
///
/// Source: Brock, De, Smith & Simonyan, "High-performance large-scale image recognition without
/// normalization", 2021.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Optimizer, Sgd, regularize::AdaptiveClip};
/// let mut w = array![[3.0, 1.0], [4.0, 0.0]]; // two units, of norms 5 and 1
/// let mut sgd = Sgd::new(1.0).clip_adaptive(AdaptiveClip::new(0.1));
/// sgd.step(&mut w, &array![[0.0, 8.0], [0.4, 6.0]])?;
/// assert!((w - array![[3.0, 0.92], [3.6, -0.06]]).iter().all(|d: &f64| d.abs() < 1e-15));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveClip {
    pub(crate) ratio: f64,
    pub(crate) epsilon: f64,
    pub(crate) units: Units,
}

/// Which axis of a leaf tells its units apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Units {
    /// The last one: weights are inputs × outputs, as in x·W.
    #[default]
    LastAxis,
    /// The first one: weights are outputs × inputs, as in W·x.
    FirstAxis,
    /// None: a leaf is one unit.
    Leaf,
}

impl Units {
    /// The axis of a leaf of that rank; `None` where it is one unit.
    pub(crate) fn axis(self, rank: usize) -> Option<usize> {
        match self {
            _ if rank < 2 => None,
            Units::LastAxis => Some(rank - 1),
            Units::FirstAxis => Some(0),
            Units::Leaf => None,
        }
    }
}

impl AdaptiveClip {
    /// Clipping at that ratio λ > 0, with ε = 1e-3.
    pub const fn new(ratio: f64) -> Self {
        Self { ratio, epsilon: 1e-3, units: Units::LastAxis }
    }

    /// Sets ε, which stands for a smaller ‖w‖₂.
    #[must_use]
    pub const fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Sets the axis that tells units apart.
    #[must_use]
    pub const fn units(mut self, units: Units) -> Self {
        self.units = units;
        self
    }

    /// The largest norm of a gradient at parameters of norm `w`.
    pub(crate) fn limit(self, w: f64) -> f64 {
        self.ratio * w.max(self.epsilon)
    }

    pub(crate) fn check(self) -> Result<(), Error> {
        Interval::POSITIVE.check::<f64>("adaptive clipping", "ratio", self.ratio)?;
        Interval::POSITIVE.check::<f64>("adaptive clipping", "epsilon", self.epsilon)
    }
}
