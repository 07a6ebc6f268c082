//! Generators of random numbers that are not of rand's present version.

use std::convert::Infallible;
use std::fmt;

use rand::TryRng;

/// A generator of random numbers from a function that gives 64 random bits: for those that are not of
/// [`rand`] 0.10.
///
/// What draws random numbers takes any generator of `rand` 0.10, or `rand_core` 0.10. One of `rand` 0.9 or 0.8, of `fastrand`
/// or of your own comes in by a closure:
///
/// ```
/// use ndarray::array;
/// use thalweg::{RandomBits, regularize::Dropout};
///
/// // Marsaglia's xorshift; with rand 0.9: `RandomBits(|| rng.next_u64())`.
/// let mut state = 0x9e37_79b9_7f4a_7c15_u64;
/// let mut rng = RandomBits(|| {
///     state ^= state << 13;
///     state ^= state >> 7;
///     state ^= state << 17;
///     state
/// });
/// let mut hidden = array![1.0_f32, 2.0, 3.0];
/// Dropout::new(0.5).forward(&mut hidden, &mut rng)?;
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// 32 bits are the higher half of 64, and bytes are those of 64 bits, the lowest first.
#[derive(Clone, Copy)]
pub struct RandomBits<C>(pub C);

impl<C> fmt::Debug for RandomBits<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RandomBits")
    }
}

impl<C: FnMut() -> u64> TryRng for RandomBits<C> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(((self.0)() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok((self.0)())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&(self.0)().to_le_bytes()[..part.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn bits_come_in_their_order() {
        let mut next = 0x0807_0605_0403_0201_u64;
        let mut rng = RandomBits(|| {
            next += 1;
            next
        });
        assert_eq!(rng.next_u64(), 0x0807_0605_0403_0202);
        assert_eq!(rng.next_u32(), 0x0807_0605);
        let mut bytes = [0; 11];
        rng.fill_bytes(&mut bytes);
        assert_eq!(bytes, [4, 2, 3, 4, 5, 6, 7, 8, 5, 2, 3]);
    }
}
