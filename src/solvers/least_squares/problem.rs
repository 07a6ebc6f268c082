//! A sum of squares as an objective.

use ndarray::{Array1, Array2, ArrayViewMut2, Zip};

use super::residuals::{Residuals, alike};
use super::robust::Robust;
use crate::error::{Error, ErrorKind};
use crate::params::{Flatten, Params};
use crate::scalar::Scalar;
use crate::solvers::flat::{Flat, FlatMut};
use crate::solvers::linearization::Linearization;
use crate::solvers::objective::Objective;
use crate::solvers::report::Status;

/// f(w) = ½Σᵢ rᵢ(w)², or with a [`Robust`] loss of each residual, of [`Residuals`] r.
///
/// The solvers of this module take its residuals and their Jacobian. It is an [`Objective`] like any
/// other as well: its gradient is Jᵀr, and its Hessian Gauss and Newton's, JᵀJ, which is the whole one
/// where the residuals are 0 or straight.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::solvers::{Lbfgs, Stop, minimize};
/// use thalweg::solvers::least_squares::LeastSquares;
///
/// let mut problem =
///     LeastSquares::new(|w: &Array1<f64>| array![10.0 * (w[1] - w[0] * w[0]), 1.0 - w[0]]);
/// let mut w = array![-1.2, 1.0];
/// let report = minimize(&mut Lbfgs::new(), &mut w, &mut problem, Stop::default())?;
/// assert!(report.status.is_success());
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LeastSquares<F, R> {
    residuals: R,
    loss: Robust,
    at: Option<At<F>>,
    /// Where the Jacobian was computed last, if that is elsewhere.
    kept: Option<At<F>>,
    counts: Counts,
    /// l and u, if there are bounds.
    bounds: Option<(Vec<F>, Vec<F>)>,
}

/// Where it was asked last, and what is known there.
#[derive(Debug, Clone)]
struct At<F> {
    x: Vec<F>,
    residuals: Array1<F>,
    jacobian: Option<Array2<F>>,
}

/// How often residuals and Jacobians were computed; those of differences count as residuals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// The residuals, those for differences among them; elements without room between their bounds are
    /// counted as the others.
    pub residuals: u64,
    /// The Jacobian as a matrix.
    pub jacobians: u64,
}

impl Counts {
    pub(super) fn since(self, before: Self) -> Self {
        let residuals = self.residuals - before.residuals;
        Self { residuals, jacobians: self.jacobians - before.jacobians }
    }
}

impl<F: Scalar, R> LeastSquares<F, R> {
    /// Half the sum of the squares of these residuals.
    pub fn new<P>(residuals: R) -> Self
    where
        R: Residuals<F, P>,
    {
        let (loss, counts) = (Robust::Squares, Counts::default());
        Self { residuals, loss, at: None, kept: None, counts, bounds: None }
    }

    /// Sets what a residual costs; ½r² by default.
    #[must_use]
    pub fn loss(mut self, loss: Robust) -> Self {
        self.loss = loss;
        self
    }

    pub(super) fn robust(&self) -> Robust {
        self.loss
    }

    /// How often residuals and Jacobians were computed so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Sees to it that the residuals there are known.
    fn go<P>(&mut self, params: &P) -> Result<(&mut R, &mut At<F>), Error>
    where
        P: Params<F>,
        R: Residuals<F, P>,
    {
        self.loss.validate()?;
        let flatten = Flatten::of(params)?;
        let mut x = vec![F::zero(); flatten.len()];
        flatten.gather(params, &mut x)?;
        let is_there = |at: &Option<At<F>>| at.as_ref().is_some_and(|at| at.x == x);
        if !is_there(&self.at) && self.at.as_ref().is_some_and(|at| at.jacobian.is_some()) {
            std::mem::swap(&mut self.at, &mut self.kept);
        }
        if !is_there(&self.at) && is_there(&self.kept) {
            std::mem::swap(&mut self.at, &mut self.kept);
        }
        if !is_there(&self.at) {
            self.counts.residuals += 1;
            let mut residuals = self.residuals.residuals(params)?;
            if let Some(before) = self.at.as_ref().or(self.kept.as_ref()) {
                residuals = alike(residuals, before.residuals.len())?;
            }
            self.at = Some(At { x, residuals, jacobian: None });
        }
        match &mut self.at {
            Some(at) => Ok((&mut self.residuals, at)),
            None => Err(ErrorKind::NoJacobian.into()),
        }
    }

    /// As [`go`](Self::go), and the Jacobian too.
    fn go_with_jacobian<P>(&mut self, params: &P) -> Result<(&Array1<F>, &Array2<F>), Error>
    where
        P: Params<F>,
        R: Residuals<F, P>,
    {
        self.go(params)?;
        let Self { residuals: of, at: Some(at), counts, bounds, .. } = self else {
            return Err(ErrorKind::NoJacobian.into());
        };
        let jacobian = match at.jacobian.take() {
            Some(jacobian) => jacobian,
            None => {
                let jacobian = match bounds {
                    Some((l, u)) => of.jacobian_within(params, &at.residuals, l, u)?,
                    None => of.jacobian(params, &at.residuals)?,
                };
                counts.jacobians += 1;
                counts.residuals += of.evaluations_of_jacobian(at.x.len());
                let expected = vec![at.residuals.len(), at.x.len()];
                if jacobian.shape() != expected {
                    let found = jacobian.shape().to_vec();
                    let (owner, what) = ("LeastSquares", "Jacobian");
                    return Err(ErrorKind::Shape { owner, what, expected, found }.into());
                }
                jacobian
            }
        };
        Ok((&at.residuals, at.jacobian.insert(jacobian)))
    }

    /// Residuals and Jacobian without any weights, of which there is one in the end.
    pub(super) fn plain<P>(&mut self, params: &P) -> Result<(Array1<f64>, Array2<f64>), Error>
    where
        P: Params<F>,
        R: Residuals<F, P>,
    {
        let (residuals, jacobian) = self.go_with_jacobian(params)?;
        Ok((residuals.mapv(Scalar::into_f64), jacobian.mapv(Scalar::into_f64)))
    }

    /// Why a fit that ended like that has nowhere to start.
    pub(super) fn without_start<P>(
        &mut self,
        params: &P,
        status: &Status,
    ) -> Result<Option<Error>, Error>
    where
        P: Params<F>,
        R: Residuals<F, P>,
    {
        let (_, at) = self.go(params)?;
        if at.residuals.is_empty() {
            let (observations, parameters) = (0, at.x.len());
            return Ok(Some(ErrorKind::TooFewResiduals { observations, parameters }.into()));
        }
        let Status::NonFinite(undefined) = status else { return Ok(None) };
        let kind = match at.residuals.iter().position(|r| !r.is_finite()) {
            Some(index) => {
                ErrorKind::NonFiniteResidual { index, value: at.residuals[index].into_f64() }
            }
            None => ErrorKind::UndefinedStart { problem: undefined.to_string() },
        };
        Ok(Some(kind.into()))
    }

    fn cost(&self) -> f64 {
        let Some(at) = &self.at else { return f64::NAN };
        at.residuals.iter().map(|r| self.loss.cost(r.into_f64())).sum()
    }
}

impl<F: Scalar, P: Params<F>, R: Residuals<F, P>> Objective<F, P> for LeastSquares<F, R> {
    fn value_and_gradient(
        &mut self,
        params: &P,
        gradient: &mut FlatMut<'_, F>,
    ) -> Result<f64, Error> {
        let loss = self.loss;
        let (of, at) = self.go(params)?;
        let slope = |r: &F| loss.slope(r.into_f64()).0;
        if of.has_products() {
            let slopes = at.residuals.mapv(|r| F::from_f64(slope(&r)));
            of.transposed_product(params, &slopes, gradient)?;
            return Ok(self.cost());
        }
        // Where r is not defined, neither is its Jacobian.
        if at.residuals.iter().all(|r| r.is_finite()) {
            let (residuals, jacobian) = self.go_with_jacobian(params)?;
            let mut sum = vec![0.0; jacobian.ncols()];
            for (r, row) in residuals.iter().zip(jacobian.rows()) {
                let psi = slope(r);
                sum.iter_mut().zip(row).for_each(|(sum, d)| *sum += psi * d.into_f64());
            }
            let to = gradient.as_mut_slice();
            to.iter_mut().zip(sum).for_each(|(to, sum)| *to = F::from_f64(sum));
        }
        Ok(self.cost())
    }

    fn has_value(&self) -> bool {
        true
    }

    fn value(&mut self, params: &P) -> Result<f64, Error> {
        self.go(params)?;
        Ok(self.cost())
    }

    fn within(&mut self, bounds: Option<(Flat<'_, F>, Flat<'_, F>)>) {
        let ends =
            |(l, u): (Flat<'_, F>, Flat<'_, F>)| (l.as_slice().to_vec(), u.as_slice().to_vec());
        self.bounds = bounds.map(ends);
        // What the residuals are made of may have changed since.
        (self.at, self.kept) = (None, None);
    }

    fn has_hessian_vector(&self) -> bool {
        true
    }

    fn hessian_vector(
        &mut self,
        params: &P,
        vector: Flat<'_, F>,
        product: &mut FlatMut<'_, F>,
    ) -> Result<(), Error> {
        let loss = self.loss;
        let (of, at) = self.go(params)?;
        let weight = |r: &F| loss.weights(r.into_f64()).1.powi(2);
        if of.has_products() {
            let mut along = alike(of.product(params, vector)?, at.residuals.len())?;
            let weighted = |along: &mut F, r: &F| *along = *along * F::from_f64(weight(r));
            Zip::from(&mut along).and(&at.residuals).for_each(weighted);
            return of.transposed_product(params, &along, product);
        }
        let (residuals, jacobian) = self.go_with_jacobian(params)?;
        let mut sum = vec![0.0; jacobian.ncols()];
        for (r, row) in residuals.iter().zip(jacobian.rows()) {
            let along = row.iter().zip(vector.as_slice()).map(|(&d, &v)| (d * v).into_f64());
            let along = weight(r) * along.sum::<f64>();
            sum.iter_mut().zip(row).for_each(|(sum, d)| *sum += along * d.into_f64());
        }
        let to = product.as_mut_slice();
        to.iter_mut().zip(sum).for_each(|(to, sum)| *to = F::from_f64(sum));
        Ok(())
    }

    fn has_hessian(&self) -> bool {
        true
    }

    fn hessian(&mut self, params: &P, mut hessian: ArrayViewMut2<'_, F>) -> Result<(), Error> {
        let Linearization { jacobian, .. } = self.linearize(params)?;
        Zip::from(&mut hessian)
            .and(&jacobian.t().dot(&jacobian))
            .for_each(|to, &entry| *to = F::from_f64(entry));
        Ok(())
    }

    fn has_residuals(&self) -> bool {
        true
    }

    fn linearize(&mut self, params: &P) -> Result<Linearization, Error> {
        let loss = self.loss;
        let (residuals, jacobian) = self.plain(params)?;
        let mut linear = Linearization { rows: Array1::ones(residuals.len()), residuals, jacobian };
        if loss.scale().is_some() {
            let Linearization { residuals, jacobian, rows } = &mut linear;
            for ((r, mut row), by) in residuals.iter_mut().zip(jacobian.rows_mut()).zip(rows) {
                let (residual, of_row) = loss.weights(*r);
                *r *= residual;
                row.mapv_inplace(|d| d * of_row);
                *by = of_row;
            }
        }
        Ok(linear)
    }

    fn residuals(&mut self, params: &P) -> Result<Array1<f64>, Error> {
        let (_, at) = self.go(params)?;
        Ok(at.residuals.mapv(Scalar::into_f64))
    }
}
