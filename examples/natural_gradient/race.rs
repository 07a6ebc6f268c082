//! Epochs and seconds until the validation images are read.

use std::time::{Duration, Instant};

use ndarray::Array2;
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};
use thalweg::solvers::natural_gradient::{
    Batch, Empirical, Exact, Kfac, Metric, NaturalGradient, PushThrough, QuasiDiagonal, Sampled,
    UnitWise,
};
use thalweg::{Adam, Error, Optimizer, Sgd, loss};

use crate::data::{CLASSES, PIXELS, Split};
use crate::network::{Forward, Network};

const HIDDEN: usize = 32;
const BATCH: usize = 64;
const ENOUGH: f64 = 0.97;
/// How often in an epoch the validation images are read.
const LOOKS: usize = 4;

pub struct Plan {
    pub seeds: u64,
    /// More epochs are not run.
    pub limit: usize,
}

/// Means over the seeds; of epochs and seconds with the limit where it was not reached.
pub struct Outcome {
    pub reached: u64,
    pub epochs: f64,
    pub seconds: f64,
    pub seconds_an_epoch: f64,
}

pub struct Method {
    pub name: &'static str,
    /// The best of those that `--tune` tried.
    pub learning_rate: f64,
    train: fn(f64, u64, usize, &Split) -> Result<Run, Error>,
}

/// Epochs until it was enough, if it was, and the time of all.
struct Run {
    reached: bool,
    epochs: f64,
    time: Duration,
}

pub const METHODS: [Method; 7] = [
    Method {
        name: "SGD",
        learning_rate: 0.8,
        train: |rate, seed, limit, split| train(Plain(Sgd::new(rate)), seed, limit, split),
    },
    Method {
        name: "Adam",
        learning_rate: 0.03,
        train: |rate, seed, limit, split| train(Plain(Adam::new(rate)), seed, limit, split),
    },
    Method {
        name: "K-FAC",
        learning_rate: 0.2,
        train: |rate, seed, limit, split| {
            train(Natural::new(rate, Kfac::new(1e-2), seed, drawn), seed, limit, split)
        },
    },
    Method {
        name: "K-FAC, exact",
        learning_rate: 0.1,
        train: |rate, seed, limit, split| {
            train(Natural::new(rate, Kfac::new(1e-3), seed, exact), seed, limit, split)
        },
    },
    Method {
        name: "unit-wise",
        learning_rate: 0.025,
        train: |rate, seed, limit, split| {
            train(
                Natural::new(rate, UnitWise::new(1e-3).decay(0.95), seed, drawn),
                seed,
                limit,
                split,
            )
        },
    },
    Method {
        name: "quasi-diagonal",
        learning_rate: 0.025,
        train: |rate, seed, limit, split| {
            let metric = QuasiDiagonal::new(1e-3).decay(0.95);
            let mut natural = Natural::new(rate, metric, seed, drawn);
            natural.every = 4;
            natural.optimizer = natural.optimizer.observe_every(4);
            train(natural, seed, limit, split)
        },
    },
    Method {
        name: "push-through",
        learning_rate: 1.0,
        train: |rate, seed, limit, split| {
            train(Natural::new(rate, PushThrough::new(1e-1), seed, labelled), seed, limit, split)
        },
    },
];

pub fn run(method: &Method, rate: f64, plan: &Plan, split: &Split) -> Result<Outcome, Error> {
    let runs = (1..=plan.seeds).map(|seed| (method.train)(rate, seed, plan.limit, split));
    let runs = runs.collect::<Result<Vec<Run>, Error>>()?;
    let mean = |value: fn(&Run) -> f64| runs.iter().map(value).sum::<f64>() / runs.len() as f64;
    let (epochs, seconds) = (mean(|run| run.epochs), mean(|run| run.time.as_secs_f64()));
    let reached = runs.iter().filter(|run| run.reached).count() as u64;
    Ok(Outcome { reached, epochs, seconds, seconds_an_epoch: seconds / epochs })
}

/// What moves the network.
trait Mover {
    fn step(&mut self, network: &mut Network, batch: &Seen<'_>) -> Result<(), Error>;
}

/// A batch and what the network made of it.
struct Seen<'a> {
    images: &'a Array2<f32>,
    classes: &'a [usize],
    forward: Forward,
    gradient: Network,
}

struct Plain<O>(O);

impl<O: Optimizer<f32>> Mover for Plain<O> {
    fn step(&mut self, network: &mut Network, batch: &Seen<'_>) -> Result<(), Error> {
        self.0.step(network, &batch.gradient).map(|_| ())
    }
}

type Statistics<K> = fn(&Network, &Seen<'_>, &mut StdRng) -> Result<Batch<f32, K>, Error>;

/// Labels drawn from the network's own prediction.
fn drawn(
    network: &Network,
    seen: &Seen<'_>,
    rng: &mut StdRng,
) -> Result<Batch<f32, Sampled>, Error> {
    Sampled::categorical(&seen.forward.scores, rng)?
        .backward(|by_scores| network.layers(seen.images, &seen.forward, by_scores))
}

/// All labels, by their probabilities.
fn exact(network: &Network, seen: &Seen<'_>, _: &mut StdRng) -> Result<Batch<f32, Exact>, Error> {
    Exact::categorical(&seen.forward.scores)?
        .backward(|by_scores| network.layers(seen.images, &seen.forward, by_scores))
}

/// The labels of the data.
fn labelled(
    network: &Network,
    seen: &Seen<'_>,
    _: &mut StdRng,
) -> Result<Batch<f32, Empirical>, Error> {
    Empirical::categorical(&seen.forward.scores, seen.classes)?
        .backward(|by_scores| network.layers(seen.images, &seen.forward, by_scores))
}

struct Natural<M, K> {
    optimizer: NaturalGradient<f32, M>,
    statistics: Statistics<K>,
    /// Steps for each batch of statistics.
    every: u64,
    rng: StdRng,
}

impl<M: Metric<f32>, K> Natural<M, K> {
    fn new(rate: f64, metric: M, seed: u64, statistics: Statistics<K>) -> Self {
        let optimizer = NaturalGradient::new(rate, metric);
        Self { optimizer, statistics, every: 1, rng: StdRng::seed_from_u64(seed) }
    }
}

impl<K, M: Metric<f32, Statistics = Batch<f32, K>>> Mover for Natural<M, K> {
    fn step(&mut self, network: &mut Network, seen: &Seen<'_>) -> Result<(), Error> {
        if self.optimizer.steps().is_multiple_of(self.every) {
            let batch = (self.statistics)(network, seen, &mut self.rng)?;
            self.optimizer.observe(network, batch)?;
        }
        self.optimizer.step(network, &seen.gradient).map(|_| ())
    }
}

fn train(
    mut mover: impl Mover,
    seed: u64,
    limit: usize,
    Split { training, validation, .. }: &Split,
) -> Result<Run, Error> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut network = Network::new(PIXELS, HIDDEN, CLASSES, &mut rng);
    let mut order: Vec<usize> = (0..training.len()).collect();
    let mut time = Duration::ZERO;
    let batches = training.len() / BATCH;
    for epoch in 0..limit {
        order.shuffle(&mut rng);
        for (i, indices) in order.chunks_exact(BATCH).enumerate() {
            let start = Instant::now();
            let batch = training.select(indices);
            let forward = network.forward(&batch.images);
            let (_, by_scores) = loss::softmax_cross_entropy(&forward.scores, &batch.classes)?;
            let gradient = network.gradient(&batch.images, &forward, &by_scores);
            let (images, classes) = (&batch.images, &batch.classes[..]);
            mover.step(&mut network, &Seen { images, classes, forward, gradient })?;
            time += start.elapsed();
            if (i + 1) % (batches / LOOKS) != 0 {
                continue;
            }
            let scores = network.forward(&validation.images).scores;
            if loss::accuracy(&scores, &validation.classes)? >= ENOUGH {
                let epochs = epoch as f64 + (i + 1) as f64 / batches as f64;
                return Ok(Run { reached: true, epochs, time });
            }
        }
    }
    Ok(Run { reached: false, epochs: limit as f64, time })
}
