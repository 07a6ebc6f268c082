//! Conjugate gradient on products with F.

use std::fmt::Debug;
use std::marker::PhantomData;

use super::average::{nothing_observed, singular};
use super::metric::Metric;
use crate::curvature::LinearOperator;
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::params::{Flatten, Params};
use crate::scalar::Scalar;
use crate::state::Record;
use crate::vector::{add_scaled, combine, dot, norm};

const NAME: &str = "MatrixFree";

/// **Matrix-free**: (F + λI)⁻¹g by conjugate gradient, from products v ↦ Fv alone.
///
/// The statistics are the products: any [`LinearOperator`], such as a
/// [`FisherOperator`](super::FisherOperator) or a [`GaussNewton`](crate::curvature::GaussNewton). The
/// iteration starts at the direction of the step before, and ends at ‖residual‖ ≤ `tolerance`·‖g‖ or
/// after `max_products` products, with what it has (truncated). The products cannot be saved: after
/// loading a state, observe again.
///
/// ```
/// use ndarray::{Array2, array};
/// use thalweg::Optimizer;
/// use thalweg::natural_gradient::{MatrixFree, NaturalGradient};
/// let mut w = array![3.0, 4.0];
/// let metric = MatrixFree::new(0.0, 1e-12, 100);
/// let mut optimizer = NaturalGradient::new(1.0, metric);
/// optimizer.observe(&w, array![[2.0, 0.0], [0.0, 4.0]])?;
/// optimizer.step(&mut w, &array![6.0, 16.0])?;
/// assert!(w.iter().all(|w: &f64| w.abs() < 1e-10));
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Source: Martens, "Deep learning via Hessian-free optimization", 2010.
#[derive(Debug, Clone)]
pub struct MatrixFree<F, A> {
    damping: f64,
    tolerance: f64,
    max_products: usize,
    operator: Option<A>,
    products: usize,
    residual: f64,
    scalar: PhantomData<F>,
}

impl<F: Scalar, A: LinearOperator<F>> MatrixFree<F, A> {
    /// With a damping λ ≥ 0, a relative tolerance and a limit of products.
    pub fn new(damping: f64, tolerance: f64, max_products: usize) -> Self {
        let (operator, scalar) = (None, PhantomData);
        Self { damping, tolerance, max_products, operator, products: 0, residual: 0.0, scalar }
    }

    /// The products that the last direction took.
    pub fn products(&self) -> usize {
        self.products
    }

    /// ‖g - (F + λI)d‖/‖g‖ of the last direction d, as the iteration tracks it.
    pub fn residual(&self) -> f64 {
        self.residual
    }

    fn check(&self) -> Result<(), Error> {
        Interval::NON_NEGATIVE.check::<f64>(NAME, "tolerance", self.tolerance)?;
        if self.max_products == 0 {
            return Err(Error::hyperparameter(NAME, "max_products", 0.0, "a whole number >= 1"));
        }
        Ok(())
    }
}

impl<F, A> Metric<F> for MatrixFree<F, A>
where
    F: Scalar,
    A: LinearOperator<F> + Debug + Send + Sync,
{
    type Statistics = A;

    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, layout: &Flatten, _: &dyn Params<F>, operator: A) -> Result<(), Error> {
        self.check()?;
        if operator.dim() != layout.len() {
            let (what, found, expected) = ("the operator", operator.dim(), layout.len());
            return Err(ErrorKind::Size { what, found, expected }.into());
        }
        self.operator = Some(operator);
        Ok(())
    }

    fn apply(&mut self, _: &Flatten, x: &[F], y: &mut [F]) -> Result<(), Error> {
        self.operator.as_mut().ok_or_else(nothing_observed)?.apply(x, y)
    }

    fn apply_inverse(
        &mut self,
        _: &Flatten,
        gradient: &[F],
        direction: &mut [F],
    ) -> Result<(), Error> {
        let damping = self.damping;
        let operator = self.operator.as_mut().ok_or_else(nothing_observed)?;
        let mut products = 0;
        let mut product = |x: &[F], y: &mut [F]| -> Result<(), Error> {
            operator.apply(x, y)?;
            add_scaled(damping, x, y);
            products += 1;
            Ok(())
        };
        let size = norm(gradient);
        let mut residual = gradient.to_vec();
        let mut curved = vec![F::zero(); gradient.len()];
        if direction.iter().any(|d| *d != F::zero()) {
            product(direction, &mut curved)?;
            add_scaled(-1.0, &curved, &mut residual);
            // A start that is worse than 0 is none.
            if norm(&residual) > size {
                direction.fill(F::zero());
                residual.copy_from_slice(gradient);
            }
        }
        let mut search = residual.clone();
        let mut square = dot(&residual, &residual);
        let mut steepest = 0.0_f64;
        for _ in 0..self.max_products {
            if square.sqrt() <= self.tolerance * size {
                break;
            }
            product(&search, &mut curved)?;
            let curvature = dot(&search, &curved);
            if !curvature.is_finite() {
                let (what, index) = ("a product with the Fisher matrix", 0);
                let value = curvature;
                return Err(ErrorKind::NonFiniteProduct { what, index, value }.into());
            }
            let quotient = curvature / dot(&search, &search);
            steepest = steepest.max(quotient);
            if quotient <= F::epsilon().into_f64() * steepest {
                return Err(singular("the Fisher matrix"));
            }
            let length = square / curvature;
            add_scaled(length, &search, direction);
            add_scaled(-length, &curved, &mut residual);
            let before = square;
            square = dot(&residual, &residual);
            combine(1.0, &residual, square / before, &mut search);
        }
        self.products = products;
        self.residual = if size == 0.0 { 0.0 } else { square.sqrt() / size };
        Ok(())
    }

    fn damping(&self) -> f64 {
        self.damping
    }

    fn set_damping(&mut self, damping: f64) {
        self.damping = damping;
    }

    fn forget(&mut self) {
        self.operator = None;
    }

    fn save(&self, record: &mut Record) {
        record.number("tolerance", self.tolerance);
        record.count("max_products", self.max_products as u64);
    }

    fn load(&mut self, _: Option<&Flatten>, record: &Record) -> Result<(), Error> {
        record.compare_number("tolerance", self.tolerance)?;
        record.compare_count("max_products", self.max_products as u64)?;
        self.operator = None;
        Ok(())
    }
}
