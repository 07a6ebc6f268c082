//! Extreme eigenvalues by Lanczos's method.

use super::krylov::Krylov;
use super::operator::{LinearOperator, check_dim};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::linalg::tridiagonal::Eigen;
use crate::scalar::Scalar;

/// Which eigenvalues are wanted.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Ends { lowest: usize, highest: usize },
    Magnitude(usize),
}

/// Eigenvalues at both ends of a symmetric operator's spectrum, by products alone.
///
/// Lanczos's method with full re-orthogonalization and thick restarts. A Krylov basis Q gives
/// A·Q = Q·T + β·q·eᵀ; an eigenpair (θ, s) of the small T is one of A to within
///
/// |θ - λ| ≤ ‖A·Qs - θQs‖ ≤ β·|s_last| + what T leaves out + rounding,
///
/// the [`bound`](Eigenpair::bound) of every pair. *T leaves out* the parts of the products that
/// re-orthogonalization removes; they are measured, so the error of an inexact product (a Hessian by
/// differences) is in the bound too, as far as it can be seen from within the basis. The bound says
/// that A has an eigenvalue there. That it is the outermost one is as likely as the start vector is
/// not orthogonal to that eigenvector; of a multiple eigenvalue one copy is found, and others only
/// by rounding.
///
/// A run keeps k + 3 vectors for a basis of k (see [`basis`](Self::basis)), and one more for each
/// eigenvector asked for. A step reads the basis twice, and a third time where a second pass of
/// re-orthogonalization is needed. The result is the same bits whatever the threads.
///
/// ```
/// use thalweg::curvature::{Lanczos, operator_fn};
///
/// // diag(1, 2, ..., 500)
/// let mut diagonal = operator_fn(500, |x: &[f64], y: &mut [f64]| {
///     for i in 0..500 {
///         y[i] = (i + 1) as f64 * x[i];
///     }
///     Ok(())
/// });
/// let spectrum = Lanczos::ends(1, 2).run(&mut diagonal)?;
/// assert!(spectrum.converged);
/// for (pair, exact) in spectrum.lowest.iter().chain(&spectrum.highest).zip([1.0, 500.0, 499.0]) {
///     assert!((pair.value - exact).abs() <= pair.bound && pair.bound < 1e-7);
/// }
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Source: Lanczos, 1950; Parlett, "The symmetric eigenvalue problem", 1980; Wu & Simon,
/// "Thick-restart Lanczos method for large symmetric eigenvalue problems", 2000.
#[derive(Debug, Clone)]
pub struct Lanczos {
    wanted: Wanted,
    basis: Option<usize>,
    tolerance: Option<f64>,
    symmetry: Option<f64>,
    max_products: Option<usize>,
    vectors: bool,
    /// Whether to take no look before the basis is full.
    whole: bool,
}

/// An eigenvalue found, and how far it may be off.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Eigenpair<F> {
    /// θ, the estimate.
    pub value: f64,
    /// A has an eigenvalue λ with |θ - λ| ≤ this.
    pub bound: f64,
    /// The eigenvector, of unit length, if [`vectors`](Lanczos::vectors) were asked for.
    pub vector: Option<Vec<F>>,
}

/// What [`Lanczos`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Spectrum<F> {
    /// The lowest eigenvalues, ascending: the lowest first.
    pub lowest: Vec<Eigenpair<F>>,
    /// The highest eigenvalues, descending: the highest first.
    pub highest: Vec<Eigenpair<F>>,
    /// Whether all of them met the tolerance before the products ran out; their bounds hold anyway.
    ///
    /// That is said of eigenvalues, not of their copies: unless [`complete`](Self::complete), the
    /// second of an end may be the third of A, if its first two are equal.
    pub converged: bool,
    /// Whether the basis held the whole space: then every copy of a multiple eigenvalue is there.
    pub complete: bool,
    /// The largest |θ|, a lower bound of ‖A‖₂ and as a rule equal to it.
    pub norm: f64,
    /// The largest entry of QᵀAQ found where a symmetric operator has none, over the norm.
    pub defect: f64,
    /// How many products were taken.
    pub products: usize,
    /// How often the basis was restarted.
    pub restarts: usize,
}

impl<F> Spectrum<F> {
    /// All pairs, the largest |θ| first.
    pub fn by_magnitude(&self) -> Vec<&Eigenpair<F>> {
        let mut all: Vec<_> = self.lowest.iter().chain(&self.highest).collect();
        all.sort_by(|a, b| b.value.abs().total_cmp(&a.value.abs()));
        all
    }
}

impl Lanczos {
    /// The `lowest` and the `highest` eigenvalues, as many as that.
    pub fn ends(lowest: usize, highest: usize) -> Self {
        Self::of(Wanted::Ends { lowest, highest })
    }

    /// The `count` eigenvalues of largest |λ|; positive ones are among the highest of the result,
    /// others among the lowest.
    pub fn largest_magnitude(count: usize) -> Self {
        Self::of(Wanted::Magnitude(count))
    }

    fn of(wanted: Wanted) -> Self {
        Self {
            wanted,
            basis: None,
            tolerance: None,
            symmetry: None,
            max_products: None,
            vectors: false,
            whole: false,
        }
    }

    /// Sets k, the most vectors in the basis before a restart.
    ///
    /// The default is twice the wanted eigenvalues and 40 more. It is at least 4 more than the
    /// wanted, or all rows.
    #[must_use]
    pub fn basis(mut self, vectors: usize) -> Self {
        self.basis = Some(vectors);
        self
    }

    /// Sets the residual, as a part of ‖A‖, at which an eigenvalue has converged; in [0, ∞).
    ///
    /// The default is 1e-10, in `f32` 1e-5.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// Sets the defect, as a part of ‖A‖, up to which the operator counts as symmetric and as
    /// unchanged between calls; in [0, ∞).
    ///
    /// The default is 1e-6, in `f32` 1e-2: what a Hessian by differences meets.
    #[must_use]
    pub fn symmetry(mut self, tolerance: f64) -> Self {
        self.symmetry = Some(tolerance);
        self
    }

    /// Sets after how many products to give up. The default is 200 times the basis, but 10,000 at
    /// most or 20 times the basis, whichever is more.
    #[must_use]
    pub fn max_products(mut self, products: usize) -> Self {
        self.max_products = Some(products);
        self
    }

    /// Asks for the eigenvectors too.
    #[must_use]
    pub fn vectors(mut self, wanted: bool) -> Self {
        self.vectors = wanted;
        self
    }

    /// Runs from a pseudo-random start vector, the same one every time.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`] for more eigenvalues than rows, an operator without rows and
    /// values out of their ranges; [`ErrorKind::NonFiniteProduct`], [`ErrorKind::NotSymmetric`],
    /// [`ErrorKind::OperatorChanged`] (the first product is repeated at the end); and what a product
    /// says.
    pub fn run<F: Scalar>(
        &self,
        operator: &mut (impl LinearOperator<F> + ?Sized),
    ) -> Result<Spectrum<F>, Error> {
        Ok(self.run_with(operator, None, &mut |_| Verdict::Usual)?.spectrum)
    }

    /// Runs from a start vector: one drawn at random, or the eigenvector of a moment ago.
    ///
    /// # Errors
    /// As [`run`](Self::run), and if the vector is 0, not finite or of another length.
    pub fn run_from<F: Scalar>(
        &self,
        operator: &mut (impl LinearOperator<F> + ?Sized),
        start: &[F],
    ) -> Result<Spectrum<F>, Error> {
        Ok(self.run_with(operator, Some(start), &mut |_| Verdict::Usual)?.spectrum)
    }

    /// Runs until the `judge` of its looks says otherwise.
    pub(super) fn judged<F: Scalar>(
        &self,
        operator: &mut (impl LinearOperator<F> + ?Sized),
        judge: &mut dyn FnMut(&Look) -> Verdict,
    ) -> Result<Found<F>, Error> {
        self.run_with(operator, None, judge)
    }

    /// Runs until the basis holds the whole space, and so every eigenvalue.
    pub(super) fn whole<F: Scalar>(
        operator: &mut (impl LinearOperator<F> + ?Sized),
    ) -> Result<Found<F>, Error> {
        let n = check_dim(operator)?;
        let lanczos = Self { whole: true, ..Self::ends(1, 1) }.basis(n.max(2)).max_products(n);
        lanczos.run_with(operator, None, &mut |_| Verdict::Usual)
    }

    fn run_with<F: Scalar>(
        &self,
        operator: &mut (impl LinearOperator<F> + ?Sized),
        start: Option<&[F]>,
        judge: &mut dyn FnMut(&Look) -> Verdict,
    ) -> Result<Found<F>, Error> {
        let n = check_dim(operator)?;
        let capacity = self.capacity(n)?;
        let (tolerance, symmetry) = self.tolerances::<F>()?;
        let max_products = self.max_products.unwrap_or_else(|| default_products(capacity));
        let mut krylov = Krylov::new(n, capacity, start)?;
        let mut restarts = 0;
        loop {
            krylov.step(operator)?;
            let m = krylov.len();
            let full = krylov.is_full();
            let spent = krylov.products() >= max_products;
            let look = m >= self.count().saturating_add(4)
                && m % 10 == 0
                && !(krylov.is_broken() || self.whole);
            // A start that was given may have a part along few eigenvectors.
            let copies = self.most().saturating_add(usize::from(start.is_some()));
            let settled = krylov.used_up() >= copies && !self.whole;
            if !(full || spent || look || settled) {
                continue;
            }
            let ritz = krylov.ritz(full);
            let norm = largest(&ritz.values);
            if krylov.skew() > symmetry * norm {
                let defect = krylov.skew() / norm;
                self.check_change(&mut krylov, operator, start, norm)?;
                return Err(ErrorKind::NotSymmetric { defect, allowed: symmetry }.into());
            }
            let (low, high) = self.wanted.split(&ritz.values);
            let residual = |i: usize| krylov.beta() * last(&ritz, i).abs();
            let met = (0..low).chain(m - high..m).all(|i| residual(i) <= tolerance * norm);
            let met = krylov.is_complete() || met && m >= self.count();
            let at = |i: usize| (ritz.values[i], residual(i));
            let verdict = judge(&Look {
                lowest: (low > 0).then(|| at(0)),
                highest: (high > 0).then(|| at(m - 1)),
                floor: floor(&krylov, norm),
                full,
                met,
            });
            let (converged, ends) = match verdict {
                Verdict::Usual => (met, met),
                Verdict::GoOn => (met, krylov.is_complete()),
                Verdict::GiveUp => (met, true),
            };
            if ends || spent {
                return self.finish(krylov, operator, start, converged, restarts);
            }
            if full {
                restarts += 1;
                krylov.restart(&ritz, &kept(low, high, m));
            }
        }
    }

    fn finish<F: Scalar>(
        &self,
        mut krylov: Krylov<F>,
        operator: &mut (impl LinearOperator<F> + ?Sized),
        start: Option<&[F]>,
        converged: bool,
        restarts: usize,
    ) -> Result<Found<F>, Error> {
        let ritz = krylov.ritz(self.vectors);
        let (m, norm) = (krylov.len(), largest(&ritz.values));
        let (low, high) = self.wanted.split(&ritz.values);
        let floor = floor(&krylov, norm);
        let beta = krylov.beta();
        let mut pair = |i: usize| Eigenpair {
            value: ritz.values[i],
            bound: beta * last(&ritz, i).abs() + floor,
            vector: self.vectors.then(|| krylov.vector(&ritz.vectors[i])),
        };
        let lowest = (0..low).map(&mut pair).collect();
        let highest = (m - high..m).rev().map(&mut pair).collect();
        let defect = if norm > 0.0 { krylov.skew() / norm } else { 0.0 };
        self.check_change(&mut krylov, operator, start, norm)?;
        let products = krylov.products();
        let all = krylov.is_complete().then_some(ritz.values);
        let complete = all.is_some();
        let spectrum =
            Spectrum { lowest, highest, converged, complete, norm, defect, products, restarts };
        Ok(Found { spectrum, all, floor })
    }

    /// The repeat probe: an error if the first product comes out otherwise now.
    fn check_change<F: Scalar>(
        &self,
        krylov: &mut Krylov<F>,
        operator: &mut (impl LinearOperator<F> + ?Sized),
        start: Option<&[F]>,
        norm: f64,
    ) -> Result<(), Error> {
        let (_, allowed) = self.tolerances::<F>()?;
        let moved = krylov.moved(operator, start)?;
        // In this form NaN counts as moved.
        if moved <= allowed * norm {
            return Ok(());
        }
        Err(ErrorKind::OperatorChanged { change: moved / norm, allowed }.into())
    }

    /// How many eigenvalues are wanted.
    fn count(&self) -> usize {
        match self.wanted {
            Wanted::Ends { lowest, highest } => lowest.saturating_add(highest),
            Wanted::Magnitude(count) => count,
        }
    }

    /// How many of them may be copies of one.
    fn most(&self) -> usize {
        match self.wanted {
            Wanted::Ends { lowest, highest } => lowest.max(highest),
            Wanted::Magnitude(count) => count,
        }
    }

    fn capacity(&self, n: usize) -> Result<usize, Error> {
        let most = self.most();
        let fewest = self.count();
        if fewest == 0 || most > n {
            let wrong = if fewest == 0 { 0 } else { most };
            let allowed = "a number from 1 to the rows of the operator";
            return Err(Error::hyperparameter("Lanczos", "eigenvalues", wrong as f64, allowed));
        }
        let count = fewest.min(n);
        let capacity = self.basis.unwrap_or_else(|| count.saturating_mul(2).saturating_add(40));
        if capacity < n.min(count.saturating_add(4)) {
            let allowed = "at least 4 more than the eigenvalues wanted, or all rows";
            return Err(Error::hyperparameter("Lanczos", "basis", capacity as f64, allowed));
        }
        Ok(capacity.min(n))
    }

    fn tolerances<F: Scalar>(&self) -> Result<(f64, f64), Error> {
        let single = F::epsilon().into_f64() > 1e-10;
        let tolerance = self.tolerance.unwrap_or(if single { 1e-5 } else { 1e-10 });
        let symmetry = self.symmetry.unwrap_or(if single { 1e-2 } else { 1e-6 });
        Interval::NON_NEGATIVE.check::<f64>("Lanczos", "tolerance", tolerance)?;
        Interval::NON_NEGATIVE.check::<f64>("Lanczos", "symmetry", symmetry)?;
        Ok((tolerance, symmetry))
    }
}

impl Wanted {
    /// How many are wanted of the low and of the high end of these ascending values.
    fn split(self, values: &[f64]) -> (usize, usize) {
        let m = values.len();
        match self {
            Self::Ends { lowest, highest } => (lowest.min(m), highest.min(m)),
            Self::Magnitude(count) => {
                let (mut low, mut high) = (0, 0);
                while low + high < count.min(m) {
                    if values[m - 1 - high].abs() >= values[low].abs() {
                        high += 1;
                    } else {
                        low += 1;
                    }
                }
                (low, high)
            }
        }
    }
}

/// What is known in the course of a run.
pub(super) struct Look {
    /// θ and its residual.
    pub(super) lowest: Option<(f64, f64)>,
    pub(super) highest: Option<(f64, f64)>,
    /// What every bound has beside the residual.
    pub(super) floor: f64,
    /// Whether a restart comes next.
    pub(super) full: bool,
    /// Whether the tolerance is met.
    pub(super) met: bool,
}

pub(super) enum Verdict {
    /// Ends where the tolerance is met.
    Usual,
    GoOn,
    GiveUp,
}

/// A spectrum, and more of it where the basis holds more.
pub(super) struct Found<F> {
    pub(super) spectrum: Spectrum<F>,
    /// Every eigenvalue, ascending, if the basis holds the whole space.
    pub(super) all: Option<Vec<f64>>,
    /// The bound of each of those.
    pub(super) floor: f64,
}

/// What the basis cannot see, as far as it can be told.
fn floor<F: Scalar>(krylov: &Krylov<F>, norm: f64) -> f64 {
    // Of a product's error the basis sees its share of the directions.
    let unseen = (krylov.size() as f64 / krylov.len() as f64).sqrt();
    // A product's own rounding is that of sums of n terms.
    let rounding = F::epsilon().into_f64() * norm * (20.0 + 2.0 * (krylov.size() as f64).sqrt());
    krylov.strays() * unseen + rounding
}

/// A larger basis gets further by a product: its restarts are fewer, not as many.
pub(super) fn default_products(basis: usize) -> usize {
    basis.saturating_mul(200).min(basis.saturating_mul(20).max(10_000))
}

/// The last element that is known of an eigenvector of T.
fn last(ritz: &Eigen, i: usize) -> f64 {
    let vector = &ritz.vectors[i];
    vector[vector.len() - 1]
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |max, value| max.max(value.abs()))
}

/// What a restart keeps: the wanted, and at each end some of those next to them.
fn kept(low: usize, high: usize, m: usize) -> Vec<usize> {
    let room = (m - 2).saturating_sub(low + high);
    let more = room.div_ceil(2);
    let (extra_low, extra_high) = match (low, high) {
        (0, _) => (0, more),
        (_, 0) => (more, 0),
        _ => (more / 2, more - more / 2),
    };
    let low = (low + extra_low).min(m - 2);
    let high = (high + extra_high).min(m - 2 - low);
    (0..low).chain(m - high..m).collect()
}
