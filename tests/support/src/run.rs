//! Runs of the library's algorithms on operators in `f64`.

use ndarray::Array2;
#[cfg(feature = "rand")]
use rand::rngs::StdRng;
use thalweg::Error;
use thalweg::curvature::{Condition, Lanczos, LinearOperator, Spectrum};
#[cfg(feature = "rand")]
use thalweg::curvature::{
    Diagonal, DiagonalEstimate, Estimate, Quadrature, SpectralDensity, Trace,
};
use thalweg::solvers::{LinearConjugateGradient, LinearSolution};

type Operator<'a> = &'a mut dyn LinearOperator<f64>;

/// A matrix as the operator that it is to the library.
pub struct Matrix(pub Array2<f64>);

impl LinearOperator<f64> for Matrix {
    fn dim(&self) -> usize {
        self.0.nrows()
    }

    fn apply(&mut self, x: &[f64], y: &mut [f64]) -> Result<(), Error> {
        self.0.apply(x, y)
    }
}

/// `lanczos.run(operator)`.
pub fn lanczos(lanczos: &Lanczos, operator: Operator<'_>) -> Result<Spectrum<f64>, Error> {
    lanczos.run(operator)
}

/// `Condition::of(operator)`.
pub fn condition(operator: Operator<'_>) -> Result<Condition, Error> {
    Condition::of(operator)
}

/// `Condition::with_basis(operator, vectors)`.
pub fn condition_with_basis(operator: Operator<'_>, vectors: usize) -> Result<Condition, Error> {
    Condition::with_basis(operator, vectors)
}

/// `solver.solve(a, b, x)`.
pub fn solve(
    solver: &LinearConjugateGradient,
    a: Operator<'_>,
    b: &[f64],
    x: &mut [f64],
) -> Result<LinearSolution, Error> {
    solver.solve(a, b, x)
}

/// An estimate by random vectors: its `run` or `estimate`.
#[cfg(feature = "rand")]
pub trait Optimized {
    type Found;
    fn optimized(&self, operator: Operator<'_>, rng: &mut StdRng) -> Result<Self::Found, Error>;
}

#[cfg(feature = "rand")]
macro_rules! optimized {
    ($($Kind:ident.$method:ident -> $Found:ident)+) => {$(
        impl Optimized for $Kind {
            type Found = $Found;
            fn optimized(&self, operator: Operator<'_>, rng: &mut StdRng) -> Result<$Found, Error> {
                self.$method(operator, rng)
            }
        }
    )+};
}

#[cfg(feature = "rand")]
optimized! {
    Trace.estimate -> Estimate
    Diagonal.estimate -> DiagonalEstimate
    Quadrature.run -> SpectralDensity
}
