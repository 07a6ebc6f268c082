//! What a training is to be: the options that its result depends on.

use clap::{Args, ValueEnum};
use thalweg::regularize::{Augment, Decay};
use thalweg::schedule::OneCycle;
use thalweg::{Average, Schedule, Settings};

/// What an option without a value stands for.
const DROPOUT: f64 = 0.2;
const WEIGHT_DECAY: f64 = 0.1;
const L1: f64 = 0.03;
const EMA: f64 = 0.998;
const PATIENCE: u64 = 20;

/// What all optimizers of a race have in common.
#[derive(Args, Clone)]
pub struct Plan {
    /// How often each training image is seen
    #[arg(long, value_name = "N", default_value = "60", value_parser = at_least_one)]
    pub epochs: usize,

    /// How many images a step looks at
    #[arg(long, value_name = "N", default_value = "16", value_parser = at_least_one)]
    pub batch_size: usize,

    /// How many units the hidden layer has
    #[arg(long, value_name = "N", default_value = "128", value_parser = at_least_one)]
    pub hidden: usize,

    /// Draws the initial weights, the order of the images and all other chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// The share of the training images to learn from, drawn by the seed
    #[arg(long, value_name = "SHARE", default_value = "1", value_parser = share_above_zero)]
    pub fraction: f64,

    /// How the learning rate changes over the steps
    #[arg(long, value_name = "NAME", default_value = "constant")]
    pub schedule: Shape,

    /// Drops hidden units at that rate while training [0.2 unless given]
    #[arg(long, value_name = "RATE", value_parser = share_below_one)]
    dropout: Option<Option<f64>>,

    /// Takes that much, times the learning rate, off each weight at each step, whatever the optimizer,
    /// beside its own decay if it has one [0.1 unless given]
    #[arg(long, value_name = "STRENGTH", value_parser = not_negative)]
    weight_decay: Option<Option<f64>>,

    /// L1 by its proximal step: brings each weight nearer to 0 by that much times the learning rate,
    /// and exactly to it at the end [0.03 unless given]
    #[arg(long, value_name = "STRENGTH", value_parser = not_negative)]
    l1: Option<Option<f64>>,

    /// Shows each image turned, moved and distorted anew each time
    #[arg(long)]
    augment: bool,

    /// Judges and keeps an exponential average of the weights with that decay [0.998 unless given]
    #[arg(long, value_name = "DECAY", value_parser = share_below_one)]
    ema: Option<Option<f64>>,

    /// Stops after so many epochs in a row without a lower validation loss, and keeps the weights of
    /// the best [20 unless given]
    #[arg(long, value_name = "PATIENCE", value_parser = epochs)]
    early_stopping: Option<Option<u64>>,
}

/// The course of the learning rate from its full value.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum Shape {
    /// Stays
    Constant,
    /// Falls to 0 along half a cosine
    Cosine,
    /// Rises over a twentieth of the steps, then falls like `cosine`
    WarmupCosine,
    /// Rises from a 25th over three tenths of the steps, then falls to nearly 0
    OneCycle,
    /// Falls to a tenth after each third of the steps
    Step,
    /// Rises over a twentieth of the steps, stays, falls to 0 over the last fifth
    Wsd,
}

impl Plan {
    pub fn dropout(&self) -> Option<f64> {
        self.dropout.map(|rate| rate.unwrap_or(DROPOUT))
    }

    pub fn l1(&self) -> Option<f64> {
        self.l1.map(|strength| strength.unwrap_or(L1))
    }

    pub fn patience(&self) -> Option<u64> {
        self.early_stopping.map(|patience| patience.unwrap_or(PATIENCE))
    }

    /// Distortions that leave 8x8 pixels legible.
    pub fn augment(&self) -> Option<Augment> {
        let augment = Augment::new().elastic(1.5, 3.0).rotate(12.0).shift(0.7).scale(0.9..=1.1);
        self.augment.then_some(augment)
    }

    fn weight_decay(&self) -> Option<f64> {
        self.weight_decay.map(|strength| strength.unwrap_or(WEIGHT_DECAY))
    }

    fn ema(&self) -> Option<f64> {
        self.ema.map(|decay| decay.unwrap_or(EMA))
    }

    /// What happens around the optimizer's rule.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.decoupled_decay = self.weight_decay().map(Decay::Relative);
        settings.proximal_l1 = self.l1().unwrap_or(0.0);
        // Without the bias of its first terms: a short training is judged by it too.
        settings.average = self.ema().map(|decay| Average::ema(decay).debiased());
        settings
    }

    /// The learning rate of each of so many steps.
    pub fn learning_rate(&self, full: f64, steps: u64) -> Schedule {
        let rise = steps / 20;
        match self.schedule {
            Shape::Constant => Schedule::constant(full),
            Shape::Cosine => Schedule::cosine(full, 0.0, steps),
            Shape::WarmupCosine => Schedule::cosine(full, 0.0, steps - rise).warm_up(rise),
            Shape::OneCycle => OneCycle::new(full, steps).into(),
            Shape::Step => Schedule::step_decay(full, 0.1, steps.div_ceil(3)),
            Shape::Wsd => {
                let fall = steps / 5;
                Schedule::warmup_stable_decay(full, rise, steps - rise - fall, fall, 0.0)
            }
        }
    }

    /// Every option and its value.
    pub fn options(&self) -> Vec<(String, String)> {
        let option = |name: &str, value: &dyn ToString| (name.to_owned(), value.to_string());
        let number = |value: Option<f64>| value.map_or("off".to_owned(), |value| value.to_string());
        let shape = self.schedule.to_possible_value();
        vec![
            option("--epochs", &self.epochs),
            option("--batch-size", &self.batch_size),
            option("--hidden", &self.hidden),
            option("--seed", &self.seed),
            option("--fraction", &self.fraction),
            option("--schedule", &shape.as_ref().map_or("", |shape| shape.get_name())),
            option("--dropout", &number(self.dropout())),
            option("--weight-decay", &number(self.weight_decay())),
            option("--l1", &number(self.l1())),
            option("--augment", &if self.augment { "on" } else { "off" }),
            option("--ema", &number(self.ema())),
            option("--early-stopping", &number(self.patience().map(|epochs| epochs as f64))),
        ]
    }

    /// The options of the regularizers that are on, as they are typed.
    pub fn regularizers(&self) -> String {
        let options = self.options().into_iter().skip_while(|(name, _)| name != "--dropout");
        let on = options.filter(|(_, value)| value != "off");
        let typed = on.map(|(name, value)| if value == "on" { name } else { name + " " + &value });
        typed.collect::<Vec<_>>().join(" ")
    }

    /// The same plan with none of the regularizers, each alone, and several; their strengths are
    /// those of this plan, or what an option without a value stands for.
    pub fn each_regularizer(&self) -> Vec<(&'static str, Self)> {
        let all = Self {
            dropout: self.dropout.or(Some(None)),
            weight_decay: self.weight_decay.or(Some(None)),
            l1: self.l1.or(Some(None)),
            augment: true,
            ema: self.ema.or(Some(None)),
            early_stopping: self.early_stopping.or(Some(None)),
            ..self.clone()
        };
        let none = Self {
            dropout: None,
            weight_decay: None,
            l1: None,
            augment: false,
            ema: None,
            early_stopping: None,
            ..self.clone()
        };
        vec![
            ("none", none.clone()),
            ("L1", Self { l1: all.l1, ..none.clone() }),
            ("weight decay", Self { weight_decay: all.weight_decay, ..none.clone() }),
            ("dropout", Self { dropout: all.dropout, ..none.clone() }),
            ("augmentation", Self { augment: true, ..none.clone() }),
            ("averaging", Self { ema: all.ema, ..none.clone() }),
            ("early stopping", Self { early_stopping: all.early_stopping, ..none.clone() }),
            (
                "augmentation, dropout and averaging",
                Self { augment: true, dropout: all.dropout, ema: all.ema, ..none },
            ),
            ("all together", all),
        ]
    }
}

fn number(text: &str, is_allowed: fn(f64) -> bool, allowed: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&number| is_allowed(number));
    number.ok_or_else(|| format!("it takes a {allowed}"))
}

pub fn positive(text: &str) -> Result<f64, String> {
    number(text, |x| x > 0.0 && x.is_finite(), "finite number above 0")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |x| x >= 0.0 && x.is_finite(), "finite number, 0 or more")
}

fn share_below_one(text: &str) -> Result<f64, String> {
    number(text, |x| (0.0..1.0).contains(&x), "number from 0 to below 1")
}

fn share_above_zero(text: &str) -> Result<f64, String> {
    number(text, |x| x > 0.0 && x <= 1.0, "number above 0, 1 at most")
}

fn at_least_one(text: &str) -> Result<usize, &'static str> {
    /// Far above what is of use; a slip of the finger should not exhaust the memory.
    const MOST: usize = 100_000;
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or("it takes a whole number from 1 to 100000")
}

fn epochs(text: &str) -> Result<u64, &'static str> {
    at_least_one(text).map(|epochs| epochs as u64)
}
