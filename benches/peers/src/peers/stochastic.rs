//! stochastic_optimizers, over `ndarray` arrays.

use ndarray::Array1;
use stochastic_optimizers::{Adam, Optimizer};
use thalweg::Scalar;

use super::{SAMPLE, Stepper, by_precision, gradient};
use crate::work::*;

/// Its SGD has no momentum.
pub const RULES: &[Rule] = &[Rule::Adam];

struct Stochastic<F: Scalar> {
    adam: Adam<Array1<F>>,
    g: Array1<F>,
}

pub fn enter(work: Work) -> Box<dyn Stepper> {
    by_precision!(made(work))
}

fn made<F: Scalar>(work: Work) -> Box<dyn Stepper>
where
    f64: num_traits::AsPrimitive<F>,
{
    // The rates it starts from are this program's.
    let adam = Adam::new(Array1::from_elem(work.n, F::one()), F::from_f64(LEARNING_RATE));
    Box::new(Stochastic { adam, g: Array1::from(gradient(work.n)) })
}

impl<F: Scalar> Stepper for Stochastic<F> {
    fn step(&mut self) {
        self.adam.step(&self.g);
    }

    fn sample(&mut self) -> Vec<f64> {
        self.adam.parameters().iter().take(SAMPLE).map(|w| w.into_f64()).collect()
    }
}
