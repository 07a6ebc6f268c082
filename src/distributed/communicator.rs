//! What moves bytes between ranks.

use std::fmt::Debug;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// A group of ranks that run the same program, each in a process (or a thread) of its own, and exchange
/// bytes.
///
/// It moves bytes and computes nothing, so that no result can depend on it. All ranks call the same
/// methods in the same order; each call waits for the other ranks' call of it.
///
/// [`Solo`] is one rank alone, [`Threads`](super::Threads) has ranks that are threads of one process, and
/// the crate `thalweg-mpi` has ranks of MPI.
///
/// ```
/// use thalweg::distributed::{Communicator, Threads};
/// let greetings = Threads::run(3, |ranks| {
///     let (own, mut all) = ([ranks.rank() as u8; 2], [0; 6]);
///     ranks.all_gather(&own, &mut all, &[2, 2, 2])?;
///     Ok(all)
/// })?;
/// assert_eq!(greetings, [[0, 0, 1, 1, 2, 2]; 3]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub trait Communicator: Debug + Send + Sync {
    /// The number of this rank, counted from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn size(&self) -> usize;

    /// Gives every rank the bytes of all: `all` becomes `counts[0]` bytes of rank 0, and so on.
    ///
    /// `counts` is the same on all ranks; `own` has `counts[rank]` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Transport`], after which the run cannot go on.
    fn all_gather(&self, own: &[u8], all: &mut [u8], counts: &[usize]) -> Result<(), Error>;

    /// Gives every rank bytes of its own from each: the first `to[0]` bytes of `sent` go to rank 0, and
    /// so on; `received` becomes `from[0]` bytes of rank 0, and so on.
    ///
    /// # Errors
    /// [`ErrorKind::Transport`], after which the run cannot go on.
    fn all_to_all(
        &self,
        sent: &[u8],
        to: &[usize],
        received: &mut [u8],
        from: &[usize],
    ) -> Result<(), Error>;

    /// Sends messages to ranks, and receives theirs: each is the number of the other rank, and bytes
    /// wherever they lie.
    ///
    /// What a rank sends to another is what that one receives from it, message by message, in order. As a
    /// method of its own it saves copies; where it is not given, [`all_to_all`](Self::all_to_all) of copies
    /// does it.
    ///
    /// ```
    /// use thalweg::distributed::{Communicator, Threads};
    /// let heard = Threads::run(3, |ranks| {
    ///     let (own, after, before) = (ranks.rank(), (ranks.rank() + 1) % 3, (ranks.rank() + 2) % 3);
    ///     let mut heard = [0];
    ///     ranks.exchange(&[(after, &[own as u8])], &mut [(before, &mut heard)])?;
    ///     Ok(heard)
    /// })?;
    /// assert_eq!(heard, [[2], [0], [1]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Transport`], after which the run cannot go on.
    fn exchange(
        &self,
        sent: &[(usize, &[u8])],
        received: &mut [(usize, &mut [u8])],
    ) -> Result<(), Error> {
        let to = lens(self.size(), sent.iter().map(|(rank, bytes)| (*rank, bytes.len())))?;
        let from = lens(self.size(), received.iter().map(|(rank, bytes)| (*rank, bytes.len())))?;
        let mut bytes = Vec::with_capacity(to.iter().sum());
        for own in 0..to.len() {
            let messages = sent.iter().filter(|(rank, _)| *rank == own);
            messages.for_each(|(_, message)| bytes.extend_from_slice(message));
        }
        let mut all = vec![0; from.iter().sum()];
        self.all_to_all(&bytes, &to, &mut all, &from)?;
        let mut rest = &all[..];
        for own in 0..from.len() {
            for (_, message) in received.iter_mut().filter(|(rank, _)| *rank == own) {
                let (first, after) = rest.split_at(message.len());
                message.copy_from_slice(first);
                rest = after;
            }
        }
        Ok(())
    }
}

/// How many bytes the messages of each rank have.
fn lens(size: usize, messages: impl Iterator<Item = (usize, usize)>) -> Result<Vec<usize>, Error> {
    let mut lens = vec![0; size];
    for (rank, len) in messages {
        let Some(all) = lens.get_mut(rank) else {
            return Err(transport(format!("there is a message of rank {rank}, and {size} ranks")));
        };
        *all += len;
    }
    Ok(lens)
}

macro_rules! forwarded {
    ($($pointer:ty),+) => {$(
        impl<C: Communicator + ?Sized> Communicator for $pointer {
            fn rank(&self) -> usize {
                (**self).rank()
            }

            fn size(&self) -> usize {
                (**self).size()
            }

            fn all_gather(&self, own: &[u8], all: &mut [u8], counts: &[usize]) -> Result<(), Error> {
                (**self).all_gather(own, all, counts)
            }

            fn all_to_all(
                &self,
                sent: &[u8],
                to: &[usize],
                received: &mut [u8],
                from: &[usize],
            ) -> Result<(), Error> {
                (**self).all_to_all(sent, to, received, from)
            }

            fn exchange(
                &self,
                sent: &[(usize, &[u8])],
                received: &mut [(usize, &mut [u8])],
            ) -> Result<(), Error> {
                (**self).exchange(sent, received)
            }
        }
    )+};
}

forwarded!(&C, Box<C>, Arc<C>);

/// One rank alone: the same program without others.
///
/// ```
/// use ndarray::array;
/// use thalweg::distributed::{DataParallel, Solo};
/// use thalweg::{Adam, Optimizer};
/// let mut optimizer = DataParallel::new(Adam::new(0.1), Solo);
/// let mut w = array![1.0];
/// optimizer.step(&mut w, &array![1.0])?;
/// assert!((w[0] - 0.9_f64).abs() < 1e-9);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Solo;

impl Communicator for Solo {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8], counts: &[usize]) -> Result<(), Error> {
        check(1, own, counts, "counts")?;
        check(1, all, counts, "counts")?;
        all.copy_from_slice(own);
        Ok(())
    }

    fn all_to_all(
        &self,
        sent: &[u8],
        to: &[usize],
        received: &mut [u8],
        from: &[usize],
    ) -> Result<(), Error> {
        check(1, sent, to, "to")?;
        check(1, received, from, "from")?;
        if to != from {
            return Err(transport(format!("rank 0 expects {from:?} bytes and is sent {to:?}")));
        }
        received.copy_from_slice(sent);
        Ok(())
    }
}

/// Whether a buffer has the bytes of so many ranks.
pub(super) fn check(size: usize, bytes: &[u8], counts: &[usize], what: &str) -> Result<(), Error> {
    if counts.len() != size {
        let problem = format!("`{what}` has {} counts for {size} ranks", counts.len());
        return Err(transport(problem));
    }
    let sum: usize = counts.iter().sum();
    if sum != bytes.len() {
        return Err(transport(format!("`{what}` counts {sum} bytes of {}", bytes.len())));
    }
    Ok(())
}

pub(super) fn transport(problem: String) -> Error {
    ErrorKind::Transport { problem }.into()
}
