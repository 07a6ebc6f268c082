//! Saving the state of a loop of one's own, and going on from it.

use super::Lbfgs;
use super::diagonal::Diagonal;
use super::stepped::Stepped;
use crate::error::{Error, ErrorKind};
use crate::scalar::Scalar;
use crate::solvers::line_search::LineSearch;
use crate::state::{Record, State};

const NAME: &str = "L-BFGS";

impl<F: Scalar, L: LineSearch> Lbfgs<F, L> {
    pub(super) fn save(&self) -> State {
        let mut record = Record::new::<F>(NAME);
        let Stepped { trail, pairs } = &self.stepped;
        record.count("memory", self.memory as u64);
        record.count("pairs", pairs.len() as u64);
        trail.save(&mut record);
        pairs.vectors().for_each(|(name, vector)| trail.put(&mut record, &name, vector));
        if !pairs.is_empty() {
            record.count("diagonal", pairs.diagonal.is_better.into());
            trail.put(&mut record, "d", &pairs.diagonal.values);
        }
        record.into()
    }

    /// Everything is read and checked before the first change.
    pub(super) fn load(&mut self, state: &State) -> Result<(), Error> {
        self.check()?;
        let record = state.record::<F>(NAME)?;
        state.assert_innermost()?;
        record.compare_count("memory", self.memory as u64)?;
        let trail = self.stepped.trail.load(record)?;
        let mut stepped = Stepped { trail, ..Stepped::new() };
        if stepped.trail.flatten.is_some() {
            stepped.pairs.begin(stepped.trail.base.len(), self.memory);
            let pairs = record.get_count("pairs")?;
            if pairs > self.memory as u64 {
                let problem = format!("is {pairs} where {} are kept", self.memory);
                return Err(ErrorKind::StateInvalid { entry: "`pairs`".to_owned(), problem }.into());
            }
            for age in 0..pairs {
                let s = stepped.trail.get(record, &format!("s{age}"))?;
                let y = stepped.trail.get(record, &format!("y{age}"))?;
                if !stepped.pairs.push_pair(&s, &y) {
                    let entry = format!("pair {age}");
                    let problem = "does not curve upward".to_owned();
                    return Err(ErrorKind::StateInvalid { entry, problem }.into());
                }
            }
            if pairs > 0 {
                let values = stepped.trail.get(record, "d")?;
                if !values.iter().all(|d| d.is_normal() && *d > F::zero()) {
                    let problem = "has an element that is no positive number".to_owned();
                    return Err(ErrorKind::StateInvalid { entry: "`d`".to_owned(), problem }.into());
                }
                let is_better = match record.get_count("diagonal")? {
                    0 => false,
                    1 => true,
                    other => {
                        let problem = format!("is {other} where 0 or 1 says whether it is used");
                        let entry = "`diagonal`".to_owned();
                        return Err(ErrorKind::StateInvalid { entry, problem }.into());
                    }
                };
                stepped.pairs.diagonal = Diagonal { values, is_better };
            }
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
