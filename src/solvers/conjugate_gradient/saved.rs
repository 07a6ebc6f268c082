//! Saving the state of a loop of one's own, and going on from it.

use super::ConjugateGradient;
use super::stepped::Stepped;
use crate::error::Error;
use crate::scalar::Scalar;
use crate::solvers::line_search::LineSearch;
use crate::state::{Record, State, compare, invalid};

const NAME: &str = "ConjugateGradient";

impl<F: Scalar, L: LineSearch> ConjugateGradient<F, L> {
    pub(super) fn save(&self) -> State {
        let mut record = Record::new::<F>(NAME);
        record.text("beta", format!("{:?}", self.beta));
        record.number("restart_after", self.restart_after);
        record.number("square", self.stepped.square);
        record.count("since", self.stepped.since);
        self.stepped.trail.save(&mut record);
        record.into()
    }

    /// Everything is read and checked before the first change.
    pub(super) fn load(&mut self, state: &State) -> Result<(), Error> {
        self.check()?;
        let record = state.record::<F>(NAME)?;
        state.assert_innermost()?;
        compare("beta", record.get_text("beta")?, &format!("{:?}", self.beta))?;
        record.compare_number("restart_after", self.restart_after)?;
        let stepped = Stepped {
            square: record.get_number("square")?,
            since: record.get_counter("since")?,
            tells: self.stepped.tells,
            trail: self.stepped.trail.load(record)?,
        };
        if stepped.square.is_nan() || stepped.square < 0.0 {
            return Err(invalid("`square`".to_owned(), format!("is {}", stepped.square)));
        }
        let before = std::mem::replace(&mut self.stepped, stepped);
        // What it would not save again is not this optimizer's.
        let loaded = self.save();
        let outcome = loaded.record::<F>(NAME).and_then(|own| record.assert_like(own));
        let outcome = outcome.and_then(|()| self.check());
        if outcome.is_err() {
            self.stepped = before;
        }
        outcome
    }
}
