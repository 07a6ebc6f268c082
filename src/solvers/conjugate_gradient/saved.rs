//! Saving the state of a loop of one's own, and going on from it.

use ndarray::ArrayViewD;

use super::ConjugateGradient;
use super::stepped::{Numbers, Stepped};
use crate::error::{Error, Tree};
use crate::params::{Flatten, Snapshot};
use crate::scalar::Scalar;
use crate::solvers::line_search::LineSearch;
use crate::state::{Record, State, compare};

const NAME: &str = "ConjugateGradient";

impl<F: Scalar, L: LineSearch> ConjugateGradient<F, L> {
    pub(super) fn save(&self) -> State {
        let mut record = Record::new::<F>(NAME);
        let Stepped { search, fixed_rate, flatten, numbers, .. } = &self.stepped;
        record.text("beta", format!("{:?}", self.beta));
        record.number("restart_after", self.restart_after);
        record.number("fixed_rate", fixed_rate.unwrap_or(f64::NAN));
        search.save(&mut record);
        record.number("square", numbers.square);
        record.number("slope", numbers.slope);
        record.number("length", numbers.length);
        record.count("since", numbers.since);
        record.count("steps", numbers.steps);
        record.count("restarts", numbers.restarts);
        record.count("accepted", numbers.accepted.into());
        if let Some(flatten) = flatten {
            for (i, (leaf, shape, _)) in flatten.leaves().enumerate() {
                record.leaf(leaf, shape);
                for (name, vector) in self.stepped.vectors() {
                    let part: Option<ArrayViewD<'_, F>> = flatten.leaf(vector, i);
                    if let Some(part) = part {
                        record.array(leaf, name, part);
                    }
                }
            }
        }
        record.into()
    }

    /// Everything is read and checked before the first change.
    pub(super) fn load(&mut self, state: &State) -> Result<(), Error> {
        self.check()?;
        let record = state.record::<F>(NAME)?;
        state.assert_innermost()?;
        compare("beta", record.get_text("beta")?, &format!("{:?}", self.beta))?;
        record.compare_number("restart_after", self.restart_after)?;
        let fixed_rate = record.get_number("fixed_rate")?;
        let mut stepped = Stepped {
            search: self.stepped.search.load(record)?,
            fixed_rate: (!fixed_rate.is_nan()).then_some(fixed_rate),
            flatten: self.stepped.flatten.clone(),
            numbers: Numbers {
                square: record.get_number("square")?,
                slope: record.get_number("slope")?,
                length: record.get_number("length")?,
                since: record.get_count("since")?,
                steps: record.get_count("steps")?,
                restarts: record.get_count("restarts")?,
                accepted: record.get_count("accepted")? != 0,
            },
            ..Stepped::new()
        };
        match record.get_snapshot::<F>("base", None)? {
            None => stepped.flatten = None,
            Some(base) => {
                let flatten = match stepped.flatten.take() {
                    Some(flatten) => flatten,
                    None => Flatten::of(&base)?,
                };
                for (name, vector) in stepped.vectors_mut() {
                    let tree = Snapshot::from_leaves(record.get_tree(name)?)?;
                    vector.resize(flatten.len(), F::zero());
                    flatten.gather_as(&tree, Tree::State, vector)?;
                }
                stepped.flatten = Some(flatten);
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

impl<F: Scalar> Stepped<F> {
    /// The vectors that the steps to come depend on.
    fn vectors(&self) -> [(&'static str, &Vec<F>); 4] {
        [
            ("base", &self.base),
            ("base_gradient", &self.base_gradient),
            ("direction", &self.direction),
            ("point", &self.point),
        ]
    }

    fn vectors_mut(&mut self) -> [(&'static str, &mut Vec<F>); 4] {
        [
            ("base", &mut self.base),
            ("base_gradient", &mut self.base_gradient),
            ("direction", &mut self.direction),
            ("point", &mut self.point),
        ]
    }
}
