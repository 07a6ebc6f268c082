//! The optimizers, and the settings that each is searched among.

use rand::rngs::StdRng;
use thalweg::natural_gradient::{Kfac, NaturalGradient, Sampled};
use thalweg::{
    Adafactor, AdamW, Average, Entry, Error, GpaAdamW, Muon, Optimizer, Schedule,
    ScheduleFreeAdamW, ScheduleFreeSgd, Settings, Shampoo, Sm3, Soap, catalog,
};

use crate::network::Network;
use crate::problems::Seen;

/// What an optimizer is run with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    pub rate: f64,
    /// Whether the rate falls to 0, linearly, or stays.
    pub falls: bool,
    /// λ, of the natural gradient alone.
    pub damping: Option<f64>,
}

impl Setting {
    fn schedule(&self, steps: u64) -> Schedule {
        match self.falls {
            true => Schedule::linear(self.rate, 0.0, steps),
            false => Schedule::constant(self.rate),
        }
    }
}

pub struct Subject {
    pub title: &'static str,
    kind: Kind,
}

enum Kind {
    Row(&'static Entry<f32>),
    /// What is not in the catalog, with the rate to begin at.
    Other(f64, fn(Schedule) -> Box<dyn Mover>),
    Kfac,
}

/// What moves the network.
pub trait Mover {
    fn step(&mut self, network: &mut Network, seen: &Seen) -> Result<(), Error>;

    /// Brings the network to where it is to be judged.
    fn finish(&mut self, network: &mut Network) -> Result<(), Error>;
}

const RATES: i32 = 10;
const RATES_OF_KFAC: [f64; 5] = [0.01, 0.03, 0.1, 0.3, 1.0];
const DAMPINGS: [f64; 2] = [1e-3, 1e-1];

/// Those of the catalog, and those of whole leaves.
pub fn subjects() -> Vec<Subject> {
    let rows =
        catalog::<f32>().iter().map(|entry| Subject { title: entry.title, kind: Kind::Row(entry) });
    let other = |title, rate, make| Subject { title, kind: Kind::Other(rate, make) };
    let others = [
        // x·W: the inputs are the rows.
        other("Muon", 0.02, |rate| {
            let adamw = AdamW::new(rate.clone()).weight_decay(0.0);
            plain(Muon::new(rate).inputs_first(true).with_adamw(adamw))
        }),
        other("Adafactor", 1e-2, |rate| plain(Adafactor::new(rate))),
        other("Sm3", 0.1, |rate| plain(Sm3::new(rate))),
        other("Shampoo", 1e-3, |rate| plain(Shampoo::new(rate))),
        other("Soap", 3e-3, |rate| plain(Soap::new(rate))),
        Subject { title: "K-FAC", kind: Kind::Kfac },
    ];
    rows.chain(others).collect()
}

impl Subject {
    /// Twenty: ten rates, constant and falling.
    pub fn settings(&self) -> Vec<Setting> {
        let (rates, dampings) = match self.kind {
            Kind::Row(&Entry { learning_rate: rate, .. }) | Kind::Other(rate, _) => {
                // From a thirtieth of the rate to begin at to 300 times it.
                let factor = |i: i32| 10.0_f64.powf(f64::from(4 * i) / f64::from(RATES - 1) - 1.5);
                ((0..RATES).map(|i| rate * factor(i)).collect(), vec![None])
            }
            Kind::Kfac => (RATES_OF_KFAC.to_vec(), DAMPINGS.map(Some).to_vec()),
        };
        let mut settings = Vec::new();
        for falls in [false, true] {
            for &damping in &dampings {
                settings.extend(rates.iter().map(|&rate| Setting { rate, falls, damping }));
            }
        }
        settings
    }

    /// Whether there is no lower or no higher rate among the settings.
    pub fn is_at_the_end(&self, setting: &Setting) -> bool {
        let rates = self.settings().into_iter().map(|setting| setting.rate);
        let (low, high) =
            rates.fold((f64::MAX, 0.0_f64), |(low, high), r| (low.min(r), high.max(r)));
        setting.rate == low || setting.rate == high
    }

    pub fn make(&self, setting: &Setting, steps: u64, rng: StdRng) -> Box<dyn Mover> {
        let rate = setting.schedule(steps);
        match self.kind {
            Kind::Other(_, make) => make(rate),
            Kind::Kfac => {
                let damping = setting.damping.unwrap_or(DAMPINGS[0]);
                Box::new(Natural { optimizer: NaturalGradient::new(rate, Kfac::new(damping)), rng })
            }
            Kind::Row(entry) => match entry.name {
                "schedule-free" => Box::new(Plain {
                    optimizer: ScheduleFreeAdamW::new(rate),
                    finish: |optimizer, network| optimizer.settle(network),
                }),
                "schedule-free-sgd" => Box::new(Plain {
                    optimizer: ScheduleFreeSgd::new(rate),
                    finish: |optimizer, network| optimizer.settle(network),
                }),
                "gpa" => Box::new(Plain {
                    optimizer: GpaAdamW::new(rate),
                    finish: |optimizer, network| optimizer.settle(network),
                }),
                "dog" | "ldog" | "dowg" => {
                    let mut settings = Settings::default();
                    settings.average = Some(Average::polynomial(8.0));
                    Box::new(Plain {
                        optimizer: entry.build(rate, settings),
                        finish: |optimizer, network| optimizer.swap_average(network),
                    })
                }
                _ => plain(entry.build(rate, Settings::default())),
            },
        }
    }
}

struct Plain<O> {
    optimizer: O,
    finish: fn(&mut O, &mut Network) -> Result<(), Error>,
}

fn plain<O: Optimizer<f32> + 'static>(optimizer: O) -> Box<dyn Mover> {
    Box::new(Plain { optimizer, finish: |_, _| Ok(()) })
}

impl<O: Optimizer<f32>> Mover for Plain<O> {
    fn step(&mut self, network: &mut Network, seen: &Seen) -> Result<(), Error> {
        self.optimizer.step_with_loss(network, &seen.gradient, seen.loss).map(drop)
    }

    fn finish(&mut self, network: &mut Network) -> Result<(), Error> {
        (self.finish)(&mut self.optimizer, network)
    }
}

struct Natural {
    optimizer: NaturalGradient<f32, Kfac<f32, Sampled>>,
    rng: StdRng,
}

impl Mover for Natural {
    fn step(&mut self, network: &mut Network, seen: &Seen) -> Result<(), Error> {
        let batch = seen.drawn(network, &mut self.rng)?;
        self.optimizer.observe(network, batch)?;
        self.optimizer.step(network, &seen.gradient).map(drop)
    }

    fn finish(&mut self, _: &mut Network) -> Result<(), Error> {
        Ok(())
    }
}
