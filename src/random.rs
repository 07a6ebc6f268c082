//! Generators of random numbers, those that are not of rand's present version too.

use std::convert::Infallible;
use std::fmt;

use rand::{Rng, TryRng};

/// A generator of random numbers: any of [`rand`] 0.10, or `rand_core` 0.10, that cannot fail.
///
/// All that draws random numbers takes one, as `&mut rng`. There is nothing to implement: whatever has [`rand::Rng`] has
/// this trait. It stands beside that one for its message, which tells who brings a generator of `rand` 0.8 or 0.9
/// what to write: its 64 bits come in by [`RandomBits`].
///
/// ```
/// use rand::{SeedableRng, rngs::StdRng};
///
/// fn coin(rng: &mut (impl thalweg::Generator + ?Sized)) -> bool {
///     rng.next_u64() >> 63 == 1
/// }
/// let heads = (0..100).filter(|&seed| coin(&mut StdRng::seed_from_u64(seed))).count();
/// assert!((30..70).contains(&heads));
/// ```
///
/// A generator of an older `rand` is an error, even where its methods have the same names:
///
/// ```compile_fail,E0277
/// # struct OldRng;
/// # impl OldRng { fn next_u64(&mut self) -> u64 { 4 } }
/// # let mut rng = OldRng;
/// let mut hidden = ndarray::array![1.0_f32, 2.0];
/// // error: `OldRng` is no generator of random numbers of `rand` 0.10
/// // note: bring one of `rand` 0.8 or 0.9, or any other, by its bits:
/// //       `&mut thalweg::RandomBits(|| rng.next_u64())`
/// thalweg::regularize::Dropout::new(0.5).forward(&mut hidden, &mut rng).unwrap();
/// ```
///
/// And so it comes in:
///
/// ```
/// # struct OldRng;
/// # impl OldRng { fn next_u64(&mut self) -> u64 { 4 } }
/// # let mut rng = OldRng;
/// let mut hidden = ndarray::array![1.0_f32, 2.0];
/// let mut rng = thalweg::RandomBits(|| rng.next_u64());
/// thalweg::regularize::Dropout::new(0.5).forward(&mut hidden, &mut rng)?;
/// # Ok::<(), thalweg::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no generator of random numbers of `rand` 0.10",
    label = "no generator of `rand` 0.10",
    note = "bring one of `rand` 0.8 or 0.9, or any other, by its bits: `&mut thalweg::RandomBits(|| rng.next_u64())`",
    note = "`next_u64` is a method of `rand::RngCore` in `rand` 0.8 and 0.9"
)]
pub trait Generator: Rng {}

// Else the compiler would speak of what `rand` itself implements `Rng` for.
#[diagnostic::do_not_recommend]
impl<R: Rng + ?Sized> Generator for R {}

/// A generator of random numbers from a function that gives 64 random bits: for those that are not of
/// [`rand`] 0.10.
///
/// What draws random numbers takes a [`Generator`], which all of `rand` 0.10 and `rand_core` 0.10 are. One of `rand` 0.9 or 0.8, of `fastrand`
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
