//! Condition numbers, and the learning rates that a spectrum allows.

use std::fmt;

use super::adaptors::Restricted;
use super::lanczos::{Lanczos, Look, Verdict, default_products};
use super::operator::{LinearOperator, check_dim, product};
use crate::error::Error;
use crate::params::Flatten;
use crate::scalar::Scalar;
use crate::vector::{add_scaled, dot, norm};

/// Up to so many rows every eigenvalue is had where less does not tell: about a second.
const WHOLE: usize = 1024;
/// And up to so many where both signs were seen, of which a search by products would tell less.
const SIGNS: usize = 2048;
/// Of more rows than this the entries are taken, of fewer a basis.
#[cfg(feature = "linalg")]
const DENSE: usize = 256;

/// A number and how far it may be off: the true one is in value ± bound.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Bounded {
    /// The estimate.
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))]
    pub value: f64,
    /// The most that it is off by.
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HeavyBall {
    /// α = 4 / (√λ_max + √λ_min)²
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))]
    pub learning_rate: f64,
    /// γ = ((√κ - 1) / (√κ + 1))²
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))]
    pub momentum: f64,
    /// √γ, by which the error shrinks a step in the long run.
    #[cfg_attr(feature = "serde", serde(with = "crate::state::format::plain"))]
    pub rate: f64,
}

impl Condition {
    /// From the extreme eigenvalues by [`Lanczos`].
    ///
    /// Where 0 may lie within the bound of the smallest, up to 1024 rows get every eigenvalue, by a
    /// basis of the whole space or by a factorization: n products, n² numbers and n³ operations;
    /// where they have both signs, up to 2048 rows do. For more
    /// rows, the smallest |λ| of both signs is looked for by the lowest eigenvalue of A². A
    /// search whose residual does not fall fast enough to tell λ from 0 within its products is
    /// given up early; then [`converged`](Self::converged) is false, and
    /// [`absolute_range`](Self::absolute_range) says how much is known.
    ///
    /// If only the highest is of interest, [`stable_learning_rate`] is much cheaper.
    ///
    /// # Errors
    /// As [`Lanczos::run`].
    pub fn of<F: Scalar>(operator: impl LinearOperator<F>) -> Result<Self, Error> {
        Self::with(operator, None)
    }

    /// As [`of`](Self::of), with that most vectors in a basis that is restarted: more find hard
    /// ends sooner.
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
        let n = check_dim(&operator)?;
        let vectors = basis.unwrap_or(44);
        let lanczos = |lowest, highest| Lanczos::ends(lowest, highest).basis(vectors);
        if n <= vectors {
            return Self::whole(&mut operator);
        }
        let most = if n <= WHOLE { n } else { default_products(vectors) };
        let mut patience = Patience::default();
        let mut judge = |look: &Look| patience.judge(look);
        let found = lanczos(1, 1).max_products(most).judged(&mut operator, &mut judge)?;
        let (found, floor) = (found.spectrum, found.floor);
        let ends = [&found.lowest[0], &found.highest[0]]
            .map(|pair| Bounded { value: pair.value, bound: pair.bound });
        let mut condition = Self::of_ends(ends, found.converged);
        let definite = ends[0].low() > 0.0 || ends[1].high() < 0.0;
        // Nothing tells less than this from 0.
        let zero = |end: Bounded| end.value.abs() <= end.bound && end.bound <= 2.0 * floor;
        if found.converged && (definite || ends.into_iter().any(zero)) {
            return Ok(condition);
        }
        let both = ends[0].high() < 0.0 && ends[1].low() > 0.0;
        if n <= WHOLE || both && n <= SIGNS {
            return Self::whole(&mut operator);
        }
        if both {
            let smallest = Inner::new(&mut operator).find(&lanczos(1, 0).vectors(true), most)?;
            condition.smallest = smallest.0;
            condition.converged &= smallest.1;
        }
        Ok(condition)
    }

    /// From every eigenvalue.
    fn whole<F: Scalar>(operator: &mut impl LinearOperator<F>) -> Result<Self, Error> {
        #[cfg(feature = "linalg")]
        if operator.dim() > DENSE {
            return Self::dense(operator);
        }
        let found = Lanczos::whole(operator)?;
        let all = found.all.unwrap_or_default();
        let ends = [&found.spectrum.lowest[0], &found.spectrum.highest[0]]
            .map(|pair| Bounded { value: pair.value, bound: pair.bound });
        let incomplete = || Self::of_ends(ends, false);
        Ok(Self::of_eigenvalues(&all, found.floor).unwrap_or_else(incomplete))
    }

    /// From every entry: a factorization is faster than so large a basis.
    #[cfg(feature = "linalg")]
    fn dense<F: Scalar>(operator: &mut impl LinearOperator<F>) -> Result<Self, Error> {
        let n = operator.dim();
        let dense = super::Dense::of(operator)?;
        let all = dense.eigenvalues()?;
        let largest = all.iter().fold(0.0_f64, |max, value| max.max(value.abs()));
        let square: f64 = all.iter().map(|value| value * value).sum();
        let rounding = F::epsilon().into_f64() * largest * (20.0 + 2.0 * (n as f64).sqrt());
        let bound = rounding + dense.defect() * square.sqrt();
        let incomplete = || Self::of_ends([Bounded { value: f64::NAN, bound: 0.0 }; 2], false);
        Ok(Self::of_eigenvalues(&all, bound).unwrap_or_else(incomplete))
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

    /// κ = λ_max / λ_min: negative if there are both signs, infinite if λ_min is 0 as far as its
    /// bound can tell.
    pub fn signed(&self) -> f64 {
        let Bounded { value, bound } = self.lowest;
        if value.abs() <= bound { f64::INFINITY } else { self.highest.value / value }
    }

    /// κ = max |λ| / min |λ|, infinite if min |λ| is 0 as far as its bound can tell.
    ///
    /// Where that is infinite, the low end of [`absolute_range`](Self::absolute_range) says what κ
    /// is at least.
    pub fn absolute(&self) -> f64 {
        let Bounded { value, bound } = self.smallest;
        if value <= bound { f64::INFINITY } else { self.largest.value / value }
    }

    /// The lowest and the highest that [`absolute`](Self::absolute) can be, by the bounds; the
    /// highest is infinite where 0 is within the bound of min |λ|.
    pub fn absolute_range(&self) -> (f64, f64) {
        let least = self.smallest.low();
        let high = if least > 0.0 { self.largest.high() / least } else { f64::INFINITY };
        let most = self.smallest.high();
        let low = if most > 0.0 { self.largest.low() / most } else { f64::INFINITY };
        (low.max(1.0), high)
    }

    /// 2/λ_max: plain descent on the quadratic diverges above it; infinite unless λ_max is positive.
    ///
    /// λ_max is taken at the high end of its bound.
    pub fn stable_learning_rate(&self) -> f64 {
        let highest = self.highest.high();
        if highest > 0.0 { 2.0 / highest } else { f64::INFINITY }
    }

    /// The best α and γ of heavy-ball momentum; `None` unless λ_min is positive, by more than its
    /// bound.
    ///
    /// Source: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    pub fn momentum(&self) -> Option<HeavyBall> {
        if self.lowest.low() <= 0.0 {
            return None;
        }
        let [low, high] = [self.lowest.value, self.highest.value].map(f64::sqrt);
        let rate = (high - low) / (high + low);
        Some(HeavyBall {
            learning_rate: 4.0 / ((high + low) * (high + low)),
            momentum: rate * rate,
            rate,
        })
    }
}

/// 2/λ_max: plain descent on the quadratic diverges above it; infinite unless λ_max is positive.
///
/// By the highest eigenvalue alone, at the high end of its bound: some tens of products as a rule.
///
/// ```
/// use ndarray::array;
/// use thalweg::curvature::stable_learning_rate;
/// let rate = stable_learning_rate(array![[100.0, 0.0], [0.0, 1.0]])?;
/// assert!((rate - 0.02).abs() < 1e-9);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// As [`Lanczos::run`].
pub fn stable_learning_rate<F: Scalar>(mut operator: impl LinearOperator<F>) -> Result<f64, Error> {
    let found = Lanczos::ends(0, 1).run(&mut operator)?;
    let highest = found.highest[0].value + found.highest[0].bound;
    Ok(if highest > 0.0 { 2.0 / highest } else { f64::INFINITY })
}

impl fmt::Display for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4e} ± {:.0e}", self.value, self.bound)
    }
}

/// The eigenvalues on the ends, and what follows from them.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.absolute_range();
        write!(f, "λ from {} to {}, ", self.lowest, self.highest)?;
        write!(f, "condition number {:.3e} (in {low:.3e} to {high:.3e}), ", self.absolute())?;
        write!(f, "stable below a learning rate of {:.3e}", self.stable_learning_rate())?;
        f.write_str(if self.converged { "" } else { "; not converged" })
    }
}

/// Ends a search early that will not tell the smallest eigenvalue from 0.
///
/// An estimate falls as the square of the products while it is far above λ, and levels off before λ
/// is told from 0. One that still falls so after 20 restarts of a usual basis wants more products
/// than there are.
#[derive(Default)]
struct Patience {
    /// The estimates of the end next to 0, a restart each.
    values: Vec<f64>,
}

impl Patience {
    const RESTARTS: usize = 20;

    fn judge(&mut self, look: &Look) -> Verdict {
        let above = look.lowest.filter(|(low, _)| *low > 0.0);
        let below = look.highest.filter(|(high, _)| *high < 0.0);
        let Some((value, residual)) = above.or(below) else { return Verdict::Usual };
        let value = value.abs();
        let rough = |end: Option<(f64, f64)>| end.is_some_and(|(x, bound)| bound > 1e-3 * x.abs());
        if look.full {
            self.values.push(value);
            let (count, far) =
                (self.values.len(), if above.is_some() { look.highest } else { look.lowest });
            if count >= Self::RESTARTS
                && value < 0.4 * self.values[count / 2 - 1]
                && residual > 3.0 * value
                && !rough(far)
            {
                return Verdict::GiveUp;
            }
        }
        // Within the tolerance, and yet not told from 0.
        if look.met && value > look.floor && residual > look.floor.max(0.01 * value) {
            return Verdict::GoOn;
        }
        Verdict::Usual
    }
}

/// The search for the smallest |λ| between eigenvalues of both signs.
struct Inner<'a, F, A> {
    operator: &'a mut A,
    between: Vec<F>,
}

impl<'a, F: Scalar, A: LinearOperator<F>> Inner<'a, F, A> {
    fn new(operator: &'a mut A) -> Self {
        let between = vec![F::zero(); operator.dim()];
        Self { operator, between }
    }

    /// min |λ|, and whether the search has converged.
    fn find(mut self, lanczos: &Lanczos, most: usize) -> Result<(Bounded, bool), Error> {
        let mut patience = Patience::default();
        let mut judge = |look: &Look| patience.judge(look);
        let lanczos = lanczos.clone().max_products(most);
        let found = lanczos.judged(&mut self, &mut judge)?.spectrum;
        let pair = &found.lowest[0];
        let [least, most] =
            [pair.value - pair.bound, pair.value + pair.bound].map(|square| square.max(0.0).sqrt());
        // A² knows half of the digits; A has the others.
        let (value, bound) = match &pair.vector {
            Some(v) => nearest_zero(self.operator, v)?,
            None => (f64::INFINITY, 0.0),
        };
        let high = most.min(value + bound);
        let value = value.min(high);
        let low = if found.converged { least.max(value - bound).min(value) } else { 0.0 };
        Ok((Bounded { value, bound: (high - value).max(value - low) }, found.converged))
    }
}

/// A²
impl<F: Scalar, A: LinearOperator<F>> LinearOperator<F> for Inner<'_, F, A> {
    fn dim(&self) -> usize {
        self.between.len()
    }

    fn apply(&mut self, x: &[F], y: &mut [F]) -> Result<(), Error> {
        self.operator.apply(x, &mut self.between)?;
        self.operator.apply(&self.between, y)
    }
}

/// The |θ| next to 0 of A on the span of v and Av, and the residual: there is an eigenvalue as near.
fn nearest_zero<F: Scalar>(
    operator: &mut impl LinearOperator<F>,
    v: &[F],
) -> Result<(f64, f64), Error> {
    let n = v.len();
    let [mut av, mut q, mut aq] = [(); 3].map(|()| vec![F::zero(); n]);
    product(operator, v, &mut av)?;
    q.copy_from_slice(&av);
    let a = dot(v, &av);
    for _ in 0..2 {
        add_scaled(-dot(v, &q), v, &mut q);
    }
    let b = norm(&q);
    let mut best = (a.abs(), b);
    if b > 0.0 {
        q.iter_mut().for_each(|q| *q = F::from_f64(q.into_f64() / b));
        product(operator, &q, &mut aq)?;
        let f = dot(&q, &aq);
        let (half, root) = (0.5 * (a - f), (0.5 * (a - f)).hypot(b));
        for theta in [0.5 * (a + f) + root, 0.5 * (a + f) - root] {
            // (b, θ - a) is the eigenvector, and so is (θ - f, b): the longer one is exact.
            let (x, y) = if half * (theta - f) >= 0.0 { (theta - f, b) } else { (b, theta - a) };
            let length = x.hypot(y);
            let (x, y) = (x / length, y / length);
            let part = |i: usize| {
                let [v, q, av, aq] = [v[i], q[i], av[i], aq[i]].map(F::into_f64);
                (x * av + y * aq) - theta * (x * v + y * q)
            };
            let residual = (0..n).map(|i| part(i) * part(i)).sum::<f64>().sqrt();
            if theta.abs() + residual < best.0 + best.1 {
                best = (theta.abs(), residual);
            }
        }
    }
    let rounding = F::epsilon().into_f64() * norm(&av).max(b) * (20.0 + 2.0 * (n as f64).sqrt());
    Ok((best.0, best.1 + rounding))
}
