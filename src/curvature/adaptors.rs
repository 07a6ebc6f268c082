//! Operators made of another: shifted, scaled, preconditioned, or a block of it.

use std::ops::Range;

use super::operator::{LinearOperator, check_finite, check_lengths, check_size};
use crate::error::{Error, ErrorKind};
use crate::params::Flatten;
use crate::scalar::Scalar;
use crate::vector::add_scaled;

/// A + σI: the same eigenvectors, and eigenvalues moved by σ; a damped Hessian.
///
/// ```
/// use ndarray::array;
/// use thalweg::curvature::{LinearOperator, Shifted};
/// let mut y = [0.0; 2];
/// Shifted::new(array![[1.0, 2.0], [2.0, 5.0]], 0.5).apply(&[1.0, 0.0], &mut y)?;
/// assert_eq!(y, [1.5, 2.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Shifted<A> {
    inner: A,
    shift: f64,
}

impl<A> Shifted<A> {
    /// `inner` + `shift`·I.
    pub fn new(inner: A, shift: f64) -> Self {
        Self { inner, shift }
    }
}

impl<F: Scalar, A: LinearOperator<F>> LinearOperator<F> for Shifted<A> {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        check_lengths(self.inner.dim(), x, y)?;
        self.inner.apply(x, y)?;
        add_scaled(self.shift, x, y);
        Ok(())
    }
}

/// c·A.
///
/// ```
/// use ndarray::array;
/// use thalweg::curvature::{LinearOperator, Scaled};
/// let mut y = [0.0; 2];
/// Scaled::new(array![[1.0, 2.0], [2.0, 5.0]], -2.0).apply(&[1.0, 0.0], &mut y)?;
/// assert_eq!(y, [-2.0, -4.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scaled<A> {
    inner: A,
    factor: f64,
}

impl<A> Scaled<A> {
    /// `factor`·`inner`.
    pub fn new(inner: A, factor: f64) -> Self {
        Self { inner, factor }
    }
}

impl<F: Scalar, A: LinearOperator<F>> LinearOperator<F> for Scaled<A> {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        check_lengths(self.inner.dim(), x, y)?;
        self.inner.apply(x, y)?;
        let factor = F::from_f64(self.factor);
        y.iter_mut().for_each(|y| *y = *y * factor);
        Ok(())
    }
}

/// D^(-½)·A·D^(-½) for a positive diagonal D: what an optimizer that divides by D sees of A.
///
/// It has the eigenvalues of D⁻¹A, and is symmetric. For RMSprop and Adam, D is the root of the
/// averaged squares with its ε; see the example `spectrum`.
///
/// ```
/// use ndarray::array;
/// use thalweg::curvature::{LinearOperator, Preconditioned};
/// let mut jacobi = Preconditioned::new(array![[4.0, 2.0], [2.0, 9.0]], &[4.0, 9.0])?;
/// let mut y = [0.0; 2];
/// jacobi.apply(&[1.0, 0.0], &mut y)?;
/// assert!((y[0] - 1.0_f64).abs() < 1e-15 && (y[1] - 1.0 / 3.0).abs() < 1e-15);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Preconditioned<F, A> {
    inner: A,
    /// D^(-½)
    scale: Vec<F>,
    scaled: Vec<F>,
}

impl<F: Scalar, A: LinearOperator<F>> Preconditioned<F, A> {
    /// `inner` between two factors D^(-½); `diagonal` is D.
    ///
    /// # Errors
    /// If D has another length than A has rows, or an entry that is not positive and finite.
    pub fn new(inner: A, diagonal: &[F]) -> Result<Self, Error> {
        check_size("the diagonal", diagonal.len(), inner.dim())?;
        let scale: Vec<F> =
            diagonal.iter().map(|d| F::from_f64(1.0 / d.into_f64().sqrt())).collect();
        if let Some(i) = scale.iter().position(|s| !s.is_finite() || *s == F::zero()) {
            let value = diagonal[i].into_f64();
            let allowed = "entries that are positive and finite, and so 1/√d";
            return Err(Error::hyperparameter("Preconditioned", "diagonal", value, allowed));
        }
        Ok(Self { inner, scaled: vec![F::zero(); scale.len()], scale })
    }
}

impl<F: Scalar, A: LinearOperator<F>> LinearOperator<F> for Preconditioned<F, A> {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        check_lengths(self.scale.len(), x, y)?;
        for ((to, &x), &s) in self.scaled.iter_mut().zip(x).zip(&self.scale) {
            *to = s * x;
        }
        self.inner.apply(&self.scaled, y)?;
        for (y, &s) in y.iter_mut().zip(&self.scale) {
            *y = s * *y;
        }
        Ok(())
    }
}

/// A block of A on its diagonal: the rows and columns of some places, such as one layer's.
///
/// ```
/// use ndarray::array;
/// use thalweg::{curvature::{LinearOperator, Restricted}, params::Flatten};
///
/// let flatten = Flatten::of::<f64>(&(array![1.0], array![2.0, 3.0]))?;
/// let hessian = array![[1.0, 2.0, 3.0], [2.0, 5.0, 6.0], [3.0, 6.0, 9.0]];
/// let mut block = Restricted::to_leaves(hessian, &flatten, &["1"])?;
/// let mut y = [0.0; 2];
/// block.apply(&[1.0, 0.0], &mut y)?;
/// assert_eq!(y, [5.0, 6.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Restricted<F, A> {
    inner: A,
    ranges: Vec<Range<usize>>,
    dim: usize,
    x: Vec<F>,
    y: Vec<F>,
}

impl<F: Scalar, A: LinearOperator<F>> Restricted<F, A> {
    /// The rows and columns at these places, in this order.
    ///
    /// # Errors
    /// If a range ends after A does, or two of them overlap.
    pub fn new(inner: A, ranges: Vec<Range<usize>>) -> Result<Self, Error> {
        let n = inner.dim();
        let mut sorted = ranges.clone();
        sorted.sort_unstable_by_key(|range| range.start);
        let mut free = 0;
        for range in sorted {
            if range.start < free || range.end < range.start || range.end > n {
                let allowed = "ranges within the operator's rows that do not overlap";
                let at = range.start as f64;
                return Err(Error::hyperparameter("Restricted", "ranges", at, allowed));
            }
            free = range.end;
        }
        let dim = ranges.iter().map(Range::len).sum();
        Ok(Self { inner, ranges, dim, x: vec![F::zero(); n], y: vec![F::zero(); n] })
    }

    /// The block of the leaves of these names; `flatten` is where they lie.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownLeaf`](crate::ErrorKind::UnknownLeaf), and as [`new`](Self::new).
    pub fn to_leaves(inner: A, flatten: &Flatten, leaves: &[&str]) -> Result<Self, Error> {
        check_size("the tree", flatten.len(), inner.dim())?;
        let place = |&leaf: &&str| {
            flatten.range(leaf).ok_or_else(|| {
                let known = flatten.leaves().map(|(name, _, _)| name.to_owned()).collect();
                ErrorKind::UnknownLeaf { leaf: leaf.to_owned(), known }.into()
            })
        };
        Self::new(inner, leaves.iter().map(place).collect::<Result<_, Error>>()?)
    }
}

impl<F: Scalar, A: LinearOperator<F>> LinearOperator<F> for Restricted<F, A> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        check_lengths(self.dim, x, y)?;
        let mut at = 0;
        for range in &self.ranges {
            self.x[range.clone()].copy_from_slice(&x[at..at + range.len()]);
            at += range.len();
        }
        self.inner.apply(&self.x, &mut self.y)?;
        at = 0;
        for range in &self.ranges {
            y[at..at + range.len()].copy_from_slice(&self.y[range.clone()]);
            at += range.len();
        }
        check_finite("the operator's product", y)
    }
}
