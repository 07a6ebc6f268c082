//! Uniform and normal numbers, in a form that does not change with the version of a library.

use rand::Rng;

/// A uniform number in (-1, 1), symmetric about 0: one of 2³² equally far apart.
pub(super) fn symmetric(rng: &mut (impl Rng + ?Sized)) -> f64 {
    (f64::from(rng.next_u32()) + 0.5) * 2.0_f64.powi(-31) - 1.0
}

/// Standard normal numbers, two at a time by the transformation of Box & Muller, 1958.
pub(super) struct Normal<'r, R: ?Sized> {
    rng: &'r mut R,
    second: Option<f64>,
}

impl<'r, R: Rng + ?Sized> Normal<'r, R> {
    pub(super) fn new(rng: &'r mut R) -> Self {
        Self { rng, second: None }
    }
}

impl<R: Rng + ?Sized> Iterator for Normal<'_, R> {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        if let Some(second) = self.second.take() {
            return Some(second);
        }
        // In (0, 1], with 53 bits: the logarithm is finite and the tails reach beyond 8.
        let radius = ((self.rng.next_u64() >> 11) as f64 + 1.0) * 2.0_f64.powi(-53);
        let length = (-2.0 * radius.ln()).sqrt();
        let (sin, cos) = (std::f64::consts::PI * symmetric(self.rng)).sin_cos();
        self.second = Some(length * sin);
        Some(length * cos)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    /// Each moment within five of its standard errors, which one seed in a million would miss.
    #[test]
    fn the_moments_of_normal_numbers_are_those_of_the_normal_distribution() {
        const N: usize = 200_000;
        let mut rng = StdRng::seed_from_u64(3);
        let numbers: Vec<f64> = Normal::new(&mut rng).take(N).collect();
        let moment = |power| numbers.iter().map(|x| x.powi(power)).sum::<f64>() / N as f64;
        for (power, expected, variance) in
            [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)]
        {
            let off = (moment(power) - expected) / (variance / N as f64).sqrt();
            assert!(off.abs() < 5.0, "moment {power} is {off} standard errors off");
        }
        let pairs = numbers.chunks(2).map(|pair| pair[0] * pair[1]).sum::<f64>();
        assert!((pairs / (N as f64 / 2.0).sqrt()).abs() < 5.0, "the two of a pair are correlated");
    }

    #[test]
    fn a_symmetric_number_never_reaches_its_bounds() {
        struct Fixed(u32);
        impl rand::TryRng for Fixed {
            type Error = std::convert::Infallible;
            fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
                Ok(self.0)
            }
            fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
                Ok(u64::from(self.0))
            }
            fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
                bytes.fill(self.0 as u8);
                Ok(())
            }
        }
        let (low, high) = (symmetric(&mut Fixed(0)), symmetric(&mut Fixed(u32::MAX)));
        assert_eq!(low, -high);
        assert!(high < 1.0 && high > 1.0 - 1e-9);
    }
}
