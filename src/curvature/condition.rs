//! Condition numbers, and the learning rates that a spectrum allows.

use super::adaptors::Restricted;
use super::lanczos::Lanczos;
use super::operator::{LinearOperator, check_dim};
use crate::error::Error;
use crate::params::Flatten;
use crate::scalar::Scalar;

/// A number and how far it may be off: the true one is in value ± bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounded {
    /// The estimate.
    pub value: f64,
    /// The most that it is off by.
    pub bound: f64,
}

impl Bounded {
    fn low(self) -> f64 {
        self.value - self.bound
    }

    fn high(self) -> f64 {
        self.value + self.bound
    }
}

/// How badly a symmetric operator is conditioned, and what learning rates it allows.
///
/// A descent with rate α shrinks the error along each eigenvector by 1 - αλ a step: it is stable
/// below 2/λ_max and slow along small λ. The ratio of the two is the condition number.
///
/// ```
/// use ndarray::array;
/// use thalweg::curvature::{Condition, Preconditioned};
///
/// let hessian = array![[100.0, 0.0], [0.0, 1.0]];
/// let plain = Condition::of(hessian.clone())?;
/// assert!((plain.signed() - 100.0).abs() < 1e-9);
/// assert!((plain.stable_learning_rate() - 0.02).abs() < 1e-9);
/// let momentum = plain.momentum().unwrap();
/// assert!((momentum.momentum - 81.0 / 121.0).abs() < 1e-9);
///
/// // Divided by its diagonal, it is perfect.
/// let better = Condition::of(Preconditioned::new(hessian, &[100.0, 1.0])?)?;
/// assert!((better.signed() - 1.0).abs() < 1e-9);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    /// λ_min
    pub lowest: Bounded,
    /// λ_max
    pub highest: Bounded,
    /// min |λ|
    pub smallest: Bounded,
    /// max |λ|
    pub largest: Bounded,
    /// Whether every eigenvalue met the tolerance of the iteration; the bounds hold anyway.
    pub converged: bool,
}

/// The best step of Polyak's momentum, Δw = -α·g + γ·Δw₋, on a quadratic of that spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeavyBall {
    /// α = 4 / (√λ_max + √λ_min)²
    pub learning_rate: f64,
    /// γ = ((√κ - 1) / (√κ + 1))²
    pub momentum: f64,
    /// √γ, by which the error shrinks a step in the long run.
    pub rate: f64,
}

impl Condition {
    /// From the extreme eigenvalues by [`Lanczos`], and, where they have both signs, from the
    /// lowest of A², whose root is min |λ|.
    ///
    /// # Errors
    /// As [`Lanczos::run`].
    pub fn of<F: Scalar>(operator: impl LinearOperator<F>) -> Result<Self, Error> {
        Self::with(operator, None)
    }

    /// As [`of`](Self::of), with that most vectors in the basis: more find hard ends sooner.
    ///
    /// # Errors
    /// As [`Lanczos::run`].
    pub fn with_basis<F: Scalar>(
        operator: impl LinearOperator<F>,
        vectors: usize,
    ) -> Result<Self, Error> {
        Self::with(operator, Some(vectors))
    }

    fn with<F: Scalar>(
        mut operator: impl LinearOperator<F>,
        basis: Option<usize>,
    ) -> Result<Self, Error> {
        let lanczos = |lowest, highest| match basis {
            Some(vectors) => Lanczos::ends(lowest, highest).basis(vectors),
            None => Lanczos::ends(lowest, highest),
        };
        let found = lanczos(1, 1).run(&mut operator)?;
        let ends = [&found.lowest[0], &found.highest[0]]
            .map(|pair| Bounded { value: pair.value, bound: pair.bound });
        let mut condition = Self::of_ends(ends, found.converged);
        if ends[0].low() <= 0.0 && ends[1].high() >= 0.0 {
            let n = check_dim(&operator)?;
            let mut squared = Squared { inner: operator, between: vec![F::zero(); n] };
            let found = lanczos(1, 0).run(&mut squared)?;
            let pair = &found.lowest[0];
            let root = |square: f64| square.max(0.0).sqrt();
            let value = root(pair.value);
            let (low, high) = (root(pair.value - pair.bound), root(pair.value + pair.bound));
            condition.smallest = Bounded { value, bound: (high - value).max(value - low) };
            condition.converged &= found.converged;
        }
        Ok(condition)
    }

    /// From all eigenvalues of a matrix, of which each may be off by `bound`.
    ///
    /// `None` if there are none.
    ///
    /// ```
    /// use thalweg::curvature::Condition;
    /// let condition = Condition::of_eigenvalues(&[-1.0, 0.5, 4.0], 0.0).unwrap();
    /// assert_eq!((condition.signed(), condition.absolute()), (-4.0, 8.0));
    /// ```
    pub fn of_eigenvalues(eigenvalues: &[f64], bound: f64) -> Option<Self> {
        let by = |key: fn(f64) -> f64| {
            eigenvalues.iter().copied().min_by(|a, b| key(*a).total_cmp(&key(*b)))
        };
        let [lowest, highest, smallest] = [by(|x| x)?, by(|x| -x)?, by(f64::abs)?.abs()];
        let bounded = |value| Bounded { value, bound };
        let mut condition = Self::of_ends([lowest, highest].map(bounded), true);
        condition.smallest = bounded(smallest);
        Some(condition)
    }

    fn of_ends([lowest, highest]: [Bounded; 2], converged: bool) -> Self {
        let [low, high] = [lowest, highest].map(|b| Bounded { value: b.value.abs(), ..b });
        let (smallest, largest) = if low.value <= high.value { (low, high) } else { (high, low) };
        Self { lowest, highest, smallest, largest, converged }
    }

    /// The condition of the block of each leaf of a tree, by name.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::{curvature::Condition, params::Flatten};
    /// let flatten = Flatten::of::<f64>(&(array![0.0, 0.0], array![0.0]))?;
    /// let hessian = array![[1.0, 0.0, 9.0], [0.0, 7.0, 9.0], [9.0, 9.0, 5.0]];
    /// let blocks = Condition::per_leaf(hessian, &flatten)?;
    /// assert!(blocks[0].0 == "0" && (blocks[0].1.signed() - 7.0).abs() < 1e-9);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`of`](Self::of); leaves without elements are left out.
    pub fn per_leaf<F: Scalar>(
        mut operator: impl LinearOperator<F>,
        flatten: &Flatten,
    ) -> Result<Vec<(String, Self)>, Error> {
        let mut all = Vec::new();
        for (name, _, range) in flatten.leaves().filter(|(_, _, range)| !range.is_empty()) {
            let block = Restricted::new(&mut operator, vec![range])?;
            all.push((name.to_owned(), Self::of(block)?));
        }
        Ok(all)
    }

    /// κ = λ_max / λ_min: negative if there are both signs, infinite if λ_min is 0.
    pub fn signed(&self) -> f64 {
        self.highest.value / self.lowest.value
    }

    /// κ = max |λ| / min |λ|, infinite if an eigenvalue is 0.
    pub fn absolute(&self) -> f64 {
        self.largest.value / self.smallest.value
    }

    /// The lowest and the highest that [`absolute`](Self::absolute) can be, by the bounds; the
    /// highest is infinite where 0 is within the bound of min |λ|.
    pub fn absolute_range(&self) -> (f64, f64) {
        let low = self.largest.low() / self.smallest.high();
        let least = self.smallest.low();
        (low.max(1.0), if least > 0.0 { self.largest.high() / least } else { f64::INFINITY })
    }

    /// 2/λ_max: plain descent on the quadratic diverges above it; infinite unless λ_max is positive.
    ///
    /// λ_max is taken at the high end of its bound.
    pub fn stable_learning_rate(&self) -> f64 {
        let highest = self.highest.high();
        if highest > 0.0 { 2.0 / highest } else { f64::INFINITY }
    }

    /// The best α and γ of heavy-ball momentum; `None` unless λ_min is positive.
    ///
    /// Source: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    pub fn momentum(&self) -> Option<HeavyBall> {
        let [low, high] = [self.lowest.value, self.highest.value].map(f64::sqrt);
        // The root of a negative number is NaN.
        if low.is_nan() || low <= 0.0 {
            return None;
        }
        let rate = (high - low) / (high + low);
        Some(HeavyBall {
            learning_rate: 4.0 / ((high + low) * (high + low)),
            momentum: rate * rate,
            rate,
        })
    }
}

/// A²
struct Squared<F, A> {
    inner: A,
    between: Vec<F>,
}

impl<F: Scalar, A: LinearOperator<F>> LinearOperator<F> for Squared<F, A> {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        self.inner.apply(x, &mut self.between)?;
        self.inner.apply(&self.between, y)
    }
}
