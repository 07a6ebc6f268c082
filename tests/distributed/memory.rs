//! What a rank needs: 8 + 16/R bytes an element for Adam in `f32`, and a few buffers; and what it does not copy.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array1, Array2};
use thalweg::distributed::{Communicator, DataParallel, Sharded, Split, Threads};
use thalweg::{Adam, Error, Optimizer};

use super::support::on_ranks;

use crate::counting::peak_of;

/// A rank whose others say and send what it does itself.
#[derive(Debug)]
struct Mirror {
    rank: usize,
    size: usize,
}

impl Communicator for Mirror {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8], counts: &[usize]) -> Result<(), Error> {
        let mut rest = all;
        for &count in counts {
            let (part, after) = rest.split_at_mut(count);
            let n = count.min(own.len());
            part[..n].copy_from_slice(&own[..n]);
            rest = after;
        }
        Ok(())
    }

    fn all_to_all(
        &self,
        _sent: &[u8],
        _to: &[usize],
        received: &mut [u8],
        _from: &[usize],
    ) -> Result<(), Error> {
        received.fill(0);
        Ok(())
    }
}

#[test]
fn a_rank_holds_its_share() {
    for split in [Split::Elements, Split::Leaves] {
        for size in [1, 2, 4, 8] {
            let rank = size - 1;
            let elements = 16 * 64 * 1024 + 512;
            let peak = peak_of(|| {
                // Sixteen matrices and a bias.
                let mut w: Vec<Array2<f32>> = (0..16).map(|_| Array2::ones((64, 1024))).collect();
                let mut bias = Array1::<f32>::ones(512);
                let (g, of_bias) = (w.clone(), bias.clone());
                let mut optimizer =
                    Sharded::new(Adam::new(0.1), Mirror { rank, size }).split(split);
                for _ in 0..3 {
                    optimizer.step(&mut (&mut w, &mut bias), &(&g, &of_bias)).unwrap();
                }
            });
            let expected = elements as f64 * (8.0 + 16.0 / size as f64);
            assert!(
                peak as f64 <= 1.05 * expected && peak as f64 > 0.95 * expected,
                "{split:?} {size}: {peak} bytes and not {expected}"
            );
        }
    }
}

/// Counts the bytes that are sent from a range of memory.
#[derive(Debug, Clone)]
struct Watched {
    ranks: Threads,
    addresses: Range<usize>,
    sent: Arc<AtomicUsize>,
}

impl Communicator for Watched {
    fn rank(&self) -> usize {
        self.ranks.rank()
    }

    fn size(&self) -> usize {
        self.ranks.size()
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8], counts: &[usize]) -> Result<(), Error> {
        self.ranks.all_gather(own, all, counts)
    }

    fn all_to_all(
        &self,
        sent: &[u8],
        to: &[usize],
        received: &mut [u8],
        from: &[usize],
    ) -> Result<(), Error> {
        self.ranks.all_to_all(sent, to, received, from)
    }

    fn exchange(
        &self,
        sent: &[(usize, &[u8])],
        received: &mut [(usize, &mut [u8])],
    ) -> Result<(), Error> {
        let there = sent.iter().filter(|(_, sent)| self.addresses.contains(&sent.as_ptr().addr()));
        self.sent.fetch_add(there.map(|(_, sent)| sent.len()).sum(), Ordering::Relaxed);
        self.ranks.exchange(sent, received)
    }
}

#[test]
fn large_gradients_are_sent_from_where_they_lie() {
    for (size, sharded) in [(2, false), (3, false), (2, true), (3, true)] {
        let sent = on_ranks(size, move |ranks| {
            let elements = 100 * 1024 * size;
            let g = Array1::from_elem(elements, 0.5_f32);
            let start = g.as_ptr().addr();
            let ranks = Watched {
                ranks,
                addresses: start..start + size_of::<f32>() * elements,
                sent: Arc::default(),
            };
            let mut w = Array1::<f32>::ones(elements);
            match sharded {
                true => Sharded::new(Adam::new(0.1), ranks.clone()).step(&mut w, &g)?,
                false => DataParallel::new(Adam::new(0.1), ranks.clone()).step(&mut w, &g)?,
            };
            Ok(ranks.sent.load(Ordering::Relaxed))
        });
        // All but its own part, once.
        assert_eq!(sent.unwrap(), vec![(size - 1) * 100 * 1024 * size_of::<f32>(); size]);
    }
}
