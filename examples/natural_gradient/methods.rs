//! The methods of the race, and what moves the network in each.

use ndarray::Array2;
use rand::{SeedableRng, rngs::StdRng};
use thalweg::natural_gradient::{
    Batch, Empirical, Exact, Kfac, Metric, NaturalGradient, PushThrough, QuasiDiagonal, Sampled,
    UnitWise,
};
use thalweg::{Adam, AdamW, Error, Muon, Optimizer, Sgd, Shampoo, Soap};

use crate::network::{Forward, Network};
use crate::race::{Config, Grid};

pub struct Method {
    pub name: &'static str,
    pub chosen: Config,
    pub grid: Grid,
    pub make: fn(&Config, u64) -> Box<dyn Mover>,
}

const BATCH: &[usize] = &[64];
const BATCHES: &[usize] = &[4, 8, 16, 32, 64];
const NONE: &[f64] = &[0.0];

/// Half octaves.
const SGD: Grid = Grid {
    batches: BATCH,
    rates: &[
        0.0125, 0.018, 0.025, 0.035, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4, 0.57, 0.8, 1.1, 1.6,
        2.3, 3.2, 4.5, 6.4, 9.0,
    ],
    dampings: NONE,
};
const ADAM: Grid = Grid {
    batches: BATCH,
    rates: &[
        2.5e-4, 3.5e-4, 5e-4, 7e-4, 0.001, 0.0014, 0.002, 0.0028, 0.004, 0.0057, 0.008, 0.011,
        0.016, 0.023, 0.032, 0.045, 0.064, 0.09, 0.128, 0.18,
    ],
    dampings: NONE,
};
const NATURAL: Grid = Grid {
    batches: BATCH,
    rates: &[0.0125, 0.025, 0.05, 0.1, 0.2],
    dampings: &[1e-4, 3e-4, 1e-3, 3e-3],
};
const PUSH_THROUGH: Grid =
    Grid { batches: BATCH, rates: &[0.1, 0.2, 0.4, 0.8, 1.6], dampings: &[1e-3, 1e-2, 1e-1, 1.0] };

/// Each has `chosen` from `--tune`, whose best it is: 20 settings for each batch size. The last three
/// choose that size too.
pub const METHODS: [Method; 13] = [
    Method {
        name: "SGD",
        chosen: Config { batch: 64, rate: 1.1, damping: 0.0 },
        grid: SGD,
        make: sgd,
    },
    Method {
        name: "Adam",
        chosen: Config { batch: 64, rate: 0.032, damping: 0.0 },
        grid: ADAM,
        make: adam,
    },
    Method {
        name: "Muon",
        chosen: Config { batch: 64, rate: 0.18, damping: 0.0 },
        grid: ADAM,
        make: |config, _| {
            // x·W, and biases at the same rate.
            let adamw = AdamW::new(config.rate).weight_decay(0.0);
            Box::new(Plain(Muon::new(config.rate).inputs_first(true).with_adamw(adamw)))
        },
    },
    Method {
        name: "Shampoo",
        chosen: Config { batch: 64, rate: 0.128, damping: 0.0 },
        grid: ADAM,
        make: |config, _| Box::new(Plain(Shampoo::new(config.rate))),
    },
    Method {
        name: "SOAP",
        chosen: Config { batch: 64, rate: 0.045, damping: 0.0 },
        grid: ADAM,
        make: |config, _| Box::new(Plain(Soap::new(config.rate))),
    },
    Method {
        name: "K-FAC",
        chosen: Config { batch: 64, rate: 0.1, damping: 1e-3 },
        grid: NATURAL,
        make: kfac,
    },
    Method {
        name: "K-FAC, exact",
        chosen: Config { batch: 64, rate: 0.05, damping: 3e-4 },
        grid: NATURAL,
        make: |config, seed| Natural::boxed(config, Kfac::new(config.damping), seed, exact),
    },
    Method {
        name: "unit-wise",
        chosen: Config { batch: 64, rate: 0.05, damping: 3e-3 },
        grid: NATURAL,
        make: |config, seed| {
            Natural::boxed(config, UnitWise::new(config.damping).decay(0.95), seed, drawn)
        },
    },
    Method {
        name: "quasi-diagonal",
        chosen: Config { batch: 64, rate: 0.025, damping: 1e-3 },
        grid: NATURAL,
        make: |config, seed| {
            Natural::boxed(config, QuasiDiagonal::new(config.damping).decay(0.95), seed, drawn)
        },
    },
    Method {
        name: "push-through",
        chosen: Config { batch: 64, rate: 1.6, damping: 1e-1 },
        grid: PUSH_THROUGH,
        make: |config, seed| {
            Natural::boxed(config, PushThrough::new(config.damping), seed, labelled)
        },
    },
    Method {
        name: "SGD, any batch",
        chosen: Config { batch: 4, rate: 0.4, damping: 0.0 },
        grid: Grid { batches: BATCHES, ..SGD },
        make: sgd,
    },
    Method {
        name: "Adam, any batch",
        chosen: Config { batch: 4, rate: 0.008, damping: 0.0 },
        grid: Grid { batches: BATCHES, ..ADAM },
        make: adam,
    },
    Method {
        name: "K-FAC, any batch",
        chosen: Config { batch: 32, rate: 0.05, damping: 3e-4 },
        grid: Grid { batches: BATCHES, ..NATURAL },
        make: kfac,
    },
];

fn sgd(config: &Config, _: u64) -> Box<dyn Mover> {
    Box::new(Plain(Sgd::new(config.rate)))
}

fn adam(config: &Config, _: u64) -> Box<dyn Mover> {
    Box::new(Plain(Adam::new(config.rate)))
}

fn kfac(config: &Config, seed: u64) -> Box<dyn Mover> {
    Natural::boxed(config, Kfac::new(config.damping), seed, drawn)
}

/// What moves the network.
pub trait Mover {
    fn step(&mut self, network: &mut Network, batch: &Seen<'_>) -> Result<(), Error>;
}

/// A batch and what the network made of it.
pub struct Seen<'a> {
    pub images: &'a Array2<f32>,
    pub classes: &'a [usize],
    pub forward: Forward,
    pub gradient: Network,
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
    rng: StdRng,
}

impl<M, K> Natural<M, K>
where
    M: Metric<f32, Statistics = Batch<f32, K>> + 'static,
    K: 'static,
{
    fn boxed(config: &Config, metric: M, seed: u64, statistics: Statistics<K>) -> Box<dyn Mover> {
        let optimizer = NaturalGradient::new(config.rate, metric);
        Box::new(Self { optimizer, statistics, rng: StdRng::seed_from_u64(seed) })
    }
}

impl<K, M: Metric<f32, Statistics = Batch<f32, K>>> Mover for Natural<M, K> {
    fn step(&mut self, network: &mut Network, seen: &Seen<'_>) -> Result<(), Error> {
        let batch = (self.statistics)(network, seen, &mut self.rng)?;
        self.optimizer.observe(network, batch)?;
        self.optimizer.step(network, &seen.gradient).map(|_| ())
    }
}
