//! Messages between ranks, from and to where the numbers lie.

use super::communicator::Communicator;
use super::plan::{Piece, by_message, len_of};
use super::writing::{Writing, take};
use crate::error::Error;
use crate::scalar::Scalar;

/// Messages that are to be exchanged at once.
#[derive(Default)]
pub(super) struct Messages<'m> {
    sent: Vec<(usize, &'m [u8])>,
    received: Vec<(usize, &'m mut [u8])>,
}

impl<'m> Messages<'m> {
    /// Nothing is sent of what has no elements.
    pub(super) fn send<F: Scalar>(&mut self, to: usize, numbers: &'m [F]) {
        self.sent.extend((!numbers.is_empty()).then(|| (to, F::bytes(numbers))));
    }

    pub(super) fn receive<F: Scalar>(&mut self, from: usize, numbers: &'m mut [F]) {
        if !numbers.is_empty() {
            self.received.push((from, F::bytes_mut(numbers)));
        }
    }

    /// Sends all what this rank has of a round, message by message, and receives theirs: where it is to be,
    /// or in `apart` where that is no one place.
    pub(super) fn spread<'a: 'm, F: Scalar>(
        &mut self,
        pieces: &[Vec<Piece>],
        (rank, own): (usize, &[&'m [F]]),
        (to, apart): (&mut Writing<'a, F>, &'m mut Vec<F>),
    ) {
        let others = || pieces.iter().enumerate().filter(|(other, _)| *other != rank);
        let copied = others().flat_map(|(_, pieces)| by_message(pieces));
        let copied = copied.filter(|pieces| !to.is_one(pieces));
        apart.resize(copied.map(len_of).sum(), F::zero());
        let mut rest = &mut apart[..];
        for (other, pieces) in others() {
            for pieces in by_message(pieces) {
                let place = to.next(other, pieces);
                self.receive(other, place.unwrap_or_else(|| take(&mut rest, len_of(pieces))));
            }
            own.iter().for_each(|own| self.send(other, own));
        }
    }

    /// Exchanges them.
    pub(super) fn pass(mut self, ranks: &dyn Communicator) -> Result<(), Error> {
        if self.sent.is_empty() && self.received.is_empty() && ranks.size() == 1 {
            return Ok(());
        }
        ranks.exchange(&self.sent, &mut self.received)
    }
}
