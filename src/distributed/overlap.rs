//! The exchange in a thread of its own, while gradients are still being computed.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use super::communicator::{Communicator, transport};
use super::plan::{Piece, Plan};
use super::rounds::{Buffers, Course, Node, Source, Target, rounds};
use crate::error::{Error, ErrorKind, Tree};
use crate::params::{Leaf, Snapshot};
use crate::scalar::Scalar;

/// What the thread works on and gives back.
#[derive(Debug)]
pub(super) struct Work<F: Scalar> {
    pub(super) plan: Plan,
    pub(super) course: Course,
    pub(super) nodes: Vec<Node<F>>,
    pub(super) buffers: Buffers<F>,
    pub(super) mean: Snapshot<F>,
    pub(super) target: Target,
}

/// The gradient of a leaf, in the order of the plan; empty where there is none.
type Arrival<F> = (usize, Vec<F>);

/// An exchange that runs.
#[derive(Debug)]
struct Running<F: Scalar> {
    plan: Plan,
    sender: Sender<Arrival<F>>,
    thread: JoinHandle<Result<Work<F>, Error>>,
    /// Whether the gradient of each leaf has come.
    arrived: Vec<bool>,
    trouble: Option<Error>,
}

/// A step whose gradients come leaf by leaf: [`DataParallel::begin`](super::DataParallel::begin) and
/// [`Sharded::begin`](super::Sharded::begin) make it.
///
/// All ranks must come to [`finish`](Self::finish), or end.
#[derive(Debug)]
#[must_use = "the other ranks wait for `finish`"]
pub struct ByLeaf<'o, F: Scalar, O> {
    pub(super) optimizer: &'o mut O,
    running: Running<F>,
}

/// The optimizer, what the exchange has brought, and whether all gradients were there.
type Ended<'o, F, O> = (&'o mut O, Work<F>, Result<(), Error>);

/// Leaves as they arrive, each waited for when its turn comes.
struct Arrivals<F> {
    receiver: Receiver<Arrival<F>>,
    leaves: Vec<Option<Vec<F>>>,
}

impl<F: Scalar> Source<F> for Arrivals<F> {
    fn wait(&mut self, awaited: usize) {
        while self.leaves[awaited].is_none() {
            match self.receiver.recv() {
                Ok((leaf, values)) => self.leaves[leaf] = Some(values),
                // Nobody will bring it; the others must not wait for this rank.
                Err(_) => self.leaves[awaited] = Some(Vec::new()),
            }
        }
    }

    fn slice(&self, _plan: &Plan, Piece { leaf, range }: &Piece) -> Option<&[F]> {
        self.leaves[*leaf].as_deref()?.get(range.clone())
    }

    fn read(&self, plan: &Plan, piece: &Piece, to: &mut [F]) {
        match self.slice(plan, piece) {
            Some(values) => to.copy_from_slice(values),
            None => to.fill(F::zero()),
        }
    }
}

impl<'o, F: Scalar, O> ByLeaf<'o, F, O> {
    /// Begins an exchange for an optimizer.
    pub(super) fn begin<C: Communicator + 'static>(
        optimizer: &'o mut O,
        ranks: C,
        mut work: Work<F>,
    ) -> Result<Self, Error> {
        let (sender, receiver) = mpsc::channel();
        let plan = work.plan.clone();
        let leaves = plan.places.len();
        let run = move || {
            let mut arrivals = Arrivals { receiver, leaves: vec![None; leaves] };
            let Work { plan, course, nodes, buffers, mean, target } = &mut work;
            let (exchanged, buffers) = ((&*plan, &*course), (buffers, *target));
            rounds(&ranks, exchanged, nodes, buffers, &mut arrivals, mean)?;
            Ok(work)
        };
        let thread = thread::Builder::new().name("thalweg exchange".to_owned()).spawn(run);
        let thread = thread.map_err(|error| transport(error.to_string()))?;
        let arrived = vec![false; leaves];
        let running = Running { plan, sender, thread, arrived, trouble: None };
        Ok(Self { optimizer, running })
    }

    /// Hands in the gradient of the leaf of that name, in any order; the last leaf's is sent first.
    ///
    /// # Errors
    /// For a leaf that is not there, has another shape, or was handed in before; it is then also that of
    /// `finish`, on all ranks.
    pub fn ready(&mut self, name: &str, gradient: &dyn Leaf<F>) -> Result<(), Error> {
        let handed = self.running.hand_in(name, gradient);
        handed.inspect_err(|error| self.refuse(error.clone()))
    }

    /// Says that there are no gradients, but an error: that of `finish`, on all ranks.
    pub fn refuse(&mut self, error: Error) {
        self.running.trouble.get_or_insert(error);
    }

    /// Waits for the exchange.
    pub(super) fn end(self) -> Result<Ended<'o, F, O>, Error> {
        let Running { plan, sender, thread, arrived, trouble } = self.running;
        drop(sender);
        let work = thread.join().map_err(|_| transport("its thread has panicked".to_owned()))??;
        let missing = plan.roster.entries().iter().zip(arrived).filter(|(_, arrived)| !arrived);
        let missing: Vec<String> = missing.map(|(entry, _)| entry.name.clone()).collect();
        let complete = match trouble {
            Some(error) => Err(error),
            None if missing.is_empty() => Ok(()),
            None => {
                let (tree, unexpected) = (Tree::Gradients, Vec::new());
                Err(ErrorKind::Leaves { tree, missing, unexpected }.into())
            }
        };
        Ok((self.optimizer, work, complete))
    }
}

impl<F: Scalar> Running<F> {
    fn hand_in(&mut self, name: &str, gradient: &dyn Leaf<F>) -> Result<(), Error> {
        let Some(index) = self.plan.roster.index_of(name) else {
            let known = self.plan.roster.entries().iter().map(|entry| entry.name.clone());
            return Err(
                ErrorKind::UnknownLeaf { leaf: name.to_owned(), known: known.collect() }.into()
            );
        };
        let (place, entry) = (&self.plan.places[index], &self.plan.roster.entries()[index]);
        if gradient.rows().is_some() {
            return Err(ErrorKind::WholeArrays { leaf: name.to_owned() }.into());
        }
        if let Some(problem) = gradient.contradiction().filter(|_| !gradient.is_sixteen()) {
            return Err(ErrorKind::ContradictoryLeaf { leaf: name.to_owned(), problem }.into());
        }
        if gradient.shape() != entry.shape {
            let (leaf, parameter) = (name.to_owned(), entry.shape.clone());
            let gradient = gradient.shape().to_vec();
            return Err(ErrorKind::GradientShape { leaf, parameter, gradient }.into());
        }
        if std::mem::replace(&mut self.arrived[index], true) {
            let (tree, leaf) = (Tree::Gradients, name.to_owned());
            return Err(ErrorKind::DuplicateLeaf { tree, leaf }.into());
        }
        let mut values = vec![F::zero(); place.len];
        place.read(gradient, 0..place.len, &mut values);
        // It may have ended where nothing is to be done for a leaf, or in an error, which `finish` returns.
        let _ = self.sender.send((index, values));
        Ok(())
    }
}
