//! A model whose leaves are larger and smaller than what ranks split, and runs on some ranks.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use crate::LOSS;
use ndarray::{Array, ArrayD, ShapeBuilder};
use thalweg::distributed::{DataParallel, Sharded, Split, Threads};
use thalweg::params::Path;
use thalweg::regularize::{AdaptiveClip, Decay, GradientNoise, MaxNorm, Penalty, Units};
use thalweg::train::Accumulate;
use thalweg::{Average, Error, Optimizer, Params, Precision, Scalar, Settings, State, StepInfo};

pub type Model<F> = BTreeMap<String, ArrayD<F>>;

/// Numbers of both signs and some magnitudes; the same for the same seed.
pub fn numbers<F: Scalar>(len: usize, seed: u64) -> Vec<F> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let number = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value = (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
        F::from_f64(value * [0.01, 0.1, 1.0, 3.0][(state >> 7) as usize % 4])
    };
    (0..len).map(number).collect()
}

/// The leaves: a matrix of two blocks and a bit, one that is column-major, a bias, a number, an empty one.
pub fn model<F: Scalar>(seed: u64) -> Model<F> {
    let leaf = |i: u64, shape: &[usize]| {
        let n = shape.iter().product();
        Array::from_shape_vec(shape, numbers(n, seed * 100 + i)).unwrap()
    };
    let mut tall = Array::zeros(ndarray::IxDyn(&[70, 31]).f());
    tall.assign(&leaf(2, &[70, 31]));
    BTreeMap::from([
        ("a.weight".to_owned(), leaf(1, &[30, 71])),
        ("a.bias".to_owned(), leaf(3, &[71])),
        ("b.weight".to_owned(), tall),
        ("b.bias".to_owned(), leaf(4, &[1])),
        ("scale".to_owned(), leaf(5, &[])),
        ("nothing".to_owned(), leaf(6, &[0, 3])),
    ])
}

/// The gradient of a shard at a step. Every run asks for the same ones.
pub fn gradient<F: Scalar>(step: usize, shard: usize) -> Model<F> {
    type Made = Mutex<BTreeMap<(&'static str, usize, usize), Arc<dyn Any + Send + Sync>>>;
    static MADE: Made = Mutex::new(BTreeMap::new());
    let mut all = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = all
        .entry((F::NAME, step, shard))
        .or_insert_with(|| Arc::new(new_gradient::<F>(step, shard)))
        .clone();
    drop(all);
    made.downcast_ref::<Model<F>>().unwrap().clone()
}

fn new_gradient<F: Scalar>(step: usize, shard: usize) -> Model<F> {
    let mut gradient = model(1000 + 50 * step as u64 + shard as u64);
    // Its layout is its own.
    if shard % 2 == 1 {
        let turned = gradient["a.weight"].view().reversed_axes().as_standard_layout().to_owned();
        gradient.insert("a.weight".to_owned(), turned.reversed_axes());
    }
    gradient
}

pub fn bits<F: Scalar>(tree: &dyn Params<F>) -> Vec<u64> {
    let mut all = Vec::new();
    let bits = |x: &F| if x.is_nan() { u64::MAX } else { x.into_f64().to_bits() };
    tree.visit(Path::ROOT, &mut |_, leaf| all.extend(leaf.view().iter().map(bits)));
    all
}

/// What is to be the same, whatever the ranks.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub parameters: Vec<u64>,
    pub info: (u64, u64, bool, Option<u64>),
}

pub fn seen<F: Scalar>(params: &dyn Params<F>, info: StepInfo) -> Seen {
    let norm = info.grad_norm.map(f64::to_bits);
    let info = (info.step, info.learning_rate.to_bits(), info.skipped, norm);
    Seen { parameters: bits(params), info }
}

/// Runs on threads, under a time limit: what waits for good is a failure.
#[track_caller]
pub fn on_ranks<T: Send + 'static>(
    size: usize,
    work: impl Fn(Threads) -> Result<T, Error> + Send + Sync + 'static,
) -> Result<Vec<T>, Error> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(Threads::run(size, work)));
    receiver.recv_timeout(Duration::from_secs(60)).expect("the ranks wait for each other for good")
}

/// Settings of every kind: nothing, what happens to each element, what a norm of all, or of a leaf, couples.
pub fn every_setting() -> Vec<(&'static str, Settings)> {
    let of = |change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        settings
    };
    vec![
        ("plain", Settings::default()),
        (
            "clipped",
            of(&|s| {
                s.clip_norm = Some(0.7);
                s.clip_value = Some(0.02);
                s.penalty = Penalty::elastic_net(0.01, 0.1);
                s.decoupled_decay = Some(Decay::Relative(0.1));
                s.shrink = 0.999;
                s.proximal_l1 = 1e-3;
                s.average = Some(Average::ema(0.9));
            }),
        ),
        (
            "coupled",
            of(&|s| {
                s.report_norm = true;
                s.clip_leaf_norm = Some(0.5);
                s.clip_adaptive = Some(AdaptiveClip::new(0.3).units(Units::Leaf));
                s.cautious = true;
                s.maximize = true;
                s.average = Some(Average::swa().start(2).every(2));
            }),
        ),
        (
            "noisy",
            of(&|s| {
                s.gradient_noise = Some(GradientNoise::annealed(0.01, 0.55));
                s.clip_value = Some(0.02);
                s.average = Some(Average::ema(0.9));
            }),
        ),
        (
            "compact",
            of(&|s| {
                s.clip_norm = Some(0.7);
                s.average = Some(Average::ema(0.9));
                s.state_precision = Precision::BFloat16;
            }),
        ),
        (
            "compact8",
            of(&|s| {
                // No norm: its last digit is of the order in which a leaf is read.
                s.average = Some(Average::ema(0.9));
                s.state_precision = Precision::Int8;
            }),
        ),
    ]
}

/// What needs whole leaves.
pub fn by_units() -> Settings {
    let mut settings = Settings::default();
    settings.clip_norm = Some(2.0);
    settings.centralized = Some(Units::LastAxis);
    settings.clip_adaptive = Some(AdaptiveClip::new(0.3));
    settings.max_norm = Some(MaxNorm::whole(20.0));
    settings
}

/// The wrappers, and the splits of those that split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    DataParallel,
    Sharded(Option<Split>),
}

pub const KINDS: [Kind; 3] =
    [Kind::DataParallel, Kind::Sharded(Some(Split::Elements)), Kind::Sharded(Some(Split::Leaves))];

/// An optimizer on many ranks, in whichever wrapper.
pub enum Many<F: Scalar> {
    Data(DataParallel<F, Box<dyn Optimizer<F>>, Threads>),
    Parts(Sharded<F, Box<dyn Optimizer<F>>, Threads>),
}

impl<F: Scalar> Many<F> {
    pub fn new(kind: Kind, inner: Box<dyn Optimizer<F>>, ranks: Threads, shards: usize) -> Self {
        match kind {
            Kind::DataParallel => Self::Data(DataParallel::new(inner, ranks).shards(shards)),
            Kind::Sharded(split) => {
                let sharded = Sharded::new(inner, ranks).shards(shards);
                Self::Parts(match split {
                    Some(split) => sharded.split(split),
                    None => sharded,
                })
            }
        }
    }

    pub fn own(&self) -> std::ops::Range<usize> {
        match self {
            Self::Data(data) => data.own(),
            Self::Parts(parts) => parts.own(),
        }
    }

    pub fn optimizer(&mut self) -> &mut dyn Optimizer<F> {
        match self {
            Self::Data(data) => data,
            Self::Parts(parts) => parts,
        }
    }

    pub fn step_weighted(
        &mut self,
        w: &mut Model<F>,
        g: &dyn Params<F>,
        weight: f64,
    ) -> Result<StepInfo, Error> {
        match self {
            Self::Data(data) => data.step_weighted(w, g, weight),
            Self::Parts(parts) => parts.step_weighted(w, g, weight),
        }
    }

    pub fn refuse(&mut self, w: &mut Model<F>, error: Error) -> Result<StepInfo, Error> {
        match self {
            Self::Data(data) => data.refuse(w, error),
            Self::Parts(parts) => parts.refuse(w, error),
        }
    }

    /// The state of one process.
    pub fn whole_state(&self) -> Result<State, Error> {
        match self {
            Self::Data(data) => Ok(data.state()),
            Self::Parts(parts) => parts.gather_state(),
        }
    }

    /// All shards of this rank at a step.
    pub fn steps(&mut self, w: &mut Model<F>, step: usize) -> Result<StepInfo, Error> {
        let mut info = StepInfo::default();
        for shard in self.own() {
            info = self.optimizer().step_with_loss(w, &gradient(step, shard), LOSS)?;
        }
        Ok(info)
    }
}

/// All shards of a step in one process.
pub fn steps_alone<F: Scalar>(
    optimizer: &mut Accumulate<F, Box<dyn Optimizer<F>>>,
    w: &mut Model<F>,
    step: usize,
    shards: usize,
) -> StepInfo {
    let calls =
        (0..shards).map(|shard| optimizer.step_with_loss(w, &gradient(step, shard), LOSS).unwrap());
    calls.last().unwrap()
}
