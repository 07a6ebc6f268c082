//! What the formulas and the crate are both run on.

use thalweg::Schedule;

pub const STEPS: usize = 100;

/// A learning rate, the same for the crate and the formula.
#[derive(Debug, Clone, Copy)]
pub enum Rate {
    Constant(f64),
    /// Up and down by half from step to step: tells a rate inside an average from one outside.
    Waving(f64),
}

impl Rate {
    pub fn at(self, step: u64) -> f64 {
        match self {
            Rate::Constant(rate) => rate,
            Rate::Waving(rate) => rate * (1.0 + 0.5 * (step as f64).sin()),
        }
    }
}

impl From<Rate> for Schedule {
    fn from(rate: Rate) -> Self {
        Schedule::custom(format!("{rate:?}"), move |step| rate.at(step))
    }
}

/// A parameter and the gradients that it meets.
pub struct Element {
    pub what: String,
    pub initial: f64,
    pub gradients: Vec<f64>,
}

/// Gradients from 1e-4 to 1e4 that change sign, twice each: from w = 0, where the updates alone
/// make the scale that deviations are measured by, and from another w, which decay needs. Then a
/// gradient that is always 0, one that is 0 at first and every third step, one that keeps its sign.
pub fn elements() -> Vec<Element> {
    let mut random = Random(0x7ab1_e0f0_5ca1_e001);
    let mut elements = Vec::new();
    for initial in [0.0, -1.3] {
        for scale in [1e-4, 1e-2, 1.0, 1e2, 1e4] {
            elements.push(Element {
                what: format!("scale {scale:e} from {initial}"),
                initial,
                gradients: (0..STEPS).map(|_| scale * random.symmetric()).collect(),
            });
        }
        elements.push(Element {
            what: format!("always 0 from {initial}"),
            initial,
            gradients: vec![0.0; STEPS],
        });
        elements.push(Element {
            what: format!("sometimes 0 from {initial}"),
            initial,
            gradients: (0..STEPS)
                .map(|t| if t % 3 == 0 { 0.0 } else { random.symmetric() })
                .collect(),
        });
        elements.push(Element {
            what: format!("positive from {initial}"),
            initial,
            gradients: (0..STEPS).map(|_| 0.3 + 0.2 * random.symmetric()).collect(),
        });
    }
    elements
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    /// Uniform in [-1, 1).
    pub fn symmetric(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}
