//! The density of a spectrum by stochastic Lanczos quadrature.

use std::f64::consts::TAU;

use super::krylov::Krylov;
use super::operator::{LinearOperator, check_dim};

use super::stochastic::{Estimate, Running, rademacher};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::linalg::tridiagonal::Tridiagonal;
use crate::random::Generator;
use crate::scalar::Scalar;

/// The density of a symmetric operator's eigenvalues, from a few random vectors.
///
/// From each vector of random signs, m steps of Lanczos's method give m nodes θ and weights τ², a
/// Gauss quadrature: Σ τ²f(θ) estimates the mean (1/n)Σ f(λ), without error of its own where f is a
/// polynomial of degree 2m - 1 or less. Different vectors differ; that is the standard error. What
/// m steps themselves leave out is told by how the sums of m/4, m/2 and m steps differ, which is
/// the [`bias`](Estimate::bias): small beside the standard error where f is smooth over the
/// spectrum, large where f bends sharply there, as 1/λ does near 0.
///
/// ```
/// use rand::{SeedableRng, rngs::StdRng};
/// use thalweg::curvature::{Quadrature, operator_fn};
///
/// // diag(1/n, 2/n, ..., 1)
/// let mut diagonal = operator_fn(1000, |x: &[f64], y: &mut [f64]| {
///     for i in 0..1000 {
///         y[i] = (i + 1) as f64 / 1000.0 * x[i];
///     }
///     Ok(())
/// });
/// let spectrum = Quadrature::new(30, 8).run(&mut diagonal, &mut StdRng::seed_from_u64(1))?;
/// let mean = spectrum.mean(|x| x)?;
/// assert!((mean.value - 0.5005).abs() <= 4.0 * mean.standard_error + 1e-12);
/// let density = spectrum.density(&[0.5], 0.1)?;
/// assert!((density[0].value - 1.0).abs() < 0.2);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Source: Ubaru, Chen & Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature",
/// 2017; Ghorbani, Krishnan & Xiao, "An investigation into neural net optimization via Hessian
/// eigenvalue density", 2019.
#[derive(Debug, Clone)]
pub struct Quadrature {
    steps: usize,
    probes: usize,
    symmetry: Option<f64>,
}

/// What [`Quadrature`] found: nodes and weights of each random vector.
#[derive(Debug, Clone, PartialEq)]
pub struct SpectralDensity {
    probes: Vec<Vec<(f64, f64)>>,
    /// Of each vector, the rules of the orders of [`coarser`].
    coarser: Vec<[Vec<(f64, f64)>; COARSER]>,
    rounding: f64,
    dim: usize,
    products: usize,
}

/// More than this is a mistake.
const MOST_PROBES: usize = 1 << 30;

/// How many rules of lower orders are kept beside each.
const COARSER: usize = 5;

/// The orders that tell the error of a rule of m nodes: three that are near m or half of it, the
/// third of which is half, and two near a quarter. |λ| and its like differ between odd and even.
fn coarser(m: usize) -> [usize; COARSER] {
    [m - 1, m / 2 + 1, m / 2, m / 4 + 1, m / 4].map(|order| order.clamp(1, (m - 1).max(1)))
}

/// The Gauss rule of a tridiagonal matrix: its eigenvalues, and the squares of their vectors' first
/// elements.
fn rule(tridiagonal: Tridiagonal) -> Vec<(f64, f64)> {
    let eigen = tridiagonal.eigen_row(0);
    let weights = eigen.vectors.iter().map(|vector| vector[0] * vector[0]);
    eigen.values.iter().copied().zip(weights).collect()
}

impl Quadrature {
    /// That many steps for each of that many random vectors; at least 1 and 2.
    pub fn new(steps: usize, probes: usize) -> Self {
        Self { steps, probes, symmetry: None }
    }

    /// Sets the defect up to which the operator counts as symmetric, as
    /// [`Lanczos::symmetry`](super::Lanczos::symmetry).
    #[must_use]
    pub fn symmetry(mut self, tolerance: f64) -> Self {
        self.symmetry = Some(tolerance);
        self
    }

    /// Draws the vectors and takes their steps.
    ///
    /// It keeps one basis of as many vectors as there are steps.
    ///
    /// # Errors
    /// [`ErrorKind::NonFiniteProduct`], [`ErrorKind::NotSymmetric`], what a product says, values
    /// out of their ranges, and an operator without rows.
    pub fn run<F: Scalar>(
        &self,
        operator: &mut (impl LinearOperator<F> + ?Sized),
        rng: &mut (impl Generator + ?Sized),
    ) -> Result<SpectralDensity, Error> {
        let dim = check_dim(operator)?;
        for (name, value, range, allowed) in [
            ("steps", self.steps, 1..=usize::MAX, "at least 1"),
            ("probes", self.probes, 2..=MOST_PROBES, "from 2 to 2³⁰"),
        ] {
            if !range.contains(&value) {
                return Err(Error::hyperparameter("Quadrature", name, value as f64, allowed));
            }
        }
        let single = F::epsilon().into_f64() > 1e-10;
        let symmetry = self.symmetry.unwrap_or(if single { 1e-2 } else { 1e-6 });
        Interval::NON_NEGATIVE.check::<f64>("Quadrature", "symmetry", symmetry)?;
        let steps = self.steps.min(dim);
        let mut z = vec![F::zero(); dim];
        let (mut probes, mut coarse) = (Vec::new(), Vec::new());
        let mut products = 0;
        let mut unknown = false;
        for _ in 0..self.probes {
            rademacher(&mut z, rng);
            let mut krylov = Krylov::new(dim, steps, Some(&z))?;
            // An invariant subspace is all that the vector can tell of.
            while !krylov.is_full() && (krylov.len() == 0 || krylov.beta() > 0.0) {
                krylov.step(operator)?;
            }
            products += krylov.products();
            let tridiagonal = krylov.tridiagonal();
            let gauss = rule(tridiagonal.clone());
            let norm = gauss.iter().fold(0.0_f64, |max, (node, _)| max.max(node.abs()));
            if krylov.skew() > symmetry * norm {
                let defect = krylov.skew() / norm;
                return Err(ErrorKind::NotSymmetric { defect, allowed: symmetry }.into());
            }
            let exact = krylov.is_complete() || krylov.beta() == 0.0;
            coarse.push(
                coarser(gauss.len()).map(|order| {
                    if exact { gauss.clone() } else { rule(tridiagonal.leading(order)) }
                }),
            );
            // One node alone has no lower order to tell its error by.
            unknown |= gauss.len() == 1 && !exact;
            probes.push(gauss);
        }
        // A sum's own rounding, and that of the products.
        let rounding = F::epsilon().into_f64() * (20.0 + 2.0 * (dim as f64).sqrt());
        let rounding = if unknown { f64::INFINITY } else { rounding };
        Ok(SpectralDensity { probes, coarser: coarse, rounding, dim, products })
    }
}

impl SpectralDensity {
    /// The nodes, ascending, and weights of each random vector; weights add up to 1.
    pub fn probes(&self) -> &[Vec<(f64, f64)>] {
        &self.probes
    }

    /// The rows of the operator.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The lowest and the highest node: within the spectrum, and close to its ends.
    pub fn range(&self) -> (f64, f64) {
        let nodes = || self.probes.iter().flatten().map(|(node, _)| *node);
        (nodes().fold(f64::INFINITY, f64::min), nodes().fold(f64::NEG_INFINITY, f64::max))
    }

    /// (1/n)Σ f(λ) ± its standard error over the vectors, and the quadrature's own error as the
    /// [`bias`](Estimate::bias): a moment, log det/n, or the part below a limit.
    ///
    /// The bias is an estimate from sums of lower orders, with room: it takes the error to fall with
    /// the number of steps no slower than it has fallen so far. Where it has not begun to fall, and
    /// with one step, it is unknown, and infinite. What no order has seen is not in it, such as one
    /// eigenvalue much nearer to the pole of log λ than all others.
    ///
    /// # Errors
    /// If f is NaN or infinite at a node.
    pub fn mean(&self, f: impl Fn(f64) -> f64) -> Result<Estimate, Error> {
        let sum = |rule: &[(f64, f64)]| rule.iter().map(|&(node, weight)| weight * f(node)).sum();
        let mut running = Running::default();
        let mut size = 0.0;
        // The sums over the vectors of what each coarser rule, and a quarter of half, is off by.
        let (mut from_whole, mut from_half) = ([0.0; 3], [0.0; 2]);
        for (gauss, coarser) in self.probes.iter().zip(&self.coarser) {
            let whole: f64 = sum(gauss);
            running.add(whole);
            size += gauss.iter().map(|&(node, weight)| weight * f(node).abs()).sum::<f64>();
            let coarser: [f64; COARSER] = std::array::from_fn(|i| sum(&coarser[i]));
            for (apart, coarse) in from_whole.iter_mut().zip(coarser) {
                *apart += whole - coarse;
            }
            for (apart, coarse) in from_half.iter_mut().zip(&coarser[3..]) {
                *apart += coarser[2] - coarse;
            }
        }
        let (value, standard_error) = running.estimate();
        if !value.is_finite() {
            let what = "the mean of the function over the spectrum";
            return Err(ErrorKind::NonFiniteProduct { what, index: 0, value }.into());
        }
        let samples = self.probes.len();
        let largest = |apart: &[f64]| apart.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
        let [near, far] = [&from_whole[..], &from_half].map(|x| largest(x) / samples as f64);
        // Errors that fall by q from each doubling of the order to the next add up to q/(1 - q) of
        // the last fall.
        let q = near / far;
        let room = if near == 0.0 {
            0.0
        } else if q < 0.9 {
            1.5 * near * (q / (1.0 - q)).max(1.0)
        } else if near > 0.02 * size / samples as f64 {
            // The sums have not begun to settle: no order says how far they will go.
            f64::INFINITY
        } else {
            13.5 * near
        };
        let bias = room + self.rounding * size / samples as f64;
        let bias = if bias.is_nan() { f64::INFINITY } else { bias };
        let products = self.products;
        Ok(Estimate { value, standard_error, bias, samples, products, converged: true })
    }

    /// The density at each of these places ± its error, every eigenvalue drawn as a
    /// normal distribution of that `width`; over the whole line it integrates to 1.
    ///
    /// # Errors
    /// If the width is not positive and finite.
    pub fn density(&self, places: &[f64], width: f64) -> Result<Vec<Estimate>, Error> {
        Interval::POSITIVE.check::<f64>("SpectralDensity", "width", width)?;
        let height = 1.0 / (TAU.sqrt() * width);
        let at = |&place: &f64| {
            self.mean(|node| height * (-0.5 * ((place - node) / width).powi(2)).exp())
        };
        places.iter().map(at).collect()
    }
}
