//! What a least-squares problem is made of: residuals, and how they change with the parameters.

use std::marker::PhantomData;

use ndarray::{Array1, Array2};

use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::params::{Flatten, ParamsMut};
use crate::scalar::Scalar;
use crate::solvers::answer::{Matrix, Plain, Product};
use crate::solvers::flat::Flat;
use crate::solvers::flat::FlatMut;

/// Residuals r(w) of a tree of parameters, m numbers that are to be small, and their Jacobian
/// Jᵢⱼ = ∂rᵢ/∂wⱼ, m×n over the parameters' elements, row-major leaf after leaf.
///
/// A closure from the parameters to an array of residuals, or to a `Result` of one, is such, with its
/// Jacobian by [`Differences`] of the default kind, which the parameters must be `Clone` for. With a
/// Jacobian of your own: [`WithJacobian`]; with products of it alone, where it is too large to be a
/// matrix: [`WithProducts`].
///
/// A residual that is NaN or infinite says that they are not defined there: the step was too long.
///
/// ```
/// use ndarray::{Array1, Array2, array};
/// use thalweg::Error;
/// use thalweg::solvers::Stop;
/// use thalweg::solvers::least_squares::{LeastSquares, LevenbergMarquardt, Residuals, least_squares};
///
/// struct Rosenbrock;
/// impl Residuals<f64, Array1<f64>> for Rosenbrock {
///     fn residuals(&mut self, w: &Array1<f64>) -> Result<Array1<f64>, Error> {
///         Ok(array![10.0 * (w[1] - w[0] * w[0]), 1.0 - w[0]])
///     }
///     fn jacobian(&mut self, w: &Array1<f64>, _: &Array1<f64>) -> Result<Array2<f64>, Error> {
///         Ok(array![[-20.0 * w[0], 10.0], [-1.0, 0.0]])
///     }
/// }
/// let mut w = array![-1.2, 1.0];
/// let mut problem = LeastSquares::new(Rosenbrock);
/// least_squares(&mut LevenbergMarquardt::new(), &mut w, &mut problem, Stop::never())?;
/// assert!((w - 1.0).iter().all(|d| d.abs() < 1e-12));
/// # Ok::<(), Error>(())
/// ```
pub trait Residuals<F: Scalar, P: ?Sized> {
    /// r(w); always as many.
    ///
    /// # Errors
    /// Whatever makes going on pointless; the parameters are then as they were before.
    fn residuals(&mut self, params: &P) -> Result<Array1<F>, Error>;

    /// J(w), where the residuals are known.
    ///
    /// # Errors
    /// As [`residuals`](Residuals::residuals).
    fn jacobian(&mut self, params: &P, residuals: &Array1<F>) -> Result<Array2<F>, Error>;

    /// As [`jacobian`](Residuals::jacobian), for residuals that ask for others nearby, which are then to lie
    /// between l and u, ±∞ where there is no bound.
    ///
    /// # Errors
    /// As [`residuals`](Residuals::residuals).
    fn jacobian_within(
        &mut self,
        params: &P,
        residuals: &Array1<F>,
        lower: &[F],
        upper: &[F],
    ) -> Result<Array2<F>, Error> {
        let _ = (lower, upper);
        self.jacobian(params, residuals)
    }

    /// Whether products with J and Jᵀ are to take the place of the matrix wherever they can.
    fn has_products(&self) -> bool {
        false
    }

    /// Jv.
    ///
    /// # Errors
    /// As [`residuals`](Residuals::residuals).
    fn product(&mut self, params: &P, vector: Flat<'_, F>) -> Result<Array1<F>, Error> {
        let _ = (params, vector);
        Err(ErrorKind::NoJacobian.into())
    }

    /// Jᵀu, written into `product`.
    ///
    /// # Errors
    /// As [`residuals`](Residuals::residuals).
    fn transposed_product(
        &mut self,
        params: &P,
        vector: &Array1<F>,
        product: &mut FlatMut<'_, F>,
    ) -> Result<(), Error> {
        let _ = (params, vector, product);
        Err(ErrorKind::NoJacobian.into())
    }

    /// How often the residuals themselves are computed for a Jacobian of that many columns.
    fn evaluations_of_jacobian(&self, columns: usize) -> u64 {
        let _ = columns;
        0
    }
}

/// What a closure says that gives residuals: an array, or a `Result` of one.
pub trait Vector<F> {
    /// The array.
    ///
    /// # Errors
    /// The closure's own.
    fn vector(self) -> Result<Array1<F>, Error>;
}

impl<F> Vector<F> for Array1<F> {
    fn vector(self) -> Result<Self, Error> {
        Ok(self)
    }
}

impl<F, E> Vector<F> for Result<Array1<F>, E>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn vector(self) -> Result<Array1<F>, Error> {
        self.map_err(Error::other)
    }
}

impl<F, P, C, R> Residuals<F, P> for C
where
    F: Scalar,
    P: ParamsMut<F> + Clone,
    C: FnMut(&P) -> R,
    R: Vector<F>,
{
    fn residuals(&mut self, params: &P) -> Result<Array1<F>, Error> {
        self(params).vector()
    }

    fn jacobian(&mut self, params: &P, residuals: &Array1<F>) -> Result<Array2<F>, Error> {
        Differences::new(self).jacobian(params, residuals)
    }

    fn jacobian_within(
        &mut self,
        params: &P,
        residuals: &Array1<F>,
        lower: &[F],
        upper: &[F],
    ) -> Result<Array2<F>, Error> {
        Differences::new(self).jacobian_within(params, residuals, lower, upper)
    }

    fn evaluations_of_jacobian(&self, columns: usize) -> u64 {
        2 * columns as u64
    }
}

/// Residuals with a Jacobian by differences: (r(w + hⱼeⱼ) - r(w - hⱼeⱼ)) / 2hⱼ.
///
/// hⱼ = η·|wⱼ|, of an element that is 0 η times the largest of its leaf, or η. By default η is ε^⅓ for the
/// precision ε, the error about ε^⅔ of r, and a Jacobian takes 2n evaluations;
/// [`forward`](Differences::forward) differences, from w on alone, take n, with η = √ε and an error of
/// that size.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::Stop;
/// use thalweg::solvers::least_squares::{Differences, LeastSquares, LevenbergMarquardt, least_squares};
///
/// let residuals = |w: &Array1<f64>| array![10.0 * (w[1] - w[0] * w[0]), 1.0 - w[0]];
/// let mut problem = LeastSquares::new(Differences::new(residuals).forward());
/// let mut w = array![-1.2, 1.0];
/// least_squares(&mut LevenbergMarquardt::new(), &mut w, &mut problem, Stop::never())?;
/// assert!((w - 1.0).iter().all(|d| d.abs() < 1e-9));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Differences<C> {
    residuals: C,
    forward: bool,
    relative_step: Option<f64>,
}

impl<C> Differences<C> {
    /// Central differences of a closure's residuals.
    pub fn new(residuals: C) -> Self {
        Self { residuals, forward: false, relative_step: None }
    }

    /// Forward differences: half the evaluations, half the digits.
    #[must_use]
    pub fn forward(mut self) -> Self {
        self.forward = true;
        self
    }

    /// Sets η, the step relative to a parameter's size; in (0, ∞).
    #[must_use]
    pub fn relative_step(mut self, step: f64) -> Self {
        self.relative_step = Some(step);
        self
    }
}

impl<F, P, C, R> Residuals<F, P> for Differences<C>
where
    F: Scalar,
    P: ParamsMut<F> + Clone,
    C: FnMut(&P) -> R,
    R: Vector<F>,
{
    fn residuals(&mut self, params: &P) -> Result<Array1<F>, Error> {
        (self.residuals)(params).vector()
    }

    fn jacobian(&mut self, params: &P, residuals: &Array1<F>) -> Result<Array2<F>, Error> {
        let n = Flatten::of(params)?.len();
        let (lower, upper) = (vec![F::neg_infinity(); n], vec![F::infinity(); n]);
        self.jacobian_within(params, residuals, &lower, &upper)
    }

    fn jacobian_within(
        &mut self,
        params: &P,
        residuals: &Array1<F>,
        lower: &[F],
        upper: &[F],
    ) -> Result<Array2<F>, Error> {
        let epsilon = F::epsilon().into_f64();
        let usual = if self.forward { epsilon.sqrt() } else { epsilon.cbrt() };
        let eta = self.relative_step.unwrap_or(usual);
        Interval::POSITIVE.check::<F>("Differences", "relative_step", eta)?;
        let flatten = Flatten::of(params)?;
        let mut x = vec![F::zero(); flatten.len()];
        flatten.gather(params, &mut x)?;
        let mut varied = params.clone();
        let sizes = sizes(&flatten, &x);
        let mut jacobian = Array2::zeros((residuals.len(), x.len()));
        for (j, size) in sizes.into_iter().enumerate() {
            let at = x[j];
            let h = F::from_f64(eta * size);
            let ends = ((at + h).min(upper[j]), (at - h).max(lower[j]));
            let (mut above, mut below) = ends;
            // The column of an element that has no room is not asked for.
            if above <= below {
                continue;
            }
            if self.forward && above - at >= at - below {
                below = at;
            } else if self.forward {
                above = at;
            }
            let mut moved = |to: F| -> Result<Array1<F>, Error> {
                if to == at {
                    return Ok(residuals.clone());
                }
                x[j] = to;
                flatten.scatter(&x, &mut varied)?;
                x[j] = at;
                alike((self.residuals)(&varied).vector()?, residuals.len())
            };
            let is_finite = |r: &Array1<F>| r.iter().all(|r| r.is_finite());
            let (mut up, mut down) = (moved(above)?, moved(below)?);
            // At the edge of where r is defined, what lies on the other side must do.
            if !is_finite(&up) {
                below = ends.1;
                (above, up, down) = (at, residuals.clone(), moved(below)?);
            } else if !is_finite(&down) {
                above = ends.0;
                (below, down, up) = (at, residuals.clone(), moved(above)?);
            }
            let column = (up - down).mapv(|d| d / (above - below));
            jacobian.column_mut(j).assign(&column);
        }
        Ok(jacobian)
    }

    fn evaluations_of_jacobian(&self, columns: usize) -> u64 {
        columns as u64 * if self.forward { 1 } else { 2 }
    }
}

/// The size of each element: its own, where it is 0 that of the largest of its leaf, else 1.
fn sizes<F: Scalar>(flatten: &Flatten, x: &[F]) -> Vec<f64> {
    let mut sizes = Vec::with_capacity(x.len());
    for (_, _, range) in flatten.leaves() {
        let leaf = &x[range];
        let largest = leaf.iter().fold(0.0, |m: f64, x| m.max(x.abs().into_f64()));
        let other = if largest > 0.0 { largest } else { 1.0 };
        sizes.extend(leaf.iter().map(|x| {
            let own = x.abs().into_f64();
            if own > 0.0 { own } else { other }
        }));
    }
    sizes
}

/// Residuals of that number.
pub(super) fn alike<F>(residuals: Array1<F>, expected: usize) -> Result<Array1<F>, Error> {
    let found = residuals.len();
    if found == expected {
        Ok(residuals)
    } else {
        Err(ErrorKind::Size { what: "the residuals", found, expected }.into())
    }
}

/// Residuals with a closure that gives their Jacobian as a matrix.
///
/// Either closure may return a `Result`.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::Stop;
/// use thalweg::solvers::least_squares::{LeastSquares, LevenbergMarquardt, WithJacobian, least_squares};
///
/// let mut problem = LeastSquares::new(WithJacobian::new(
///     |w: &Array1<f64>| array![10.0 * (w[1] - w[0] * w[0]), 1.0 - w[0]],
///     |w: &Array1<f64>| array![[-20.0 * w[0], 10.0], [-1.0, 0.0]],
/// ));
/// let mut w = array![-1.2, 1.0];
/// let fit = least_squares(&mut LevenbergMarquardt::new(), &mut w, &mut problem, Stop::never())?;
/// assert!(fit.report().status.is_success());
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WithJacobian<C, J> {
    residuals: C,
    jacobian: J,
}

impl<C, J> WithJacobian<C, J> {
    /// r(w) and J(w).
    pub fn new<P: ?Sized, R, M>(residuals: C, jacobian: J) -> Self
    where
        C: FnMut(&P) -> R,
        J: FnMut(&P) -> M,
    {
        Self { residuals, jacobian }
    }
}

impl<F, P, C, R, J, M> Residuals<F, P> for WithJacobian<C, J>
where
    F: Scalar,
    P: ?Sized,
    C: FnMut(&P) -> R,
    R: Vector<F>,
    J: FnMut(&P) -> M,
    M: Matrix<F>,
{
    fn residuals(&mut self, params: &P) -> Result<Array1<F>, Error> {
        (self.residuals)(params).vector()
    }

    fn jacobian(&mut self, params: &P, _: &Array1<F>) -> Result<Array2<F>, Error> {
        (self.jacobian)(params).matrix()
    }
}

/// Residuals with closures for Jv and Jᵀu, where J is too large to be kept as a matrix, or is never
/// made: forward mode and back-propagation.
///
/// [`NewtonCg`](crate::solvers::NewtonCg) takes these as they are: its Hessian is then JᵀJ, Gauss and
/// Newton's. A solver that factors J makes it of n products.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{Flat, NewtonCg, Stop, minimize};
/// use thalweg::solvers::least_squares::{LeastSquares, WithProducts};
///
/// let mut problem = LeastSquares::new(WithProducts::new(
///     |w: &Array1<f64>| array![10.0 * (w[1] - w[0] * w[0]), 1.0 - w[0]],
///     |w: &Array1<f64>, v: Flat<'_, f64>| {
///         let v = v.as_slice();
///         array![10.0 * (v[1] - 2.0 * w[0] * v[0]), -v[0]]
///     },
///     |w: &Array1<f64>, u: &Array1<f64>| array![-20.0 * w[0] * u[0] - u[1], 10.0 * u[0]],
/// ));
/// let mut w = array![-1.2, 1.0];
/// let report = minimize(&mut NewtonCg::new(), &mut w, &mut problem, Stop::default())?;
/// assert!(report.status.is_success() && (w[0] - 1.0).abs() < 1e-6);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WithProducts<C, J, T, K = Plain> {
    residuals: C,
    product: J,
    transposed: T,
    kind: PhantomData<K>,
}

impl<C, J, T, K> WithProducts<C, J, T, K> {
    /// r(w), Jv and Jᵀu; the last is a tree of the parameters' leaves, or a `Result` of one.
    pub fn new<F, P, R, V, G>(residuals: C, product: J, transposed: T) -> Self
    where
        F: Scalar,
        P: ?Sized,
        C: FnMut(&P) -> R,
        J: FnMut(&P, Flat<'_, F>) -> V,
        T: FnMut(&P, &Array1<F>) -> G,
        G: Product<F, K>,
    {
        Self { residuals, product, transposed, kind: PhantomData }
    }
}

impl<F, P, C, R, J, V, T, G, K> Residuals<F, P> for WithProducts<C, J, T, K>
where
    F: Scalar,
    P: ParamsMut<F>,
    C: FnMut(&P) -> R,
    R: Vector<F>,
    J: FnMut(&P, Flat<'_, F>) -> V,
    V: Vector<F>,
    T: FnMut(&P, &Array1<F>) -> G,
    G: Product<F, K>,
{
    fn residuals(&mut self, params: &P) -> Result<Array1<F>, Error> {
        (self.residuals)(params).vector()
    }

    fn jacobian(&mut self, params: &P, residuals: &Array1<F>) -> Result<Array2<F>, Error> {
        let flatten = Flatten::of(params)?;
        let mut unit = vec![F::zero(); flatten.len()];
        let mut jacobian = Array2::zeros((residuals.len(), unit.len()));
        for j in 0..unit.len() {
            unit[j] = F::one();
            let column = (self.product)(params, Flat::new(&flatten, &unit)).vector()?;
            unit[j] = F::zero();
            jacobian.column_mut(j).assign(&alike(column, residuals.len())?);
        }
        Ok(jacobian)
    }

    fn has_products(&self) -> bool {
        true
    }

    fn product(&mut self, params: &P, vector: Flat<'_, F>) -> Result<Array1<F>, Error> {
        (self.product)(params, vector).vector()
    }

    fn transposed_product(
        &mut self,
        params: &P,
        vector: &Array1<F>,
        product: &mut FlatMut<'_, F>,
    ) -> Result<(), Error> {
        (self.transposed)(params, vector).write_to(product)
    }
}
