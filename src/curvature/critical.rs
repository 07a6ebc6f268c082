//! What kind of critical point a training has stopped at.

use std::fmt;

use super::lanczos::Lanczos;
use super::operator::{LinearOperator, check_dim, check_finite, check_size};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::scalar::Scalar;
use crate::vector::norm;

/// Up to that many rows the whole space is searched.
const WHOLE: usize = 256;

/// What a critical point is, by the signs of the Hessian's eigenvalues.
///
/// An eigenvalue counts as negative below -τ, as positive above τ, and as zero between, where τ is
/// the tolerance times ‖H‖.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CriticalKind {
    /// All are positive.
    Minimum,
    /// All are negative.
    Maximum,
    /// There are some of both signs.
    Saddle {
        /// How many are negative.
        negative: usize,
    },
    /// Some are zero, and the others have one sign or there are none: the second derivatives do not
    /// decide it.
    Degenerate,
}

impl fmt::Display for CriticalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minimum => f.write_str("minimum"),
            Self::Maximum => f.write_str("maximum"),
            Self::Saddle { negative } => {
                write!(f, "saddle, {negative} of the eigenvalues negative")
            }
            Self::Degenerate => f.write_str("undecided by second derivatives"),
        }
    }
}

/// A critical point, classified.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CriticalPoint<F> {
    /// What it is.
    pub kind: CriticalKind,
    /// The lowest eigenvalue.
    pub lowest: f64,
    /// The highest eigenvalue.
    pub highest: f64,
    /// ‖g‖₂ at the point.
    pub gradient_norm: f64,
    /// Of a saddle and of a maximum: the direction of unit length along which the loss falls
    /// fastest, to second order, the eigenvector of the lowest eigenvalue. Its sign is free.
    pub escape: Option<Vec<F>>,
}

/// Classifies critical points; refuses where the gradient is not small.
///
/// ```
/// use thalweg::curvature::{Classifier, CriticalKind, operator_fn};
///
/// // f = x² - y² + z² at 0
/// let mut hessian = operator_fn(3, |v: &[f64], hv: &mut [f64]| {
///     (hv[0], hv[1], hv[2]) = (2.0 * v[0], -2.0 * v[1], 2.0 * v[2]);
///     Ok(())
/// });
/// let point = Classifier::new().classify(&[0.0; 3], &mut hessian)?;
/// assert_eq!(point.kind, CriticalKind::Saddle { negative: 1 });
/// assert!((point.escape.unwrap()[1].abs() - 1.0).abs() < 1e-9);
///
/// assert!(Classifier::new().classify(&[0.1, 0.0, 0.0], &mut hessian).is_err());
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Classifier {
    gradient: f64,
    zero: f64,
    basis: Option<usize>,
}

impl Default for Classifier {
    fn default() -> Self {
        Self { gradient: 1e-6, zero: 1e-8, basis: None }
    }
}

impl Classifier {
    /// The classifier with its defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the largest ‖g‖₂ of a critical point; in [0, ∞). The default is 1e-6.
    #[must_use]
    pub fn gradient_tolerance(mut self, norm: f64) -> Self {
        self.gradient = norm;
        self
    }

    /// Sets |λ|/‖H‖ up to which an eigenvalue counts as zero; in [0, ∞). The default is 1e-8.
    ///
    /// The bound of an eigenvalue counts against it: what the bound leaves open is zero.
    #[must_use]
    pub fn zero_tolerance(mut self, tolerance: f64) -> Self {
        self.zero = tolerance;
        self
    }

    /// Sets the most vectors that are kept; see [`Lanczos::basis`].
    #[must_use]
    pub fn basis(mut self, vectors: usize) -> Self {
        self.basis = Some(vectors);
        self
    }

    /// What the point of that gradient and that Hessian is.
    ///
    /// The extreme eigenvalues decide all but the number of negative ones; for that, twice as many
    /// of the lowest are asked for until one is not negative. Up to 256 rows the count is exact; with
    /// more, of an eigenvalue of several copies fewer may be counted (see [`Lanczos`]).
    ///
    /// # Errors
    /// [`ErrorKind::NotStationary`] where ‖g‖ is not small; sizes that differ; as
    /// [`Lanczos::run`].
    pub fn classify<F: Scalar>(
        &self,
        gradient: &[F],
        hessian: &mut (impl LinearOperator<F> + ?Sized),
    ) -> Result<CriticalPoint<F>, Error> {
        Interval::NON_NEGATIVE.check::<f64>("Classifier", "gradient_tolerance", self.gradient)?;
        Interval::NON_NEGATIVE.check::<f64>("Classifier", "zero_tolerance", self.zero)?;
        let n = check_dim(hessian)?;
        check_size("the gradient", gradient.len(), n)?;
        check_finite("the gradient", gradient)?;
        let gradient_norm = norm(gradient);
        if gradient_norm > self.gradient {
            return Err(
                ErrorKind::NotStationary { norm: gradient_norm, limit: self.gradient }.into()
            );
        }

        let mut ends = self.lanczos(1, 1, n).vectors(true).run(hessian)?;
        let zero = self.zero * ends.norm;
        let (low, high) = (ends.lowest.swap_remove(0), ends.highest.swap_remove(0));
        let kind = if low.value - low.bound > zero {
            CriticalKind::Minimum
        } else if high.value + high.bound < -zero {
            CriticalKind::Maximum
        } else if low.value + low.bound < -zero && high.value - high.bound > zero {
            CriticalKind::Saddle { negative: self.negative(hessian, n, zero)? }
        } else {
            CriticalKind::Degenerate
        };
        let falls = matches!(kind, CriticalKind::Saddle { .. } | CriticalKind::Maximum);
        Ok(CriticalPoint {
            kind,
            lowest: low.value,
            highest: high.value,
            gradient_norm,
            escape: low.vector.filter(|_| falls),
        })
    }

    fn lanczos(&self, lowest: usize, highest: usize, n: usize) -> Lanczos {
        let lanczos = Lanczos::ends(lowest, highest);
        match self.basis {
            Some(basis) => lanczos.basis(basis.max((lowest + highest + 4).min(n))),
            // Where the whole space fits, all are found, also those of several copies.
            None if n <= WHOLE => lanczos.basis(n).tolerance(0.0),
            None => lanczos,
        }
    }

    fn negative<F: Scalar>(
        &self,
        hessian: &mut (impl LinearOperator<F> + ?Sized),
        n: usize,
        zero: f64,
    ) -> Result<usize, Error> {
        let mut asked = 8.min(n);
        loop {
            let found = self.lanczos(asked, 0, n).run(hessian)?;
            let negative = found.lowest.iter().take_while(|pair| pair.value < -zero).count();
            if negative < asked || asked == n {
                return Ok(negative);
            }
            asked = (2 * asked).min(n);
        }
    }
}
