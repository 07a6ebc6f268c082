//! Noise of gradients.

use crate::error::Error;
use crate::hash;
use crate::interval::Interval;
use crate::scalar::Scalar;

/// Gradient noise: a number of a normal distribution, added to each element of the gradient.
///
/// [`annealed`](Self::annealed) noise has the variance σ² = η/(1 + t)^γ at the step t, counted from 0. Large steps in
/// any direction at first help out of where deep networks begin badly.
///
/// | hyperparameter | default | range |
/// |---|---|---|
/// | `eta` η | | (0, ∞); 0.01, 0.3 and 1 in the paper |
/// | `gamma` γ | | [0, ∞); 0.55 in the paper, and 0 is noise that stays |
/// | `seed` | 0 | any |
///
/// What is drawn is a hash of the seed, the optimizer's step, and the element's place among all elements of all
/// leaves, in the order of the first step and row by row. So it is the same whatever the layout, the threads, the
/// instruction set and the ranks, and however a row of elements is split into leaves; a run that is saved and goes
/// on draws what it would have drawn. It is the same on every machine too, but for the last digit of σ, whose power
/// is the system's.
///
/// It costs a copy of the gradient, and some 20 ns an element.
///
/// Source: Neelakantan et al., "Adding gradient noise improves learning for very deep networks", 2015. As Optax's
/// `noisy_sgd`, with other numbers.
///
/// ```
/// use ndarray::Array1;
/// use thalweg::{Optimizer, Sgd, regularize::GradientNoise};
///
/// let mut sgd = Sgd::new(1.0).gradient_noise(GradientNoise::annealed(0.01, 0.55));
/// let mut w = Array1::<f64>::zeros(10_000);
/// sgd.step(&mut w, &Array1::zeros(10_000))?;
/// let variance = w.iter().map(|x| x * x).sum::<f64>() / 10_000.0;
/// assert!((variance - 0.01).abs() < 0.001);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientNoise {
    variance: Variance,
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Variance {
    Annealed {
        eta: f64,
        gamma: f64,
    },
    /// 2/α, which makes the noise of a step of SGD that of a Langevin equation.
    Langevin,
}

impl GradientNoise {
    /// Noise of variance η/(1 + t)^γ.
    pub const fn annealed(eta: f64, gamma: f64) -> Self {
        Self { variance: Variance::Annealed { eta, gamma }, seed: 0 }
    }

    pub(crate) const fn langevin(seed: u64) -> Self {
        Self { variance: Variance::Langevin, seed }
    }

    /// Sets what the numbers are drawn by: each seed has others.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether steps are to sample a density, which clipping would change.
    pub(crate) fn samples(self) -> bool {
        self.variance == Variance::Langevin
    }

    pub(crate) fn check<F: Scalar>(self) -> Result<(), Error> {
        match self.variance {
            Variance::Annealed { eta, gamma } => {
                Interval::POSITIVE.check::<F>("gradient noise", "eta", eta)?;
                Interval::NON_NEGATIVE.check::<F>("gradient noise", "gamma", gamma)
            }
            Variance::Langevin => Ok(()),
        }
    }

    /// σ and the stream of a step, counted from 1, at a learning rate.
    pub(crate) fn at(self, step: u64, rate: f64) -> Drawn {
        let variance = match self.variance {
            Variance::Annealed { eta, gamma } => eta / (step as f64).powf(gamma),
            Variance::Langevin if rate > 0.0 => 2.0 / rate,
            // A step of length 0 has no noise.
            Variance::Langevin => 0.0,
        };
        Drawn { deviation: variance.sqrt(), stream: hash::stream(self.seed, step) }
    }
}

/// The noise of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawn {
    deviation: f64,
    stream: u64,
}

impl Drawn {
    /// Of an element, by its place among all.
    pub(crate) fn of(self, place: u64) -> f64 {
        self.deviation * hash::normal(self.stream, place)
    }
}
