//! A learning rate that waits for a metric.

use super::early_stopping::{Goal, check_best};
use crate::error::Error;
use crate::interval::Interval;

/// **Reduce on plateau**: multiplies the learning rate by a factor when a metric has stopped getting
/// better.
///
/// Give [`observe`](Self::observe) the metric once an epoch, or however often it is measured. One
/// that is better than the best so far by more than the threshold starts the count anew; after more
/// than `patience` others in a row the rate becomes max(factor·rate, minimum). Then `cooldown`
/// observations are not counted. A change of at most `epsilon` is not made.
///
/// | | default | range |
/// |---|---|---|
/// | better is | lower ([`maximize`](Self::maximize): higher) | |
/// | `factor` | 0.1 | [0, 1) |
/// | `patience` | 10 | |
/// | threshold | [`relative`](Self::relative) 1e-4 | [0, ∞) |
/// | `cooldown` | 0 | |
/// | `minimum` | 0 | [0, ∞) |
/// | `epsilon` | 1e-8 | [0, ∞) |
///
/// A metric that is NaN or infinite is no improvement; [`EarlyStopping`](super::EarlyStopping) sees it
/// so too. These are the rules and the defaults of PyTorch's `ReduceLROnPlateau`, but that a relative
/// threshold t is t·|best|: PyTorch's best·(1 ± t) takes a negative metric that gets worse for a better
/// one.
///
/// [`observe`](Self::observe) gives the rate for [`set_learning_rate`](crate::Optimizer::set_learning_rate),
/// which replaces a schedule. Where the optimizer has schedules (a warm-up, groups with rates of their
/// own), [`reduction`](Self::reduction) gives what to multiply all of them by. It is a value: a clone, or a saved one (feature `serde`), goes on
/// from where it was.
///
/// ```
/// use thalweg::{Optimizer, Sgd, train::Plateau};
///
/// let mut plateau = Plateau::new(0.1).factor(0.5).patience(2);
/// let mut sgd = Sgd::<f64>::new(plateau.learning_rate());
/// for loss in [1.0, 0.8, 0.8, f64::NAN, 0.81] {
///     sgd.set_learning_rate(plateau.observe(loss)?)?;
/// }
/// assert_eq!(sgd.learning_rate(), 0.05);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Plateau {
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::lossless"))]
    learning_rate: f64,
    maximize: bool,
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::lossless"))]
    factor: f64,
    patience: u64,
    threshold: Threshold,
    cooldown: u64,
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::lossless"))]
    minimum: f64,
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::lossless"))]
    epsilon: f64,
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::lossless_option"))]
    best: Option<f64>,
    /// Observations in a row that were not better.
    waited: u64,
    /// Observations that are still not counted.
    cooling: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Threshold {
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::lossless"))]
    Relative(f64),
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::lossless"))]
    Absolute(f64),
}

impl Plateau {
    /// Starts from that learning rate; a lower metric is better.
    pub fn new(learning_rate: f64) -> Self {
        Self {
            learning_rate,
            maximize: false,
            factor: 0.1,
            patience: 10,
            threshold: Threshold::Relative(1e-4),
            cooldown: 0,
            minimum: 0.0,
            epsilon: 1e-8,
            best: None,
            waited: 0,
            cooling: 0,
        }
    }

    /// Takes a higher metric for a better one, as with an accuracy.
    #[must_use]
    pub fn maximize(self) -> Self {
        Self { maximize: true, ..self }
    }

    /// Sets what the learning rate is multiplied by; in [0, 1).
    #[must_use]
    pub fn factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// Sets how many observations in a row may be no better without a consequence.
    #[must_use]
    pub fn patience(self, patience: u64) -> Self {
        Self { patience, ..self }
    }

    /// Counts as better what is below best - threshold·|best|, or above best + threshold·|best| where a
    /// higher metric is better.
    #[must_use]
    pub fn relative(self, threshold: f64) -> Self {
        Self { threshold: Threshold::Relative(threshold), ..self }
    }

    /// Counts as better what is below best - threshold, or above best + threshold where a higher
    /// metric is better.
    #[must_use]
    pub fn absolute(self, threshold: f64) -> Self {
        Self { threshold: Threshold::Absolute(threshold), ..self }
    }

    /// Sets how many observations after a reduction are not counted.
    #[must_use]
    pub fn cooldown(self, cooldown: u64) -> Self {
        Self { cooldown, ..self }
    }

    /// Sets the lowest learning rate; in [0, ∞).
    #[must_use]
    pub fn minimum(self, minimum: f64) -> Self {
        Self { minimum, ..self }
    }

    /// Sets the smallest reduction that is still made; in [0, ∞).
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Takes note of a metric; the learning rate to go on with.
    ///
    /// ```
    /// use thalweg::train::Plateau;
    /// let mut plateau = Plateau::new(1.0).maximize().patience(0);
    /// let rates: Result<Vec<f64>, _> =
    ///     [0.5, 0.7, 0.6].into_iter().map(|accuracy| plateau.observe(accuracy)).collect();
    /// assert_eq!(rates?, [1.0, 1.0, 0.1]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`validate`](Self::validate); the metric then does not count.
    pub fn observe(&mut self, metric: f64) -> Result<f64, Error> {
        self.validate()?;
        if self.is_better(metric) {
            self.best = Some(metric);
            self.waited = 0;
        } else {
            self.waited = self.waited.saturating_add(1);
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.waited = 0;
        }
        if self.waited > self.patience {
            let reduced = (self.learning_rate * self.factor).max(self.minimum);
            if self.learning_rate - reduced > self.epsilon {
                self.learning_rate = reduced;
            }
            self.cooling = self.cooldown;
            self.waited = 0;
        }
        Ok(self.learning_rate)
    }

    /// As [`observe`](Self::observe), but what to multiply all learning rates by: the rate to go on
    /// with over the one before, which is 1 where there is no reduction.
    ///
    /// For [`scale_rate`](crate::Optimizer::scale_rate): a warm-up goes on, and groups with a schedule
    /// of their own are reduced with the others, as PyTorch does. Minimum and ε are of the rate that
    /// the plateau was made with.
    ///
    /// ```
    /// use thalweg::{Optimizer, Schedule, Sgd, train::Plateau};
    /// let mut sgd = Sgd::<f64>::new(Schedule::from(0.1).warm_up(10));
    /// let mut plateau = Plateau::new(0.1).factor(0.5).patience(0);
    /// for loss in [1.0, 2.0] {
    ///     sgd.scale_rate(plateau.reduction(loss)?)?;
    /// }
    /// assert!((sgd.learning_rate() - 0.1 / 10.0 * 0.5).abs() < 1e-15);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`observe`](Self::observe).
    pub fn reduction(&mut self, metric: f64) -> Result<f64, Error> {
        let before = self.learning_rate;
        let now = self.observe(metric)?;
        Ok(if now == before { 1.0 } else { now / before })
    }

    fn is_better(&self, metric: f64) -> bool {
        let goal = if self.maximize { Goal::Maximize } else { Goal::Minimize };
        match self.threshold {
            Threshold::Relative(part) => goal.is_better(metric, self.best, 0.0, part),
            Threshold::Absolute(least) => goal.is_better(metric, self.best, least, 0.0),
        }
    }

    /// The learning rate of now.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// The best metric so far.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// Whether its parameters make sense.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`](crate::ErrorKind::Hyperparameter) naming the parameter, its
    /// value and the range.
    ///
    /// ```
    /// use thalweg::train::Plateau;
    /// let error = Plateau::new(0.1).factor(1.0).validate().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "Plateau: factor = 1 is not allowed; it takes a number in [0, 1)"
    /// );
    /// ```
    pub fn validate(&self) -> Result<(), Error> {
        let (Threshold::Relative(threshold) | Threshold::Absolute(threshold)) = self.threshold;
        Interval::FRACTION.check::<f64>("Plateau", "factor", self.factor)?;
        for (name, value) in [
            ("learning_rate", self.learning_rate),
            ("threshold", threshold),
            ("minimum", self.minimum),
            ("epsilon", self.epsilon),
        ] {
            Interval::NON_NEGATIVE.check::<f64>("Plateau", name, value)?;
        }
        self.best.map_or(Ok(()), |best| check_best("Plateau", best))
    }
}
