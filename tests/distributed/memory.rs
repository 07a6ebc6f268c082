//! What a rank needs: 8 + 16/R bytes an element for Adam in `f32`, and a few buffers.

use ndarray::{Array1, Array2};
use thalweg::distributed::{Communicator, Sharded, Split};
use thalweg::{Adam, Error, Optimizer};

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
