//! The average of the parameters along the way.

use crate::error::Error;
use crate::interval::Interval;
use crate::rule::bias_correction;
use crate::scalar::Scalar;

/// An average of the parameters over the steps, kept beside them and updated inside the sweep.
///
/// After its n-th term w, counted from 1, the average is a += rₙ·(w - a):
///
/// | constructor | rₙ | |
/// |---|---|---|
/// | [`ema`](Self::ema)(d) | 1 for n = 1, then 1-d | exponential, PyTorch's `get_ema_multi_avg_fn` |
/// | [`ema`](Self::ema)(d)[`.debiased()`](Self::debiased) | (1-d)/(1-dⁿ) | Optax's `ema` with `debias` |
/// | [`ema`](Self::ema)(d)[`.ramped()`](Self::ramped) | 1 - min(d, n/(9+n)) | follows the young model closely |
/// | [`swa`](Self::swa)() | 1/n | equal weights: stochastic weight averaging |
/// | [`polynomial`](Self::polynomial)(γ) | (1+γ)/(n+γ) | late terms weigh more |
///
/// [`swap_average`](crate::Optimizer::swap_average) puts the average in the place of the parameters
/// to evaluate it, and swaps back. Before its first term the average is the parameters themselves.
///
/// Sources: Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", 1992;
/// Izmailov, Podoprikhin, Garipov, Vetrov & Wilson, "Averaging weights leads to wider optima and
/// better generalization", 2018.
///
/// ```
/// use ndarray::array;
/// use thalweg::{Average, Optimizer, Sgd};
/// let mut w = array![0.0];
/// let mut sgd = Sgd::new(1.0).average(Average::swa());
/// for _ in 0..4 {
///     sgd.step(&mut w, &array![-1.0])?;
/// }
/// sgd.swap_average(&mut w)?;
/// assert_eq!(w[0], (1.0 + 2.0 + 3.0 + 4.0) / 4.0);
/// sgd.swap_average(&mut w)?;
/// assert_eq!(w[0], 4.0);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Average {
    kind: Kind,
    start: u64,
    every: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Exponential(f64),
    Debiased(f64),
    Ramped(f64),
    Equal,
    Polynomial(f64),
}

impl Average {
    /// The exponential moving average that keeps the share `decay` of itself, in [0, 1).
    pub const fn ema(decay: f64) -> Self {
        Self { kind: Kind::Exponential(decay), start: 1, every: 1 }
    }

    /// The mean of all terms.
    pub const fn swa() -> Self {
        Self { kind: Kind::Equal, start: 1, every: 1 }
    }

    /// The average whose terms weigh about as nᵞ, the last the most: rₙ = (1+γ)/(n+γ), γ in [0, ∞).
    ///
    /// With γ = 8 it is that which [`DoG`](crate::DoG) is published with. γ = 0 is [`swa`](Self::swa).
    ///
    /// Source: Shamir & Zhang, "Stochastic gradient descent for non-smooth optimization", 2013.
    pub const fn polynomial(gamma: f64) -> Self {
        Self { kind: Kind::Polynomial(gamma), start: 1, every: 1 }
    }

    /// An exponential average whose first terms weigh no more than the others do.
    #[must_use]
    pub const fn debiased(mut self) -> Self {
        if let Kind::Exponential(decay) | Kind::Ramped(decay) = self.kind {
            self.kind = Kind::Debiased(decay);
        }
        self
    }

    /// An exponential average whose decay grows to its value as n/(9+n).
    #[must_use]
    pub const fn ramped(mut self) -> Self {
        if let Kind::Exponential(decay) | Kind::Debiased(decay) = self.kind {
            self.kind = Kind::Ramped(decay);
        }
        self
    }

    /// Takes its first term after that step, counted from 1.
    #[must_use]
    pub const fn start(mut self, step: u64) -> Self {
        self.start = step;
        self
    }

    /// Takes a term after every so many steps only; at least 1.
    #[must_use]
    pub const fn every(mut self, steps: u64) -> Self {
        self.every = steps;
        self
    }

    /// Whether a term is taken after that step.
    pub(crate) fn takes(&self, step: u64) -> bool {
        step >= self.start && (step - self.start).is_multiple_of(self.every.max(1))
    }

    /// rₙ for n = `terms` + 1.
    pub(crate) fn rate(&self, terms: u64) -> f64 {
        let n = terms as f64 + 1.0;
        match self.kind {
            _ if terms == 0 => 1.0,
            Kind::Exponential(decay) => 1.0 - decay,
            Kind::Polynomial(gamma) => (1.0 + gamma) / (n + gamma),
            Kind::Debiased(decay) => debiased(decay, terms),
            Kind::Ramped(decay) => 1.0 - decay.min(n / (9.0 + n)),
            Kind::Equal => n.recip(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.kind {
            Kind::Exponential(decay) | Kind::Debiased(decay) | Kind::Ramped(decay) => {
                Interval::FRACTION.check::<f64>("average", "decay", decay)?;
            }
            Kind::Polynomial(gamma) => {
                Interval::NON_NEGATIVE.check::<f64>("average", "gamma", gamma)?;
            }
            Kind::Equal => {}
        }
        if self.every == 0 {
            return Err(Error::hyperparameter("average", "every", 0.0, "a whole number >= 1"));
        }
        Ok(())
    }
}

// A call of its own: a logarithm that is in sight is computed before it is known to be wanted.
#[cold]
#[inline(never)]
fn debiased(decay: f64, terms: u64) -> f64 {
    (1.0 - decay) / bias_correction(decay, terms + 1)
}

/// The average that has taken another term; exactly that term where it takes all of it, since it
/// begins at 0.
#[inline(always)]
pub(super) fn averaged<F: Scalar>(average: F, term: F, rate: F) -> F {
    average + rate * (term - average)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn averaged(average: Average, terms: &[f64]) -> f64 {
        let taken = |a: f64, (n, w): (usize, &f64)| a + average.rate(n as u64) * (w - a);
        terms.iter().enumerate().fold(0.0, taken)
    }

    #[test]
    fn each_kind_is_the_sum_it_stands_for() {
        let terms = [3.0, -1.0, 4.0, 1.5, -9.0];
        assert!((averaged(Average::swa(), &terms) - -0.3).abs() < 1e-14);
        // Of γ = 1 the weights are 1, 2, … 5.
        let rising: f64 = terms.iter().zip(1..).map(|(w, n)| w * f64::from(n)).sum();
        let polynomial = averaged(Average::polynomial(1.0), &terms);
        assert!((polynomial - rising / 15.0).abs() < 1e-14);
        let d = 0.8_f64;
        let weights: Vec<f64> = (0..5).map(|i| (1.0 - d) * d.powi(4 - i)).collect();
        let sum: f64 = terms.iter().zip(&weights).map(|(w, r)| w * r).sum();
        let debiased = averaged(Average::ema(d).debiased(), &terms);
        assert!((debiased - sum / (1.0 - d.powi(5))).abs() < 1e-14);
        let first = sum + (d.powi(5)) * terms[0];
        assert!((averaged(Average::ema(d), &terms) - first).abs() < 1e-14);
        let mut ramped = terms[0];
        for (n, w) in terms.iter().enumerate().skip(1) {
            let d = d.min((n as f64 + 1.0) / (n as f64 + 10.0));
            ramped = d * ramped + (1.0 - d) * w;
        }
        assert!((averaged(Average::ema(d).ramped(), &terms) - ramped).abs() < 1e-14);
    }

    #[test]
    fn terms_are_taken_from_the_start_on_at_their_pace() {
        let average = Average::swa().start(10).every(5);
        let taken: Vec<u64> = (1..30).filter(|&step| average.takes(step)).collect();
        assert_eq!(taken, [10, 15, 20, 25]);
    }
}
