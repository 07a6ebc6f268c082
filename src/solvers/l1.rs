//! L1 penalties: what makes parameters exactly zero.

use crate::error::Error;
use crate::params::{Flatten, Pattern};
use crate::rule::Interval;
use crate::scalar::Scalar;

/// The strengths cᵢ ≥ 0 of a penalty Σ cᵢ|wᵢ|, leaf by leaf.
///
/// ```
/// use thalweg::solvers::L1;
/// let l1 = L1::new(1e-3).leaf("*bias", 0.0);
/// ```
#[derive(Debug, Clone)]
pub struct L1 {
    strength: f64,
    leaves: Vec<(Pattern, f64)>,
}

impl L1 {
    /// One strength for all leaves; in [0, ∞).
    pub fn new(strength: f64) -> Self {
        Self { strength, leaves: Vec::new() }
    }

    /// Another strength for the leaves of a [`Pattern`], 0 for those that are exempt. Where two
    /// patterns are of one leaf, the later one holds.
    #[must_use]
    pub fn leaf(mut self, leaves: impl Into<Pattern>, strength: f64) -> Self {
        self.leaves.push((leaves.into(), strength));
        self
    }

    /// The strength of each element; empty where all are 0.
    pub(super) fn resolve<F: Scalar>(&self, flatten: &Flatten) -> Result<Vec<F>, Error> {
        let check = |strength| Interval::NON_NEGATIVE.check::<F>("L1", "strength", strength);
        check(self.strength)?;
        let mut strengths = vec![F::from_f64(self.strength); flatten.len()];
        for (pattern, strength) in &self.leaves {
            check(*strength)?;
            let mut met = false;
            for (name, shape, range) in flatten.leaves() {
                if pattern.matches(name, shape) {
                    met = true;
                    strengths[range].fill(F::from_f64(*strength));
                }
            }
            if !met {
                return Err(flatten.matches_nothing("L1 strengths", pattern));
            }
        }
        let none = strengths.iter().all(|&c| c == F::zero());
        Ok(if none { Vec::new() } else { strengths })
    }
}
