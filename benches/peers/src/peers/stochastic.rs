//! stochastic_optimizers, over vectors: its `ndarray` arrays call themselves without end with ndarray
//! 0.17.

use stochastic_optimizers::{Adam, Optimizer, Parameters};
use thalweg::Scalar;

use super::{SAMPLE, Stepper, by_precision, gradient};
use crate::work::*;

/// Its SGD has no momentum.
pub const RULES: &[Rule] = &[Rule::Adam];

struct Stochastic<F: Parameters> {
    adam: Adam<Vec<F>>,
    g: Vec<F>,
}

pub fn enter(work: Work) -> Box<dyn Stepper> {
    by_precision!(made(work))
}

fn made<F: Scalar + Parameters<Scalar = F>>(work: Work) -> Box<dyn Stepper>
where
    f64: num_traits::AsPrimitive<F>,
{
    // The rates of its averages are this program's.
    let adam = Adam::new(vec![F::one(); work.n], F::from_f64(LEARNING_RATE));
    Box::new(Stochastic { adam, g: gradient(work.n) })
}

impl<F: Scalar + Parameters<Scalar = F>> Stepper for Stochastic<F> {
    fn step(&mut self) {
        self.adam.step(&self.g);
    }

    fn sample(&mut self) -> Vec<f64> {
        self.adam.parameters().iter().take(SAMPLE).map(|w| w.into_f64()).collect()
    }
}
