//! Parameters and gradients of 16 bits against those of `f32`.

use half::bf16;
use thalweg::{Adam, Elementwise, Momentum, Precision, Rounding, Rule};

use crate::loops::{aligned_gradient, quiet, step};
use crate::measure::{Aligned, Row, Section, duel};

const IN_CACHE: usize = 100_000;
const IN_MEMORY: usize = 25_000_000;

/// What is of 16 bits, the other being `f32` with full state.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    parameters: bool,
    precision: Precision,
    rounding: Rounding,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "gradients",
        parameters: false,
        precision: Precision::Full,
        rounding: Rounding::Stochastic,
    },
    Kind {
        name: "parameters and gradients",
        parameters: true,
        precision: Precision::Full,
        rounding: Rounding::Stochastic,
    },
    Kind {
        name: "parameters, with what is left, and gradients",
        parameters: true,
        precision: Precision::Full,
        rounding: Rounding::Compensated,
    },
    Kind {
        name: "parameters, gradients and state",
        parameters: true,
        precision: Precision::BFloat16,
        rounding: Rounding::Stochastic,
    },
];

impl Kind {
    /// Bytes that a step moves, by those of `f32`: the gradient read, parameter and slots read and written.
    fn bytes(self, slots: usize) -> f64 {
        let parameter = if self.parameters { 2 } else { 4 };
        let left = if self.rounding == Rounding::Compensated { 2 } else { 0 };
        let slot = if self.precision == Precision::Full { 4 } else { 2 };
        let moved = 2 + 2 * (parameter + left + slots * slot);
        moved as f64 / (4 + 2 * (4 + slots * 4)) as f64
    }
}

fn against_f32<R: Rule<f32>>(
    n: usize,
    above: usize,
    kind: Kind,
    make: impl Fn() -> Elementwise<f32, R>,
) -> (f64, f64) {
    let mut half = quiet(make())
        .state_precision(kind.precision)
        .parameter_rounding(kind.rounding)
        .parallel_above(above);
    let mut full = quiet(make()).parallel_above(above);
    let (mut w_full, g_full) = (Aligned::new(n, 1.0), aligned_gradient(n));
    let mut g = Aligned::new(n, bf16::ZERO);
    g.slice_mut().iter_mut().zip(&g_full.view()).for_each(|(to, g)| *to = bf16::from_f32(*g));
    let (mut w, mut w_half) = (Aligned::new(n, 1.0), Aligned::new(n, bf16::ONE));
    let mut ours = || {
        let info = if kind.parameters {
            thalweg::Optimizer::step(&mut half, &mut w_half.view_mut(), &g.view())
        } else {
            thalweg::Optimizer::step(&mut half, &mut w.view_mut(), &g.view())
        };
        info.expect("finite gradients of one shape");
    };
    let mut other = || step(&mut full, w_full.view_mut(), g_full.view());
    ours();
    other();
    duel(ours, other)
}

/// Adam and Momentum with `bf16`.
pub fn half() -> Section {
    let mut rows = Vec::new();
    let mut row = |kind: Kind, n: usize, threads: &str, above: usize| {
        let name = |rule: &str, slots| {
            let bytes = kind.bytes(slots);
            format!("{rule}, bf16 {} against f32, {n}{threads} (bytes: {bytes:.2})", kind.name)
        };
        let limit = |slots| if n == IN_MEMORY { 1.25 * kind.bytes(slots) } else { 3.0 };
        rows.push(Row::ratio(name("Adam", 2), n, limit(2), move || {
            against_f32(n, above, kind, || Adam::new(1e-3))
        }));
        rows.push(Row::ratio(name("Momentum", 1), n, limit(1), move || {
            against_f32(n, above, kind, || Momentum::new(1e-3))
        }));
    };
    for kind in KINDS {
        for n in [IN_CACHE, IN_MEMORY] {
            row(kind, n, "", usize::MAX);
        }
        if cfg!(feature = "rayon") {
            row(kind, IN_MEMORY, ", threads", IN_MEMORY / 4);
        }
    }
    Section { name: "half", title: "Parameters and gradients of 16 bits", rows }
}
