//! A test problem as an objective that keeps a record.

use std::collections::HashSet;

use ndarray::Array1;
use thalweg::solvers::{Flat, FlatMut, Objective};
use thalweg::{Error, Scalar};

use crate::problems::Problem;

/// A problem, computed in `f64` whatever the parameters are.
pub struct On<'a> {
    problem: &'a Problem,
    hessian: bool,
    /// The points where a gradient was asked for, and how often one was that had been before.
    seen: HashSet<Vec<u64>>,
    pub twice: u64,
}

impl<'a> On<'a> {
    pub fn new(problem: &'a Problem) -> Self {
        Self { problem, hessian: false, seen: HashSet::new(), twice: 0 }
    }

    pub fn with_hessian(problem: &'a Problem) -> Self {
        Self { hessian: true, ..Self::new(problem) }
    }
}

pub fn start<F: Scalar>(problem: &Problem) -> Array1<F> {
    problem.start.iter().map(|&x| F::from_f64(x)).collect()
}

fn wide<F: Scalar>(x: &[F]) -> Vec<f64> {
    x.iter().map(|&x| x.into_f64()).collect()
}

impl<F: Scalar> Objective<F, Array1<F>> for On<'_> {
    fn value_and_gradient(
        &mut self,
        w: &Array1<F>,
        gradient: &mut FlatMut<'_, F>,
    ) -> Result<f64, Error> {
        let x = wide(w.as_slice().unwrap());
        let bits = x.iter().map(|x| x.to_bits()).collect();
        self.twice += u64::from(!self.seen.insert(bits));
        let mut g = vec![0.0; x.len()];
        let value = self.problem.evaluate(&x, &mut g);
        let to = gradient.as_mut_slice().iter_mut();
        to.zip(g).for_each(|(to, g)| *to = F::from_f64(g));
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
        let (x, v) = (wide(w.as_slice().unwrap()), wide(vector.as_slice()));
        let to = product.as_mut_slice().iter_mut();
        to.zip(self.problem.hessian_vector(&x, &v)).for_each(|(to, hv)| *to = F::from_f64(hv));
        Ok(())
    }
}
