//! Stopping when the validation metric no longer improves.

use std::fmt;

use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::params::{Params, ParamsMut, Snapshot};
use crate::scalar::Scalar;

/// Whether a metric is better small, like a loss, or large, like an accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Goal {
    /// Small is good.
    Minimize,
    /// Large is good.
    Maximize,
}

impl Goal {
    /// Whether `metric` is better than `best`, by more than the larger of `least` and a part of the
    /// best's size. One that is NaN or infinite never is; any other is better than none.
    pub(super) fn is_better(self, metric: f64, best: Option<f64>, least: f64, part: f64) -> bool {
        let Some(best) = best else { return metric.is_finite() };
        let margin = least.max(part * best.abs());
        metric.is_finite()
            && match self {
                Goal::Minimize => metric < best - margin,
                Goal::Maximize => metric > best + margin,
            }
    }
}

/// What an epoch's metric means for the training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Verdict {
    /// The best so far; its parameters are kept.
    Improved,
    /// No improvement yet.
    Waiting {
        /// Epochs in a row without one.
        waited: u64,
        /// How many more there may be.
        left: u64,
    },
    /// Patience is used up.
    Stop {
        /// The best epoch, counted from 1; 0 if there was none.
        best_epoch: u64,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Improved => f.write_str("improved"),
            Self::Waiting { waited, left } => write!(f, "no better for {waited}, {left} left"),
            Self::Stop { best_epoch: 0 } => f.write_str("stop, no epoch had a finite metric"),
            Self::Stop { best_epoch } => write!(f, "stop, epoch {best_epoch} was the best"),
        }
    }
}

/// **Early stopping**: ends a training once its validation metric has not improved for a number of
/// epochs, and gives back the parameters of the best.
///
/// A metric improves on the best so far, m*, if it is better by more than
/// max(`min_improvement`, `min_relative_improvement`·|m*|); both are 0 unless set. One that is NaN or
/// infinite is no improvement, even the first; [`Plateau`](super::Plateau) sees it so too.
///
/// Source: Prechelt, "Early stopping, but when?", 1998.
///
/// ```
/// use ndarray::array;
/// use thalweg::train::{EarlyStopping, Verdict};
///
/// let mut model = array![0.0];
/// let mut early_stopping = EarlyStopping::minimize(2);
/// for (epoch, loss) in [3.0, 1.0, 2.0, f64::NAN, 0.5].into_iter().enumerate() {
///     model[0] = epoch as f64;
///     match early_stopping.observe(loss, &model)? {
///         Verdict::Improved => println!("epoch {epoch} is the best so far"),
///         Verdict::Waiting { left, .. } => println!("{left} more without improvement"),
///         Verdict::Stop { .. } => break,
///     }
/// }
/// assert_eq!(early_stopping.best_metric(), Some(1.0));
/// early_stopping.restore(&mut model)?;
/// assert_eq!(model[0], 1.0);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(bound = ""))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct EarlyStopping<F: Scalar> {
    goal: Goal,
    patience: u64,
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::lossless"))]
    min_improvement: f64,
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::lossless"))]
    min_relative_improvement: f64,
    epochs: u64,
    best: Option<Best<F>>,
}

#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(bound = ""))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
struct Best<F: Scalar> {
    epoch: u64,
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::lossless"))]
    metric: f64,
    params: Snapshot<F>,
}

/// That a best metric, which a saved value may have from another hand, is a number.
pub(super) fn check_best(owner: &'static str, best: f64) -> Result<(), Error> {
    const FINITE: Interval = Interval::closed(f64::MIN, f64::MAX, "a finite number");
    FINITE.check::<f64>(owner, "best", best)
}

impl<F: Scalar> EarlyStopping<F> {
    const NAME: &'static str = "EarlyStopping";

    /// Stops after `patience` epochs in a row, at least 1, whose metric does not improve towards the
    /// goal.
    pub fn new(goal: Goal, patience: u64) -> Self {
        Self {
            goal,
            patience,
            min_improvement: 0.0,
            min_relative_improvement: 0.0,
            epochs: 0,
            best: None,
        }
    }

    /// For a metric that is good when small, such as a loss.
    pub fn minimize(patience: u64) -> Self {
        Self::new(Goal::Minimize, patience)
    }

    /// For a metric that is good when large, such as an accuracy.
    pub fn maximize(patience: u64) -> Self {
        Self::new(Goal::Maximize, patience)
    }

    /// Sets by how much a metric must be better than the best to count, in its own units; in [0, ∞).
    #[must_use]
    pub fn min_improvement(self, min_improvement: f64) -> Self {
        Self { min_improvement, ..self }
    }

    /// Sets by what fraction of the best a metric must be better to count; in [0, ∞).
    #[must_use]
    pub fn min_relative_improvement(self, min_relative_improvement: f64) -> Self {
        Self { min_relative_improvement, ..self }
    }

    /// Takes the metric of an epoch, and copies the parameters if it is the best so far.
    ///
    /// After [`Verdict::Stop`] the training may go on all the same: a later best is still kept. Only
    /// the first copy allocates.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`], and what
    /// [`Snapshot`] says of parameters whose names or shapes have changed; the epoch then does not
    /// count.
    pub fn observe(&mut self, metric: f64, params: &dyn Params<F>) -> Result<Verdict, Error> {
        if self.patience == 0 {
            return Err(Error::hyperparameter(Self::NAME, "patience", 0.0, "at least 1 epoch"));
        }
        let range = Interval::NON_NEGATIVE;
        range.check::<f64>(Self::NAME, "min_improvement", self.min_improvement)?;
        let relative = self.min_relative_improvement;
        range.check::<f64>(Self::NAME, "min_relative_improvement", relative)?;

        if let Some(best) = self.best_metric() {
            check_best(Self::NAME, best)?;
        }
        if self.goal.is_better(metric, self.best_metric(), self.min_improvement, relative) {
            let epoch = self.epochs.saturating_add(1);
            match &mut self.best {
                Some(best) => {
                    best.params.take(params)?;
                    (best.epoch, best.metric) = (epoch, metric);
                }
                None => self.best = Some(Best { epoch, metric, params: Snapshot::of(params)? }),
            }
            self.epochs = epoch;
            return Ok(Verdict::Improved);
        }
        if let Some(best) = &self.best {
            best.params.check(params)?;
        }
        // A saved one may have been changed by another hand.
        self.epochs = self.epochs.saturating_add(1);
        let best_epoch = self.best_epoch().unwrap_or(0);
        let waited = self.epochs.saturating_sub(best_epoch);
        Ok(if waited < self.patience {
            Verdict::Waiting { waited, left: self.patience - waited }
        } else {
            Verdict::Stop { best_epoch }
        })
    }

    /// Writes the parameters of the best epoch into the model.
    ///
    /// # Errors
    /// [`ErrorKind::NothingBest`] if no epoch has improved yet, and what
    /// [`Snapshot::restore`] says of other parameters; the model is then as it was.
    pub fn restore(&self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        match &self.best {
            Some(best) => best.params.restore(params),
            None => Err(ErrorKind::NothingBest.into()),
        }
    }

    /// The parameters of the best epoch.
    pub fn best(&self) -> Option<&Snapshot<F>> {
        self.best.as_ref().map(|best| &best.params)
    }

    /// The metric of the best epoch.
    pub fn best_metric(&self) -> Option<f64> {
        self.best.as_ref().map(|best| best.metric)
    }

    /// The best epoch, counted from 1.
    pub fn best_epoch(&self) -> Option<u64> {
        self.best.as_ref().map(|best| best.epoch)
    }

    /// How many epochs it has observed.
    pub fn epochs(&self) -> u64 {
        self.epochs
    }

    /// Forgets all epochs and the best parameters, as if nothing had been observed.
    pub fn reset(&mut self) {
        let (absolute, relative) = (self.min_improvement, self.min_relative_improvement);
        *self = Self::new(self.goal, self.patience)
            .min_improvement(absolute)
            .min_relative_improvement(relative);
    }
}
