//! What ranks tell each other before they change anything: whether all is well, and whether they agree.

use super::communicator::{Communicator, transport};
use crate::error::{Error, ErrorKind};

/// What must be the same on all ranks, as numbers that tell it from anything else.
pub(super) type Mark = (&'static str, u64);

/// The numbers that each rank hands in; `counts` of them, the same on all ranks.
///
/// # Errors
/// Where a rank has an error, that error on all of them; where a mark differs,
/// [`ErrorKind::RanksDiffer`] on all of them.
pub(super) fn agree<const N: usize>(
    ranks: &dyn Communicator,
    own: Result<[Mark; N], Error>,
    numbers: &[f64],
    counts: &[usize],
) -> Result<Vec<f64>, Error> {
    let (marks, error) = match own {
        Ok(marks) => (marks, None),
        // The exchange itself is broken, and this rank alone may know.
        Err(error) if matches!(error.kind(), ErrorKind::Transport { .. }) => return Err(error),
        Err(error) if ranks.size() == 1 => return Err(error),
        Err(error) => ([("", 0); N], Some(error)),
    };
    let mut message = vec![u64::from(error.is_some())];
    message.extend(marks.map(|(_, mark)| mark));
    let head = message.len();
    message.extend(numbers.iter().map(|x| x.to_bits()));
    // Where something is wrong, there may be any number of them.
    message.resize(head + counts[ranks.rank()], f64::NAN.to_bits());
    let lengths: Vec<usize> = counts.iter().map(|count| head + count).collect();
    let all = gather(ranks, &message, &lengths)?;
    let mut parts = Vec::with_capacity(lengths.len());
    let mut rest = &all[..];
    for &length in &lengths {
        let (part, after) = rest.split_at(length);
        parts.push(part);
        rest = after;
    }
    if parts.iter().any(|part| part[0] != 0) {
        return Err(first_error(ranks, error)?);
    }
    for (i, &(what, _)) in marks.iter().enumerate() {
        if let Some(rank) = parts.iter().position(|part| part[1 + i] != parts[0][1 + i]) {
            return Err(ErrorKind::RanksDiffer { what: what.to_owned(), rank }.into());
        }
    }
    Ok(parts.iter().flat_map(|part| &part[head..]).map(|&bits| f64::from_bits(bits)).collect())
}

/// Whole numbers of all ranks, so many of each.
pub(super) fn gather(
    ranks: &dyn Communicator,
    own: &[u64],
    counts: &[usize],
) -> Result<Vec<u64>, Error> {
    let mut all = vec![0; counts.iter().sum()];
    let counts: Vec<usize> = counts.iter().map(|count| count * size_of::<u64>()).collect();
    let bytes = pulp::bytemuck::cast_slice_mut(&mut all);
    ranks.all_gather(pulp::bytemuck::cast_slice(own), bytes, &counts)?;
    Ok(all)
}

/// The error of the first rank that has one: the same on all ranks. One must have one.
pub(super) fn first_error(ranks: &dyn Communicator, own: Option<Error>) -> Result<Error, Error> {
    if ranks.size() == 1 {
        return Ok(own.unwrap_or_else(|| ErrorKind::NoLeaves.into()));
    }
    let own = own.and_then(|error| {
        let (rank, problem) = (ranks.rank(), error.to_string());
        error.to_bytes().or_else(|| Error::from(ErrorKind::Rank { rank, problem }).to_bytes())
    });
    let own = own.unwrap_or_default();
    let one = vec![1; ranks.size()];
    let lengths = gather(ranks, &[own.len() as u64], &one)?;
    let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
    let mut all = vec![0; lengths.iter().sum()];
    ranks.all_gather(&own, &mut all, &lengths)?;
    let first = lengths.into_iter().find(|&length| length > 0).unwrap_or(0);
    Error::from_bytes(&all[..first])
        .ok_or_else(|| transport("a rank has sent an error that cannot be read".to_owned()))
}

/// A number that tells bytes from others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hash(u64);

impl Hash {
    pub(super) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    pub(super) fn number(self, x: u64) -> Self {
        Self((self.0 ^ x).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29))
    }

    pub(super) fn numbers(self, xs: impl IntoIterator<Item = u64>) -> Self {
        xs.into_iter().fold(self, Self::number)
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks();
        let hash = self.number(bytes.len() as u64);
        let hash = hash.numbers(words.iter().map(|word| u64::from_le_bytes(*word)));
        hash.numbers(rest.iter().map(|&byte| u64::from(byte)))
    }

    pub(super) fn value(self) -> u64 {
        self.0
    }
}
