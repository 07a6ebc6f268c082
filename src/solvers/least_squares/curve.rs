//! Curves through points.

use ndarray::{Array1, Array2};

use super::fit::{Fit, least_squares_within};
use super::levenberg_marquardt::LevenbergMarquardt;
use super::problem::LeastSquares;
use super::residuals::{Differences, Residuals};
use super::robust::Robust;
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::params::{Bounds, Flatten, Params, ParamsMut};
use crate::scalar::Scalar;
use crate::solvers::stop::Stop;

/// Fits a curve ŷ = f(x, w) to points (x, y) by least squares, from the parameters' values on.
///
/// The derivatives by w are differences of f. With errors of the observations, outliers, derivatives of
/// your own, names for the table: [`CurveFit`].
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::least_squares::curve_fit;
///
/// let x = Array1::linspace(0.0, 4.0, 50);
/// let y = x.mapv(|x: f64| 3.0 * (-1.5 * x).exp() + 0.5);
/// let decay = |x: &f64, w: &Array1<f64>| w[0] * (-w[1] * x).exp() + w[2];
/// let mut w = array![1.0, 1.0, 0.0];
/// let fit = curve_fit(decay, &x, &y, &mut w)?;
/// assert!((w - array![3.0, 1.5, 0.5]).iter().all(|d| d.abs() < 1e-9));
/// println!("{fit}");
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// As [`CurveFit::fit`].
pub fn curve_fit<'y, F, P, X>(
    curve: impl FnMut(X, &P) -> F,
    x: impl IntoIterator<Item = X>,
    y: impl IntoIterator<Item = &'y F>,
    params: &mut P,
) -> Result<Fit, Error>
where
    F: Scalar,
    P: ParamsMut<F> + Clone,
    X: Clone,
{
    CurveFit::new(x, y).fit(curve, params)
}

/// Points that a curve is fitted to, and what is known of them.
///
/// x may be anything that can be cloned: a number, a reference, a row of a matrix. The solver is
/// [`LevenbergMarquardt`].
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::least_squares::{CurveFit, Robust};
///
/// struct Line {
///     offset: Array1<f64>,
///     slope: Array1<f64>,
/// }
/// thalweg::params!(Line: f64 { offset, slope });
///
/// let x = array![0.0, 1.0, 2.0, 3.0, 4.0];
/// let y = array![1.0, 3.0, 5.0, 7.0, 90.0]; // the last one is wrong
/// let mut line = Line { offset: array![0.0], slope: array![1.0] };
/// let fit = CurveFit::new(&x, &y).loss(Robust::Huber(0.1)).fit_with_gradient(
///     |x: &f64, line: &Line| line.offset[0] + line.slope[0] * x,
///     |x: &f64, _: &Line| Line { offset: array![1.0], slope: array![*x] },
///     &mut line,
/// )?;
/// assert!((line.slope[0] - 2.0).abs() < 0.2);
/// assert_eq!(fit.estimates()[1].name, "slope");
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CurveFit<F: Scalar, X> {
    x: Vec<X>,
    y: Vec<F>,
    errors: Option<Vec<F>>,
    absolute: bool,
    loss: Robust,
    bounds: Bounds<F>,
    names: Vec<String>,
    evaluations: u64,
    forward: bool,
}

impl<F: Scalar, X: Clone> CurveFit<F, X> {
    /// Points x and what was observed there.
    pub fn new<'y>(x: impl IntoIterator<Item = X>, y: impl IntoIterator<Item = &'y F>) -> Self {
        Self {
            x: x.into_iter().collect(),
            y: y.into_iter().copied().collect(),
            errors: None,
            absolute: false,
            loss: Robust::Squares,
            bounds: Bounds::new(),
            names: Vec::new(),
            evaluations: 10_000,
            forward: false,
        }
    }

    /// Sets the standard deviation σ of each observation, up to a factor that all have in common: a
    /// residual is then (ŷ - y)/σ. In (0, ∞).
    #[must_use]
    pub fn sigma<'s>(mut self, sigma: impl IntoIterator<Item = &'s F>) -> Self {
        self.errors = Some(sigma.into_iter().copied().collect());
        self
    }

    /// As [`sigma`](CurveFit::sigma), in the units of y: the standard errors do then not depend on how
    /// large the residuals turn out.
    #[must_use]
    pub fn absolute_sigma<'s>(self, sigma: impl IntoIterator<Item = &'s F>) -> Self {
        Self { absolute: true, ..self.sigma(sigma) }
    }

    /// Sets what a residual costs, for points of which some are wrong.
    #[must_use]
    pub fn loss(mut self, loss: Robust) -> Self {
        self.loss = loss;
        self
    }

    /// Keeps the parameters within bounds; the curve is asked for no others.
    #[must_use]
    pub fn bounds(mut self, bounds: Bounds<F>) -> Self {
        self.bounds = bounds;
        self
    }

    /// Calls the parameters' elements by these names in the table, row-major leaf after leaf.
    #[must_use]
    pub fn names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Takes the derivatives by forward differences: half the evaluations of the curve, half the digits.
    #[must_use]
    pub fn forward_differences(mut self) -> Self {
        self.forward = true;
        self
    }

    /// No more evaluations than that, of residuals and of Jacobians; 10 000 by default.
    #[must_use]
    pub fn evaluations(mut self, limit: u64) -> Self {
        self.evaluations = limit;
        self
    }

    /// Fits a curve ŷ = f(x, w), from the parameters' values on, with derivatives by differences.
    ///
    /// # Errors
    /// Another number of y, or of σ, than of x; an observation or a parameter that is not finite, or an x by which the
    /// curve is not; a σ that is not above 0; fewer points than parameters; and as
    /// [`least_squares`](super::least_squares()). The parameters are then as they were.
    pub fn fit<P>(self, mut curve: impl FnMut(X, &P) -> F, params: &mut P) -> Result<Fit, Error>
    where
        P: ParamsMut<F> + Clone,
    {
        let residuals = |w: &P| self.residuals(&mut curve, w);
        let by = Differences::new(residuals);
        let by = if self.forward { by.forward() } else { by };
        self.solve(by, params)
    }

    /// Fits a curve ŷ = f(x, w) with its derivatives ∂f/∂w, a tree of the parameters' leaves for each x.
    ///
    /// # Errors
    /// As [`fit`](CurveFit::fit), and a tree of other leaves.
    pub fn fit_with_gradient<P, G>(
        self,
        curve: impl FnMut(X, &P) -> F,
        gradient: impl FnMut(X, &P) -> G,
        params: &mut P,
    ) -> Result<Fit, Error>
    where
        P: ParamsMut<F>,
        G: Params<F>,
    {
        self.solve(ByGradient { points: &self, curve, gradient }, params)
    }

    fn residuals<P>(&self, curve: &mut impl FnMut(X, &P) -> F, w: &P) -> Array1<F> {
        let rest = self.x.iter().zip(&self.y).map(|(x, &y)| curve(x.clone(), w) - y);
        let mut rest: Array1<F> = rest.collect();
        if let Some(errors) = &self.errors {
            rest.iter_mut().zip(errors).for_each(|(r, &sigma)| *r = *r / sigma);
        }
        rest
    }

    fn solve<P, R>(&self, residuals: R, params: &mut P) -> Result<Fit, Error>
    where
        P: ParamsMut<F>,
        R: Residuals<F, P>,
    {
        self.check(Flatten::of(&*params)?.len())?;
        let mut problem = LeastSquares::new(residuals).loss(self.loss);
        let stop = Stop::never().evaluations(self.evaluations);
        let mut solver = LevenbergMarquardt::new();
        let mut fit = least_squares_within(&mut solver, params, &self.bounds, &mut problem, stop)?;
        fit.r_squared = Some(1.0 - fit.sum_of_squares() / self.spread());
        fit.rename(&self.names);
        if self.absolute {
            fit.take_as_absolute();
        }
        Ok(fit)
    }

    fn check(&self, parameters: usize) -> Result<(), Error> {
        let expected = self.x.len();
        let size = |what, found| match found == expected {
            true => Ok(()),
            false => Err(Error::from(ErrorKind::Size { what, found, expected })),
        };
        size("the observations y, one for each x", self.y.len())?;
        if let Some(errors) = &self.errors {
            size("the standard deviations sigma, one for each x", errors.len())?;
            errors.iter().try_for_each(|sigma| {
                Interval::POSITIVE.check::<F>("CurveFit", "sigma", sigma.into_f64())
            })?;
        }
        if let Some(index) = self.y.iter().position(|y| !y.is_finite()) {
            let (what, value) = ("the observation y", self.y[index].into_f64());
            return Err(ErrorKind::NonFiniteStatistic { what, index, value }.into());
        }
        if expected < parameters {
            return Err(ErrorKind::TooFewResiduals { observations: expected, parameters }.into());
        }
        Ok(())
    }

    /// Σ((y - ȳ)/σ)², with ȳ the mean weighted by 1/σ².
    fn spread(&self) -> f64 {
        let weight =
            |i: usize| self.errors.as_ref().map_or(1.0, |errors| errors[i].into_f64().powi(-2));
        let weighted = |f: &dyn Fn(f64) -> f64| -> f64 {
            self.y.iter().enumerate().map(|(i, y)| weight(i) * f(y.into_f64())).sum()
        };
        let mean = weighted(&|y| y) / weighted(&|_| 1.0);
        weighted(&|y| (y - mean).powi(2))
    }
}

/// Residuals of a curve whose derivatives are given.
#[derive(Debug)]
struct ByGradient<'a, F: Scalar, X, C, G> {
    points: &'a CurveFit<F, X>,
    curve: C,
    gradient: G,
}

impl<F, X, P, C, G, T> Residuals<F, P> for ByGradient<'_, F, X, C, G>
where
    F: Scalar,
    X: Clone,
    P: ParamsMut<F>,
    C: FnMut(X, &P) -> F,
    G: FnMut(X, &P) -> T,
    T: Params<F>,
{
    fn residuals(&mut self, params: &P) -> Result<Array1<F>, Error> {
        Ok(self.points.residuals(&mut self.curve, params))
    }

    fn jacobian(&mut self, params: &P, residuals: &Array1<F>) -> Result<Array2<F>, Error> {
        let flatten = Flatten::of(params)?;
        let mut jacobian = Array2::zeros((residuals.len(), flatten.len()));
        let mut row = vec![F::zero(); flatten.len()];
        for (i, (x, mut to)) in self.points.x.iter().zip(jacobian.rows_mut()).enumerate() {
            let tree = (self.gradient)(x.clone(), params);
            flatten.gather_as(&tree, crate::error::Tree::Gradients, &mut row)?;
            let sigma = self.points.errors.as_ref().map_or(F::one(), |errors| errors[i]);
            to.iter_mut().zip(&row).for_each(|(to, &d)| *to = d / sigma);
        }
        Ok(jacobian)
    }
}
