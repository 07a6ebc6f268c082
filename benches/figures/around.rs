//! All that stands around an update, in one sweep against the memory it moves and against a pass each.

use pulp::Arch;
use thalweg::{AdamW, Average, NonFinite};

use crate::loops::{aligned_gradient, hand_written, quiet, step};
use crate::measure::{Aligned, Row, Section, duel};

const IN_CACHE: [usize; 3] = [10_000, 100_000, 1_000_000];
const IN_MEMORY: usize = 25_000_000;
/// Below the gradient's norm, so that it scales.
const LIMIT: f64 = 1.0;

hand_written! { Stream3 [a, b, c] () |w, g| { (w + g, [a + g, b + g, c + g]) } }
hand_written! { AdamLoop [m, v] (alpha, correction) |w, g| {
    let m = F::from_f64(0.9) * m + F::from_f64(0.1) * g;
    let v = F::from_f64(0.999) * v + F::from_f64(0.001) * g * g;
    (w - alpha * m / ((v * correction).sqrt() + F::from_f64(1e-8)), [m, v])
} }
hand_written! { ScaleLoop [] (factor) |w, _g| { (w * factor, []) } }
hand_written! { BlendLoop [] (rate) |w, g| { (w + rate * (g - w), []) } }

struct SumOfSquares<'a>(&'a [f32]);

impl pulp::WithSimd for SumOfSquares<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f32 {
        // Four streams: one alone does not fill the memory bus.
        let quarter = self.0.len() / 4;
        let mut sums = [[0.0; 16]; 4];
        for at in (0..quarter / 16 * 16).step_by(16) {
            for (part, sums) in sums.iter_mut().enumerate() {
                let x = &self.0[part * quarter + at..][..16];
                for lane in 0..16 {
                    sums[lane] += x[lane] * x[lane];
                }
            }
        }
        sums.iter().flatten().sum()
    }
}

fn sum_of_squares(x: &[f32]) -> f32 {
    Arch::new().dispatch(SumOfSquares(x))
}

struct Ours {
    optimizer: AdamW<f32>,
    w: Aligned<f32>,
    g: Aligned<f32>,
}

impl Ours {
    fn new(n: usize, policy: NonFinite) -> Self {
        let adamw = AdamW::new(1e-3).clip_norm(LIMIT).average(Average::ema(0.999));
        let mut ours = Self {
            optimizer: quiet(adamw).non_finite(policy),
            w: Aligned::new(n, 1.0),
            g: aligned_gradient(n),
        };
        ours.step();
        ours
    }

    fn step(&mut self) {
        step(&mut self.optimizer, self.w.view_mut(), self.g.view());
    }
}

fn buffers(n: usize) -> [Aligned<f32>; 5] {
    let [w, m, v, average] = [1.0, 0.0, 0.0, 1.0].map(|value| Aligned::new(n, value));
    [w, aligned_gradient(n), m, v, average]
}

/// A read of the gradients, and a read and a write of everything.
fn against_stream(n: usize, policy: NonFinite) -> (f64, f64) {
    let mut ours = Ours::new(n, policy);
    let [mut w, g, mut a, mut b, mut c] = buffers(n);
    let (w, a, b, c) = (w.slice_mut(), a.slice_mut(), b.slice_mut(), c.slice_mut());
    let view = g.view();
    let g = view.as_slice().expect("one stretch");
    duel(
        || ours.step(),
        || {
            std::hint::black_box(sum_of_squares(g));
            let (w, a, b, c) = (&mut *w, &mut *a, &mut *b, &mut *c);
            Arch::new().dispatch(Stream3 { w, g, a, b, c });
        },
    )
}

/// Norm, scaling, Adam, decay and average, a loop each, as one writes them around an optimizer.
fn against_passes(n: usize, policy: NonFinite) -> (f64, f64) {
    let mut ours = Ours::new(n, policy);
    let [mut w, mut g, mut m, mut v, mut average] = buffers(n);
    let (w, g, average) = (w.slice_mut(), g.slice_mut(), average.slice_mut());
    let (m, v) = (m.slice_mut(), v.slice_mut());
    let arch = Arch::new();
    duel(
        || ours.step(),
        || {
            let norm = sum_of_squares(g).sqrt();
            // Scaled from the same values every time.
            let factor = if norm > LIMIT as f32 { LIMIT as f32 / norm } else { 1.0 };
            arch.dispatch(ScaleLoop { w: &mut *g, g: &*w, factor });
            let (m, v) = (&mut *m, &mut *v);
            arch.dispatch(ScaleLoop { w: &mut *w, g: &*m, factor: 1.0 - 1e-5 });
            arch.dispatch(AdamLoop { w: &mut *w, g: &*g, m, v, alpha: 1e-3, correction: 1.1 });
            arch.dispatch(BlendLoop { w: &mut *average, g: &*w, rate: 1e-3 });
        },
    )
}

/// Clipping by the global norm, AdamW, weight decay and an exponential average in one step.
pub fn around() -> Section {
    let mut rows = Vec::new();
    for n in IN_CACHE.into_iter().chain([IN_MEMORY]) {
        for (name, policy) in [("", NonFinite::Propagate), (", guarded", NonFinite::Reject)] {
            rows.push(Row::ratio(
                format!("clip + AdamW + decay + EMA{name} against its stream, {n}"),
                n,
                if n == IN_MEMORY { 1.15 } else { f64::INFINITY },
                move || against_stream(n, policy),
            ));
        }
        rows.push(Row::ratio(format!("the same against a pass each, {n}"), n, 1.0, move || {
            against_passes(n, NonFinite::Reject)
        }));
    }
    Section { name: "around", title: "All that stands around an update (AdamW f32)", rows }
}
