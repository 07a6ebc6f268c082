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
    pub enter: fn(Work) -> Box<dyn Stepper>,
}

pub const OURS: &str = "thalweg";
pub const STREAM: &str = "stream";

const EVERY: &[Rule] = &Rule::ALL;

/// All that this program itself can run.
pub static PEERS: [Peer; 9] = [
    Peer { name: STREAM, rules: EVERY, enter: stream::enter },
    Peer { name: OURS, rules: EVERY, enter: ours::enter },
    Peer { name: "thalweg, guarded", rules: EVERY, enter: ours::enter_guarded },
    Peer { name: "ndarray Zip", rules: EVERY, enter: hand::enter },
    Peer { name: "candle-nn", rules: candle::NN_RULES, enter: candle::enter_nn },
    Peer {
        name: "candle-optimisers",
        rules: candle::OPTIMISERS_RULES,
        enter: candle::enter_optimisers,
    },
    Peer { name: "burn-ndarray", rules: burn::RULES, enter: burn::enter_ndarray },
    Peer { name: "burn-flex", rules: burn::RULES, enter: burn::enter_flex },
    Peer { name: "stochastic_optimizers", rules: stochastic::RULES, enter: stochastic::enter },
];

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
