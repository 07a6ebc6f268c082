//! The test problems as objectives of the crate.
#![allow(dead_code, unreachable_pub)]

use ndarray::{Array1, Array2};
use thalweg::solvers::least_squares::Residuals;
use thalweg::solvers::{Flat, FlatMut, Objective};
use thalweg::{Error, Scalar};

use super::problems::{Problem, Surface};

/// A problem as an objective in either precision; it is computed in `f64`.
#[derive(Debug)]
pub struct On<'a> {
    problem: &'a Problem,
    hessian: bool,
    x: Vec<f64>,
    g: Vec<f64>,
}

impl<'a> On<'a> {
    /// Value and gradient.
    pub fn new(problem: &'a Problem) -> Self {
        let n = problem.dimension();
        Self { problem, hessian: false, x: vec![0.0; n], g: vec![0.0; n] }
    }

    /// Products with the Hessian besides.
    pub fn with_hessian(problem: &'a Problem) -> Self {
        Self { hessian: true, ..Self::new(problem) }
    }

    /// The standard start.
    pub fn start<F: Scalar>(&self) -> Array1<F> {
        self.problem.start.iter().map(|&x| F::from_f64(x)).collect()
    }
}

impl<F: Scalar> Objective<F, Array1<F>> for On<'_> {
    fn value_and_gradient(
        &mut self,
        w: &Array1<F>,
        gradient: &mut FlatMut<'_, F>,
    ) -> Result<f64, Error> {
        self.x.iter_mut().zip(w).for_each(|(x, &w)| *x = w.into_f64());
        let value = self.problem.evaluate(&self.x, &mut self.g);
        let g = gradient.as_mut_slice();
        g.iter_mut().zip(&self.g).for_each(|(to, &g)| *to = F::from_f64(g));
        Ok(F::from_f64(value).into_f64())
    }

    fn has_hessian_vector(&self) -> bool {
        self.hessian
    }

    fn hessian_vector(
        &mut self,
        w: &Array1<F>,
        vector: Flat<'_, F>,
        product: &mut FlatMut<'_, F>,
    ) -> Result<(), Error> {
        let wide = |x: &[F]| -> Vec<f64> { x.iter().map(|&x| x.into_f64()).collect() };
        let x: Vec<f64> = w.iter().map(|&w| w.into_f64()).collect();
        let hv = self.problem.hessian_vector(&x, &wide(vector.as_slice()));
        product.as_mut_slice().iter_mut().zip(hv).for_each(|(to, hv)| *to = F::from_f64(hv));
        Ok(())
    }
}

/// A problem by its residuals.
#[derive(Debug)]
pub struct BySquares<'a>(pub &'a Problem);

impl Residuals<f64, Array1<f64>> for BySquares<'_> {
    fn residuals(&mut self, w: &Array1<f64>) -> Result<Array1<f64>, Error> {
        Ok(self.0.residuals(&w.to_vec()).into_iter().map(|(r, _)| r).collect())
    }

    fn jacobian(&mut self, w: &Array1<f64>, r: &Array1<f64>) -> Result<Array2<f64>, Error> {
        let mut jacobian = Array2::zeros((r.len(), w.len()));
        for (i, (_, gradient)) in self.0.residuals(&w.to_vec()).into_iter().enumerate() {
            gradient.into_iter().for_each(|(j, d)| jacobian[[i, j]] += d);
        }
        Ok(jacobian)
    }
}

/// A surface as an objective.
pub struct OnSurface<'a>(pub &'a Surface);

impl Objective<f64, Array1<f64>> for OnSurface<'_> {
    fn value_and_gradient(
        &mut self,
        w: &Array1<f64>,
        gradient: &mut FlatMut<'_, f64>,
    ) -> Result<f64, Error> {
        let x: Vec<f64> = w.to_vec();
        Ok(self.0.evaluate(&x, gradient.as_mut_slice()))
    }
}
