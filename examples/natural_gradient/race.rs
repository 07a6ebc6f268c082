//! Epochs and seconds until a network does well enough, and the search for each method's settings.

use std::fmt;
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use thalweg::{Error, loss};

use crate::bar::bar;
use crate::data::Digits;
use crate::methods::{Method, Mover, Seen};
use crate::network::Network;

/// How often in an epoch the images are read.
const LOOKS: usize = 16;

/// What is learnt, and when that is enough.
#[derive(Clone, Copy)]
pub struct Task {
    pub hidden: usize,
    pub classes: usize,
    pub goal: Goal,
    /// Seeds of the search, from 101 on; those of the race are others.
    pub search_seeds: u64,
    /// More epochs are not run while searching.
    pub search_limit: usize,
}

/// When the images that are held out are read well enough.
#[derive(Clone, Copy)]
pub enum Goal {
    /// That share of them is read correctly.
    Share(f64),
    /// Their mean cross-entropy is no more than that.
    Loss(f64),
}

impl Task {
    fn is_done(&self, network: &Network, held_out: &Digits) -> Result<bool, Error> {
        let scores = network.forward(&held_out.images).scores;
        match self.goal {
            Goal::Share(share) => Ok(loss::accuracy(&scores, &held_out.classes)? >= share),
            Goal::Loss(limit) => {
                let (loss, _) = loss::softmax_cross_entropy(&scores, &held_out.classes)?;
                Ok(loss <= limit)
            }
        }
    }
}

/// What a method is run with; what it does not know, it ignores.
#[derive(Clone, Copy)]
pub struct Config {
    pub batch: usize,
    pub rate: f64,
    pub damping: f64,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, rate, damping } = self;
        write!(f, "batch {batch}, rate {rate}")?;
        if *damping > 0.0 {
            write!(f, ", λ {damping}")?;
        }
        Ok(())
    }
}

/// What a method's settings are searched among.
pub struct Grid {
    pub batches: &'static [usize],
    pub rates: &'static [f64],
    pub dampings: &'static [f64],
}

impl Grid {
    pub fn all(&self) -> impl Iterator<Item = Config> {
        self.batches.iter().flat_map(move |&batch| {
            self.rates.iter().flat_map(move |&rate| {
                self.dampings.iter().map(move |&damping| Config { batch, rate, damping })
            })
        })
    }
}

/// A network on its way.
struct Training<'a> {
    network: Network,
    mover: Box<dyn Mover>,
    images: &'a Digits,
    batch: usize,
    order: Vec<usize>,
    rng: StdRng,
    time: Duration,
}

impl<'a> Training<'a> {
    fn new(task: &Task, method: &Method, config: &Config, seed: u64, images: &'a Digits) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let network = Network::new(images.images.ncols(), task.hidden, task.classes, &mut rng);
        let mover = (method.make)(config, rng.random());
        let order = (0..images.len()).collect();
        Self { network, mover, images, batch: config.batch, order, rng, time: Duration::ZERO }
    }

    /// The share of an epoch after which `enough` was true, if it was.
    fn epoch(
        &mut self,
        mut enough: impl FnMut(&Network) -> Result<bool, Error>,
    ) -> Result<Option<f64>, Error> {
        self.order.shuffle(&mut self.rng);
        let batches = self.order.len() / self.batch;
        for (i, indices) in self.order.chunks_exact(self.batch).enumerate() {
            let start = Instant::now();
            let Digits { images, classes } = self.images.select(indices);
            let forward = self.network.forward(&images);
            let (_, by_scores) = loss::softmax_cross_entropy(&forward.scores, &classes)?;
            let gradient = self.network.gradient(&images, &forward, &by_scores);
            let seen = Seen { images: &images, classes: &classes, forward, gradient };
            self.mover.step(&mut self.network, &seen)?;
            self.time += start.elapsed();
            let look = |i: usize| i * LOOKS / batches;
            if look(i + 1) > look(i) && enough(&self.network)? {
                return Ok(Some((i + 1) as f64 / batches as f64));
            }
        }
        Ok(None)
    }
}

/// Epochs until `held_out` was read well enough, and the seconds of training; the limit where it never was.
pub struct Run {
    pub reached: bool,
    pub epochs: f64,
    pub seconds: f64,
}

pub fn run(
    task: &Task,
    method: &Method,
    config: &Config,
    seed: u64,
    limit: usize,
    images: &Digits,
    held_out: &Digits,
) -> Result<Run, Error> {
    let mut training = Training::new(task, method, config, seed, images);
    let enough = |network: &Network| task.is_done(network, held_out);
    for epoch in 0..limit {
        if let Some(share) = training.epoch(enough)? {
            let (epochs, seconds) = (epoch as f64 + share, training.time.as_secs_f64());
            return Ok(Run { reached: true, epochs, seconds });
        }
    }
    let (epochs, seconds) = (limit as f64, training.time.as_secs_f64());
    Ok(Run { reached: false, epochs, seconds })
}

/// What a first epoch costs over one of `other` with the same batches, the best of some turns each.
///
/// Late ones depend on how far the training has come: tiny gradients are subnormal, and slow.
pub fn cost(
    task: &Task,
    method: &Method,
    other: &Method,
    config: &Config,
    turns: u64,
    images: &Digits,
) -> Result<f64, Error> {
    let rate = other.chosen.rate * config.batch as f64 / other.chosen.batch as f64;
    let others = Config { batch: config.batch, rate, ..other.chosen };
    let mut best = [Duration::MAX; 2];
    for turn in 0..turns {
        for ((method, config), best) in
            [(method, config), (other, &others)].into_iter().zip(&mut best)
        {
            let mut training = Training::new(task, method, config, turn, images);
            training.epoch(|_| Ok(false))?;
            *best = training.time.min(*best);
        }
    }
    Ok(best[0].as_secs_f64() / best[1].as_secs_f64())
}

/// The configurations of a method that were tried, the best first, with their mean epochs.
pub fn tune(
    task: &Task,
    method: &Method,
    configs: impl Iterator<Item = Config>,
    images: &Digits,
    validation: &Digits,
) -> Result<Vec<(f64, Config)>, Error> {
    let configs: Vec<Config> = configs.collect();
    let mut tried = Vec::new();
    let bar = bar(configs.len(), "settings");
    for config in configs {
        bar.inc(1);
        let mut epochs = 0.0;
        for seed in 101..101 + task.search_seeds {
            // A step that fails is one that was too long.
            let run = run(task, method, &config, seed, task.search_limit, images, validation);
            epochs += run.map_or(task.search_limit as f64, |run| run.epochs);
        }
        tried.push((epochs / task.search_seeds as f64, config));
    }
    bar.finish_and_clear();
    tried.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    Ok(tried)
}
