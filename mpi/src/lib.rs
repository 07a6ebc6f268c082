//! Ranks of MPI for [`thalweg`]: the same training on many processes, on one machine or on a cluster.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use thalweg::distributed::{Communicator, Sharded};
//! use thalweg::{Adam, Optimizer};
//!
//! fn main() -> ExitCode {
//!     // An error or a panic of one rank ends all of them.
//!     thalweg_mpi::run(|mpi| {
//!         let rank = mpi.rank();
//!         let mut optimizer = Sharded::new(Adam::new(1e-2), mpi).shards(64);
//!         let mut w = ndarray::Array1::<f32>::ones(1000);
//!         for _ in 0..100 {
//!             for shard in optimizer.own() {
//!                 let gradient = &w * shard as f32; // of this shard's rows
//!                 optimizer.step(&mut w, &gradient)?;
//!             }
//!         }
//!         if rank == 0 {
//!             println!("{w}");
//!         }
//!         Ok(())
//!     })
//! }
//! ```
//!
//! Launched by `mpirun -n 4 target/release/program`, or whatever starts MPI programs where you are. What to
//! install, and how to launch on several machines, is in the README.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![warn(unreachable_pub)]

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use mpi::datatype::{Partition, PartitionMut};
use mpi::request::{self, Request};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{
    Communicator as _, CommunicatorCollectives as _, Destination, Equivalence, Source,
};
use mpi::{Count, Rank, Tag, Threading};
use thalweg::distributed::Communicator;
use thalweg::{Error, ErrorKind};

/// What tells these messages from others of the program.
const TAG: Tag = 29_281;

/// All processes that MPI has started, as ranks.
///
/// [`run`] makes it; its methods are for what runs inside. It holds no handle of MPI's, and a copy is the
/// same rank. Its methods may be called from any thread, by one at a time. Messages of your own between them
/// must not take just any tag: 29281 is taken.
#[derive(Debug, Clone, Copy)]
pub struct Mpi {
    rank: usize,
    size: usize,
}

/// Runs `work` as one rank of those that MPI has started, and ends all of them where one ends in an error
/// or a panic.
///
/// Without it, MPI lets the others wait for good for one that returns early. The message of the error, with its rank, goes
/// to the standard error stream. The exit code is 0, 1 after an error, 101 after a panic, and 2 where there is no
/// group of ranks to run in.
///
/// A program that was built for one MPI and is started by the launcher of another is a number of groups of
/// one; where the launcher says that it has started more, this is refused.
#[must_use = "the exit code is what `main` returns"]
pub fn run(work: impl FnOnce(Mpi) -> Result<(), Error>) -> ExitCode {
    let Some((universe, _)) = mpi::initialize_with_threading(Threading::Serialized) else {
        eprintln!("thalweg-mpi: MPI was initialized before `run`, which does it itself");
        return ExitCode::from(2);
    };
    let world = universe.world();
    let (rank, size) = (index(world.rank()), index(world.size()));
    if let Some((variable, started)) = launched().filter(|_| size == 1) {
        eprintln!(
            "thalweg-mpi: this process is alone, and its launcher has started {started} ({variable}); was \
             the program built for another MPI than the one that launches it?"
        );
        return ExitCode::from(2);
    }
    match panic::catch_unwind(AssertUnwindSafe(|| work(Mpi { rank, size }))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("rank {rank} of {size}: {error}");
            end(&world, size, 1)
        }
        Err(payload) => {
            eprintln!("rank {rank} of {size}: panicked: {}", text_of(&*payload));
            end(&world, size, 101)
        }
    }
}

/// Ends all ranks.
fn end(world: &SimpleCommunicator, size: usize, code: u8) -> ExitCode {
    if size == 1 {
        // Nobody waits: what is to be dropped is dropped.
        return ExitCode::from(code);
    }
    world.abort(code.into())
}

/// What a launcher says of the number of processes, if that is more than one, and the variable that says it.
fn launched() -> Option<(&'static str, usize)> {
    let variables = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"];
    let mut said = variables.into_iter().filter_map(|variable| {
        let size = std::env::var(variable).ok()?.parse().ok()?;
        Some((variable, size))
    });
    said.find(|&(_, size)| size > 1)
}

/// What a panic says.
fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

fn index(n: i32) -> usize {
    usize::try_from(n).unwrap_or(0)
}

fn transport(problem: String) -> Error {
    ErrorKind::Transport { problem }.into()
}

/// Counts and places of each rank's bytes, as MPI has them.
fn places(size: usize, counts: &[usize], bytes: usize) -> Result<[Vec<Count>; 2], Error> {
    let sum = counts.iter().try_fold(0_usize, |sum, &count| sum.checked_add(count));
    if counts.len() != size || sum != Some(bytes) {
        let (n, sum) = (counts.len(), sum.unwrap_or(usize::MAX));
        let problem =
            format!("{n} counts of {sum} bytes in all for {size} ranks and {bytes} bytes");
        return Err(transport(problem));
    }
    count(bytes)?;
    let mut at = 0;
    let place = |&count: &usize| {
        let place = at;
        at += count as Count;
        place
    };
    Ok([counts.iter().map(|&count| count as Count).collect(), counts.iter().map(place).collect()])
}

/// A number of bytes, as MPI has it.
fn count(bytes: usize) -> Result<Count, Error> {
    let count = Count::try_from(bytes);
    count.map_err(|_| transport(format!("{bytes} bytes are more than MPI takes at once")))
}

/// Bytes that lie somewhere: no bytes may lie at address 1, which Open MPI takes for `MPI_IN_PLACE`.
fn somewhere<'a>(bytes: &'a [u8], place: &'a [u8; 1]) -> &'a [u8] {
    if bytes.is_empty() { &place[..0] } else { bytes }
}

/// As [`somewhere`], to write.
fn somewhere_mut<'a>(bytes: &'a mut [u8], place: &'a mut [u8; 1]) -> &'a mut [u8] {
    if bytes.is_empty() { &mut place[..0] } else { bytes }
}

impl Communicator for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8], counts: &[usize]) -> Result<(), Error> {
        let [lens, starts] = places(self.size, counts, all.len())?;
        if own.len() != counts[self.rank] {
            let (found, expected) = (own.len(), counts[self.rank]);
            return Err(transport(format!("{found} bytes are sent instead of {expected}")));
        }
        let (place, mut place_mut) = ([0; 1], [0; 1]);
        let mut all = PartitionMut::new(somewhere_mut(all, &mut place_mut), lens, starts);
        let own = somewhere(own, &place);
        SimpleCommunicator::world().all_gather_varcount_into(own, &mut all);
        Ok(())
    }

    fn all_to_all(
        &self,
        sent: &[u8],
        to: &[usize],
        received: &mut [u8],
        from: &[usize],
    ) -> Result<(), Error> {
        let [sent_lens, sent_starts] = places(self.size, to, sent.len())?;
        let [lens, starts] = places(self.size, from, received.len())?;
        let (place, mut place_mut) = ([0; 1], [0; 1]);
        let sent = Partition::new(somewhere(sent, &place), sent_lens, sent_starts);
        let received = somewhere_mut(received, &mut place_mut);
        let mut received = PartitionMut::new(received, lens, starts);
        SimpleCommunicator::world().all_to_all_varcount_into(&sent, &mut received);
        Ok(())
    }

    fn exchange(
        &self,
        sent: &[(usize, &[u8])],
        received: &mut [(usize, &mut [u8])],
    ) -> Result<(), Error> {
        let world = SimpleCommunicator::world();
        let lens = sent.iter().map(|(rank, bytes)| (*rank, bytes.len()));
        for (rank, len) in lens.chain(received.iter().map(|(rank, bytes)| (*rank, bytes.len()))) {
            if rank >= self.size {
                let problem = format!("there is a message of rank {rank}, and {} ranks", self.size);
                return Err(transport(problem));
            }
            count(len)?;
        }
        request::scope(|scope| {
            let received = received.iter_mut().map(|(rank, bytes)| {
                let from = world.process_at_rank(*rank as Rank);
                (bytes.len(), from.immediate_receive_into_with_tag(scope, &mut **bytes, TAG))
            });
            // All are begun before one is waited for.
            let received: Vec<_> = received.collect();
            let sent = sent.iter().map(|(rank, bytes)| {
                world.process_at_rank(*rank as Rank).immediate_send_with_tag(scope, *bytes, TAG)
            });
            let sent: Vec<_> = sent.collect();
            let mut short = None;
            for (len, request) in received {
                let found = index(request.wait().count(u8::equivalent_datatype()));
                short = short.or((found != len).then_some((found, len)));
            }
            sent.into_iter().for_each(Request::wait_without_status);
            match short {
                None => Ok(()),
                Some((found, len)) => {
                    Err(transport(format!("{found} bytes were received instead of {len}")))
                }
            }
        })
    }
}
