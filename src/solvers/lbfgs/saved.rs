//! Saving the state of a loop of one's own, and going on from it.

use super::Lbfgs;
use super::stepped::{Numbers, Stepped};
use crate::error::{Error, ErrorKind, Tree};
use crate::params::{Flatten, Snapshot};
use crate::scalar::Scalar;
use crate::solvers::line_search::LineSearch;
use crate::state::{Record, State};

const NAME: &str = "L-BFGS";

impl<F: Scalar, L: LineSearch> Lbfgs<F, L> {
    pub(super) fn save(&self) -> State {
        let mut record = Record::new::<F>(NAME);
        let Stepped { search, fixed_rate, flatten, pairs, numbers, .. } = &self.stepped;
        record.count("memory", self.memory as u64);
        record.number("fixed_rate", fixed_rate.unwrap_or(f64::NAN));
        search.save(&mut record);
        record.number("slope", numbers.slope);
        record.number("length", numbers.length);
        record.count("steps", numbers.steps);
        record.count("restarts", numbers.restarts);
        record.count("accepted", numbers.accepted.into());
        record.count("pairs", pairs.len() as u64);
        let Some(flatten) = flatten else { return record.into() };
        let mut put = |name: &str, vector: &[F]| {
            for (i, (leaf, ..)) in flatten.leaves().enumerate() {
                if let Some(part) = flatten.leaf(vector, i) {
                    record.array(leaf, name, part);
                }
            }
        };
        put("base", &self.stepped.base);
        put("base_gradient", &self.stepped.base_gradient);
        put("direction", &self.stepped.direction);
        put("point", &self.stepped.point);
        pairs.vectors().for_each(|(name, vector)| put(&name, vector));
        record.into()
    }

    /// Everything is read and checked before the first change.
    pub(super) fn load(&mut self, state: &State) -> Result<(), Error> {
        self.check()?;
        let record = state.record::<F>(NAME)?;
        state.assert_innermost()?;
        record.compare_count("memory", self.memory as u64)?;
        let fixed_rate = record.get_number("fixed_rate")?;
        let mut stepped = Stepped {
            search: self.stepped.search.load(record)?,
            fixed_rate: (!fixed_rate.is_nan()).then_some(fixed_rate),
            numbers: Numbers {
                slope: record.get_number("slope")?,
                length: record.get_number("length")?,
                steps: record.get_count("steps")?,
                restarts: record.get_count("restarts")?,
                accepted: record.get_count("accepted")? != 0,
            },
            ..Stepped::new()
        };
        if let Some(base) = record.get_snapshot::<F>("base", None)? {
            let flatten = match &self.stepped.flatten {
                Some(flatten) => flatten.clone(),
                None => Flatten::of(&base)?,
            };
            let get = |name: &str| -> Result<Vec<F>, Error> {
                let mut vector = vec![F::zero(); flatten.len()];
                let tree = Snapshot::from_leaves(record.get_tree(name)?)?;
                flatten.gather_as(&tree, Tree::State, &mut vector)?;
                Ok(vector)
            };
            stepped.base = get("base")?;
            stepped.base_gradient = get("base_gradient")?;
            stepped.direction = get("direction")?;
            stepped.point = get("point")?;
            stepped.pairs.begin(flatten.len(), self.memory);
            let pairs = record.get_count("pairs")?;
            for age in 0..pairs.min(self.memory as u64) {
                let (s, y) = (get(&format!("s{age}"))?, get(&format!("y{age}"))?);
                if !stepped.pairs.push_pair(&s, &y) {
                    let entry = format!("pair {age}");
                    let problem = "does not curve upward".to_owned();
                    return Err(ErrorKind::StateInvalid { entry, problem }.into());
                }
            }
            stepped.flatten = Some(flatten);
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
