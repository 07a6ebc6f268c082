//! Ranks that are threads of one process.

use std::any::Any;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::communicator::{Communicator, check, transport};
use crate::error::{Error, ErrorKind};

/// Ranks as threads of one process: for tests, for examples, and to see that a program is right before it
/// goes to a cluster.
///
/// A clone is the same rank.
#[derive(Clone)]
pub struct Threads {
    rank: usize,
    size: usize,
    board: Arc<Board>,
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads")
            .field("rank", &self.rank)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Where ranks put what they send, and find what was sent.
#[derive(Default)]
struct Board {
    round: Mutex<Round>,
    changed: Condvar,
}

#[derive(Default)]
struct Round {
    number: u64,
    posts: Vec<Option<Post>>,
    arrived: usize,
    /// Of the last round that was complete.
    complete: Arc<Vec<Post>>,
    /// A rank that has returned.
    ended: Option<usize>,
    /// Why no round will be complete any more.
    over: Option<Error>,
}

/// What a rank sends, and how many bytes of it to whom; empty where all of it goes to all.
#[derive(Default)]
struct Post {
    bytes: Vec<u8>,
    to: Vec<usize>,
}

impl Threads {
    /// Runs `work` on each of `size` ranks, at least 1, and returns what they returned.
    ///
    /// ```
    /// use thalweg::distributed::{Communicator, Threads, mean};
    /// let means = Threads::run(4, |ranks| mean(&ranks, 4, &[(ranks.rank() as f64, 1.0)]))?;
    /// assert_eq!(means, [1.5; 4]);
    ///
    /// let error = Threads::run(2, |ranks| {
    ///     assert_eq!(ranks.rank(), 0, "lost");
    ///     mean(&ranks, 2, &[(1.0, 1.0)]) // does not wait for rank 1 for good
    /// });
    /// assert!(error.unwrap_err().to_string().contains("lost"));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first error, by time, of a rank, with which all end; [`ErrorKind::Rank`] for one that
    /// panicked.
    pub fn run<T: Send>(
        size: usize,
        work: impl Fn(Threads) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let size = size.max(1);
        let board = Arc::new(Board::default());
        board.lock().posts.resize_with(size, || None);
        let rank = |rank: usize| {
            let threads = Threads { rank, size, board: board.clone() };
            let result = panic::catch_unwind(AssertUnwindSafe(|| work(threads)));
            let result = result.unwrap_or_else(|payload| {
                let problem = format!("panicked: {}", text_of(&*payload));
                Err(ErrorKind::Rank { rank, problem }.into())
            });
            board.leave(rank, result.as_ref().err());
            result.ok()
        };
        let results: Vec<Option<T>> = thread::scope(|scope| {
            let rank = &rank;
            let handles: Vec<_> = (0..size).map(|i| scope.spawn(move || rank(i))).collect();
            handles.into_iter().map(|handle| handle.join().ok().flatten()).collect()
        });
        let results: Option<Vec<T>> = results.into_iter().collect();
        results.ok_or_else(|| {
            let over = board.lock().over.take();
            over.unwrap_or_else(|| transport("a rank has ended without a result".to_owned()))
        })
    }

    /// What each rank sends in this round.
    fn exchange(&self, post: Post) -> Result<Arc<Vec<Post>>, Error> {
        let mut round = self.board.lock();
        if let Some(rank) = round.ended {
            round.over.get_or_insert_with(|| left(rank));
        }
        if let Some(error) = &round.over {
            return Err(error.clone());
        }
        round.posts[self.rank] = Some(post);
        round.arrived += 1;
        if round.arrived == self.size {
            let posts = round.posts.iter_mut().map(|post| post.take().unwrap_or_default());
            let posts = posts.collect();
            round.complete = Arc::new(posts);
            round.arrived = 0;
            round.number += 1;
            self.board.changed.notify_all();
            return Ok(round.complete.clone());
        }
        let number = round.number;
        loop {
            round = self.board.changed.wait(round).unwrap_or_else(PoisonError::into_inner);
            if round.number != number {
                return Ok(round.complete.clone());
            }
            if let Some(error) = &round.over {
                return Err(error.clone());
            }
        }
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A rank has ended: no round will be complete any more.
    fn leave(&self, rank: usize, error: Option<&Error>) {
        let mut round = self.lock();
        let waited = round.arrived > 0;
        match error {
            Some(error) => _ = round.over.get_or_insert_with(|| error.clone()),
            None if waited => _ = round.over.get_or_insert_with(|| left(rank)),
            None => _ = round.ended.get_or_insert(rank),
        }
        self.changed.notify_all();
    }
}

impl Communicator for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8], counts: &[usize]) -> Result<(), Error> {
        check(self.size, all, counts, "counts")?;
        check(1, own, &counts[self.rank..=self.rank], "counts")?;
        let posts = self.exchange(Post { bytes: own.to_vec(), to: Vec::new() })?;
        let mut rest = all;
        for (rank, (post, &count)) in posts.iter().zip(counts).enumerate() {
            if post.bytes.len() != count || !post.to.is_empty() {
                return Err(mismatch(rank));
            }
            let (part, after) = rest.split_at_mut(count);
            part.copy_from_slice(&post.bytes);
            rest = after;
        }
        Ok(())
    }

    fn all_to_all(
        &self,
        sent: &[u8],
        to: &[usize],
        received: &mut [u8],
        from: &[usize],
    ) -> Result<(), Error> {
        check(self.size, sent, to, "to")?;
        check(self.size, received, from, "from")?;
        let posts = self.exchange(Post { bytes: sent.to_vec(), to: to.to_vec() })?;
        let mut rest = received;
        for (rank, (post, &count)) in posts.iter().zip(from).enumerate() {
            if post.to.get(self.rank) != Some(&count) {
                return Err(mismatch(rank));
            }
            let start: usize = post.to[..self.rank].iter().sum();
            let (part, after) = rest.split_at_mut(count);
            part.copy_from_slice(&post.bytes[start..start + count]);
            rest = after;
        }
        Ok(())
    }
}

fn left(rank: usize) -> Error {
    transport(format!("rank {rank} has ended while others wait for it"))
}

fn mismatch(rank: usize) -> Error {
    transport(format!("rank {rank} has called for another exchange, or one of other counts"))
}

/// What a panic says.
fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}
