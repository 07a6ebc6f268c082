//! Traces and diagonals from random products.

use std::fmt;

use rand::{Rng, RngExt};

use super::operator::{LinearOperator, check_dim, product};
use crate::basis::{Partial, subtract};
use crate::error::Error;
use crate::interval::Interval;
use crate::random::Generator;
use crate::scalar::Scalar;
use crate::vector::{dot, norm};

/// Fewer samples say too little of their own scatter to stop by it.
const FEWEST: usize = 32;

/// An estimate from random samples, and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// The mean over the samples.
    pub value: f64,
    /// The standard deviation of that mean, √(s²/N).
    pub standard_error: f64,
    /// What a sample itself may be off by, the same way in all of them: the error of the quadrature
    /// of a [`SpectralDensity`](super::SpectralDensity), 0 for a trace.
    pub bias: f64,
    /// N
    pub samples: usize,
    /// How many products were taken.
    pub products: usize,
    /// Whether the standard error met the tolerance before the samples ran out.
    pub converged: bool,
}

/// The value and half of its [`interval`](Estimate::interval).
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4e} ± {:.1e}", self.value, self.interval().1 - self.value)
    }
}

impl Estimate {
    /// The interval that holds the truth in 95 of 100 runs: value ± (t·standard error + bias), with
    /// Student's t for N - 1 degrees of freedom.
    pub fn interval(&self) -> (f64, f64) {
        let half = student(self.samples) * self.standard_error + self.bias;
        (self.value - half, self.value + half)
    }
}

/// The quantile 0.975 of Student's t; from 3 degrees of freedom by its expansion around the normal
/// one's.
fn student(samples: usize) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    let v = match samples {
        // Too few for the expansion.
        0..=2 => return 12.706_204_736,
        3 => return 4.302_652_730,
        _ => (samples - 1) as f64,
    };
    let (z3, z5, z7) = (Z.powi(3), Z.powi(5), Z.powi(7));
    Z + (z3 + Z) / (4.0 * v)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / (96.0 * v * v)
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * Z) / (384.0 * v * v * v)
}

/// Mean and scatter of numbers as they come (Welford, 1962).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Running {
    count: usize,
    mean: f64,
    squares: f64,
}

impl Running {
    pub(super) fn add(&mut self, x: f64) {
        self.count += 1;
        let apart = x - self.mean;
        self.mean += apart / self.count as f64;
        self.squares += apart * (x - self.mean);
    }

    /// The mean and its standard error; of a single number that is unknown.
    pub(super) fn estimate(self) -> (f64, f64) {
        let n = self.count as f64;
        let error =
            if self.count > 1 { (self.squares / (n - 1.0) / n).sqrt() } else { f64::INFINITY };
        (self.mean, error)
    }
}

/// Fills a vector with ±1.
pub(super) fn rademacher<F: Scalar>(z: &mut [F], rng: &mut (impl Rng + ?Sized)) {
    for chunk in z.chunks_mut(64) {
        let bits: u64 = rng.random();
        for (i, z) in chunk.iter_mut().enumerate() {
            *z = if bits >> i & 1 == 1 { F::one() } else { -F::one() };
        }
    }
}

/// The trace of an operator from products with random signs, ± its standard error.
///
/// Hutchinson: E\[zᵀAz\] = tr A for z of random signs. Hutch++ takes the exact trace over the range of
/// a random sketch first, tr(QᵀAQ), and samples only what is left: far fewer products where a few
/// large eigenvalues make the trace.
///
/// It samples until the standard error is at most the tolerance times |estimate|. That is looked at
/// after 32, 64, 128, ... samples: looking after each one would stop at lucky ones, and the stated
/// errors would be too small.
///
/// ```
/// use ndarray::Array2;
/// use rand::{SeedableRng, rngs::StdRng};
/// use thalweg::curvature::Trace;
///
/// let mut matrix = Array2::from_elem((50, 50), 0.1) + Array2::<f64>::eye(50);
/// let mut rng = StdRng::seed_from_u64(1);
/// let trace = Trace::hutchinson().tolerance(0.02).estimate(&mut matrix, &mut rng)?;
/// assert!(trace.converged && (trace.value - 55.0).abs() < 4.0 * trace.standard_error);
///
/// let trace = Trace::hutch_plus_plus(5).estimate(&mut matrix, &mut rng)?;
/// assert!((trace.value - 55.0).abs() < 4.0 * trace.standard_error);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Source: Hutchinson, "A stochastic estimator of the trace of the influence matrix", 1990; Meyer,
/// Musco, Musco & Woodruff, "Hutch++: Optimal stochastic trace estimation", 2021.
#[derive(Debug, Clone)]
pub struct Trace {
    sketch: usize,
    rule: Rule,
}

/// When to stop sampling.
#[derive(Debug, Clone, Copy)]
struct Rule {
    tolerance: f64,
    max_samples: usize,
}

impl Rule {
    const DEFAULT: Self = Self { tolerance: 0.01, max_samples: 1024 };

    fn check(self, owner: &'static str) -> Result<(), Error> {
        Interval::NON_NEGATIVE.check::<f64>(owner, "tolerance", self.tolerance)?;
        if self.max_samples < 2 {
            let found = self.max_samples as f64;
            return Err(Error::hyperparameter(owner, "max_samples", found, "at least 2"));
        }
        Ok(())
    }

    /// Whether to look at the error after that many samples.
    fn looks(self, samples: usize) -> bool {
        samples == self.max_samples || samples >= FEWEST && samples.is_power_of_two()
    }
}

impl Trace {
    /// Hutchinson's estimator.
    pub fn hutchinson() -> Self {
        Self { sketch: 0, rule: Rule::DEFAULT }
    }

    /// Hutch++ with a sketch of that many vectors; it keeps them, and takes two products for each
    /// before it samples.
    pub fn hutch_plus_plus(sketch: usize) -> Self {
        Self { sketch, rule: Rule::DEFAULT }
    }

    /// Sets the standard error to reach, as a part of the estimate; in [0, ∞). The default is 0.01.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.rule.tolerance = tolerance;
        self
    }

    /// Sets after how many samples to give up; at least 2. The default is 1024.
    #[must_use]
    pub fn max_samples(mut self, samples: usize) -> Self {
        self.rule.max_samples = samples;
        self
    }

    /// Samples until the stopping rule holds.
    ///
    /// # Errors
    /// [`ErrorKind::NonFiniteProduct`](crate::ErrorKind::NonFiniteProduct), what a product says,
    /// values out of their ranges, and an operator without rows.
    pub fn estimate<F: Scalar>(
        &self,
        operator: &mut (impl LinearOperator<F> + ?Sized),
        rng: &mut (impl Generator + ?Sized),
    ) -> Result<Estimate, Error> {
        self.rule.check("Trace")?;
        let n = check_dim(operator)?;
        let (mut z, mut az) = (vec![F::zero(); n], vec![F::zero(); n]);
        let mut partial = Partial::default();

        // Q, an orthogonal basis of the sketch A·S, and tr(QᵀAQ).
        let mut basis: Vec<Vec<F>> = Vec::new();
        let mut exact = 0.0;
        let sketch = self.sketch.min(n);
        for _ in 0..sketch {
            rademacher(&mut z, rng);
            product(operator, &z, &mut az)?;
            let length = norm(&az);
            project_out(&basis, &mut az, &mut partial);
            let left = norm(&az);
            if left > 1e3 * F::epsilon().into_f64() * length {
                az.iter_mut().for_each(|x| *x = F::from_f64(x.into_f64() / left));
                basis.push(az.clone());
            }
        }
        for q in &basis {
            product(operator, q, &mut az)?;
            exact += dot(q, &az);
        }

        let mut running = Running::default();
        loop {
            rademacher(&mut z, rng);
            project_out(&basis, &mut z, &mut partial);
            product(operator, &z, &mut az)?;
            running.add(dot(&z, &az));
            if !self.rule.looks(running.count) {
                continue;
            }
            let (rest, standard_error) = running.estimate();
            let value = exact + rest;
            let converged = standard_error <= self.rule.tolerance * value.abs();
            if converged || running.count == self.rule.max_samples {
                let samples = running.count;
                let products = sketch + basis.len() + samples;
                let bias = 0.0;
                return Ok(Estimate { value, standard_error, bias, samples, products, converged });
            }
        }
    }
}

/// x = x - QQᵀx, twice: one pass leaves rounding of the size of what it removes.
fn project_out<F: Scalar>(basis: &[Vec<F>], x: &mut [F], partial: &mut Partial) {
    let mut parts = vec![0.0; basis.len()];
    for _ in 0..2 {
        subtract(basis, &[], x, Some(&mut parts), partial);
        subtract(basis, &parts, x, None, partial);
    }
}

/// The diagonal of an operator from products with random signs, each entry ± its standard error.
///
/// E[zᵢ(Az)ᵢ] = Aᵢᵢ, with variance Σⱼ≠ᵢ Aᵢⱼ²: good where the diagonal dominates. It samples until
/// ‖standard errors‖₂ is at most the tolerance times ‖estimate‖₂, looked at as by [`Trace`].
///
/// ```
/// use ndarray::array;
/// use rand::{SeedableRng, rngs::StdRng};
/// use thalweg::curvature::Diagonal;
///
/// let mut matrix = array![[4.0, 0.5], [0.5, 9.0]];
/// let mut rng = StdRng::seed_from_u64(1);
/// let found = Diagonal::new().estimate(&mut matrix, &mut rng)?;
/// assert!((found.values[1] - 9.0).abs() < 0.2 && found.converged);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Source: Bekas, Kokiopoulou & Saad, "An estimator for the diagonal of a matrix", 2007.
#[derive(Debug, Clone)]
pub struct Diagonal {
    rule: Rule,
}

/// What [`Diagonal`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DiagonalEstimate {
    /// The estimate of each entry.
    pub values: Vec<f64>,
    /// The standard error of each.
    pub standard_errors: Vec<f64>,
    /// How many products were taken.
    pub samples: usize,
    /// Whether the standard errors met the tolerance before the samples ran out.
    pub converged: bool,
}

impl Default for Diagonal {
    fn default() -> Self {
        Self { rule: Rule { tolerance: 0.05, ..Rule::DEFAULT } }
    }
}

impl Diagonal {
    /// The estimator with its defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the standard error to reach, as a part of the estimate; in [0, ∞). The default is 0.05.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.rule.tolerance = tolerance;
        self
    }

    /// Sets after how many samples to give up; at least 2. The default is 1024.
    #[must_use]
    pub fn max_samples(mut self, samples: usize) -> Self {
        self.rule.max_samples = samples;
        self
    }

    /// Samples until the stopping rule holds.
    ///
    /// # Errors
    /// As [`Trace::estimate`].
    pub fn estimate<F: Scalar>(
        &self,
        operator: &mut (impl LinearOperator<F> + ?Sized),
        rng: &mut (impl Generator + ?Sized),
    ) -> Result<DiagonalEstimate, Error> {
        self.rule.check("Diagonal")?;
        let n = check_dim(operator)?;
        let (mut z, mut az) = (vec![F::zero(); n], vec![F::zero(); n]);
        let mut running = vec![Running::default(); n];
        let mut samples = 0;
        loop {
            samples += 1;
            rademacher(&mut z, rng);
            product(operator, &z, &mut az)?;
            for ((running, z), az) in running.iter_mut().zip(&z).zip(&az) {
                running.add(z.into_f64() * az.into_f64());
            }
            if !self.rule.looks(samples) {
                continue;
            }
            let (values, standard_errors): (Vec<f64>, Vec<f64>) =
                running.iter().map(|running| running.estimate()).unzip();
            let converged = norm(&standard_errors) <= self.rule.tolerance * norm(&values);
            if converged || samples == self.rule.max_samples {
                return Ok(DiagonalEstimate { values, standard_errors, samples, converged });
            }
        }
    }
}
