//! The three problems.

use std::fs;
use std::path::Path;

use ndarray::{Array2, Axis};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use thalweg::natural_gradient::{Batch, Sampled};
use thalweg::{Error, loss};

use crate::data::{CLASSES, Digits, PIXELS};
use crate::network::{Forward, Network};

/// A network, what it learns from, and what it is judged by.
pub struct Problem {
    pub name: &'static str,
    /// What it is, and what the loss of the table is.
    about: &'static str,
    widths: Vec<usize>,
    training: Data,
    /// What settings are chosen by.
    validation: Data,
    test: Data,
    /// λ of ½λ‖W‖², which is part of the loss.
    penalty: f32,
    batch: usize,
    pub epochs: usize,
}

/// Inputs, a row each, and what is to come out.
#[derive(Clone)]
struct Data {
    inputs: Array2<f32>,
    targets: Targets,
}

#[derive(Clone)]
enum Targets {
    Classes(Vec<usize>),
    /// The inputs themselves.
    Inputs,
}

/// Which data a network is judged by.
#[derive(Clone, Copy)]
pub enum By {
    Validation,
    Test,
}

/// What a batch showed.
pub struct Seen {
    pub loss: f64,
    pub gradient: Network,
    is_class: bool,
    forward: Forward,
}

impl Seen {
    /// What a natural gradient wants to know: outputs drawn from the network's own prediction.
    pub fn drawn(&self, network: &Network, rng: &mut StdRng) -> Result<Batch<f32, Sampled>, Error> {
        let outputs = &self.forward.outputs;
        let drawn = match self.is_class {
            true => Sampled::categorical(outputs, rng)?,
            false => Sampled::gaussian(outputs, 1.0, rng)?,
        };
        drawn.backward(|by_outputs| network.seen(&self.forward, by_outputs))
    }
}

impl Data {
    fn of(digits: &Digits, classes: bool) -> Self {
        let targets =
            if classes { Targets::Classes(digits.classes.clone()) } else { Targets::Inputs };
        Self { inputs: digits.images.clone(), targets }
    }

    fn select(&self, indices: &[usize]) -> Self {
        let targets = match &self.targets {
            Targets::Classes(classes) => {
                Targets::Classes(indices.iter().map(|&i| classes[i]).collect())
            }
            Targets::Inputs => Targets::Inputs,
        };
        Self { inputs: self.inputs.select(Axis(0), indices), targets }
    }

    /// What is descended along, and its gradient by the outputs.
    fn descended(&self, outputs: &Array2<f32>) -> Result<(f64, Array2<f32>), Error> {
        match &self.targets {
            Targets::Classes(classes) => loss::softmax_cross_entropy(outputs, classes),
            Targets::Inputs => {
                let (value, mut gradient) = loss::mean_squared_error(outputs, &self.inputs)?;
                // Of half the squares summed over the outputs, the likelihood of unit deviation.
                let factor = outputs.ncols() as f64 / 2.0;
                gradient *= factor as f32;
                Ok((factor * value, gradient))
            }
        }
    }

    /// What a result is judged by.
    fn judged(&self, network: &Network) -> Result<f64, Error> {
        let outputs = network.forward(&self.inputs).outputs;
        match &self.targets {
            Targets::Classes(classes) => Ok(loss::softmax_cross_entropy(&outputs, classes)?.0),
            Targets::Inputs => Ok(loss::mean_squared_error(&outputs, &self.inputs)?.0),
        }
    }
}

impl Problem {
    pub fn all(folder: &Path) -> Result<[Self; 3], String> {
        let split = Digits::read(&folder.join("optdigits.csv"))?.split();
        let of = |classes| {
            [&split.training, &split.validation, &split.test].map(|d| Data::of(d, classes))
        };
        let [training, validation, test] = of(true);
        let digits = Self {
            name: "digits",
            about: "the cross-entropy of 359 test images, read by 64, 32 tanh and 10 units",
            widths: vec![PIXELS, 32, CLASSES],
            training,
            validation,
            test,
            penalty: 0.0,
            batch: 64,
            epochs: 15,
        };
        let masses = masses(&folder.join("breast_cancer.csv"))?;
        let cancer = Self {
            name: "cancer",
            about: "the objective of a logistic regression of 569 masses by 30 features, each over its largest \
                    value, with an L2 penalty of 1e-3: convex, and badly conditioned",
            widths: vec![masses.inputs.ncols(), 2],
            training: masses.clone(),
            validation: masses.clone(),
            test: masses,
            penalty: 1e-3,
            batch: 32,
            epochs: 40,
        };
        let [training, validation, test] = of(false);
        let autoencoder = Self {
            name: "autoencoder",
            about: "the mean squared error of a pixel of 359 test images, which 64, 32, 8, 32 and 64 units, all \
                    but the last tanh, bring through the 8",
            widths: vec![PIXELS, 32, 8, 32, PIXELS],
            training,
            validation,
            test,
            penalty: 0.0,
            batch: 64,
            epochs: 30,
        };
        Ok([digits, cancer, autoencoder])
    }

    /// What it is, and how long it is trained.
    pub fn told(&self) -> String {
        let Self { about, epochs, batch, .. } = self;
        format!("{about}; {epochs} epochs in batches of {batch}, {} steps.", self.steps())
    }

    pub fn steps(&self) -> u64 {
        (self.training.inputs.nrows() / self.batch * self.epochs) as u64
    }

    pub fn network(&self, rng: &mut StdRng) -> Network {
        Network::new(&self.widths, rng)
    }

    /// Calls `step` with each batch of an epoch, in an order that `rng` draws.
    pub fn epoch(
        &self,
        network: &mut Network,
        rng: &mut StdRng,
        mut step: impl FnMut(&mut Network, &Seen) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut order: Vec<usize> = (0..self.training.inputs.nrows()).collect();
        order.shuffle(rng);
        for indices in order.chunks_exact(self.batch) {
            let batch = self.training.select(indices);
            let forward = network.forward(&batch.inputs);
            let (value, by_outputs) = batch.descended(&forward.outputs)?;
            let loss = value + self.penalty_of(network);
            let gradient = network.gradient(&forward, &by_outputs, self.penalty);
            let is_class = matches!(batch.targets, Targets::Classes(_));
            step(network, &Seen { loss, gradient, is_class, forward })?;
        }
        Ok(())
    }

    fn penalty_of(&self, network: &Network) -> f64 {
        let square = |w: &f32| f64::from(*w).powi(2);
        let weights = network.layers.iter().flat_map(|layer| &layer.weight);
        0.5 * f64::from(self.penalty) * weights.map(square).sum::<f64>()
    }

    /// ∞ where it is not a number.
    pub fn judge(&self, network: &Network, by: By) -> f64 {
        let data = match by {
            By::Validation => &self.validation,
            By::Test => &self.test,
        };
        let value = data.judged(network).map_or(f64::NAN, |value| value + self.penalty_of(network));
        if value.is_nan() { f64::INFINITY } else { value }
    }
}

/// A stream of random numbers for each purpose, so that no optimizer draws from another's.
pub fn streams(seed: u64) -> [StdRng; 3] {
    let mut rng = StdRng::seed_from_u64(seed);
    [(); 3].map(|()| StdRng::seed_from_u64(rng.random()))
}

/// The masses, each feature over its largest value.
fn masses(path: &Path) -> Result<Data, String> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let (mut values, mut classes) = (Vec::new(), Vec::new());
    for (i, line) in text.lines().enumerate().skip(1) {
        let bad = |field: &str| format!("{name}, line {}: `{field}` is not a number", i + 1);
        let number = |field: &str| field.trim().parse::<f32>().map_err(|_| bad(field));
        let mut row = line.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
        classes.push(usize::from(row.pop() == Some(1.0)));
        values.extend(row);
    }
    let shape = (classes.len(), values.len() / classes.len().max(1));
    let mut inputs =
        Array2::from_shape_vec(shape, values).map_err(|error| format!("{name}: {error}"))?;
    for mut column in inputs.columns_mut() {
        let largest = column.fold(f32::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
        column /= largest;
    }
    Ok(Data { inputs, targets: Targets::Classes(classes) })
}
