//! States cut into parts and put together.

use super::{LeafRecord, State, missing};
use crate::error::Error;

impl State {
    /// The same with other leaves, which have the same names.
    pub(crate) fn map_leaves(
        &self,
        each: &mut dyn FnMut(&LeafRecord) -> Result<LeafRecord, Error>,
    ) -> Result<Self, Error> {
        let mut mapped = self.clone_without_leaves();
        for (to, from) in mapped.records.iter_mut().zip(&self.records) {
            to.leaves = from.leaves.iter().map(&mut *each).collect::<Result<_, _>>()?;
        }
        Ok(mapped)
    }

    /// The number of records.
    pub(crate) fn len(&self) -> u64 {
        self.records.len() as u64
    }

    /// The state of two optimizers side by side.
    pub(crate) fn followed_by(mut self, other: Self) -> Self {
        self.records.extend(other.records);
        self.version = self.version.max(other.version);
        self
    }

    /// The first so many records, and the others; both must be some.
    pub(crate) fn split(mut self, at: u64) -> Result<(Self, Self), Error> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if at == 0 || at >= self.records.len() {
            return Err(missing("optimizer inside"));
        }
        let records = self.records.split_off(at);
        let version = self.version;
        Ok((self, Self { version, records }))
    }

    fn clone_without_leaves(&self) -> Self {
        let records = self.records.iter();
        let records = records.map(|record| record.filtered(&|_| true).without_leaves()).collect();
        Self { version: self.version, records }
    }
}
