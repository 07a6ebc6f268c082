//! What a rule knows of all leaves together.

use super::Clock;

/// The most sums over the tree that a rule may want.
pub(crate) const SUMS: usize = 4;

/// What is true of all leaves together in a step, and what is carried of it from one step to the next.
///
/// It belongs to the optimizer: leaves that come late, are frozen or change their group find it as it
/// is, and leave it so. It is part of the state.
///
/// ```
/// use thalweg::rule::Totals;
/// let mut totals = Totals::default();
/// assert_eq!((totals.step(), totals.carried()), (0, &mut [0.0; 4]));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    clock: Clock,
    carried: [f64; SUMS],
    sums: [f64; SUMS],
    loss: Option<f64>,
    learning_rate: f64,
}

impl Totals {
    /// The sums over all elements of all leaves that this step updates, in the order of
    /// [`Rule::sums`](crate::Rule::sums).
    pub fn sums(&self) -> [f64; SUMS] {
        self.sums
    }

    /// The loss of the step; NaN where none was handed in, which a rule that wants it never sees.
    ///
    /// Of an optimizer that maximizes, it is -loss.
    pub fn loss(&self) -> f64 {
        self.loss.unwrap_or(f64::NAN)
    }

    /// The learning rate of leaves that are of no group.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// The step that is about to be taken, counted from 1 at the first that knew these sums.
    pub fn step(&self) -> u64 {
        self.clock.step()
    }

    /// As [`Clock::correction`], over the steps of the tree.
    pub fn correction(&mut self, place: usize, beta: f64) -> f64 {
        self.clock.correction(place, beta)
    }

    /// What [`correction`](Self::correction) has said of that place in this step.
    pub fn corrected(&self, place: usize) -> f64 {
        self.clock.corrected(place)
    }

    /// Four numbers that the rule may keep from step to step, 0 before the first.
    pub fn carried(&mut self) -> &mut [f64; SUMS] {
        &mut self.carried
    }

    /// What [`carried`](Self::carried) holds, to read.
    pub fn kept(&self) -> [f64; SUMS] {
        self.carried
    }

    /// Begins the step of the optimizer with what was measured.
    pub(crate) fn begin(
        &mut self,
        optimizer_step: u64,
        sums: [f64; SUMS],
        loss: Option<f64>,
        learning_rate: f64,
    ) {
        self.clock.advance(optimizer_step);
        (self.sums, self.loss, self.learning_rate) = (sums, loss, learning_rate);
    }

    /// The clock, to save and to load.
    pub(crate) fn clock(&mut self) -> &mut Clock {
        &mut self.clock
    }

    /// Whether what was loaded can be.
    pub(crate) fn is_possible(&self) -> bool {
        self.clock.is_possible() && self.carried.iter().all(|number| !number.is_nan())
    }
}
