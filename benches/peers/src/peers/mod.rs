//! Whoever takes a step: one file each.

mod burn;
mod candle;
mod hand;
mod ours;
mod stochastic;
mod stream;

use crate::work::{Rule, Work, slope};

/// Something that steps, with its parameter, gradient and state made.
pub trait Stepper {
    fn step(&mut self);

    /// The first elements of the parameter, then of the average where there is one.
    fn sample(&mut self) -> Vec<f64>;
}

/// How many elements of each a sample has.
pub const SAMPLE: usize = 3;

/// One column of the table.
pub struct Peer {
    pub name: &'static str,
    pub rules: &'static [Rule],
    /// Whether each step asks for memory and gives it back.
    pub temporaries: bool,
    pub enter: Enter,
}

pub const OURS: &str = "thalweg";
pub const STREAM: &str = "stream";

const EVERY: &[Rule] = &Rule::ALL;

/// All that this program itself can run.
pub static PEERS: [Peer; 9] = [
    steady(STREAM, EVERY, stream::enter),
    steady(OURS, EVERY, ours::enter),
    steady("thalweg, guarded", EVERY, ours::enter_guarded),
    steady("ndarray Zip", EVERY, hand::enter),
    steady("stochastic_optimizers", stochastic::RULES, stochastic::enter),
    tensors("candle-nn", candle::NN_RULES, candle::enter_nn),
    tensors("candle-optimisers", candle::OPTIMISERS_RULES, candle::enter_optimisers),
    tensors("burn-ndarray", burn::RULES, burn::enter_ndarray),
    tensors("burn-flex", burn::RULES, burn::enter_flex),
];

type Enter = fn(Work) -> Box<dyn Stepper>;

/// A peer whose steps need no memory.
const fn steady(name: &'static str, rules: &'static [Rule], enter: Enter) -> Peer {
    Peer { name, rules, temporaries: false, enter }
}

/// A peer whose steps make new tensors.
const fn tensors(name: &'static str, rules: &'static [Rule], enter: Enter) -> Peer {
    Peer { name, rules, temporaries: true, enter }
}

/// The program's peer of that name.
pub fn find(name: &str) -> Option<&'static Peer> {
    PEERS.iter().find(|peer| peer.name == name)
}

/// The gradient as a vector.
fn gradient<F: thalweg::Scalar>(n: usize) -> Vec<F> {
    (0..n).map(|i| F::from_f64(slope(i))).collect()
}

/// `$enter::<F>($work, ..)` for the precision of the work.
macro_rules! by_precision {
    ($enter:ident($work:expr $(, $more:expr)*)) => {
        match $work.precision {
            crate::work::Precision::F32 => $enter::<f32>($work $(, $more)*),
            crate::work::Precision::F64 => $enter::<f64>($work $(, $more)*),
        }
    };
}
use by_precision;
