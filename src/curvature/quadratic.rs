//! The second-order Taylor expansion, and how far it can be trusted.

use super::operator::{LinearOperator, check_finite, check_size, product};
use crate::error::{Error, ErrorKind};
use crate::scalar::Scalar;
use crate::vector::dot;

/// f(x + td) ≈ f + t·gᵀd + ½t²·dᵀHd: a function's second-order Taylor expansion around a point.
///
/// ```
/// use thalweg::curvature::{QuadraticModel, operator_fn};
///
/// // f = Σ wᵢ³ at (1, 2)
/// let f = |w: &[f64]| w.iter().map(|w| w.powi(3)).sum::<f64>();
/// let x = [1.0, 2.0];
/// let hessian = operator_fn(2, |v: &[f64], hv: &mut [f64]| {
///     (hv[0], hv[1]) = (6.0 * v[0], 12.0 * v[1]);
///     Ok(())
/// });
/// let mut model = QuadraticModel::new(f(&x), &[3.0, 12.0], hessian)?;
/// let along = model.along(&[1.0, 0.0])?;
/// assert_eq!((along.value, along.slope, along.curvature), (9.0, 3.0, 6.0));
/// assert_eq!(along.minimizer(), Some(-0.5));
///
/// // What is left is t³.
/// let error = along.compare(&x, &[1.0, 0.0], &[0.1], f)?[0];
/// assert!((error.error() - 1e-3).abs() < 1e-12);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct QuadraticModel<F, A> {
    value: f64,
    gradient: Vec<F>,
    hessian: A,
}

/// A [`QuadraticModel`] along a direction: a parabola in t.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Parabola {
    /// f
    pub value: f64,
    /// gᵀd
    pub slope: f64,
    /// dᵀHd
    pub curvature: f64,
}

/// The function and its model at a step t along a direction.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// t
    pub step: f64,
    /// f(x + td)
    pub actual: f64,
    /// The model's value there.
    pub predicted: f64,
}

impl Comparison {
    /// Actual less predicted: O(t³) for a smooth function and the right model.
    pub fn error(self) -> f64 {
        self.actual - self.predicted
    }
}

impl<F: Scalar, A: LinearOperator<F>> QuadraticModel<F, A> {
    /// The model of a function with that value, gradient and Hessian at a point.
    ///
    /// # Errors
    /// Sizes that differ, and a value or gradient that is not finite.
    pub fn new(value: f64, gradient: &[F], hessian: A) -> Result<Self, Error> {
        check_size("the gradient", gradient.len(), hessian.dim())?;
        check_finite("the value", &[value])?;
        check_finite("the gradient", gradient)?;
        Ok(Self { value, gradient: gradient.to_vec(), hessian })
    }

    /// The model along a direction; one product.
    ///
    /// # Errors
    /// A direction of another size, and what the product says.
    pub fn along(&mut self, direction: &[F]) -> Result<Parabola, Error> {
        check_size("the direction", direction.len(), self.gradient.len())?;
        let mut product_along = vec![F::zero(); direction.len()];
        product(&mut self.hessian, direction, &mut product_along)?;
        Ok(Parabola {
            value: self.value,
            slope: dot(&self.gradient, direction),
            curvature: dot(direction, &product_along),
        })
    }
}

impl Parabola {
    /// The model's value at a step t.
    pub fn at(&self, t: f64) -> f64 {
        self.value + t * (self.slope + 0.5 * t * self.curvature)
    }

    /// The t of the lowest value, -slope/curvature; `None` unless the curvature is positive.
    pub fn minimizer(&self) -> Option<f64> {
        (self.curvature > 0.0).then(|| -self.slope / self.curvature)
    }

    /// The function beside the model at these steps from `x` along the direction.
    ///
    /// # Errors
    /// Sizes that differ, and a function that is NaN or infinite.
    pub fn compare<F: Scalar>(
        &self,
        x: &[F],
        direction: &[F],
        steps: &[f64],
        f: impl FnMut(&[F]) -> f64,
    ) -> Result<Vec<Comparison>, Error> {
        let actual = super::landscape::slice_1d(x, direction, steps, f)?;
        let row = |(&step, &actual): (&f64, &f64)| match actual.is_finite() {
            true => Ok(Comparison { step, actual, predicted: self.at(step) }),
            false => {
                let what = "the function along the direction";
                Err(ErrorKind::NonFiniteProduct { what, index: 0, value: actual }.into())
            }
        };
        steps.iter().zip(&actual).map(row).collect()
    }
}
