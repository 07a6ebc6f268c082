//! Runs of the library's algorithms on operators in `f64`.

use ndarray::{Array1, Array2};
#[cfg(feature = "rand")]
use rand::rngs::StdRng;
use thalweg::curvature::{Classifier, Condition, CriticalPoint, Lanczos, LinearOperator, Spectrum};
#[cfg(feature = "rand")]
use thalweg::curvature::{
    Diagonal, DiagonalEstimate, Estimate, Quadrature, SpectralDensity, Trace,
};
use thalweg::solvers::{GradientVerdict, LinearConjugateGradient, LinearSolution, check_gradient};
use thalweg::{Error, Scalar};

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

/// The same of a matrix in `f32`.
pub fn lanczos_f32(lanczos: &Lanczos, matrix: &mut Array2<f32>) -> Result<Spectrum<f32>, Error> {
    lanczos.run(matrix)
}

/// `Classifier::new().classify(gradient, hessian)`.
pub fn classify(gradient: &[f64], hessian: Operator<'_>) -> Result<CriticalPoint<f64>, Error> {
    Classifier::new().classify(gradient, hessian)
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

type Function<'a, F> = &'a dyn Fn(&[F]) -> (F, Vec<F>);

/// A precision in which gradients are judged.
pub trait Judged: Scalar {
    /// What a check says of f's gradient with each element times its factor.
    fn verdict(at: &[Self], factors: &[f64], f: Function<'_, Self>) -> GradientVerdict;
}

macro_rules! judged {
    ($($F:ident)+) => {$(
        impl Judged for $F {
            fn verdict(at: &[$F], factors: &[f64], f: Function<'_, $F>) -> GradientVerdict {
                let mut w = Array1::from(at.to_vec());
                let mut objective = |w: &Array1<$F>| {
                    let (value, gradient) = f(w.as_slice().unwrap());
                    let pairs = gradient.into_iter().zip(factors);
                    let times = pairs.map(|(g, &x)| $F::from_f64(g.into_f64() * x));
                    (value, times.collect::<Array1<$F>>())
                };
                let check = check_gradient(&mut w, &mut objective).unwrap();
                assert_eq!(w.as_slice().unwrap(), at);
                check.verdict()
            }
        }
    )+};
}
judged!(f32 f64);

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
